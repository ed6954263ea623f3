package object

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// TestRFC4791_4_1_Split: a file becomes objects, one for a UID.
func TestRFC4791_4_1_Split(t *testing.T) {
	event := func(uid, more string) string { return "VEVENT\nUID:" + uid + "\nDTSTART:20260105T090000Z" + more }
	const zoned = "VEVENT\nUID:z\nDTSTART;TZID=Europe/Berlin:20260105T090000"
	const nameless = "VEVENT\nDTSTART:20260105T090000Z"
	for _, c := range []struct {
		name  string
		comps []string
		want  []string // UID, place, components; or the error's reason
	}{
		{"one", []string{event("a", "")}, []string{"a 1 VEVENT"}},
		{"two", []string{event("a", ""), event("b", "")}, []string{"a 1 VEVENT", "b 2 VEVENT"}},
		{"an override far from its master", []string{event("a", "\nRRULE:FREQ=DAILY"), event("b", ""), event("a", "\nRECURRENCE-ID:20260106T090000Z")}, []string{"a 1 VEVENT VEVENT", "b 2 VEVENT"}},
		{"one UID, two types", []string{event("a", ""), "VTODO\nUID:a"}, []string{"a 1 VEVENT", "a 2 VTODO"}},
		{"blanks", []string{event(" a", ""), event("a ", "\nRECURRENCE-ID:20260106T090000Z")}, []string{"a 1 VEVENT VEVENT"}},
		{"zones go where they are named", []string{berlin, event("a", ""), zoned}, []string{"a 1 VEVENT", "z 2 VTIMEZONE VEVENT"}},
		{"no UID: each is its own", []string{nameless, nameless}, []string{" 1 VEVENT made-1", " 2 VEVENT made-2"}},
		{"what calendars do not hold", []string{"VFREEBUSY\nUID:f", event("a", "")}, []string{"f 1 supported-calendar-component", "a 2 VEVENT"}},
		{"twice: the higher SEQUENCE", []string{event("a", "\nSEQUENCE:2\nSUMMARY:new"), event("b", ""), event("a", "\nSEQUENCE:1\nSUMMARY:old")}, []string{"a 1 VEVENT new", "b 2 VEVENT"}},
		{"twice: alone in the file", []string{event("a", "\nSEQUENCE:9\nSUMMARY:old"), event("a", "\nSEQUENCE:10\nSUMMARY:new")}, []string{"a 1 VEVENT new"}},
		{"twice: the later DTSTAMP", []string{event("a", "\nDTSTAMP:20260102T000000Z\nSUMMARY:new"), event("a", "\nDTSTAMP:20260101T000000Z\nSUMMARY:old")}, []string{"a 1 VEVENT new"}},
		{"twice: the last", []string{event("a", "\nSUMMARY:old"), event("a", "\nSUMMARY:new")}, []string{"a 1 VEVENT new"}},
		{"an override twice, spelled in two zones", []string{berlin, event("a", "\nSUMMARY:m"), event("a", "\nRECURRENCE-ID:20260106T090000Z\nSEQUENCE:1\nSUMMARY:new"), event("a", "\nRECURRENCE-ID;TZID=Europe/Berlin:20260106T100000\nSUMMARY:old")},
			[]string{"a 1 VEVENT m VEVENT new"}},
		{"nothing", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := textOf(c.comps...)
			cal, err := ical.Parse(text, ical.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			before := string(cal.Bytes())
			var got []string
			for _, it := range Split(cal, text, func(n int) string { return fmt.Sprint("made-", n) }) {
				s := fmt.Sprint(it.UID, " ", it.First)
				if it.Err != nil {
					got = append(got, s+" "+string(calendar.ReasonOf(it.Err)))
					continue
				}
				part, err := ical.Parse(it.Data, ical.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range part.Children {
					s = strings.TrimRight(s+" "+k.Name+" "+k.Value("SUMMARY"), " ")
				}
				if it.UID == "" {
					s += " " + part.Children[0].Value("UID")
				}
				got = append(got, s)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
			if string(cal.Bytes()) != before {
				t.Error("the file was changed")
			}
		})
	}
}

// TestSplitKeepsTheText: an object alone in its file is kept octet for octet,
// unless the file is a message; what is only said of calendars is left out.
func TestSplitKeepsTheText(t *testing.T) {
	one := "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nX-WR-CALNAME:Home\nBEGIN:VEVENT\nUID:a\nDTSTAMP:20260101T000000Z\nDTSTART:20260105T090000Z\nEND:VEVENT\nEND:VCALENDAR\n"
	split := func(text string, given bool) string {
		cal, err := ical.Parse([]byte(text), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		var data []byte
		if given {
			data = []byte(text)
		}
		return string(Split(cal, data, nil)[0].Data)
	}
	if got := split(one, true); got != one {
		t.Errorf("%q", got)
	}
	made := strings.ReplaceAll(strings.Replace(one, "X-WR-CALNAME:Home\n", "", 1), "\n", "\r\n")
	if got := split(one, false); got != made {
		t.Errorf("without the text: %q", got)
	}
	if got := split(strings.Replace(one, "VERSION", "METHOD:PUBLISH\nVERSION", 1), true); got != made {
		t.Errorf("of a message: %q", got)
	}
}

// TestDerivedUID: the same for the same component of the same source only.
func TestDerivedUID(t *testing.T) {
	seen := map[string]bool{}
	for _, source := range []string{"", "a", "b"} {
		for n := range 3 {
			uid := DerivedUID(source, n)
			if seen[uid] || uid != DerivedUID(source, n) {
				t.Errorf("%s, %d: %s", source, n, uid)
			}
			seen[uid] = true
		}
	}
}

// TestNameFor: names that every client and file system takes, of any UID.
func TestNameFor(t *testing.T) {
	for uid, want := range map[string]string{
		"20260105T090000Z-1@example.com": "20260105T090000Z-1@example.com",
		"{0A1B}":                         "-0A1B-",
		"a/b\\c d":                       "a-b-c-d",
		"..hidden":                       "hidden",
		"Größe":                          "Gr--e",
	} {
		if got := NameFor(uid); got != want {
			t.Errorf("%q: %q, want %q", uid, got, want)
		}
	}
	long, other := strings.Repeat("u", 300), strings.Repeat("u", 299)+"v"
	if a, b := NameFor(long), NameFor(other); a == b || len(a) > 200 || calendar.CheckName(a) != nil {
		t.Errorf("of long ones: %q and %q", a, b)
	}
	if got := NameFor("..."); calendar.CheckName(got) != nil {
		t.Errorf("of dots: %q", got)
	}
}

// FuzzSplit: what comes of a file can be parsed again, and nothing is lost.
func FuzzSplit(f *testing.F) {
	f.Add(string(textOf(berlin, "VEVENT\nUID:a\nDTSTART;TZID=Europe/Berlin:20260105T090000", "VTODO\nUID:a", "VEVENT\nDTSTART:20260105T090000Z")))
	f.Fuzz(func(t *testing.T, text string) {
		cal, err := ical.Parse([]byte(text), ical.Limits{MaxBytes: 64 << 10})
		if err != nil {
			return
		}
		n, kept := 0, 0
		for _, c := range cal.Children {
			if slices.Contains([]string{"VEVENT", "VTODO", "VJOURNAL"}, c.Name) {
				n++
			}
		}
		for _, it := range Split(cal, []byte(text), func(n int) string { return fmt.Sprint(n) }) {
			if it.Err != nil {
				continue
			}
			part, err := ical.Parse(it.Data, ical.Limits{})
			if err != nil {
				t.Fatalf("%v\n%s", err, it.Data)
			}
			for _, c := range part.Children {
				if c.Name != "VTIMEZONE" {
					kept++
				}
			}
		}
		if kept != n {
			t.Fatalf("%d components of %d", kept, n)
		}
	})
}
