package caldav

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
)

// pastAnswer is a list of the history.
type pastAnswer struct {
	Entries []struct {
		Change                    int64
		What, By, Via, UID, CalID string
		Title, Version            string
		Changes                   []struct{ What, Before, After string }
	}
	More bool
}

func (s *site) past(t *testing.T, user, query string) (a pastAnswer) {
	t.Helper()
	if err := json.Unmarshal([]byte(s.do(user, "GET", "/dav/history/"+query, "").is(200).body), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func pastEvent(uid, summary string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260401T100000Z\r\nSUMMARY:" + summary +
		"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
}

// TestHistoryOverHTTP: an owner sees what was changed and deleted, reads a version,
// and takes it back.
func TestHistoryOverHTTP(t *testing.T) {
	s := openSite(t, sitetest.Options{})
	s.visit("anna", "ben")
	s.do("anna", "PUT", "/dav/calendars/anna/calendar/a.ics", pastEvent("a", "one")).is(201)
	s.do("anna", "PUT", "/dav/calendars/anna/calendar/a.ics", pastEvent("a", "two")).is(204)
	s.do("anna", "DELETE", "/dav/calendars/anna/calendar/a.ics", "").is(204)
	list := s.past(t, "anna", "?uid=a")
	if len(list.Entries) != 2 || list.Entries[0].What != "deleted" || list.Entries[1].What != "changed" || list.Entries[1].By != "anna" || list.Entries[1].Via != "caldav" {
		t.Fatalf("the history: %+v", list)
	}
	e := list.Entries[1]
	if len(e.Changes) != 1 || e.Changes[0].What != "SUMMARY" || e.Changes[0].Before != "“one”" || e.Changes[0].After != "“two”" || !strings.Contains(e.Title, "two") {
		t.Errorf("the change: %+v", e)
	}
	if r := s.do("anna", "GET", e.Version, "").is(200); r.body != pastEvent("a", "one") {
		t.Errorf("the version is %q", r.body)
	}
	if trash := s.past(t, "anna", "?deleted=true&limit=1"); len(trash.Entries) != 1 || trash.Entries[0].What != "deleted" {
		t.Errorf("the trash: %+v", trash)
	}
	s.do("anna", "POST", "/dav/history/", fmt.Sprintf(`{"change": %d, "dry_run": true}`, list.Entries[0].Change)).is(200).contains(`"done": "restored"`)
	s.do("anna", "GET", "/dav/calendars/anna/calendar/a.ics", "").is(404)
	s.do("anna", "POST", "/dav/history/anna/", `{"uid": "a", "deleted": true}`).is(200).contains(`"done": "restored"`, `"first"`)
	s.do("anna", "GET", "/dav/calendars/anna/calendar/a.ics", "").is(200).contains("SUMMARY:two")

	// Nobody else.
	s.do("ben", "GET", "/dav/history/anna/", "").is(403)
	s.do("ben", "GET", e.Version, "").is(403)
	s.do("ben", "POST", "/dav/history/anna/", `{"change": 1}`).is(403)
	s.do("", "GET", "/dav/history/", "").is(401)

	for query, want := range map[string]string{
		"?from=yesterday": "from is a time", "?change=x": "change is a number", "?limit=0": "limit is from 1", "?limit=9999": "limit is from 1", "?deleted=perhaps": "deleted is true",
		"?colour=red": "is not known", "?calid=ben": "ben", "?calid=:": "calid names no calendar", "?change=5-3": "not below", "?at=2026-01-01T00:00:00Z": "at goes with calid", "?calid=anna&at=now": "at is a time",
		"?name=a.ics": "goes with its calendar",
	} {
		if r := s.do("anna", "GET", "/dav/history/"+query, ""); r.status < 400 || r.status > 403 || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s, want %q", query, r.status, r.body, want)
		}
	}
	for body, want := range map[string]string{
		"": "the body is empty", "{": "cannot be read", "{} {}": "more than one", `{"colour": 1}`: "unknown field", "{}": "undo what?", `{"calid": "anna"}`: "undo what?", `{"change": 1, "first": 1}`: "either change",
		`{"calid": "ben", "change": 1}`: "ben", `{"from": "yesterday"}`: "cannot be read",
	} {
		if r := s.do("anna", "POST", "/dav/history/", body); r.status < 400 || r.status > 403 || !strings.Contains(r.body, want) {
			t.Errorf("%s: %d %s, want %q", body, r.status, r.body, want)
		}
	}
	s.do("anna", "GET", "/dav/history/anna/99999", "").is(404)
	s.do("anna", "GET", "/dav/history/anna/x", "").is(404)
	s.do("anna", "PUT", "/dav/history/", "").is(405)
	s.do("anna", "OPTIONS", "/dav/history/", "").is(200)
}

// TestHistoryPage: the commands of docs/history.md do what it says.
// A page of another site has nothing done by the browser of who has logged in;
// pages of ours, and programs, do.
func TestForgedPosts(t *testing.T) {
	s := openSite(t, sitetest.Options{})
	s.visit("anna")
	s.do("anna", "PUT", "/dav/calendars/anna/calendar/a.ics", pastEvent("a", "one")).is(201)
	s.do("anna", "DELETE", "/dav/calendars/anna/calendar/a.ics", "").is(204)
	order := `{"uid": "a", "deleted": true, "dry_run": true}`
	for _, c := range []struct {
		status  int
		headers []string
	}{
		{200, nil},
		{200, []string{"Content-Type: application/x-www-form-urlencoded"}}, // curl
		{200, []string{"Content-Type: text/plain", "Sec-Fetch-Site: same-origin"}},
		{200, []string{"Content-Type: application/json", "Sec-Fetch-Site: cross-site"}}, // it was asked about
		{403, []string{"Content-Type: text/plain", "Sec-Fetch-Site: cross-site"}},
		{403, []string{"Content-Type: text/plain;charset=UTF-8", "Origin: https://evil.example"}},
		{403, []string{"Content-Type: multipart/form-data; boundary=x", "Sec-Fetch-Site: same-site"}},
		{403, []string{"Sec-Fetch-Site: cross-site"}},
	} {
		s.do("anna", "POST", "/dav/history/anna/", order, c.headers...).is(c.status)
	}
	s.do("anna", "POST", "/dav/calendars/anna/outbox/", "x", "Content-Type: text/plain", "Sec-Fetch-Site: cross-site").is(403).contains("another site")
}

func TestHistoryPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/history.md")
	if err != nil {
		t.Fatal(err)
	}
	s := openSite(t, sitetest.Options{})
	s.visit("anna")
	s.do("anna", "MKCALENDAR", "/dav/calendars/anna/work/", "").is(201)
	s.do("anna", "PUT", "/dav/calendars/anna/work/4711.ics", pastEvent("4711", "one")).is(201)
	s.do("anna", "PUT", "/dav/calendars/anna/work/4711.ics", pastEvent("4711", "two")).is(204)
	change := s.past(t, "anna", "?uid=4711").Entries[0].Change
	s.clock.Add(time.Minute)
	s.do("anna", "DELETE", "/dav/calendars/anna/work/4711.ics", "").is(204)
	s.clock.Add(time.Minute)
	lines := regexp.MustCompile(`(?m)^    curl -u (\w+) 'https://cal\.example\.com([^']*)'(?: -d '([^']*)')?`).FindAllStringSubmatch(string(page), -1)
	if len(lines) != 8 {
		t.Fatalf("the page has %d commands", len(lines))
	}
	fill := strings.NewReplacer("CHANGE", fmt.Sprint(change), "TIME", s.base.Now().Add(-time.Second).UTC().Format(time.RFC3339)).Replace
	for _, l := range lines {
		method := "GET"
		if l[3] != "" {
			method = "POST"
		}
		r := s.do(l[1], method, fill(l[2]), fill(l[3])).is(200)
		if strings.Contains(r.body, "refused") {
			t.Errorf("%s: %s", l[0], r.body)
		}
	}
	s.do("anna", "GET", "/dav/calendars/anna/work/4711.ics", "").is(200)
}
