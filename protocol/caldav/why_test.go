package caldav

import (
	"strings"
	"testing"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

// An object tells what happened to the messages about it, to whom the journal
// is told, and only if it is asked by name.
func TestObjectTellsWhy(t *testing.T) {
	hosts := sitetest.NewHosts(t, sitetest.Options{})
	s := (&site{t: t, people: hosts.People, base: hosts.Site}).over(hosts.Backend)
	s.visit("anna", "ben")
	if _, err := s.be.Home(t.Context(), s.people.Actor("room1"), calendar.HomeRequest{Owner: "room1"}); err != nil {
		t.Fatal(err)
	}
	const cal, rooms = "/dav/calendars/anna/calendar/", "/dav/calendars/room1/calendar/"
	body := xmlHead("D:propfind") + `<D:prop><D:getetag/><why xmlns="urn:factotum:caldav"/></D:prop></D:propfind>`
	s.do("anna", "PUT", cal+"m.ics", event("m", "20260310T090000Z", "Meeting")).is(201)
	s.do("root", "PUT", rooms+"m.ics", event("m", "20260310T090000Z", "Meeting")).is(201)
	tell := func(on *sitetest.Site, owner calendar.Owner, list ...calendar.Trace) {
		t.Helper()
		if err := on.Model.Settle(t.Context(), owner, calendar.Settlement{UID: "none", Traces: list}); err != nil {
			t.Fatal(err)
		}
	}
	step := func(uid string, step calendar.TraceStep, reason, detail string) calendar.Trace {
		return calendar.Trace{Message: "anna/17/0", Method: "REQUEST", UID: uid, From: "mailto:anna@example.com", To: []string{"mailto:ben@example.com", "mailto:x@example.com"},
			Step: step, Reason: reason, Detail: detail, Status: "3.7"}
	}
	tell(hosts.Site, "anna", step("m", calendar.TraceQueued, calendar.ReasonQueued, ""), step("other", calendar.TraceQueued, "unlike", ""),
		step("m", calendar.TraceFailed, calendar.ReasonUnknownUser, "So <said> the host."))
	tell(hosts.Second, "room1", step("m", calendar.TraceDecided, "room-free", ""))

	r := s.do("anna", "PROPFIND", cal+"m.ics", body, "Depth: 0").is(207)
	r.contains(`why xmlns:X="urn:factotum:caldav"`, ">failed</X:what>", ">unknown-user</X:reason>", ">3.7</X:status>", ">mailto:anna@example.com</X:from>",
		">mailto:ben@example.com</X:to>", ">mailto:x@example.com</X:to>", ">Nobody here has this address. So &lt;said&gt; the host.</X:sentence>", "getetag").lacks("unlike", "404", "403")
	if strings.Index(r.body, ">failed<") > strings.Index(r.body, ">queued<") {
		t.Errorf("the newest is not first:\n%s", r.body)
	}
	s.do("root", "PROPFIND", rooms+"m.ics", body, "Depth: 0").is(207).contains(">The time was free.</X:sentence>")
	s.do("anna", "PROPFIND", cal+"m.ics", "", "Depth: 0").is(207).lacks("urn:factotum:caldav")
	s.do("anna", "PROPFIND", cal, body, "Depth: 1").is(207).contains("404").lacks(">failed<")

	// Who reads the calendar reads no journal for that.
	s.do("anna", "ACL", cal, xmlHead("D:acl")+`<D:ace><D:principal><D:all/></D:principal><D:grant><D:privilege><D:read/></D:privilege></D:grant></D:ace></D:acl>`).is(200)
	s.do("ben", "PROPFIND", cal+"m.ics", body, "Depth: 0").is(207).contains("getetag", "403").lacks(">failed<")
}
