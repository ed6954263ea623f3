package sqlstore

import (
	"bytes"

	"factotum/server/calendar"
)

const (
	// A zero-length row overlaps where it starts: start_at >= from.
	inRange  = ` AND start_at < $4 AND (end_at > $3 OR start_at >= $3)`
	fromRuns = `SELECT name, start_at, end_at, flags, more FROM occurrences WHERE owner = $1 AND cal = $2`

	sqlOccurrences = fromRuns + ` AND cls = 0 AND start_at >= $5` + inRange + ` UNION ALL ` +
		fromRuns + ` AND cls = 1 AND start_at >= $6` + inRange + ` UNION ALL ` +
		fromRuns + ` AND cls = 2` + inRange

	sqlObjectOccurrences = `SELECT occ FROM objects WHERE owner = $1 AND cal = $2 AND name = $3`
	sqlSetOccurrences    = `UPDATE objects SET occ = $4, runs = $5 WHERE owner = $1 AND cal = $2 AND name = $3`

	sqlDropRun = `DELETE FROM occurrences WHERE owner = $1 AND cal = $2 AND cls = $3 AND start_at = $4 AND name = $5 AND seq = $6`

	sqlInsertRun = `INSERT INTO occurrences (owner, cal, cls, start_at, name, seq, end_at, flags, more) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (owner, cal, cls, start_at, name, seq) DO UPDATE SET end_at = excluded.end_at, flags = excluded.flags, more = excluded.more`
)

// Occurrences calls fn for the rows that overlap [from,to).
func (t *tx) Occurrences(cal, from, to int64, fn func(calendar.OccurrenceRow) error) error {
	var rows []calendar.OccurrenceRow
	var more []byte
	var flags int64
	err := t.conn.query(sqlOccurrences, args(t.owner, cal, from, to, before(from, maxDay), before(from, maxRun)), func(r scanner) error {
		var o calendar.OccurrenceRow
		if err := r.scan(&o.Name, &o.Start, &o.End, &flags, &more); err != nil {
			return err
		}
		if o.Flags = int(flags); len(more) == 0 {
			rows = append(rows, o)
			return nil
		}
		return unpack(more, o.Name, func(o calendar.OccurrenceRow) {
			if o.Start < to && (o.End > from || o.Start >= from) {
				rows = append(rows, o)
			}
		})
	})
	if err != nil {
		return t.wrap("read a time range", err)
	}
	for _, o := range rows {
		if err := fn(o); err != nil {
			return err
		}
	}
	return nil
}

// ObjectOccurrences lists the rows of one object in the order they were set.
func (t *tx) ObjectOccurrences(cal int64, name string) (rows []calendar.OccurrenceRow, err error) {
	const op = "read occurrences"
	packed, err := t.packed(op, cal, name)
	if err != nil {
		return nil, err
	}
	err = unpack(packed, name, func(o calendar.OccurrenceRow) { rows = append(rows, o) })
	return rows, t.wrap(op, err)
}

// packed reads the list that the object's row holds.
func (t *tx) packed(op string, cal int64, name string) (occ []byte, err error) {
	s := &t.stub
	same := s.known && s.cal == cal && s.name == name
	if same && s.occKnown {
		return s.occ, nil
	}
	if f := t.ahead.object(cal, name); f != nil {
		return f.occ, nil
	}
	_, err = t.row(op, sqlObjectOccurrences, args(t.owner, cal, name), &occ)
	if same && err == nil {
		s.occ, s.occKnown = occ, true
	}
	return occ, err
}

// SetOccurrences replaces the rows of one object; the Name in rows is not read.
// NotFound if there is no live object of that name.
func (t *tx) SetOccurrences(cal int64, name string, rows []calendar.OccurrenceRow) error {
	const op = "index an object"
	if err := t.lookUp(op, cal, name); err != nil {
		return err
	}
	if !t.stub.exists || t.stub.deleted {
		return &calendar.Error{Kind: calendar.NotFound, Op: op, Ref: name}
	}
	runs, packed := split(rows), pack(rows)
	if err := t.index(op, cal, name, runs); err != nil {
		return err
	}
	t.stub.occ, t.stub.occKnown = packed, true
	t.ahead.index(cal, name, packed)
	return t.exec(op, sqlSetOccurrences, t.owner, cal, name, octets(packed), int64(len(runs)))
}

// index makes runs those of the object in the time index; the object's row
// still holds the list that is there now.
func (t *tx) index(op string, cal int64, name string, runs []run) error {
	old, err := t.ObjectOccurrences(cal, name)
	if err != nil {
		return err
	}
	is := split(old)
	kept := func(a, b []run, i int) bool { return i < len(b) && a[i].same(&b[i]) }
	for i := range is {
		if r := &is[i]; !kept(is, runs, i) {
			if err := t.exec(op, sqlDropRun, t.owner, cal, r.cls, r.start, name, int64(i)); err != nil {
				return err
			}
		}
	}
	for i := range runs {
		if r := &runs[i]; !kept(runs, is, i) {
			err := t.exec(op, sqlInsertRun, t.owner, cal, r.cls, r.start, name, int64(i), r.end, r.flags, octets(r.more))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) same(o *run) bool {
	return r.cls == o.cls && r.start == o.start && r.end == o.end && r.flags == o.flags && bytes.Equal(r.more, o.more)
}
