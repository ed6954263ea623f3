package wcap

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
)

// storeParams are all parameters of the store commands.
var storeParams = strings.Fields(`calid uid rid mod storetype method dtstart dtend due duration isAllDay tzid tzidout summary desc location icsUrl icsClass priority
	status transparent categories contacts relatedTos resources geo seq attendees orgCalid orgEmail orgUID rrules rdates exrules exdates rchange alarmStart alarmEmails
	alarmPopup alarmAudio alarmFlashing alarmDescription attachments sendattach deleteattach replace fetch compressed recurring relativealarm emailorcalid completed percent
	smtp smtpNotify notify language charset X-MINE X-NSCP-DTSTART-TZID`)

// TestHostileStore: each parameter of a store with each bad value. Every
// answer has a documented number; what was stored before is as it was unless
// the store succeeded; what is stored can be read, has one component of the
// UID and no property that a value smuggled in.
func TestHostileStore(t *testing.T) {
	s := newSite(t)
	sid := s.as("anna")
	bad := []string{"", "0", strings.Repeat("x", 1<<16), strings.Repeat("a;", 3000), strings.Repeat("^", 3000), "\r\nX-EVIL:1", "a\nEND:VEVENT\nBEGIN:VEVENT\nUID:evil", "\x00\x01\xff", `";";"`,
		"99999999T999999Z", "00010101T000000Z", "99991231T235959Z", "20260230", "-P99999999999D", "PT999999999999S", "No/Where", "FREQ=SECONDLY", "FREQ=YEARLY;BYYEARDAY=366;BYDAY=MO;INTERVAL=999999999",
		`"FREQ=SECONDLY;COUNT=999999999"`, "FREQ=DAILY;UNTIL=00000101", "mailto:a@b.c\r\nATTENDEE:x", "CN=\"x\r\nX-EVIL:1^mailto:a@b.c", "../../etc", "-1", "4294967296", "%00", "<script>"}
	n := 0
	for _, command := range []string{"storeevents", "storetodos"} {
		for _, name := range storeParams {
			for _, v := range bad {
				if n++; raceFactor > 1 && n%7 != 0 {
					continue
				}
				kind := "VEVENT"
				q := url.Values{"calid": {"anna"}, "uid": {"u"}, "dtstart": {"20260310T090000Z"}, "dtend": {"20260310T100000Z"}, "id": {sid}, "fmt-out": {formatNames[n%3]}, "fetch": {itoa(n % 2)}}
				if command == "storetodos" {
					kind = "VTODO"
					q.Set("due", "20260310T100000Z")
				}
				q.Set(name, v)
				r := s.get(command + ".wcap?" + q.Encode())
				for _, e := range strings.Fields(r.errnos()) {
					if !known[e] {
						t.Fatalf("%s with %s=%.60q: errno %s", command, name, v, e)
					}
				}
				if r.status != 200 || r.errnos() == "" {
					t.Fatalf("%s with %s=%.60q: status %d\n%s", command, name, v, r.status, r.body)
				}
				s.sound(command+" with "+name+"="+v[:min(len(v), 60)], kind)
			}
		}
	}
}

// sound checks all that anna has stored, and deletes it.
func (s *site) sound(what, kind string) {
	s.t.Helper()
	who := s.people.Actor("anna")
	err := s.be.Query(s.t.Context(), who, calendar.QueryRequest{Calendar: "anna"}, func(o *calendar.Object) error {
		cal, err := ical.Parse(o.Data, ical.Limits{})
		if err != nil {
			s.t.Fatalf("%s: %v in\n%s", what, err, o.Data)
		}
		var comps []*ical.Component
		for _, c := range cal.Children {
			if c.Name != "VTIMEZONE" {
				comps = append(comps, c)
			}
		}
		if len(comps) != 1 || comps[0].Name != kind || comps[0].Prop("X-EVIL") != nil || strings.Contains(string(o.Data), "\nX-EVIL") {
			s.t.Fatalf("%s: stored\n%s", what, o.Data)
		}
		if _, _, _, err := object.Compile(o.Data); err != nil {
			s.t.Fatalf("%s: cannot recur: %v\n%s", what, err, o.Data)
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
	if _, err := s.be.EditObject(s.t.Context(), who, calendar.EditRequest{Calendar: "anna", Within: &calendar.Window{}}); err != nil {
		s.t.Fatal(err)
	}
}

// TestLongLists: lists of 60,000 different items, twice, cost no more than
// other bad input: nothing looks for each item among all others.
func TestLongLists(t *testing.T) {
	s := newSite(t)
	sid := s.as("anna")
	list := func(prefix, suffix string, n int) string {
		var b strings.Builder
		for i := range n / raceFactor {
			b.WriteString(prefix + itoa(i) + suffix + ";")
		}
		return b.String()
	}
	for _, c := range []struct{ param, value string }{
		{"contacts", list("c", "", 60_000)}, {"relatedTos", list("r", "", 40_000)}, {"resources", list("r", "", 60_000)}, {"categories", list("c", "", 60_000)},
		{"attachments", list("http://x/", "", 40_000)}, {"attendees", list("PARTSTAT=ACCEPTED^a", "@example.com", 900)}, {"attendees", strings.Repeat("PARTSTAT=ACCEPTED^anna;", 1900/raceFactor)},
		{"alarmEmails", list("a", "@example.com", 900)},
	} {
		for _, more := range []string{"", "", "&replace=1", "&method=4"} {
			r := s.costed(fmt.Sprintf("%s of %d octets%s", c.param, len(c.value), more), func() *reply {
				return s.post("storeevents.wcap", "application/x-www-form-urlencoded", "calid=anna&uid=e&dtstart=20260310T090000Z&alarmStart=-PT5M&id="+sid+more+"&"+c.param+"="+c.value)
			})
			if !known[r.errnos()] {
				t.Fatalf("%s: errno %s", c.param, r.errnos())
			}
		}
		s.sound(c.param, "VEVENT")
	}
}

// TestNamedOften: a calendar is answered once, however often it is named, and
// has no more owners than a list has entries.
func TestNamedOften(t *testing.T) {
	s := newSite(t)
	s.do("anna", "createcalendar.wcap?calid=w").errno(0)
	r := s.do("anna", "get_calprops.wcap?calid="+strings.Repeat("anna:w;anna;", 500))
	if got := r.values("X-NSCP-CALPROPS-RELATIVE-CALID"); len(got) != 2 || got[0] != "anna:w" || got[1] != "anna" {
		t.Errorf("answered for %q", got)
	}
	s.do("anna", "set_calprops.wcap?calid=anna:w&owners="+strings.Repeat("ben;", 30_000)).errno(0)
	if got := s.do("anna", "get_calprops.wcap?calid=anna:w").errno(0).values("X-NSCP-CALPROPS-OWNERS"); len(got) != 1 || got[0] != "ben" {
		t.Errorf("the owners are %.100q", got)
	}
	s.do("anna", "set_calprops.wcap?calid=anna:w&owners=u"+strings.ReplaceAll(numbers(0, 9000), ",", ";u")).errno(8)
	if got := s.do("anna", "get_calprops.wcap?calid=anna:w").values("X-NSCP-CALPROPS-OWNERS"); len(got) != 1 {
		t.Errorf("refused, but the owners are %.100q", got)
	}
}
