package sqlstore

import (
	"context"

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

// ownedTables are those whose rows belong to owners.
var ownedTables = []string{"bodies", "objects", "occurrences", "props", "attachments", "calendars", "prefs", "tokens", "jobs", "traces", "registrations", "history", "owners"}

// DropHome removes all rows of the owner.
func (t *tx) DropHome() error {
	t.conn.patient()
	t.ahead.forget()
	t.stub = stub{}
	for _, table := range ownedTables {
		if err := t.exec("drop a home", `DELETE FROM `+table+` WHERE owner = $1`, t.owner); err != nil {
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
