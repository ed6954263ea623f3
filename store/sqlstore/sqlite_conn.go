package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"factotum/server/calendar"

	"github.com/ncruces/go-sqlite3"
)

func stack() []byte { return debug.Stack() }

// sqliteConn is one SQLite connection with its prepared statements, used by
// one goroutine at a time. It uses the driver's own interface: database/sql
// costs more than a point read does.
type sqliteConn struct {
	db    *sqlite3.Conn
	stmts map[string]*sqliteStmt
	ctx   context.Context // of the running transaction: long scans end with it
	// swollen says that a long value went through. SQLite's memory has grown
	// for it, and is given back only when the connection is closed.
	swollen bool
}

// sqliteStmt is a prepared statement.
type sqliteStmt struct {
	*sqlite3.Stmt
	conn *sqliteConn
	busy bool // being stepped through: a nested use needs a statement of its own
	long bool // a value is bound that is not worth keeping
	// place[n] is where SQLite counts $n+1: it numbers named parameters by
	// their first use. 0 for one that the text does not have.
	place []int
}

// ctxEvery is how many rows a scan reads between looks at its context.
const ctxEvery = 256

// Octets of a value from which it is dropped after its use, and from which the
// connection is; and how much memory a connection may take, which bounds the
// values: SQLite makes two copies of one that is written.
const (
	longValue    = 64 << 10
	swollenValue = 1 << 20
	maxMemory    = 1 << 30
)

// openSQLiteConn opens an absolute path.
func openSQLiteConn(path string, pragmas ...string) (*sqliteConn, error) {
	db, err := sqlite3.OpenContext(sqlite3.WithMaxMemory(context.Background(), maxMemory), path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, sqliteError(err))
	}
	c := &sqliteConn{db: db, stmts: map[string]*sqliteStmt{}}
	// The query planner must not look at bound values: plans are stable, and
	// statements are never compiled again because a value changed.
	_, err = db.Config(sqlite3.DBCONFIG_ENABLE_QPSG, true)
	if err == nil {
		err = db.BusyTimeout(5 * time.Second)
	}
	for i := 0; err == nil && i < len(pragmas); i++ {
		if err = c.query("PRAGMA "+pragmas[i], nil, func(scanner) error { return nil }); err != nil {
			err = fmt.Errorf("pragma %s: %w", pragmas[i], err)
		}
	}
	if err != nil {
		c.close()
		return nil, fmt.Errorf("open %s: %w", path, sqliteError(err))
	}
	return c, nil
}

func (c *sqliteConn) close() error {
	for text, s := range c.stmts {
		s.Close()
		delete(c.stmts, text)
	}
	return sqliteError(c.db.Close())
}

// forgetStatistics undoes an ANALYZE that somebody ran on the file. Every query
// has its index, and averages over all homes could only choose a worse one.
func (c *sqliteConn) forgetStatistics() error {
	for _, table := range []string{"sqlite_stat1", "sqlite_stat4"} {
		if err := c.exec("DROP TABLE IF EXISTS " + table); err != nil {
			return err
		}
	}
	return nil
}

// sqliteError classifies a failure of the driver.
func sqliteError(err error) error {
	var code sqlite3.ExtendedErrorCode
	if err == nil || !errors.As(err, &code) {
		return err
	}
	return &engineError{kind: sqliteKind(code), code: fmt.Sprintf("sqlite %d", code), msg: err.Error(), cause: err}
}

// damaged tells whether SQLite finds the file not to be what it should.
func damaged(err error) bool {
	return errors.Is(err, sqlite3.CORRUPT) || errors.Is(err, sqlite3.NOTADB)
}

func sqliteKind(code sqlite3.ExtendedErrorCode) calendar.Kind {
	switch code {
	// A write that does not fit on the disk is FULL; one that fails while the
	// log's index grows, or over a file size limit, is an I/O error.
	case sqlite3.IOERR_WRITE, sqlite3.IOERR_SHMSIZE, sqlite3.IOERR_TRUNCATE, sqlite3.IOERR_FSYNC:
		return calendar.OverQuota
	}
	switch sqlite3.ErrorCode(code) {
	case sqlite3.FULL:
		return calendar.OverQuota
	case sqlite3.BUSY, sqlite3.LOCKED, sqlite3.CANTOPEN:
		return calendar.Unavailable
	case sqlite3.READONLY:
		return calendar.ReadOnly
	case sqlite3.TOOBIG:
		return calendar.TooLarge
	}
	return calendar.Internal
}

// stmt prepares text, or takes it from the connection's cache.
func (c *sqliteConn) stmt(text string) (s *sqliteStmt, once bool, err error) {
	s, ok := c.stmts[text]
	if ok && !s.busy {
		return s, false, nil
	}
	p, _, err := c.db.PrepareFlags(text, sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, false, sqliteError(err)
	}
	s = &sqliteStmt{Stmt: p, conn: c}
	for i := 1; i <= p.BindCount(); i++ {
		n, err := strconv.Atoi(strings.TrimPrefix(p.BindName(i), "$"))
		if err != nil || n < 1 || n > 1<<15 {
			p.Close()
			return nil, false, &engineError{kind: calendar.Internal, msg: "a parameter is not $n in " + text}
		}
		for len(s.place) < n {
			s.place = append(s.place, 0)
		}
		s.place[n-1] = i
	}
	if !ok {
		c.stmts[text] = s
	}
	return s, ok, nil
}

func (s *sqliteStmt) bind(args []any) (err error) {
	for i, a := range args {
		if i >= len(s.place) || s.place[i] == 0 {
			return &engineError{kind: calendar.Internal, msg: fmt.Sprintf("the statement has no $%d", i+1)}
		}
		switch v := a.(type) {
		case int64:
			err = s.BindInt64(s.place[i], v)
		case string:
			s.size(len(v))
			err = s.BindText(s.place[i], v)
		case []byte:
			s.size(len(v))
			err = s.BindBlob(s.place[i], v)
		default:
			return &engineError{kind: calendar.Internal, msg: fmt.Sprintf("argument of type %T", a)}
		}
		if err != nil {
			return sqliteError(err)
		}
	}
	return nil
}

// size notes how long a value is that goes in or out.
func (s *sqliteStmt) size(octets int) {
	s.long = s.long || octets > longValue
	s.conn.swollen = s.conn.swollen || octets > swollenValue
}

// release makes the statement ready for its next use. What was bound stays
// bound, unless it is long: every use binds anew.
func (s *sqliteStmt) release(once bool) {
	if once {
		s.Close()
		return
	}
	s.Reset()
	if s.long {
		s.ClearBindings()
	}
	s.busy, s.long = false, false
}

func (c *sqliteConn) exec(text string, args ...any) error {
	_, err := c.row(text, args)
	return err
}

func (c *sqliteConn) count(text string, args ...any) (int64, error) {
	if err := c.exec(text, args...); err != nil {
		return 0, err
	}
	return c.db.Changes(), nil
}

// row executes a statement up to its first row, or to its end if dest is empty.
func (c *sqliteConn) row(text string, args []any, dest ...any) (ok bool, err error) {
	s, once, err := c.stmt(text)
	if err != nil {
		return false, err
	}
	defer s.release(once)
	if err := s.bind(args); err != nil {
		return false, err
	}
	for s.Step() {
		if len(dest) > 0 {
			return true, s.scan(dest...)
		}
	}
	return false, sqliteError(s.Err())
}

func (c *sqliteConn) query(text string, args []any, fn func(scanner) error) error {
	s, once, err := c.stmt(text)
	if err != nil {
		return err
	}
	defer s.release(once)
	if err := s.bind(args); err != nil {
		return err
	}
	s.busy = true
	for n := 1; s.Step(); n++ {
		if err := fn(s); err != nil {
			return err
		}
		if n%ctxEvery == 0 && c.ctx != nil && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
	}
	return sqliteError(s.Err())
}

// logLength tells how many pages the write-ahead log holds and how many of them
// are folded into the database.
func (c *sqliteConn) logLength() (pages, folded int64) {
	n, done, err := c.db.WALCheckpoint("main", sqlite3.CHECKPOINT_NOOP)
	if err != nil {
		return 0, 0
	}
	return int64(n), int64(done)
}

func (c *sqliteConn) patient() {}

func (c *sqliteConn) arrays() bool { return false }

// inTransaction is false when SQLite has rolled back on its own, as it does
// after some failures of the disk.
func (c *sqliteConn) inTransaction() bool { return !c.db.GetAutocommit() }

func (s *sqliteStmt) scan(dest ...any) error {
	for i, d := range dest {
		switch d := d.(type) {
		case *int64:
			*d = s.ColumnInt64(i)
		case *string:
			*d = string(s.ColumnRawText(i))
		case *[]byte:
			b := s.ColumnRawBlob(i)
			s.size(len(b))
			*d = append(make([]byte, 0, len(b)), b...)
		default:
			return errors.New("scan into an unknown type")
		}
	}
	return nil
}
