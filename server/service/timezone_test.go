package service_test

import (
	"context"
	"testing"

	"factotum/server/calendar"
)

// The zone of floating time is the last that was set, by its name (WCAP
// set_calprops, RFC 7809) or as a text (RFC 4791 §5.2.2).
func TestRFC4791_5_2_2_LastTimezoneCounts(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	store(t, svc, id, "a.ics", event("a", "20260105T090000", "")) // floating
	zone := func(name, offset string) *string {
		text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VTIMEZONE\r\nTZID:" + name +
			"\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:" + offset + "\r\nTZOFFSETTO:" + offset +
			"\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\nEND:VCALENDAR\r\n"
		return &text
	}
	name := func(s string) *string { return &s }
	for _, step := range []struct {
		req        calendar.UpdateCalendarRequest
		start      string // of the busy time
		tzid, text string
	}{
		{calendar.UpdateCalendarRequest{}, "20260105T0900", "", ""},
		{calendar.UpdateCalendarRequest{TZID: name("America/New_York")}, "20260105T1400", "America/New_York", ""},
		{calendar.UpdateCalendarRequest{Timezone: zone("My zone", "+0300")}, "20260105T0600", "", *zone("My zone", "+0300")},
		{calendar.UpdateCalendarRequest{TZID: name("Europe/Berlin")}, "20260105T0800", "Europe/Berlin", ""},
		{calendar.UpdateCalendarRequest{Timezone: zone("Asia/Tokyo", "+0900")}, "20260105T0000", "Asia/Tokyo", *zone("Asia/Tokyo", "+0900")},
		{calendar.UpdateCalendarRequest{DisplayName: name("x")}, "20260105T0000", "Asia/Tokyo", *zone("Asia/Tokyo", "+0900")},
		{calendar.UpdateCalendarRequest{Timezone: name("")}, "20260105T0900", "", ""},
	} {
		step.req.ID = id
		c, err := svc.UpdateCalendar(ctx, anna, step.req)
		if err != nil {
			t.Fatal(err)
		}
		fb, err := svc.FreeBusy(ctx, anna, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: id}}, Window: *window("20260101", "20260201")})
		if err != nil || len(fb[0].Busy) != 1 {
			t.Fatal(fb, err)
		}
		if got := fb[0].Busy[0].Start.Format("20060102T1504"); got != step.start || c.TZID != step.tzid || c.Timezone != step.text {
			t.Errorf("busy from %s, zone %q, text %q; want %s, %q, %q", got, c.TZID, c.Timezone, step.start, step.tzid, step.text)
		}
	}
}
