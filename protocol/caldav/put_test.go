package caldav

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestRFC4791_5_3_2_Put(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	a, text := annasCal+"a.ics", event("1", "20260301T090000Z", "A")
	r := s.do("anna", "PUT", a, text, "Content-Type: text/calendar; charset=utf-8", "If-None-Match: *").is(201)
	tag := r.header.Get("ETag")
	if len(tag) < 4 || tag[0] != '"' || strings.ContainsAny(tag[1:len(tag)-1], `"\ `) {
		t.Fatalf("ETag %q", tag)
	}
	get := s.do("anna", "GET", a, "").is(200)
	if get.body != text || get.header.Get("ETag") != tag || get.header.Get("Content-Type") != "text/calendar; charset=utf-8" {
		t.Errorf("GET: %v\n%s", get.header, get.body)
	}
	head := s.do("anna", "HEAD", a, "").is(200)
	if head.body != "" || head.header.Get("ETag") != tag {
		t.Error("HEAD differs from GET")
	}
	s.do("anna", "GET", a, "", "If-None-Match: "+tag).is(304)
	s.do("anna", "GET", a, "", "If-None-Match: W/"+tag).is(304)
	s.do("anna", "GET", a, "", `If-None-Match: "other"`).is(200)
	m := s.do("anna", "PROPFIND", a, propfind("D:getetag", "D:getcontenttype", "D:getcontentlength"), "Depth: 0").multi()
	if m.text(a, "D:getetag") != tag || m.text(a, "D:getcontenttype") != "text/calendar; charset=utf-8; component=VEVENT" {
		t.Error("PROPFIND differs from GET")
	}

	// Conditions.
	stale := s.do("anna", "PUT", a, text, "If-None-Match: *").is(412)
	if stale.header.Get("ETag") != tag {
		t.Errorf("412 without the present ETag: %q", stale.header.Get("ETag"))
	}
	s.do("anna", "PUT", a, text, `If-Match: "other"`).is(412)
	s.do("anna", "PUT", a, text, `If-Match: W/"other"`).is(412)
	s.do("anna", "PUT", annasCal+"new.ics", text, "If-Match: *").is(412)
	s.do("anna", "PUT", a, text, "If-Match: ").is(400)
	r = s.do("anna", "PUT", a, event("1", "20260301T090000Z", "B"), "If-Match: "+strings.Trim(tag, `"`)).is(204)
	second := r.header.Get("ETag")
	if second == tag {
		t.Error("the ETag stays the same over a change")
	}
	s.do("anna", "PUT", a, text, "If-Match: "+tag+", "+second).is(204)
	s.do("anna", "DELETE", a, "", "If-Match: "+tag).is(412)
	s.do("anna", "DELETE", a, "").is(204)
	s.do("anna", "DELETE", a, "").is(404)
	s.do("anna", "GET", a, "").is(404)
}

func TestRFC4791_5_3_2_1_PutPreconditions(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
	s.do("anna", "MKCALENDAR", annasHome+"tasks/", mkcalendar("<C:supported-calendar-component-set><C:comp name='VTODO'/></C:supported-calendar-component-set>")).is(201)
	for _, c := range []struct {
		name, path, body string
		status           int
		cond             string
		headers          []string
	}{
		{"same UID, other name", annasCal + "b.ics", event("1", "20260301T090000Z", "A"), 409, "C:no-uid-conflict", nil},
		{"no iCalendar", annasCal + "b.ics", "hello", 403, "C:valid-calendar-data", nil},
		{"a NUL", annasCal + "b.ics", strings.Replace(event("2", "20260301T090000Z", "A"), "SUMMARY:A", "SUMMARY:\x00", 1), 403, "C:valid-calendar-data", nil},
		{"two UIDs", annasCal + "b.ics", strings.Replace(event("2", "20260301T090000Z", "A"), "END:VCALENDAR", "BEGIN:VEVENT\r\nUID:3\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR", 1), 403, "C:valid-calendar-object-resource", nil},
		{"component", annasHome + "tasks/b.ics", event("2", "20260301T090000Z", "A"), 403, "C:supported-calendar-component", nil},
		{"no collection", annasHome + "nothing/b.ics", event("2", "20260301T090000Z", "A"), 409, "", nil},
		{"too large", annasCal + "b.ics", event("2", "20260301T090000Z", strings.Repeat("x", 200_000)), 403, "C:max-resource-size", nil},
		{"Content-Range", annasCal + "b.ics", event("2", "20260301T090000Z", "A"), 400, "", []string{"Content-Range: bytes 0-1/2"}},
		{"gzip", annasCal + "b.ics", "x", 415, "", []string{"Content-Encoding: gzip"}},
		{"a lock token", annasCal + "a.ics", event("1", "20260301T090000Z", "A"), 412, "", []string{"If: (<opaquelocktoken:1>)"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.t = t
			r := s.do("anna", "PUT", c.path, c.body, c.headers...).is(c.status, c.cond)
			if c.cond == "C:no-uid-conflict" {
				r.contains("<D:href>" + annasCal + "a.ics</D:href>")
			}
		})
	}
	s.t = t
	s.do("ben", "PUT", annasCal+"b.ics", event("2", "20260301T090000Z", "A")).is(403, "D:need-privileges").contains("<D:write-content/>")
}

// A body without a length is read up to the limit and no further.
func TestEndlessBody(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	body := &endless{}
	r := newRequest("PUT", annasCal+"a.ics", body)
	r.ContentLength = -1
	s.send("anna", r).is(403, "C:max-resource-size")
	if body.n > 1<<20 {
		t.Errorf("%d octets read", body.n)
	}
}

type endless struct{ n int }

func (e *endless) Read(b []byte) (int, error) { e.n += len(b); return len(b), nil }

func TestBodyThatBreaksOff(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	r := newRequest("PUT", annasCal+"a.ics", io.MultiReader(strings.NewReader("BEGIN:VCALENDAR"), broken{}))
	r.ContentLength = 5000
	s.send("anna", r).is(400)
	s.do("anna", "GET", annasCal+"a.ics", "").is(404)
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// RFC 4918 §10.4: entity tags and tokens of the If header.
func TestRFC4918_10_4_If(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	a, text := annasCal+"a.ics", event("1", "20260301T090000Z", "A")
	tag := s.do("anna", "PUT", a, text).is(201).header.Get("ETag")
	token := s.do("anna", "PROPFIND", annasCal, propfind("D:sync-token"), "Depth: 0").multi().text(annasCal, "D:sync-token")
	s.do("anna", "PUT", a, text, `If: (["other"])`).is(412)
	s.do("anna", "PUT", a, text, `If: <`+annasCal+`> (<`+token+`x>)`).is(412)
	s.do("anna", "PUT", a, text, `If: (`).is(400)
	tag = s.do("anna", "PUT", a, text, `If: (["other"]) ([`+tag+`])`).is(204).header.Get("ETag")
	token = s.do("anna", "PROPFIND", annasCal, propfind("D:sync-token"), "Depth: 0").multi().text(annasCal, "D:sync-token")
	s.do("anna", "PUT", a, text, `If: <`+annasCal+`> (<`+token+`>)`).is(204)
	s.do("anna", "PUT", a, text, `If: (Not <DAV:no-lock>)`).is(204)
	s.do("anna", "PUT", a, text, `If: ([`+tag+`])`).is(412)
}

// represents checks that an answer holds the object at a path, with its tag.
func (s *site) represents(r *reply, at, text string) {
	s.t.Helper()
	tag := s.do("anna", "GET", at, "").is(200).header.Get("ETag")
	if r.body != text || r.header.Get("Preference-Applied") != "return=representation" || r.header.Get("Content-Location") != at || r.header.Get("ETag") != tag {
		s.t.Errorf("%d %v\n%s", r.status, r.header, r.body)
	}
}

const representation = "Prefer: return=representation"

func TestRFC8144_3_1_ReturnRepresentation(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	text := event("1", "20260301T090000Z", "A")
	const a, b, c = annasCal + "a.ics", annasCal + "b.ics", annasHome + "second/b.ics"
	s.represents(s.do("anna", "PUT", a, text, representation).is(201), a, text)
	s.represents(s.do("anna", "PUT", a, text, representation).is(http.StatusOK), a, text)
	s.represents(s.do("anna", "MOVE", a, "", representation, "Destination: "+b).is(201), b, text)
	s.do("anna", "MKCALENDAR", annasHome+"second/", "").is(201)
	s.represents(s.do("anna", "COPY", b, "", representation, "Destination: "+c).is(201), c, text)
	s.represents(s.do("anna", "COPY", b, "", representation, "Destination: "+c).is(http.StatusOK), c, text)
}

// Who lost a race is given what won.
func TestRFC8144_3_2_RepresentationOfWhatWon(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	text, other := event("1", "20260301T090000Z", "A"), event("1", "20260301T090000Z", "B")
	const a = annasCal + "a.ics"
	s.do("anna", "PUT", a, text).is(201)
	s.represents(s.do("anna", "PUT", a, other, representation, `If-Match: "old"`).is(412), a, text)
	s.represents(s.do("anna", "PUT", a, other, representation, "If-None-Match: *").is(412), a, text)
	if r := s.do("anna", "PUT", a, other, "If-None-Match: *").is(412); r.body != "" {
		t.Errorf("nobody asked for %s", r.body)
	}
	s.do("anna", "PUT", annasCal+"b.ics", other, representation, `If-Match: "old"`).is(412)
}

// RFC 5995: the server names the member.
func TestRFC5995_AddMember(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	r := s.do("anna", "POST", annasCal, event("1", "20260301T090000Z", "A"), "Content-Type: text/calendar").is(201)
	at := r.header.Get("Location")
	if !strings.HasPrefix(at, annasCal) || !strings.HasSuffix(at, ".ics") {
		t.Fatalf("Location %q", at)
	}
	if got := s.do("anna", "GET", at, "").is(200).header.Get("ETag"); got != r.header.Get("ETag") {
		t.Errorf("ETag %q", got)
	}
	s.do("anna", "POST", annasCal, event("1", "20260301T090000Z", "A"), "Content-Type: text/calendar").is(409, "C:no-uid-conflict")
	s.do("anna", "POST", annasCal, "<x/>", "Content-Type: text/xml").is(403, "C:supported-calendar-data")
}

// GET of a calendar: one VCALENDAR of all, each zone once.
func TestGetWholeCalendar(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	zone := "BEGIN:VTIMEZONE\r\nTZID:Here\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
	for _, uid := range []string{"1", "2"} {
		text := strings.Replace(event(uid, "20260301T090000", "A"), "BEGIN:VEVENT", zone+"BEGIN:VEVENT", 1)
		s.do("anna", "PUT", annasCal+uid+".ics", strings.Replace(text, "DTSTART:2026", "DTSTART;TZID=Here:2026", 1)).is(201)
	}
	r := s.do("anna", "GET", annasCal, "").is(200)
	for text, n := range map[string]int{"BEGIN:VCALENDAR": 1, "BEGIN:VTIMEZONE": 1, "BEGIN:VEVENT": 2, "END:VCALENDAR\r\n": 1} {
		if got := strings.Count(r.body, text); got != n {
			t.Errorf("%d times %s", got, text)
		}
	}
	s.do("anna", "GET", annasCal, "", "If-None-Match: "+r.header.Get("ETag")).is(304)
	s.do("anna", "HEAD", annasCal, "").is(200)
}

func mkcalendar(props string) string {
	return xmlHead("C:mkcalendar") + "<D:set><D:prop>" + props + "</D:prop></D:set></C:mkcalendar>"
}

// A client that is told the calendar's URL never looks at the home.
func TestFirstVisitOfTheDefaultCalendar(t *testing.T) {
	s := newSite(t)
	s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
	s.do("ben", "GET", annasCal+"a.ics", "").is(403)
	s.do("ben", "PUT", "/dav/calendars/carl/calendar/a.ics", event("1", "20260301T090000Z", "A")).is(409)
	s.do("ben", "MKCALENDAR", "/dav/calendars/ben/calendar/", "").is(201)
}

func TestRFC6638_3_2_10_WithoutScheduleTag(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	r := s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "A")).is(201)
	if tag := r.header.Get("Schedule-Tag"); tag != "" {
		t.Fatalf("an object without attendees has the Schedule-Tag %s", tag)
	}
	s.do("anna", "PUT", annasCal+"a.ics", event("1", "20260301T090000Z", "B"), `If-Schedule-Tag-Match: "s0"`).is(412)
}

// Every answer that gives a scheduling object its text or its place tells its
// tag; PROPPATCH leaves it.
func TestRFC6638_3_2_10_ScheduleTag(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	s.do("anna", "MKCALENDAR", annasHome+"work/", "").is(201)
	meeting := event("1", "20260301T090000Z", "A", "ORGANIZER:mailto:anna@example.com", "ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:ben@example.com") // one that may be copied
	last := ""
	stored := func(status int, path, method, from, body string, headers ...string) {
		t.Helper()
		tag := s.do("anna", method, from, body, headers...).is(status).header.Get("Schedule-Tag")
		if tag == "" || tag == last {
			t.Errorf("%s: the tag was %s and is %s", method, last, tag)
		}
		last = tag
		if got := s.do("anna", "GET", path, "").is(200).header.Get("Schedule-Tag"); got != tag {
			t.Errorf("%s: told %s, there is %s", method, tag, got)
		}
		if got := s.do("anna", "PROPFIND", path, propfind("C:schedule-tag"), "Depth: 0").multi().text(path, "C:schedule-tag"); got != tag {
			t.Errorf("%s: told %s, the property is %s", method, tag, got)
		}
	}
	to := func(path string) string { return "Destination: http://cal.example.com" + path }
	a, b := annasCal+"a.ics", annasHome+"work/b.ics"
	stored(201, a, "PUT", a, meeting)
	s.do("anna", "PROPPATCH", a, patch("<t:x xmlns:t='urn:t'>y</t:x>")).is(207)
	stored(204, a, "PUT", a, meeting, "If-Schedule-Tag-Match: "+last)
	tag := last
	stored(201, b, "COPY", a, "", to(b), "If-Schedule-Tag-Match: "+tag)
	stored(204, b, "MOVE", a, "", to(b), "If-Schedule-Tag-Match: "+tag)
	s.do("anna", "MOVE", b, "", to(a), "If-Schedule-Tag-Match: "+tag).is(412)
	s.do("anna", "PUT", a, event("2", "20260301T090000Z", "B")).is(201)
	if tag := s.do("anna", "MOVE", a, "", to(annasCal+"c.ics")).is(201).header.Get("Schedule-Tag"); tag != "" {
		t.Errorf("a plain event has the tag %s", tag)
	}
}
