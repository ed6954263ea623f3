package caldav

import (
	"net/http/httptest"
	"testing"
)

// TestHrefsOfAMultiget: the short way for plain names finds what the long one
// does.
func TestHrefsOfAMultiget(t *testing.T) {
	for _, tc := range []struct{ at, href, id, name string }{
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/work/a.ics", "anna:work", "a.ics"},
		{"/dav/calendars/anna/calendar/", "/dav/calendars/anna/calendar/A-b_c~1@x.ics", "anna", "A-b_c~1@x.ics"},
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/work/a%20b.ics", "anna:work", "a b.ics"},
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/work/a b&c.ics", "anna:work", "a b&c.ics"},
		{"/dav/calendars/anna/work/", "http://cal.example.com/dav/calendars/anna/work/a.ics", "anna:work", "a.ics"},
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/other/a.ics", "anna:other", "a.ics"},
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/work/in/a.ics", "anna:work/in", "a.ics"},
		{"/dav/calendars/anna/a b/", "/dav/calendars/anna/a%20b/a.ics", "anna:a b", "a.ics"},
		{"/dav/calendars/anna/a b/", "/dav/calendars/anna/a b/a.ics", "anna:a b", "a.ics"},
		// The collection's own name has the sign: an href must encode it.
		{"/dav/calendars/anna/a%20b/", "/dav/calendars/anna/a%20b/a.ics", "anna:a b", "a.ics"},
		{"/dav/calendars/anna/a%20b/", "/dav/calendars/anna/a%2520b/a.ics", "anna:a%20b", "a.ics"},
		{"/dav/calendars/anna/", "/dav/calendars/anna/work/a.ics", "anna:work", "a.ics"},
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/work/", "", ""},
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/work/..", "", ""},
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/work/.", "", ""},
		{"/dav/calendars/anna/work/", "/dav/calendars/anna/work/a.ics?x", "", ""},
		{"/dav/calendars/anna/work/", "/dav/calendars/ben/work/a.ics", "", ""},
		{"/dav/calendars/anna/work/", "a.ics", "", ""},
	} {
		at, err := locate(tc.at)
		if err != nil {
			t.Fatal(err)
		}
		if at.path != tc.at {
			t.Errorf("%s is at %s", tc.at, at.path)
		}
		rq := &request{Handler: New(Options{}), at: at, r: httptest.NewRequest("REPORT", "http://cal.example.com/", nil)}
		in := rq.collection()
		ref, ok := rq.refOf(tc.href, &in)
		if string(ref.Calendar) != tc.id || ref.Name != tc.name || ok != (tc.name != "") {
			t.Errorf("%s in %s: %v, %v; want %s %s", tc.href, tc.at, ref, ok, tc.id, tc.name)
		}
	}
}

func TestLocateMakesPathsCanonical(t *testing.T) {
	for path, want := range map[string]string{
		"/dav": rootPath, "/dav/": rootPath, "/dav/calendars": calendarsPath, "/dav/calendars/anna": "/dav/calendars/anna/",
		"/dav/calendars/anna/": "/dav/calendars/anna/", "/dav/calendars/anna/work": "/dav/calendars/anna/work/",
		"/dav/calendars/anna/work/": "/dav/calendars/anna/work/", "/dav/calendars/anna/work/a.ics": "/dav/calendars/anna/work/a.ics",
		"/dav/calendars/anna/a/b/c": "/dav/calendars/anna/a/b/c", "/dav/calendars/anna/a/b/": "/dav/calendars/anna/a/b/",
		"/dav/principals/anna": "/dav/principals/anna/",
	} {
		if at, err := locate(path); err != nil || at.path != want {
			t.Errorf("%s is %s, %v; want %s", path, at.path, err, want)
		}
	}
}
