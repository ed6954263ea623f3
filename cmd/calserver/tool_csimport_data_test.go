package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/importer"
	"factotum/server/ical"
	"factotum/server/ical/icaltest"
)

// What of our own calendars is refused: place, item and reason.
var ownRefusals = map[string][]string{
	// programs
	"free-busy.ics":  {"5: item 1 (UID busy@example.com) refused: a VFREEBUSY is not stored in calendars"},
	"sun-export.ics": {"51: item 3 (UID revised@example.com) refused: a newer revision of it is in line 65"},

	// malformed
	"bad-date.ics": {"4: item 1 (UID date@example.com) refused: VEVENT DTSTART: no such day in the calendar"},
	"bad-rule.ics": {"4: item 1 (UID rule@example.com) refused: VEVENT RRULE: the rule has no known FREQ"},
	// What is not complete is not stored.
	"cut.ics":          {"8: refused: not iCalendar: END:VEVENT is missing"},
	"nested.ics":       {"2: refused: not iCalendar: VCALENDAR within VCALENDAR", "12: refused: not iCalendar: expected BEGIN:VCALENDAR"},
	"no-start.ics":     {"4: item 1 (UID start@example.com) refused: VEVENT DTSTART: it is missing"},
	"not-calendar.ics": {"1: refused: not iCalendar: expected BEGIN:VCALENDAR"},
	// The event before them is stored.
	"some-good.ics": {"16: item 3 refused: a VALARM is not stored in calendars",
		"10: item 2 (UID bad@example.com) refused: VEVENT DTSTART: not a date (YYYYMMDD) or date-time (YYYYMMDDTHHMMSS, UTC with Z)"},
	"unfolded.ics":  {"9: refused: not iCalendar: the property name is followed by neither a colon nor a semicolon"},
	"wrong-end.ics": {"9: refused: not iCalendar: END:VEVNET where END:VEVENT is due"},
}

// What of the shared calendars is refused: place, item and reason. All else
// is stored.
var refusals = map[string][]string{
	// exports
	"classify.ics": {"27: item 2 (UID calsrv.example.com-873970198738777@example.com) refused: a newer revision of it is in line 5"},
	"mansour.ics":  {"4: item 1 (UID 9fc4ddc7e2917f7c-1@factotum.invalid) refused: VEVENT DTSTART: it is missing"},
	"rfc5545-sec3.6.4.ics": {
		"4: item 1 (UID 19970901T082949Z-FA43EF@example.com) refused: a VFREEBUSY is not stored in calendars",
		"12: item 2 (UID 19970901T095957Z-76A912@example.com) refused: a VFREEBUSY is not stored in calendars",
		"23: item 3 (UID 19970901T115957Z-76A912@example.com) refused: a VFREEBUSY is not stored in calendars",
	},
	// Alarms that stand alone.
	"rfc5545-sec3.6.6.ics": {"4: item 1 refused: a VALARM is not stored in calendars", "12: item 2 refused: a VALARM is not stored in calendars"},

	// recurring
	"alarm_absolute_edited.ics": {"603: item 1 (UID cd047c29-d904-47eb-bdba-ab7abafee025) refused: a newer revision of it is in line 619"},
	// UNTIL is misspelt.
	"bad_rrule_missing_until_event.ics": {`2: item 1 (UID blabla) refused: RRULE: unknown rule part "UNTL"`},
	// An event and a to-do of one UID: a calendar has one object of it. RFC 4791 §4.1.
	"issue_132_swapped_start_and_end.ics":    {"17: item 2 (UID 84A72-65798A00-5-20465200) refused: its UID was met before, at issue_132_swapped_start_and_end.ics:2"},
	"issue_148_edge_case_2.ics":              {"2: item 1 (UID 111) refused: a newer revision of it is in line 29"},
	"issue_148_exdate_and_rdate_updated.ics": {"2: item 1 (UID 111) refused: a newer revision of it is in line 17"},
	"issue_201_test_matrix.ics":              {"11: refused: not iCalendar: END:VTOOD where END:VTODO is due"},
	// Folded without the blank that RFC 5545 §3.1 asks for.
	"issue_61_time_zone_error.ics": {"211: refused: not iCalendar: the property name is followed by neither a colon nor a semicolon"},

	// malformed
	"0.ics":                   {"2: item 1 (UID ba79ed27d610c399-1@factotum.invalid) refused: VEVENT DTSTART: it is missing"},
	"bhav23-2.ics":            {"38: refused: not iCalendar: the property name is followed by neither a colon nor a semicolon"},
	"phpicalendar_sample.ics": {"182: item 18 (UID 20030822T181536Z-23921-100-1-13@walker) refused: VEVENT DTEND: not a date (YYYYMMDD) or date-time (YYYYMMDDTHHMMSS, UTC with Z)"},
	"smallcluster.ics":        {"2: refused: not iCalendar: VCALENDAR within VCALENDAR", "13: refused: not iCalendar: expected BEGIN:VCALENDAR"},
	"twinkle.ics":             {"98: item 8 (UID 4345f85c-4fe3-11d9-b7a3-f9da4aab8015) refused: VTODO DTSTART: not a date (YYYYMMDD) or date-time (YYYYMMDDTHHMMSS, UTC with Z)"},
}

// How many objects the malformed ones give: nothing is stored by half.
var malformedStored = map[string]int{
	"0.ics": 0, "CalendarDataFile.ics": 152, "bhav23-2.ics": 0, "core.ics": 81, "eli_test.ics": 1, "korganizer-lowercase.ics": 1,
	"lastfm.ics": 33, "phpicalendar_sample.ics": 17, "smallcluster.ics": 0, "talios.ics": 1, "twinkle.ics": 9,
}

// Every file of real calendars goes in by csimport; each item is stored, or
// refused for the right reason; what is stored is listed over CalDAV and
// comes back octet for octet; and going in again changes nothing.
func TestImportSharedCalendars(t *testing.T) {
	t.Parallel()
	checkImport(t, append(append(icaltest.SharedCalendars(t, "exports"), icaltest.SharedCalendars(t, "recurring")...), icaltest.SharedCalendars(t, "malformed")...),
		refusals, malformedStored)
}

// So does every file of ours.
func TestImportCalendars(t *testing.T) {
	t.Parallel()
	checkImport(t, append(icaltest.Calendars(t, "programs"), icaltest.Calendars(t, "malformed")...), ownRefusals, map[string]int{
		"bad-date.ics": 0, "bad-rule.ics": 0, "cut.ics": 0, "latin1.ics": 1, "nested.ics": 0, "no-start.ics": 0, "no-uid.ics": 1,
		"not-calendar.ics": 0, "some-good.ics": 1, "unfolded.ics": 0, "wrong-end.ics": 0,
	})
}

func checkImport(t *testing.T, files []string, refusals map[string][]string, malformedStored map[string]int) {
	eachSite(t, func(t *testing.T, s testSite) {
		client, err := davclient.New(davclient.Account{Address: s.url, User: "anna", Password: "anna-pw"})
		if err != nil {
			t.Fatal(err)
		}
		_, home, err := client.Home(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		total := 0
		for _, file := range files {
			base := filepath.Base(file)
			name := strings.TrimSuffix(base, ".ics")
			r := importShared(t, s, file, "anna:"+name)
			if got, want := refused(r), strings.Join(refusals[base], "\n"); got != want {
				t.Errorf("%s refuses:\n%s\nwant:\n%s", base, got, want)
			}
			if want, ok := malformedStored[base]; filepath.Base(filepath.Dir(file)) == "malformed" && (!ok || r.Created != want) {
				t.Errorf("%s: %d stored, want %d", base, r.Created, want)
			}
			total += r.Created
			checkShared(t, client, home+url.PathEscape(name)+"/", file, r)
		}
		// The home lists them all.
		list, err := client.Calendars(t.Context(), home)
		if err != nil || len(list) != len(files)+1 {
			t.Errorf("%d calendars are listed, %d were imported beside the default one: %v", len(list), len(files), err)
		}
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".ics")
			if r := importShared(t, s, file, "anna:"+name); r.Created+r.Replaced != 0 {
				t.Errorf("%s again: %d new, %d replaced", name, r.Created, r.Replaced)
			}
		}
		if code, out, errs := s.tool(t, "csdb", "check"); code != 0 || !strings.Contains(out, fmt.Sprintf("%d objects; 0 found wrong", total)) {
			t.Errorf("csdb check: exit %d with %d objects stored\n%s%s", code, total, out, errs)
		}
	})
}

// importShared runs csimport on one file and reads its report.
func importShared(t *testing.T, s testSite, file, calid string) importer.Report {
	t.Helper()
	code, out, errs := s.tool(t, "csimport", "-j", "-n", "-c", calid, "calendar", file)
	var r importer.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("csimport %s: exit %d, %v\n%s%s", file, code, err, out, errs)
	}
	want := exitDone
	switch {
	case r.Refused > 0 && r.Stored() == 0:
		want = exitNothing
	case r.Refused > 0:
		want = exitFailed
	}
	if code != want || len(r.Items) != r.Stored()+r.Refused {
		t.Errorf("csimport %s: exit %d, want %d; %d items, %d stored, %d refused\n%s", file, code, want, len(r.Items), r.Stored(), r.Refused, errs)
	}
	return r
}

// refused prints the refusals of a report without the name of the file.
func refused(r importer.Report) string {
	var out []string
	for _, it := range r.Items {
		if it.Outcome == importer.Refused {
			out = append(out, strings.ReplaceAll(strings.TrimPrefix(it.String(), it.File+":"), it.File, filepath.Base(it.File)))
		}
	}
	return strings.Join(out, "\n")
}

// twice tells whether a file has a component more than once: the newer one is
// stored then.
func twice(source []*ical.Component) bool {
	seen := map[string]bool{}
	for _, c := range source {
		key := c.Value("RECURRENCE-ID")
		if seen[key] {
			return true
		}
		seen[key] = true
	}
	return false
}

// checkShared reads a calendar back over CalDAV and compares it with the
// report, and with the file itself.
func checkShared(t *testing.T, client *davclient.Client, collection, file string, r importer.Report) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	utf8 := ical.ToUTF8(text)
	var source []*ical.Component // of the file, without zones
	pieces, method := 0, false
	for c, err := range ical.ParseStream(bytes.NewReader(utf8), importer.Limits) {
		pieces++
		if err != nil {
			continue
		}
		method = method || c.Prop("METHOD") != nil
		for _, k := range c.Children {
			if k.Name != "VTIMEZONE" {
				source = append(source, k)
			}
		}
	}
	members, err := client.Members(t.Context(), collection)
	if err != nil {
		t.Fatal(err)
	}
	if len(members) != r.Created {
		t.Errorf("%s: %d objects are listed, %d were stored", file, len(members), r.Created)
	}
	var hrefs []string
	for _, it := range r.Items {
		if it.Outcome != importer.Created {
			continue
		}
		href := collection + url.PathEscape(it.Name)
		hrefs = append(hrefs, href)
		f := client.Get(t.Context(), href)
		if f.Err != nil {
			t.Errorf("%s:%d: %v", file, it.Line, f.Err)
			continue
		}
		if sum := sha256.Sum256(f.Data); hex.EncodeToString(sum[:]) != it.SHA256 {
			t.Errorf("%s:%d comes back with other octets than csimport sent", file, it.Line)
		}
		one := pieces == 1 && len(r.Items) == 1 && !method && source[0].Prop("UID") != nil && !twice(source)
		if one && !bytes.Equal(f.Data, utf8) {
			t.Errorf("%s has one object, which is not stored as the file has it", file)
		}
		for _, c := range componentsOf(t, f.Data) {
			if !inSource(c, source) {
				t.Errorf("%s:%d: what is stored is not in the file:\n%s", file, it.Line, c.Bytes())
			}
		}
	}
	got, err := client.Multiget(t.Context(), collection, hrefs)
	if len(hrefs) > 0 && err != nil {
		t.Error(err)
	}
	for i, href := range hrefs {
		if f := client.Get(t.Context(), href); !bytes.Equal(got[href].Data, f.Data) {
			t.Errorf("%s: object %d differs between multiget and GET", file, i+1)
		}
	}
}

func componentsOf(t *testing.T, data []byte) (out []*ical.Component) {
	t.Helper()
	cal, err := ical.Parse(data, importer.Limits)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			out = append(out, c)
		}
	}
	return out
}

// inSource tells whether a component is one of the file's, but for a UID that
// it did not have.
func inSource(c *ical.Component, source []*ical.Component) bool {
	for _, s := range source {
		if s.Value("UID") == "" {
			s = s.Clone()
			s.Set("UID", c.Value("UID"))
		}
		if ical.Equal(c, s) {
			return true
		}
	}
	return false
}
