package standby

import (
	"context"
	"log/slog"
	"time"

	"factotum/server/calendar"
)

// The times of a lease.
const (
	Lease  = 8 * time.Second // from when a question was sent to which the standby has an answer
	Margin = time.Second     // for how much longer the standby waits
	beat   = time.Second     // between questions
)

// Options are what both hosts need.
type Options struct {
	Host, Peer string
	Dir        string         // of the state
	Store      calendar.Store // itself: what is written to it here is told to nobody
	Sync       bool           // nobody is answered before the standby has it
	// Partial tells of homes that come from elsewhere and are not complete: the standby gets them
	// with Settle. nil: there are none.
	Partial func(calendar.Owner) bool
	// Dial gives the other host; it is asked for often.
	Dial func() (calendar.Twin, error)
	// Pair is what the witness knows the two by, Witness its host, and DialWitness gives it. "": there is none.
	Pair, Witness string
	DialWitness   func() (calendar.WitnessHost, error)
	// Kept is what the database has besides homes, in pieces, and Keep takes one in. nil: there is nothing.
	Kept func(context.Context) ([][]byte, error)
	Keep func(context.Context, []byte) error
	// Over is told that the process has to begin anew, since it serves now, or does not any more.
	Over func(reason error)
	Log  *slog.Logger
	Now  func() time.Time
}

func (o *Options) defaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Partial == nil {
		o.Partial = func(calendar.Owner) bool { return false }
	}
	if o.Kept == nil {
		o.Kept = func(context.Context) ([][]byte, error) { return nil, nil }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}
