package sqlstore

import "factotum/server/calendar"

// home is the owner's row as the transaction sees it.
type home struct {
	loaded, exists, dirty  bool
	stored                 bool // the row is in the table
	change, created        int64
	purged                 int64
	bytes, objects         int64
	entry                  string
	registered             int64 // calendar.Registered
	history                int64
	historyat, historyfrom int64
}

const (
	sqlHome = `SELECT change, created, purged, bytes, objects, entry, registered, history, historyat, historyfrom FROM owners WHERE owner = $1`

	sqlCountHome = `SELECT count(*), cast(coalesce(sum(size), 0) AS BIGINT) FROM objects WHERE owner = $1 AND deleted = 0`
	sqlFileSizes = sqlSizeOfAttachments + ` WHERE owner = $1`

	sqlInsertHome = `INSERT INTO owners (owner, change, created, purged, bytes, objects, history, historyat, historyfrom) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`
	sqlUpdateHome = `UPDATE owners SET change = $2, purged = $3, bytes = $4, objects = $5, history = $6, historyat = $7, historyfrom = $8 WHERE owner = $1`
	sqlSetEntry   = `UPDATE owners SET entry = $2 WHERE owner = $1`

	sqlSetRegistered = `UPDATE owners SET registered = $2 WHERE owner = $1`
)

// columns are those of sqlHome.
func (h *home) columns() []any {
	return []any{&h.change, &h.created, &h.purged, &h.bytes, &h.objects, &h.entry, &h.registered, &h.history, &h.historyat, &h.historyfrom}
}

func (t *tx) loadHome() (err error) {
	h := &t.home
	if h.loaded {
		return nil
	}
	h.exists, err = t.row("read the home", sqlHome, args(t.owner), h.columns()...)
	h.loaded, h.stored = err == nil, h.exists
	return err
}

// makeHome prepares the row for a change of it; flushHome writes it.
func (t *tx) makeHome() error {
	if err := t.loadHome(); err != nil {
		return err
	}
	h := &t.home
	if !h.exists {
		if err := t.mayBegin("make a home"); err != nil {
			return err
		}
		h.exists, h.created = true, t.now
	}
	h.dirty = true
	return nil
}

func (t *tx) flushHome() error {
	h := &t.home
	if !h.dirty {
		return nil
	}
	h.dirty = false
	if h.stored {
		return t.exec("write the home", sqlUpdateHome, t.owner, h.change, h.purged, h.bytes, h.objects, h.history, h.historyat, h.historyfrom)
	}
	h.stored = true
	return t.exec("write the home", sqlInsertHome, t.owner, h.change, h.created, h.purged, h.bytes, h.objects, h.history, h.historyat, h.historyfrom)
}

// grow keeps the sums over the owner's live objects.
func (t *tx) grow(objects, bytes int64) error {
	if objects == 0 && bytes == 0 && t.home.exists {
		return nil
	}
	if err := t.makeHome(); err != nil {
		return err
	}
	t.home.objects += objects
	t.home.bytes += bytes
	return nil
}

// SetEntry notes whose home it is. That is seldom, so it is a statement of its
// own.
func (t *tx) SetEntry(entry string) error {
	if err := t.makeHome(); err != nil {
		return err
	}
	if err := t.flushHome(); err != nil {
		return err
	}
	t.home.entry = entry
	return t.exec("note whose home it is", sqlSetEntry, t.owner, entry)
}

// Recount works the sums of the home out anew.
func (t *tx) Recount() error {
	const op = "count the home"
	if err := t.settled(op); err != nil {
		return err
	}
	t.conn.patient()
	if err := t.makeHome(); err != nil {
		return err
	}
	var objects, bytes, files int64
	if _, err := t.row(op, sqlCountHome, args(t.owner), &objects, &bytes); err != nil {
		return err
	}
	if _, err := t.row(op, sqlFileSizes, args(t.owner), &files); err != nil {
		return err
	}
	t.home.objects, t.home.bytes = objects, bytes+files
	if _, err := t.row(op, sqlHistoryOctets, args(t.owner), &t.home.history); err != nil {
		return err
	}
	kinds, err := t.registeredKinds()
	if err != nil || kinds == t.home.registered {
		return err
	}
	return t.setRegistered(kinds)
}

// Home returns the owner's row.
func (t *tx) Home() (calendar.HomeRow, bool, error) {
	if err := t.loadHome(); err != nil || !t.home.exists {
		return calendar.HomeRow{}, false, err
	}
	h := &t.home
	return calendar.HomeRow{Change: h.change, Purged: h.purged, Created: fromMicros(h.created), Bytes: h.bytes, Entry: h.entry, Registered: calendar.Registered(h.registered),
		History: h.history, HistoryAt: fromMicros(h.historyat), HistoryFrom: fromMicros(h.historyfrom)}, true, nil
}

// NextChange takes the owner's next change number, another one at each call.
func (t *tx) NextChange() (int64, error) {
	if t.newID == nil {
		return 0, t.wrap("take a change number", errReadOnly)
	}
	if err := t.makeHome(); err != nil {
		return 0, err
	}
	t.home.change++
	return t.home.change, nil
}
