package recur

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// onset is a moment from which an offset to UTC holds, both in seconds.
type onset struct {
	at, off int64
}

// tz is a zone as tables of onsets, a table per block of 32 years. A table is
// made when a question first falls into its block.
type tz struct {
	name   string
	source tzSource
	hints  []string // zones of the database that its text names

	twinOnce sync.Once
	twin     *tz // see Alike

	blocks [numBlocks]atomic.Pointer[tzBlock]
}

// tzSource makes the tables.
type tzSource interface {
	// onsets returns the offset that holds at from, as an onset at from, and
	// the onsets in (from, to) in order.
	onsets(from, to int64) []onset
}

const (
	blockSecs  = 32 * 31556952
	firstBlock = -62 // year 1
	numBlocks  = 62 + 252
)

// tzBlock holds the onsets of a block; the first stands at its start.
type tzBlock struct {
	list []onset
	prev int64 // the offset just before the block
}

func (z *tz) block(utc int64) (b *tzBlock, i int) {
	i = int(min(max(floorDiv(utc, blockSecs)-firstBlock, 0), numBlocks-1))
	if b = z.blocks[i].Load(); b != nil {
		return b, i
	}
	from := (int64(i) + firstBlock) * blockSecs
	list := z.source.onsets(from-1, from+blockSecs)
	b = &tzBlock{prev: list[0].off}
	b.list = append(b.list, onset{from, list[0].off})
	for _, o := range list[1:] {
		switch last := &b.list[len(b.list)-1]; {
		case o.at <= last.at: // of two on the same second the later counts
			last.off = o.off
		case o.off != last.off:
			b.list = append(b.list, o)
		}
	}
	z.blocks[i].Store(b)
	return b, i
}

// zoneSpan is a stretch of one offset: UTC seconds in [lo,hi).
type zoneSpan struct {
	lo, hi, off int64
	before      int64 // the offset before lo
}

func (z *tz) at(utc int64) zoneSpan {
	b, i := z.block(utc)
	n, found := slices.BinarySearchFunc(b.list, utc, func(o onset, t int64) int {
		switch {
		case o.at < t:
			return -1
		case o.at > t:
			return 1
		}
		return 0
	})
	if !found {
		n = max(0, n-1)
	}
	sp := zoneSpan{lo: b.list[n].at, off: b.list[n].off, before: b.prev}
	if n > 0 {
		sp.before = b.list[n-1].off
	} else if i == 0 {
		sp.lo = math.MinInt64 / 2
	}
	switch {
	case n+1 < len(b.list):
		sp.hi = b.list[n+1].at
	case i == numBlocks-1:
		sp.hi = math.MaxInt64 / 2
	default:
		sp.hi = (int64(i) + firstBlock + 1) * blockSecs
	}
	return sp
}

// maxOffset is more than any zone is away from UTC.
const maxOffset = 26 * 3600

// utc maps civil seconds to UTC seconds. A time that occurs twice is the first
// one; a time in a gap takes the offset before the gap. RFC 5545 §3.3.5.
func (z *tz) utc(civ int64) (utc int64, gap bool, sp zoneSpan) {
	sp = z.at(civ - maxOffset)
	for civ-sp.off >= sp.hi {
		prev := sp.off
		sp = z.at(sp.hi)
		if civ-sp.off < sp.lo {
			return civ - prev, true, sp
		}
	}
	return civ - sp.off, false, sp
}

// civil maps UTC seconds to civil seconds.
func (z *tz) civil(utc int64) int64 { return utc + z.at(utc).off }

// ToUTC implements Zone.
func (z *tz) ToUTC(civil time.Time) time.Time {
	u, _, _ := z.utc(civil.Unix())
	return time.Unix(u, int64(civil.Nanosecond())).UTC()
}

// FromUTC implements Zone.
func (z *tz) FromUTC(t time.Time) time.Time {
	return time.Unix(z.civil(t.Unix()), int64(t.Nanosecond())).UTC()
}

// Name implements Zone: the IANA name, or the TZID of a VTIMEZONE.
func (z *tz) Name() string { return z.name }

// ianaSource reads the zone database.
type ianaSource struct{ loc *time.Location }

func (s ianaSource) onsets(from, to int64) []onset {
	t := time.Unix(from, 0).In(s.loc)
	_, off := t.Zone()
	list := []onset{{from, int64(off)}}
	for len(list) < 10_000 {
		next, ok := nextBound(t)
		if !ok || next.Unix() >= to {
			break
		}
		t = next
		_, off = t.Zone()
		list = append(list, onset{t.Unix(), int64(off)})
	}
	return list
}

// nextBound returns the end of t's stretch of one offset. The package's bounds
// beyond the last recorded transition also end with the year, in leap years
// one day early and then with no progress on that last day.
func nextBound(t time.Time) (time.Time, bool) {
	for range 3 {
		_, end := t.ZoneBounds()
		if end.IsZero() {
			return t, false
		}
		if end.After(t) {
			return end, true
		}
		t = t.Add(24 * time.Hour)
	}
	return t, true
}

// zoneCursor maps times that come in order; it remembers the stretch that the
// last one fell into.
type zoneCursor struct {
	z            *tz
	other        Zone // a Zone of somebody else's making, when z is nil
	civLo, civHi int64
	off          int64
}

func cursorOf(z Zone) zoneCursor {
	switch z := z.(type) {
	case nil:
		return zoneCursor{z: utcZone}
	case *tz:
		return zoneCursor{z: z}
	}
	return zoneCursor{other: z}
}

// utc is tz.utc, faster.
func (c *zoneCursor) utc(civ int64) (utc int64, gap bool) {
	if c.civLo <= civ && civ < c.civHi {
		return civ - c.off, false
	}
	if c.z == nil {
		u := c.other.ToUTC(time.Unix(civ, 0).UTC())
		return u.Unix(), c.other.FromUTC(u).Unix() != civ
	}
	utc, gap, sp := c.z.utc(civ)
	c.civLo, c.civHi, c.off = sp.lo+max(sp.off, sp.before), sp.hi+sp.off, sp.off
	return utc, gap
}

// civil is tz.civil.
func (c *zoneCursor) civil(utc int64) int64 {
	if c.z == nil {
		return c.other.FromUTC(time.Unix(utc, 0)).Unix()
	}
	return c.z.civil(utc)
}
