package object

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// FloatingSlack is more than any zone differs from UTC, in seconds: so much wider
// than the window is the search for rows of floating time.
const FloatingSlack = 15 * 3600

// materialized is how many instances of a series the time index holds; a tail
// row stands for the rest.
const materialized = 100

// IndexRows makes the time index of an object that its owner attends as me.
// Floating time is taken as UTC. A task or journal has one row, which is
// everywhere.
func IndexRows(set *recur.Set, comps []*ical.Component, me Attending) ([]calendar.OccurrenceRow, error) {
	first, last, infinite := set.Span(recur.UTC)
	if comps[0].Name != "VEVENT" {
		// The overlap rules of tasks and journals depend on which dates they
		// have (RFC 4791 §9.9): the index only says where to look.
		row := calendar.OccurrenceRow{Start: math.MinInt64 / 2, End: math.MaxInt64 / 2, Flags: calendar.OccTodo | calendar.OccFree}
		return []calendar.OccurrenceRow{row}, nil
	}
	var rows []calendar.OccurrenceRow
	index := Indexer{Me: me}
	if first.IsZero() && last.IsZero() && !infinite && set.Recurring() {
		return nil, nil // a series all of whose instances are excluded
	}
	if !set.Recurring() {
		for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, recur.UTC, recur.Budget{}) {
			if err != nil {
				return nil, err
			}
			rows = append(rows, index.Row(in))
		}
		return rows, nil
	}
	more := false
	var lastStart int64
	for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, recur.UTC, recur.Budget{MaxInstances: materialized + 1, MaxSteps: 20_000}) {
		if errors.Is(err, recur.ErrBudget) {
			more = true
			break
		}
		if err != nil {
			return nil, err
		}
		if len(rows) == materialized {
			more = true
			break
		}
		rows = append(rows, index.Row(in))
		lastStart = rows[len(rows)-1].Start
	}
	if more {
		tail := calendar.OccurrenceRow{Start: lastStart, End: last.Unix() + FloatingSlack, Flags: calendar.OccTail | me.flags()}
		if len(rows) == 0 {
			tail.Start = first.Unix() - FloatingSlack
		}
		if infinite || last.IsZero() {
			tail.End = math.MaxInt64 / 2
		}
		// Instances that begin with the last materialized one belong to it
		// too: the tail starts there and queries drop what they have twice.
		rows = append(rows, tail)
	}
	return rows, nil
}

// Indexer makes rows of the instances of an object, and remembers how its
// components count: one may have thousands of properties and of instances.
type Indexer struct {
	Me    Attending       // as whom the owner attends
	comp  *ical.Component // the one before
	flags int
	large map[*ical.Component]int
}

// Row is the row of an instance that was expanded with floating time taken as
// UTC.
func (x *Indexer) Row(in recur.Instance) calendar.OccurrenceRow {
	if in.Comp != x.comp {
		x.comp, x.flags = in.Comp, x.busy(in.Comp)
	}
	r := calendar.OccurrenceRow{Start: in.Start.Unix(), End: max(in.End.Unix(), in.Start.Unix()), Flags: x.flags}
	if in.Floating {
		r.Flags |= calendar.OccFloating
	}
	if in.Exact > 0 {
		r.Flags |= calendar.OccExact | int(in.Wall/(24*time.Hour))<<calendar.OccDays
	}
	if in.AllDay {
		r.Flags |= calendar.OccAllDay
	}
	return r
}

func (x *Indexer) busy(c *ical.Component) int {
	if len(c.Props) < 100 {
		return busyFlags(c, x.Me)
	}
	flags, known := x.large[c]
	if !known {
		if flags = busyFlags(c, x.Me); x.large == nil {
			x.large = map[*ical.Component]int{}
		}
		x.large[c] = flags
	}
	return flags
}

// InZone reads the times of a row in a zone if they float, as expansion does: by
// the clock on the wall there, but for what is an exact length. RFC 5545 §3.3.6.
func InZone(start, end int64, flags int, zone recur.Zone) (from, to int64) {
	if flags&calendar.OccFloating == 0 {
		return start, end
	}
	utc := func(civil int64) int64 { return zone.ToUTC(time.Unix(civil, 0).UTC()).Unix() }
	const day = 86400
	wall, exact := end-start, int64(0)
	if flags&calendar.OccExact != 0 {
		wall = int64(flags>>calendar.OccDays) * day
		exact = end - start - wall
	}
	from = utc(start)
	if to = utc(start + wall); to <= from && wall < day {
		to = from + wall // in the night in which the clocks change, too, it ends after it began
	}
	return from, to + exact
}

// busyFlags says how a component counts for free/busy of its owner, who attends
// as me. RFC 4791 §7.10.
func busyFlags(c *ical.Component, me Attending) int {
	if c.Word("TRANSP") == "TRANSPARENT" || c.Word("STATUS") == "CANCELLED" {
		return calendar.OccFree
	}
	switch answer := me.answer(c); {
	case answer != 0:
		return answer
	case c.Word("X-MICROSOFT-CDO-BUSYSTATUS") == "OOF":
		return calendar.OccUnavailable
	case c.Word("STATUS") == "TENTATIVE":
		return calendar.OccTentative
	}
	return 0
}

func hashOccurrences(rows []calendar.OccurrenceRow) uint64 {
	h := fnv.New64a()
	var b [20]byte
	for _, r := range rows {
		binary.LittleEndian.PutUint64(b[0:], uint64(r.Start))
		binary.LittleEndian.PutUint64(b[8:], uint64(r.End))
		binary.LittleEndian.PutUint32(b[16:], uint32(r.Flags))
		h.Write(b[:])
	}
	return h.Sum64() >> 1 // fits a signed BIGINT
}
