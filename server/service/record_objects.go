package service

import (
	"bytes"
	"errors"
	"slices"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/object"
)

// storing is how an object comes to its place.
type storing struct {
	from  *calendar.Ref        // it was moved from there
	props *[]calendar.DeadProp // its dead properties from now on; nil: those that it has
	jobs  []task               // that follow besides
	own   *calendar.PropChange // of what the actor has of his own: fold
	alone bool                 // nothing else of it changes

	// The server stores it, for what others did: the double booking of time is
	// its owner's to decide. quiet: nothing of it is of consequence to him, and
	// the Schedule-Tag stays. RFC 6638 §3.2.10.
	received bool
	quiet    bool
	// It notes what became of messages (SCHEDULE-STATUS), and nothing that
	// somebody wrote: no version of its own.
	settles bool
}

// store makes or replaces an object. old is what the place has under that
// name, with its text, or nil.
func (w *writer) store(p *place, name string, obj *object.Resource, old *calendar.ObjectRow, how storing) (calendar.Object, error) {
	s, row := w.s, &p.row
	ref := refOf(p.id, name)
	exists := old != nil
	if exists && old.UID != obj.UID && row.Kind.Rules().Objects {
		// The UID of a resource changes only by deleting it first: clients
		// would otherwise lose the old object without a tombstone of its UID.
		return calendar.Object{}, &calendar.Error{Kind: calendar.UIDConflict, Op: w.op, Ref: ref, Msg: "the object there has another UID"}
	}
	had := calendar.ObjectRow{}
	if exists {
		had = *old
	}
	var files filing
	if had.Attached || len(obj.Attached) > 0 {
		var err error
		if files, err = w.filing(row.ID, name, obj); err != nil {
			return calendar.Object{}, err
		}
	}
	if err := w.roomInHome(ref, int64(len(obj.Data))+files.grow-int64(had.Size)); err != nil {
		return calendar.Object{}, err
	}
	retimed := !exists || had.OccHash != obj.OccHash
	if row.NoDoubles && row.Kind.Rules().Objects && retimed && !how.received {
		if err := s.checkDoubles(w, p, name, obj); err != nil {
			return calendar.Object{}, err
		}
	}
	ch, err := w.begin(calendar.ObjectStored, row)
	if err != nil {
		return calendar.Object{}, err
	}
	o := calendar.ObjectRow{Cal: row.ID, Name: name, UID: obj.UID, Component: obj.Component, Change: ch.Number,
		Created: w.now, Modified: w.now, Size: len(obj.Data), ContentType: obj.ContentType, Private: obj.Class,
		Lacks: obj.Lacks, OccHash: obj.OccHash, By: w.who.User, Since: ch.Number, Origin: w.origin(), Attached: files.kept, Data: obj.Data}
	same := exists && (how.alone || how.settles || how.props == nil && bytes.Equal(had.Data, obj.Data))
	switch {
	case !exists:
		if o.Created, err = w.notBefore(); err != nil {
			return calendar.Object{}, err
		}
	case same:
		o.Created, o.Since, o.Origin = had.Created, had.Since, had.Origin
	default:
		o.Created = had.Created
	}
	if how.alone {
		o.By = had.By
	}
	switch { // RFC 6638 §3.2.10
	case how.quiet && had.ScheduleTag != 0:
		o.ScheduleTag = had.ScheduleTag
	case obj.Scheduled:
		o.ScheduleTag = ch.Number
	}
	ch.Name, ch.MovedFrom, ch.Bytes = name, how.from, int64(o.Size)-int64(had.Size)
	var was []calendar.OccurrenceRow
	put := w.tx.PutObject
	if retimed {
		if exists {
			if was, err = w.ObjectOccurrences(row.ID, name); err != nil {
				return calendar.Object{}, err
			}
			was = nonNil(was)
		}
		for i := range obj.Occurrences {
			obj.Occurrences[i].Name = name
		}
		put = func(o calendar.ObjectRow) error { return w.tx.PutIndexed(o, obj.Occurrences) }
	}
	var props []calendar.DeadProp
	if exists {
		if props, err = w.Props(row.ID, name); err != nil {
			return calendar.Object{}, err
		}
		if !same {
			if err := w.keepVersion(ch, row, had, props, calendar.Replaced, nil); err != nil {
				return calendar.Object{}, err
			}
		}
	}
	if err := put(o); err != nil {
		if errors.Is(err, calendar.UIDConflict) {
			return calendar.Object{}, w.uidConflict(p, obj.UID)
		}
		return calendar.Object{}, err
	}
	if err := w.file(ch, row, name, files); err != nil {
		return calendar.Object{}, err
	}
	if err := w.tx.TouchCalendar(row.ID, ch.Number, w.now); err != nil {
		return calendar.Object{}, err
	}
	if exists {
		ch.Before = calendar.NewVersion(had, was, nil)
		ch.Before.Props = props
	}
	if how.props != nil {
		if err := w.replaceProps(row.ID, name, len(props) > 0, *how.props); err != nil {
			return calendar.Object{}, err
		}
		props = *how.props
	}
	if how.own != nil {
		if props, err = w.changeProps(row.ID, name, ref, []calendar.PropChange{*how.own}); err != nil {
			return calendar.Object{}, err
		}
	}
	var is []calendar.OccurrenceRow
	if retimed {
		is = nonNil(obj.Occurrences)
	}
	ch.After = calendar.NewVersion(o, is, obj.Calendar)
	ch.After.Props = props
	if err := w.remind(&p.row, ch.Before, ch.After); err != nil {
		return calendar.Object{}, err
	}
	return *cache.ObjectOf(&o, p.id, nil).Meta(), w.end(ch, how.jobs...)
}

func nonNil(rows []calendar.OccurrenceRow) []calendar.OccurrenceRow {
	if rows == nil {
		return []calendar.OccurrenceRow{}
	}
	return slices.Clone(rows)
}

// uidConflict names the object that has the UID. On PostgreSQL the failed
// statement may have ended the transaction; then the name is left out.
func (w *writer) uidConflict(p *place, uid string) error {
	e := &calendar.Error{Kind: calendar.UIDConflict, Op: w.op, Ref: string(p.id), Msg: "another object of this calendar has the same UID"}
	if other, ok, err := w.ObjectByUID(p.row.ID, uid, false); err == nil && ok {
		e.Ref = refOf(p.id, other.Name)
	}
	return e
}

// remove deletes an object, its occurrences, files and dead properties, and
// leaves a tombstone. to is where it was moved to, or nil.
func (w *writer) remove(p *place, old calendar.ObjectRow, to *calendar.Ref, jobs ...task) error {
	ch, err := w.begin(calendar.ObjectDeleted, &p.row)
	if err != nil {
		return err
	}
	was, err := w.ObjectOccurrences(p.row.ID, old.Name)
	if err != nil {
		return err
	}
	props, err := w.Props(p.row.ID, old.Name)
	if err != nil {
		return err
	}
	ch.Name, ch.MovedTo, ch.Bytes = old.Name, to, -int64(old.Size)
	ch.Before = calendar.NewVersion(old, nonNil(was), nil)
	ch.Before.Props = props
	end := calendar.Removed
	if to != nil {
		end = calendar.MovedAway
	}
	if err := w.keepVersion(ch, &p.row, old, props, end, to); err != nil {
		return err
	}
	if err := w.tx.DeleteObject(p.row.ID, old.Name, ch.Number, w.now, w.who.User); err != nil {
		return err
	}
	if old.Attached {
		files, err := w.filing(p.row.ID, old.Name, &object.Resource{})
		if err != nil {
			return err
		}
		if err := w.file(ch, &p.row, old.Name, files); err != nil {
			return err
		}
	}
	if err := w.tx.TouchCalendar(p.row.ID, ch.Number, w.now); err != nil {
		return err
	}
	if err := w.remind(&p.row, ch.Before, nil); err != nil {
		return err
	}
	return w.end(ch, jobs...)
}

// file carries out a filing, as part of a change.
func (w *writer) file(ch *calendar.Change, row *calendar.CalendarRow, name string, f filing) error {
	cal := row.ID
	for i, a := range f.drop {
		if err := w.keepFile(ch, row, a, int64(i+1)); err != nil {
			return err
		}
		if err := w.tx.DeleteAttachments(cal, name, a.ID); err != nil {
			return err
		}
	}
	for _, from := range f.copy {
		a, ok, err := w.Attachment(from.Cal, from.Name, from.ID)
		if err != nil {
			return err
		}
		if !ok {
			return &calendar.Error{Kind: calendar.Internal, Op: "copy an attachment", Msg: "the file is gone"}
		}
		a.Cal, a.Name = cal, name
		if err := w.tx.PutAttachment(a); err != nil {
			return err
		}
	}
	for _, a := range f.store {
		a.Cal, a.Name, a.Created = cal, name, w.now
		if err := w.tx.PutAttachment(a); err != nil {
			return err
		}
	}
	w.grown += f.grow
	return nil
}
