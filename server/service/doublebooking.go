package service

import (
	"context"
	"errors"
	"slices"
	"time"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/object"
	"factotum/server/recur"
)

// maxBooked is how many instances of a series are looked at when a calendar
// allows no double booking.
const maxBooked = 1000

// checkDoubles refuses busy time that overlaps busy time of other objects.
// WCAP set_calprops, allowdoublebook.
func (s *Service) checkDoubles(w *writer, p *place, name string, obj *object.Resource) error {
	row := p.row
	float := s.floatingOf(nil, cache.NewCalendar(w.owner, row, nil))
	own, err := s.booked(obj.Occurrences, obj.Data, float)
	if err != nil || len(own) == 0 {
		return err
	}
	from, to := own[0].Start, own[0].End
	for _, i := range own {
		from, to = min(from, i.Start), max(to, i.End)
	}
	others, err := w.taken(p, name, from, to, to)
	if err != nil {
		return err
	}
	if clash(own, others) {
		return calendar.Failf(calendar.DoubleBooked, "", w.op, refOf(p.id, name), "the time is taken already")
	}
	return nil
}

// taken lists the busy time of a calendar's other objects around a range, in Unix
// seconds. What a series has after its instances in the time index is looked at
// until a moment.
func (w *writer) taken(p *place, name string, from, to, until int64) (others []cache.Instance, err error) {
	float := w.s.floatingOf(nil, cache.NewCalendar(w.owner, p.row, nil))
	var tails []string
	flags := map[string]int{}
	err = w.Occurrences(p.row.ID, from-object.FloatingSlack, to+object.FloatingSlack, func(x calendar.OccurrenceRow) error {
		switch {
		case x.Name == name:
		case x.Flags&calendar.OccTail != 0:
			tails = append(tails, x.Name)
			flags[x.Name] = x.Flags
		case takesTime(x.Flags, x.Start, x.End):
			others = append(others, inZone(cache.Instance{Start: x.Start, End: x.End, Flags: int32(x.Flags), Name: x.Name}, float))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for chunk := range slices.Chunk(tails, fetchChunk) {
		rows, err := w.ObjectsByName(p.row.ID, chunk, true)
		if err != nil {
			return nil, err
		}
		for i := range rows {
			rest, err := cache.Expand(context.Background(), &rows[i], flags[rows[i].Name], from-object.FloatingSlack, min(to, until)+object.FloatingSlack, w.s.opt.Limits.Instances, nil)
			if err != nil {
				return nil, err
			}
			for _, x := range rest {
				if takesTime(int(x.Flags), x.Start, x.End) {
					others = append(others, inZone(x, float))
				}
			}
		}
	}
	return others, nil
}

// takesTime tells whether an instance keeps others out.
func takesTime(flags int, start, end int64) bool {
	return flags&(calendar.OccFree|calendar.OccTodo|calendar.OccTail) == 0 && end > start
}

// inZone turns floating time into that of a zone.
func inZone(i cache.Instance, float recur.Zone) cache.Instance {
	i.Start, i.End = object.InZone(i.Start, i.End, int(i.Flags), float)
	return i
}

// booked lists the busy instances of an object, at most maxBooked of a series.
func (s *Service) booked(occ []calendar.OccurrenceRow, data []byte, float recur.Zone) ([]cache.Instance, error) {
	var out []cache.Instance
	for _, o := range occ {
		if o.Flags&calendar.OccTail == 0 {
			if takesTime(o.Flags, o.Start, o.End) {
				out = append(out, inZone(cache.Instance{Start: o.Start, End: o.End, Flags: int32(o.Flags)}, float))
			}
			continue
		}
		cal, _, set, err := object.Compile(data)
		if err != nil {
			return nil, err
		}
		index := object.Indexer{Me: object.AttendingAt(cal, o.Flags)}
		for in, err := range set.Between(context.Background(), time.Unix(o.Start, 0).UTC(), time.Time{}, recur.UTC, recur.Budget{MaxInstances: maxBooked, MaxSteps: 100_000}) {
			if errors.Is(err, recur.ErrBudget) {
				break
			}
			if err != nil {
				return nil, err
			}
			if r := index.Row(in); takesTime(r.Flags, r.Start, r.End) {
				out = append(out, inZone(cache.Instance{Start: r.Start, End: r.End, Flags: int32(r.Flags)}, float))
			}
		}
	}
	return out, nil
}

// clash tells whether an instance of a overlaps one of b. Both are reordered.
func clash(a, b []cache.Instance) bool {
	byStart := func(x, y cache.Instance) int { return int(min(max(x.Start-y.Start, -1), 1)) }
	slices.SortFunc(a, byStart)
	slices.SortFunc(b, byStart)
	var endA, endB int64 // the latest end of those before
	for len(a) > 0 && len(b) > 0 {
		if a[0].Start < b[0].Start {
			if a[0].Start < endB {
				return true
			}
			endA = max(endA, a[0].End)
			a = a[1:]
		} else {
			if b[0].Start < endA {
				return true
			}
			endB = max(endB, b[0].End)
			b = b[1:]
		}
	}
	return len(a) > 0 && a[0].Start < endB || len(b) > 0 && b[0].Start < endA
}
