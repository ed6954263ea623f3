package sqlstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
	"unsafe"

	"factotum/server/calendar"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	lib "modernc.org/sqlite/lib"
)

func stack() []byte { return debug.Stack() }

// sqliteConn is one SQLite connection with its prepared statements, used by
// one goroutine at a time. It calls the driver's library itself: database/sql
// and the driver's rows cost more than a point read does.
type sqliteConn struct {
	tls   *libc.TLS
	db    uintptr
	cell  uintptr // C memory for results by pointer
	stmts map[string]*sqliteStmt
	ctx   context.Context // of the running transaction: long scans end with it
}

// sqliteStmt is a prepared statement. buf is C memory that holds the texts
// and blobs bound to it until the next execution.
type sqliteStmt struct {
	h    uintptr
	buf  uintptr
	size int
	busy bool // being stepped through: a nested use needs a statement of its own
	// place[n] is where SQLite counts $n+1: it numbers named parameters by
	// their first use. 0 for one that the text does not have.
	place []int32
}

// keepBuf is how large a statement's buffer may stay between executions.
const keepBuf = 64 << 10

// ctxEvery is how many rows a scan reads between looks at its context.
const ctxEvery = 256

func openSQLiteConn(path string, pragmas ...string) (*sqliteConn, error) {
	c := &sqliteConn{tls: libc.NewTLS(), stmts: map[string]*sqliteStmt{}}
	var err error
	if c.cell, err = c.malloc(16); err != nil {
		c.tls.Close()
		return nil, err
	}
	name, err := libc.CString(path)
	if err != nil {
		c.close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	rc := lib.Xsqlite3_open_v2(c.tls, name, c.cell, lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_CREATE|lib.SQLITE_OPEN_NOMUTEX, 0)
	libc.Xfree(c.tls, name)
	c.db = word(c.cell)
	if rc != lib.SQLITE_OK {
		err := c.fail(rc)
		c.close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	lib.Xsqlite3_extended_result_codes(c.tls, c.db, 1)
	// The query planner must not look at bound values: plans are stable, and
	// statements are never compiled again because a value changed.
	lib.Xsqlite3_db_config(c.tls, c.db, lib.SQLITE_DBCONFIG_ENABLE_QPSG, libc.VaList(c.cell, int32(1), uintptr(0)))
	lib.Xsqlite3_busy_timeout(c.tls, c.db, 5000)
	for _, p := range pragmas {
		if err := c.query("PRAGMA "+p, nil, func(scanner) error { return nil }); err != nil {
			c.close()
			return nil, fmt.Errorf("open %s: pragma %s: %w", path, p, err)
		}
	}
	return c, nil
}

// word reads a pointer that C stored at p.
func word(p uintptr) uintptr { return **(**uintptr)(unsafe.Pointer(&p)) }

func (c *sqliteConn) malloc(n int) (uintptr, error) {
	p := libc.Xmalloc(c.tls, types.Size_t(n))
	if p == 0 {
		return 0, &engineError{kind: calendar.Internal, msg: "out of memory"}
	}
	return p, nil
}

func (c *sqliteConn) close() error {
	for text, s := range c.stmts {
		c.drop(s)
		delete(c.stmts, text)
	}
	var err error
	if c.db != 0 {
		if rc := lib.Xsqlite3_close_v2(c.tls, c.db); rc != lib.SQLITE_OK {
			err = c.fail(rc)
		}
		c.db = 0
	}
	if c.cell != 0 {
		libc.Xfree(c.tls, c.cell)
		c.cell = 0
	}
	c.tls.Close()
	return err
}

func (c *sqliteConn) drop(s *sqliteStmt) {
	lib.Xsqlite3_finalize(c.tls, s.h)
	if s.buf != 0 {
		libc.Xfree(c.tls, s.buf)
	}
}

// fail classifies the result code of the last call.
func (c *sqliteConn) fail(rc int32) error {
	msg := libc.GoString(lib.Xsqlite3_errmsg(c.tls, c.db))
	if rc == lib.SQLITE_OK {
		rc = lib.Xsqlite3_extended_errcode(c.tls, c.db)
	}
	return &engineError{kind: sqliteKind(rc), code: fmt.Sprintf("sqlite %d", rc), msg: msg}
}

func sqliteKind(rc int32) calendar.Kind {
	switch rc {
	// A write that does not fit on the disk is FULL; one that fails while the
	// log's index grows, or over a file size limit, is an I/O error.
	case lib.SQLITE_IOERR_WRITE, lib.SQLITE_IOERR_SHMSIZE, lib.SQLITE_IOERR_TRUNCATE, lib.SQLITE_IOERR_FSYNC:
		return calendar.OverQuota
	}
	switch rc & 0xff {
	case lib.SQLITE_FULL:
		return calendar.OverQuota
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_CANTOPEN:
		return calendar.Unavailable
	case lib.SQLITE_READONLY:
		return calendar.ReadOnly
	case lib.SQLITE_TOOBIG:
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
	z, err := libc.CString(text)
	if err != nil {
		return nil, false, &engineError{kind: calendar.Internal, msg: "out of memory"}
	}
	defer libc.Xfree(c.tls, z)
	if rc := lib.Xsqlite3_prepare_v3(c.tls, c.db, z, int32(len(text)+1), lib.SQLITE_PREPARE_PERSISTENT, c.cell, 0); rc != lib.SQLITE_OK {
		return nil, false, c.fail(rc)
	}
	s = &sqliteStmt{h: word(c.cell)}
	for i := int32(1); i <= lib.Xsqlite3_bind_parameter_count(c.tls, s.h); i++ {
		n, err := strconv.Atoi(strings.TrimPrefix(libc.GoString(lib.Xsqlite3_bind_parameter_name(c.tls, s.h, i)), "$"))
		if err != nil || n < 1 || n > 1<<15 {
			c.drop(s)
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

// bind lays texts and blobs into the statement's buffer and binds all.
func (c *sqliteConn) bind(s *sqliteStmt, args []any) error {
	need := 1 // an empty blob needs an address that is not null
	for _, a := range args {
		switch v := a.(type) {
		case string:
			need += len(v)
		case []byte:
			need += len(v)
		}
	}
	if need > math.MaxInt32 {
		return &engineError{kind: calendar.TooLarge, msg: "a statement's arguments exceed 2 GiB"}
	}
	if need > s.size {
		p, err := c.malloc(need)
		if err != nil {
			return err
		}
		if s.buf != 0 {
			libc.Xfree(c.tls, s.buf)
		}
		s.buf, s.size = p, need
	}
	mem, at := libc.GoBytes(s.buf, s.size), 0
	for i, a := range args {
		var rc int32
		if i >= len(s.place) || s.place[i] == 0 {
			return &engineError{kind: calendar.Internal, msg: fmt.Sprintf("the statement has no $%d", i+1)}
		}
		n := s.place[i]
		switch v := a.(type) {
		case int64:
			rc = lib.Xsqlite3_bind_int64(c.tls, s.h, n, v)
		case string:
			copy(mem[at:], v)
			rc = lib.Xsqlite3_bind_text(c.tls, s.h, n, s.buf+uintptr(at), int32(len(v)), lib.SQLITE_STATIC)
			at += len(v)
		case []byte:
			copy(mem[at:], v)
			rc = lib.Xsqlite3_bind_blob(c.tls, s.h, n, s.buf+uintptr(at), int32(len(v)), lib.SQLITE_STATIC)
			at += len(v)
		default:
			return &engineError{kind: calendar.Internal, msg: fmt.Sprintf("argument of type %T", a)}
		}
		if rc != lib.SQLITE_OK {
			return c.fail(rc)
		}
	}
	return nil
}

// release makes the statement ready for its next use.
func (c *sqliteConn) release(s *sqliteStmt, once bool) {
	s.busy = false
	if once {
		c.drop(s)
		return
	}
	lib.Xsqlite3_reset(c.tls, s.h)
	if s.size > keepBuf {
		// The bindings still point into the buffer, but every use binds anew.
		libc.Xfree(c.tls, s.buf)
		s.buf, s.size = 0, 0
	}
}

func (c *sqliteConn) exec(text string, args ...any) error {
	_, err := c.run(text, args, nil)
	return err
}

func (c *sqliteConn) count(text string, args ...any) (int64, error) {
	if _, err := c.run(text, args, nil); err != nil {
		return 0, err
	}
	return lib.Xsqlite3_changes64(c.tls, c.db), nil
}

// run executes a statement up to its first row, which it scans into dest.
func (c *sqliteConn) run(text string, args, dest []any) (ok bool, err error) {
	s, once, err := c.stmt(text)
	if err != nil {
		return false, err
	}
	defer c.release(s, once)
	if err := c.bind(s, args); err != nil {
		return false, err
	}
	for {
		switch rc := lib.Xsqlite3_step(c.tls, s.h); rc {
		case lib.SQLITE_DONE:
			return false, nil
		case lib.SQLITE_ROW:
			if dest != nil {
				return true, sqliteRow{c, s.h}.scan(dest...)
			}
		default:
			return false, c.fail(rc)
		}
	}
}

func (c *sqliteConn) row(text string, args []any, dest ...any) (bool, error) {
	return c.run(text, args, dest)
}

func (c *sqliteConn) query(text string, args []any, fn func(scanner) error) error {
	s, once, err := c.stmt(text)
	if err != nil {
		return err
	}
	defer c.release(s, once)
	if err := c.bind(s, args); err != nil {
		return err
	}
	s.busy = true
	row := &sqliteRow{c, s.h}
	for n := 1; ; n++ {
		if n%ctxEvery == 0 && c.ctx != nil && c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		switch rc := lib.Xsqlite3_step(c.tls, s.h); rc {
		case lib.SQLITE_DONE:
			return nil
		case lib.SQLITE_ROW:
			if err := fn(row); err != nil {
				return err
			}
		default:
			return c.fail(rc)
		}
	}
}

// logLength tells how many pages the write-ahead log holds and how many of them
// are folded into the database. The pragma would be compiled at each use.
func (c *sqliteConn) logLength() (pages, folded int64) {
	if lib.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, 0, lib.SQLITE_CHECKPOINT_NOOP, c.cell, c.cell+4) != lib.SQLITE_OK {
		return 0, 0
	}
	n := libc.GoBytes(c.cell, 8)
	return int64(int32(binary.NativeEndian.Uint32(n))), int64(int32(binary.NativeEndian.Uint32(n[4:])))
}

func (c *sqliteConn) arrays() bool { return false }

// inTransaction is false when SQLite has rolled back on its own, as it does
// after some failures of the disk.
func (c *sqliteConn) inTransaction() bool {
	return lib.Xsqlite3_get_autocommit(c.tls, c.db) == 0
}

type sqliteRow struct {
	c *sqliteConn
	h uintptr
}

func (r sqliteRow) scan(dest ...any) error {
	for i, d := range dest {
		col := int32(i)
		switch d := d.(type) {
		case *int64:
			*d = lib.Xsqlite3_column_int64(r.c.tls, r.h, col)
		case *string:
			*d = string(r.bytes(lib.Xsqlite3_column_text(r.c.tls, r.h, col), col))
		case *[]byte:
			b := r.bytes(lib.Xsqlite3_column_blob(r.c.tls, r.h, col), col)
			*d = append(make([]byte, 0, len(b)), b...)
		default:
			return errors.New("scan into an unknown type")
		}
	}
	return nil
}

// bytes views the column's octets in SQLite's memory until the next step.
func (r sqliteRow) bytes(p uintptr, col int32) []byte {
	n := lib.Xsqlite3_column_bytes(r.c.tls, r.h, col)
	if p == 0 || n == 0 {
		return nil
	}
	return libc.GoBytes(p, int(n))
}
