package service

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"factotum/server/calendar"
)

// This file and record_*.go alone write to the store. Each function is one kind of change: it
// takes a number, writes the rows with what is kept beside them (the time
// index, files, sums, stamps), and leaves the record from which the rest is
// derived. A test sees to it that no other file does.

// begin starts the record of a change. Each has a number of its own, so that
// a limited sync can be cut anywhere.
func (w *writer) begin(kind calendar.ChangeKind, row *calendar.CalendarRow) (*calendar.Change, error) {
	n, err := w.tx.NextChange()
	if err != nil {
		return nil, fmt.Errorf("take change number: %w", err)
	}
	w.begun++
	ch := &calendar.Change{Owner: w.owner, Number: n, Kind: kind, When: w.now, By: w.who, Token: w.token}
	if row != nil {
		ch.Calendar, ch.Incarnation = calendar.NewID(w.owner, row.Name), row.ID
	}
	return ch, nil
}

// end completes a record: what follows from it is derived, and its jobs stored
// with those that follow besides.
func (w *writer) end(ch *calendar.Change, follow ...task) error {
	ch.Bytes, w.grown = ch.Bytes+w.grown, 0
	if err := w.derive(ch, follow); err != nil {
		return err
	}
	w.changes = append(w.changes, ch)
	return nil
}

// derive asks what jobs follow from a change. What a calendar that is deleted
// holds they can see only before.
func (w *writer) derive(ch *calendar.Change, follow []task) error {
	jobs, err := w.noteJobs()
	if err != nil {
		return fmt.Errorf("derive jobs: %w", err)
	}
	news, err := w.news(ch)
	if err != nil {
		return fmt.Errorf("derive jobs: %w", err)
	}
	jobs = append(jobs, news...)
	for _, derive := range w.s.opt.Derive {
		more, err := derive(w.ReadTx, ch)
		if err != nil {
			return fmt.Errorf("derive jobs: %w", err)
		}
		jobs = append(jobs, more...)
	}
	all := slices.Clip(follow)
	for _, job := range jobs {
		all = append(all, task{Job: job})
	}
	for seq, t := range all {
		t.JobID = calendar.JobID{Owner: w.owner, Change: ch.Number, Seq: seq}
		t.Created = w.now
		if err := w.tx.PutJob(t.Job); err != nil {
			return fmt.Errorf("store a job: %w", err)
		}
		w.jobs = append(w.jobs, t.Job)
		if t.post != nil && t.post.Lane == "" { // what only goes another way was noted before
			if err := w.traceQueued(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// purge forgets tombstones that are older than a moment, and what is too old in
// the journal and in the history.
func (w *writer) purge(before time.Time) (n int, err error) {
	if err := w.purgeTraces(w.now.Add(-w.s.opt.JournalAge)); err != nil {
		return 0, err
	}
	if err := w.purgeHistory(); err != nil {
		return 0, err
	}
	return w.purgeGone(time.Time{}, before)
}

// purgeGone forgets the tombstones of a time.
func (w *writer) purgeGone(from, before time.Time) (n int, err error) {
	rows, err := w.Calendars()
	if err != nil {
		return 0, err
	}
	for _, c := range rows {
		k, err := w.tx.Purge(c.ID, from, before)
		if err != nil {
			return 0, err
		}
		n += k
	}
	k, err := w.tx.PurgeCalendars(from, before)
	if n += k; err != nil || n == 0 {
		return 0, err
	}
	ch, err := w.begin(calendar.Purged, nil)
	if err != nil {
		return 0, err
	}
	return n, w.end(ch)
}

// keepOutcome remembers what a write with a request token answered.
func (w *writer) keepOutcome(key string, res any) error {
	text := []byte("null")
	if res != nil {
		var err error
		if text, err = json.Marshal(res); err != nil {
			return err
		}
	}
	return w.tx.SetToken(key, text, w.now)
}
