package ical

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"factotum/server/ical/icaltest"
)

// read reads files, by their names.
func read(t *testing.T, names []string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(n)] = data
	}
	return files
}

// outcome parses a file of calendars and sums up what came of it: the errors,
// or how many problems of each kind there are.
func outcome(t *testing.T, data []byte) string {
	t.Helper()
	seen := map[string]int{}
	for c, err := range ParseStream(bytes.NewReader(data), Limits{}) {
		if err != nil {
			return err.Error()
		}
		again, err := Parse(c.Bytes(), Limits{})
		if err != nil {
			return "printed, it does not parse: " + err.Error()
		}
		if d := Diff(c, again); d != "" {
			t.Errorf("parse and print changed it:\n%s", d)
		}
		for _, p := range Validate(c) {
			seen[p.Severity.String()+": "+p.Error()]++
		}
	}
	var lines []string
	for _, k := range slices.Sorted(maps.Keys(seen)) {
		lines = append(lines, fmt.Sprintf("%dx %s", seen[k], k))
	}
	return strings.Join(lines, "\n")
}

// errorsOnly leaves the warnings out of an outcome.
func errorsOnly(s string) string {
	lines := slices.DeleteFunc(strings.Split(s, "\n"), func(l string) bool { return strings.Contains(l, "x warning: ") })
	return strings.Join(lines, "\n")
}

// Our own calendars, in the manner of real programs: they parse, and nothing
// is amiss.
func TestCalendars(t *testing.T) {
	for name, data := range read(t, icaltest.Calendars(t, "programs")) {
		if got := outcome(t, data); got != "" {
			t.Errorf("%s:\n%s", name, got)
		}
		if mended := ToUTF8(data); !bytes.Equal(mended, data) && name != "folded-octets.ics" {
			t.Errorf("%s is changed by ToUTF8", name)
		}
	}
}

// What their values are, unfolded, unquoted and unescaped.
func TestCalendarValues(t *testing.T) {
	files := read(t, icaltest.Calendars(t, "programs"))
	for _, c := range []struct{ file, prop, param, want string }{
		// Folds cut characters in two, and a fold may begin with a tab.
		{"folded-octets.ics", "SUMMARY", "", "Grüße aus Łódź, 東京 und Αθήνα: ein langer Titel, der mitten in Zeichen umbrochen ist — " + strings.Repeat("🚲", 8)},
		{"folded-octets.ics", "DESCRIPTION", "", strings.Repeat("é", 64)},
		{"folded-octets.ics", "LOCATION", "", "x" + strings.Repeat("日本語", 11)},
		{"folded-octets.ics", "ATTENDEE", "CN", "Zoë Ångström-Ærøskøbing, Vorsitzende der Arbeitsgemeinschaft"},
		// A fold takes one blank with it; further ones are of the value.
		{"folded-oddly.ics", "SUMMARY", "", "Folded in names, parameters and values  with  blanks at the folds"},
		{"folded-oddly.ics", "DTSTART", "TZID", "Europe/London"},
		{"bare-lf.ics", "DTSTART", "TZID", "Europe/Berlin"},
		{"outlook-custom-zone.ics", "DTSTART", "TZID", "Customized Time Zone"},
		{"outlook-custom-zone.ics", "LOCATION", "", "Werkstatt; Halle 2"},
		{"outlook-custom-zone.ics", "DESCRIPTION", "", "Bitte die Listen mitbringen.\n\nRaum wie immer, im ersten Stock.\n"},
		{"exchange-meeting.ics", "ATTENDEE", "CN", "Field, Sam"},
		{"windows-names.ics", "DTSTART", "TZID", "W. Europe Standard Time"},
		{"apple-alarms.ics", "LOCATION", "", "Am Markt\nAm Markt 1\n8000 Musterstadt, Schweiz"},
		// RFC 6868 leaves backslashes in parameters alone.
		{"apple-alarms.ics", "X-APPLE-STRUCTURED-LOCATION", "X-ADDRESS", `Am Markt 1\\n8000 Musterstadt, Schweiz`},
		{"apple-alarms.ics", "X-APPLE-STRUCTURED-LOCATION", "", "geo:47.370000,8.540000"},
		{"google-export.ics", "LOCATION", "", ""},
		{"google-export.ics", "DESCRIPTION", "", "Fifteen minutes.<br><b>Stand.</b>"},
		{"notes-dates.ics", "RDATE", "TZID", "Eastern"},
		{"notes-dates.ics", "ORGANIZER", "CN", "Pat Moor/Example"},
		{"evolution-tasks.ics", "DUE", "TZID", "/freeassociation.sourceforge.net/Europe/Berlin"},
		{"thunderbird-snooze.ics", "X-MOZ-SNOOZE-TIME-1774594800000000", "", "20260327T065500Z"},
		{"sun-export.ics", "X-NSCP-GSE-COMPONENT-STATE", "X-NSCP-GSE-COMMENT", "PUBLISH-COMPLETED"},
		{"attachments.ics", "COMMENT", "", `Un ^ accent, une "citation"; une barre \ et la fin`},
		{"attachments.ics", "COMMENT", "ALTREP", "cid:part1.0001@example.com"},
		{"attachments.ics", "ATTACH", "X-FILENAME", "plan.txt"},
		{"attachments.ics", "URL", "", "https://example.com/fete?lieu=pont;heure=21&page=1"},
		{"attachments.ics", "X-ABC-GUID", "X-PARAM", "with: colon; semicolon, comma"},
		{"attachments.ics", "X-ABC-GUID", "", "^'value^n"},
	} {
		p := firstProp(t, files[c.file], c.prop)
		if p == nil {
			t.Errorf("%s has no %s", c.file, c.prop)
			continue
		}
		got := p.Text()
		if c.param != "" {
			got = p.Param(c.param)
		}
		if got != c.want {
			t.Errorf("%s %s %s:\n got %q\nwant %q", c.file, c.prop, c.param, got, c.want)
		}
	}
}

// firstProp is the first property of a name below the first calendar of a file.
func firstProp(t *testing.T, data []byte, name string) *Property {
	t.Helper()
	for cal, err := range ParseStream(bytes.NewReader(data), Limits{}) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range cal.Children {
			if p := c.Prop(name); p != nil {
				return p
			}
		}
		return nil
	}
	return nil
}

// What ours have wrong is refused, or named by Validate.
func TestMalformed(t *testing.T) {
	want := map[string]string{
		"bad-date.ics":     "1x error: VEVENT DTSTART: no such day in the calendar",
		"bad-rule.ics":     "1x error: VEVENT RRULE: the rule has no known FREQ",
		"cut.ics":          "line 8: END:VEVENT is missing",
		"latin1.ics":       "line 8: not UTF-8",
		"nested.ics":       "line 2: VCALENDAR within VCALENDAR",
		"no-start.ics":     "1x error: VEVENT DTSTART: it is missing",
		"no-uid.ics":       "1x error: VEVENT UID: it is missing",
		"not-calendar.ics": "line 1: expected BEGIN:VCALENDAR",
		"some-good.ics": lines("1x error: VEVENT DTSTART: not a date (YYYYMMDD) or date-time (YYYYMMDDTHHMMSS, UTC with Z)",
			"1x warning: VALARM TRIGGER: it counts from a start that is not there", "1x warning: VALARM: it may not stand in VCALENDAR"),
		"unfolded.ics":  "line 9: the property name is followed by neither a colon nor a semicolon",
		"wrong-end.ics": "line 9: END:VEVNET where END:VEVENT is due",
	}
	files := read(t, icaltest.Calendars(t, "malformed"))
	checkMalformed(t, files, want)
	if got := outcome(t, ToUTF8(files["latin1.ics"])); got != "" {
		t.Errorf("latin1.ics, mended: %s", got)
	}
	if p := firstProp(t, ToUTF8(files["latin1.ics"]), "SUMMARY"); p == nil || p.Text() != "Café für Zoë" {
		t.Errorf("latin1.ics, mended: %v", p)
	}
}

// What real programs exported parses and, but for the listed, can be used.
func TestSharedExportsAndRecurring(t *testing.T) {
	want := map[string]string{
		// An octet of many characters was replaced by a question mark.
		"1106817412.ics": "line 21: not UTF-8",
		// Line 11 misspells the END of the to-do.
		"issue_201_test_matrix.ics": "line 11: END:VTOOD where END:VTODO is due",
		// Folded without the blank that RFC 5545 §3.1 asks for.
		"issue_61_time_zone_error.ics": "line 211: the property name is followed by neither a colon nor a semicolon",
		// Made by hand, without what identifies or places the event.
		"friday13-NOT.ics":                   "1x error: VEVENT UID: it is missing",
		"mansour.ics":                        "1x error: VEVENT DTSTART: it is missing\n1x error: VEVENT UID: it is missing",
		"duration.ics":                       "3x error: VEVENT UID: it is missing",
		"issue_117_until_before_dtstart.ics": "1x error: VEVENT UID: it is missing",
		"issue_15_duplicated_events.ics":     "3x error: VEVENT UID: it is missing",
		"rdate2.ics":                         "1x error: VEVENT UID: it is missing",
		"rdate_hackerpublicradio.ics":        "1x error: VEVENT UID: it is missing",
	}
	for _, folder := range []string{"exports", "recurring"} {
		t.Run(folder, func(t *testing.T) {
			for name, data := range read(t, icaltest.SharedCalendars(t, folder)) {
				if got := errorsOnly(outcome(t, data)); got != want[name] {
					t.Errorf("%s:\n%s\nwant:\n%s", name, got, want[name])
				}
			}
		})
	}
}

// The importing tools' way in: ToUTF8 mends encodings and nothing else.
func TestSharedExportsMended(t *testing.T) {
	data := read(t, icaltest.SharedCalendars(t, "exports"))["1106817412.ics"]
	if got := errorsOnly(outcome(t, ToUTF8(data))); got != "" {
		t.Error(got)
	}
}

// Several calendars in one file are for ParseStream.
func TestSharedManyCalendars(t *testing.T) {
	files := read(t, icaltest.SharedCalendars(t, "exports"))
	for name, want := range map[string]int{"SwedishHolidays2003-2006.ics": 52, "classify.ics": 2, "multiple_calendars.ics": 2} {
		if _, err := Parse(files[name], Limits{}); err == nil || !strings.Contains(err.Error(), "text after END:VCALENDAR") {
			t.Errorf("%s: %v", name, err)
		}
		n := 0
		for _, err := range ParseStream(bytes.NewReader(files[name]), Limits{}) {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			n++
		}
		if n != want {
			t.Errorf("%s: %d calendars", name, n)
		}
	}
}

// Some of what other parsers refuse is plain iCalendar that is oddly folded or
// spelled; the rest is refused, or named by Validate.
func TestSharedMalformed(t *testing.T) {
	const badDate = "not a date (YYYYMMDD) or date-time (YYYYMMDDTHHMMSS, UTC with Z)"
	want := map[string]string{
		"0.ics": lines(
			"1x error: VEVENT DTSTART: it is missing", "1x error: VEVENT UID: it is missing",
			"1x warning: VCALENDAR PRODID: it is missing", "1x warning: VCALENDAR VERSION: it is missing", "1x warning: VEVENT DTSTAMP: it is missing"),
		"CalendarDataFile.ics": lines("96x warning: VALARM ACTION: it is missing", "4x warning: X DTSTAMP: it has to be a date-time in UTC"),
		"bhav23-2.ics":         "line 38: the property name is followed by neither a colon nor a semicolon",
		"core.ics": lines("1x warning: VCALENDAR VERSION: not a value that RFC 5545 knows",
			"81x warning: VEVENT DTSTAMP: it is missing"),
		"eli_test.ics":             "1x warning: VCALENDAR PRODID: it is missing",
		"korganizer-lowercase.ics": "",
		"lastfm.ics":               "1x warning: VEVENT GEO: not a latitude and longitude in degrees, with a semicolon between them",
		"phpicalendar_sample.ics": lines("1x error: VEVENT DTEND: "+badDate, "1x warning: VEVENT DTSTAMP: it is missing",
			"1x warning: VEVENT RRULE: UNTIL should be a date, local or in UTC as DTSTART is", "2x warning: VTODO COMPLETED: it has to be a date-time in UTC"),
		"smallcluster.ics": "line 2: VCALENDAR within VCALENDAR",
		"talios.ics":       "",
		"twinkle.ics": lines("1x error: VTODO DTSTART: "+badDate, "1x error: VTODO DUE: "+badDate, "5x warning: VALARM ACTION: it is missing",
			"1x warning: VTODO RRULE: UNTIL should be a date, local or in UTC as DTSTART is"),
	}
	checkMalformed(t, read(t, icaltest.SharedCalendars(t, "malformed")), want)
}

func checkMalformed(t *testing.T, files map[string][]byte, want map[string]string) {
	t.Helper()
	for name, data := range files {
		w, ok := want[name]
		if !ok {
			t.Errorf("%s is new: what should become of it?", name)
		}
		if got := outcome(t, data); got != w {
			t.Errorf("%s:\n%s\nwant:\n%s", name, got, w)
		}
		// Cut off anywhere, it must not panic.
		for n := 0; n < len(data); n += 1 + len(data)/200 {
			if c, err := Parse(data[:n], Limits{}); err == nil {
				Validate(c)
			}
		}
	}
}

func lines(s ...string) string { return strings.Join(s, "\n") }
