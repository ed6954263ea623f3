package calendar

import (
	"factotum/server/ical"
)

// EditRequest changes components of one calendar by their UIDs, all items in
// one transaction: WCAP storeevents, storetodos, delete…_by_id and
// delete…_by_range. An item that is refused spoils no other.
type EditRequest struct {
	Calendar  ID
	Component string // VEVENT or VTODO; "" = either, for deletions only
	Items     []EditItem

	// Within deletes, instead of Items, what lies completely in the window;
	// instances of a series one by one. Open at both ends it is everything.
	Within *Window

	Return bool // answers have the objects with their data
	// With Return objects that recur come with their first instances, at most
	// so many; with none, as they are.
	Instances int
	NoMail    bool // people outside are not mailed: WCAP smtp=0
	Bound     int  // COUNT given to a new rule that has neither COUNT nor UNTIL, 0 = none
}

// EditItem is what happens to one component, or to the whole series of a UID.
type EditItem struct {
	UID    string        // "" makes one up; then the item creates
	RID    ical.DateTime // which instance, by its original start; zero = the whole
	Scope  EditScope
	Mode   EditMode
	Role   EditRole
	Patch  Patch
	Attach []NewAttachment // stored with the object
	Detach []string        // ids of attachments to delete
}

// EditScope says which instances of a series are meant. WCAP mod.
type EditScope uint8

// The values of EditScope. A component that does not recur is meant by any.
const (
	WholeSeries   EditScope = iota // mod=4: the master, or all that the object has
	ThisInstance                   // mod=1: an override is made if there is none
	ThisAndFuture                  // mod=2
	ThisAndPrior                   // mod=3
)

// EditMode says what is done. WCAP storetype.
type EditMode uint8

// The values of EditMode.
const (
	EditStore  EditMode = iota // create or modify
	EditCreate                 // Exists if the UID is there
	EditModify                 // NotFound unless it is
	EditDelete
)

// EditRole says as whom. WCAP method, RFC 5546 §1.4.
type EditRole uint8

// The values of EditRole.
const (
	AsPublisher EditRole = iota // PUBLISH: whoever is not the organizer may not; nobody is invited
	AsOrganizer                 // REQUEST: the same, and all attendees are invited
	AsAttendee                  // REPLY: the own PARTSTAT, how far a task is, and alarms
	AsCanceler                  // CANCEL: the status becomes CANCELLED
	OwnCopy                     // UPDATE: anything, in one's own copy only; nobody hears of it, nor of an attendee's EditDelete
	AsBefore                    // not said: as PUBLISH, but those who are invited already are it still
)

// Patch changes a component. What is nil stays as it is.
type Patch struct {
	// TZID is the zone that times are kept in, so that a series keeps its
	// wall-clock time. "" = the one that the component has, or for a new one
	// the one of its start.
	TZID     string
	AllDay   *bool
	Start    *ical.DateTime // the zero DateTime removes the property, here and below
	End      *ical.DateTime
	Due      *ical.DateTime
	Duration *ical.Duration // sets the end

	// Rules and dates replace those that are there; an empty list removes
	// them. EXDATEs stay when ExDates is nil.
	RRules, ExRules *[]string
	RDates, ExDates *[]ical.DateTime

	Props  []PropEdit
	Alarms []AlarmEdit
}

// PropEdit changes the properties of one name. Those that place a component in
// time or name it (UID, DTSTART, RRULE …) are not for it.
type PropEdit struct {
	Name   string
	Append bool            // to those that are there, instead of replacing them
	Props  []ical.Property // none, and not Append: delete them
	Remove []string        // values to take out: attendees' addresses, attachments' ids
}

// AlarmEdit changes the alarm of one action, which becomes the only one of it.
type AlarmEdit struct {
	Action      string         // EMAIL, DISPLAY, AUDIO
	Remove      bool           // there shall be none
	At          *ical.DateTime // in UTC, or
	Before      *ical.Duration // signed, from the start (of a task without one: from when it is due)
	Description *string
	Attendees   []string // addresses with "mailto:"; nil leaves them
	Append      bool     // Attendees are added
}

// EditResult answers an EditRequest: one result for each item, or for each
// object that Within met.
type EditResult struct {
	Calendar Calendar // with Return and Within only
	Float    string   // with Return: the zone of floating times, see OccurrencesResult
	Items    []EditItemResult
}

// EditItemResult is what became of one item.
type EditItemResult struct {
	UID      string
	RID      ical.DateTime // as asked
	Object   *Object       // nil when it is gone; with data if Return was set
	Created  bool
	Removed  bool // the whole object is gone
	Detached int  // attachments deleted, of those that Detach names
	Err      error

	Occurrences []Occurrence // of Object, where instances were asked for and it recurs
}

// NewAttachment is a file to be stored with an object.
type NewAttachment struct {
	ClientID string // what the client calls it, may be ""
	Name     string // of the file
	Type     string // media type
	Data     []byte
}

// The reasons that only edits have. WCAP §8.2 has a number for each.
const (
	RecurSkip       Reason = "recurrence-skip"       // an instance would jump over another
	RecurSameDay    Reason = "recurrence-same-day"   // two instances on one day
	RecurPrivacy    Reason = "recurrence-privacy"    // privacy or transparency of a single instance
	OwnerNeeded     Reason = "owner-needed"          // a private component, of others
	RequestOnModify Reason = "request-on-modify"     // an attendee asks others to come
	TranspResource  Reason = "resource-transparency" // resources are never transparent
	AttachmentGone  Reason = "no-such-attachment"
)
