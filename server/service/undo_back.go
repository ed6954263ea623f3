package service

import (
	"errors"
	"slices"
	"strconv"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
)

// bringCalendar makes a calendar again as it was, for what was in it. Where one of
// its name is there, that is taken for it.
func (w *writer) bringCalendar(u *undoing) (calendar.UndoAction, error) {
	id := u.Calendar
	if !w.s.isOwner(w.who, w.owner) {
		return 0, calendar.Failf(calendar.Denied, "", w.op, string(id), "calendars come back for their owner")
	}
	all, err := w.Calendars()
	if err != nil {
		return 0, err
	}
	if slices.ContainsFunc(all, func(c calendar.CalendarRow) bool { return c.Name == id.Name() }) {
		return calendar.UndoNothing, nil
	}
	if len(all) >= w.s.opt.Limits.Calendars {
		return 0, calendar.Failf(calendar.TooMany, "", w.op, string(id), "a home holds at most %d collections", w.s.opt.Limits.Calendars)
	}
	if up, nested := parentOf(id.Name()); nested && !slices.ContainsFunc(all, func(c calendar.CalendarRow) bool { return c.Name == up && c.Kind.Rules().Nests }) {
		return 0, calendar.Failf(calendar.NoCalendar, "", w.op, string(id), "the collection above does not exist")
	}
	row, err := u.whole.CalendarRow()
	if err != nil {
		return 0, err
	}
	row.ID, row.Purged = w.s.newID(), 0
	_, err = w.createCalendar(row, u.whole.Props)
	return calendar.UndoRestored, err
}

// bringBack stores a version of the history again.
func (w *writer) bringBack(p *place, u *undoing, old *calendar.ObjectRow, force bool) error {
	ref, name := refOf(p.id, u.Name), u.Name
	h, err := versionOf(w.ReadTx, u.change, u.seq)
	if err != nil {
		return err
	}
	if p.hides(&h.Object) {
		return calendar.Failf(calendar.Denied, "", w.op, ref, "a private object is changed by its owners only")
	}
	if old == nil && u.UID != "" {
		other, taken, err := w.ObjectByUID(p.row.ID, u.UID, true)
		switch {
		case err != nil:
			return err
		case taken && !force:
			return calendar.Fail(calendar.Stale, w.op, ref)
		case taken && p.hides(&other):
			return calendar.Failf(calendar.Denied, "", w.op, ref, "a private object is changed by its owners only")
		case taken: // it has another name now
			name, old = other.Name, &other
		}
	}
	if old, err = w.clearWay(p, old, h.Object.UID); err != nil {
		return err
	}
	if p.row.Kind.Rules().Nests {
		if _, taken, err := w.Calendar(p.id.Name() + "/" + name); err != nil {
			return err
		} else if taken {
			return calendar.Failf(calendar.Exists, "", w.op, ref, "a collection of that name exists")
		}
	}
	obj, err := w.readAgain(p, h.Object.Data, h.Object.ContentType, old == nil)
	if err != nil {
		return wrap(w.op, ref, err)
	}
	how := storing{props: &h.Props}
	if h.How.Via == calendar.ViaRezone { // nobody was told of it either
		how.received, how.quiet = true, true
		_, err = w.store(p, name, obj, old, how)
		return err
	}
	next, post, err := w.schedule(p, name, obj, old, telling{})
	if err != nil {
		return err
	}
	if next != obj { // made anew: it has the same files
		next.Files = obj.Files
	}
	if how.jobs, err = posts(post); err != nil {
		return err
	}
	_, err = w.store(p, name, next, old, how)
	return err
}

// clearWay deletes what is in the place of an object with another UID, as its owner
// would, and returns what is left there.
func (w *writer) clearWay(p *place, old *calendar.ObjectRow, uid string) (*calendar.ObjectRow, error) {
	if old == nil || old.UID == uid || !p.row.Kind.Rules().Objects {
		return old, nil
	}
	post, err := w.farewell(p, old, telling{})
	if err != nil {
		return nil, err
	}
	jobs, err := posts(post)
	if err != nil {
		return nil, err
	}
	return nil, w.remove(p, *old, nil, jobs...)
}

// readAgain makes an object of a text of the history, with its files. A meeting that
// its organizer has called off and that comes back is a later revision than the
// CANCEL. RFC 5546 §2.1.4.
func (w *writer) readAgain(p *place, data []byte, contentType string, again bool) (*object.Resource, error) {
	rules := w.rules(p)
	obj, err := object.Parse(rules, data, contentType)
	if err != nil {
		return nil, err
	}
	if again && obj.Scheduled {
		if w.me == nil {
			return nil, errPerson
		}
		if o := organizerOf(obj.Calendar); o != nil && w.me.HasAddress(o.Value) {
			if obj, err = object.Restate(rules, obj, revived(obj.Calendar)); err != nil {
				return nil, err
			}
		}
	}
	for _, id := range obj.Attached {
		holders, err := w.AttachmentHolders(id)
		if err != nil {
			return nil, err
		}
		if len(holders) > 0 {
			continue
		}
		err = w.History(calendar.HistoryQuery{UID: id, Data: true}, func(h *calendar.HistoryRow) error {
			if h.End != calendar.FileDropped {
				return nil
			}
			a := h.File()
			a.Data = slices.Clone(a.Data)
			obj.Files = append(obj.Files, a)
			return errEnd
		})
		if err != nil && !errors.Is(err, errEnd) {
			return nil, err
		}
	}
	return obj, nil
}

// revived is a meeting with SEQUENCEs above that of the CANCEL that ended it.
func revived(cal *ical.Component) *ical.Component {
	out := cal.Clone()
	highest := int64(0)
	for _, c := range out.Children {
		if n, err := strconv.ParseInt(c.Text("SEQUENCE"), 10, 64); err == nil {
			highest = max(highest, n)
		}
	}
	for _, c := range out.Children {
		if c.Prop("ORGANIZER") != nil {
			c.Set("SEQUENCE", strconv.FormatInt(min(highest+2, 1<<31-1), 10))
		}
	}
	return out
}

// moveBack moves an object to where it was.
func (w *writer) moveBack(p *place, u *undoing, old *calendar.ObjectRow) error {
	ref := refOf(p.id, u.Name)
	from, ok := parseRef(u.moved)
	if !ok || from.Calendar.Owner() != w.owner {
		return calendar.Failf(calendar.Unsupported, "", w.op, ref, "it was moved to %s, which is another owner's: it has to be moved back from there", u.moved)
	}
	fp, err := w.enter(from.Calendar, toDelete)
	if err != nil {
		return err
	}
	src, err := w.object(fp, from.Name)
	switch {
	case err != nil:
		return err
	case src == nil || src.UID != u.UID:
		return calendar.Failf(calendar.NotFound, "", w.op, ref, "it was moved to %s, and is not there any more", from)
	case fp.hides(src):
		return calendar.Failf(calendar.Denied, "", w.op, ref, "a private object is changed by its owners only")
	}
	if old, err = w.clearWay(p, old, u.UID); err != nil {
		return err
	}
	props, err := w.Props(fp.row.ID, from.Name)
	if err != nil {
		return err
	}
	obj, err := object.Parse(w.rules(p), src.Data, src.ContentType)
	if err != nil {
		return wrap(w.op, ref, err)
	}
	to := calendar.Ref{Calendar: p.id, Name: u.Name}
	obj, jobs, err := w.relocate(fp, p, &calendar.CopyRequest{From: from, To: to, Move: true}, src, old, obj)
	if err != nil {
		return err
	}
	if u.text {
		h, err := versionOf(w.ReadTx, u.change, u.seq)
		if err != nil {
			return err
		}
		if obj, err = w.readAgain(p, h.Object.Data, h.Object.ContentType, false); err != nil {
			return wrap(w.op, ref, err)
		}
		files := obj.Files
		next, post, err := w.schedule(p, u.Name, obj, src, telling{})
		if err != nil {
			return err
		}
		more, err := posts(post)
		if err != nil {
			return err
		}
		next.Files, props = files, h.Props
		obj, jobs = next, append(jobs, more...)
	}
	_, err = w.carryOver(fp, p, src, to, obj, old, storing{props: &props, jobs: jobs, from: &from})
	return err
}
