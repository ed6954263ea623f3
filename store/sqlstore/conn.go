package sqlstore

import (
	"errors"
	"fmt"
	"math"
	"time"

	"factotum/server/calendar"
)

// conn is an open transaction on one connection, as the SQL in this package
// needs it. Arguments are int64, string or []byte; results are scanned into
// *int64, *string and *[]byte, which are the caller's to keep.
type conn interface {
	// exec runs a statement whose outcome nobody waits for: an engine may send
	// it together with the next one and report its error there.
	exec(text string, args ...any) error
	// count runs a statement at once and tells how many rows it touched.
	count(text string, args ...any) (int64, error)
	// row reads the only row; ok is false if there is none.
	row(text string, args []any, dest ...any) (ok bool, err error)
	// query calls fn for each row. fn must not use the connection.
	query(text string, args []any, fn func(scanner) error) error
	// patient says that what follows may take long.
	patient()
	// arrays tells whether a []string is an argument (= ANY).
	arrays() bool
}

type scanner interface {
	scan(dest ...any) error
}

func args(a ...any) []any { return a }

// limitOf gives the LIMIT for "at most n, 0 = all".
func limitOf(n int) int64 {
	if n <= 0 {
		return math.MaxInt64
	}
	return int64(n)
}

// micros is how times are kept: microseconds since 1970, 0 for the zero time.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}

func boolBit(b bool, bit int64) int64 {
	if b {
		return bit
	}
	return 0
}

// engineError is a failure of a driver, already classified.
type engineError struct {
	kind  calendar.Kind
	retry bool // the transaction may succeed when it runs again
	code  string
	msg   string
	cause error
}

func (e *engineError) Error() string {
	if e.code != "" {
		return e.msg + " (" + e.code + ")"
	}
	return e.msg
}

func (e *engineError) Unwrap() error { return e.cause }

// What everybody may know of it.
const (
	diskFull   = "the disk of the calendar store is full"
	noDatabase = "the calendar database does not answer; try again"

	damagedStore = "the calendar database is damaged"
)

// wrap makes the model's error of an engine's, saying what was being done.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var known *calendar.Error
	if errors.As(err, &known) {
		return err
	}
	var e *engineError
	if errors.As(err, &e) {
		out := &calendar.Error{Kind: e.kind, Op: op, Err: err}
		switch {
		case damaged(err):
			out.Reason, out.Msg = calendar.Damaged, damagedStore
		case e.kind == calendar.OverQuota: // quotas are the model's: here it is the disk
			out.Reason, out.Msg = calendar.DiskFull, diskFull
		case e.kind == calendar.Unavailable && !e.retry:
			out.Msg = noDatabase
		}
		return out
	}
	return &calendar.Error{Kind: calendar.KindOf(err), Op: op, Err: err}
}

// retryable tells whether the engine asks to run the transaction again.
func retryable(err error) bool {
	var e *engineError
	return errors.As(err, &e) && e.retry
}

// call runs fn and turns a panic into an Internal error, so that one faulty
// use case cannot end the goroutine that writes for everybody.
func call(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &calendar.Error{Kind: calendar.Internal, Op: "run a transaction", Err: &panicError{value: p, stack: stack()}}
		}
	}()
	return fn()
}

// panicError carries a panic of fn to whoever logs the failure.
type panicError struct {
	value any
	stack []byte
}

func (p *panicError) Error() string { return fmt.Sprintf("panic: %v\n%s", p.value, p.stack) }
