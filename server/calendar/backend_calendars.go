package calendar

import "factotum/server/acl"

// HomeRequest asks for a home.
type HomeRequest struct {
	Owner   Owner
	Counts  bool // fill Calendar.Count
	Prefs   bool // fill Home.Prefs
	Objects bool // only calendars whose objects who may read
	Boxes   bool // with the collections of scheduling that who may read

	// Shares wants calendars of others besides that who is subscribed to, in his
	// own home; with Share it is that one alone, without calendars of the home.
	Shares bool
	Share  ID
	// Notes wants the notifications and proxies of who, in his own home, without
	// calendars; with Groups, that he is in, also for whom these act.
	Notes  bool
	Groups []Owner
}

// Home is the collection of an owner's calendars.
type Home struct {
	Owner     Owner
	Change    int64 // the owner's change number
	Calendars []Calendar
	UsedBytes int64  // DAV:quota-used-bytes
	MaxBytes  int64  // 0 = unlimited
	Rights    Rights // of the actor on the home itself

	Prefs map[string]string // asked for, of him who may read them

	// Asked for: shares, and the state that they are in.
	Shares    []Share
	SharesTag string
	Notes     Notes
	Proxies   Proxies // with Notes
	Through   Proxies // with Groups: for whom who acts by being in one of them
}

// CreateCalendarRequest holds the wanted calendar; ID is required, the rest
// may be zero and then gets the defaults of ics.conf.
type CreateCalendarRequest struct {
	Calendar Calendar
	// DefaultACL: Calendar.ACL was not given.
	DefaultACL bool
}

// UpdateCalendarRequest changes the fields that are set.
type UpdateCalendarRequest struct {
	ID          ID
	IfMatch     []string // ETags of the collection, see Precond
	OnlyKind    bool     // only a calendar: a collection of another kind is NoCalendar
	DisplayName *string
	Description *string
	Color       *string
	Order       *string
	TZID        *string
	Timezone    *string
	Components  *[]string
	CoOwners    *[]UserID
	ACL         *acl.List
	Transparent *bool
	NoDoubles   *bool
	Disabled    *bool // for the calendar administrator only
	Categories  *string
	Charset     *string
	Language    *string
	Props       []PropChange

	// Of an inbox only, as calids, see Calendar. What is not there, or is not for
	// events, cannot be the default.
	DefaultCalendar *string
	FreeBusySet     *[]string
}

// DeleteCalendarRequest names the collection to delete.
type DeleteCalendarRequest struct {
	ID       ID
	IfMatch  []string
	OnlyKind bool // as in UpdateCalendarRequest
	// KeepDefault: not the default calendar, which only the administrator can
	// delete, not even by him.
	KeepDefault bool
	NoReply     bool // as in DeleteRequest, of all in it
}

// CopyRequest copies From to To, or moves it. Name is empty for collections,
// which stay with their owner.
type CopyRequest struct {
	From, To  Ref
	Move      bool
	Overwrite bool
	Shallow   bool    // Depth: 0, the collection without its members
	Precond   Precond // on From
	IfDest    Precond // on To
}

// CopyResult tells whether something was overwritten and the new object's stamp.
type CopyResult struct {
	Replaced bool
	Object   Object
}

// SearchCalendarsRequest asks for calendars. One matches if a field that is
// chosen matches Text, upper and lower case alike, or its owner is in Owners.
type SearchCalendarsRequest struct {
	Text  string
	How   TextMatching
	ID    bool // look in calids
	Name  bool // look in display names
	Owner bool // look in the primary owners' user ids
	// Owners are those that the caller found by other means (the directory):
	// all their calendars match.
	Owners     []Owner
	Properties bool // only those whose properties who may read
	Limit      int  // most calendars wanted, 0 = the server's limit
}

// TextMatching says how a text is compared. WCAP searchOpts.
type TextMatching uint8

// The values of searchOpts.
const (
	Contains TextMatching = iota
	BeginsWith
	EndsWith
	Exactly
)

// SetPrefsRequest changes preferences of an owner, all or none.
type SetPrefsRequest struct {
	Owner  Owner
	Set    map[string]string
	Remove []string
}
