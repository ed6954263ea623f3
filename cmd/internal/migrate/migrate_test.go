package migrate_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/migrate"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// run is a migration of anna's calendars there to ben's here.
type run struct {
	t   *testing.T
	be  calendar.Backend
	url string
	dir string
}

// run pulls, and returns the items that are not unchanged, and the counts of
// the calendar "ben" or the only one.
func (m *run) run(want string, change ...func(*migrate.Migration)) string {
	m.t.Helper()
	c, err := davclient.New(davclient.Account{Address: m.url, User: "anna", Password: "secret"})
	if err != nil {
		m.t.Fatal(err)
	}
	var items strings.Builder
	fetched, all, told := 0, 0, 0
	mi := &migrate.Migration{Source: migrate.Server{Client: c}, Backend: m.be, Who: tooltest.Admin, Owner: "ben", Dir: m.dir,
		Progress: func(done, total int) { fetched, all = done, total },
		Each:     func(it *importer.Item) { fmt.Fprintln(&items, it) },
		Done: func(r *migrate.Report) {
			told++
			if fetched != all {
				m.t.Errorf("%s: %d of %d objects were fetched", r.Calendar, fetched, all)
			}
		},
	}
	for _, f := range change {
		f(mi)
	}
	reports, err := mi.Run(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	if len(reports) != told {
		m.t.Errorf("%d reports, %d told", len(reports), told)
	}
	for _, r := range reports {
		if r.Calendar != "ben" && len(reports) > 1 {
			continue
		}
		got := fmt.Sprintf("%d new, %d changed, %d unchanged, %d deleted there, %d refused", r.New, r.Changed, r.Unchanged, r.Deleted, r.Refused)
		if want != "" && got != want || r.Err != "" {
			m.t.Errorf("%s: %s, want %s %s\n%s", r.Calendar, got, want, r.Err, &items)
		}
	}
	return items.String()
}

func remove(m *migrate.Migration) { m.Remove = true }
func dry(m *migrate.Migration)    { m.Dry = true }
func force(m *migrate.Migration)  { m.Force = true }

func TestMigrateAgainAndAgain(t *testing.T) {
	ctx := t.Context()
	src, site := tooltest.Backend(t), tooltest.Site(t)
	dst := site.Backend
	url, requests := tooltest.Serve(t, src)
	m := &run{t, dst, url, t.TempDir()}
	var files []string
	for i := range 120 {
		files = append(files, fmt.Sprint(i), tooltest.Calendar(tooltest.Event(fmt.Sprintf("u%d", i), fmt.Sprintf("Käse <&> ]]> %d", i))))
	}
	tooltest.Import(t, src, "anna", files...)
	name, color := "Hobbies", "#ff0000ff"
	if _, err := src.CreateCalendar(ctx, tooltest.Admin, calendar.CreateCalendarRequest{DefaultACL: true, Calendar: calendar.Calendar{
		ID: "anna:hobby", DisplayName: name, Description: "fun", Color: color, Timezone: tooltest.Calendar(tooltest.Berlin), Components: []string{"VEVENT"}}}); err != nil {
		t.Fatal(err)
	}
	tooltest.Import(t, src, "anna:hobby", "h", "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n"+strings.ReplaceAll(tooltest.Event("h", "LF only"), "\r\n", "\n")+"END:VCALENDAR\n")

	m.run("120 new, 0 changed, 0 unchanged, 0 deleted there, 0 refused", dry)
	if got, err := dst.Calendar(ctx, tooltest.Admin, "ben:hobby"); err == nil {
		t.Errorf("a dry run made %v", got.ID)
	}
	m.run("120 new, 0 changed, 0 unchanged, 0 deleted there, 0 refused")
	for _, id := range [][2]calendar.ID{{"anna", "ben"}, {"anna:hobby", "ben:hobby"}} {
		if a, b := tooltest.Stored(t, src, id[0]), tooltest.Stored(t, dst, id[1]); !maps.Equal(a, b) {
			t.Errorf("%s: %d objects there, %d here, or other octets", id[0], len(a), len(b))
		}
	}
	c, err := dst.Calendar(ctx, tooltest.Admin, "ben:hobby")
	if err != nil || c.DisplayName != name || c.Color != color || c.Description != "fun" || c.TZID != "Europe/Berlin" || len(c.Components) != 1 {
		t.Errorf("%+v %v", c, err)
	}

	before := requests("REPORT")
	m.run("0 new, 0 changed, 120 unchanged, 0 deleted there, 0 refused")
	if n := requests("REPORT") - before; n != 0 || requests("GET") != 0 {
		t.Errorf("a run with nothing new fetched: %d reports, %d gets", n, requests("GET"))
	}

	// There: one changed, one new, one deleted. Here: one of our own.
	put := func(be calendar.Backend, id calendar.ID, name, text string) {
		t.Helper()
		if _, err := be.PutObject(ctx, tooltest.Admin, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	put(src, "anna", "u1.ics", tooltest.Calendar(tooltest.Event("u1", "changed there")))
	put(src, "anna", "new.ics", tooltest.Calendar(tooltest.Event("new", "N")))
	if err := src.DeleteObject(ctx, tooltest.Admin, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "u2.ics"}}); err != nil {
		t.Fatal(err)
	}
	put(dst, "ben", "own.ics", tooltest.Calendar(tooltest.Event("own", "O")))
	m.run("1 new, 1 changed, 118 unchanged, 1 deleted there, 0 refused", func(m *migrate.Migration) { m.Only = "calendar" })
	if here := tooltest.Stored(t, dst, "ben"); len(here) != 122 || !strings.Contains(here["u1.ics"], "changed there") || here["u2.ics"] == "" {
		t.Errorf("%d objects", len(here))
	}
	if items := m.run("0 new, 0 changed, 120 unchanged, 1 deleted there, 0 refused", remove); !strings.HasSuffix(items, "u2.ics: deleted there: deleted here\n") {
		t.Error(items)
	}
	if here := tooltest.Stored(t, dst, "ben"); here["u2.ics"] != "" || here["own.ics"] == "" || len(here) != 121 {
		t.Errorf("after -d: %d objects", len(here))
	}
	m.run("0 new, 0 changed, 120 unchanged, 0 deleted there, 0 refused")

	// Changed on both sides.
	put(src, "anna", "u3.ics", tooltest.Calendar(tooltest.Event("u3", "theirs")))
	put(dst, "ben", "u3.ics", tooltest.Calendar(tooltest.Event("u3", "ours")))
	for range 2 {
		if items := m.run("0 new, 0 changed, 119 unchanged, 0 deleted there, 1 refused"); !strings.Contains(items, "it changed there and here") {
			t.Error(items)
		}
	}
	if here := tooltest.Stored(t, dst, "ben"); !strings.Contains(here["u3.ics"], "ours") {
		t.Errorf("%s", here["u3.ics"])
	}
	m.run("0 new, 1 changed, 119 unchanged, 0 deleted there, 0 refused", force)
	if here := tooltest.Stored(t, dst, "ben"); !strings.Contains(here["u3.ics"], "theirs") {
		t.Errorf("%s", here["u3.ics"])
	}

	// Without its memory it fetches all again, and doubles nothing.
	m.dir = filepath.Join(m.dir, "other")
	m.run("0 new, 0 changed, 120 unchanged, 0 deleted there, 0 refused")
	if rep, err := site.Model.Check(ctx, nil); err != nil || len(rep.Findings) > 0 {
		t.Errorf("%+v %v", rep, err)
	}
}

// A file of states that cannot be read is named, and the calendar left alone;
// a calendar that is asked for alone and is not there gives no report.
func TestMigrateWithoutItsMemory(t *testing.T) {
	src, dst := tooltest.Backend(t), tooltest.Backend(t)
	url, _ := tooltest.Serve(t, src)
	m := &run{t, dst, url, t.TempDir()}
	m.run("0 new, 0 changed, 0 unchanged, 0 deleted there, 0 refused")
	files, err := filepath.Glob(filepath.Join(m.dir, "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := davclient.New(davclient.Account{Address: url, User: "anna", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	mi := &migrate.Migration{Source: migrate.Server{Client: c}, Backend: dst, Who: tooltest.Admin, Owner: "ben", Dir: m.dir, Done: func(*migrate.Report) {}}
	if reports, err := mi.Run(t.Context()); err != nil || len(reports) != 1 || !strings.Contains(reports[0].Err, files[0]) {
		t.Error(reports, err)
	}
	mi.Only = "no such calendar"
	if reports, err := mi.Run(t.Context()); err != nil || len(reports) != 0 {
		t.Error(reports, err)
	}
}

// What other servers answer: objects in CDATA, entities, hrefs with a host,
// absent ETags, objects that cannot be stored, reports that are not known.
func TestMigrateFromOddServers(t *testing.T) {
	good := tooltest.Calendar(tooltest.Event("good", "A & B"))
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
				ok("/c%20s/work%2Fx/bad.ics", "<getetag>b</getetag><C:calendar-data>"+strings.ReplaceAll(tooltest.Calendar("BEGIN:VEVENT\r\nUID:bad\r\nEND:VEVENT\r\n"), "\r", "&#13;")+"</C:calendar-data>"))
		case "GET /c s/work/x/2.ics":
			fmt.Fprint(w, tooltest.Calendar(tooltest.Event("two", "T"), tooltest.Event("three", "an object of two UIDs")))
		default:
			w.WriteHeader(404)
		}
	}))
	defer srv.Close()
	dst := tooltest.Backend(t)
	m := &run{t, dst, srv.URL, t.TempDir()}
	for _, again := range []bool{false, true} {
		want := "3 new, 0 changed, 0 unchanged, 0 deleted there, 2 refused"
		if again {
			want = "0 new, 0 changed, 3 unchanged, 0 deleted there, 2 refused"
		}
		items := m.run(want)
		for _, says := range []string{"VEVENT DTSTART: it is missing", "lost.ics: refused: GET /c s/work/x/lost.ics: 404"} {
			if !strings.Contains(items, says) {
				t.Errorf("%q is not in\n%s", says, items)
			}
		}
	}
	home, err := dst.Home(t.Context(), tooltest.Admin, calendar.HomeRequest{Owner: "ben"})
	if err != nil || len(home.Calendars) != 2 {
		t.Fatalf("%+v %v", home, err)
	}
	here := tooltest.Stored(t, dst, home.Calendars[1].ID)
	if len(here) != 3 || here["1.ics"] != good {
		t.Errorf("%q", here)
	}
	if _, err := ical.Parse([]byte(here["three.ics"]), ical.Limits{}); err != nil {
		t.Errorf("%v %q", err, here["three.ics"])
	}
}
