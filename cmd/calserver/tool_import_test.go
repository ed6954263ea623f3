package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

// testBackend is a store of its own in this process.
func testBackend(t *testing.T) *backend {
	t.Helper()
	st, err := sqlstore.OpenSQLite(t.Context(), t.TempDir(), sqlstore.Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	svc := service.New(st, nil, service.Options{})
	return &backend{Backend: svc, who: calendar.Actor{User: "calmaster", Admin: true}, close: func() {}}
}

// importText runs an import of files given by name and text.
func importText(t *testing.T, be *backend, id calendar.ID, keep bool, files ...string) importReport {
	t.Helper()
	if _, err := be.calendar(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	im := importer{be: be.Backend, who: be.who, id: id, keep: keep}
	for i := 0; i < len(files); i += 2 {
		if err := im.file(t.Context(), files[i], []byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := im.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return im.report
}

// outcomes prints a report as a test compares it.
func outcomes(r importReport) string {
	var b strings.Builder
	for i := range r.Items {
		b.WriteString(r.Items[i].String())
		b.WriteByte('\n')
	}
	return b.String()
}

func cal(parts ...string) string {
	return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//EN\r\n" + strings.Join(parts, "") + "END:VCALENDAR\r\n"
}

func vevent(uid, summary string, more ...string) string {
	if uid != "" {
		uid = "UID:" + uid + "\r\n"
	}
	return "BEGIN:VEVENT\r\n" + uid + "DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nSUMMARY:" + summary + "\r\n" +
		strings.Join(more, "") + "END:VEVENT\r\n"
}

// stored reads back all objects of a calendar by their resource name.
func stored(t *testing.T, be *backend, id calendar.ID) map[string]string {
	t.Helper()
	out := map[string]string{}
	_, err := be.Sync(context.Background(), be.who, calendar.SyncRequest{Calendar: id, Data: true}, func(it calendar.SyncItem) error {
		if it.Object != nil {
			out[it.Object.Name] = string(it.Object.Data)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestImportReportsEachItem(t *testing.T) {
	be := testBackend(t)
	r := importText(t, be, "anna", false,
		"two.ics", cal(vevent("a", "A"), "BEGIN:VEVENT\r\nUID:b\r\nSUMMARY:no start\r\nEND:VEVENT\r\n", vevent("", "C")),
		"bad.ics", cal("garbage\r\n"),
		"reply.ics", cal("METHOD:REPLY\r\n", vevent("r", "R")),
		"busy.ics", cal("BEGIN:VFREEBUSY\r\nUID:f\r\nEND:VFREEBUSY\r\n"),
		"again.ics", cal(vevent("a", "another A"))+cal(vevent("z", "Z")),
		"empty.ics", "",
		"none.ics", cal(),
	)
	want := `bad.ics:4: refused: not iCalendar: the property has no colon and no value
reply.ics:1: refused: METHOD:REPLY is a scheduling message, not a calendar
busy.ics:4: item 1 (UID f) refused: a VFREEBUSY is not stored in calendars
again.ics:4: item 1 (UID a) refused: its UID was met before, at two.ics:4
empty.ics:1: refused: the file is empty
two.ics:4: item 1 (UID a) created
two.ics:10: item 2 (UID b) refused: VEVENT DTSTART: it is missing
two.ics:14: item 3 (UID MADE) created
again.ics:14: item 2 (UID z) created
`
	got := outcomes(r)
	for _, it := range r.Items {
		if strings.HasSuffix(it.UID, "@factotum.invalid") {
			got = strings.ReplaceAll(got, it.UID, "MADE")
		}
	}
	if got != want {
		t.Errorf("report:\n%s\nwant:\n%s", got, want)
	}
	if r.Created != 3 || r.Refused != 6 || r.Files != 7 || len(stored(t, be, "anna")) != 3 {
		t.Errorf("%+v", r)
	}
}

// A file with one object is kept as it came: line ends, folds and all.
func TestImportKeepsOctets(t *testing.T) {
	be := testBackend(t)
	text := "\ufeffBEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nX-WR-CALNAME:kept\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nDTSTART:20260105T090000Z\nSUMMARY:ab\n \n c\nEND:VEVENT\nEND:VCALENDAR\n\n"
	importText(t, be, "anna", false, "one.ics", text)
	if got := stored(t, be, "anna")["1.ics"]; got != text {
		t.Errorf("stored %q", got)
	}
}

func TestImportAgainDoublesNothing(t *testing.T) {
	be := testBackend(t)
	file := cal(vevent("a", "A"), vevent("", "no UID"), vevent("", "no UID"), vevent("", "other"))
	first := importText(t, be, "anna", false, "f.ics", file)
	if first.Created != 4 {
		t.Fatalf("%+v", first)
	}
	before := stored(t, be, "anna")
	again := importText(t, be, "anna", false, "g.ics", file)
	if again.Unchanged != 4 || again.stored() != 4 {
		t.Errorf("again: %+v", again)
	}
	// Another order, a new export's stamps, another event: only that is new.
	moved := cal(vevent("", "other"), strings.Replace(vevent("", "no UID"), "20260101T000000Z", "20260202T000000Z", 1), vevent("d", "D"))
	r := importText(t, be, "anna", false, "h.ics", moved)
	if r.Created != 1 || r.Refused != 0 {
		t.Errorf("moved: %+v", r)
	}
	if after := stored(t, be, "anna"); len(after) != len(before)+1 {
		t.Errorf("%d objects, before %d", len(after), len(before))
	}
	// Keep what is there, or replace it.
	if r := importText(t, be, "anna", true, "k.ics", cal(vevent("a", "A2"))); r.Refused != 1 || r.Items[0].Kind != "exists" {
		t.Errorf("keep: %+v", r)
	}
	if r := importText(t, be, "anna", false, "k.ics", cal(vevent("a", "A2"))); r.Replaced != 1 {
		t.Errorf("replace: %+v", r)
	}
}

func TestImportLatin1AndMethod(t *testing.T) {
	be := testBackend(t)
	r := importText(t, be, "anna", false, "old.ics", cal("METHOD:PUBLISH\r\n", vevent("a", "Caf\xe9")))
	if r.Created != 1 {
		t.Fatal(outcomes(r))
	}
	got := stored(t, be, "anna")["a.ics"]
	if !strings.Contains(got, "SUMMARY:Café") || strings.Contains(got, "METHOD") {
		t.Errorf("stored %q", got)
	}
}

// Of several revisions the newest is stored, wherever in the file it stands.
func TestImportTakesTheNewestRevision(t *testing.T) {
	be := testBackend(t)
	old, newer := vevent("a", "old"), vevent("a", "new", "SEQUENCE:2\r\n")
	override := vevent("a", "moved", "RECURRENCE-ID:20260112T090000Z\r\n")
	r := importText(t, be, "anna", false, "f.ics", cal(old, newer, override, newer)+cal(vevent("a", "older", "SEQUENCE:1\r\n")), "g.ics", cal(vevent("b", "1"), vevent("b", "2")))
	want := `f.ics:4: item 1 (UID a) refused: a newer revision of it is in line 24
f.ics:10: item 2 (UID a) unchanged
f.ics:35: item 5 (UID a) refused: a newer revision of it is in line 24
g.ics:4: item 1 (UID b) refused: another version of it is in line 10
f.ics:17: item 3 (UID a) created
g.ics:10: item 2 (UID b) created
`
	if got := outcomes(r); got != want {
		t.Errorf("report:\n%s\nwant:\n%s", got, want)
	}
	if text := stored(t, be, "anna")["a.ics"]; !strings.Contains(text, "SUMMARY:new") || !strings.Contains(text, "SUMMARY:moved") || strings.Contains(text, "old") {
		t.Errorf("stored %s", text)
	}
	again := importText(t, be, "anna", false, "f.ics", cal(old, newer, override, newer)+cal(vevent("a", "older", "SEQUENCE:1\r\n")))
	if again.Created+again.Replaced != 0 {
		t.Errorf("again: %+v", again)
	}
}

func TestImportInBatches(t *testing.T) {
	be := testBackend(t)
	var b bytes.Buffer
	for i := range 2*importBatch + 7 {
		b.WriteString(vevent("u"+strings.Repeat("x", i%3)+string(rune('a'+i%26))+strings.Repeat("y", i/26), "S"))
	}
	r := importText(t, be, "anna", false, "many.ics", cal(b.String()))
	if n := len(stored(t, be, "anna")); r.Refused != 0 || r.Created != n || n != 2*importBatch+7 {
		t.Errorf("%d created, %d refused, %d stored", r.Created, r.Refused, n)
	}
}

func TestCsimportCalls(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.ics")
	if err := os.WriteFile(file, []byte(cal(vevent("a", "A"))), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"", exitUsage, "csimport -c jsmithcal calendar"},
		{"version", exitDone, ""},
		{"-?", exitDone, ""},
		{"-c jdoe", exitUsage, "csimport -c"},
		{"calendar " + file, exitUsage, "-c says into which calendar"},
		{"-c jdoe calendar", exitUsage, "which file"},
		{"-c jdoe restore " + file, exitUsage, `"restore" is not a command`},
		{"-z", exitUsage, "-z"},
		{"-q -v -c jdoe calendar " + file, exitUsage, "exclude each other"},
		{"-c jdoe calendar " + file + "x", exitNothing, "no such file"},
		{"-c jdoe calendar " + dir + "/a.xml", exitNothing, "no such file"},
		{"-C " + dir + "/none.conf -c jdoe calendar " + file, exitNothing, "none.conf"},
		{"calendar " + file + " -c jdoe -C " + dir + "/none.conf", exitNothing, "none.conf"},
	} {
		var out, errs bytes.Buffer
		code := runCsimport(t.Context(), strings.Fields(tc.args), stdio{strings.NewReader(""), &out, &errs})
		if code != tc.code || !strings.Contains(errs.String(), tc.says) {
			t.Errorf("csimport %s: exit %d, want %d\n%s", tc.args, code, tc.code, errs.String())
		}
	}
}
