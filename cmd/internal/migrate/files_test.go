package migrate_test

import (
	"archive/zip"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/migrate"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
)

// tree writes files, given by name and text.
func tree(t *testing.T, dir string, files ...string) string {
	t.Helper()
	for i := 0; i < len(files); i += 2 {
		path := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// zipped writes a zip, whatever its entries are called.
func zipped(t *testing.T, files ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "export.zip")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = w.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// named is a calendar file with a name of its own.
func named(name string, events ...string) string {
	return tooltest.Calendar(append([]string{"X-WR-CALNAME:" + name + "\r\n", "X-WR-TIMEZONE:Europe/Vienna\r\n"}, events...)...)
}

func one(uid string) string { return tooltest.Calendar(tooltest.Event(uid, uid)) }

// files opens calendars of files for a run of ben's.
func files(t *testing.T, where string) func(*migrate.Migration) {
	t.Helper()
	f, err := migrate.OpenFiles(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return func(m *migrate.Migration) { m.Source = f }
}

// TestFileLayouts has what each program writes become calendars.
func TestFileLayouts(t *testing.T) {
	event := tooltest.Event
	sun := `<?xml version="1.0" encoding="UTF-8"?><iCalendar><iCal version="2.0" prodid="-//Sun/Calendar Server//EN" METHOD="PUBLISH">` +
		`<X-NSCP-CALPROPS-NAME>Ben's games</X-NSCP-CALPROPS-NAME><EVENT><UID>x1</UID><DTSTAMP>20080101T000000Z</DTSTAMP><START>20080102T130000Z</START><SUMMARY>a, b &amp; c</SUMMARY></EVENT></iCal></iCalendar>`
	for name, c := range map[string]struct {
		where string
		want  string // calid, name and number of each calendar
	}{
		"Google Takeout":               {zipped(t, "Takeout/Calendar/ben@gmail.com.ics", named("ben@gmail.com", event("a", "A")), "Takeout/Calendar/Family.ics", named("Family", event("b", "B"), event("c", "C"))), "ben calendar 1, ben:Family Family 2"},
		"Outlook":                      {tree(t, t.TempDir(), "Calendar.ics", named("Calendar", event("a", "A"))) + "/Calendar.ics", "ben:Calendar Calendar 1"},
		"Nextcloud":                    {zipped(t, "personal.ics", named("Personal", event("a", "A")), "birthdays.ics", named("Birthdays")), "ben:birthdays Birthdays 0, ben:personal Personal 1"},
		"csexport to a directory":      {tree(t, t.TempDir(), "trips/1.ics", one("1"), "trips/2.ics", one("2")) + "/trips", "ben:trips trips 2"},
		"DAViCal, a collection of one": {tree(t, t.TempDir(), "home/1.ics", one("1")), "ben:home home 1"},
		"Radicale": {tree(t, t.TempDir(), "0a1b/1.ics", one("1"), "0a1b/.Radicale.cache/item/1.ics", "junk", "0a1b/.Radicale.props", `{"tag":"VCALENDAR","D:displayname":"Work","ICAL:calendar-color":"#00ff00ff","C:supported-calendar-component-set":"VEVENT"}`,
			"cards/.Radicale.props", `{"tag":"VADDRESSBOOK"}`, "cards/x.ics", one("x"), "empty/.Radicale.props", `{"tag":"VCALENDAR","D:displayname":"Empty"}`), "ben:0a1b Work 1, ben:empty Empty 0"},
		"Sun's csbackup":          {tree(t, t.TempDir(), "ben.ics", named("Ben", event("a", "A")), "ben:games.xml", sun), "ben calendar 1, ben:games Ben's games 1"},
		"names that are no names": {zipped(t, "../../etc/up.ics", named("Up", event("a", "A")), "/abs.ics", named("Abs", event("b", "B")), "__MACOSX/x.ics", "junk"), "ben:abs Abs 1, ben:up Up 1"},
	} {
		t.Run(name, func(t *testing.T) {
			be := tooltest.Backend(t)
			m := &run{t, be, "http://localhost", t.TempDir()}
			m.run("", files(t, c.where))
			home, err := be.Home(t.Context(), tooltest.Admin, calendar.HomeRequest{Owner: "ben"})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range home.Calendars {
				objects := tooltest.Stored(t, be, k.ID)
				label := k.DisplayName
				if k.ID == "ben" {
					label = "calendar" // it was there
				}
				if k.ID != "ben" || len(objects) > 0 {
					got = append(got, fmt.Sprintf("%s %s %d", k.ID, label, len(objects)))
				}
			}
			slices.Sort(got)
			if got := strings.Join(got, ", "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			m.run("", files(t, c.where), func(m *migrate.Migration) {
				m.Each = func(it *importer.Item) { t.Errorf("again: %s", it) }
			})
		})
	}
}

// A file with many objects is brought anew object by object: what changed here
// stays, and what is gone there can go here.
func TestFilesAgain(t *testing.T) {
	be := tooltest.Backend(t)
	m := &run{t, be, "http://localhost", t.TempDir()}
	event := tooltest.Event
	first := tree(t, t.TempDir(), "w.ics", named("W", event("a", "A"), event("b", "B"), event("c", "C"), "BEGIN:VEVENT\r\nUID:bad\r\nEND:VEVENT\r\n"))
	m.run("3 new, 0 changed, 0 unchanged, 0 deleted there, 1 refused", files(t, first))
	change := func(uid, text string) {
		t.Helper()
		here := tooltest.Stored(t, be, "ben:w")
		for name, old := range here {
			if strings.Contains(old, "UID:"+uid+"\r\n") {
				if _, err := be.PutObject(t.Context(), tooltest.Admin, calendar.PutRequest{Ref: calendar.Ref{Calendar: "ben:w", Name: name}, Data: []byte(text)}); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
		t.Fatalf("%s is not in %v", uid, slices.Collect(maps.Keys(here)))
	}
	change("a", tooltest.Calendar(event("a", "ours")))
	change("b", tooltest.Calendar(event("b", "ours")))
	second := tree(t, t.TempDir(), "w.ics", named("W", event("a", "A"), event("b", "theirs"), event("d", "D")))
	items := m.run("1 new, 0 changed, 1 unchanged, 1 deleted there, 1 refused", files(t, second))
	if !strings.Contains(items, "(UID b) refused: it changed there and here") {
		t.Error(items)
	}
	m.run("0 new, 0 changed, 2 unchanged, 1 deleted there, 1 refused", files(t, second), remove)
	here := tooltest.Stored(t, be, "ben:w")
	if texts := strings.Join(slices.Collect(maps.Values(here)), ""); len(here) != 3 || strings.Count(texts, "SUMMARY:ours") != 2 || strings.Contains(texts, "UID:c\r\n") {
		t.Errorf("%q", here)
	}

	// A file that cannot be read any more takes nothing away.
	third := tree(t, t.TempDir(), "w.ics", "junk")
	m.run("0 new, 0 changed, 0 unchanged, 0 deleted there, 1 refused", files(t, third), remove)
	if n := len(tooltest.Stored(t, be, "ben:w")); n != 3 {
		t.Errorf("%d objects after junk", n)
	}
	m.run("0 new, 2 changed, 1 unchanged, 0 deleted there, 0 refused", files(t, second), force)
}

// TestCompare tells what became of each object.
func TestCompare(t *testing.T) {
	be := tooltest.Backend(t)
	m := &run{t, be, "http://localhost", t.TempDir()}
	event := tooltest.Event
	where := tree(t, t.TempDir(), "w/same.ics", one("same"), "w/latin.ics", strings.ReplaceAll(tooltest.Calendar(event("latin", "K\xe4se")), "\xc3", ""),
		"w/lost.ics", one("lost"), "w/changed.ics", one("changed"), "w/bad.ics", tooltest.Calendar("BEGIN:VEVENT\r\nUID:bad\r\nEND:VEVENT\r\n"))
	m.run("4 new, 0 changed, 0 unchanged, 0 deleted there, 1 refused", files(t, where))
	if err := be.DeleteObject(t.Context(), tooltest.Admin, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "ben:w", Name: "lost.ics"}}); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"changed.ics": tooltest.Calendar(event("changed", "otherwise")), "own.ics": one("own")} {
		if _, err := be.PutObject(t.Context(), tooltest.Admin, calendar.PutRequest{Ref: calendar.Ref{Calendar: "ben:w", Name: name}, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	mi := &migrate.Migration{Backend: be, Who: tooltest.Admin, Owner: "ben"}
	files(t, where)(mi)
	var got []string
	list, err := mi.Compare(t.Context(), func(v migrate.Verdict) error {
		got = append(got, v.Name+" "+v.String())
		return nil
	})
	if err != nil || len(list) != 1 || list[0].Same() || list[0].Count[migrate.Equal] != 1 || list[0].Count[migrate.OnlyHere] != 1 {
		t.Errorf("%+v %v", list, err)
	}
	slices.Sort(got)
	for i, want := range []string{
		" w/bad.ics:4 (UID bad): refused: VEVENT DTSTART: it is missing",
		" w/lost.ics:4 (UID lost): missing",
		"changed.ics w/changed.ics:4 (UID changed): differs: ",
		"latin.ics w/latin.ics:4 (UID latin): mended: its characters became UTF-8",
		"own.ics (UID own): only here",
		"same.ics w/same.ics:4 (UID same): equal",
	} {
		if i >= len(got) || !strings.HasPrefix(got[i], want) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
}

// What is no calendar, and what would harm who reads it, is refused with a
// reason; what is beside it comes over.
func TestHostileFiles(t *testing.T) {
	bomb := zipped(t, "bomb.ics", tooltest.Calendar(tooltest.Event("a", strings.Repeat("x", 8<<20))), "good.ics", one("good"))
	be := tooltest.Backend(t)
	m := &run{t, be, "http://localhost", t.TempDir()}
	if items := m.run("", files(t, bomb)); !strings.Contains(items, "bomb.ics: refused: it would become more than 1000 times as large") {
		t.Error(items)
	}
	if here := tooltest.Stored(t, be, "ben:export"); len(here) != 1 {
		t.Errorf("%q", slices.Collect(maps.Keys(here)))
	}
	outside := tree(t, t.TempDir(), "secret.ics", named("Secret", tooltest.Event("s", "S")))
	dir := tree(t, t.TempDir(), "a.ics", named("A", tooltest.Event("a", "A")), "b.ics", named("B", tooltest.Event("b", "B")))
	if err := os.Symlink(outside+"/secret.ics", dir+"/link.ics"); err != nil {
		t.Fatal(err)
	}
	if items := m.run("", files(t, dir)); !strings.Contains(items, "link.ics: refused: ") || strings.Contains(items, "UID s") {
		t.Error(items)
	}
	for where, says := range map[string]string{
		t.TempDir(): "has no calendars",
		tree(t, t.TempDir(), "x.zip", "PK") + "/x.zip":   "zip",
		tree(t, t.TempDir(), "x.pst", "!BDN") + "/x.pst": "ends neither in .ics",
		"/nowhere/at/all.ics":                            "no such file",
	} {
		if _, err := migrate.OpenFiles(t.Context(), where); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// TestOwners deals files to whom they are named after.
func TestOwners(t *testing.T) {
	f, err := migrate.OpenFiles(t.Context(), tree(t, t.TempDir(), "anna.ics", named("A", tooltest.Event("a", "A")), "anna:work.ics", named("W", tooltest.Event("w", "W")),
		"ben/trips/1.ics", one("1"), "ben/games.ics", named("G", tooltest.Event("g", "G")), "jdoe@example.net:x.ics", named("X", tooltest.Event("x", "X"))))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var got []string
	for owner, part := range f.Owners() {
		list, err := part.Calendars(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			got = append(got, string(owner)+" "+c.Href)
		}
	}
	slices.Sort(got)
	if want := "anna anna.ics, anna anna:work.ics, ben ben/games.ics, ben ben/trips/, jdoe@example.net jdoe@example.net:x.ics"; strings.Join(got, ", ") != want {
		t.Errorf("%q", got)
	}
}
