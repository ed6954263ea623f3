package sqlstore

import (
	"errors"

	"factotum/server/calendar"
)

// rest is what a deletion leaves for later: rows that nobody sees any more, and that
// go in pieces (sweeper). With a calendar it is what was in one that was deleted, or
// tombstones of one. Without it is the history up to change, and without that all of a home.
type rest struct {
	owner               string
	cal, change         int64
	keeps               int64
	seq                 int64 // of the last row of the history that was made
	at                  int64
	actor, how, calname string

	// Not stored: what the history is to get, and what it counts for there and in the home.
	objects, files, size, octets int64
}

// The values of keeps.
const (
	restGoes   = iota
	restKeeps  // objects and files go to the history first
	restPurges // only tombstones go, those from seq to at
)

const (
	restColumns = `owner, cal, change, keeps, seq, at, actor, how, calname`

	sqlPutRest   = `INSERT INTO rests (` + restColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	sqlDropRest  = `DELETE FROM rests WHERE owner = $1 AND cal = $2 AND change = $3`
	sqlRestSeq   = `UPDATE rests SET seq = $4 WHERE owner = $1 AND cal = $2 AND change = $3`
	sqlRestName  = `UPDATE rests SET calname = $4 WHERE owner = $1 AND cal = $2 AND change = $3`
	sqlForgoRest = `UPDATE rests SET keeps = 0 WHERE owner = $1 AND cal = $2 AND change = $3`

	sqlRestOf       = `SELECT ` + restColumns + ` FROM rests WHERE owner = $1 ORDER BY cal, change LIMIT 1`
	sqlLeft         = `SELECT owner FROM rests LIMIT 1`
	sqlLeftAfter    = `SELECT owner FROM rests WHERE owner > $1 ORDER BY owner LIMIT 1`
	sqlCalendarRest = `SELECT cal FROM rests WHERE owner = $1 AND cal = $2 LIMIT 1`
	sqlCountRests   = `SELECT count(*) FROM rests WHERE owner = $1`
	sqlHomeRest     = `SELECT cal FROM rests WHERE owner = $1 AND cal = 0 AND change = 0`

	sqlSomeOfHome  = `SELECT count(*), cast(coalesce(sum(size), 0) AS BIGINT) FROM (SELECT size FROM objects WHERE owner = $1 LIMIT $2) o`
	sqlSomeHistory = `SELECT count(*) FROM (SELECT seq FROM history WHERE owner = $1 LIMIT $2) h`
)

// A piece of a deletion ends after so many rows or octets; what is no more goes at once.
const (
	restRows   = 256
	restOctets = 1 << 20
)

// errUnsettled says that a transaction has to run again: tx.lacks tells after what.
var errUnsettled = errors.New("a large deletion is not over")

// lack is what a transaction needs that cannot do with a rest.
type lack uint8

const (
	lacksNothing lack = iota
	lacksRest         // the rests of before have to be gone
	lacksWhole        // what it deletes itself has to go at once
)

func readRest(s scanner, r *rest) error {
	return s.scan(&r.owner, &r.cal, &r.change, &r.keeps, &r.seq, &r.at, &r.actor, &r.how, &r.calname)
}

func (r *rest) key() []any { return args(r.owner, r.cal, r.change) }

// leave leaves a rest.
func (t *tx) leave(op string, r *rest) error {
	r.owner = t.owner
	t.made = append(t.made, *r)
	return t.exec(op, sqlPutRest, append(r.key(), r.keeps, r.seq, r.at, r.actor, r.how, r.calname)...)
}

func (t *tx) needs(what lack) error {
	if t.lacks == lacksNothing {
		t.lacks = what
	}
	return errUnsettled
}

// settled is asked by whoever could meet the rows of a rest: it fails where there is one,
// and the transaction runs again when it is gone.
func (t *tx) settled(op string) error {
	if len(t.made) > 0 || t.kept != nil {
		return t.needs(lacksWhole)
	}
	var r rest
	err := t.conn.query(sqlRestOf, args(t.owner), func(s scanner) error { return readRest(s, &r) })
	if err != nil || r.owner == "" {
		return t.wrap(op, err)
	}
	return t.needs(lacksRest)
}

// mayBegin is settled for a new home, in whose way only all of an old one is.
func (t *tx) mayBegin(op string) error {
	for i := range t.made {
		if t.made[i].cal == 0 && t.made[i].change == 0 {
			return t.needs(lacksWhole)
		}
	}
	var cal int64
	if there, err := t.row(op, sqlHomeRest, args(t.owner), &cal); err != nil || !there {
		return err
	}
	return t.needs(lacksRest)
}

// settledCalendar is settled for one that comes back under its id, or whose tombstones are asked for.
func (t *tx) settledCalendar(op string, id int64) error {
	for i := range t.made {
		if t.made[i].cal == id {
			return t.needs(lacksWhole)
		}
	}
	var cal int64
	if there, err := t.row(op, sqlCalendarRest, args(t.owner, id), &cal); err != nil || !there {
		return err
	}
	return t.needs(lacksRest)
}

// large tells whether what is deleted is too much for a moment.
func (t *tx) large(rows, octets int64) bool {
	return !t.whole && (rows > t.piece || octets > restOctets)
}

// largeHome tells the same of a home.
func (t *tx) largeHome(op string) (bool, error) {
	var objects, octets, versions int64
	if _, err := t.row(op, sqlSomeOfHome, args(t.owner, t.piece+1), &objects, &octets); err != nil {
		return false, err
	}
	if _, err := t.row(op, sqlSomeHistory, args(t.owner, t.piece+1), &versions); err != nil {
		return false, err
	}
	return t.large(max(objects, versions), max(octets, t.home.bytes, t.home.history)), nil
}

// mayPurge is settled for tombstones: those of a rest are counted no second time.
func (t *tx) mayPurge(op string, cal int64) error {
	for i := range t.made {
		if t.made[i].cal == cal {
			return t.needs(lacksWhole)
		}
	}
	return t.onlyOwnRests(op)
}

// onlyOwnRests is settled for who knows what the transaction itself leaves.
func (t *tx) onlyOwnRests(op string) error {
	var n int64
	if _, err := t.row(op, sqlCountRests, args(t.owner), &n); err != nil || n == int64(len(t.made)) {
		return err
	}
	return t.needs(lacksRest)
}

// purges is up to which change the transaction itself leaves the history.
func (t *tx) purges() (change int64) {
	for i := range t.made {
		if t.made[i].cal == 0 {
			change = max(change, t.made[i].change)
		}
	}
	return change
}

// keeping is what the transaction leaves for the history under a change.
func (t *tx) keeping(change int64) *rest {
	if t.kept != nil && t.kept.change == change && t.kept.keeps == restKeeps {
		return t.kept
	}
	for i := range t.made {
		if r := &t.made[i]; r.change == change && r.keeps == restKeeps {
			return r
		}
	}
	return nil
}

// forgo has a rest go without the history having it.
func (t *tx) forgo(op string, r *rest) error {
	if r.keeps = restGoes; r == t.kept {
		return nil
	}
	return t.exec(op, sqlForgoRest, r.key()...)
}

// kept values are those of sqlKeepObjects and sqlKeepFiles, up to a name and an id.
func (r *rest) kept(end calendar.Ending, name string, more ...any) []any {
	return append(args(r.owner, r.cal, r.change, r.at, int64(end), r.actor, r.how, r.calname, int64(calendar.HistoryOverhead), r.seq, name), more...)
}
