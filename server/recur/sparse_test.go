package recur

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
)

// TestNamesOfInstancesOfSparseRules: to find which instance a date means, a rule
// that has none for years need not be followed for years, as it was (ten thousand
// such dates took ten seconds; BenchmarkSparseRule), and the answers are the same.
func TestNamesOfInstancesOfSparseRules(t *testing.T) {
	for _, rule := range []string{"FREQ=DAILY;INTERVAL=7;BYDAY=TU", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=WEEKLY;INTERVAL=500"} {
		var b strings.Builder
		b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260105T100000Z\r\nRRULE:" + rule + "\r\nEND:VEVENT\r\n")
		for i := range 3 {
			d := time.Date(2026, 1, 6+i, 0, 0, 0, 0, time.UTC).Format("20060102")
			fmt.Fprintf(&b, "BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;VALUE=DATE:%s\r\nDTSTART:%sT120000Z\r\nEND:VEVENT\r\n", d, d)
		}
		b.WriteString("END:VCALENDAR\r\n")
		cal, err := ical.Parse([]byte(b.String()), ical.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		set, err := Compile(cal.Children, ZonesOf(cal))
		if err != nil {
			t.Fatal(err)
		}
		steps := 50
		w := set.walk(civilOf(ical.FromCivil(time.Date(2026, 1, 6, 0, 0, 0, 0, time.UTC), ical.Date, "")), set.master.civ+3*daySecs, 1<<62, nil, &steps)
		w.next()
		if steps < 0 {
			t.Errorf("%s: the walk over three days needs more than 50 steps", rule)
		}
		// What is no instance is known by DTSTART's time of that day.
		in, ok := set.Instance(ical.FromCivil(time.Date(2026, 1, 6, 10, 0, 0, 0, time.UTC), ical.UTC, ""))
		if !ok || !in.Start.Equal(time.Date(2026, 1, 6, 12, 0, 0, 0, time.UTC)) {
			t.Errorf("%s: the exception of the 6th is %v, %v", rule, in.Start, ok)
		}
	}
}
