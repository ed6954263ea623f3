package calendartest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
)

func (t *tx) Object(cal int64, name string, data bool) (calendar.ObjectRow, bool, error) {
	c := t.home.cals[cal]
	if c == nil {
		return calendar.ObjectRow{}, false, nil
	}
	o, ok := c.objs[name]
	if !ok || !o.Deleted.IsZero() {
		return calendar.ObjectRow{}, false, nil
	}
	if !data {
		o.Data = nil
	}
	return o, true, nil
}

func (t *tx) ObjectByUID(cal int64, uid string, data bool) (calendar.ObjectRow, bool, error) {
	if c := t.home.cals[cal]; c != nil {
		for name, o := range c.objs {
			if o.UID == uid && o.Deleted.IsZero() {
				return t.Object(cal, name, data)
			}
		}
	}
	return calendar.ObjectRow{}, false, nil
}

func (t *tx) ObjectsByName(cal int64, names []string, data bool) (out []calendar.ObjectRow, err error) {
	for _, n := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if o, ok, _ := t.Object(cal, n, data); ok {
			out = append(out, o)
		}
	}
	return out, nil
}

func (t *tx) Objects(cal int64, after string, data bool, fn func(*calendar.ObjectRow) error) error {
	c := t.home.cals[cal]
	if c == nil {
		return nil
	}
	for _, n := range slices.Sorted(maps.Keys(c.objs)) {
		if o, ok, _ := t.Object(cal, n, data); ok && n > after {
			if err := fn(&o); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *tx) Meetings(cal int64) (names []string, err error) {
	err = t.Objects(cal, "", false, func(o *calendar.ObjectRow) error {
		if o.ScheduleTag != 0 {
			names = append(names, o.Name)
		}
		return nil
	})
	return names, err
}

func (c *collection) count() (n int, bytes int64) {
	for _, o := range c.objs {
		if o.Deleted.IsZero() {
			n++
			bytes += int64(o.Size)
		}
	}
	return n, bytes
}

// octets sums up the files of one object.
func (c *collection) octets(name string) (n int64) {
	for _, a := range c.files[name] {
		n += a.Size
	}
	return n
}

func (t *tx) CountObjects(cal int64) (int, int64, error) {
	n, bytes := t.collection(cal).count()
	return n, bytes, nil
}

func (t *tx) PutObject(row calendar.ObjectRow) error {
	if other, ok, _ := t.ObjectByUID(row.Cal, row.UID, false); ok && row.UID != "" && other.Name != row.Name {
		return &calendar.Error{Kind: calendar.UIDConflict, Op: "put object"}
	}
	old, _, _ := t.Object(row.Cal, row.Name, false)
	h := t.home.row
	h.Bytes += int64(row.Size - old.Size)
	t.setHome(h)
	set(t, t.home.cals[row.Cal].objs, row.Name, row)
	return nil
}

func (t *tx) PutIndexed(row calendar.ObjectRow, occ []calendar.OccurrenceRow) error {
	if err := t.PutObject(row); err != nil {
		return err
	}
	return t.SetOccurrences(row.Cal, row.Name, occ)
}

func (t *tx) DeleteObject(cal int64, name string, change int64, when time.Time, by calendar.UserID) error {
	o, ok, _ := t.Object(cal, name, true)
	if !ok {
		return nil
	}
	h := t.home.row
	h.Bytes -= int64(o.Size)
	t.setHome(h)
	o.Change, o.Deleted, o.By, o.ContentType = change, when, by, ""
	set(t, t.home.cals[cal].objs, name, o)
	if err := t.SetOccurrences(cal, name, nil); err != nil {
		return err
	}
	return t.DeleteProps(cal, name)
}

func (t *tx) Changes(cal, since int64, limit int, data bool, fn func(*calendar.ObjectRow) error) error {
	var rows []calendar.ObjectRow
	for _, o := range t.collection(cal).objs {
		if o.Change > since {
			rows = append(rows, o)
		}
	}
	slices.SortFunc(rows, func(a, b calendar.ObjectRow) int {
		return cmp.Or(cmp.Compare(a.Change, b.Change), strings.Compare(a.Name, b.Name))
	})
	if limit > 0 {
		rows = rows[:min(len(rows), limit)]
	}
	for i := range rows {
		if !data {
			rows[i].Data = nil
		}
		if err := fn(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Gone(cal int64, from, to time.Time, data bool, fn func(*calendar.ObjectRow) error) error {
	var rows []calendar.ObjectRow
	for _, o := range t.collection(cal).objs {
		if !o.Deleted.IsZero() && !o.Deleted.Before(from) && (to.IsZero() || o.Deleted.Before(to)) {
			rows = append(rows, o)
		}
	}
	slices.SortFunc(rows, func(a, b calendar.ObjectRow) int {
		return cmp.Or(a.Deleted.Compare(b.Deleted), strings.Compare(a.Name, b.Name))
	})
	for i := range rows {
		if !data {
			rows[i].Data = nil
		}
		if err := fn(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) Latest(cal int64, fn func(*calendar.ObjectRow) (bool, error)) error {
	var rows []calendar.ObjectRow
	err := t.Changes(cal, 0, 0, false, func(o *calendar.ObjectRow) error {
		rows = append(rows, *o)
		return nil
	})
	for i := len(rows) - 1; i >= 0 && err == nil; i-- {
		var more bool
		if more, err = fn(&rows[i]); !more {
			break
		}
	}
	return err
}

func (t *tx) Purge(cal int64, from, before time.Time) (n int, err error) {
	c := t.home.cals[cal]
	row := c.row
	for name, o := range c.objs {
		if !o.Deleted.IsZero() && o.Deleted.Before(before) && !o.Deleted.Before(from) {
			row.Purged = max(row.Purged, o.Change)
			unset(t, c.objs, name)
			n++
		}
	}
	return n, t.UpdateCalendar(row)
}

func (t *tx) Occurrences(cal, from, to int64, fn func(calendar.OccurrenceRow) error) error {
	for _, rows := range t.collection(cal).occ {
		for _, r := range rows {
			if r.Start < to && (r.End > from || r.Start == r.End && r.Start >= from) {
				if err := fn(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (t *tx) ObjectOccurrences(cal int64, name string) ([]calendar.OccurrenceRow, error) {
	return slices.Clone(t.collection(cal).occ[name]), nil
}

func (t *tx) SetOccurrences(cal int64, name string, rows []calendar.OccurrenceRow) error {
	set(t, t.home.cals[cal].occ, name, slices.Clone(rows))
	return nil
}
