package calendartest

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"factotum/server/calendar"
)

func (t *tx) History(q calendar.HistoryQuery, fn func(*calendar.HistoryRow) error) error {
	if q.Next {
		for _, h := range t.home.history {
			if o := &h.Object; o.Cal == q.Cal && o.Name == q.Name && (q.UID == "" || o.UID == q.UID) && h.Change > q.After && h.End != calendar.FileDropped {
				return fn(&h)
			}
		}
		return nil
	}
	found := 0
	for _, h := range slices.Backward(t.home.history) {
		o := &h.Object
		if q.Cal != 0 && o.Cal != q.Cal || q.Name != "" && o.Name != q.Name || q.UID != "" && o.UID != q.UID || q.Calendars && o.Name != "" ||
			h.Change <= q.After || q.Before != 0 && (h.Change > q.Before || h.Change == q.Before && h.Seq >= q.BeforeSeq) {
			continue
		}
		if !q.Data {
			o.Data = nil
		}
		if err := fn(&h); err != nil {
			return err
		}
		if found++; found == q.Limit {
			return nil
		}
	}
	return nil
}

func historyOctets(h *calendar.HistoryRow) int64 {
	n := int64(len(h.Object.Data) + calendar.HistoryOverhead)
	if len(h.Props) > 0 {
		text, _ := json.Marshal(h.Props)
		n += int64(len(text))
	}
	return n
}

// setHistory has the home keep other rows.
func (t *tx) setHistory(rows []calendar.HistoryRow, from time.Time) {
	old := t.home.history
	t.undo = append(t.undo, func() { t.home.history = old })
	t.home.history = rows
	row := t.home.row
	row.History = 0
	for i := range rows {
		row.History += historyOctets(&rows[i])
		if rows[i].When.After(row.HistoryAt) {
			row.HistoryAt = rows[i].When
		}
	}
	if from.After(row.HistoryFrom) {
		row.HistoryFrom = from
	}
	t.setHome(row)
}

func (t *tx) PutHistory(h calendar.HistoryRow) error {
	h.Object.Size = len(h.Object.Data)
	t.setHistory(append(slices.Clone(t.home.history), h), time.Time{})
	return nil
}

func (t *tx) KeepCalendar(h calendar.HistoryRow) error {
	all := append(slices.Clone(t.home.history), h)
	c := t.home.cals[h.Object.Cal]
	add := func(end calendar.Ending, v calendar.HistoryRow) {
		v.Change, v.Seq, v.When, v.End, v.By, v.How, v.Calendar = h.Change, all[len(all)-1].Seq+1, h.When, end, h.By, h.How, h.Calendar
		all = append(all, v)
	}
	for _, name := range slices.Sorted(maps.Keys(c.objs)) {
		if o := c.objs[name]; o.Deleted.IsZero() {
			add(calendar.WentAlong, calendar.HistoryRow{Object: o, Props: c.props[name]})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		for _, id := range slices.Sorted(maps.Keys(c.files[name])) {
			add(calendar.FileDropped, calendar.FileVersion(c.files[name][id]))
		}
	}
	t.setHistory(all, time.Time{})
	return nil
}

func (t *tx) PurgeHistory(before time.Time, bytes int64) (n int, err error) {
	rows := t.home.history
	left := t.home.row.History
	last := int64(0)
	var from time.Time
	for n < len(rows) {
		h := &rows[n]
		if h.Change != last && !h.When.Before(before) && (bytes <= 0 || left <= bytes) {
			break
		}
		left, last, n = left-historyOctets(h), h.Change, n+1
		from = h.When
	}
	if n > 0 {
		t.setHistory(slices.Clone(rows[n:]), from)
	}
	return n, nil
}

func (t *tx) SkipHistory(when time.Time) error {
	row := t.home.row
	if when.After(row.HistoryFrom) {
		row.HistoryFrom = when
	}
	t.setHome(row)
	return nil
}
