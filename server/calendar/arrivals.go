package calendar

import "context"

// Arrivals take homes from other back ends, which are moved to this one: csmove. One
// call is one step. Whoever calls is another back end, and acts as administrator.
type Arrivals interface {
	Arrive(ctx context.Context, who Actor, req ArriveRequest) (ArriveAnswer, error)
}

// ArriveStep says what a back end wants of another.
type ArriveStep uint8

// The steps of a move, in their order; the numbers are part of DWP.
const (
	ArriveLook     ArriveStep = iota + 1 // whether the home could come
	ArriveBegin                          // it comes: what came of it before is thrown away
	ArrivePart                           // some of it, and later what was committed meanwhile
	ArriveCheck                          // the copy is complete: what is it?
	ArriveReady                          // all is there, if it has these digests of what changed since the copy
	ArriveActivate                       // the directory says that it is here: serve it
	ArriveDrop                           // it does not come
	ArriveAsk                            // to whom it comes from: does it still?
)

// ArriveRequest is a step.
type ArriveRequest struct {
	Owner Owner
	Move  string // its name, drawn when it begins
	From  string // host name of the back end that has the home
	Step  ArriveStep
	Seq   int64  // of a part, from 1 on: one that comes again is not done again
	Data  []byte // of a part: lines, as backups have them
	Since int64  // with ArriveReady: the number of the copy
	Sums  []ArriveSum
}

// ArriveAnswer is what came of it.
type ArriveAnswer struct {
	State string      // of the home there: "", arriving, ready, here; of one that comes from there, for ArriveAsk: leaving
	Sums  []ArriveSum // of what is there, by calendar
}

// ArriveSum is the digest of a calendar, by its name; "" is the rest of the home.
type ArriveSum struct {
	Name string
	Sum  string
}

// JobMove is the kind of a job that marks a home which is being moved, or was. It is no
// work for the worker, and does not travel.
const JobMove = "move"

// MoveMark is the id of that job in any home.
func MoveMark(owner Owner) JobID { return JobID{Owner: owner, Change: -1} }
