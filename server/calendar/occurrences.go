package calendar

import (
	"time"

	"factotum/server/ical"
)

// OccurrencesRequest asks what takes place in calendars, of any owners.
type OccurrencesRequest struct {
	Calendars  []ID
	Components []string // VEVENT, VTODO: in this order; nil is both

	Select Selection
	Window Window          // of Select; open ends are allowed
	Refs   []OccurrenceRef // of Named, in each of the calendars
	// Attendee is whom Undelivered is about, "" for anybody.
	Attendee string

	// Series wants objects as they are: masters and overrides. Otherwise what
	// recurs comes with those of its instances that are meant.
	Series bool
	None   bool // objects without their text: what there is, not what it says
	// Invitations wants to know how many components of each calendar wait for an
	// answer of its owner.
	Invitations bool
	Zone        string // of the client: an instance of an all-day series may be named by a moment of its day there

	Instances int // most instances of an object, 0 = the server's limit; what is above it is left out
	Bound     int // most of one that never ends, where the window does not either, 0 = none
}

// Selection says what a window is about.
type Selection uint8

// The values of Selection.
const (
	Overlapping Selection = iota // what takes place in it. RFC 4791 §9.9
	Alarmed                      // what has an alarm that goes off in it
	Changed                      // what was last written in it, both its ends included
	Deleted                      // what was deleted in it, both ends included: objects, and instances taken out of series
	Undelivered                  // what an attendee could not be told of; at any time
	Named                        // what Refs name; at any time
)

// OccurrenceRef names a component, or instances of it.
type OccurrenceRef struct {
	UID   string
	RID   ical.DateTime // an original start; times of no zone are in the request's. Zero = all of it
	Scope EditScope     // ThisInstance, or those before or after it too
}

// OccurrencesResult is one answer of the stream. First comes one for each
// calendar, in the order of the request, with Calendar, unless it may not be
// seen. Then, for one calendar after the other, come the things found. Err ends
// what is said of its calendar.
type OccurrencesResult struct {
	Index int // of the calendar in the request
	Err   error

	Calendar *Calendar
	// Float is the zone in which times without one are read in this calendar:
	// a name, or a VTIMEZONE with a VCALENDAR around it.
	Float       string
	Invitations int // asked for

	Ref    int // of Refs: which of them Object answers
	Object *Object
	Gone   *Tombstone // of Deleted, in place of Object
	// Why is of Undelivered the newest step that failed or was delayed, of a
	// message about Object to the Attendee or to anybody: nil if none is known, or
	// the owner's journal is not for who asks.
	Why *Trace
	// Occurrences of Object or Gone that are meant. There are none where it
	// stands for itself: it does not recur, or Series was asked for.
	Occurrences []Occurrence
	Cut         bool   // there are more of them than one answer has
	Excluded    bool   // they were taken out of Object by EXDATE
	By          UserID // with Excluded: who wrote Object last, "" if that is not known
}

// Occurrence is an instance of an object.
type Occurrence struct {
	Start, End time.Time     // UTC; zero for a task without dates
	RID        ical.DateTime // the original start: in UTC, or a date; zero where the object does not recur
	Part       int           // which component of the object says what it is like; time zones do not count
}

// CalendarsRequest asks for the description of calendars, of any owners.
type CalendarsRequest struct {
	IDs         []ID
	Invitations bool // see OccurrencesRequest; it needs the right to read
	// Who may not read the properties, objects or access control list of a
	// calendar is refused, and who may not ask for busy time on its owner's behalf
	// (CALDAV:schedule-send-freebusy, RFC 6638 §6.2.4).
	Properties, Objects, ACL, Lookup bool
}

// CalendarResult is the answer for one calendar, in order.
type CalendarResult struct {
	Calendar    Calendar
	Invitations int
	Err         error
}
