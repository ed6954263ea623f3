package sqlstore

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"factotum/server/calendar"
)

// The longest runs of the classes 0 and 1 in seconds; the schema says why there
// are classes. A day of the autumn change has 25 hours. The second is a
// measure: longer runs make fewer rows of a series, and more of them are looked
// at in vain by a query for a short time. The rows of stored objects depend on
// both: changing one calls for a rebuild of the index.
const (
	maxDay = 25 * 3600
	maxRun = 100 * 24 * 3600
)

// run is a row of the time index: one occurrence, or several of one object
// that lie close together, which are then packed in more.
type run struct {
	cls, start, end, flags int64
	more                   []byte
}

// before subtracts d without running over the end of the scale.
func before(from, d int64) int64 {
	if from < math.MinInt64+d {
		return math.MinInt64
	}
	return from - d
}

// long tells that an occurrence has class 2.
func long(o *calendar.OccurrenceRow) bool {
	d := o.End - o.Start
	return o.Flags&calendar.OccTail != 0 || d > maxRun || d < 0 // less: an overflow too
}

// split makes the runs of an object's occurrences: always the same ones of the
// same rows.
func split(rows []calendar.OccurrenceRow) []run {
	if !slices.IsSortedFunc(rows, byStart) {
		rows = slices.Clone(rows)
		slices.SortStableFunc(rows, byStart)
	}
	var runs []run
	var near []calendar.OccurrenceRow // of the run that is being made
	var end int64
	flush := func() {
		if len(near) == 0 {
			return
		}
		r := run{start: near[0].Start, end: near[0].End, flags: int64(near[0].Flags)}
		if len(near) > 1 {
			r.end, r.flags, r.more = end, 0, pack(near)
		}
		if r.end-r.start > maxDay {
			r.cls = 1
		}
		runs, near = append(runs, r), near[:0]
	}
	for i := range rows {
		o := &rows[i]
		if long(o) {
			runs = append(runs, run{cls: 2, start: o.Start, end: o.End, flags: int64(o.Flags)})
			continue
		}
		// One of zero length overlaps where it starts: the run must reach beyond.
		last := max(o.End, o.Start+1)
		if len(near) > 0 && before(max(end, last), maxRun) > near[0].Start {
			flush()
		}
		if len(near) == 0 {
			end = last
		}
		near, end = append(near, *o), max(end, last)
	}
	flush()
	return runs
}

func byStart(a, b calendar.OccurrenceRow) int {
	switch {
	case a.Start < b.Start:
		return -1
	case a.Start > b.Start:
		return 1
	}
	return 0
}

// pack writes occurrences without their name: the distance of each start from
// the one before, then 0 if length and flags are as before, otherwise 1 and
// both. Sums may run over; they do so the same way back.
func pack(rows []calendar.OccurrenceRow) []byte {
	if len(rows) == 0 {
		return nil
	}
	b := make([]byte, 0, 16+4*len(rows))
	var start, length int64
	flags := 0
	for i := range rows {
		o := &rows[i]
		b = binary.AppendVarint(b, o.Start-start)
		if d := o.End - o.Start; i == 0 || d != length || o.Flags != flags {
			length, flags = d, o.Flags
			b = append(b, 1)
			b = binary.AppendVarint(b, length)
			b = binary.AppendUvarint(b, uint64(flags))
		} else {
			b = append(b, 0)
		}
		start = o.Start
	}
	return b
}

var errPacked = errors.New("a list of occurrences is damaged")

// unpack calls fn for each occurrence of a list, in its order.
func unpack(b []byte, name string, fn func(calendar.OccurrenceRow)) error {
	var start, length int64
	var flags uint64
	for len(b) > 0 {
		d, n := binary.Varint(b)
		if n <= 0 || n >= len(b) {
			return errPacked
		}
		changed := b[n] != 0
		b = b[n+1:]
		if changed {
			var m int
			if length, n = binary.Varint(b); n <= 0 {
				return errPacked
			}
			if flags, m = binary.Uvarint(b[n:]); m <= 0 {
				return errPacked
			}
			b = b[n+m:]
		}
		start += d
		fn(calendar.OccurrenceRow{Name: name, Start: start, End: start + length, Flags: int(flags)})
	}
	return nil
}
