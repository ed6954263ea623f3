package sqlstore

import (
	"errors"

	"factotum/server/calendar"
)

// tx is a transaction over one owner's data: calendar.Tx on a conn.
type tx struct {
	conn  conn
	owner string
	now   int64        // microseconds, the clock for a new home
	newID func() int64 // makes ids of bodies; nil in a View

	ahead *ahead

	home  home
	stub  stub // what the last look-up by name found
	wrote bool // something that must be undone if fn fails

	whole bool   // nothing is left for later
	piece int64  // rows that go at once
	kept  *rest  // of a calendar that is about to be deleted
	made  []rest // what it leaves for later
	lacks lack   // why it has to run again

	hooks []func()
	note  any // see Annotate

	// broken is the first failure of the engine. fn may overlook it; the
	// transaction must not commit after it.
	broken error
}

var _ calendar.Tx = (*tx)(nil)

var errReadOnly = errors.New("a View cannot write")

func newTx(c conn, owner calendar.Owner, now int64, newID func() int64) *tx {
	return &tx{conn: c, owner: string(owner), now: now, newID: newID}
}

// OnCommit keeps fn for after the commit.
func (t *tx) OnCommit(fn func()) { t.hooks = append(t.hooks, fn) }

// Annotate has a note go with the transaction to who is told before its commit: see
// Store.BeforeCommit.
func (t *tx) Annotate(note any) { t.note = note }

// finish writes what was gathered during fn. It is called once, after fn
// returned nil.
func (t *tx) finish() error {
	if t.broken != nil {
		return t.broken
	}
	return t.flushHome()
}

// wrap classifies a failure of the engine and remembers it.
func (t *tx) wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	err = wrap(op, err)
	if t.broken == nil {
		t.broken = err
	}
	return err
}

// mayWrite refuses every write of a View, and those after a failure of the
// engine: SQLite has ended the transaction when the disk is full, and a
// statement that follows would be committed by itself.
func (t *tx) mayWrite(op string) error {
	if t.newID == nil {
		return t.wrap(op, errReadOnly)
	}
	return t.broken
}

func (t *tx) exec(op, text string, args ...any) error {
	if err := t.mayWrite(op); err != nil {
		return err
	}
	t.wrote = true
	return t.wrap(op, t.conn.exec(text, args...))
}

func (t *tx) count(op, text string, args ...any) (int64, error) {
	if err := t.mayWrite(op); err != nil {
		return 0, err
	}
	n, err := t.conn.count(text, args...)
	t.wrote = t.wrote || n > 0
	return n, t.wrap(op, err)
}

func (t *tx) row(op, text string, args []any, dest ...any) (bool, error) {
	ok, err := t.conn.row(text, args, dest...)
	return ok, t.wrap(op, err)
}

// either chooses the text for an engine that knows arrays, or the other one.
func (t *tx) either(plain, arrays string) string {
	if t.conn.arrays() {
		return arrays
	}
	return plain
}

// collect reads all rows before anything is done with them, so that what is
// done may use the transaction again. read scans one row.
func collect[T any](t *tx, op, text string, args []any, into []T, read func(scanner, *T) error) ([]T, error) {
	err := t.conn.query(text, args, func(r scanner) error {
		var zero T
		into = append(into, zero)
		return read(r, &into[len(into)-1])
	})
	return into, t.wrap(op, err)
}
