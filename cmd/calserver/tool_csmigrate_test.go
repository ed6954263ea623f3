package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"factotum/protocol/caldav"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/service"
)

// testServer serves a store over CalDAV to the given users, whose password is
// "secret". gets counts requests by method.
func testServer(t *testing.T, be *backend, users ...string) (url string, requests func(method string) int64) {
	t.Helper()
	people, _, _ := testPeople(t, users...)
	h := caldav.New(caldav.Options{
		Backend: be.Backend, People: people,
		Login: func(ctx context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
			if password != "secret" {
				return calendar.Person{}, &calendar.Error{Kind: calendar.LoginFailed, Op: "log in"}
			}
			return people.Person(ctx, user)
		},
	})
	var counts [2]atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case "GET":
			counts[0].Add(1)
		case "REPORT":
			counts[1].Add(1)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func(method string) int64 { return counts[map[string]int{"GET": 0, "REPORT": 1}[method]].Load() }
}

// migrate is a run of csmigrate from a server into a store.
type testMigration struct {
	t   *testing.T
	be  *backend
	url string
	dir string
}

func (m *testMigration) run(code int, says string, flags ...string) string {
	m.t.Helper()
	var out bytes.Buffer
	o := &migrateOptions{tool: newTool("csmigrate", "", stdio{strings.NewReader(""), &out, &out}), owner: "bert"}
	for _, f := range flags {
		switch f {
		case "-d":
			o.remove = true
		case "-n":
			o.dry = true
		case "-F":
			o.force = true
		case "-v":
			o.verbose = true
		default:
			o.only = f
		}
	}
	c, err := newDAVClient(m.url, "anna", "secret", false, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	got := 0
	if err := (&migration{o: o, be: m.be, c: c, dir: m.dir}).run(m.t.Context()); err != nil {
		e, ok := err.(exitError)
		if !ok {
			m.t.Fatal(err)
		}
		got = int(e)
	}
	if got != code || !strings.Contains(out.String(), says) {
		m.t.Errorf("csmigrate %q: exit %d, want %d and %q\n%s", flags, got, code, says, &out)
	}
	return out.String()
}

func TestMigrateAgainAndAgain(t *testing.T) {
	ctx := t.Context()
	src, dst := testBackend(t), testBackend(t)
	url, requests := testServer(t, src, "anna")
	m := &testMigration{t, dst, url, t.TempDir()}
	var files []string
	for i := range 120 {
		files = append(files, fmt.Sprint(i), cal(vevent(fmt.Sprintf("u%d", i), fmt.Sprintf("Käse <&> ]]> %d", i))))
	}
	importText(t, src, "anna", false, files...)
	name, color := "Hobbies", "#ff0000ff"
	if _, err := src.CreateCalendar(ctx, src.who, calendar.CreateCalendarRequest{DefaultACL: true, Calendar: calendar.Calendar{
		ID: "anna:hobby", DisplayName: name, Description: "fun", Color: color, Timezone: cal(berlin), Components: []string{"VEVENT"}}}); err != nil {
		t.Fatal(err)
	}
	importText(t, src, "anna:hobby", false, "h", "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n"+strings.ReplaceAll(vevent("h", "LF only"), "\r\n", "\n")+"END:VCALENDAR\n")

	m.run(0, "bert: 120 new, 0 changed, 0 unchanged, 0 deleted there, 0 refused (nothing", "-n")
	if got, err := dst.Calendar(ctx, dst.who, "bert:hobby"); err == nil {
		t.Errorf("a dry run made %v", got.ID)
	}
	m.run(0, "bert: 120 new, 0 changed, 0 unchanged, 0 deleted there, 0 refused\n")
	for _, id := range [][2]calendar.ID{{"anna", "bert"}, {"anna:hobby", "bert:hobby"}} {
		if a, b := stored(t, src, id[0]), stored(t, dst, id[1]); !maps.Equal(a, b) {
			t.Errorf("%s: %d objects there, %d here, or other octets", id[0], len(a), len(b))
		}
	}
	c, err := dst.Calendar(ctx, dst.who, "bert:hobby")
	if err != nil || c.DisplayName != name || c.Color != color || c.Description != "fun" || c.TZID != "Europe/Berlin" || len(c.Components) != 1 {
		t.Errorf("%+v %v", c, err)
	}

	before := requests("REPORT")
	m.run(0, "bert: 0 new, 0 changed, 120 unchanged")
	if n := requests("REPORT") - before; n != 0 || requests("GET") != 0 {
		t.Errorf("a run with nothing new fetched: %d reports, %d gets", n, requests("GET"))
	}

	// There: one changed, one new, one deleted. Here: one of our own.
	put := func(be *backend, id calendar.ID, name, text string) {
		t.Helper()
		if _, err := be.PutObject(ctx, be.who, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	put(src, "anna", "u1.ics", cal(vevent("u1", "changed there")))
	put(src, "anna", "new.ics", cal(vevent("new", "N")))
	if err := src.DeleteObject(ctx, src.who, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "u2.ics"}}); err != nil {
		t.Fatal(err)
	}
	put(dst, "bert", "own.ics", cal(vevent("own", "O")))
	m.run(0, "bert: 1 new, 1 changed, 118 unchanged, 1 deleted there, 0 refused", "calendar")
	if here := stored(t, dst, "bert"); len(here) != 122 || !strings.Contains(here["u1.ics"], "changed there") || here["u2.ics"] == "" {
		t.Errorf("%d objects", len(here))
	}
	m.run(0, "1 deleted there", "-d")
	if here := stored(t, dst, "bert"); here["u2.ics"] != "" || here["own.ics"] == "" || len(here) != 121 {
		t.Errorf("after -d: %d objects", len(here))
	}
	m.run(0, "0 new, 0 changed, 120 unchanged, 0 deleted there")

	// Changed on both sides.
	put(src, "anna", "u3.ics", cal(vevent("u3", "theirs")))
	put(dst, "bert", "u3.ics", cal(vevent("u3", "ours")))
	for range 2 {
		m.run(1, "it changed there and here")
	}
	if here := stored(t, dst, "bert"); !strings.Contains(here["u3.ics"], "ours") {
		t.Errorf("%s", here["u3.ics"])
	}
	m.run(0, "1 changed", "-F")
	if here := stored(t, dst, "bert"); !strings.Contains(here["u3.ics"], "theirs") {
		t.Errorf("%s", here["u3.ics"])
	}

	// Without its memory it fetches all again, and doubles nothing.
	m.dir = filepath.Join(m.dir, "other")
	m.run(0, "bert: 0 new, 0 changed, 120 unchanged")
	if rep, err := dst.Backend.(*service.Service).Check(ctx, nil); err != nil || len(rep.Findings) > 0 {
		t.Errorf("%+v %v", rep, err)
	}
}

func TestMigrateRefuses(t *testing.T) {
	src, dst := testBackend(t), testBackend(t)
	url, _ := testServer(t, src, "anna")
	importText(t, src, "anna", false)
	m := &testMigration{t, dst, url, t.TempDir()}
	m.run(3, "no calendar was found", "no such calendar")
	if _, err := newDAVClient("http://example.com/", "a", "b", false, nil); err == nil {
		t.Error("a password in clear")
	}
	c, err := newDAVClient(url, "anna", "wrong", false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.home(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("wrong password: %v", err)
	}
}

// What other servers answer: objects in CDATA, entities, hrefs with a host,
// absent ETags, objects that cannot be stored, reports that are not known.
func TestMigrateFromOddServers(t *testing.T) {
	good := cal(vevent("good", "A & B"))
	reply := func(w http.ResponseWriter, body string) {
		w.WriteHeader(207)
		fmt.Fprintf(w, `<?xml version="1.0"?><multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav" xmlns:x="http://apple.com/ns/ical/">%s</multistatus>`, body)
	}
	ok := func(href, props string) string {
		return "<response><href>" + href + "</href><propstat><prop>" + props + "</prop><status>HTTP/1.1 200 OK</status></propstat>" +
			"<propstat><prop><x:calendar-color/></prop><status>HTTP/1.1 404 Not Found</status></propstat></response>"
	}
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, _, _ := r.BasicAuth(); u != "anna" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
			return
		}
		switch r.Method + " " + r.URL.Path {
		case "PROPFIND /":
			w.WriteHeader(405)
		case "PROPFIND /.well-known/caldav":
			http.Redirect(w, r, "/dav", http.StatusMovedPermanently)
		case "PROPFIND /dav":
			reply(w, ok("/dav", "<current-user-principal><href>/p/anna</href></current-user-principal>"))
		case "PROPFIND /p/anna":
			reply(w, ok("/p/anna", "<C:calendar-home-set><href>"+srv.URL+"/c%20s/</href></C:calendar-home-set>"))
		case "PROPFIND /c s/":
			reply(w, ok("/c%20s/", "<resourcetype><collection/></resourcetype>")+
				ok("/c%20s/work%2Fx/", "<resourcetype><collection/><C:calendar/></resourcetype><displayname>Work</displayname>"))
		case "PROPFIND /c s/work/x/":
			reply(w, ok("/c%20s/work%2Fx/", "<resourcetype><collection/><C:calendar/></resourcetype>")+
				ok(srv.URL+"/c%20s/work%2Fx/1.ics", "<getetag>\"1\"</getetag>")+ok("/c%20s/work%2Fx/2.ics", "")+ok("/c%20s/work%2Fx/bad.ics", "<getetag>b</getetag>")+
				ok("/c%20s/work%2Fx/lost.ics", "<getetag>l</getetag>"))
		case "REPORT /c s/work/x/":
			reply(w, ok("/c%20s/work%2Fx/1.ics", "<getetag>\"1\"</getetag><C:calendar-data><![CDATA["+good+"]]></C:calendar-data>")+
				ok("/c%20s/work%2Fx/bad.ics", "<getetag>b</getetag><C:calendar-data>"+strings.ReplaceAll(cal("BEGIN:VEVENT\r\nUID:bad\r\nEND:VEVENT\r\n"), "\r", "&#13;")+"</C:calendar-data>"))
		case "GET /c s/work/x/2.ics":
			fmt.Fprint(w, cal(vevent("two", "T"), vevent("three", "an object of two UIDs")))
		default:
			w.WriteHeader(404)
		}
	}))
	defer srv.Close()
	dst := testBackend(t)
	m := &testMigration{t, dst, srv.URL, t.TempDir()}
	for range 2 {
		out := m.run(1, "VEVENT DTSTART: it is missing", "-v")
		if !strings.Contains(out, "lost.ics: refused: GET /c s/work/x/lost.ics: 404") {
			t.Error(out)
		}
	}
	home, err := dst.Home(t.Context(), dst.who, calendar.HomeRequest{Owner: "bert"})
	if err != nil || len(home.Calendars) != 2 {
		t.Fatalf("%+v %v", home, err)
	}
	here := stored(t, dst, home.Calendars[1].ID)
	if len(here) != 3 || here["good.ics"] != good {
		t.Errorf("%q", here)
	}
	if _, err := ical.Parse([]byte(here["three.ics"]), ical.Limits{}); err != nil {
		t.Errorf("%v %q", err, here["three.ics"])
	}
}

func TestSelftest(t *testing.T) {
	be := testBackend(t)
	url, _ := testServer(t, be, "anna")
	importText(t, be, "anna", false, "a", cal(vevent("1", "A")))
	run := func(url, password string) (bool, string) {
		var out bytes.Buffer
		c, err := newDAVClient(url, "anna", password, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := &selftest{std: stdio{strings.NewReader(""), &out, &out}, c: c}
		return s.run(t.Context()), out.String()
	}
	if ok, out := run(url, "secret"); !ok || !strings.Contains(out, "21 passed, 0 failed") {
		t.Errorf("%v\n%s", ok, out)
	}
	home, err := be.Home(t.Context(), be.who, calendar.HomeRequest{Owner: "anna"})
	if err != nil || len(home.Calendars) != 1 {
		t.Errorf("left behind: %+v %v", home.Calendars, err)
	}
	if ok, out := run(url, "wrong"); ok || !strings.Contains(out, "FAIL  the user's principal") {
		t.Errorf("wrong password: %v\n%s", ok, out)
	}
	// A server that forgets the CR of each line, and says every change is new.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		req, _ := http.NewRequestWithContext(r.Context(), r.Method, url+r.URL.RequestURI(), r.Body)
		req.Header = r.Header
		req.Header.Del("If-Match")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		rec.Body.ReadFrom(resp.Body)
		maps.Copy(w.Header(), resp.Header)
		w.Header().Del("Content-Length")
		w.WriteHeader(resp.StatusCode)
		w.Write(bytes.ReplaceAll(rec.Body.Bytes(), []byte("\r"), nil))
	}))
	defer proxy.Close()
	ok, out := run(proxy.URL, "secret")
	for _, want := range []string{"FAIL  it comes back octet for octet", "FAIL  a change that began from an old version", "ok    sync tells of the deletion"} {
		if ok || !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}
