package availability

import (
	"cmp"
	"context"
	"slices"
	"time"

	"factotum/server/calendar"
	"factotum/server/recur"
)

// stretch is a time, [from,to) in Unix seconds, and what it is.
type stretch struct {
	from, to int64
	busy     string
}

// Busy returns the time of a window, which has two ends, that is not available,
// with its type. Floating times are read in float. A VAVAILABILITY counts where none of a higher
// priority does; what it makes busy its AVAILABLE components, and those of others
// of its priority, make free again. RFC 7953 §4.
func (a *Availability) Busy(ctx context.Context, w calendar.Window, float recur.Zone) ([]calendar.Busy, error) {
	if a == nil || len(a.blocks) == 0 {
		return nil, nil
	}
	from, to := w.Unix()
	var found []stretch
	left, steps := maxInstances, max(200, maxSteps/max(1, a.series))
	for rest := a.blocks; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].rank == rest[0].rank {
			n++
		}
		var taken, free []stretch
		for i := range rest[:n] {
			b := &rest[i]
			first, last := b.ends(ctx, float)
			if first, last = max(first, from), min(last, to); first >= last {
				continue
			}
			taken = append(taken, stretch{first, last, b.busy})
			for k := range b.free {
				used, err := b.free[k].instances(ctx, first, last, float, recur.Budget{MaxInstances: max(1, left), MaxSteps: steps}, func(start, end int64) {
					if start, end = max(start, first), min(end, last); start < end && left > 0 {
						free = append(free, stretch{from: start, to: end})
					}
				})
				if err != nil {
					return nil, err
				}
				left -= used
			}
		}
		found = minus(found, joined(taken, false))
		found = append(found, minus(joined(taken, true), joined(free, false))...)
		rest = rest[n:]
	}
	out := make([]calendar.Busy, len(found))
	for i, s := range found {
		out[i] = calendar.Busy{Start: time.Unix(s.from, 0).UTC(), End: time.Unix(s.to, 0).UTC(), Type: s.busy}
	}
	return out, nil
}

// joined sorts stretches and makes one of those that touch, of each type or of
// all.
func joined(list []stretch, typed bool) []stretch {
	list = slices.Clone(list)
	if !typed {
		for i := range list {
			list[i].busy = ""
		}
	}
	slices.SortFunc(list, func(a, b stretch) int { return cmp.Or(cmp.Compare(a.busy, b.busy), cmp.Compare(a.from, b.from)) })
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && out[n-1].busy == s.busy && s.from <= out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// minus takes holes, which are sorted and apart, out of stretches.
func minus(list, holes []stretch) []stretch {
	var out []stretch
	for _, s := range list {
		at, _ := slices.BinarySearchFunc(holes, s.from, func(h stretch, from int64) int { return cmp.Compare(h.to, from+1) })
		for ; at < len(holes) && holes[at].from < s.to; at++ {
			if holes[at].from > s.from {
				out = append(out, stretch{s.from, holes[at].from, s.busy})
			}
			s.from = max(s.from, holes[at].to)
		}
		if s.from < s.to {
			out = append(out, s)
		}
	}
	return out
}
