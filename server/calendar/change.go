package calendar

import (
	"time"

	"factotum/server/ical"
)

// Change is the record of one write: what was and what is, who did it and how.
// The model makes one for each change number that it takes, inside the
// transaction, and everything else follows from it: sync numbers, the time
// index, sums, caches, jobs.
//
// The numbers of an owner's changes have no gaps. Where one is missing somebody
// else has written.
type Change struct {
	Owner  Owner
	Number int64 // the owner's change number
	Kind   ChangeKind
	When   time.Time

	By    Actor  // who acted; Via and Client of it say how he came
	Token string // request token, "" if it had none

	// Calendar is where it happened, as it is called afterwards, and
	// Incarnation its id at rest. Both are zero for a change of the home.
	Calendar    ID
	Incarnation int64

	// Name is that of the object, "" for a change of the calendar itself.
	Name   string
	Before *Version // nil where there was no object
	After  *Version // nil where there is none any more

	// The calendar itself and its own dead properties, for the kinds that say so.
	CalendarBefore *CalendarRow
	CalendarAfter  *CalendarRow
	PropsBefore    []DeadProp
	PropsAfter     []DeadProp

	// All preferences of the owner, his subscriptions among them, of PrefsChanged.
	PrefsBefore map[string]string
	PrefsAfter  map[string]string

	// MovedFrom and MovedTo tell the two halves of a move: an object, or a
	// calendar under another name, that went elsewhere. The calendar may be
	// another owner's, whose half is a change of his.
	MovedFrom *Ref
	MovedTo   *Ref

	// Members calls fn for each object of a calendar that is deleted, with its
	// text. It is there while jobs are derived, in the transaction and before
	// the objects go, and nil at any other time. The version is valid only
	// during the call.
	Members func(fn func(*Version) error) error

	Bytes int64 // by how much the sum of the home's octets grew
}

// ChangeKind says what a Change did.
type ChangeKind uint8

// The kinds of changes.
const (
	ObjectStored    ChangeKind = iota + 1 // made or replaced
	ObjectDeleted                         // it left a tombstone
	ObjectProps                           // its dead properties, nothing else
	CalendarCreated                       // with CalendarAfter
	CalendarChanged                       // its properties, list of rights, owners or name
	CalendarDeleted                       // and all in it, see Members
	Purged                                // old tombstones are forgotten
	Rebuilt                               // the time index was made anew
	PrefsChanged                          // the owner's preferences
	Posted                                // nothing but jobs: messages went out
	numChangeKinds
)

var changeNames = [numChangeKinds]string{"", "object-stored", "object-deleted", "object-props",
	"calendar-created", "calendar-changed", "calendar-deleted", "purged", "rebuilt", "prefs-changed", "posted"}

func (k ChangeKind) String() string {
	if k < numChangeKinds {
		return changeNames[k]
	}
	return "unknown"
}

// Version is one state of an object in a Change.
type Version struct {
	ObjectRow
	// Occurrences are its rows of the time index. They are nil in both versions
	// of a change that left them as they were.
	Occurrences []OccurrenceRow
	Props       []DeadProp

	parsed *ical.Component
	err    error
}

// NewVersion returns a version whose text is parsed already, or with cal nil
// will be when it is asked for.
func NewVersion(row ObjectRow, occ []OccurrenceRow, cal *ical.Component) *Version {
	return &Version{ObjectRow: row, Occurrences: occ, parsed: cal}
}

// Parsed is the object's text as components: read only. It is for one
// goroutine at a time.
func (v *Version) Parsed() (*ical.Component, error) {
	if v.parsed == nil && v.err == nil {
		v.parsed, v.err = ical.Parse(v.Data, ical.Limits{})
	}
	return v.parsed, v.err
}

// Retimed tells whether the change moved instances: the time index has other
// rows for the object than before.
func (c *Change) Retimed() bool {
	return c.Before != nil && c.Before.Occurrences != nil || c.After != nil && c.After.Occurrences != nil
}
