package caldav

import (
	"regexp"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// attach stores an event with a file, as WCAP does, and returns the address
// of the file.
func attach(t *testing.T, s *site, uid, name, text string) string {
	t.Helper()
	s.do("anna", "PROPFIND", "/dav/calendars/anna/", "", "Depth: 0")
	start := ical.DateTime{Year: 2026, Month: 3, Day: 10, Hour: 9, Kind: ical.UTC}
	res, err := s.be.EditObject(t.Context(), s.people.Actor("anna"), calendar.EditRequest{Calendar: "anna", Component: "VEVENT", Return: true,
		Items: []calendar.EditItem{{UID: uid, Patch: calendar.Patch{Start: &start},
			Attach: []calendar.NewAttachment{{Name: name, Type: "text/html", Data: []byte(text)}}}}})
	if err != nil || res.Items[0].Err != nil {
		t.Fatal(err, res)
	}
	body := strings.ReplaceAll(string(res.Items[0].Object.Data), "\r\n ", "")
	m := regexp.MustCompile(`ATTACH;MANAGED-ID=(\w+);[^:]*:(/dav/attachments/anna/\w+)\r\n`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no ATTACH in\n%s", body)
	}
	return m[2]
}

// TestRFC8607_3_Attachment: a file of an event is got by who may read the
// event, and goes with it.
func TestRFC8607_3_Attachment(t *testing.T) {
	s := newSite(t)
	path := attach(t, s, "u1", "Größe\r\n.html", "<b>1</b>")
	r := s.do("anna", "GET", path, "")
	if r.status != 200 || r.body != "<b>1</b>" || r.header.Get("Content-Type") != "text/html" {
		t.Fatalf("%d %q %v", r.status, r.body, r.header)
	}
	if d := r.header.Get("Content-Disposition"); !strings.HasPrefix(d, "attachment;") || strings.ContainsAny(d, "\r\n") {
		t.Errorf("disposition %q", d)
	}
	if !strings.Contains(r.header.Get("Content-Security-Policy"), "sandbox") {
		t.Error("a browser may run it")
	}
	if whole := strings.ReplaceAll(s.do("anna", "GET", "/dav/calendars/anna/calendar/", "").body, "\r\n ", ""); !strings.Contains(whole, ":http://cal.example.com"+path+"\r\n") {
		t.Errorf("a calendar in one file:\n%s", whole)
	}
	for user, want := range map[string]int{"": 401, "ben": 404} {
		if got := s.do(user, "GET", path, "").status; got != want {
			t.Errorf("%q gets %d, want %d", user, got, want)
		}
	}
	for _, p := range []string{"/dav/attachments/", "/dav/attachments/anna", "/dav/attachments/anna/", "/dav/attachments/anna/none", "/dav/attachments/ben/" + path[strings.LastIndexByte(path, '/')+1:]} {
		if got := s.do("anna", "GET", p, "").status; got != 404 {
			t.Errorf("%s: %d", p, got)
		}
	}
	if got := s.do("anna", "PUT", path, "x").status; got != 405 {
		t.Errorf("PUT: %d", got)
	}
	// Copied with the event, and kept by the copy alone.
	event := "/dav/calendars/anna/calendar/u1.ics"
	s.do("anna", "MKCALENDAR", "/dav/calendars/anna/other/", "")
	if got := s.do("anna", "COPY", event, "", "Destination: /dav/calendars/anna/other/c.ics").status; got != 201 {
		t.Fatalf("COPY: %d", got)
	}
	if got := s.do("anna", "DELETE", event, "").status; got != 204 {
		t.Fatalf("DELETE: %d", got)
	}
	if r := s.do("anna", "GET", path, ""); r.status != 200 || r.body != "<b>1</b>" {
		t.Errorf("of the copy: %d", r.status)
	}
	if got := s.do("anna", "MOVE", "/dav/calendars/anna/other/c.ics", "", "Destination: /dav/calendars/anna/calendar/m.ics").status; got != 201 {
		t.Fatalf("MOVE: %d", got)
	}
	if r := s.do("anna", "GET", path, ""); r.status != 200 {
		t.Errorf("after a move: %d", r.status)
	}
	// A PUT of the text keeps it, one without the ATTACH drops it.
	text := s.do("anna", "GET", "/dav/calendars/anna/calendar/m.ics", "").body
	if got := s.do("anna", "PUT", "/dav/calendars/anna/calendar/m.ics", text, "Content-Type: text/calendar").status; got != 204 {
		t.Fatalf("PUT: %d", got)
	}
	if r := s.do("anna", "GET", path, ""); r.status != 200 {
		t.Errorf("after a PUT of the same: %d", r.status)
	}
	cal, err := ical.Parse([]byte(text), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	cal.Child("VEVENT").Del("ATTACH")
	if got := s.do("anna", "PUT", "/dav/calendars/anna/calendar/m.ics", string(cal.Bytes()), "Content-Type: text/calendar").status; got != 204 {
		t.Fatalf("PUT without: %d", got)
	}
	if r := s.do("anna", "GET", path, ""); r.status != 404 {
		t.Errorf("after the ATTACH was taken out: %d", r.status)
	}
}
