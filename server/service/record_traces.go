package service

import (
	"fmt"
	"time"

	"factotum/server/calendar"
)

// traceQueued notes the letters of a job.
func (w *writer) traceQueued(t task) error {
	post := t.post.Named(t.JobID)
	for _, l := range post.Letters {
		err := w.trace(calendar.Trace{Message: l.ID, Method: l.Method, UID: post.UID, Summary: post.Summary, From: l.From, To: l.To,
			Step: calendar.TraceQueued, Reason: calendar.ReasonQueued, Status: calendar.StatusPending})
		if err != nil {
			return err
		}
	}
	return nil
}

// trace adds to the journal of the owner. That is no change: it takes no
// number, and nobody syncs it. Who acts, and when, is filled in. A step for
// many recipients becomes several traces, so that a bound of their number is
// one of their size.
func (w *writer) trace(t calendar.Trace) error {
	t.Owner = w.owner
	if t.When.IsZero() {
		t.When = w.now
	}
	if t.By == "" {
		t.By, t.Via = w.who.User, w.who.Via
	}
	for _, part := range t.Parts() {
		if err := w.tx.PutTrace(part); err != nil {
			return fmt.Errorf("keep the journal: %w", err)
		}
		// Whoever fills his journal is the one whom this finds, before the day is
		// over at whose end all are purged.
		if w.s.traced.Add(1)%tracesPerPurge == 0 {
			if err := w.purgeTraces(time.Time{}); err != nil {
				return err
			}
		}
	}
	return nil
}

// tracesPerPurge is after how many traces of anybody one journal is cut.
const tracesPerPurge = 500

// purgeTraces forgets what the journal has of before a moment and what it has
// too many.
func (w *writer) purgeTraces(before time.Time) error {
	if _, err := w.tx.PurgeTraces(before, w.s.opt.JournalEntries); err != nil {
		return fmt.Errorf("purge the journal: %w", err)
	}
	return nil
}
