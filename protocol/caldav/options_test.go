package caldav

import (
	"strings"
	"testing"
)

func TestRFC6764_5_WellKnown(t *testing.T) {
	s := newSite(t)
	for _, m := range []string{"GET", "HEAD", "OPTIONS", "PROPFIND"} {
		for _, path := range []string{"/.well-known/caldav", "/.well-known/caldav/"} {
			r := s.do("", m, path, "").is(301)
			if got := r.header.Get("Location"); got != "/dav/" {
				t.Errorf("%s %s: Location %q", m, path, got)
			}
		}
	}
}

func TestOptionsEverywhere(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	for path, method := range map[string]string{
		"/": "PROPFIND", "/dav/": "PROPFIND", "/dav/principals/": "REPORT", "/dav/principals/anna/": "PROPFIND",
		annasHome: "MKCALENDAR", annasCal: "DELETE", annasCal + "not-there.ics": "PUT", "/dav/calendars/anna/nothing/": "MKCOL",
	} {
		r := s.do("anna", "OPTIONS", path, "").is(200)
		classes := strings.Split(r.header.Get("DAV"), ", ")
		if classes[0] != "1" || classes[1] != "3" || !strings.Contains(r.header.Get("DAV"), "calendar-access, calendar-schedule, calendar-auto-schedule") {
			t.Errorf("%s: DAV %q", path, r.header.Get("DAV"))
		}
		for _, never := range []string{"2", "oc-resource-sharing"} {
			for _, c := range classes {
				if c == never {
					t.Errorf("%s: DAV has %s", path, never)
				}
			}
		}
		if !strings.Contains(r.header.Get("Allow"), method) {
			t.Errorf("%s: Allow %q lacks %s", path, r.header.Get("Allow"), method)
		}
	}
	s.do("anna", "OPTIONS", "/elsewhere/", "").is(404)
}

// RFC 9110 §15.5.6: 405 says what is allowed; locks are not offered.
func TestMethodsThatAreNotOffered(t *testing.T) {
	s := newSite(t)
	s.visit("anna")
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"LOCK", annasCal, 405}, {"UNLOCK", annasCal + "a.ics", 405}, {"PATCH", annasCal, 405}, {"TRACE", annasCal, 405},
		{"PUT", annasCal, 405}, {"PUT", annasHome, 405}, {"DELETE", annasHome, 405}, {"DELETE", "/dav/principals/anna/", 405},
		{"MKCOL", annasHome, 405}, {"POST", annasHome, 405}, {"ACL", annasHome, 405}, {"MOVE", annasHome, 405}, {"COPY", "/dav/principals/anna/", 405}, {"GET", "/dav/", 405},
		{"FROBNICATE", annasCal, 501}, {"SEARCH", "/dav/", 501},
	} {
		r := s.do("anna", c.method, c.path, "", "Destination: /dav/calendars/anna/x/")
		if r.is(c.status); c.status == 405 && r.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", c.method, c.path)
		}
	}
}

// Paths that could name two things or leave the tree.
func TestHostilePaths(t *testing.T) {
	s := newSite(t)
	s.visit("anna", "ben")
	for path, status := range map[string]int{
		"/dav/calendars/anna/%2e%2e/ben/calendar/": 400,
		"/dav/calendars/anna/../ben/":              400,
		"/dav/calendars/anna%2fcalendar/":          400,
		"/dav/calendars/anna//calendar/":           207,
		"/dav/calendars/anna/cal%00endar/":         400,
		"/dav/calendars/anna/cal%0d%0aX:/":         400,
		"/dav/calendars/anna/%ff/":                 400,
		"/dav/calendars/an:na/calendar/":           404,
		"/davx/":                                   404,
		"/dav/calendars/nobody/":                   404,
		"/dav/principals/nobody/":                  404,
		"/dav/calendars/anna/nothing/":             404,
		"/dav/calendars/anna/nothing/a.ics":        404,
		annasCal + "nothing.ics":                   404,
	} {
		s.do("anna", "PROPFIND", path, propfind("D:resourcetype"), "Depth: 0").is(status)
	}
}
