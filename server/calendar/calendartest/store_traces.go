package calendartest

import (
	"slices"
	"time"

	"factotum/server/calendar"
)

func (t *tx) Traces(q calendar.TraceQuery, fn func(*calendar.Trace) error) error {
	rows := slices.Clone(t.home.traces)
	if !q.OldestFirst {
		slices.Reverse(rows)
	}
	want, n := q.Matcher(), 0
	for i := range rows {
		past := q.After == 0 || q.OldestFirst && rows[i].ID > q.After || !q.OldestFirst && rows[i].ID < q.After
		if !past || !want(&rows[i]) {
			continue
		}
		if err := fn(&rows[i]); err != nil {
			return err
		}
		if n++; n == q.Limit {
			break
		}
	}
	return nil
}

func (t *tx) PutTrace(tr calendar.Trace) error {
	if tr.Owner != "" && tr.Owner != t.owner {
		return &calendar.Error{Kind: calendar.Invalid, Op: "keep the journal", Ref: string(tr.Owner)}
	}
	t.home.traced++
	tr.Owner, tr.ID = t.owner, t.home.traced
	t.setTraces(append(slices.Clone(t.home.traces), tr))
	return nil
}

func (t *tx) PurgeTraces(before time.Time, keep int) (int, error) {
	rows := t.home.traces
	for len(rows) > 0 && (rows[0].When.Before(before) || keep > 0 && len(rows) > keep) {
		rows = rows[1:]
	}
	n := len(t.home.traces) - len(rows)
	t.setTraces(rows)
	return n, nil
}

func (t *tx) setTraces(rows []calendar.Trace) {
	old := t.home.traces
	t.undo = append(t.undo, func() { t.home.traces = old })
	t.home.traces = rows
}
