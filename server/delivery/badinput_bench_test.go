package delivery_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/observe/costtest"
	"factotum/server/service"
)

// hugeSeries is an hourly series with n exceptions, all of which invite ben and zoe.
func hugeSeries(n int, edit string) string {
	var b strings.Builder
	people := "ORGANIZER:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com\r\n" +
		"ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:ben@example.com\r\nATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:zoe@example.com\r\n"
	start := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	fmt.Fprintf(&b, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\nBEGIN:VEVENT\r\nUID:huge\r\nDTSTAMP:20260101T000000Z\r\n"+
		"DTSTART:20300101T000000Z\r\nDTEND:20300101T003000Z\r\nRRULE:FREQ=HOURLY;COUNT=%d\r\nSUMMARY:Plans%s\r\n%sEND:VEVENT\r\n", n, edit, people)
	for i := range n {
		at := start.Add(time.Duration(i) * time.Hour)
		fmt.Fprintf(&b, "BEGIN:VEVENT\r\nUID:huge\r\nDTSTAMP:20260101T000000Z\r\nRECURRENCE-ID:%s\r\nDTSTART:%s\r\nDTEND:%s\r\nSUMMARY:Plans %d%s\r\n%sEND:VEVENT\r\n",
			at.Format("20060102T150405Z"), at.Format("20060102T150405Z"), at.Add(30*time.Minute).Format("20060102T150405Z"), i, edit, people)
	}
	return b.String() + "END:VCALENDAR\r\n"
}

// costs runs what is measured and reports its CPU, whoever else uses the machine.
func costs(b *testing.B, do func(n int)) {
	runtime.GC()
	b.ReportAllocs()
	was, n := costtest.CPU(), 0
	for b.Loop() {
		do(n)
		n++
	}
	b.ReportMetric(float64((costtest.CPU()-was).Microseconds())/1000/float64(n), "cpu-ms/op")
}

// BenchmarkBadInput is what a write costs of what nobody writes by hand, at the limits and beyond: below 250 ms of
// CPU and 64 MB each, and so the delivery of what follows from it to each recipient.
func BenchmarkBadInput(b *testing.B) {
	newly := func(b *testing.B) *site {
		s := &site{TB: b, people: calendartest.NewPeople("anna", "ben", "carl", "zoe")}
		one := sitetest.New(b, sitetest.Options{People: s.people, Model: service.Options{Limits: calendar.Limits{Attendees: 20_000}}})
		s.be = one.Backend
		return s
	}
	most := calendar.DefaultLimits.Exceptions
	texts := []string{hugeSeries(most, ""), hugeSeries(most, "!"), hugeSeries(10_000, "")}
	named := func(text string, n int) string { return strings.ReplaceAll(text, "UID:huge", fmt.Sprint("UID:", n)) }
	refused := func(b *testing.B, err error) {
		if calendar.ReasonOf(err) != calendar.MaxInstances {
			b.Fatal(err)
		}
	}
	deliver := func(b *testing.B, s *site, text, reason string) {
		text = strings.Replace(text, "VERSION", "METHOD:REQUEST\r\nVERSION", 1)
		costs(b, func(n int) {
			if res := s.deliver(fmt.Sprint(n), "anna", "ben", named(text, n)); res.Reason != reason {
				b.Fatal(res)
			}
		})
	}
	b.Run("series/new", func(b *testing.B) {
		s := newly(b)
		costs(b, func(n int) { s.put("anna", fmt.Sprint(n, ".ics"), named(texts[0], n)) })
	})
	b.Run("series/change", func(b *testing.B) {
		s := newly(b)
		s.put("anna", "m.ics", texts[0])
		costs(b, func(n int) { s.put("anna", "m.ics", texts[(n+1)%2]) })
	})
	b.Run("series/deliver", func(b *testing.B) { deliver(b, newly(b), texts[0], "invited") })
	b.Run("refused/new", func(b *testing.B) {
		s := newly(b)
		costs(b, func(int) {
			_, err := s.tryPut("anna", "m.ics", texts[2])
			refused(b, err)
		})
	})
	b.Run("refused/change", func(b *testing.B) {
		s := newly(b)
		s.put("anna", "m.ics", texts[0])
		costs(b, func(int) {
			_, err := s.tryPut("anna", "m.ics", texts[2])
			refused(b, err)
		})
	})
	b.Run("refused/deliver", func(b *testing.B) { deliver(b, newly(b), texts[2], "too-large") })
	var crowd strings.Builder
	for i := range 9_998 {
		fmt.Fprintf(&crowd, "ATTENDEE;CN=P;PARTSTAT=NEEDS-ACTION:mailto:p%d@example.com\r\n", i)
	}
	people := invitation("huge", strings.TrimSuffix(crowd.String(), "\r\n"))
	b.Run("people/new", func(b *testing.B) {
		s := newly(b)
		costs(b, func(n int) {
			s.put("anna", fmt.Sprint(n, ".ics"), strings.ReplaceAll(people, "UID:huge", fmt.Sprint("UID:", n)))
		})
	})
	b.Run("people/answer", func(b *testing.B) {
		s := newly(b)
		text := strings.Replace(people, "VERSION", "METHOD:REQUEST\r\nVERSION", 1)
		if res := s.deliver("m", "anna", "ben", text); res.Reason != "invited" {
			b.Fatal(res)
		}
		costs(b, func(n int) { s.answer("ben", "huge", []string{"ACCEPTED", "DECLINED"}[n%2]) })
	})
}
