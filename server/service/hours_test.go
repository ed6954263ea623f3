package service_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/object"
	"factotum/server/recur"
)

// TestOneAnswerToWhen: free/busy, a time-range by the index and instances by the
// text agree on when something takes place, and that is the right time.
func TestOneAnswerToWhen(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	for _, c := range []struct {
		name, zone, lines string
		want              string // start/end in UTC, of each instance
	}{
		{"RFC 5545 §3.2.19, an unknown zone floats", "Europe/Berlin", "DTSTART;TZID=Nowhere/City:20260301T090000\nDTEND;TZID=Nowhere/City:20260301T100000",
			"20260301T0800/0900"},
		{"an unknown zone, a series", "America/New_York", "DTSTART;TZID=Nowhere/City:20260301T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE;TZID=Nowhere/City:20260302T090000\nRDATE;TZID=Nowhere/City:20260305T120000",
			"20260301T1400/1500 20260305T1700/1800"},
		{"an unknown zone, a long series", "Europe/Berlin", "DTSTART;TZID=Nowhere/City:20250601T090000\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;COUNT=200\nEXDATE;TZID=Nowhere/City:20260401T090000",
			"20260201T0800/0900 20260301T0800/0900 20260501T0700/0800"},
		{"a global name of the database", "America/New_York", "DTSTART;TZID=/Europe/Stockholm:20260301T090000\nDURATION:PT1H", "20260301T0800/0900"},
		{"in another case", "America/New_York", "DTSTART;TZID=europe/STOCKHOLM:20260301T090000\nDURATION:PT1H", "20260301T0800/0900"},
		{"an unknown zone of an override", "Europe/Berlin", "DTSTART:20260301T090000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2\nEND:VEVENT\nBEGIN:VEVENT\nUID:u\nDTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260302T090000Z\nDTSTART;TZID=Nowhere/City:20260302T090000\nDURATION:PT1H",
			"20260301T0900/1000 20260302T0800/0900"},
		{"RFC 4791 §9.6.5, a floating end over the clocks put forward", "Europe/Berlin", "DTSTART:20260328T220000\nDTEND:20260329T040000", "20260328T2100/0200"},
		{"RFC 5545 §3.3.6, hours of a DURATION pass", "Europe/Berlin", "DTSTART:20260328T120000\nDURATION:PT24H", "20260328T1100/1100"},
		{"days of a DURATION are days", "Europe/Berlin", "DTSTART:20260328T120000\nDURATION:P1D", "20260328T1100/1000"},
		{"days and then hours", "Europe/Berlin", "DTSTART:20260327T220000\nDURATION:P1DT5H", "20260327T2100/0200"},
		{"a series with hours", "Europe/Berlin", "DTSTART:20260327T120000\nDURATION:PT22H\nRRULE:FREQ=DAILY;COUNT=3", "20260327T1100/0900 20260328T1100/0900 20260329T1000/0800"},
		{"a long series with hours", "Europe/Berlin", "DTSTART:20240328T120000\nDURATION:PT24H\nRRULE:FREQ=MONTHLY;COUNT=200;BYMONTHDAY=28", "20260228T1100/1100 20260328T1100/1100 20260428T1000/1000"},
		{"a time in the gap", "Europe/Berlin", "DTSTART:20260329T023000\nDTEND:20260329T031500", "20260329T0130/0215"},
		{"RFC 5545 §3.8.5.2, the second pass of an hour", "Europe/Berlin", "DTSTART;TZID=America/Santiago:20260301T120000\nDURATION:PT1H\nRDATE:20260405T033000Z", "20260301T1500/1600 20260405T0330/0430"},
		{"a period of a floating series", "Europe/Berlin", "DTSTART:20260301T120000\nDTEND:20260301T130000\nRDATE;VALUE=PERIOD:20260328T220000/20260329T040000,20260429T220000/P1DT2H", "20260301T1100/1200 20260328T2100/0200 20260429T2000/2200"},
	} {
		if _, err := svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: id, TZID: &c.zone}); err != nil {
			t.Fatal(err)
		}
		data := []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20260101T000000Z\r\n" +
			strings.ReplaceAll(c.lines, "\n", "\r\n") + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
		store(t, svc, id, "a.ics", data)
		all := window("20260201", "20260515")
		spell := func(start, end time.Time) string { return start.Format("20060102T1504") + "/" + end.Format("1504") }

		fb, err := svc.FreeBusy(ctx, anna, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: id}}, Window: *all})
		if err != nil {
			t.Fatal(err)
		}
		var busy []string
		for _, b := range fb[0].Busy {
			busy = append(busy, spell(b.Start, b.End))
			for _, w := range []struct {
				from, to time.Time
				want     bool
			}{{b.Start.Add(-time.Minute), b.Start, false}, {b.Start, b.Start.Add(time.Minute), true}, {b.End.Add(-time.Minute), b.End, true}, {b.End, b.End.Add(time.Minute), false}} {
				if got := len(inRange(t, svc, anna, id, &calendar.Window{From: w.from, To: w.to})) > 0; got != w.want {
					t.Errorf("%s: in [%s, %s): %v", c.name, w.from, w.to, got)
				}
			}
		}
		var told []string
		float, _ := recur.LoadZone(c.zone)
		_, _, set, err := object.Compile(data)
		if err != nil {
			t.Fatal(err)
		}
		for in, err := range set.Between(ctx, all.From, all.To, float, recur.Budget{}) {
			if err != nil {
				t.Fatal(err)
			}
			told = append(told, spell(in.Start, in.End))
		}
		if strings.Join(busy, " ") != c.want || strings.Join(told, " ") != c.want {
			t.Errorf("%s:\n busy %s\n told %s\n want %s", c.name, busy, told, c.want)
		}
	}
}
