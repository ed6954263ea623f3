package calendartest

import (
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
)

func (t *tx) Calendars() ([]calendar.CalendarRow, error) {
	var out []calendar.CalendarRow
	for _, c := range t.home.cals {
		out = append(out, c.row)
	}
	slices.SortFunc(out, func(a, b calendar.CalendarRow) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (t *tx) Calendar(name string) (calendar.CalendarRow, bool, error) {
	for _, c := range t.home.cals {
		if c.row.Name == name {
			return c.row, true, nil
		}
	}
	return calendar.CalendarRow{}, false, nil
}

func (t *tx) InsertCalendar(row calendar.CalendarRow) error {
	if _, taken, _ := t.Calendar(row.Name); taken {
		return &calendar.Error{Kind: calendar.Exists, Op: "insert calendar"}
	}
	set(t, t.home.cals, row.ID, &collection{
		row: row, objs: map[string]calendar.ObjectRow{}, occ: map[string][]calendar.OccurrenceRow{}, props: map[string][]calendar.DeadProp{},
		files: map[string]map[string]calendar.AttachmentRow{},
	})
	return nil
}

func (t *tx) UpdateCalendar(row calendar.CalendarRow) error {
	c := t.home.cals[row.ID]
	old := c.row
	t.undo = append(t.undo, func() { c.row = old })
	c.row = row
	return nil
}

func (t *tx) TouchCalendar(id, change int64, modified time.Time) error {
	row := t.home.cals[id].row
	row.Change, row.Modified = change, modified
	return t.UpdateCalendar(row)
}

func (t *tx) DeleteCalendar(id, change int64, when time.Time) error {
	c := t.home.cals[id]
	_, bytes := c.count()
	for name := range c.files {
		bytes += c.octets(name)
	}
	t.grow(-bytes)
	unset(t, t.home.cals, id)
	old := t.home.gone
	t.undo = append(t.undo, func() { t.home.gone = old })
	t.home.gone = append(slices.Clone(old), calendar.GoneCalendar{ID: id, Name: c.row.Name, Change: change, Deleted: when})
	return nil
}

func (t *tx) GoneCalendars(since int64) ([]calendar.GoneCalendar, error) {
	return slices.DeleteFunc(slices.Clone(t.home.gone), func(g calendar.GoneCalendar) bool { return g.Change <= since }), nil
}

// collection is a calendar, an empty one if it is gone.
func (t *tx) collection(id int64) *collection {
	if c := t.home.cals[id]; c != nil {
		return c
	}
	return &collection{}
}

func (t *tx) PurgeCalendars(from, before time.Time) (n int, err error) {
	row, old := t.home.row, t.home.gone
	kept := slices.DeleteFunc(slices.Clone(old), func(g calendar.GoneCalendar) bool {
		if !g.Deleted.Before(before) || g.Deleted.Before(from) {
			return false
		}
		row.Purged = max(row.Purged, g.Change)
		return true
	})
	t.undo = append(t.undo, func() { t.home.gone = old })
	t.home.gone = kept
	t.setHome(row)
	return len(old) - len(kept), nil
}
