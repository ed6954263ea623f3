package object

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object/objecttest"
	"factotum/server/recur"
)

// textOf is a calendar of components, each of lines; the first is its name.
func textOf(comps ...string) []byte {
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n")
	for _, c := range comps {
		name, lines, _ := strings.Cut(c, "\n")
		fmt.Fprintf(&b, "BEGIN:%s\r\n", name)
		if name != "VTIMEZONE" && !strings.Contains(lines, "DTSTAMP") {
			b.WriteString("DTSTAMP:20260101T000000Z\r\n")
		}
		for line := range strings.SplitSeq(lines, "\n") {
			b.WriteString(line + "\r\n")
		}
		fmt.Fprintf(&b, "END:%s\r\n", name)
	}
	b.WriteString("END:VCALENDAR\r\n")
	return []byte(b.String())
}

const berlin = "VTIMEZONE\nTZID:Europe/Berlin\n" +
	"BEGIN:STANDARD\nDTSTART:19701025T030000\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\n" +
	"BEGIN:DAYLIGHT\nDTSTART:19700329T020000\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:DAYLIGHT"

// spell writes a row as start, end and flags.
func spell(r calendar.OccurrenceRow) string {
	at := func(unix int64) string {
		if unix < -1<<40 || unix > 1<<40 {
			return "ever"
		}
		return time.Unix(unix, 0).UTC().Format("0102T1504")
	}
	s := at(r.Start) + " " + at(r.End)
	for i, name := range []string{"tail", "floating", "day", "free", "tentative", "unavailable", "todo", "exact"} {
		if r.Flags&(1<<i) != 0 {
			s += " " + name
		}
	}
	if days := r.Flags >> calendar.OccDays; days > 0 {
		s += fmt.Sprintf(" %d", days)
	}
	return s
}

// TestRFC4791_9_9_IndexRows: when a range is looked for, objects are found by
// these rows.
func TestRFC4791_9_9_IndexRows(t *testing.T) {
	for _, c := range []struct {
		name  string
		comps []string
		want  []string
	}{
		{"UTC", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDTEND:20260105T100000Z"}, []string{"0105T0900 0105T1000"}},
		{"a zone", []string{berlin, "VEVENT\nUID:u\nDTSTART;TZID=Europe/Berlin:20260705T090000\nDURATION:PT1H"}, []string{"0705T0700 0705T0800"}},
		{"floating, as time passes", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000\nDURATION:PT1H"}, []string{"0105T0900 0105T1000 floating exact"}},
		{"floating, days by the clock", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000\nDURATION:P2DT1H"}, []string{"0105T0900 0107T1000 floating exact 2"}},
		{"floating time is taken as UTC", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000\nDTEND:20260105T100000"}, []string{"0105T0900 0105T1000 floating"}},
		{"a moment", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z"}, []string{"0105T0900 0105T0900"}},
		{"a day", []string{"VEVENT\nUID:u\nDTSTART;VALUE=DATE:20260105"}, []string{"0105T0000 0106T0000 floating day"}},
		{"days", []string{"VEVENT\nUID:u\nDTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260108"}, []string{"0105T0000 0108T0000 floating day"}},
		{"a series", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260106T090000Z"},
			[]string{"0105T0900 0105T1000", "0107T0900 0107T1000"}},
		{"further dates", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDURATION:PT1H\nRDATE:20260109T110000Z"},
			[]string{"0105T0900 0105T1000", "0109T1100 0109T1200"}},
		{"an override", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2", "VEVENT\nUID:u\nRECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T150000Z\nDURATION:PT2H\nSTATUS:TENTATIVE"},
			[]string{"0105T0900 0105T1000", "0106T1500 0106T1700 tentative"}},
		{"overrides alone", []string{"VEVENT\nUID:u\nRECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T150000Z\nDURATION:PT2H"}, []string{"0106T1500 0106T1700"}},
		{"nothing left", []string{"VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE:20260105T090000Z,20260106T090000Z"}, nil},
		{"a task is everywhere", []string{"VTODO\nUID:u\nDUE:20260105T090000Z"}, []string{"ever ever free todo"}},
		{"a journal too", []string{"VJOURNAL\nUID:u\nDTSTART:20260105T090000Z"}, []string{"ever ever free todo"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, comps, set, err := Compile(textOf(c.comps...))
			if err != nil {
				t.Fatal(err)
			}
			rows, err := IndexRows(set, comps, Attending{})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range rows {
				got = append(got, spell(r))
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestTails: of a long series the index has the first hundred instances, and
// where the others are.
func TestTails(t *testing.T) {
	for rule, want := range map[string]string{
		"FREQ=DAILY;COUNT=100":              "", // 5 January and 99 days
		"FREQ=DAILY;COUNT=101":              "0414T0900 0416T0100 tail",
		"FREQ=DAILY;UNTIL=20260430T090000Z": "0414T0900 0501T0100 tail",
		"FREQ=DAILY":                        "0414T0900 ever tail",
	} {
		_, comps, set, err := Compile(textOf("VEVENT\nUID:u\nDTSTART:20260105T090000Z\nDURATION:PT1H\nRRULE:" + rule))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := IndexRows(set, comps, Attending{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if last := rows[len(rows)-1]; last.Flags&calendar.OccTail != 0 {
			got = spell(last)
			rows = rows[:len(rows)-1]
		}
		if got != want || len(rows) != 100 || spell(rows[99]) != "0414T0900 0414T1000" {
			t.Errorf("%s: %d instances and %q, want 100 and %q", rule, len(rows), got, want)
		}
	}
}

// TestRFC4791_7_10_BusyTypes: what an event counts for.
func TestRFC4791_7_10_BusyTypes(t *testing.T) {
	for line, want := range map[string]string{
		"SUMMARY:x":                            "",
		"STATUS:CONFIRMED":                     "",
		"STATUS:TENTATIVE":                     " tentative",
		"STATUS:cancelled":                     " free",
		"TRANSP:OPAQUE":                        "",
		"TRANSP:transparent":                   " free",
		"TRANSP:TRANSPARENT\nSTATUS:TENTATIVE": " free",
		"X-MICROSOFT-CDO-BUSYSTATUS:OOF":       " unavailable",
		"X-MICROSOFT-CDO-BUSYSTATUS:OOF ":      " unavailable",
		"TRANSP:TRANSPARENT ":                  " free",
		"TRANSP: Transparent\t":                " free",
		"STATUS:CANCELLED ":                    " free",
		"STATUS:TENTATIVE ":                    " tentative",
		"TRANSP:OPAQUE ":                       "",
		"X-MICROSOFT-CDO-BUSYSTATUS:BUSY":      "",
	} {
		_, comps, set, err := Compile(textOf("VEVENT\nUID:u\nDTSTART:20260105T090000Z\n" + line))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := IndexRows(set, comps, Attending{})
		if err != nil || len(rows) != 1 {
			t.Fatal(rows, err)
		}
		if got := spell(rows[0]); got != "0105T0900 0105T0900"+want {
			t.Errorf("%s: %q", line, got)
		}
	}
}

// span is when an instance takes place, and how it counts.
type span struct {
	start, end int64
	flags      int
}

// overlaps is RFC 4791 §9.9 for events.
func (s span) overlaps(from, to int64) bool {
	if s.start == s.end {
		return s.start >= from && s.start < to
	}
	return s.start < to && s.end > from
}

// fromIndex is what a query does with the rows of an object: those near the
// window, a tail expanded, then floating time in the reader's zone.
func fromIndex(t *rapid.T, rows []calendar.OccurrenceRow, set *recur.Set, win calendar.Window, zone recur.Zone) map[span]bool {
	from, to := win.Unix()
	lo, hi := from-FloatingSlack, to+FloatingSlack
	var near []calendar.OccurrenceRow
	for _, r := range rows {
		switch isNear := (span{r.Start, r.End, 0}).overlaps(lo, hi); {
		case isNear && r.Flags&calendar.OccTail != 0:
			for in, err := range set.Between(context.Background(), time.Unix(lo, 0).UTC(), time.Unix(hi, 0).UTC(), recur.UTC, recur.Budget{}) {
				if err != nil {
					t.Fatal(err)
				}
				near = append(near, new(Indexer).Row(in))
			}
		case isNear:
			near = append(near, r)
		}
	}
	out := map[span]bool{}
	for _, r := range near {
		r.Start, r.End = InZone(r.Start, r.End, r.Flags, zone)
		if s := (span{r.Start, r.End, r.Flags}); s.overlaps(from, to) {
			out[s] = true
		}
	}
	return out
}

// TestIndexAgreesWithExpansion: whatever the object, the window and the zone of
// the reader, the index finds what expanding the object does.
func TestIndexAgreesWithExpansion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cal, zone := objecttest.Event(t), objecttest.Zone(t)
		objecttest.Periods(t, cal)
		from := objecttest.Day.AddDate(0, 0, rapid.IntRange(-2, 500).Draw(t, "from")).Add(time.Duration(rapid.IntRange(0, 47).Draw(t, "from half hour")) * 30 * time.Minute)
		win := calendar.Window{From: from, To: from.Add(time.Duration(rapid.SampledFrom([]int{1, 24, 168, 5000}).Draw(t, "hours")) * time.Hour)}
		comps, err := Components(cal)
		if err != nil {
			t.Fatal(err)
		}
		set, err := recur.Compile(comps, recur.ZonesOf(cal))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := IndexRows(set, comps, Attending{})
		if err != nil {
			t.Fatal(err)
		}
		want := map[span]bool{}
		for in, err := range set.Between(context.Background(), win.From, win.To, zone, recur.Budget{}) {
			if err != nil {
				t.Fatal(err)
			}
			want[span{in.Start.Unix(), in.End.Unix(), new(Indexer).Row(in).Flags}] = true
		}
		if got := fromIndex(t, rows, set, win, zone); !maps.Equal(got, want) {
			t.Fatalf("by the index %v\nexpanded %v\n%s", got, want, cal.Bytes())
		}
	})
}

// TestOccHash: rows that differ have another hash, and the same rows the same,
// so that an index that did not change is not written again.
func TestOccHash(t *testing.T) {
	hash := func(lines string) uint64 {
		cal, err := ical.Parse(textOf("VEVENT\nUID:u\n"+lines), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		res, err := Judge(Rules{Components: []string{"VEVENT"}, Limits: calendar.DefaultLimits}, cal, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res.OccHash
	}
	base := hash("DTSTART:20260105T090000Z")
	for lines, same := range map[string]bool{
		"DTSTART:20260105T090000Z\nSUMMARY:x":          true,
		"DTSTART:20260105T093000Z":                     false,
		"DTSTART:20260105T090000":                      false,
		"DTSTART:20260105T090000Z\nDURATION:PT1H":      false,
		"DTSTART:20260105T090000Z\nTRANSP:TRANSPARENT": false,
	} {
		if (hash(lines) == base) != same {
			t.Errorf("%s: the same hash is %t, want %t", lines, !same, same)
		}
	}
}

// TestRFC5545_3_3_5_FloatingTime: floating time in a zone whose clocks change
// is what the clock on the wall shows.
func TestRFC5545_3_3_5_FloatingTime(t *testing.T) {
	zone, _ := recur.LoadZone("Europe/Berlin") // on 29 March 2026, 2:00 is 3:00
	for _, c := range []struct{ name, start, end, want string }{
		{"in winter", "20260105T090000Z", "20260105T100000Z", "0105T0800 0105T0900"},
		{"over the change", "20260328T230000Z", "20260329T050000Z", "0328T2200 0329T0300"},
		{"from a time that is not", "20260329T024500Z", "20260329T031500Z", "0329T0145 0329T0215"},
		{"in the hour that is not", "20260329T023000Z", "20260329T030000Z", "0329T0130 0329T0200"},
		{"a day of 23 hours", "20260329T000000Z", "20260330T000000Z", "0328T2300 0329T2200"},
		{"a day and an hour", "20260328T230000Z", "20260330T000000Z", "0328T2200 0329T2200"},
		{"a moment", "20260329T040000Z", "20260329T040000Z", "0329T0200 0329T0200"},
	} {
		at := func(s string) int64 {
			d, err := ical.ParseDateTime(s, "", false)
			if err != nil {
				t.Fatal(err)
			}
			return d.Civil().Unix()
		}
		from, to := InZone(at(c.start), at(c.end), calendar.OccFloating, zone)
		if got := spell(calendar.OccurrenceRow{Start: from, End: to}); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
