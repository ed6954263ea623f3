package sqlstore

import (
	"context"
	"slices"

	"factotum/server/calendar"
)

var _ calendar.Loader = (*tx)(nil)

const sqlLoadHome = `UPDATE owners SET created = $2, entry = $3 WHERE owner = $1`

// LoadHome sets what a home's row has besides its sums.
func (t *tx) LoadHome(h calendar.HomeRow) error {
	if err := t.makeHome(); err != nil {
		return err
	}
	is := &t.home
	is.change, is.purged, is.historyfrom = h.Change, h.Purged, micros(h.HistoryFrom)
	if err := t.flushHome(); err != nil {
		return err
	}
	is.created, is.entry = micros(h.Created), h.Entry
	return t.exec("load a home", sqlLoadHome, t.owner, is.created, h.Entry)
}

// ownedTables are those whose rows belong to owners, but for texts, and for what is left of
// deletions.
var ownedTables = []string{"objects", "occurrences", "props", "attachments", "calendars", "prefs", "tokens", "jobs", "traces", "registrations", "history", "owners"}

// sweptTables are those of them whose rows may be many.
var sweptTables = []string{"objects", "occurrences", "props", "attachments", "history"}

// sqlBodiesOfHome: on SQLite no index finds texts by their owner.
const (
	sqlBodiesOfHome    = dropBodies + ` IN (SELECT body FROM objects WHERE owner = $1)`
	sqlBodyListsOfHome = dropBodies + ` = ANY(ARRAY(SELECT body FROM objects WHERE owner = $1))`
)

// DropHome removes all rows of the owner, those that may be many later.
func (t *tx) DropHome() error {
	const op = "drop a home"
	if err := t.settled(op); err != nil {
		return err
	}
	if err := t.loadHome(); err != nil {
		return err
	}
	t.conn.patient()
	t.ahead.forget()
	t.stub = stub{}
	later, err := t.largeHome(op)
	if err != nil {
		return err
	}
	if later {
		err = t.leave(op, &rest{})
	} else {
		err = t.exec(op, t.either(sqlBodiesOfHome, sqlBodyListsOfHome), t.owner)
	}
	if err != nil {
		return err
	}
	for _, table := range ownedTables {
		if later && slices.Contains(sweptTables, table) {
			continue
		}
		if err := t.exec(op, `DELETE FROM `+table+` WHERE owner = $1`, t.owner); err != nil {
			return err
		}
	}
	t.home = home{loaded: true}
	return nil
}

const sqlNumbers = `SELECT owner, change FROM owners`

// Numbers calls fn for every home with its number, in any order, at one moment.
func (s *Store) Numbers(ctx context.Context, fn func(owner calendar.Owner, change int64) error) error {
	return s.engine.read(ctx, func(c conn) error {
		var owner string
		var change int64
		return wrap("read the numbers of homes", c.query(sqlNumbers, nil, func(r scanner) error {
			if err := r.scan(&owner, &change); err != nil {
				return err
			}
			return fn(calendar.Owner(owner), change)
		}))
	})
}
