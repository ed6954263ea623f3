package dwp

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// codeOf is the column "DWP" of the table of failures; kindOfCode is what a
// code means when no Failure comes with it, or one of a kind not known here.
var codeOf = map[calendar.Kind]codes.Code{
	calendar.Internal:     codes.Internal,
	calendar.NoCalendar:   codes.NotFound,
	calendar.NotFound:     codes.NotFound,
	calendar.Denied:       codes.PermissionDenied,
	calendar.Exists:       codes.AlreadyExists,
	calendar.UIDConflict:  codes.AlreadyExists,
	calendar.Stale:        codes.FailedPrecondition,
	calendar.Invalid:      codes.InvalidArgument,
	calendar.Unsupported:  codes.InvalidArgument,
	calendar.TooLarge:     codes.InvalidArgument,
	calendar.NotOrganizer: codes.PermissionDenied,
	calendar.DoubleBooked: codes.FailedPrecondition,
	calendar.OverQuota:    codes.ResourceExhausted,
	calendar.ReadOnly:     codes.FailedPrecondition,
	calendar.BadSyncToken: codes.InvalidArgument,
	calendar.TooMany:      codes.OutOfRange,
	calendar.Unavailable:  codes.Unavailable,
	calendar.NoBackend:    codes.Unavailable,
	calendar.LoginFailed:  codes.Unauthenticated,
	calendar.Canceled:     codes.Canceled,
	calendar.MustWait:     codes.ResourceExhausted,
}

var kindOfCode = map[codes.Code]calendar.Kind{
	codes.NotFound:           calendar.NotFound,
	codes.PermissionDenied:   calendar.Denied,
	codes.AlreadyExists:      calendar.Exists,
	codes.FailedPrecondition: calendar.Stale,
	codes.InvalidArgument:    calendar.Invalid,
	codes.OutOfRange:         calendar.TooMany,
	codes.ResourceExhausted:  calendar.TooLarge, // gRPC's own: the message is over the limit
	codes.Unavailable:        calendar.Unavailable,
	codes.Unauthenticated:    calendar.Unavailable, // of the front end, not of a user
	codes.Canceled:           calendar.Canceled,
	codes.DeadlineExceeded:   calendar.Canceled,
}

// toFailure describes err without its cause. It is nil for nil.
func toFailure(err error) *wire.Failure {
	if err == nil {
		return nil
	}
	f := &wire.Failure{Kind: calendar.KindOf(err).String()}
	var e *calendar.Error
	if errors.As(err, &e) {
		f.Reason, f.Op = validUTF8(string(e.Reason)), validUTF8(e.Op)
		f.Ref, f.Msg, f.Host = cut(e.Ref), cut(e.Msg), cut(e.Host)
		f.After = uint64(max(e.After, 0) / time.Microsecond)
	}
	return f
}

func validUTF8(s string) string { return strings.ToValidUTF8(s, "?") }

func cut(s string) []byte { return toText(s[:min(len(s), maxErrorText)]) }

func fromFailure(m *wire.Failure) error {
	if m == nil {
		return nil
	}
	return failureError(m, calendar.KindNamed(m.GetKind()))
}

// maxAfter bounds what another host has clients wait.
const maxAfter = 24 * time.Hour

func failureError(m *wire.Failure, k calendar.Kind) *calendar.Error {
	return &calendar.Error{
		Kind: k, Reason: calendar.Reason(m.GetReason()), Op: m.GetOp(), Ref: string(m.GetRef()), Msg: string(m.GetMsg()),
		After: time.Duration(min(m.GetAfter(), uint64(maxAfter/time.Microsecond))) * time.Microsecond, Host: string(m.GetHost()),
	}
}

// statusOf makes err a gRPC status with a Failure in its details.
func statusOf(err error) error {
	f := toFailure(err)
	st := status.New(codeOf[calendar.KindOf(err)], f.Kind)
	if with, derr := st.WithDetails(f); derr == nil {
		st = with
	}
	return st.Err()
}

// failureOf returns the Failure that the back end sent, or nil when the error
// is of the connection.
func failureOf(err error) *wire.Failure {
	st, ok := status.FromError(err)
	if !ok {
		return nil
	}
	for _, d := range st.Details() {
		if f, ok := d.(*wire.Failure); ok {
			return f
		}
	}
	return nil
}

// errorOf makes what a call returned a calendar.Error again.
func errorOf(ctx context.Context, op, host string, err error) error {
	err = brokenOff(err)
	if f := failureOf(err); f != nil {
		k := calendar.KindNamed(f.GetKind())
		if k == calendar.Internal && f.GetKind() != calendar.Internal.String() {
			k = kindOfCode[status.Code(err)] // a kind that came later
		}
		return failureError(f, k)
	}
	var already *calendar.Error
	if errors.As(err, &already) {
		return err
	}
	e := &calendar.Error{Kind: kindOfCode[status.Code(err)], Op: op, Err: err}
	switch {
	case ctx.Err() != nil:
		e.Kind, e.Err = calendar.Canceled, ctx.Err()
	case status.Code(err) == codes.Unimplemented:
		// It answers all else: it is up, and this works when it has been upgraded.
		e.Kind, e.Msg = calendar.Unavailable, olderBackEnd(host)
	case e.Kind == calendar.Unavailable:
		e.Msg = noAnswer(host)
		e.Err = &hostError{host, err}
	}
	return e
}

// brokenOff gives an error that gRPC has left without a status, when it gave up to send anew
// what a lost connection took, the one that it should have.
func brokenOff(err error) error {
	if _, is := status.FromError(err); !is && errors.Is(err, io.EOF) {
		return status.Error(codes.Unavailable, err.Error())
	}
	return err
}

// noAnswer is what clients are told of a back end that is down.
func noAnswer(host string) string { return "the back end " + host + " does not answer; try again" }

// olderBackEnd is what clients are told who ask for what a back end does not know yet.
func olderBackEnd(host string) string {
	return "the back end " + host + " is of an earlier release, which cannot do this: it works when that host has been upgraded"
}

// hostError says which back end a failure of the connection is about.
type hostError struct {
	host string
	err  error
}

func (e *hostError) Error() string { return "back end " + e.host + ": " + e.err.Error() }
func (e *hostError) Unwrap() error { return e.err }
