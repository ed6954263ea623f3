package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
)

func testTool(name string) (t *tool, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	return newTool(name, "usage\n", stdio{strings.NewReader(""), out, errs}), out, errs
}

const berlin = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"

func zoned(uid, tzid string) string {
	return "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART;TZID=" + tzid + ":20260105T090000\r\nEND:VEVENT\r\n"
}

// What is exported and imported elsewhere is the same calendar.
func TestExportRoundTrip(t *testing.T) {
	be := testBackend(t)
	own := strings.NewReplacer("Europe/Berlin", "Mine")
	importText(t, be, "anna", false,
		"a", cal(berlin, zoned("1", "Europe/Berlin")), "b", cal(strings.Replace(berlin, "1970", "1980", 1), zoned("2", "Europe/Berlin")),
		"c", cal(own.Replace(berlin), zoned("3", "Mine")),
		"d", cal(strings.Replace(own.Replace(berlin), "+0100", "+0130", 1), zoned("4", "Mine")),
		"e", cal(vevent("5", "five; and, more")))
	name := "Anna's"
	if _, err := be.UpdateCalendar(t.Context(), be.who, calendar.UpdateCalendarRequest{ID: "anna", DisplayName: &name}); err != nil {
		t.Fatal(err)
	}
	tl, out, errs := testTool("csexport")
	file := filepath.Join(t.TempDir(), "anna.ics")
	if err := tl.export(t.Context(), be, "anna", file); err != nil {
		t.Fatal(err, errs)
	}
	if want := "anna: 5 objects in " + file + "\n"; out.String() != want {
		t.Errorf("said %q", out)
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
	r := importText(t, be, "bert", false, "anna.ics", string(data))
	if r.Created != 5 || r.Refused != 0 {
		t.Fatal(outcomes(r))
	}
	was, is := stored(t, be, "anna"), stored(t, be, "bert")
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
	be := testBackend(t)
	importText(t, be, "anna", false, "a", cal(vevent("1", "A"))+"\n", "b", cal(vevent("2", "B"), vevent("3", "C")))
	tl, _, errs := testTool("csexport")
	dir := filepath.Join(t.TempDir(), "out") + "/"
	if err := tl.export(t.Context(), be, "anna", dir); err != nil {
		t.Fatal(err, errs)
	}
	for name, text := range stored(t, be, "anna") {
		if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != text {
			t.Errorf("%s: %v %q", name, err, data)
		}
	}
}

func TestExportRefuses(t *testing.T) {
	be := testBackend(t)
	tl, _, errs := testTool("csexport")
	if err := tl.export(t.Context(), be, "nobody", "-"); err != exitError(exitNothing) || !strings.Contains(errs.String(), "no such calendar") {
		t.Errorf("%v %s", err, errs)
	}
	for args, says := range map[string]string{
		"-c anna calendar":       "one file or directory",
		"calendar x.ics":         "-c says which",
		"-c anna calendar x.xml": "XML are not supported",
	} {
		var errs bytes.Buffer
		if code := runCsexport(t.Context(), strings.Fields(args), stdio{strings.NewReader(""), &errs, &errs}); code < exitUsage || !strings.Contains(errs.String(), says) {
			t.Errorf("csexport %s: %d %s", args, code, &errs)
		}
	}
}
