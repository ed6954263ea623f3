package calendar

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Job is work that follows from a change: it is stored in the change's
// transaction, is there if the change is, and done some time after the commit.
// Only what is still to be done is stored, and what was given up: a job that is
// done is deleted.
type Job struct {
	JobID
	// Kind says what is to be done, and who does it.
	Kind string
	// Key is what the job is about. Jobs of one owner with the same key run one
	// after another in the order of their ids, whatever their Due: one that is
	// not due yet, or tries again later, holds up those behind it. So what is
	// planned for a time has keys of its own. A job with an empty key waits for
	// no other.
	Key      string
	Due      time.Time // not before
	Created  time.Time
	Attempts int    // that failed
	Parked   bool   // given up: it waits for an administrator
	Err      string // why the last attempt failed, in words that an administrator may be shown
	Payload  []byte // what the kind makes of it
}

// Outbox is told of jobs, and has them done: server/worker.
type Outbox interface {
	// Add tells of jobs that are committed, with the owner in each id. A
	// transaction calls it from OnCommit.
	Add(jobs ...Job)
	// Gone tells of jobs without a key that a transaction has deleted, after its
	// commit.
	Gone(ids ...JobID)
	// Doubt tells of a transaction that failed at its commit, so that its jobs
	// may be stored all the same.
	Doubt(owner Owner)
	// Planned reports whether a job of the owner with this key is to be done that
	// is not due before a moment; the zero time asks for any, the one that is being
	// done too. It may be true of a key that no job has, once in a long while.
	Planned(owner Owner, key string, notBefore time.Time) bool
	// Pace returns when no more jobs are due than are soon done, after a second at
	// the latest: who makes jobs faster than they are done is held back by it.
	Pace(ctx context.Context)
}

// JobID is the key of a job: the change that it follows from, and its place
// among those that follow from the same.
type JobID struct {
	Owner  Owner
	Change int64
	Seq    int
}

// Compare orders by owner, change and place.
func (id JobID) Compare(other JobID) int {
	return cmp.Or(cmp.Compare(id.Owner, other.Owner), cmp.Compare(id.Change, other.Change), cmp.Compare(id.Seq, other.Seq))
}

// String spells the id as owner/change/seq.
func (id JobID) String() string { return fmt.Sprintf("%s/%d/%d", id.Owner, id.Change, id.Seq) }

// ParseJobID reads what String spells.
func ParseJobID(s string) (id JobID, err error) {
	bad := &Error{Kind: Invalid, Op: "read a job's id", Ref: s, Msg: "A job is named owner/change/seq, such as anna/17/0."}
	rest, seq, ok := cutLast(s)
	if !ok {
		return id, bad
	}
	owner, change, ok := cutLast(rest)
	if !ok || owner == "" {
		return id, bad
	}
	id.Owner = Owner(owner)
	if id.Change, err = strconv.ParseInt(change, 10, 64); err != nil {
		return JobID{}, bad
	}
	if id.Seq, err = strconv.Atoi(seq); err != nil {
		return JobID{}, bad
	}
	return id, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return "", "", false
	}
	return s[:i], s[i+1:], true
}
