package acceptance

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"factotum/cmd/internal/hosttest"
)

// syncer is vdirsyncer between a directory and somebody's calendar.
type syncer struct {
	*program
	dir string // with the collection's files
}

func newSyncer(t testing.TB, base, user string) *syncer {
	t.Helper()
	p := newProgram(t, tool(t, "vdirsyncer"))
	p.args = []string{"-c", filepath.Join(p.home, "config")}
	hosttest.Write(t, filepath.Join(p.home, "config"), fmt.Sprintf(`[general]
status_path = "%[1]s/status/"
[pair work]
a = "here"
b = "there"
collections = ["calendar"]
metadata = ["displayname", "color"]
[storage here]
type = "filesystem"
path = "%[1]s/calendars/"
fileext = ".ics"
[storage there]
type = "caldav"
url = "%[2]s/"
username = "%[3]s"
password = "%[4]s"
`, p.home, base, user, password(user)))
	return &syncer{p, filepath.Join(p.home, "calendars", "calendar")}
}

func (s *syncer) sync() {
	s.t.Helper()
	// vdirsyncer 0.19 says this where there is an ETag.
	out := strings.ReplaceAll(s.ok("", "sync"), "warning: Deleting an item with no etag.", "")
	if strings.Contains(out, "error:") || strings.Contains(out, "warning:") {
		s.t.Fatalf("vdirsyncer: %s", out)
	}
}

// vdirsyncer synchronises 200 real events in both directions: first sync,
// changes on either side, and an upload to an empty calendar.
func TestVdirsyncer(t *testing.T) {
	for name, deploy := range outermost() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			syncBothWays(t, deploy)
		})
	}
}

func syncBothWays(t *testing.T, deploy func(testing.TB, ...string) *host) {
	h := deploy(t)
	h.visit(t, "anna")
	want := realEvents(t, 200)
	h.load(t, "anna", cal("anna"), want)
	s := newSyncer(t, h.base, "anna")
	s.ok("y\ny\n", "discover")
	s.sync()
	t.Logf("%d of 200 came down octet for octet", sameObjects(t, "first sync", readDir(t, s.dir), want))

	// Each side edits, adds and deletes; nothing of it may cross.
	names := slices.Sorted(maps.Keys(want))
	for i, name := range names[:30] {
		switch {
		case i%3 == 0:
			want[name] = edited(t, want[name], "there")
			h.do(t, "anna", "PUT", cal("anna")+name, want[name]).is(204)
		case i%3 == 1:
			h.do(t, "anna", "DELETE", cal("anna")+name, "").is(204)
			delete(want, name)
		default:
			want["new-"+name] = event(fmt.Sprintf("there-%d", i), "20260301T100000Z", "New there")
			h.do(t, "anna", "PUT", cal("anna")+"new-"+name, want["new-"+name]).is(201)
		}
	}
	here := map[string]string{} // file by UID
	for file, text := range readDir(t, s.dir) {
		here[uidOf(t, text)] = filepath.Join(s.dir, file)
	}
	for i, name := range names[100:130] {
		file := here[uidOf(t, want[name])]
		switch {
		case i%3 == 0:
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want[name] = edited(t, string(b), "here")
			hosttest.Write(t, file, want[name])
		case i%3 == 1:
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			delete(want, name)
		default:
			want["here-"+name] = event(fmt.Sprintf("here-%d", i), "20260301T100000Z", "New here")
			hosttest.Write(t, filepath.Join(s.dir, fmt.Sprintf("here-%d.ics", i)), want["here-"+name])
		}
	}
	s.sync()
	sameObjects(t, "second sync, here", readDir(t, s.dir), want)
	sameObjects(t, "second sync, there", h.everything(t, "anna", cal("anna")), want)

	// A sync with nothing to do writes nothing.
	before := h.do(t, "anna", "PROPFIND", cal("anna"), propfind("CS:getctag"), "Depth: 0").body
	s.sync()
	if after := h.do(t, "anna", "PROPFIND", cal("anna"), propfind("CS:getctag"), "Depth: 0").body; after != before {
		t.Error("a sync without changes changed the calendar")
	}
	if out := s.ok("", "metasync"); strings.Contains(out, "error:") {
		t.Errorf("metasync: %s", out)
	}

	// All of it goes up to a server that has nothing.
	empty := deploy(t)
	empty.visit(t, "anna")
	up := newSyncer(t, empty.base, "anna")
	for name, text := range readDir(t, s.dir) {
		hosttest.Write(t, filepath.Join(up.dir, name), text)
	}
	up.ok("y\ny\n", "discover")
	up.sync()
	sameObjects(t, "upload", empty.everything(t, "anna", cal("anna")), want)
	h.healthy(t)
	empty.healthy(t)
}
