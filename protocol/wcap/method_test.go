package wcap

import (
	"strings"
	"testing"
)

// TestWCAP_7_5_MethodIsKept: a component is in the state that its method put it in
// (WCAP §7.6), it is found by that, and nobody is said to have been told who was not.
func TestWCAP_7_5_MethodIsKept(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	const make, people = "&dtstart=20260310T090000Z&dtend=20260310T100000Z", "&attendees=PARTSTAT=ACCEPTED^anna;PARTSTAT=NEEDS-ACTION^RSVP=TRUE^ben;PARTSTAT=NEEDS-ACTION^mailto:out@side.org"
	const published, pending, waiting, answered = "PUBLISH-COMPLETED:65538", "REQUEST-PENDING:131073", "REQUEST-WAITFORREPLY:131074", "REQUEST-COMPLETED:131074"
	for i, c := range []struct {
		stores string // one after the other
		want   string
	}{
		{"method=2" + make, published}, // nobody is invited
		{make + people, published},
		{"method=1" + make + people, published},
		{"method=2" + make + people, pending},
		{"method=2" + make + people + "|summary=x", pending}, // what is not said stays
		{"method=2" + make + people + "|method=1&summary=x", published},
		{make + people + "|method=2", pending},
		{make + people + "|summary=x", published},
		{"method=2" + make + people + "|attendees=PARTSTAT=NEEDS-ACTION^carl", pending},
		{"method=2" + make + "&attendees=anna;SENT-STATUS=SENT-SUCCEEDED^PARTSTAT=ACCEPTED^ben", answered},
		{"method=2" + make + "&attendees=anna;SENT-STATUS=SENT-SUCCEEDED^PARTSTAT=NEEDS-ACTION^ben", waiting},
		{"method=2" + make + "&attendees=SENT-STATUS=SENT-SUCCEEDED^PARTSTAT=NEEDS-ACTION^ben;SENT-STATUS=NOT-SENT^carl", pending},
		{"method=1" + make + "&attendees=SENT-STATUS=SENT-SUCCEEDED^PARTSTAT=NEEDS-ACTION^ben;carl", waiting},
		{"method=256" + make + "&orgEmail=mailto:ben@example.com&attendees=PARTSTAT=NEEDS-ACTION^anna", "REQUEST-NEEDS-ACTION:131075"},
		{"method=256" + make + "&orgEmail=mailto:ben@example.com&attendees=PARTSTAT=NEEDS-ACTION^anna|method=4&attendees=PARTSTAT=ACCEPTED^anna", "REPLY-ACCEPTED:262149"},
		{"method=256" + make + "&orgEmail=mailto:ben@example.com&attendees=PARTSTAT=NEEDS-ACTION^anna|method=4&attendees=PARTSTAT=DECLINED^anna", "REPLY-DECLINED:262150"},
		{"method=256" + make + "&orgEmail=mailto:ben@example.com&attendees=RSVP=FALSE^anna", "REQUEST-NEEDSNOACTION:131076"},
	} {
		uid := "m" + itoa(i)
		for q := range strings.SplitSeq(c.stores, "|") {
			s.do("anna", "storeevents.wcap?calid=anna&uid="+uid+"&"+q).errno(0)
		}
		keyword, _, _ := strings.Cut(c.want, ":")
		for _, by := range []string{"", "&emailorcalid=1"} {
			r := s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid="+uid+by).errno(0).lacks("SCHEDULE-AGENT=NONE")
			if got := "X-NSCP-GSE-COMPONENT-STATE;X-NSCP-GSE-COMMENT=" + c.want; !strings.Contains(r.unfolded(), got) {
				t.Errorf("%s: no %s in\n%s", c.stores, got, r.unfolded())
			}
			told := 0
			if keyword == "REQUEST-WAITFORREPLY" || strings.Contains(c.stores, "SENT-SUCCEEDED") {
				told = 1
			}
			if n := strings.Count(r.unfolded(), "X-NSCP-ATTENDEE-GSE-STATUS=2"); n != told {
				t.Errorf("%s: %d are said to have been told\n%s", c.stores, n, r.unfolded())
			}
		}
		const month = "fetchcomponents_by_range.wcap?calid=anna&dtstart=20260301T000000Z&dtend=20260401T000000Z&compstate="
		s.do("anna", month+keyword).errno(0).contains("UID:" + uid + "\r\n")
		s.do("anna", month+strings.ReplaceAll(keyword, "-", "_")).errno(0).contains("UID:" + uid + "\r\n")
		other := "REQUEST-PENDING"
		if keyword == other {
			other = "PUBLISH-COMPLETED"
		}
		s.do("anna", month+other).errno(0).lacks("UID:" + uid + "\r\n")
	}
}

// TestWCAP_7_4_WhoActed: who stores for the owner stands beside him, by address and
// by id, until the owner does so himself.
func TestWCAP_7_4_WhoActed(t *testing.T) {
	s := newSite(t)
	s.do("anna", "set_calprops.wcap?calid=anna&acl=ben^a^rwd^g").errno(0)
	const meeting = "storeevents.wcap?calid=anna&uid=m&method=2"
	s.do("ben", meeting+"&dtstart=20260310T090000Z&attendees=carl").errno(28) // writing is not inviting: WCAP §4.2
	s.do("ben", "storeevents.wcap?calid=anna&uid=p&method=1&dtstart=20260310T090000Z&attendees=carl").errno(0)
	s.do("anna", "set_calprops.wcap?calid=anna&acl=ben^a^rwd^g;ben^c^eic^g").errno(0)
	s.do("ben", meeting+"&dtstart=20260310T090000Z&attendees=carl").errno(0)
	has(t, s.stored("anna", "anna", "m"), `ORGANIZER;CN=Anna Berg;SENT-BY="mailto:ben@example.com":mailto:anna@example.com`)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=m&emailorcalid=1").errno(0).contains("SENT-BY=ben@example.com", "X-NSCP-ORGANIZER-SENT-BY-UID=ben", "X-NSCP-ORGANIZER-UID=anna", "X-S1CS-CALID=anna:mailto:anna@example.com")
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=m&fmt-out=text/xml").errno(0).contains(`SENT-BY="ben@example.com"`, `X-NSCP-ORGANIZER-SENT-BY-UID="ben"`, `X-S1CS-EMAIL="anna@example.com"`, ">anna</ORGANIZER>")
	s.do("anna", meeting+"&summary=mine").errno(0)
	has(t, s.stored("anna", "anna", "m"), "!SENT-BY")
	s.do("ben", meeting+"&summary=his").errno(0)
	s.do("root", meeting+"&summary=root's").errno(0)
	has(t, s.stored("anna", "anna", "m"), `SENT-BY="mailto:root@example.com"`, "!ben@example.com")
	proxy := s.get("login.wcap?user=root&password=root&proxyauth=anna").value("X-NSCP-WCAP-SESSION-ID")
	s.get(meeting + "&summary=hers&id=" + proxy).errno(0)
	has(t, s.stored("anna", "anna", "m"), "!SENT-BY")
	s.do("ben", "storeevents.wcap?calid=anna&uid=m&method=8").errno(0)
	has(t, s.stored("anna", "anna", "m"), `SENT-BY="mailto:ben@example.com"`, "STATUS:CANCELLED")

	// An answer for somebody else says so too; of others' meetings nothing else is changed.
	s.put("anna", "anna", "i.ics", simpleEvent("i", "20260310T090000Z", "ORGANIZER:mailto:carl@example.com", "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:anna@example.com"))
	s.do("ben", "storeevents.wcap?calid=anna&uid=i&method=4&attendees=PARTSTAT=ACCEPTED^anna").errno(0)
	has(t, s.stored("anna", "anna", "i"), `ATTENDEE;PARTSTAT=ACCEPTED;SENT-BY="mailto:ben@example.com";`, "ORGANIZER;SCHEDULE-STATUS=1.0:mailto:carl@example.com")
	s.do("anna", "storeevents.wcap?calid=anna&uid=i&method=4&attendees=PARTSTAT=DECLINED^anna").errno(0)
	has(t, s.stored("anna", "anna", "i"), "ATTENDEE;PARTSTAT=DECLINED;", "!SENT-BY")
	s.do("ben", "storeevents.wcap?calid=anna&uid=i&method=256&categories=x").errno(0)
	has(t, s.stored("anna", "anna", "i"), "!SENT-BY")
}
