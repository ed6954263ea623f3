package service_test

import (
	"context"
	"testing"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// meanwhile is a store on which something else is written before the next write.
type meanwhile struct {
	calendar.Store
	write func()
}

func (m *meanwhile) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	if write := m.write; write != nil {
		m.write = nil
		write()
	}
	return m.Store.Update(ctx, owner, fn)
}

// A move without conditions is not refused for what the server wrote into the
// object while it was read, and takes that along.
func TestAMoveThatIsOvertaken(t *testing.T) {
	people := calendartest.NewPeople("anna")
	store := &meanwhile{Store: calendartest.NewStore()}
	svc := service.New(store, people, service.Options{})
	anna := people.Actor("anna")
	provision(t, svc, anna)
	if _, err := svc.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work"}, DefaultACL: true}); err != nil {
		t.Fatal(err)
	}
	from, to := calendar.Ref{Calendar: "anna", Name: "e.ics"}, calendar.Ref{Calendar: "anna:work", Name: "e.ics"}
	put := func(more string) {
		if _, err := svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: from, Data: event("e", "20260401T090000Z", more)}); err != nil {
			t.Error(err)
		}
	}
	put("LOCATION:here\r\n")
	store.write = func() { put("LOCATION:there\r\n") }
	if _, err := svc.CopyObject(t.Context(), anna, calendar.CopyRequest{From: from, To: to, Move: true}); err != nil {
		t.Fatal(err)
	}
	o, err := svc.Object(t.Context(), anna, to)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(o.Data); got != string(event("e", "20260401T090000Z", "LOCATION:there\r\n")) {
		t.Errorf("moved is\n%s", got)
	}
}
