package recur

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
)

func benchRule(b *testing.B, rule string, from, to string, want int) {
	start := daysOf(2000, 1, 3)*daySecs + 9*3600
	lo, hi := start, maxCivil
	if from != "" {
		lo, hi = at(b, from).Unix(), at(b, to).Unix()
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := ParseRule(rule)
		if err != nil {
			b.Fatal(err)
		}
		s := newSeries(r, start, false, maxCivil)
		steps := DefaultMaxSteps
		c := s.cursor(&steps)
		c.seek(lo)
		n := 0
		for t, ok := c.next(); ok && t < hi; t, ok = c.next() {
			n++
		}
		if n != want {
			b.Fatal(n)
		}
	}
}

func BenchmarkBiweekly40(b *testing.B) {
	benchRule(b, "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=40", "", "", 40)
}
func BenchmarkDaily365(b *testing.B) { benchRule(b, "FREQ=DAILY;COUNT=365", "", "", 365) }
func BenchmarkHourlyWeekIn2026(b *testing.B) {
	benchRule(b, "FREQ=HOURLY", "20260105T000000Z", "20260112T000000Z", 168)
}
func BenchmarkCountBillion(b *testing.B) {
	benchRule(b, "FREQ=MINUTELY;INTERVAL=7;BYDAY=MO,TU;COUNT=1000000000", "20260105T000000Z", "20260105T010000Z", 9)
}

var weekly = strangeZone + event("DTSTART;TZID=Europe/Berlin:20200106T100000", "DTEND;TZID=Europe/Berlin:20200106T110000",
	"RRULE:FREQ=WEEKLY;BYDAY=MO,WE,FR", "SUMMARY:Stand-up", "EXDATE;TZID=Europe/Berlin:20200108T100000")

// BenchmarkCompileSpan is what a PUT pays for the index, parsing left aside.
func BenchmarkCompileSpan(b *testing.B) {
	cal := calendarOf(b, weekly)
	comps := []*ical.Component{cal.Child("VEVENT")}
	b.ReportAllocs()
	for b.Loop() {
		s, err := Compile(comps, ZonesOf(cal))
		if err != nil {
			b.Fatal(err)
		}
		if _, _, infinite := s.Span(nil); !infinite {
			b.Fatal("ends")
		}
	}
}

func BenchmarkBetweenMonth(b *testing.B) {
	s := setOf(b, weekly)
	from, to := at(b, "20260101T000000Z"), at(b, "20260201T000000Z")
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range s.Between(context.Background(), from, to, nil, Budget{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 13 {
			b.Fatal(n)
		}
	}
}

func BenchmarkZoneToUTC(b *testing.B) {
	z := zone(b, "Europe/Berlin")
	t := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for b.Loop() {
		z.ToUTC(t)
	}
}

// BenchmarkSparseRule compiles two thousand exceptions that name days of a rule
// that has no instance for years.
func BenchmarkSparseRule(b *testing.B) {
	var text strings.Builder
	text.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260105T100000Z\r\nRRULE:FREQ=DAILY;INTERVAL=7;BYDAY=TU\r\nEND:VEVENT\r\n")
	for i := range 2000 {
		d := time.Date(2026, 1, 6+i, 0, 0, 0, 0, time.UTC).Format("20060102")
		fmt.Fprintf(&text, "BEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID;VALUE=DATE:%s\r\nDTSTART:%sT120000Z\r\nEND:VEVENT\r\n", d, d)
	}
	text.WriteString("END:VCALENDAR\r\n")
	cal, err := ical.Parse([]byte(text.String()), ical.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Compile(cal.Children, ZonesOf(cal)); err != nil {
			b.Fatal(err)
		}
	}
}
