package sqlstore

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgConn is a transaction on a PostgreSQL connection. Statements whose outcome
// nobody waits for are kept and travel with the next one that is read, in one
// pipeline: a write of six statements is one round trip.
type pgConn struct {
	ctx     context.Context // ends with the caller's, and when the server is silent for too long
	cut     context.CancelCauseFunc
	leave   func() bool // parts ctx from the caller's
	e       *pgEngine
	owner   calendar.Owner
	c       *pgx.Conn
	pooled  *pgxpool.Conn
	slots   *slots
	pending []pgStatement
	sent    int // round trips so far

	limit atomic.Int64 // of the server's silence, in nanoseconds
	since atomic.Int64 // since when the server is silent, in Unix nanoseconds; 0: nothing is due
	timer *time.Timer  // looks at both when it goes off
	armed atomic.Bool  // it will
	slow  atomic.Bool  // what is asked may take long
}

type pgStatement struct {
	text string
	args []any
}

func (c *pgConn) exec(text string, args ...any) error {
	c.pending = append(c.pending, pgStatement{text, args})
	return nil
}

// pgQuery is a question, and what is done with each row of the answer.
type pgQuery struct {
	text string
	args []any
	read func(scanner) error
}

// send ships what is pending with some more statements, whose results the
// caller reads from the batch and then closes.
func (c *pgConn) send(more ...pgQuery) (pgx.BatchResults, error) {
	var batch pgx.Batch
	n := 0
	for i, s := range c.pending {
		if !c.stamped(i) {
			batch.Queue(s.text, s.args...)
			n++
		}
	}
	for _, q := range more {
		batch.Queue(q.text, q.args...)
	}
	clear(c.pending)
	c.pending = c.pending[:0]
	c.sent++
	c.ask()
	results := c.c.SendBatch(c.ctx, &batch)
	for range n {
		if _, err := results.Exec(); err != nil {
			results.Close()
			return nil, c.error(err)
		}
		c.ask()
	}
	return results, nil
}

// stamped tells whether a pending statement does nothing that a later one does
// not do again: of several updates in one transaction each stamps the home and
// the calendar.
func (c *pgConn) stamped(i int) bool {
	s := &c.pending[i]
	if s.text != sqlUpdateHome && s.text != sqlTouchCalendar {
		return false
	}
	for _, later := range c.pending[i+1:] {
		if later.text == s.text && (s.text == sqlUpdateHome || later.args[1] == s.args[1]) {
			return true
		}
	}
	return false
}

func (c *pgConn) count(text string, args ...any) (int64, error) {
	tag, err := c.tag(text, args...)
	return tag.RowsAffected(), err
}

func (c *pgConn) tag(text string, args ...any) (pgconn.CommandTag, error) {
	defer c.rest()
	results, err := c.send(pgQuery{text: text, args: args})
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	tag, err := results.Exec()
	return tag, c.error(errors.Join(err, results.Close()))
}

func (c *pgConn) row(text string, args []any, dest ...any) (ok bool, err error) {
	err = c.query(text, args, func(r scanner) error {
		if ok {
			return nil
		}
		ok = true
		return r.scan(dest...)
	})
	return ok, err
}

func (c *pgConn) query(text string, args []any, fn func(scanner) error) error {
	return c.queries(pgQuery{text, args, fn})
}

// queries asks all at once, in one round trip.
func (c *pgConn) queries(list ...pgQuery) error {
	defer c.rest()
	results, err := c.send(list...)
	if err != nil {
		return err
	}
	var fault error
	for i := 0; i < len(list) && err == nil && fault == nil; i++ {
		var rows pgx.Rows
		if rows, fault = results.Query(); fault != nil {
			break
		}
		for err == nil && rows.Next() {
			err = list[i].read(pgRow{rows})
			c.ask()
		}
		rows.Close()
		fault = rows.Err()
	}
	if fault = errors.Join(fault, results.Close()); fault != nil {
		return c.error(fault)
	}
	return err
}

// error classifies a failure, and says when it is the server's silence.
func (c *pgConn) error(err error) error {
	if err != nil && context.Cause(c.ctx) == errSilent {
		return &engineError{kind: calendar.Unavailable, msg: errSilent.Error(), cause: unknownOutcome{err}}
	}
	return pgError(err)
}

func (c *pgConn) arrays() bool { return true }

type pgRow struct{ rows pgx.Rows }

func (r pgRow) scan(dest ...any) error { return r.rows.Scan(dest...) }

// pgError classifies a failure of the driver by its SQLSTATE.
func pgError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) { // the connection is lost
		return &engineError{kind: calendar.Unavailable, msg: "the connection to PostgreSQL failed", cause: err}
	}
	e := &engineError{kind: calendar.Internal, code: "SQLSTATE " + pg.Code, msg: pg.Message, cause: err}
	switch {
	case pg.Code == "40001", pg.Code == "40P01": // serialization failure, deadlock
		e.kind, e.retry = calendar.Unavailable, true
	case pg.Code == "53100": // disk full
		e.kind = calendar.OverQuota
	case pg.Code == "25006": // read-only transaction: a stand-by
		e.kind = calendar.ReadOnly
	case pg.Code == "23505": // a name or UID, and another process has it: else we would know
		e.kind = calendar.UIDConflict
	case pg.Code == "22021", pg.Code == "22P05": // octets that are no text
		e.kind = calendar.Invalid
	case strings.HasPrefix(pg.Code, "54"): // a value too long for an index
		e.kind = calendar.TooLarge
	case strings.HasPrefix(pg.Code, "08"), strings.HasPrefix(pg.Code, "53"), strings.HasPrefix(pg.Code, "57"), pg.Code == "55P03":
		e.kind = calendar.Unavailable
	}
	return e
}

// fromServer tells whether the server itself refused: then nothing was
// committed, while a lost connection leaves that open.
func fromServer(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg)
}

// flush sends what is pending and waits for its outcome.
func (c *pgConn) flush() error {
	if len(c.pending) == 0 {
		return nil
	}
	last := c.pending[len(c.pending)-1]
	c.pending = c.pending[:len(c.pending)-1]
	_, err := c.tag(last.text, last.args...)
	return err
}
