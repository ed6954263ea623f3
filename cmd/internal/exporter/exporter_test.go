package exporter_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/exporter"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// What is exported and imported elsewhere is the same calendar.
func TestExportRoundTrip(t *testing.T) {
	be := tooltest.Backend(t)
	own := strings.NewReplacer("Europe/Berlin", "Mine")
	tooltest.Import(t, be, "anna",
		"a", tooltest.Calendar(tooltest.Berlin, tooltest.Zoned("1", "Europe/Berlin")), "b", tooltest.Calendar(strings.Replace(tooltest.Berlin, "1970", "1980", 1), tooltest.Zoned("2", "Europe/Berlin")),
		"c", tooltest.Calendar(own.Replace(tooltest.Berlin), tooltest.Zoned("3", "Mine")),
		"d", tooltest.Calendar(strings.Replace(own.Replace(tooltest.Berlin), "+0100", "+0130", 1), tooltest.Zoned("4", "Mine")),
		"e", tooltest.Calendar(tooltest.Event("5", "five; and, more")))
	name := "Anna's"
	if _, err := be.UpdateCalendar(t.Context(), tooltest.Admin, calendar.UpdateCalendarRequest{ID: "anna", DisplayName: &name}); err != nil {
		t.Fatal(err)
	}
	e := &exporter.Export{Store: be, Who: tooltest.Admin, Calendar: "anna"}
	file := filepath.Join(t.TempDir(), "anna.ics")
	if n, err := e.Whole(t.Context(), file, nil); err != nil || n != 5 || exporter.IsFolder(file) {
		t.Fatal(n, err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for c, err := range ical.ParseStream(bytes.NewReader(data), ical.Limits{}) {
		if err != nil || c.Text("X-WR-CALNAME") != name {
			t.Errorf("calendar %d: %v %q", n, err, c.Text("X-WR-CALNAME"))
		}
		n++
	}
	if n != 2 { // two meanings of "Mine"
		t.Errorf("%d calendars in the file", n)
	}
	r := tooltest.Import(t, be, "ben", "anna.ics", string(data))
	if r.Created != 5 || r.Refused != 0 {
		t.Fatal(tooltest.Outcomes(r))
	}
	was, is := tooltest.Stored(t, be, "anna"), tooltest.Stored(t, be, "ben")
	for name, text := range was {
		a, err1 := ical.Parse([]byte(text), ical.Limits{})
		b, err2 := ical.Parse([]byte(is[name]), ical.Limits{})
		if err1 != nil || err2 != nil {
			t.Fatalf("%s: %v %v", name, err1, err2)
		}
		if !ical.Equal(a.Child("VEVENT"), b.Child("VEVENT")) {
			t.Errorf("%s: %s", name, ical.Diff(a, b))
		}
		if z := a.Child("VTIMEZONE"); name != "2.ics" && (z == nil) != (b.Child("VTIMEZONE") == nil) || name == "4.ics" && !ical.Equal(z, b.Child("VTIMEZONE")) {
			t.Errorf("%s has another zone: %s", name, is[name])
		}
	}
}

func TestExportDirectoryKeepsOctets(t *testing.T) {
	be := tooltest.Backend(t)
	tooltest.Import(t, be, "anna", "a", tooltest.Calendar(tooltest.Event("1", "A"))+"\n", "b", tooltest.Calendar(tooltest.Event("2", "B"), tooltest.Event("3", "C")))
	var names []string
	e := &exporter.Export{Store: be, Who: tooltest.Admin, Calendar: "anna", Written: func(name string) { names = append(names, name) }}
	dir := filepath.Join(t.TempDir(), "out") + "/"
	if n, err := e.Folder(t.Context(), dir); err != nil || n != 3 || len(names) != 3 || !exporter.IsFolder(dir) {
		t.Fatal(n, names, err)
	}
	for name, text := range tooltest.Stored(t, be, "anna") {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != text {
			t.Errorf("%s: %v %q", name, err, data)
		}
	}
}

// halfStore has a calendar, one object that cannot be read, and fails then.
type halfStore struct{ err error }

func (halfStore) Calendar(_ context.Context, _ calendar.Actor, id calendar.ID) (calendar.Calendar, error) {
	return calendar.Calendar{ID: id}, nil
}

func (s halfStore) Sync(_ context.Context, _ calendar.Actor, _ calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	return calendar.SyncResult{}, errors.Join(emit(calendar.SyncItem{Object: &calendar.Object{Name: "../x/.ics", Data: []byte("nonsense")}}), s.err)
}

// What is not there, or cannot be read, is no file; what can be written is.
func TestExportOfWhatIsBroken(t *testing.T) {
	dir := t.TempDir()
	e := &exporter.Export{Store: tooltest.Backend(t), Who: tooltest.Admin, Calendar: "nobody"}
	if _, err := e.Whole(t.Context(), filepath.Join(dir, "a.ics"), nil); !errors.Is(err, calendar.NoCalendar) {
		t.Error(err)
	}
	if _, err := e.Folder(t.Context(), filepath.Join(dir, "a")); !errors.Is(err, calendar.NoCalendar) {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
	var bad []string
	e = &exporter.Export{Store: halfStore{}, Calendar: "anna", Bad: func(err error) { bad = append(bad, err.Error()) }}
	var out bytes.Buffer
	if n, err := e.Whole(t.Context(), "-", &out); err != nil || n != 0 || len(bad) != 1 || !strings.HasPrefix(bad[0], "anna/../x/.ics: ") || !strings.HasPrefix(out.String(), "BEGIN:VCALENDAR\r\n") {
		t.Error(n, err, bad, out.String())
	}
	if n, err := e.Folder(t.Context(), dir); err != nil || n != 1 {
		t.Error(n, err, bad)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "-x-.ics" {
		t.Error(left, err)
	}
	e.Store = halfStore{errors.New("the disk is broken")}
	if _, err := e.Whole(t.Context(), filepath.Join(dir, "a.ics"), nil); err == nil || err.Error() != "the disk is broken" {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a.ics")); err == nil {
		t.Error("half an export is there")
	}
}

// What names a file of the server by a path names the server in a file of its own.
func TestExportNamesTheServer(t *testing.T) {
	be := tooltest.Backend(t)
	const path = "/dav/attachments/anna/0123456789abcdef"
	tooltest.Import(t, be, "anna", "a", tooltest.Calendar(strings.Replace(tooltest.Event("1", "x"), "END:VEVENT", "ATTACH:"+path+"\nATTACH:http://example.com"+path+"\nEND:VEVENT", 1)))
	for server, want := range map[string]string{"": "\nATTACH:" + path, "https://cal.example.com": "\nATTACH:https://cal.example.com" + path} {
		var out bytes.Buffer
		e := &exporter.Export{Store: be, Who: tooltest.Admin, Calendar: "anna", Server: server}
		if n, err := e.Whole(t.Context(), "-", &out); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if text := out.String(); !strings.Contains(text, want+"\r\n") || !strings.Contains(text, "ATTACH:http://example.com"+path+"\r\n") {
			t.Errorf("%q:\n%s", server, text)
		}
	}
}
