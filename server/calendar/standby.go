package calendar

import (
	"context"
	"time"
)

// Committing is a transaction that is about to be committed.
type Committing struct {
	Owner Owner
	Note  any // what it was annotated with; nil: nothing
}

// A Twin is one of two back ends of which one serves and the other, the standby, has what the
// first has. The one that serves asks.
type Twin interface {
	Standby(ctx context.Context, req StandbyRequest) (StandbyAnswer, error)
}

// StandbyStep says what the back end that serves wants of its standby.
type StandbyStep uint8

// The steps. In the order of a pairing.
const (
	StandbyHello    StandbyStep = iota + 1 // how are you?
	StandbyWithdraw                        // do not take over until you are admitted; a stream begins
	StandbyCensus                          // which homes are there, after an owner?
	StandbyPart                            // lines of the log, to be done again
	StandbyAdmit                           // all is there: take over if you hear nothing for the time of the lease
	StandbyBeat                            // nothing new
	StandbySum                             // the digest of a home
	StandbyTake                            // take over now
	StandbyLeave                           // to oneself: this host is being stopped
	StandbyKeep                            // something that belongs to no home
)

// StandbyRequest is a step.
type StandbyRequest struct {
	Step   StandbyStep
	From   string // the host that asks
	Epoch  uint64 // how often another host has begun to serve, as it knows
	Stream string // of a pairing: what comes of another one is refused
	Seq    uint64 // of a part
	Data   []byte
	Owner  Owner
	Lease  time.Duration // that an answer grants
	Behind int           // transactions that are committed, and not sent
	// Witness goes with StandbyAdmit: the host without whose word neither goes on alone. "": the
	// lease alone decides.
	Witness string
}

// StandbyAnswer is what came of it. While the standby is admitted its answer is a lease.
type StandbyAnswer struct {
	Epoch    uint64
	Active   bool   // it serves
	Admitted bool   // it takes over when it hears nothing
	Leaving  bool   // it is being stopped
	Problem  string // why it did not do what it was asked to
	Data     []byte
	More     bool   // of a census: others follow
	Claims   bool   // it has asked the witness whether it may take over, and does not know yet
	Witness  string // that its ics.conf names; "": none
}

// A WitnessHost keeps a register for each pair of back ends, so that of two who do not hear each other one goes on.
type WitnessHost interface {
	Witness(ctx context.Context, req WitnessRequest) (WitnessAnswer, error)
}

// WitnessRequest asks for the register of a pair: it is granted where Epoch is higher than what
// is there, and BasedOn is what is there; and again, where it was granted before. Without
// an Epoch it asks only what is there.
type WitnessRequest struct {
	Pair    string // the name that their calendars are found under
	Holder  string // the host that asks
	Epoch   uint64
	BasedOn uint64
}

// WitnessAnswer is what is there now.
type WitnessAnswer struct {
	Granted bool
	Epoch   uint64 // 0: nobody has asked yet
	Holder  string
}

// NotActive goes with Unavailable: this back end does not serve now, its twin may.
const NotActive Reason = "standby"
