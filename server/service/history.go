package service

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/personal"
)

// historyLimit is how many entries one answer has.
const historyLimit = 10_000

// toReview is asked of who reads the history of a calendar: what was taken out of
// an object is for those who may put it back.
var toReview access = calendar.Rights.CanWrite

// past is a calendar as its history is asked for: a living one, or one that was
// deleted, of which there may be several of a name.
type past struct {
	*place
	gone    bool
	deleted *calendar.HistoryRow // with its row as JSON
}

// pasts finds the calendars of a name, the living one first, or with "" all of the
// home. Calendars that were deleted, and a whole home, are for its owner.
func (s *Service) pasts(tx calendar.ReadTx, who calendar.Actor, op string, owner calendar.Owner, id calendar.ID) (list []past, err error) {
	owns := s.administers(who, owner)
	if !owns && who.User != "" && strings.EqualFold(who.User, string(owner)) {
		row, _, err := tx.Home()
		if err != nil {
			return nil, err
		}
		if claimOn(who, owner, row.Entry) == foreign {
			return nil, s.inherited(owner)
		}
		owns = true
	}
	if id == "" && !owns {
		return nil, calendar.Failf(calendar.Denied, "", op, string(owner), "the history of a home is for its owner")
	}
	cals, err := tx.Calendars()
	if err != nil {
		return nil, err
	}
	for _, row := range cals {
		if id != "" && row.Name != id.Name() || !row.Kind.Rules().Made {
			continue
		}
		if !owns {
			if _, err := s.admit(who, op, id, &row, strings.Fields(row.CoOwners), toReview); err != nil {
				return nil, err
			}
		}
		list = append(list, past{place: s.placeFor(who, owner, row)})
	}
	if owns {
		err = tx.History(calendar.HistoryQuery{Calendars: true, Data: true}, func(h *calendar.HistoryRow) error {
			if id != "" && h.Calendar != id.Name() {
				return nil
			}
			row, err := h.CalendarRow()
			if err != nil {
				return err
			}
			kept := *h
			list = append(list, past{place: s.placeFor(who, owner, row), gone: true, deleted: &kept})
			return nil
		})
	}
	if err == nil && len(list) == 0 && id != "" {
		err = calendar.Failf(calendar.NoCalendar, "", op, string(id), "there is no such calendar, and the history knows of none that was deleted")
	}
	return list, err
}

// checkFilter refuses what cannot be asked.
func checkFilter(op string, owner calendar.Owner, f *calendar.HistoryFilter) error {
	refuse := func(msg string) error {
		return calendar.Failf(calendar.Invalid, "", op, string(owner), "%s", msg)
	}
	switch {
	case calendar.CheckOwner(owner) != nil:
		return refuse("the history of whom?")
	case f.Calendar != "" && f.Calendar.Owner() != owner:
		return refuse("the calendar is another owner's")
	case f.Name != "" && f.Calendar == "":
		return refuse("the name of an object goes with its calendar")
	case f.First < 0 || f.Last < 0 || f.Last > 0 && f.Last < f.First:
		return refuse("the numbers of changes begin with 1, and the last is not below the first")
	case !f.To.IsZero() && f.To.Before(f.From):
		return refuse("the time ends before it begins")
	}
	return nil
}

// matches tells whether something that somebody did is chosen. Where it happened
// is asked elsewhere.
func matches(f *calendar.HistoryFilter, change int64, when time.Time, by calendar.UserID, how calendar.Origin) bool {
	return change >= f.First && (f.Last == 0 || change <= f.Last) &&
		(f.From.IsZero() || !when.Before(f.From)) && (f.To.IsZero() || when.Before(f.To)) &&
		(f.By == "" || strings.EqualFold(by, f.By)) && (f.Via == "" || how.Via == f.Via) &&
		(f.Client == "" || strings.Contains(strings.ToLower(how.Client), strings.ToLower(f.Client)))
}

// isDeletion tells of endings after which the object was not there.
func isDeletion(e calendar.Ending) bool {
	return e == calendar.Removed || e == calendar.WentAlong || e == calendar.CalendarGone
}

var errEnd = errors.New("no more is wanted")

// walkHistory calls fn for the rows of what is asked for, the newest first, down to
// those that a filter leaves out for being too old. Files are no versions.
func walkHistory(tx calendar.ReadTx, list []past, f *calendar.HistoryFilter, q calendar.HistoryQuery, fn func(*past, *calendar.HistoryRow) error) error {
	of := map[int64]*past{}
	for i := range list {
		of[list[i].row.ID] = &list[i]
	}
	q.After, q.Replaces = max(f.First-1, 0), true
	each := func(h *calendar.HistoryRow) error {
		switch p := of[h.Object.Cal]; {
		case !f.From.IsZero() && h.When.Before(f.From):
			return errEnd
		case p == nil || h.End == calendar.FileDropped:
			return nil
		default:
			return fn(p, h)
		}
	}
	queries := []calendar.HistoryQuery{q}
	switch {
	case f.UID != "":
		queries[0].UID, queries[0].Name = f.UID, f.Name
	case f.Calendar != "": // what was deleted is older than what has its name now
		queries = nil
		for i := range list {
			q.Cal, q.Name = list[i].row.ID, f.Name
			queries = append(queries, q)
		}
	}
	for _, q := range queries {
		if err := tx.History(q, each); err != nil && !errors.Is(err, errEnd) {
			return err
		}
	}
	return nil
}

// firstKnown tells whether the history still knows what a version replaced.
func firstKnown(home *calendar.HomeRow, o *calendar.ObjectRow) bool {
	return o.Since != 0 && !o.Created.Before(home.HistoryFrom)
}

// wasFirst tells whether a version was its object's first, as far as is known: no
// other was replaced by the change that made it. Its row was asked for Replaces.
func wasFirst(home *calendar.HomeRow, h *calendar.HistoryRow) bool {
	return firstKnown(home, &h.Object) && !h.Replaces
}

// isFirst is wasFirst of a version that has not ended.
func isFirst(tx calendar.ReadTx, home *calendar.HomeRow, o *calendar.ObjectRow) (first bool, err error) {
	if !firstKnown(home, o) {
		return false, nil
	}
	first = true
	err = tx.History(calendar.HistoryQuery{Cal: o.Cal, Name: o.Name, After: o.Since - 1, Before: o.Since + 1}, func(h *calendar.HistoryRow) error {
		first = first && h.End != calendar.Replaced
		return nil
	})
	return first, err
}

// History streams what happened to objects and calendars of a home.
func (s *Service) History(ctx context.Context, who calendar.Actor, req calendar.HistoryRequest, emit func(calendar.HistoryEntry) error) (res calendar.HistoryResult, err error) {
	const op = "read the history"
	f := &req.Which
	if err := checkFilter(op, req.Owner, f); err != nil {
		return res, err
	}
	if req.Limit <= 0 || req.Limit > historyLimit {
		req.Limit = historyLimit
	}
	var page []calendar.HistoryEntry // a transaction may run again
	err = s.store.View(ctx, req.Owner, func(tx calendar.ReadTx) error {
		page, res = page[:0], calendar.HistoryResult{Max: s.opt.HistoryBytes, Off: s.opt.HistoryAge < 0}
		list, err := s.pasts(tx, who, op, req.Owner, f.Calendar)
		if err != nil {
			return err
		}
		home, _, err := tx.Home()
		if err != nil {
			return err
		}
		res.From, res.Octets = home.HistoryFrom, home.History
		r := &reviewer{s: s, who: who, from: tx, home: &home, req: &req, next: map[objectKey]nextVersion{}}
		if page, res.More, err = r.read(list, page); err != nil {
			return err
		}
		return nil
	})
	if err != nil {
		return res, wrap(op, string(req.Owner), err)
	}
	for _, e := range page {
		if err := emit(e); err != nil {
			return res, err
		}
	}
	return res, nil
}

// reviewer makes entries of rows.
type reviewer struct {
	s    *Service
	who  calendar.Actor
	from calendar.ReadTx
	home *calendar.HomeRow
	req  *calendar.HistoryRequest
	next map[objectKey]nextVersion // the version after the one that comes next
}

type nextVersion struct {
	change int64 // that ended the version before
	data   []byte
}

// read gathers the entries of one answer.
func (r *reviewer) read(list []past, page []calendar.HistoryEntry) (_ []calendar.HistoryEntry, more bool, err error) {
	f, req := &r.req.Which, r.req
	var made []living
	if req.Made && !f.Deleted {
		for i := range list {
			if made, err = r.made(&list[i], made); err != nil {
				return nil, false, err
			}
		}
		slices.SortStableFunc(made, func(a, b living) int { return cmp.Compare(b.row.Since, a.row.Since) })
	}
	add := func(e calendar.HistoryEntry) error {
		if len(page) == req.Limit {
			more = true
			return errEnd
		}
		page = append(page, e)
		return nil
	}
	addMade := func(change int64) error { // and those after it
		for ; len(made) > 0 && made[0].row.Since >= change; made = made[1:] {
			e, ok, err := r.creation(&made[0])
			if err == nil && ok {
				err = add(e)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	octets := 0
	q := calendar.HistoryQuery{Before: req.Before, BeforeSeq: req.BeforeSeq, Data: req.Data, Expect: req.Limit + 1}
	err = walkHistory(r.from, list, f, q, func(p *past, h *calendar.HistoryRow) error {
		if err := addMade(h.Change); err != nil {
			return err
		}
		next := nextVersion{}
		key := objectKey{h.Object.Cal, h.Object.Name}
		if req.Data {
			if next, err = r.after(p, h, key); err != nil {
				return err
			}
			r.next[key] = nextVersion{h.Change, slices.Clone(h.Object.Data)}
		}
		if !matches(f, h.Change, h.When, h.By, h.How) || f.Deleted && !isDeletion(h.End) || p.hides(&h.Object) {
			return nil
		}
		e := r.entry(p, h)
		if req.Data {
			e.Data = r.text(p, h.Object.Data)
			if h.End == calendar.Replaced {
				e.After = r.text(p, next.data)
			}
			if octets += len(e.Data) + len(e.After); octets > historyOctets {
				more = true
				return errEnd
			}
		}
		return add(e)
	})
	if err == nil && !more {
		err = addMade(0)
	}
	if errors.Is(err, errEnd) {
		err = nil
	}
	return page, more, err
}

// historyOctets bounds the texts of one answer.
const historyOctets = 32 << 20

// entry is a row as it is told.
func (r *reviewer) entry(p *past, h *calendar.HistoryRow) calendar.HistoryEntry {
	o := &h.Object
	e := calendar.HistoryEntry{Change: h.Change, Seq: h.Seq, When: h.When, End: h.End, By: h.By, Via: h.How.Via, Client: h.How.Client, Undoes: h.How.Undoes,
		Calendar: calendar.NewID(p.id.Owner(), h.Calendar), To: h.To, Name: o.Name, UID: o.UID, Component: o.Component, Type: o.ContentType,
		Version: o.Change, Created: o.Created, Modified: o.Modified, Size: o.Size}
	if o.Name != "" && wasFirst(r.home, h) {
		e.First, e.Maker, e.MadeVia, e.MadeClient = true, o.By, o.Origin.Via, o.Origin.Client
	}
	return e
}

// living is an object that may be as it came to be.
type living struct {
	p   *past
	row calendar.ObjectRow
}

// made adds the objects of a calendar that may be as they came to be, the newest as
// many as an answer has.
func (r *reviewer) made(p *past, out []living) ([]living, error) {
	if p.gone {
		return out, nil
	}
	f, req := &r.req.Which, r.req
	left := req.Limit + 1
	take := func(o *calendar.ObjectRow) (bool, error) {
		if o.Change < f.First || left == 0 {
			return false, nil
		}
		if o.Deleted.IsZero() && o.Since != 0 && (req.Before == 0 || o.Since < req.Before) && matches(f, o.Since, o.Created, o.By, o.Origin) &&
			(f.Name == "" || o.Name == f.Name) && (f.UID == "" || o.UID == f.UID) && !p.hides(o) {
			out = append(out, living{p, *o})
			left--
		}
		return true, nil
	}
	var err error
	switch {
	case f.Name != "" || f.UID != "":
		var o calendar.ObjectRow
		var ok bool
		if f.Name != "" {
			o, ok, err = r.from.Object(p.row.ID, f.Name, false)
		} else {
			o, ok, err = r.from.ObjectByUID(p.row.ID, f.UID, false)
		}
		if ok {
			_, err = take(&o)
		}
	default:
		err = r.from.Latest(p.row.ID, take)
	}
	return out, err
}

// creation is the entry of an object that is as it came to be; ok is false if it is
// not.
func (r *reviewer) creation(l *living) (e calendar.HistoryEntry, ok bool, err error) {
	o := &l.row
	if ok, err = isFirst(r.from, r.home, o); err != nil || !ok {
		return e, false, err
	}
	e = calendar.HistoryEntry{Change: o.Since, When: o.Created, End: calendar.Made, By: o.By, Via: o.Origin.Via, Client: o.Origin.Client, Undoes: o.Origin.Undoes,
		Calendar: l.p.id, Name: o.Name, UID: o.UID, Component: o.Component, Type: o.ContentType, Version: o.Change, Created: o.Created, Modified: o.Modified,
		Size: o.Size, First: true, Maker: o.By, MadeVia: o.Origin.Via, MadeClient: o.Origin.Client}
	if r.req.Data {
		whole, _, err := r.from.Object(l.p.row.ID, o.Name, true)
		if err != nil {
			return e, false, err
		}
		e.After = r.text(l.p, whole.Data)
	}
	return e, true, nil
}

// after finds the version that a change made of the one that it ended.
func (r *reviewer) after(p *past, h *calendar.HistoryRow, key objectKey) (next nextVersion, err error) {
	if h.End != calendar.Replaced {
		return next, nil
	}
	if next, ok := r.next[key]; ok {
		return next, nil
	}
	if r.req.Before != 0 { // else what ended after it would have come before
		above := false
		err = r.from.History(calendar.HistoryQuery{Cal: key.cal, Name: key.name, UID: h.Object.UID, After: h.Change, Data: true, Next: true}, func(h *calendar.HistoryRow) error {
			above, next = true, nextVersion{h.Change, slices.Clone(h.Object.Data)}
			return nil
		})
		if err != nil || above {
			return next, err
		}
	}
	if p.gone {
		return next, nil
	}
	o, _, err := r.from.Object(key.cal, key.name, true)
	return nextVersion{data: o.Data}, err
}

// text is the text of a version as the actor sees it.
func (r *reviewer) text(p *past, data []byte) []byte {
	if data == nil {
		return nil
	}
	data = slices.Clone(data)
	if !p.apart || !personal.MayHave(data) {
		return data
	}
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return data
	}
	return personal.View(cal, nil, r.s.floatingOf(nil, cache.NewCalendar(p.id.Owner(), p.row, nil))).Bytes()
}
