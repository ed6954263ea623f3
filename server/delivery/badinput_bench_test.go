package delivery_test

import (
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
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

// cpu is what the process has used of it.
func cpu() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// costs runs what is measured and reports its CPU, whoever else uses the machine.
func costs(b *testing.B, do func(n int)) {
	runtime.GC()
	b.ReportAllocs()
	was, n := cpu(), 0
	for b.Loop() {
		do(n)
		n++
	}
	b.ReportMetric(float64((cpu()-was).Microseconds())/1000/float64(n), "cpu-ms/op")
}

// BenchmarkBadInput is what a write costs of what nobody writes by hand: below 250 ms of
// CPU each, and so the delivery of what follows from it to each recipient.
func BenchmarkBadInput(b *testing.B) {
	site := func(b *testing.B) *site {
		s := &site{TB: b, people: calendartest.NewPeople("anna", "ben", "carl", "zoe")}
		one := sitetest.New(b, sitetest.Options{People: s.people, Model: service.Options{Limits: calendar.Limits{Attendees: 20_000}}})
		s.be = one.Backend
		return s
	}
	texts := []string{hugeSeries(10_000, ""), hugeSeries(10_000, "!")}
	b.Run("series/new", func(b *testing.B) {
		s := site(b)
		costs(b, func(n int) {
			s.put("anna", fmt.Sprint(n, ".ics"), strings.ReplaceAll(texts[0], "UID:huge", fmt.Sprint("UID:", n)))
		})
	})
	b.Run("series/change", func(b *testing.B) {
		s := site(b)
		s.put("anna", "m.ics", texts[0])
		costs(b, func(n int) { s.put("anna", "m.ics", texts[(n+1)%2]) })
	})
	b.Run("series/deliver", func(b *testing.B) {
		s := site(b)
		text := strings.Replace(texts[0], "VERSION", "METHOD:REQUEST\r\nVERSION", 1)
		costs(b, func(n int) {
			res, err := s.be.Deliver(b.Context(), s.as("anna"), calendar.DeliverRequest{ID: fmt.Sprint(n), From: "mailto:anna@example.com",
				To: []calendar.Recipient{{Address: "mailto:ben@example.com", Owner: "ben"}}, Data: []byte(strings.ReplaceAll(text, "UID:huge", fmt.Sprint("UID:", n)))})
			if err != nil || res[0].Reason != "invited" {
				b.Fatal(res, err)
			}
		})
	})
	var crowd strings.Builder
	for i := range 9_998 {
		fmt.Fprintf(&crowd, "ATTENDEE;CN=P;PARTSTAT=NEEDS-ACTION:mailto:p%d@example.com\r\n", i)
	}
	people := invitation("huge", strings.TrimSuffix(crowd.String(), "\r\n"))
	b.Run("people/new", func(b *testing.B) {
		s := site(b)
		costs(b, func(n int) {
			s.put("anna", fmt.Sprint(n, ".ics"), strings.ReplaceAll(people, "UID:huge", fmt.Sprint("UID:", n)))
		})
	})
	b.Run("people/answer", func(b *testing.B) {
		s := site(b)
		text := strings.Replace(people, "VERSION", "METHOD:REQUEST\r\nVERSION", 1)
		if res := s.deliver("m", "anna", "ben", text); res.Reason != "invited" {
			b.Fatal(res)
		}
		costs(b, func(n int) { s.answer("ben", "huge", []string{"ACCEPTED", "DECLINED"}[n%2]) })
	})
}
