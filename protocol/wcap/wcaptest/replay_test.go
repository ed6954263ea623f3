package wcaptest

import (
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
)

// created are the parameters of a new event, all of them, as the reference
// client sends them. WCAP §9.35.
func created(uid, start, end, rule, summary, more string) string {
	return "&dtstart=" + start + "&dtend=" + end + "&isAllDay=0&rrules=" + rule + "&rdates=&exrules=&exdates=" + more +
		"&summary=" + esc(summary) + "&categories=Work;Home&desc=" + esc("First\r\nsecond; third, ö") + "&location=&icsUrl=&priority=0&icsClass=PUBLIC&status=0&transparent=0" +
		"&attachments=&alarmStart=-PT15M&alarmPopup=&alarmEmails=" + esc("anna@example.com") + "&tzid=Europe%2FBerlin&uid=" + uid + "&storetype=1&mod=4"
}

// TestWCAP_11: the calls of the reference client, in their order, from version
// to logout, while others change the same calendar by CalDAV.
func TestWCAP_11(t *testing.T) {
	everywhere(t, func(t *testing.T, s *site) {
		// The site before: ben has a calendar that everybody may read.
		s.do("ben", "set_calprops.wcap?calid=ben&name=Ben&acl=@^a^r^g;@^p^r^g").errno("0")

		c := newClient(t, s, "anna", "anna")
		if n := firstErrno(c.get("login.wcap?fmt-out=text%2Fcalendar&user=anna&password=wrong")); n != 1 {
			t.Fatalf("a wrong password: errno %d", n)
		}
		c.login() // the first one of anna: it makes her default calendar
		if c.calid != "anna" || c.mail != "anna@example.com" || len(c.subscribed) != 1 || c.subscribed[0] != "anna" {
			t.Fatalf("preferences: %q %q %q", c.calid, c.mail, c.subscribed)
		}
		for _, z := range []string{"Europe/Berlin", "America/Los_Angeles", "Africa/Amman", "Pacific/Tongatapu"} {
			if !c.zones[z] {
				t.Errorf("no zone %s", z)
			}
		}
		// What she subscribes to at other times is there the next time.
		s.do("anna", "createcalendar.wcap?calid=baseball&set_calprops=1&name=Little%20League").errno("0")
		s.do("anna", "subscribe_calendars.wcap?calid=ben;carl:gone").errno("0")
		s.clock.Add(2 * time.Hour) // the session expires
		clear(s.sid)
		c.call("gettime", "&fmt-out=text%2Fcalendar")
		if c.logins != 2 || strings.Join(c.subscribed, " ") != "anna anna:baseball ben carl:gone" {
			t.Fatalf("%d logins, subscribed to %q", c.logins, c.subscribed)
		}

		// 4. The calendars: one that is not there drops out, and only that.
		props := c.calprops(append([]string{c.calid}, c.subscribed...)...)
		if len(props) != 3 || props["carl:gone"] != nil {
			t.Fatalf("%d calendars", len(props))
		}
		for id, want := range map[string][3]string{
			"anna": {"anna", "Anna Berg", "Europe/Berlin"}, "anna:baseball": {"anna", "Little League", "Europe/Berlin"}, "ben": {"ben", "Ben", "Europe/Berlin"},
		} {
			p := props[id]
			if p == nil {
				t.Fatalf("no calendar %s", id)
			}
			if got := [3]string{child(p, "X-NSCP-CALPROPS-PRIMARY-OWNER"), child(p, "X-NSCP-CALPROPS-NAME"), child(p, "X-NSCP-CALPROPS-TZID")}; got != want {
				t.Errorf("%s: %q, want %q", id, got, want)
			}
		}

		// 5. Views: nothing yet; invitations: none.
		if got := c.view("anna", "20260201T000000Z", "20260601T000000Z", ""); len(got.Children) != 0 || got.Value("X-NSCP-CALPROPS-RELATIVE-CALID") != "anna" {
			t.Errorf("the first view:\n%s", got.Bytes())
		}
		s.caldav("anna", "PUT", davPath("anna")+"inv.ics", wrap(event("inv", "20260311T090000Z", "ORGANIZER:mailto:ben@example.com",
			"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:anna@example.com")...), 201)
		s.caldav("anna", "PUT", davPath("anna")+"plain.ics", wrap(event("plain", "20260311T100000Z")...), 201)
		s.caldav("anna", "PUT", davPath("anna")+"old.ics", wrap(event("old", "20260312T100000Z")...), 201)
		inv := c.view("anna", "20260201T000000Z", "20260601T000000Z", "&component-type=event&compstate=REQUEST-NEEDS-ACTION&maxResults=100")
		if len(inv.Children) != 1 || inv.Children[0].Value("UID") != "inv" || inv.Children[0].Prop("ATTENDEE").Param("X-S1CS-CALID") != "anna" {
			t.Errorf("invitations:\n%s", inv.Bytes())
		}

		// 6. The cache: everything at first, then changes only.
		s.clock.Add(10 * time.Second)
		if got := c.sync("anna"); got != "new [] changed [] gone []" || len(c.cache) != 3 {
			t.Errorf("the full fetch: %s, %d components", got, len(c.cache))
		}
		c.checkCache("anna")

		// 7. An event, and a series in Berlin's time over the change to summer time.
		s.clock.Add(10 * time.Second)
		one := c.store("storeevents", "anna", created("one", "20260310T090000Z", "20260310T100000Z", "", "Größe; one", "&orgCalid=anna")+"&method=1")
		if len(one) != 1 || one[0].Text("SUMMARY") != "Größe; one" || one[0].Text("DESCRIPTION") != "First\nsecond; third, ö" || one[0].Value("X-NSCP-DTSTART-TZID") != "Europe/Berlin" ||
			one[0].Value("CATEGORIES") != "Work,Home" || one[0].Child("VALARM").Value("TRIGGER") != "-PT15M" || one[0].Child("VALARM").Value("ACTION") != "EMAIL" {
			t.Errorf("stored:\n%s", one[0].Bytes())
		}
		series := c.store("storeevents", "anna", created("weekly", "20260309T080000Z", "20260309T090000Z", `"FREQ%3DWEEKLY%3BCOUNT%3D6"`, "Weekly",
			"&attendees=RSVP=TRUE^PARTSTAT=NEEDS-ACTION^ROLE=REQ-PARTICIPANT^CN=Ben^"+esc("mailto:ben@example.com")+"&orgCalid=anna")+"&method=2")
		if len(series) != 1 || series[0].Value("RRULE") == "" || series[0].Prop("ORGANIZER").Param("X-S1CS-CALID") != "anna" ||
			series[0].Prop("ATTENDEE").Value != "mailto:ben@example.com" || series[0].Prop("ATTENDEE").Param("X-S1CS-CALID") != "ben" {
			t.Errorf("stored:\n%s", series[0].Bytes())
		}
		// Only what changed, of an event that exists.
		one = c.store("storeevents", "anna", "&location=Room%201&tzid=Europe%2FBerlin&uid=one&storetype=2&mod=4&method=1")
		if one[0].Text("LOCATION") != "Room 1" || one[0].Text("SUMMARY") != "Größe; one" {
			t.Errorf("modified:\n%s", one[0].Bytes())
		}
		// One occurrence moves, two go.
		series = c.store("storeevents", "anna", "&dtstart=20260317T110000Z&dtend=20260317T120000Z&isAllDay=0&summary=Moved&tzid=Europe%2FBerlin&uid=weekly&mod=1&rid=20260316T080000Z&method=2")
		if len(series) != 2 || series[0].Prop("RECURRENCE-ID") != nil || series[1].Value("RECURRENCE-ID") != "20260316T080000Z" || series[1].Value("DTSTART") != "20260317T110000Z" {
			t.Errorf("an exception: %d components, %s", len(series), series[0].Bytes())
		}
		if got := c.xml("deleteevents_by_id", "&uid=weekly;weekly&mod=1&rid=20260323T080000Z;20260330T070000Z&fmt-out=text%2Fxml&calid=anna"); child(got[0], "X-NSCP-WCAP-ERRNO") != "0" {
			t.Errorf("delete occurrences: %v", got[0])
		}
		// The master without exdates keeps the deletions. WCAP §6.4.
		series = c.store("storeevents", "anna", "&summary=Every%20week&tzid=Europe%2FBerlin&uid=weekly&storetype=2&mod=4&method=2")
		var gone []string
		for p := range series[0].All("EXDATE") {
			gone = append(gone, strings.Split(p.Value, ",")...)
		}
		if len(series) != 2 || strings.Join(gone, " ") != "20260323T080000Z 20260330T070000Z" || series[0].Text("SUMMARY") != "Every week" || series[1].Text("SUMMARY") != "Moved" {
			t.Errorf("the series: %d components\n%s", len(series), series[0].Bytes())
		}
		// In the month: the rule keeps 09:00 in Berlin.
		month := s.do("anna", "fetchcomponents_by_range.wcap?calid=anna&component-type=event&fetchorder=0&dtstart=20260309T000000Z&dtend=20260501T000000Z").errno("0")
		var starts []string
		for _, k := range month.find("VEVENT") {
			if child(k, "UID") == "weekly" {
				starts = append(starts, child(k, "DTSTART"))
			}
		}
		if got := strings.Join(starts, " "); got != "20260309T080000Z 20260317T110000Z 20260406T070000Z 20260413T070000Z" {
			t.Errorf("instances at %s", got)
		}
		todo := c.store("storetodos", "anna", "&dtstart=0&due=20260320T120000Z&completed=0&percent=0&isAllDay=0&rrules=&rdates=&exrules=&exdates=&summary=Buy&categories=&desc=&location=&icsUrl="+
			"&priority=0&icsClass=PUBLIC&status=3&attachments=&alarmStart=&alarmPopup=&alarmEmails=&tzid=Europe%2FBerlin&uid=todo&storetype=1&mod=4&method=1")
		if todo[0].Name != "VTODO" || todo[0].Value("DUE") != "20260320T120000Z" || todo[0].Prop("DTSTART") != nil {
			t.Errorf("stored:\n%s", todo[0].Bytes())
		}
		// getItem asks for an event first, then for a task.
		if n := firstErrno(c.call("fetchevents_by_id", form+"&uid=todo&calid=anna")); n != 59 && n != 9 {
			t.Errorf("a task as an event: errno %d", n)
		}
		if got := c.calendar("fetchtodos_by_id", form+"&uid=todo&calid=anna"); len(got.Children) != 1 {
			t.Errorf("a task:\n%s", got.Bytes())
		}
		s.clock.Add(10 * time.Second)
		if got := c.sync("anna"); got != "new [one todo weekly] changed [] gone []" {
			t.Errorf("after the edits: %s", got)
		}
		c.checkCache("anna")

		// Others change the calendar by CalDAV, and delete an occurrence.
		s.clock.Add(10 * time.Second)
		s.caldav("anna", "PUT", davPath("anna")+"new.ics", wrap(event("new", "20260325T100000Z")...), 201)
		s.caldav("anna", "PUT", davPath("anna")+"plain.ics", wrap(event("plain", "20260311T113000Z", "LOCATION:elsewhere")...), 204)
		s.caldav("anna", "DELETE", davPath("anna")+"old.ics", "", 204)
		path := objectPath(s, "weekly")
		text, _ := s.caldav("anna", "GET", path, "", 200)
		tree, err := ical.Parse([]byte(text), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		master := tree.Child("VEVENT")
		for k := range tree.ChildrenOf("VEVENT") {
			if k.Prop("RECURRENCE-ID") == nil {
				master = k
			}
		}
		if d := master.Prop("DTSTART"); d.Param("TZID") != "Europe/Berlin" || d.Value != "20260309T090000" {
			t.Errorf("CalDAV has the series at %s", d.Value)
		}
		master.Add(ical.Property{Name: "EXDATE", Value: "20260406T090000", Params: []ical.Param{{Name: "TZID", Values: []string{"Europe/Berlin"}}}})
		s.caldav("anna", "PUT", path, string(tree.Bytes()), 204)
		s.clock.Add(10 * time.Second)
		if got := c.sync("anna"); got != "new [new] changed [plain weekly] gone [old]" {
			t.Errorf("after CalDAV's changes: %s", got)
		}
		c.checkCache("anna")
		if got := c.cache["weekly "]; !strings.Contains(got, "20260406T070000Z") {
			t.Errorf("the occurrence is there:\n%s", got)
		}

		// The attendee dialog, and the search for calendars.
		want := "FREE 20260310T000000Z/20260310T090000Z, BUSY 20260310T090000Z/20260310T100000Z, FREE 20260310T100000Z/20260311T000000Z"
		for _, who := range []string{"anna", "mailto:anna@example.com"} {
			if got := strings.Join(c.busy(who, "20260310T000000Z", "20260311T000000Z"), ", "); got != want {
				t.Errorf("busy %s: %s", who, got)
			}
		}
		if got := c.busy("mailto:nobody@example.com", "20260310T000000Z", "20260311T000000Z"); len(got) != 0 {
			t.Errorf("nobody is busy: %s", got)
		}
		var found []string
		for _, b := range c.xml("search_calprops", "&fmt-out=text%2Fxml&search-string=be&maxResults=20&name=1&calid=1&primaryOwner=1&searchOpts=0") {
			if n := child(b, "X-NSCP-WCAP-ERRNO"); n != "" && n != "0" && n != "28" {
				t.Errorf("search: errno %s", n)
			}
			found = append(found, child(b, "X-NSCP-CALPROPS-RELATIVE-CALID"))
		}
		if !strings.Contains(strings.Join(found, " "), "ben") {
			t.Errorf("found %q", found)
		}

		// An answer to the invitation: no more than the attendee himself.
		mine := c.store("storeevents", "anna", "&attendees=PARTSTAT=ACCEPTED^"+esc("mailto:anna@example.com")+"&uid=inv&mod=4&method=4")
		if mine[0].Prop("ATTENDEE").Param("PARTSTAT") != "ACCEPTED" || !strings.Contains(string(mine[0].Bytes()), "REPLY-ACCEPTED") {
			t.Errorf("answered:\n%s", mine[0].Bytes())
		}

		// Deletes, which the cache and CalDAV follow.
		s.clock.Add(10 * time.Second)
		for _, uid := range []string{"one", "weekly"} {
			got := c.xml("deleteevents_by_id", "&uid="+uid+"&mod=4&rid=0&fmt-out=text%2Fxml&calid=anna")
			if child(got[0], "X-NSCP-WCAP-ERRNO") != "0" || got[0].find("VEVENT.REQUEST-STATUS")[0].text != "2.0;Success.  Delete successful." {
				t.Errorf("delete %s: %v", uid, got[0])
			}
		}
		c.xml("deletetodos_by_id", "&uid=todo&mod=4&rid=0&fmt-out=text%2Fxml&calid=anna")
		s.caldav("anna", "GET", path, "", 404)
		s.clock.Add(10 * time.Second)
		if got := c.sync("anna"); got != "new [] changed [inv] gone [one todo weekly]" {
			t.Errorf("after the deletes: %s", got)
		}
		c.checkCache("anna")

		// 8. The end, without appid.
		if n := firstErrno(c.get("logout.wcap?fmt-out=text%2Fxml&id=" + c.sid)); n != -1 {
			t.Errorf("logout: errno %d", n)
		}
		if n := firstErrno(c.get("gettime.wcap?appid=mozilla-calendar&id=" + c.sid + "&fmt-out=text%2Fcalendar")); n != 1 {
			t.Errorf("after logout: errno %d", n)
		}
	})
}

// objectPath finds where CalDAV has an event of anna's.
func objectPath(s *site, uid string) string {
	s.t.Helper()
	return objectPathIn(s, "anna", uid)
}

func objectPathIn(s *site, calid, uid string) string {
	s.t.Helper()
	body, _ := s.caldav("anna", "REPORT", davPath(calid), `<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:prop><D:getetag/></D:prop>`+
		`<C:filter><C:comp-filter name="VCALENDAR"><C:comp-filter name="VEVENT"><C:prop-filter name="UID"><C:text-match>`+uid+
		`</C:text-match></C:prop-filter></C:comp-filter></C:comp-filter></C:filter></C:calendar-query>`, 207, "Depth", "1")
	m := hrefPattern.FindStringSubmatch(body)
	if m == nil {
		s.t.Fatalf("no object with %s:\n%s", uid, body)
	}
	return m[1]
}
