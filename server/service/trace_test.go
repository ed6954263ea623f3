package service

import (
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// A step is noted with who acts and when; one for very many recipients becomes
// several traces. No change follows: what clients have stays good.
func TestTrace(t *testing.T) {
	st := calendartest.NewStore()
	s := New(st, nil, Options{})
	var to []string
	for i := range 2*calendar.TraceRecipients + 1 {
		to = append(to, fmt.Sprintf("mailto:p%d@example.com", i))
	}
	who := calendar.Actor{User: "anna", Via: "caldav"}
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var changes int
	err := s.write(t.Context(), who, "test", "anna", nil, func(w *writer) error {
		for _, tr := range []calendar.Trace{
			{UID: "u", From: "mailto:anna@example.com", To: to, Step: calendar.TraceQueued},
			{UID: "u", Step: calendar.TraceDecided, When: when, By: "bert", Via: "wcap"},
			{UID: "u", Step: calendar.TraceIgnored},
		} {
			if err := w.trace(tr); err != nil {
				return err
			}
		}
		changes = w.begun
		return nil
	})
	if err != nil || changes != 0 {
		t.Fatalf("%v, %d changes", err, changes)
	}
	var found []calendar.Trace
	err = st.View(t.Context(), "anna", func(tx calendar.ReadTx) error {
		return tx.Traces(calendar.TraceQuery{OldestFirst: true}, func(tr *calendar.Trace) error { found = append(found, *tr); return nil })
	})
	if err != nil || len(found) != 5 {
		t.Fatalf("%d traces, %v", len(found), err)
	}
	n := 0
	for _, tr := range found {
		n += len(tr.To)
		if len(tr.To) > calendar.TraceRecipients || tr.Owner != "anna" || tr.When.IsZero() {
			t.Errorf("%d recipients, owner %q, at %v", len(tr.To), tr.Owner, tr.When)
		}
	}
	if n != len(to) {
		t.Errorf("%d recipients of %d", n, len(to))
	}
	if tr := found[3]; !tr.When.Equal(when) || tr.By != "bert" || tr.Via != "wcap" {
		t.Errorf("another acted: %+v", tr)
	}
	if tr := found[4]; tr.By != "anna" || tr.Via != "caldav" {
		t.Errorf("the actor acted: %+v", tr)
	}
}
