package wcap

import (
	"net/http/httptest"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// TestWCAP_13_Formats: the type follows fmt-out, and a bad one is not shown.
func TestWCAP_13_Formats(t *testing.T) {
	s := newSite(t)
	for form, begin := range map[string]string{
		"":              "BEGIN:VCALENDAR\r\n",
		"text/calendar": "BEGIN:VCALENDAR\r\n",
		"text%2Fxml":    `<?xml version="1.0" encoding="UTF-8"?>` + "\n<iCalendar>\n<iCal ",
		"text/json":     `{"iCalendar":{"iCal":[`,
	} {
		r := s.get("gettime.wcap?fmt-out=" + form + "&nosuchparameter=1").errno(0)
		kind := strings.ReplaceAll(form, "%2F", "/")
		if kind == "" {
			kind = "text/calendar"
		}
		if got := r.header.Get("Content-Type"); got != kind+"; charset=UTF-8" {
			t.Errorf("%s: Content-Type %q", form, got)
		}
		if !strings.HasPrefix(r.body, begin) {
			t.Errorf("%s: begins %.40q", form, r.body)
		}
	}
	for _, bad := range []string{"text/html", "text/js", "%3Cscript%3Ealert(1)%3C/script%3E", "text/xml;x", strings.Repeat("x", 1<<16)} {
		r := s.get("login.wcap?user=anna&password=anna&fmt-out=" + bad).errno(58)
		if strings.Contains(r.body, "script") || strings.Contains(r.body, "html") || len(r.body) > 200 {
			t.Errorf("the format is shown: %.300s", r.body)
		}
		if !strings.HasPrefix(r.header.Get("Content-Type"), "text/calendar") {
			t.Errorf("Content-Type %q", r.header.Get("Content-Type"))
		}
	}
}

func TestBases(t *testing.T) {
	s := newSite(t)
	for _, base := range []string{"", "wcap/", "iwc/svc/wcap/"} {
		s.get(base + "gettime.wcap").errno(0)
	}
	for _, p := range []string{"", "x/gettime.wcap", "gettime", "gettime.wcap/"} {
		if r := s.get(p); r.status != 404 {
			t.Errorf("%q: %d", p, r.status)
		}
	}
	r := httptest.NewRequest("DELETE", "/gettime.wcap", nil)
	if got := s.send(r).status; got != 405 {
		t.Errorf("DELETE: %d", got)
	}
}

// TestWCAP_9_47_Retired: commands of older editions, and names nobody knows.
func TestWCAP_9_47_Retired(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"addlink", "change_password", "upload_file", "write_file", "admin_logout", "get_session", "refresh", "shutdown", "storecomponents", "nosuch"} {
		s.do("anna", name+".wcap?fmt-out=text/xml").errno(52)
	}
}

func TestLongRequestLine(t *testing.T) {
	s := newSite(t)
	s.get("gettime.wcap?desc=" + strings.Repeat("%C3%A4;", 20_000)).errno(0)
}

// TestKinds: each kind of failure has its errno.
func TestKinds(t *testing.T) {
	for _, k := range calendar.Kinds() {
		if _, ok := ofKind[k]; !ok {
			t.Errorf("no errno for %v", k)
		}
		if n := errnoOf(&calendar.Error{Kind: k}, StoreEventsFailed); n == 0 {
			t.Errorf("%v answers success", k)
		}
	}
	if n := errnoOf(&calendar.Error{Kind: calendar.NoCalendar, Reason: calendar.Hidden}, StoreEventsFailed); n != AccessDenied {
		t.Errorf("hidden: %d", n)
	}
	// A full disk is neither a quota nor a wrong password, and nor is a fault of ours.
	for _, own := range []Errno{StoreEventsFailed, LoginFailed, ImportFailed} {
		if n := errnoOf(&calendar.Error{Kind: calendar.OverQuota, Reason: calendar.DiskFull}, own); n != ReadOnlyDatabase {
			t.Errorf("a full disk is errno %d where the command's own is %d", n, own)
		}
	}
	for _, k := range []calendar.Kind{calendar.Internal, calendar.Canceled, calendar.OverQuota, calendar.Unavailable, calendar.NoBackend} {
		if n := errnoOf(&calendar.Error{Kind: k}, LoginFailed); n == LoginFailed || n == OK {
			t.Errorf("a log-in that failed with %v is errno %d", k, n)
		}
	}
	if n := errnoOf(Errno(66), StoreEventsFailed); n != 66 {
		t.Errorf("errno of its own: %d", n)
	}
}

func TestWCAP_13_Gettime(t *testing.T) {
	s := newSite(t)
	if got := s.do("anna", "gettime.wcap").errno(0).value("X-NSCP-WCAPTIME"); got != "20260302T120000Z" {
		t.Error(got)
	}
	if got := s.do("anna", "gettime.wcap?tzidout=America/Los_Angeles").errno(0).value("X-NSCP-WCAPTIME"); got != "20260302T040000" {
		t.Error(got)
	}
}

func TestWCAP_13_GUIDs(t *testing.T) {
	s := newSite(t)
	seen := map[string]bool{}
	for range 3 {
		r := s.get("get_guids.wcap?guidCount=3")
		for _, n := range []string{"0", "1", "2"} {
			v := r.value("X-NSCP-GUID" + n)
			if !guidPattern.MatchString(v) || seen[v] {
				t.Errorf("GUID%s is %q", n, v)
			}
			seen[v] = true
		}
	}
	if r := s.get("get_guids.wcap?fmt-out=text/xml"); !strings.Contains(r.body, "\">\n<X-NSCP-GUID0>") {
		t.Errorf("the GUID is not the first element:\n%s", r.body)
	}
	if r := s.get("get_guids.wcap?guidCount=99999999"); len(r.body) > 100_000 {
		t.Errorf("%d octets", len(r.body))
	}
}

// A body that is too large is 413, whether it says so or not.
func TestBodyTooLarge(t *testing.T) {
	s := newSite(t, func(o *Options) { o.Settings.MaxBody = 1000 })
	sid := s.as("anna")
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/calendar", "multipart/form-data; boundary=X"} {
		if r := s.post("storeevents.wcap?id="+sid, kind, "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n"+strings.Repeat("x", 1000)); r.status != 413 {
			t.Errorf("%s: %d %s", kind, r.status, r.body)
		}
	}
}
