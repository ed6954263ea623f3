package sqlstore

import (
	"math"

	"factotum/server/calendar"
)

// The longest durations of the classes 0 and 1 in seconds; the schema says why
// there are classes. A day of the autumn change has 25 hours.
const (
	maxDay   = 25 * 3600
	maxMonth = 32 * 24 * 3600
)

func classOf(o *calendar.OccurrenceRow) int64 {
	switch d := o.End - o.Start; {
	case o.Flags&calendar.OccTail != 0 || d > maxMonth || d < 0 && o.End > o.Start: // the last: overflow
		return 2
	case d > maxDay:
		return 1
	}
	return 0
}

const (
	// A zero-length row overlaps where it starts: start_at >= from.
	overlaps = ` AND start_at < $4 AND (end_at > $3 OR start_at >= $3)`
	fromOccs = `SELECT name, start_at, end_at, flags FROM occurrences WHERE owner = $1 AND cal = $2`
	timeOccs = fromOccs + ` AND cls >= 0` // names the index

	sqlOccurrences = timeOccs + ` AND cls = 0 AND start_at >= $5` + overlaps + ` UNION ALL ` +
		timeOccs + ` AND cls = 1 AND start_at >= $6` + overlaps + ` UNION ALL ` +
		timeOccs + ` AND cls = 2` + overlaps

	sqlObjectOccurrences = fromOccs + ` AND name = $3 ORDER BY seq`

	sqlDropOccurrences = `DELETE FROM occurrences WHERE owner = $1 AND cal = $2 AND name = $3`

	sqlInsertOccurrence = `INSERT INTO occurrences (owner, cal, cls, start_at, name, seq, end_at, flags) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (owner, cal, name, seq) DO UPDATE SET cls = excluded.cls, start_at = excluded.start_at, end_at = excluded.end_at,
flags = excluded.flags`
)

func readOccurrence(r scanner, o *calendar.OccurrenceRow) error {
	var flags int64
	err := r.scan(&o.Name, &o.Start, &o.End, &flags)
	o.Flags = int(flags)
	return err
}

// before subtracts d without running over the end of the scale.
func before(from, d int64) int64 {
	if from < math.MinInt64+d {
		return math.MinInt64
	}
	return from - d
}

// Occurrences calls fn for the rows that overlap [from,to).
func (t *tx) Occurrences(cal, from, to int64, fn func(calendar.OccurrenceRow) error) error {
	rows, err := collect(t, "read a time range", sqlOccurrences,
		args(t.owner, cal, from, to, before(from, maxDay), before(from, maxMonth)), nil, readOccurrence)
	if err != nil {
		return err
	}
	for _, o := range rows {
		if err := fn(o); err != nil {
			return err
		}
	}
	return nil
}

// ObjectOccurrences lists the rows of one object in the order they were set.
func (t *tx) ObjectOccurrences(cal int64, name string) ([]calendar.OccurrenceRow, error) {
	return collect(t, "read occurrences", sqlObjectOccurrences, args(t.owner, cal, name), nil, readOccurrence)
}

// SetOccurrences replaces the rows of one object; the Name in rows is not read.
func (t *tx) SetOccurrences(cal int64, name string, rows []calendar.OccurrenceRow) error {
	const op = "index an object"
	if s := &t.stub; s.fresh && s.cal == cal && s.name == name {
		s.fresh = false
	} else if err := t.exec(op, sqlDropOccurrences, t.owner, cal, name); err != nil {
		return err
	}
	for i := range rows {
		o := &rows[i]
		err := t.exec(op, sqlInsertOccurrence, t.owner, cal, classOf(o), o.Start, name, int64(i), o.End, int64(o.Flags))
		if err != nil {
			return err
		}
	}
	return nil
}
