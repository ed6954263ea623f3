package importer_test

import (
	"bytes"
	"strings"
	"testing"

	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/tooltest"
)

func TestImportReportsEachItem(t *testing.T) {
	be := tooltest.Backend(t)
	r := tooltest.Import(t, be, "anna",
		"two.ics", tooltest.Calendar(tooltest.Event("a", "A"), "BEGIN:VEVENT\r\nUID:b\r\nSUMMARY:no start\r\nEND:VEVENT\r\n", tooltest.Event("", "C")),
		"bad.ics", tooltest.Calendar("garbage\r\n"),
		"reply.ics", tooltest.Calendar("METHOD:REPLY\r\n", tooltest.Event("r", "R")),
		"busy.ics", tooltest.Calendar("BEGIN:VFREEBUSY\r\nUID:f\r\nEND:VFREEBUSY\r\n"),
		"again.ics", tooltest.Calendar(tooltest.Event("a", "another A"))+tooltest.Calendar(tooltest.Event("z", "Z")),
		"empty.ics", "",
		"none.ics", tooltest.Calendar(),
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
	got := tooltest.Outcomes(r)
	for _, it := range r.Items {
		if strings.HasSuffix(it.UID, "@factotum.invalid") {
			got = strings.ReplaceAll(got, it.UID, "MADE")
		}
	}
	if got != want {
		t.Errorf("report:\n%s\nwant:\n%s", got, want)
	}
	if r.Created != 3 || r.Refused != 6 || r.Files != 7 || len(tooltest.Stored(t, be, "anna")) != 3 {
		t.Errorf("%+v", r)
	}
}

// A file with one object is kept as it came: line ends, folds and all.
func TestImportKeepsOctets(t *testing.T) {
	be := tooltest.Backend(t)
	text := "\ufeffBEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nX-WR-CALNAME:kept\nBEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nDTSTART:20260105T090000Z\nSUMMARY:ab\n \n c\nEND:VEVENT\nEND:VCALENDAR\n\n"
	tooltest.Import(t, be, "anna", "one.ics", text)
	if got := tooltest.Stored(t, be, "anna")["1.ics"]; got != text {
		t.Errorf("stored %q", got)
	}
}

func TestImportAgainDoublesNothing(t *testing.T) {
	be := tooltest.Backend(t)
	file := tooltest.Calendar(tooltest.Event("a", "A"), tooltest.Event("", "no UID"), tooltest.Event("", "no UID"), tooltest.Event("", "other"))
	first := tooltest.Import(t, be, "anna", "f.ics", file)
	if first.Created != 4 {
		t.Fatalf("%+v", first)
	}
	before := tooltest.Stored(t, be, "anna")
	again := tooltest.Import(t, be, "anna", "g.ics", file)
	if again.Unchanged != 4 || again.Stored() != 4 {
		t.Errorf("again: %+v", again)
	}
	// Another order, a new export's stamps, another event: only that is new.
	moved := tooltest.Calendar(tooltest.Event("", "other"), strings.Replace(tooltest.Event("", "no UID"), "20260101T000000Z", "20260202T000000Z", 1), tooltest.Event("d", "D"))
	r := tooltest.Import(t, be, "anna", "h.ics", moved)
	if r.Created != 1 || r.Refused != 0 {
		t.Errorf("moved: %+v", r)
	}
	if after := tooltest.Stored(t, be, "anna"); len(after) != len(before)+1 {
		t.Errorf("%d objects, before %d", len(after), len(before))
	}
	// Keep what is there, or replace it.
	if r := tooltest.Run(t, &importer.Importer{Store: be, Who: tooltest.Admin, Calendar: "anna", Keep: true}, "k.ics", tooltest.Calendar(tooltest.Event("a", "A2"))); r.Refused != 1 || r.Items[0].Kind != "exists" {
		t.Errorf("keep: %+v", r)
	}
	if r := tooltest.Import(t, be, "anna", "k.ics", tooltest.Calendar(tooltest.Event("a", "A2"))); r.Replaced != 1 {
		t.Errorf("replace: %+v", r)
	}
}

func TestImportLatin1AndMethod(t *testing.T) {
	be := tooltest.Backend(t)
	r := tooltest.Import(t, be, "anna", "old.ics", tooltest.Calendar("METHOD:PUBLISH\r\n", tooltest.Event("a", "Caf\xe9")))
	if r.Created != 1 {
		t.Fatal(tooltest.Outcomes(r))
	}
	got := tooltest.Stored(t, be, "anna")["a.ics"]
	if !strings.Contains(got, "SUMMARY:Café") || strings.Contains(got, "METHOD") {
		t.Errorf("stored %q", got)
	}
}

// Of several revisions the newest is stored, wherever in the file it stands.
func TestImportTakesTheNewestRevision(t *testing.T) {
	be := tooltest.Backend(t)
	old, newer := tooltest.Event("a", "old"), tooltest.Event("a", "new", "SEQUENCE:2\r\n")
	override := tooltest.Event("a", "moved", "RECURRENCE-ID:20260112T090000Z\r\n")
	r := tooltest.Import(t, be, "anna", "f.ics", tooltest.Calendar(old, newer, override, newer)+tooltest.Calendar(tooltest.Event("a", "older", "SEQUENCE:1\r\n")), "g.ics", tooltest.Calendar(tooltest.Event("b", "1"), tooltest.Event("b", "2")))
	want := `f.ics:4: item 1 (UID a) refused: a newer revision of it is in line 24
f.ics:10: item 2 (UID a) unchanged
f.ics:35: item 5 (UID a) refused: a newer revision of it is in line 24
g.ics:4: item 1 (UID b) refused: another version of it is in line 10
f.ics:17: item 3 (UID a) created
g.ics:10: item 2 (UID b) created
`
	if got := tooltest.Outcomes(r); got != want {
		t.Errorf("report:\n%s\nwant:\n%s", got, want)
	}
	if text := tooltest.Stored(t, be, "anna")["a.ics"]; !strings.Contains(text, "SUMMARY:new") || !strings.Contains(text, "SUMMARY:moved") || strings.Contains(text, "old") {
		t.Errorf("stored %s", text)
	}
	again := tooltest.Import(t, be, "anna", "f.ics", tooltest.Calendar(old, newer, override, newer)+tooltest.Calendar(tooltest.Event("a", "older", "SEQUENCE:1\r\n")))
	if again.Created+again.Replaced != 0 {
		t.Errorf("again: %+v", again)
	}
}

func TestImportInBatches(t *testing.T) {
	be := tooltest.Backend(t)
	var b bytes.Buffer
	for i := range 2*100 + 7 {
		b.WriteString(tooltest.Event("u"+strings.Repeat("x", i%3)+string(rune('a'+i%26))+strings.Repeat("y", i/26), "S"))
	}
	r := tooltest.Import(t, be, "anna", "many.ics", tooltest.Calendar(b.String()))
	if n := len(tooltest.Stored(t, be, "anna")); r.Refused != 0 || r.Created != n || n != 207 {
		t.Errorf("%d created, %d refused, %d stored", r.Created, r.Refused, n)
	}
}
