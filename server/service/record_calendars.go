package service

import "factotum/server/calendar"

// createCalendar makes a calendar with its dead properties.
func (w *writer) createCalendar(row calendar.CalendarRow, props []calendar.DeadProp) (*place, error) {
	ch, err := w.begin(calendar.CalendarCreated, &row)
	if err != nil {
		return nil, err
	}
	if row, err = w.withProxies(row); err != nil {
		return nil, err
	}
	row.Change, row.MetaChange, row.Created, row.Modified = ch.Number, ch.Number, w.now, w.now
	if err := w.tx.InsertCalendar(row); err != nil {
		return nil, err
	}
	if err := w.replaceProps(row.ID, "", false, props); err != nil {
		return nil, err
	}
	ch.CalendarAfter, ch.PropsAfter = &row, props
	if err := w.end(ch); err != nil {
		return nil, err
	}
	return w.made(row), nil
}

// made is the place that a use case has made itself.
func (w *writer) made(row calendar.CalendarRow) *place {
	return w.s.placeFor(w.who, w.owner, row)
}

// changeCalendar sets properties of a calendar. regroup: others see private
// objects in full from now on, or no longer. No change of the objects would
// tell them, so that the tokens that they have end.
func (w *writer) changeCalendar(p *place, row calendar.CalendarRow, regroup bool, changes []calendar.PropChange) error {
	ch, err := w.begin(calendar.CalendarChanged, &row)
	if err != nil {
		return err
	}
	if regroup {
		row.Purged = ch.Number
	}
	row.Change, row.MetaChange, row.Modified = ch.Number, ch.Number, w.now
	if err := w.tx.UpdateCalendar(row); err != nil {
		return err
	}
	if ch.PropsBefore, err = w.Props(row.ID, ""); err != nil {
		return err
	}
	if ch.PropsAfter, err = w.changeProps(row.ID, "", string(p.id), changes); err != nil {
		return err
	}
	ch.CalendarBefore, ch.CalendarAfter = &p.row, &row
	var jobs []task
	if w.s.opt.Alarms.wants().Any() && row.Kind.Rules().Objects && (row.TZID != p.row.TZID || row.Timezone != p.row.Timezone) {
		if jobs, err = replan(row.ID); err != nil { // floating times are others
			return err
		}
	}
	return w.end(ch, jobs...)
}

// renameCalendar gives a calendar another name and leaves a tombstone of the
// old one, so that the sync of the home tells of it.
func (w *writer) renameCalendar(row calendar.CalendarRow, name string) error {
	before := row
	row.Name = name
	ch, err := w.begin(calendar.CalendarChanged, &row)
	if err != nil {
		return err
	}
	ch.MovedFrom = &calendar.Ref{Calendar: calendar.NewID(w.owner, before.Name)}
	if ch.PropsBefore, err = w.Props(row.ID, ""); err != nil {
		return err
	}
	ch.PropsAfter = ch.PropsBefore
	gone := calendar.CalendarRow{ID: w.s.newID(), Name: before.Name, Kind: row.Kind, Change: ch.Number, MetaChange: ch.Number, Created: w.now, Modified: w.now}
	row.MetaChange, row.Change, row.Modified = ch.Number, ch.Number, w.now
	if err := w.tx.UpdateCalendar(row); err != nil {
		return err
	}
	if err := w.tx.InsertCalendar(gone); err != nil {
		return err
	}
	if err := w.tx.DeleteCalendar(gone.ID, ch.Number, w.now); err != nil {
		return err
	}
	ch.CalendarBefore, ch.CalendarAfter = &before, &row
	return w.end(ch)
}

// deleteCalendar removes a collection and all in it.
func (w *writer) deleteCalendar(row calendar.CalendarRow, how telling) error {
	jobs, err := w.farewells(row, how)
	if err != nil {
		return err
	}
	ch, err := w.begin(calendar.CalendarDeleted, &row)
	if err != nil {
		return err
	}
	ch.CalendarBefore = &row
	if ch.PropsBefore, err = w.Props(row.ID, ""); err != nil {
		return err
	}
	w.unshare(&row, ch.PropsBefore)
	ch.Members = func(fn func(*calendar.Version) error) error {
		return w.Objects(row.ID, "", true, func(o *calendar.ObjectRow) error { return fn(calendar.NewVersion(*o, nil, nil)) })
	}
	if err := w.end(ch, jobs...); err != nil { // before: derivations look at the members
		return err
	}
	ch.Members = nil
	before, _, err := w.Home()
	if err != nil {
		return err
	}
	if err := w.keepCalendar(ch, row); err != nil {
		return err
	}
	if err := w.tx.DeleteCalendar(row.ID, ch.Number, w.now); err != nil {
		return err
	}
	if err := w.dropAlarms(&row); err != nil {
		return err
	}
	after, _, err := w.Home()
	ch.Bytes += after.Bytes - before.Bytes
	return err
}
