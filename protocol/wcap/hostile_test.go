package wcap

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// hostile are values that no parameter should have.
var hostile = []string{
	"", "0", "-1", "99999999999999999999", strings.Repeat("x", 64<<10), "a\r\nX-NSCP-WCAP-ERRNO:0\r\nBEGIN:VEVENT", "a\x00b", ";", ";;;", "^", `"`, `";"`, "\xff\xfe",
	"../../../etc/passwd", "anna:../x", "anna/../ben", "anna:", ":", ":x", "mailto:", "mailto:nobody@example.com", "mailto:a\r\nb", "%", "<script>alert(1)</script>", "]]>",
	"00000000T000000Z", "20261399T990000Z", "99991231T235959Z", "00010101T000000Z", "2026", "No/Where", "{}", "@^a^r^g", "a^b^c", strings.Repeat("@^a^r^g;", 2000),
	"FREQ=SECONDLY;INTERVAL=0", "true", "text/html", "é", "\u2028", strings.Repeat("a;", 10_000),
}

// names are the parameters of all commands.
var names = strings.Fields(`acl add_attrs allowdoublebook attachid busyonly cal calid categories charset component-type compressed compstate content-in content-out
	convertCalid del_attrs description doublebooking dtend dtstart duration emailorcalid fbinclude fetchattach fetchorder fmt-out freebusybegin freebusyend guidCount
	invitecount lang mail master maxResults mod multiple name notify owners password primaryOwner proxyauth recurring relativealarm rid search-string searchOpts
	set_attrs set_calprops smtp subscribe tzid tzidout uid unsubscribe user userid`)

// TestHostileParameters: each parameter of each command with each bad value,
// in each format. Every answer is well-formed (send checks that) and has one
// of the documented numbers; nothing that was given breaks out of its place;
// and what others own is as it was.
func TestHostileParameters(t *testing.T) {
	s := newSite(t)
	s.as("ben")
	s.put("ben", "ben", "e.ics", simpleEvent("e", "20260310T090000Z"))
	before := s.state("ben")
	sid := s.as("anna")
	step := 7 // a seventh of them each time is enough; which one is in the order of the map
	if testing.Short() || raceFactor > 1 {
		step = 23
	}
	n := 0
	for name := range commands {
		if name == "logout" || name == "get_all_timezones" {
			continue
		}
		for _, p := range names {
			for _, v := range hostile {
				if n++; n%step != 0 || name == "login" && n%50 != 0 {
					continue
				}
				q := url.Values{p: {v}, "id": {sid}}
				if p != "fmt-out" {
					q.Set("fmt-out", formatNames[n%3])
				}
				r := s.get(name + ".wcap?" + q.Encode())
				if r.status != 200 {
					t.Fatalf("%s with %s=%.60q: status %d", name, p, v, r.status)
				}
				for _, e := range strings.Fields(r.errnos()) {
					if !known[e] {
						t.Fatalf("%s with %s=%.60q: errno %s", name, p, v, e)
					}
				}
				if strings.Contains(r.body, "<script>alert") && formatNames[n%3] != "text/calendar" {
					t.Fatalf("%s with %s=%.60q: markup in\n%s", name, p, v, r.body)
				}
				if strings.Contains(v, "BEGIN:VEVENT") && strings.Contains(r.body, "\r\nBEGIN:VEVENT\r\n") && !strings.HasPrefix(name, "verify") {
					t.Fatalf("%s with %s=%.60q: injected\n%s", name, p, v, r.body)
				}
			}
		}
	}
	if after := s.state("ben"); after != before {
		t.Errorf("ben's calendar was changed:\n%s\nbefore\n%s", after, before)
	}
}

// known are the numbers that a client knows. WCAP §8.2.
var known = func() map[string]bool {
	m := map[string]bool{"-1": true, "11001": true, "11002": true}
	for i := 0; i <= 87; i++ {
		m[fmt.Sprint(i)] = true
	}
	return m
}()

// state is what can be seen of a user's calendars, objects and preferences.
func (s *site) state(user string) string {
	s.t.Helper()
	who := s.people.Actor(user)
	home, err := s.be.Home(context.Background(), who, calendar.HomeRequest{Owner: calendar.Owner(user), Counts: true})
	if err != nil {
		s.t.Fatal(err)
	}
	prefs, err := s.be.Prefs(context.Background(), who, calendar.Owner(user))
	return fmt.Sprintf("%+v %v %v", home, prefs, err)
}

// simpleEvent is a VCALENDAR with an event of an hour.
func simpleEvent(uid, start string, more ...string) string {
	return "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//EN\nBEGIN:VEVENT\nUID:" + uid + "\nDTSTAMP:20260101T000000Z\nDTSTART:" + start +
		"\nDURATION:PT1H\nSUMMARY:" + uid + "\n" + strings.Join(append(more, ""), "\n") + "END:VEVENT\nEND:VCALENDAR\n"
}

func TestManyCalids(t *testing.T) {
	s := newSite(t)
	list := strings.Repeat("nobody;", 10_000)
	for name, own := range map[string]int{"get_calprops": 20, "fetchcomponents_by_range": 13, "get_freebusy": 39, "subscribe_calendars": 73} {
		s.do("anna", name+".wcap?calid="+list).errno(own)
	}
	r := s.do("anna", "get_calprops.wcap?calid=x"+strings.ReplaceAll(numbers(1, 900), ",", ";x"))
	if got := len(strings.Fields(r.errnos())); got != 900 {
		t.Errorf("%d blocks", got)
	}
}

// TestInjection: what people write cannot become another property, element or
// header.
func TestInjection(t *testing.T) {
	s := newSite(t)
	evil := url.QueryEscape("x\r\nX-NSCP-WCAP-ERRNO:0\r\nEND:VCALENDAR\r\n<a b=\"c\">&amp;]]>")
	for _, form := range formatNames {
		s.do("anna", "set_calprops.wcap?calid=anna&name="+evil+"&description="+evil+"&fmt-out="+form).errno(0)
		r := s.do("anna", "set_userprefs.wcap?set_attrs=ceX="+evil+"&fmt-out="+form).errno(0)
		if r.header.Get("X-NSCP-WCAP-ERRNO") != "" {
			t.Error("a header was injected")
		}
		s.do("anna", "set_userprefs.wcap?set_attrs="+evil+"=1&fmt-out="+form).errno(26)
	}
}

func TestXMLText(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"plain":              "plain",
		"<&>\"'":             "&lt;&amp;&gt;&quot;'",
		"a\r\nb\tc":          "a&#13;\nb\tc",
		"a\x01b\x00":         "ab",
		"\xffä\uFFFEö\uFFFD": "äö\uFFFD",
	} {
		if got := string(appendXMLText(nil, in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestOddNames: stored names that XML has no place for.
func TestOddNames(t *testing.T) {
	k := ical.New("VEVENT")
	k.Add(ical.Property{Name: "1X", Value: "a"})
	k.Add(ical.Property{Name: "X-A", Value: `b\,c`, Params: []ical.Param{{Name: "9", Values: []string{"x"}}, {Name: "P", Values: []string{"1", "2"}}, {Name: "P", Values: []string{"3"}}}})
	if got, want := string(appendXML(nil, k)), "<EVENT>\n<X-A P=\"&quot;1&quot;,&quot;2&quot;\">b,c</X-A>\n</EVENT>\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func FuzzParseXML(f *testing.F) {
	f.Add([]byte(`<iCalendar><iCal><EVENT><UID>a</UID><START TZID="x">20260101</START><ALARM><TRIGGER>-PT1M</TRIGGER></ALARM></EVENT></iCal></iCalendar>`))
	f.Add([]byte(`<EVENT><EVENT></EVENT>`))
	f.Add([]byte(`<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := parseXML(data, nil)
		if err != nil {
			return
		}
		if _, err := ical.Parse(tree.Bytes(), ical.Limits{}); err != nil {
			t.Errorf("%q became what cannot be read: %v\n%s", data, err, tree.Bytes())
		}
	})
}
