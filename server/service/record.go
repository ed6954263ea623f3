package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/object"
)

// This file alone writes to the store. Each function is one kind of change: it
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

// task is a job that a use case adds to a change itself, with the post that it is
// made of, if it is of kind calendar.JobDeliver.
type task struct {
	calendar.Job
	post *calendar.Post
}

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

// posts makes jobs of posts; those that are nil are none.
func posts(all ...*calendar.Post) (jobs []task, err error) {
	for _, p := range all {
		if p == nil {
			continue
		}
		job, err := p.Job()
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, task{job, p})
	}
	return jobs, nil
}

// posted records that messages went out, and nothing else.
func (w *writer) posted(jobs ...task) error {
	ch, err := w.begin(calendar.Posted, nil)
	if err != nil {
		return err
	}
	return w.end(ch, jobs...)
}

// finish deletes a job together with what it did, so that this is not done again
// when the process ends before the worker hears of it. false: it was done before.
func (w *writer) finish(job calendar.JobID) (first bool, err error) {
	if job == (calendar.JobID{}) {
		return true, nil // no job's doing
	}
	if _, first, err = w.Job(job.Change, job.Seq); err != nil || !first {
		return false, err
	}
	return true, w.tx.DeleteJob(job.Change, job.Seq)
}

// keepJob stores a job beside those that follow from a change, or again.
func (w *writer) keepJob(job calendar.Job) error {
	if job.Created.IsZero() {
		job.Created = w.now
	}
	if err := w.tx.PutJob(job); err != nil {
		return fmt.Errorf("store a job: %w", err)
	}
	w.jobs = append(w.jobs, job)
	return nil
}

// dropJob deletes a job without a key.
func (w *writer) dropJob(id calendar.JobID) error {
	if err := w.tx.DeleteJob(id.Change, id.Seq); err != nil {
		return fmt.Errorf("delete a job: %w", err)
	}
	w.gone = append(w.gone, id)
	return nil
}

// mostFollowing is how many jobs one job may leave behind.
const mostFollowing = 1 << 12

// followUp stores the jobs that a job leaves behind when it is done: they follow
// from the same change, which has no other of their places.
func (w *writer) followUp(done calendar.JobID, jobs []calendar.Job) error {
	if len(jobs) > mostFollowing {
		return &calendar.Error{Kind: calendar.Internal, Op: w.op, Msg: "too many jobs follow from one"}
	}
	for i := range jobs {
		jobs[i].JobID = followingID(done, i)
		if err := w.keepJob(jobs[i]); err != nil {
			return err
		}
	}
	return nil
}

// followingID is the id of the i-th job that a job leaves behind.
func followingID(done calendar.JobID, i int) calendar.JobID {
	return calendar.JobID{Owner: done.Owner, Change: done.Change, Seq: (done.Seq+1)*mostFollowing + i}
}

// putRegistration keeps a registration. That is no change that anybody syncs.
func (w *writer) putRegistration(row calendar.RegistrationRow) error {
	if err := w.tx.PutRegistration(row); err != nil {
		return fmt.Errorf("keep a registration: %w", err)
	}
	return nil
}

func (w *writer) dropRegistration(id string) error {
	if err := w.tx.DeleteRegistration(id); err != nil {
		return fmt.Errorf("drop a registration: %w", err)
	}
	return nil
}

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
	if limit := s.opt.Limits.HomeBytes; limit > 0 {
		grow := int64(len(obj.Data)) + files.grow - int64(had.Size)
		if home, _, err := w.Home(); err != nil {
			return calendar.Object{}, err
		} else if grow > 0 && home.Bytes+grow > limit {
			return calendar.Object{}, calendar.Failf(calendar.OverQuota, "", w.op, ref, "the home's quota of %d octets is used up", limit)
		}
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
		Lacks: obj.Lacks, OccHash: obj.OccHash, By: w.who.User, Attached: files.kept, Data: obj.Data}
	if exists {
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
	if err := put(o); err != nil {
		if errors.Is(err, calendar.UIDConflict) {
			return calendar.Object{}, w.uidConflict(p, obj.UID)
		}
		return calendar.Object{}, err
	}
	if err := w.file(row.ID, name, files); err != nil {
		return calendar.Object{}, err
	}
	if err := w.tx.TouchCalendar(row.ID, ch.Number, w.now); err != nil {
		return calendar.Object{}, err
	}
	var props []calendar.DeadProp
	if exists {
		if props, err = w.Props(row.ID, name); err != nil {
			return calendar.Object{}, err
		}
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
	if err := w.tx.DeleteObject(p.row.ID, old.Name, ch.Number, w.now, w.who.User); err != nil {
		return err
	}
	if old.Attached {
		files, err := w.filing(p.row.ID, old.Name, &object.Resource{})
		if err != nil {
			return err
		}
		if err := w.file(p.row.ID, old.Name, files); err != nil {
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

// changeObjectProps changes dead properties of an object. The home's number
// moves so that nothing read before is taken for what is there; the calendar's
// does not: its members are as they were.
func (w *writer) changeObjectProps(p *place, o calendar.ObjectRow, changes []calendar.PropChange) error {
	ch, err := w.begin(calendar.ObjectProps, &p.row)
	if err != nil {
		return err
	}
	before, err := w.Props(p.row.ID, o.Name)
	if err != nil {
		return err
	}
	after, err := w.changeProps(p.row.ID, o.Name, refOf(p.id, o.Name), changes)
	if err != nil {
		return err
	}
	ch.Name = o.Name
	ch.Before, ch.After = calendar.NewVersion(o, nil, nil), calendar.NewVersion(o, nil, nil)
	ch.Before.Props, ch.After.Props = before, after
	return w.end(ch)
}

// changeProps carries out the instructions of a PROPPATCH on a resource, whose
// dead properties it returns.
func (w *writer) changeProps(cal int64, name, ref string, changes []calendar.PropChange) ([]calendar.DeadProp, error) {
	for _, ch := range changes {
		var err error
		if ch.Remove {
			err = w.tx.DeleteProp(cal, name, ch.Prop.Space, ch.Prop.Local)
		} else {
			err = w.tx.SetProp(cal, name, ch.Prop)
		}
		if err != nil {
			return nil, err
		}
	}
	have, err := w.Props(cal, name)
	if err != nil {
		return nil, err
	}
	if _, rest := calendar.CutPersonal(have); len(changes) > 0 && len(rest) > w.s.opt.Limits.Props {
		return nil, calendar.Failf(calendar.TooLarge, "", w.op, ref, "a resource keeps at most %d properties", w.s.opt.Limits.Props)
	}
	return have, nil
}

func (w *writer) replaceProps(cal int64, name string, had bool, props []calendar.DeadProp) error {
	if had {
		if err := w.tx.DeleteProps(cal, name); err != nil {
			return err
		}
	}
	for _, p := range props {
		if err := w.tx.SetProp(cal, name, p); err != nil {
			return err
		}
	}
	return nil
}

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

// purge forgets tombstones that are older than a moment, and what is too old in
// the journal.
func (w *writer) purge(before time.Time) (n int, err error) {
	if err := w.purgeTraces(w.now.Add(-w.s.opt.JournalAge)); err != nil {
		return 0, err
	}
	rows, err := w.Calendars()
	if err != nil {
		return 0, err
	}
	for _, c := range rows {
		k, err := w.tx.Purge(c.ID, before)
		if err != nil {
			return 0, err
		}
		n += k
	}
	k, err := w.tx.PurgeCalendars(before)
	if n += k; err != nil || n == 0 {
		return 0, err
	}
	ch, err := w.begin(calendar.Purged, nil)
	if err != nil {
		return 0, err
	}
	return n, w.end(ch)
}

// setPrefs changes preferences.
func (w *writer) setPrefs(set map[string]string, remove []string) error {
	before, err := w.Prefs()
	if err != nil {
		return err
	}
	ch, err := w.begin(calendar.PrefsChanged, nil)
	if err != nil {
		return err
	}
	after := maps.Clone(before)
	maps.Copy(after, set)
	for _, k := range remove {
		delete(after, k)
	}
	w.answerInvites(before, after)
	calendar.SettleShares(w.owner, ch.Number, before, after)
	for k, v := range after {
		if old, had := before[k]; !had || old != v {
			if err := w.tx.SetPref(k, v); err != nil {
				return err
			}
		}
	}
	for k := range before {
		if _, stays := after[k]; !stays {
			if err := w.tx.DeletePref(k); err != nil {
				return err
			}
		}
	}
	ch.PrefsBefore, ch.PrefsAfter = before, after
	return w.end(ch)
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

// file carries out a filing.
func (w *writer) file(cal int64, name string, f filing) error {
	for _, a := range f.drop {
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

// setEntry notes whose home it is. That is no change that anybody syncs.
func (w *writer) setEntry(entry string) error {
	if err := w.tx.SetEntry(entry); err != nil {
		return fmt.Errorf("note whose home it is: %w", err)
	}
	return nil
}

// mender is a writer that makes anew what is kept beside the texts. csdb rebuild.
type mender struct{ *writer }

// mend runs fn, and records that what memory has of the home is to be read again.
func (w *writer) mend(fn func(mender) error) error {
	ch, err := w.begin(calendar.Rebuilt, nil)
	if err != nil {
		return err
	}
	if err := fn(mender{w}); err != nil {
		return err
	}
	if err := w.tx.Recount(); err != nil {
		return err
	}
	return w.end(ch)
}

func (m mender) index(cal int64, name string, rows []calendar.OccurrenceRow) error {
	return m.tx.SetOccurrences(cal, name, rows)
}

// rename notes the UID of an object.
func (m mender) rename(o calendar.ObjectRow, uid string) error {
	o.UID = uid
	return m.tx.PutObject(o)
}

// classify notes what the CLASS of an object counts as.
func (m mender) classify(o calendar.ObjectRow, class uint8) error {
	o.Private = class
	return m.tx.PutObject(o)
}

// mark notes whether an object has files.
func (m mender) mark(o calendar.ObjectRow, attached bool) error {
	o.Attached = attached
	return m.tx.PutObject(o)
}

func (m mender) drop(a calendar.AttachmentRow) error {
	return m.tx.DeleteAttachments(a.Cal, a.Name, a.ID)
}

// copyFile stores a file with another object, or again with its own; its size
// is then that of what is there.
func (m mender) copyFile(from calendar.AttachmentRow, to objectKey) error {
	a, ok, err := m.Attachment(from.Cal, from.Name, from.ID)
	if err != nil || !ok {
		return err
	}
	a.Cal, a.Name = to.cal, to.name
	return m.tx.PutAttachment(a)
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
