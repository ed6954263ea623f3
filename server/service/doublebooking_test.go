package service_test

import (
	"context"
	"errors"
	"testing"

	"factotum/server/calendar"
)

// A calendar without double booking keeps the rule for all of a series, not
// only for the instances that the index holds one by one.
func TestDoubleBooking(t *testing.T) {
	ctx := context.Background()
	const daily = "RRULE:FREQ=DAILY\r\n"
	for name, c := range map[string]struct {
		first, then []byte
		want        bool // refused
	}{
		"the same hour":             {event("a", "20260105T090000Z", ""), event("b", "20260105T093000Z", ""), true},
		"one after the other":       {event("a", "20260105T090000Z", ""), event("b", "20260105T100000Z", ""), false},
		"free time":                 {event("a", "20260105T090000Z", ""), event("b", "20260105T090000Z", "TRANSP:TRANSPARENT\r\n"), false},
		"a year into a series":      {event("a", "20260105T090000Z", daily), event("b", "20270105T093000Z", ""), true},
		"beside a series":           {event("a", "20260105T090000Z", daily), event("b", "20270105T103000Z", ""), false},
		"a series, a year before":   {event("a", "20270105T093000Z", ""), event("b", "20260105T090000Z", daily), true},
		"two series, later on":      {event("a", "20260105T090000Z", daily), event("b", "20270105T090000Z", "RRULE:FREQ=WEEKLY\r\n"), true},
		"floating, in another zone": {event("a", "20260105T090000Z", ""), event("b", "20260105T090000", ""), true},
	} {
		t.Run(name, func(t *testing.T) {
			svc, _ := openService(t)
			id := provision(t, svc, anna)
			no := true
			if _, err := svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: id, NoDoubles: &no}); err != nil {
				t.Fatal(err)
			}
			store(t, svc, id, "a.ics", c.first)
			_, err := svc.PutObject(ctx, anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: "b.ics"}, Data: c.then})
			if c.want != errors.Is(err, calendar.DoubleBooked) || !c.want && err != nil {
				t.Errorf("got %v, refused should be %t", err, c.want)
			}
		})
	}
}
