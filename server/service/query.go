package service

import (
	"context"
	"errors"
	"slices"
	"sort"
	"time"

	"factotum/server/calendar"
	"factotum/server/match"
	"factotum/server/object"
	"factotum/server/recur"
	"factotum/server/zone"
)

// Query streams the objects of a calendar that match a filter. A time range on
// a component is answered from the time index; the rest of the filter is
// tested on the text of what remains. RFC 4791 §7.8.
func (s *Service) Query(ctx context.Context, who calendar.Actor, req calendar.QueryRequest, emit func(*calendar.Object) error) error {
	const op = "query"
	h, c, r, err := s.calendar(ctx, who, op, req.Calendar)
	if err != nil {
		return err
	}
	if err := need(r.CanRead(), r, op, req.Calendar); err != nil {
		return err
	}
	shape, err := s.newShape(req.Data)
	if err != nil {
		return err
	}
	f, err := match.Compile(req.Filter)
	if err != nil {
		return wrap(op, "", err)
	}
	float := s.floating(shape, c.meta)
	chosen := h.state()
	sel, err := s.candidates(ctx, h, c, f, float)
	if err != nil {
		return wrap(op, string(req.Calendar), err)
	}
	limit := req.Limit
	if limit <= 0 || limit > s.opt.Limits.Results {
		limit = s.opt.Limits.Results
	}
	n := 0
	for chunk := range slices.Chunk(sel.names, fetchChunk) {
		if err := ctx.Err(); err != nil {
			return wrap(op, string(req.Calendar), err)
		}
		objs, err := s.fetch(ctx, h, c, chunk)
		if err != nil {
			return wrap(op, string(req.Calendar), err)
		}
		for _, o := range objs {
			if o == nil || !f.MayPass(o) {
				continue
			}
			// What was changed since it was chosen is looked at again.
			decided := f.Decides(o) && o.Change <= chosen
			if masked := s.masks(o.Class, r, who, c.meta); !decided {
				text := o
				if masked { // a filter must not reveal what reading hides
					text = match.Mask(o)
				}
				ok, err := f.Passes(ctx, text.Data, float, s.opt.Limits.Instances)
				if err != nil {
					return wrap(op, refOf(req.Calendar, o.Name), err)
				}
				if !ok {
					continue
				}
			}
			if n++; n > limit {
				return calendar.Failf(calendar.TooMany, "", op, string(req.Calendar), "more than %d objects match", limit)
			}
			out, err := s.present(ctx, c.meta, o, r, who, shape)
			if err != nil {
				return err
			}
			if err := emit(out); err != nil {
				return err
			}
		}
	}
	return nil
}

// floating returns the zone in which floating time is read: the request's,
// the calendar's, the server's. RFC 4791 §9.8.
func (s *Service) floating(sh *shape, m *calMeta) recur.Zone {
	if sh != nil && sh.zone != nil {
		return sh.zone
	}
	if m.zone != nil {
		return m.zone
	}
	return zone.Floating("", m.row.TZID, s.zone)
}

// selection is what may match a query: all that does, and perhaps more.
type selection struct{ names []string }

func (s *Service) candidates(ctx context.Context, h *homeCache, c *calCache, f *match.Filter, float recur.Zone) (selection, error) {
	var sel selection
	if f.Never() {
		return sel, nil
	}
	if w := f.Window(); w != nil {
		seen := make(map[string]struct{}, 64)
		err := s.instances(ctx, h, c, *w, float, func(i inst) {
			if _, dup := seen[i.name]; !dup {
				seen[i.name] = struct{}{}
				sel.names = append(sel.names, i.name)
			}
		})
		return sel, err
	}
	list, err := s.listing(ctx, h, c)
	if err != nil {
		return sel, err
	}
	sel.names = make([]string, 0, len(list))
	for _, o := range list {
		if f.MayPass(o) {
			sel.names = append(sel.names, o.Name)
		}
	}
	return sel, nil
}

// instances calls fn for every instance of the calendar that overlaps the
// window. Tasks and journals come always, once, flagged OccTodo. An instance
// may come twice.
func (s *Service) instances(ctx context.Context, h *homeCache, c *calCache, w calendar.Window, float recur.Zone, fn func(inst)) error {
	from, to := w.Unix()
	take := func(i inst) {
		if i.flags&calendar.OccTodo != 0 {
			fn(i)
			return
		}
		if i.flags&calendar.OccFloating != 0 {
			i.start, i.end = object.InZone(i.start, i.end, float)
		}
		if match.Overlaps(i.start, i.end, from, to) {
			fn(i)
		}
	}
	lo, hi := from-object.FloatingSlack, to+object.FloatingSlack
	if hi-lo > 430*86400 || hi <= lo || from < -62135596800 || to > 253402300800 {
		_, rows, err := s.loadInstances(ctx, h, c, lo, hi)
		if err != nil {
			return err
		}
		for _, i := range rows {
			take(i)
		}
		return nil
	}
	months, err := s.monthsOf(ctx, h, c, lo, hi)
	if err != nil {
		return err
	}
	for _, b := range months {
		begin := sort.Search(len(b.short), func(k int) bool { return b.short[k].start > lo-shortInst })
		for _, i := range b.short[begin:] {
			if i.start >= hi {
				break
			}
			take(i)
		}
		for _, i := range b.long {
			take(i)
		}
	}
	return nil
}

// retakes is how often a reader of several things tries to find them all in
// one state.
const retakes = 4

// retimed tells of commits that moved instances of the calendar.
func (c *calCache) retimed(e *mutation) bool { return e.times && e.cal == c.meta.row.ID }

// monthsOf returns the months that overlap a range, all of one state: an
// instance that is moved from one month to another meanwhile would else be
// met twice, or not at all.
func (s *Service) monthsOf(ctx context.Context, h *homeCache, c *calCache, lo, hi int64) ([]*month, error) {
	first, last := monthOf(lo), monthOf(hi-1)
	months := make([]*month, 0, last-first+1)
	for try := 1; ; try++ {
		before := h.state()
		months = months[:0]
		for m := first; m <= last; m++ {
			b, err := s.month(ctx, h, c, m)
			if err != nil {
				return nil, err
			}
			months = append(months, b)
		}
		if len(months) == 1 || h.still(before, c.retimed) {
			return months, nil
		}
		if try < retakes {
			continue
		}
		_, rows, err := s.loadInstances(ctx, h, c, lo, hi) // of one snapshot
		return []*month{newMonth(rows)}, err
	}
}

// newMonth sorts instances into a month.
func newMonth(rows []inst) *month {
	b := &month{}
	slices.SortFunc(rows, func(x, y inst) int { return int(min(max(x.start-y.start, -1), 1)) })
	for _, i := range rows {
		if i.end-i.start > shortInst {
			b.long = append(b.long, i)
		} else {
			b.short = append(b.short, i)
		}
	}
	return b
}

// month returns the instances of one month; the result is read only.
func (s *Service) month(ctx context.Context, h *homeCache, c *calCache, k int32) (*month, error) {
	h.mu.Lock()
	if b := c.months[k]; b != nil {
		b.shared = true
		h.mu.Unlock()
		return b, nil
	}
	h.mu.Unlock()
	from, to := monthBounds(k)
	change, rows, err := s.loadInstances(ctx, h, c, from, to)
	if err != nil {
		return nil, err
	}
	b := newMonth(rows)
	h.mu.Lock()
	fresh := &calCache{meta: c.meta, months: map[int32]*month{k: b}}
	clean := h.replay(change, func(e mutation) {
		if e.cal == c.meta.row.ID && e.times {
			fresh.applyTimes(e)
		}
	})
	var grown int64
	if now := fresh.months[k]; clean && h.current(c) && now != nil && c.months[k] == nil {
		if len(c.months) >= maxMonths {
			for old, x := range c.months {
				grown -= x.cost()
				delete(c.months, old)
				break
			}
		}
		now.shared = true
		c.months[k] = now
		grown += now.cost()
		b = now
	}
	h.mu.Unlock()
	s.cache.grow(h, grown)
	return b, nil
}

// loadInstances reads the time index and expands the open ends of series. The
// change number is that of the snapshot.
func (s *Service) loadInstances(ctx context.Context, h *homeCache, c *calCache, from, to int64) (change int64, out []inst, err error) {
	for try := 1; ; try++ {
		var tails []string
		var texts []calendar.ObjectRow
		err = s.store.View(ctx, h.owner, func(tx calendar.Tx) error {
			out, tails, texts = nil, nil, nil
			home, _, err := tx.Home()
			if err != nil {
				return err
			}
			change = home.Change
			err = tx.Occurrences(c.meta.row.ID, from, to, func(r calendar.OccurrenceRow) error {
				if r.Flags&calendar.OccTail != 0 {
					tails = append(tails, r.Name)
				} else {
					out = append(out, inst{r.Start, r.End, int32(r.Flags), r.Name})
				}
				return ctx.Err()
			})
			for chunk := range slices.Chunk(tails, fetchChunk) {
				if err != nil || try < retakes {
					break
				}
				var rows []calendar.ObjectRow
				rows, err = tx.ObjectsByName(c.meta.row.ID, chunk, true)
				texts = append(texts, rows...)
			}
			return err
		})
		if err == nil {
			err = s.cache.await(ctx, h.owner, change)
		}
		if err != nil {
			return 0, nil, err
		}
		for i := range texts {
			if out, err = s.expandTail(ctx, toObject(&texts[i], c.meta.id), from, to, out); err != nil {
				return 0, nil, err
			}
		}
		if len(tails) == 0 || try == retakes {
			return change, out, nil
		}
		if out, err = s.expandTails(ctx, h, c, tails, from, to, out); err != nil {
			return 0, nil, err
		}
		// A series that was changed after the snapshot has given instances of
		// its new text for its open end only.
		if h.still(change, func(e *mutation) bool { return c.retimed(e) && slices.Contains(tails, e.name) }) {
			return change, out, nil
		}
	}
}

// expandTails appends the instances of the series of these names.
func (s *Service) expandTails(ctx context.Context, h *homeCache, c *calCache, names []string, from, to int64, out []inst) ([]inst, error) {
	for chunk := range slices.Chunk(names, fetchChunk) {
		objs, err := s.fetch(ctx, h, c, chunk)
		if err != nil {
			return nil, err
		}
		for _, o := range objs {
			if o == nil {
				continue
			}
			if out, err = s.expandTail(ctx, o, from, to, out); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// expandTail appends the instances of a series that overlap the window,
// floating time taken as UTC. Over the budget the answer is what was found.
func (s *Service) expandTail(ctx context.Context, o *calendar.Object, from, to int64, out []inst) ([]inst, error) {
	known, err := s.compiled(o)
	if err != nil {
		return out, nil // cannot happen to what parse let in; csdb check reports it
	}
	keepCompiled(o, known)
	var f, t time.Time
	if from > -62135596800 {
		f = time.Unix(from, 0).UTC()
	}
	if to < 253402300800 {
		t = time.Unix(to, 0).UTC()
	}
	for in, err := range known.set.Between(ctx, f, t, recur.UTC, recur.Budget{MaxInstances: s.opt.Limits.Instances, MaxSteps: 100_000}) {
		if errors.Is(err, recur.ErrBudget) {
			break
		}
		if err != nil {
			return out, err
		}
		r := object.IndexRow(in)
		out = append(out, inst{r.Start, r.End, int32(r.Flags), o.Name})
	}
	return out, nil
}
