package recur

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
)

// calendarOf wraps lines of components into a VCALENDAR.
func calendarOf(t testing.TB, body string) *ical.Component {
	t.Helper()
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t\r\n" +
		strings.ReplaceAll(strings.TrimSpace(body), "\n", "\r\n") + "\r\nEND:VCALENDAR\r\n"
	cal, err := ical.Parse([]byte(text), ical.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

func compileCal(cal *ical.Component) (*Set, error) {
	var comps []*ical.Component
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			comps = append(comps, c)
		}
	}
	return Compile(comps, ZonesOf(cal))
}

func setOf(t testing.TB, body string) *Set {
	t.Helper()
	s, err := compileCal(calendarOf(t, body))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// event is a VEVENT of the given lines.
func event(lines ...string) string {
	return "BEGIN:VEVENT\nUID:1\nDTSTAMP:20200101T000000Z\n" + strings.Join(lines, "\n") + "\nEND:VEVENT\n"
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	for _, layout := range []string{"20060102T150405Z", "20060102"} {
		if v, err := time.Parse(layout, s); err == nil {
			return v
		}
	}
	t.Fatalf("time %q", s)
	return time.Time{}
}

func zone(t testing.TB, name string) Zone {
	t.Helper()
	z, ok := LoadZone(name)
	if !ok {
		t.Fatalf("no zone %s", name)
	}
	return z
}

// starts lists "start" or "start/length" in UTC of what overlaps a window.
func starts(t testing.TB, s *Set, from, to string, float Zone) string {
	t.Helper()
	var out []string
	for in, err := range s.Between(context.Background(), at(t, from), at(t, to), float, Budget{}) {
		if err != nil {
			t.Fatal(err)
		}
		v := in.Start.Format("0102T1504")
		if d := in.End.Sub(in.Start); d != 0 {
			v += "+" + strings.Replace(strings.TrimSuffix(d.String(), "0s"), "h0m", "h", 1)
		}
		if in.Override {
			v += "!"
		}
		out = append(out, v)
	}
	return strings.Join(out, " ")
}

func TestBetween(t *testing.T) {
	const berlin = ";TZID=Europe/Berlin:"
	tests := []struct {
		name, body, from, to, want string
		float                      string
	}{
		{"daily, ends meet the window", event("DTSTART:20200101T100000Z", "DTEND:20200101T110000Z", "RRULE:FREQ=DAILY"),
			"20200103T110000Z", "20200105T100000Z", "0104T1000+1h", ""},
		{"a running instance counts", event("DTSTART:20200101T100000Z", "DURATION:PT36H", "RRULE:FREQ=WEEKLY"),
			"20200109T000000Z", "20200109T010000Z", "0108T1000+36h", ""},
		{"no length: at the start yes, at the end no", event("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY;COUNT=3"),
			"20200102T100000Z", "20200103T100000Z", "0102T1000", ""},
		{"RFC 5545 §3.3.5: in a gap, by the offset before it", event("DTSTART"+berlin+"20200328T023000", "RRULE:FREQ=DAILY;COUNT=3"),
			"", "", "0328T0130 0329T0130 0330T0030", ""},
		{"RFC 5545 §3.3.5: twice, the first", event("DTSTART"+berlin+"20201024T023000", "RRULE:FREQ=DAILY;COUNT=3"),
			"", "", "1024T0030 1025T0030 1026T0130", ""},
		{"hourly over a gap: no moment twice", event("DTSTART"+berlin+"20200329T003000", "RRULE:FREQ=HOURLY;COUNT=5"),
			"", "", "0328T2330 0329T0030 0329T0130 0329T0230", ""},
		{"by the half hour over a gap: in order", event("DTSTART"+berlin+"20200329T000000", "RRULE:FREQ=DAILY;BYHOUR=1,2,3;BYMINUTE=0,30;COUNT=7"),
			"", "20200330T000000Z", "0328T2300 0329T0000 0329T0030 0329T0100 0329T0130", ""},
		{"DTEND keeps the exact length", event("DTSTART"+berlin+"20200327T120000", "DTEND"+berlin+"20200328T120000", "RRULE:FREQ=DAILY;COUNT=3"),
			"", "", "0327T1100+24h 0328T1100+24h 0329T1000+24h", ""},
		{"DURATION keeps nominal days", event("DTSTART"+berlin+"20200327T120000", "DURATION:P1D", "RRULE:FREQ=DAILY;COUNT=3"),
			"", "", "0327T1100+24h 0328T1100+23h 0329T1000+24h", ""},
		{"all-day in the viewer's zone", event("DTSTART;VALUE=DATE:20200328", "RRULE:FREQ=DAILY;COUNT=2"),
			"", "", "0327T2300+24h 0328T2300+23h", "Europe/Berlin"},
		{"all-day, DTEND equal to DTSTART", event("DTSTART;VALUE=DATE:20200328", "DTEND;VALUE=DATE:20200328"),
			"20200328T120000Z", "20200328T130000Z", "0328T0000+24h", ""},
		{"floating in the viewer's zone", event("DTSTART:20200701T090000", "DURATION:PT1H"), "", "", "0701T1300+1h", "America/New_York"},
		{"DTSTART counts though the rule misses it", event("DTSTART:20200101T100000Z", "RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=3"),
			"", "", "0101T1000 0106T1000 0113T1000", ""},
		{"COUNT=1 with a rule that misses DTSTART", event("DTSTART:20200101T100000Z", "RRULE:FREQ=WEEKLY;BYDAY=MO;COUNT=1"),
			"", "", "0101T1000", ""},
		{"two rules", event("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY;COUNT=2", "RRULE:FREQ=WEEKLY;COUNT=3"),
			"", "", "0101T1000 0102T1000 0108T1000 0115T1000", ""},
		{"EXRULE", event("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY;COUNT=6", "EXRULE:FREQ=DAILY;INTERVAL=2"),
			"", "", "0102T1000 0104T1000 0106T1000", ""},
		{"EXDATE in another zone", event("DTSTART"+berlin+"20200101T100000", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20200102T090000Z"),
			"", "", "0101T0900 0103T0900", ""},
		{"EXDATE as a date takes the day", event("DTSTART"+berlin+"20200101T100000", "RRULE:FREQ=HOURLY;INTERVAL=6;COUNT=6", "EXDATE;VALUE=DATE:20200101"),
			"", "", "0102T0300 0102T0900 0102T1500", ""},
		{"EXDATE as a time against days", event("DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=DAILY;COUNT=3", "EXDATE:20200102T000000"),
			"", "", "0101T0000+24h 0103T0000+24h", ""},
		{"EXDATE of DTSTART", event("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY;COUNT=2", "EXDATE:20200101T100000Z"), "", "", "0102T1000", ""},
		{"RDATE, doubles and periods", event("DTSTART:20200101T100000Z", "DTEND:20200101T110000Z", "RRULE:FREQ=DAILY;COUNT=2",
			"RDATE:20200105T100000Z,20200102T100000Z", "RDATE;VALUE=PERIOD:20200107T100000Z/PT3H,20200108T100000Z/20200108T103000Z"),
			"", "", "0101T1000+1h 0102T1000+1h 0105T1000+1h 0107T1000+3h 0108T1000+30m", ""},
		{"a long RDATE period reaches into the window", event("DTSTART:20200101T100000Z", "RDATE;VALUE=PERIOD:20200107T100000Z/P3D"),
			"20200109T000000Z", "20200109T010000Z", "0107T1000+72h", ""},
		{"UNTIL in UTC against a zone", event("DTSTART"+berlin+"20200601T100000", "RRULE:FREQ=DAILY;UNTIL=20200603T080000Z"),
			"", "", "0601T0800 0602T0800 0603T0800", ""},
		{"UNTIL as a date includes the day", event("DTSTART"+berlin+"20200601T100000", "RRULE:FREQ=DAILY;UNTIL=20200602"), "", "", "0601T0800 0602T0800", ""},
		{"an override moves", event("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY;COUNT=3") +
			event("RECURRENCE-ID:20200102T100000Z", "DTSTART:20200105T120000Z"), "", "", "0101T1000 0103T1000 0105T1200!", ""},
		{"a RECURRENCE-ID in UTC finds a zoned instance", event("DTSTART"+berlin+"20200101T100000", "RRULE:FREQ=DAILY;COUNT=2") +
			event("RECURRENCE-ID:20200102T090000Z", "DTSTART:20200102T120000Z"), "", "", "0101T0900 0102T1200!", ""},
		{"a RECURRENCE-ID without a time", event("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY;COUNT=2") +
			event("RECURRENCE-ID;VALUE=DATE:20200102", "DTSTART:20200102T120000Z"), "", "", "0101T1000 0102T1200!", ""},
		{"the higher SEQUENCE wins", event("RECURRENCE-ID:20200102T100000Z", "SEQUENCE:3", "DTSTART:20200102T130000Z") +
			event("RECURRENCE-ID:20200102T100000Z", "SEQUENCE:2", "DTSTART:20200102T120000Z"), "", "", "0102T1300!", ""},
		{"overrides without a master", event("RECURRENCE-ID:20200102T100000Z", "DTSTART:20200103T120000Z", "DURATION:PT1H"), "", "", "0103T1200+1h!", ""},
		{"RFC 5545 §3.8.4.4: THISANDFUTURE shifts and resizes", event("DTSTART"+berlin+"20200101T100000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY;COUNT=5") +
			event("RECURRENCE-ID;RANGE=THISANDFUTURE"+berlin+"20200115T100000", "DTSTART"+berlin+"20200116T120000", "DURATION:PT2H") +
			event("RECURRENCE-ID"+berlin+"20200122T100000", "DTSTART"+berlin+"20200122T100000", "DURATION:PT3H"),
			"", "", "0101T0900+1h 0108T0900+1h 0116T1100+2h! 0122T0900+3h! 0130T1100+2h!", ""},
		{"two THISANDFUTURE, moved past each other", event("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY;COUNT=6") +
			event("RECURRENCE-ID;RANGE=THISANDFUTURE:20200102T100000Z", "DTSTART:20200112T100000Z") +
			event("RECURRENCE-ID;RANGE=THISANDFUTURE:20200104T100000Z", "DTSTART:20200104T110000Z"),
			"", "", "0101T1000 0104T1100! 0105T1100! 0106T1100! 0112T1000! 0113T1000!", ""},
		{"an unknown TZID floats", event("DTSTART;TZID=Nowhere/At All:20200701T090000"), "", "", "0701T1300", "America/New_York"},
		{"RFC 7529: SKIP", event("DTSTART;VALUE=DATE:20200131", "RRULE:RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD;COUNT=4"),
			"", "", "0131T0000+24h 0301T0000+24h 0331T0000+24h 0501T0000+24h", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var float Zone
			if tt.float != "" {
				float = zone(t, tt.float)
			}
			s := setOf(t, tt.body)
			if got := starts(t, s, tt.from, tt.to, float); got != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
			checkSpan(t, s, float)
		})
	}
}

// checkSpan holds Span against what Between finds.
func checkSpan(t testing.TB, s *Set, float Zone) {
	t.Helper()
	lo, hi, infinite := s.Span(float)
	n := 0
	for in, err := range s.Between(context.Background(), time.Time{}, time.Time{}, float, Budget{MaxInstances: 500}) {
		if err != nil {
			break
		}
		n++
		if in.Start.Before(lo) || !infinite && in.End.After(hi) {
			t.Errorf("instance %v to %v outside the span %v to %v", in.Start, in.End, lo, hi)
		}
		if got, ok := s.InstanceIn(in.RecurrenceID, nil, float); in.HasRID && (!ok || !got.Start.Equal(in.Start)) {
			t.Errorf("Instance(%v) = %v %v, want start %v", in.RecurrenceID, got.Start, ok, in.Start)
		}
	}
	if n == 0 {
		t.Error("no instance at all")
	}
}

func TestCompileRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"no DTSTART":       event("SUMMARY:x"),
		"two masters":      event("DTSTART:20200101T100000Z") + event("DTSTART:20200101T100000Z"),
		"bad RRULE":        event("DTSTART:20200101T100000Z", "RRULE:FREQ=FORTNIGHTLY"),
		"another calendar": event("DTSTART:20200101T100000Z", "RRULE:RSCALE=HEBREW;FREQ=YEARLY"),
		"bad EXDATE":       event("DTSTART:20200101T100000Z", "RRULE:FREQ=DAILY", "EXDATE:tomorrow"),
		"mixed":            event("DTSTART:20200101T100000Z") + "BEGIN:VTODO\nUID:1\nEND:VTODO\n",
	} {
		if _, err := compileCal(calendarOf(t, body)); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
}

func TestInstance(t *testing.T) {
	s := setOf(t, event("DTSTART;TZID=Europe/Berlin:20200101T100000", "RRULE:FREQ=WEEKLY", "EXDATE;TZID=Europe/Berlin:20200108T100000"))
	for rid, want := range map[string]bool{
		"20200101T090000Z": true, "20300102T090000Z": true, "20200108T090000Z": false, "20200102T090000Z": false, "20191225T090000Z": false, "20200115": true,
	} {
		d, err := ical.ParseDateTime(rid, "", false)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Instance(d); ok != want {
			t.Errorf("Instance(%s) = %v", rid, ok)
		}
	}
}

// TestCostFollowsTheWindow asks for windows that only arithmetic can reach
// within a small budget of steps.
func TestCostFollowsTheWindow(t *testing.T) {
	tests := []struct {
		rule, from, to string
		steps, want    int
	}{
		{"FREQ=HOURLY", "20260105T000000Z", "20260112T000000Z", 1000, 168},
		{"FREQ=SECONDLY;COUNT=1000000000", "20260105T000000Z", "20260105T000100Z", 300, 60},
		{"FREQ=DAILY;COUNT=1000000000", "25000105T000000Z", "25000108T000000Z", 100, 3},
		{"FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13;COUNT=1000000000", "20260101T000000Z", "20270101T000000Z", 100, 3},
		{"FREQ=MINUTELY;INTERVAL=7;BYDAY=MO,TU;COUNT=1000000000", "20260105T000000Z", "20260105T010000Z", 300, 8},
		{"FREQ=SECONDLY;INTERVAL=2;BYSECOND=1,3;COUNT=1000000000", "20260105T000000Z", "20260106T000000Z", 10000, 0},
		{"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "", "", 50000, 1},
		{"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "", "", 100, 1},
		{"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3,4,5;BYMINUTE=0,1,2,3;BYSECOND=0,1,2,3,4;BYSETPOS=-1", "20260101T000000Z", "20270101T000000Z", 1000, 1},
	}
	for _, tt := range tests {
		s := setOf(t, event("DTSTART:20000101T000000Z", "RRULE:"+tt.rule))
		n := 0
		for _, err := range s.Between(context.Background(), at(t, tt.from), at(t, tt.to), nil, Budget{MaxSteps: tt.steps}) {
			if err != nil {
				t.Errorf("%s: %v after %d", tt.rule, err, n)
				break
			}
			n++
		}
		if n != tt.want {
			t.Errorf("%s: %d instances, want %d", tt.rule, n, tt.want)
		}
	}
}

func TestBudget(t *testing.T) {
	s := setOf(t, event("DTSTART:20000101T000000Z", "RRULE:FREQ=SECONDLY"))
	n := 0
	var last error
	for _, err := range s.Between(context.Background(), time.Time{}, time.Time{}, nil, Budget{MaxInstances: 10}) {
		if last = err; err == nil {
			n++
		}
	}
	if n != 10 || !errors.Is(last, ErrBudget) {
		t.Errorf("%d instances, then %v", n, last)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range s.Between(ctx, time.Time{}, time.Time{}, nil, Budget{}) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}

func TestManyExDates(t *testing.T) {
	var b strings.Builder
	day := time.Date(2000, 1, 1, 10, 0, 0, 0, time.UTC)
	for i := range 20_000 {
		if i%7 != 3 {
			fmt.Fprintf(&b, ",%s", day.AddDate(0, 0, i).Format("20060102T150405Z"))
		}
	}
	s := setOf(t, event("DTSTART:20000101T100000Z", "RRULE:FREQ=DAILY", "EXDATE:"+b.String()[1:]))
	if got, want := starts(t, s, "20260101T000000Z", "20260115T000000Z", nil), "0106T1000 0113T1000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A rule that does not fire in the window costs what the window does, and
// DTSTART is there all the same.
func TestRulesThatNeverFireInTheWindow(t *testing.T) {
	for _, rule := range []string{
		"FREQ=HOURLY;INTERVAL=24;BYHOUR=11", "FREQ=SECONDLY;INTERVAL=86400;BYMINUTE=30", "FREQ=MINUTELY;BYSECOND=1;BYSETPOS=366",
		"FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=SECONDLY;INTERVAL=3600;BYMINUTE=1",
	} {
		s := setOf(t, event("DTSTART:20260301T100000Z", "RRULE:"+rule))
		from := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
		n := 0
		for in, err := range s.Between(context.Background(), from, from.AddDate(0, 1, 0), UTC, Budget{MaxSteps: 100_000}) {
			if err != nil {
				t.Fatalf("%s: %v", rule, err)
			}
			if n++; !in.Start.Equal(from.Add(10 * time.Hour)) {
				t.Errorf("%s: an instance at %v", rule, in.Start)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d instances", rule, n)
		}
	}
}

// TestRFC5545_3_3_5_FloatingLength: an event of floating time ends when the
// clock shows its end, also in the night in which the clocks change; the hours of
// a DURATION pass (RFC 5545 §3.3.6).
func TestRFC5545_3_3_5_FloatingLength(t *testing.T) {
	zone, _ := LoadZone("Europe/Berlin") // on 29 March 2026, 2:00 is 3:00
	for lines, want := range map[string]string{
		"DTSTART:20260328T220000\r\nDTEND:20260329T060000":                             "0328T2100 0329T0400",
		"DTSTART:20260327T220000\r\nDTEND:20260328T060000\r\nRRULE:FREQ=DAILY;COUNT=2": "0327T2100 0328T0500, 0328T2100 0329T0400",
		"DTSTART:20260328T220000\r\nDURATION:PT8H":                                     "0328T2100 0329T0500",
		"DTSTART:20260328T220000\r\nDURATION:P1DT8H":                                   "0328T2100 0330T0400",
		"DTSTART:20260328T060000\r\nDTEND:20260329T070000":                             "0328T0500 0329T0500",
		"DTSTART:20260329T023000\r\nDTEND:20260329T030000":                             "0329T0130 0329T0200",
	} {
		cal, err := ical.Parse([]byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\n"+lines+"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		set, err := Compile(cal.Children, ZonesOf(cal))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for in, err := range set.Between(t.Context(), time.Time{}, time.Time{}, zone, Budget{}) {
			if err != nil {
				t.Fatal(err)
			}
			got += ", " + in.Start.Format("0102T1504") + " " + in.End.Format("0102T1504")
		}
		if got = strings.TrimPrefix(got, ", "); got != want {
			t.Errorf("%s: %s, want %s", lines, got, want)
		}
	}
}

// DTEND or DUE is a DATE where DTSTART has a time, or the other way round: what
// RFC 5545 §3.8.2.2 forbids, and everybody reads.
func TestRFC5545_3_8_2_2_EndOfAnotherKind(t *testing.T) {
	todo := func(lines string) string { return "BEGIN:VTODO\nUID:1\n" + lines + "\nEND:VTODO\n" }
	for _, c := range []struct{ name, body, want, shown string }{
		{"a date behind a time", event("DTSTART;TZID=Europe/Berlin:20260301T090000", "DTEND;VALUE=DATE:20260303"), "0301T0800+39h", "20260301T080000Z -20260302T230000Z"},
		{"its own day", event("DTSTART;TZID=Europe/Berlin:20260301T090000", "DTEND;VALUE=DATE:20260301"), "0301T0800", "20260301T080000Z -20260301T080000Z"},
		{"behind UTC", event("DTSTART:20260301T090000Z", "DTEND;VALUE=DATE:20260302"), "0301T0900+15h", "20260301T090000Z -20260302T000000Z"},
		{"behind floating time", event("DTSTART:20260301T090000", "DTEND;VALUE=DATE:20260302"), "0301T0800+15h", "20260301T090000 -20260302T000000"},
		{"a time behind a date", event("DTSTART;VALUE=DATE:20260301", "DTEND:20260302T100000"), "0228T2300+48h", "20260301 -20260303"},
		{"midnight behind a date", event("DTSTART;VALUE=DATE:20260301", "DTEND:20260302T000000Z"), "0228T2300+24h", "20260301 -20260302"},
		{"on its own day", event("DTSTART;VALUE=DATE:20260301", "DTEND;TZID=Europe/Berlin:20260301T100000"), "0228T2300+24h", "20260301 -20260302"},
		{"a task", todo("DTSTART:20260301T090000Z\nDUE;VALUE=DATE:20260302"), "0301T0900+15h", "20260301T090000Z due 20260302T000000Z"},
		{"a task of a day", todo("DTSTART;VALUE=DATE:20260301\nDUE:20260302T100000Z"), "0228T2300+48h", "20260301 due 20260303"},
	} {
		s := setOf(t, c.body)
		if got := starts(t, s, "", "", zone(t, "Europe/Berlin")); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got := expanded(t, c.body, "", "", zone(t, "Europe/Berlin")); got != c.shown {
			t.Errorf("%s is shown as %s, want %s", c.name, got, c.shown)
		}
	}
}
