package service

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// planner gathers undoings.
type planner struct {
	s      *Service
	from   calendar.ReadTx
	home   calendar.HomeRow
	req    *calendar.UndoRequest
	all    map[objectKey]*undoing
	seen   map[objectKey]bool               // something newer is not chosen
	marks  map[objectKey]map[int64]undoneBy // changes that newer ones took back, and by which
	chosen map[int64]bool                   // the changes
	latest map[string]int64                 // of several calendars of a name the one that was deleted last
}

type undoneBy []int64

// plan says what is to be done: calendars first, then moves, then what goes, which
// makes room for what comes back.
func (s *Service) plan(tx calendar.ReadTx, who calendar.Actor, op string, req *calendar.UndoRequest) ([]*undoing, error) {
	list, err := s.pasts(tx, who, op, req.Owner, req.Which.Calendar)
	if err != nil {
		return nil, err
	}
	p := &planner{s: s, from: tx, req: req, all: map[objectKey]*undoing{}, seen: map[objectKey]bool{},
		marks: map[objectKey]map[int64]undoneBy{}, chosen: map[int64]bool{}, latest: map[string]int64{}}
	if p.home, _, err = tx.Home(); err != nil {
		return nil, err
	}
	f := &req.Which
	if !f.Deleted {
		for i := range list {
			if err := p.creations(&list[i]); err != nil {
				return nil, err
			}
		}
	}
	if err := walkHistory(tx, list, f, calendar.HistoryQuery{}, p.row); err != nil {
		return nil, err
	}
	if !f.Deleted { // who brings back what was deleted wants that too
		p.dropMade(list)
	}
	// All that was moved is found by where it went first, before that is changed.
	went := map[objectKey]string{}
	for key, u := range p.all {
		went[key] = u.moved
	}
	var out []*undoing
	for key, u := range p.all {
		if u.moved != "" {
			if err := p.follow(req.Owner, key, u, went); err != nil {
				return nil, err
			}
		}
	}
	for key, u := range p.all {
		if err := p.look(list, key, u); err != nil {
			return nil, err
		}
		out = append(out, u)
	}
	rank := func(u *undoing) int {
		switch {
		case u.whole != nil:
			return 0
		case u.moved != "":
			return 1
		case u.goes:
			return 2
		}
		return 3
	}
	slices.SortFunc(out, func(a, b *undoing) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(string(a.Calendar), string(b.Calendar)), strings.Compare(a.Name, b.Name))
	})
	return out, nil
}

// creations looks for objects that are as they came to be, by what is chosen.
func (p *planner) creations(past *past) error {
	if past.gone {
		return nil
	}
	f := &p.req.Which
	return p.from.Latest(past.row.ID, func(o *calendar.ObjectRow) (bool, error) {
		if o.Change < f.First {
			return false, nil
		}
		if !o.Deleted.IsZero() || f.Name != "" && o.Name != f.Name || f.UID != "" && o.UID != f.UID || past.hides(o) {
			return true, nil
		}
		if o.Since == 0 || !matches(f, o.Since, o.Created, o.By, o.Origin) {
			return true, nil
		}
		first, err := isFirst(p.from, &p.home, o)
		if err != nil || !first {
			return true, err
		}
		u := p.at(objectKey{past.row.ID, o.Name}, past.id, o.UID)
		u.goes, u.Change, p.chosen[o.Since] = true, o.Since, true
		return true, nil
	})
}

// mark notes that a change took another back.
func (p *planner) mark(key objectKey, change, undoes int64) {
	if undoes == 0 {
		return
	}
	if p.marks[key] == nil {
		p.marks[key] = map[int64]undoneBy{}
	}
	p.marks[key][undoes] = append(p.marks[key][undoes], change)
}

// marked tells whether a change was taken back by one that is not to be undone too.
func (p *planner) marked(key objectKey, change int64) bool {
	return slices.ContainsFunc(p.marks[key][change], func(by int64) bool { return !p.chosen[by] })
}

func (p *planner) at(key objectKey, id calendar.ID, uid string) *undoing {
	u := p.all[key]
	if u == nil {
		u = &undoing{UndoItem: calendar.UndoItem{Calendar: id, Name: key.name, UID: uid}, cal: key.cal}
		p.all[key] = u
	}
	return u
}

// row takes one thing that happened, after all that is newer.
func (p *planner) row(past *past, h *calendar.HistoryRow) error {
	f := &p.req.Which
	key := objectKey{h.Object.Cal, h.Object.Name}
	chosen := matches(f, h.Change, h.When, h.By, h.How) && (!f.Deleted || isDeletion(h.End)) && !past.hides(&h.Object)
	if f.Deleted {
		if p.all[key] != nil { // of several deletions of an object the last one is meant
			return nil
		}
		if chosen && h.End != calendar.Removed {
			if cal, ok := p.latest[h.Calendar]; ok && cal != key.cal {
				return nil
			}
			p.latest[h.Calendar] = key.cal
		}
	}
	p.mark(key, h.Change, h.How.Undoes)
	p.mark(key, h.Object.Since, h.Object.Origin.Undoes)
	if chosen {
		_, known := p.all[key]
		u := p.at(key, calendar.NewID(past.id.Owner(), h.Calendar), h.Object.UID)
		u.ended = u.ended || !known && h.End != calendar.Replaced
		u.other = u.other || p.seen[key]
		u.goes, u.moved, u.UID = false, "", h.Object.UID
		u.change, u.seq, u.Change, p.chosen[h.Change] = h.Change, h.Seq, h.Change, true
		switch h.End {
		case calendar.CalendarGone:
			whole, err := versionOf(p.from, h.Change, h.Seq)
			u.whole = &whole
			return err
		case calendar.MovedAway:
			u.moved = h.To
		}
	} else {
		p.seen[key] = true
	}
	// Was its making chosen too?
	if f.Deleted || h.Object.Since == 0 || !matches(f, h.Object.Since, h.Object.Created, h.Object.By, h.Object.Origin) || past.hides(&h.Object) {
		return nil
	}
	if wasFirst(&p.home, h) {
		u := p.at(key, calendar.NewID(past.id.Owner(), h.Calendar), h.Object.UID)
		u.other = u.other || p.seen[key]
		u.goes, u.moved, u.Change, p.chosen[h.Object.Since] = true, "", h.Object.Since, true
	}
	return nil
}

// follow finds what was moved away, over several moves if they are all chosen.
func (p *planner) follow(owner calendar.Owner, key objectKey, u *undoing, went map[objectKey]string) error {
	to := u.moved
	for range 100 {
		ref, ok := parseRef(to)
		if !ok || ref.Calendar.Owner() != owner {
			return nil
		}
		row, ok, err := p.from.Calendar(ref.Calendar.Name())
		if err != nil {
			return err
		}
		there := objectKey{row.ID, ref.Name}
		b := p.all[there]
		if ok {
			o, live, err := p.from.Object(row.ID, ref.Name, false)
			if err != nil {
				return err
			}
			if live && o.UID == u.UID && there == key { // it is back already, and another version
				u.moved = ""
				return nil
			}
			if live && o.UID == u.UID {
				if u.moved, u.text = to, b != nil; b != nil {
					b.left, u.other = true, u.other || b.other
				}
				return nil
			}
		}
		if b == nil {
			return nil
		}
		if to = went[there]; to == "" { // what became of it is chosen too
			u.moved = ""
			return nil
		}
	}
	return nil
}

// parseRef reads what Ref.String wrote.
func parseRef(text string) (ref calendar.Ref, ok bool) {
	at := strings.LastIndexByte(text, '/')
	if at < 0 {
		return ref, false
	}
	return calendar.Ref{Calendar: calendar.ID(text[:at]), Name: text[at+1:]}, true
}

// dropMade leaves out calendars that came to be and were deleted within the time
// that is chosen.
func (p *planner) dropMade(list []past) {
	from := p.req.Which.From
	for i := range list {
		if c := &list[i]; c.gone && !from.IsZero() && !c.row.Created.Before(from) {
			maps.DeleteFunc(p.all, func(key objectKey, _ *undoing) bool { return key.cal == c.row.ID })
		}
	}
}

// look compares with what is there.
func (p *planner) look(list []past, key objectKey, u *undoing) error {
	cal := key.cal
	if u.whole != nil {
		_, there, err := p.from.Calendar(u.Calendar.Name())
		u.done = there
		u.Did = u.would(p.req.Force)
		return err
	}
	if at := slices.IndexFunc(list, func(x past) bool { return x.row.ID == cal }); at >= 0 && list[at].gone {
		if u.goes { // it went with its calendar, whatever is in one of that name now
			u.done = true
			return nil
		}
		cal = 0 // into what has its name now, or into what comes back
		if row, ok, err := p.from.Calendar(u.Calendar.Name()); err != nil {
			return err
		} else if ok {
			cal = row.ID
		}
	}
	var o calendar.ObjectRow
	ok := false
	var err error
	if cal != 0 {
		if o, ok, err = p.from.Object(cal, key.name, true); err != nil {
			return err
		}
	}
	if ok {
		u.found = o.Change
		p.mark(key, o.Since, o.Origin.Undoes)
		u.other = u.other || u.ended && !u.goes
	}
	u.done = p.marked(key, u.Change)
	summary := o.Data
	switch {
	case u.goes:
		u.done = !ok
	case u.moved == "":
		was, err := versionOf(p.from, u.change, u.seq)
		if err != nil {
			return err
		}
		summary = was.Object.Data
		u.done = u.done || ok && string(was.Object.Data) == string(o.Data)
		if !ok && cal != 0 && u.UID != "" { // under another name, perhaps
			other, taken, err := p.from.ObjectByUID(cal, u.UID, false)
			if err != nil {
				return err
			}
			u.other = u.other || taken
			u.done = u.done || taken && other.Origin.Undoes == u.Change
		}
	}
	if cal, err := ical.Parse(summary, ical.Limits{}); err == nil && len(summary) > 0 {
		u.Summary = summaryOf(cal)
	}
	u.Did = u.would(p.req.Force)
	return nil
}

// would is what is to be done, by the plan.
func (u *undoing) would(force bool) calendar.UndoAction {
	switch {
	case u.done && (!force || u.goes || u.whole != nil):
		return calendar.UndoNothing
	case u.whole != nil:
		return calendar.UndoRestored
	case u.other && !force:
		return calendar.UndoConflict
	case u.goes:
		return calendar.UndoRemoved
	case u.moved != "":
		return calendar.UndoMoved
	case u.found == 0:
		return calendar.UndoRestored
	}
	return calendar.UndoReverted
}
