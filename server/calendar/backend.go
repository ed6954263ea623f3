package calendar

import (
	"context"
	"time"

	"factotum/server/acl"
)

// Backend is the vocabulary of the calendar server: one call is one use case,
// one transaction and, over DWP, one RPC. Every method checks rights itself
// and fails with an *Error. Slices of results answer per item, so that one bad
// item spoils no other. Streaming methods call emit in order; when emit fails
// they stop and return its error. What emit receives is valid after it returns,
// unless the context is Fleeting.
//
// What other packages have for each method is generated from here and from
// dwp.proto (make calls). Lines that begin with "backend:" tell whose back end
// answers, how many items there must be, and what may be sent once more when the
// connection broke: a read at any time, a write under its request token; repeat
// is for what is harmless though it writes, or brings a token of its own.
type Backend interface {
	// Home describes an owner's calendar home and the calendars in it that who
	// may see. An owner who comes to his own home, or to his default calendar
	// by whatever method, is given that calendar if he has none (Sun's
	// auto-provisioning).
	//
	//backend:read
	Home(ctx context.Context, who Actor, req HomeRequest) (Home, error)
	// Calendar describes one calendar. To whom it may not be known at all it is
	// NoCalendar, as if it were not there.
	//
	//backend:owner id.Owner()
	//backend:read
	Calendar(ctx context.Context, who Actor, id ID) (Calendar, error)
	// Calendars is Calendar for many, of any owners.
	//
	//backend:items len(req.IDs)
	//backend:read
	Calendars(ctx context.Context, who Actor, req CalendarsRequest) ([]CalendarResult, error)
	// CreateCalendar makes a collection. RFC 4791 §5.3.1, RFC 5689, WCAP createcalendar.
	//
	//backend:owner req.Calendar.ID.Owner()
	//backend:write
	CreateCalendar(ctx context.Context, who Actor, req CreateCalendarRequest) (Calendar, error)
	// UpdateCalendar changes properties, all or none. RFC 4918 §9.2, WCAP set_calprops, RFC 3744 §8.1.
	//
	//backend:owner req.ID.Owner()
	//backend:write
	UpdateCalendar(ctx context.Context, who Actor, req UpdateCalendarRequest) (Calendar, error)
	// DeleteCalendar removes a collection and all in it.
	//
	//backend:owner req.ID.Owner()
	//backend:write
	DeleteCalendar(ctx context.Context, who Actor, req DeleteCalendarRequest) error
	// CopyCalendar copies or moves a collection inside one owner's home.
	//
	//backend:owner req.From.Calendar.Owner()
	//backend:write
	CopyCalendar(ctx context.Context, who Actor, req CopyRequest) (CopyResult, error)

	// ListObjects streams the members of a calendar without their data, by name.
	//
	//backend:owner id.Owner()
	//backend:read
	ListObjects(ctx context.Context, who Actor, id ID, emit func(*Object) error) (Calendar, error)
	// Object returns one object with its data.
	//
	//backend:owner ref.Calendar.Owner()
	//backend:read
	Object(ctx context.Context, who Actor, ref Ref) (*Object, error)
	// Objects streams one answer for each ref, in the order asked for. CALDAV:calendar-multiget.
	//
	//backend:items len(req.Refs)+len(req.UIDs)
	//backend:read
	Objects(ctx context.Context, who Actor, req ObjectsRequest, emit func(ObjectResult) error) error
	// PutObject stores one object. RFC 4791 §5.3.2.
	//
	//backend:owner req.Ref.Calendar.Owner()
	//backend:repeat
	PutObject(ctx context.Context, who Actor, req PutRequest) (PutResult, error)
	// PutObjects stores many into one calendar, each on its own: import.
	//
	//backend:owner req.Calendar.Owner()
	//backend:write
	PutObjects(ctx context.Context, who Actor, req PutObjectsRequest) ([]PutItemResult, error)
	// EditObject changes components by UID, or deletes them, many in one
	// transaction. WCAP storeevents, storetodos, delete….
	//
	//backend:owner req.Calendar.Owner()
	//backend:items len(req.Items) if req.Within == nil
	//backend:write
	EditObject(ctx context.Context, who Actor, req EditRequest) (EditResult, error)
	// Attachment returns a file that belongs to an object. RFC 8607, WCAP fetchattachment.
	//
	//backend:owner req.Holder()
	//backend:read
	Attachment(ctx context.Context, who Actor, req AttachmentRequest) (Attachment, error)
	// DeleteObject removes one object and leaves a tombstone.
	//
	//backend:owner req.Ref.Calendar.Owner()
	//backend:write
	DeleteObject(ctx context.Context, who Actor, req DeleteRequest) error
	// CopyObject copies or moves an object. Between owners, whose data may be
	// on different hosts, only the Router does it, by the two that follow and
	// for a move DeleteObject: no transaction spans two owners.
	//
	//backend:write
	CopyObject(ctx context.Context, who Actor, req CopyRequest) (CopyResult, error)
	// CopyOut reads what a copy or move to another owner takes along. Who may
	// not carry it out is refused here, before anything is written.
	//
	//backend:owner req.From.Calendar.Owner()
	//backend:read
	CopyOut(ctx context.Context, who Actor, req CopyRequest) (Parcel, error)
	// CopyIn stores what CopyOut read.
	//
	//backend:owner req.Copy.To.Calendar.Owner()
	//backend:write
	CopyIn(ctx context.Context, who Actor, req CopyInRequest) (CopyResult, error)
	// PatchProps changes dead properties of an object, all or none.
	//
	//backend:owner ref.Calendar.Owner()
	//backend:write
	PatchProps(ctx context.Context, who Actor, ref Ref, changes []PropChange) error

	// Query streams the objects of a calendar that match a filter. CALDAV:calendar-query.
	//
	//backend:owner req.Calendar.Owner()
	//backend:read
	Query(ctx context.Context, who Actor, req QueryRequest, emit func(*Object) error) error
	// Occurrences streams what takes place in calendars, of any owners: events and
	// tasks, and which of their instances. Each calendar is answered for itself.
	// WCAP fetchcomponents_by_range and its kin.
	//
	//backend:read
	Occurrences(ctx context.Context, who Actor, req OccurrencesRequest, emit func(OccurrencesResult) error) error
	// Sync streams what changed in a calendar since a token. RFC 6578.
	//
	//backend:owner req.Calendar.Owner()
	//backend:read
	Sync(ctx context.Context, who Actor, req SyncRequest, emit func(SyncItem) error) (SyncResult, error)
	// ListChanges tells how the members of a calendar differ from a list that the
	// caller has kept, if that can be told.
	//
	//backend:owner req.Calendar.Owner()
	//backend:read
	ListChanges(ctx context.Context, who Actor, req ListChangesRequest) (ListChangesResult, error)
	// SyncHome tells which calendars of a home changed since a token.
	//
	//backend:read
	SyncHome(ctx context.Context, who Actor, req SyncHomeRequest) (SyncHomeResult, error)
	// SearchCalendars lists the calendars that who may see and that match, by
	// calid. WCAP search_calprops.
	//
	//backend:read
	SearchCalendars(ctx context.Context, who Actor, req SearchCalendarsRequest) ([]Calendar, error)
	// FreeBusy merges the busy time of each target. RFC 4791 §7.10, WCAP get_freebusy.
	//
	//backend:items len(req.Targets)
	//backend:read
	FreeBusy(ctx context.Context, who Actor, req FreeBusyRequest) ([]FreeBusyResult, error)

	// Deliver brings a scheduling message to people of this site, each on his
	// own: what it does to his calendars, in his inbox and in his journal is one
	// transaction. Who acts for the sender is who. RFC 6638 §4.
	//
	//backend:items len(req.To)
	//backend:repeat
	Deliver(ctx context.Context, who Actor, req DeliverRequest) ([]DeliverResult, error)
	// Decide accepts or rejects a message that came by mail and is held in the inbox
	// of its recipient. What is accepted is applied as if it had been believed.
	//
	//backend:owner req.Ref.Calendar.Owner()
	//backend:write
	Decide(ctx context.Context, who Actor, req DecideRequest) (Decided, error)
	// Why tells what happened to scheduling messages at the side of an owner, and
	// what the server decided for him. docs/why.md.
	//
	//backend:owner req.Owner
	//backend:read
	Why(ctx context.Context, who Actor, req WhyRequest) (WhyAnswer, error)

	// Prefs reads a user's own preferences. WCAP userprefs.
	//
	//backend:owner owner
	//backend:read
	Prefs(ctx context.Context, who Actor, owner Owner) (map[string]string, error)
	// SetPrefs changes them, whatever they are.
	//
	//backend:owner req.Owner
	//backend:write
	SetPrefs(ctx context.Context, who Actor, req SetPrefsRequest) error
	// EditPrefs changes them from what they are, and answers them all.
	//
	//backend:owner req.Owner
	//backend:write
	EditPrefs(ctx context.Context, who Actor, req EditPrefsRequest) (map[string]string, error)
	// Subscribe changes the list of calendars that a user is subscribed to, and
	// answers it. Who subscribes to a calendar may read its properties, if it is
	// there. WCAP subscribe_calendars, unsubscribe_calendars.
	//
	//backend:write
	Subscribe(ctx context.Context, who Actor, req SubscribeRequest) (Subscribed, error)

	// Share shares a calendar with others, or ends that. CS:share.
	//
	//backend:owner req.Calendar.Owner()
	//backend:write
	Share(ctx context.Context, who Actor, req ShareRequest) error
	// SetProxies says who acts for a user. Apple's caldav-proxy.
	//
	//backend:owner req.Owner
	//backend:write
	SetProxies(ctx context.Context, who Actor, req SetProxiesRequest) error
	// Notify tells a user of somebody else's sharing: the server's own jobs bring
	// what follows from Share and Subscribe.
	//
	//backend:owner req.Note.To
	//backend:write
	Notify(ctx context.Context, who Actor, req NotifyRequest) error

	// Register has somebody told of what changes in a calendar that he may read, or in
	// his own home: by a push service, or by a webhook.
	//
	//backend:owner req.Owner
	//backend:write
	Register(ctx context.Context, who Actor, req RegisterRequest) (RegisterResult, error)
	// Unregister ends that. The owner of the home may end anybody's.
	//
	//backend:owner req.Owner
	//backend:write
	Unregister(ctx context.Context, who Actor, req UnregisterRequest) error
	// Registrations lists those in a home.
	//
	//backend:owner req.Owner
	//backend:read
	Registrations(ctx context.Context, who Actor, req RegistrationsRequest) ([]Registration, error)
	// TestHook has something sent to a webhook of the actor's, though nothing changed.
	//
	//backend:owner req.Owner
	//backend:write
	TestHook(ctx context.Context, who Actor, req TestHookRequest) error

	// Ping says whether the store behind answers, and what it is.
	//
	//backend:read
	Ping(ctx context.Context) (Status, error)
}

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

// ObjectsRequest lists what a multiget wants, by name or by UID. All is of one
// owner.
type ObjectsRequest struct {
	Refs []Ref
	Data DataRequest

	// The objects of one calendar with these UIDs, answered after Refs. The Ref
	// of an answer has no name when there is no such object.
	Calendar ID
	UIDs     []string
}

// ObjectResult is the answer for one ref: an object, or why not.
type ObjectResult struct {
	Ref    Ref
	Object *Object
	Err    error
}

// DataRequest says how calendar data is to be returned. RFC 4791 §9.6.
type DataRequest struct {
	None       bool    // metadata only
	Expand     *Window // CALDAV:expand
	LimitRecur *Window // CALDAV:limit-recurrence-set
	LimitBusy  *Window // CALDAV:limit-freebusy-set
	Comp       *CompSelect
	Timezone   string // VTIMEZONE text or "" : floating time of this report, CALDAV:timezone
}

// CompSelect is partial retrieval, RFC 4791 §9.6.1.
type CompSelect struct {
	Name     string
	AllProps bool
	Props    []PropSelect
	AllComps bool
	Comps    []CompSelect
}

// PropSelect selects a property, with or without its value.
type PropSelect struct {
	Name    string
	NoValue bool
}

// PutRequest stores Data under Ref.
type PutRequest struct {
	Ref         Ref
	Data        []byte
	ContentType string
	Precond     Precond
	ByUID       bool   // replace whatever object has the same UID, Ref.Name is for a new one
	Token       string // request token: a retry with the same token is answered, not repeated
	NoReply     bool   // as in DeleteRequest: no REPLY follows
}

// PutResult is the stamp of what was stored.
type PutResult struct {
	Object  Object // without data
	Created bool
	Altered bool // the server had a part in it: the text is another than was sent
}

// PutObjectsRequest imports objects into one calendar. Items with an empty
// name are stored under the name of the object with their UID, else a new one.
type PutObjectsRequest struct {
	Calendar ID
	Items    []PutItem
	Replace  bool // an existing object with the UID is replaced, else Exists
	// Within leaves out what lies outside of a window, series by their first and
	// last instance; nil takes all.
	Within *Window
}

// PutItem is one object of an import.
type PutItem struct {
	Name string
	Data []byte
}

// PutItemResult answers for one item, in order.
type PutItemResult struct {
	Name      string
	UID       string
	Created   bool
	Unchanged bool // the same text was there already
	Outside   bool // not stored: it is not in the window
	Err       error
}

// DeleteRequest removes one object.
type DeleteRequest struct {
	Ref     Ref
	Precond Precond
	NoReply bool   // nobody is told that the owner will not come: Schedule-Reply: F, RFC 6638 §8.1
	MovedTo *Moved // set by the Router alone
}

// QueryRequest is a calendar-query. A nil Filter matches everything.
type QueryRequest struct {
	Calendar ID
	Object   string      // the one that is asked about, "" = all. RFC 4791 §7
	Filter   *CompFilter // of VCALENDAR
	Data     DataRequest
	Limit    int // most objects wanted, 0 = the server's limit
}

// CompFilter, PropFilter, ParamFilter and TextMatch: RFC 4791 §9.7.
type CompFilter struct {
	Name         string
	IsNotDefined bool
	TimeRange    *Window
	Props        []PropFilter
	Comps        []CompFilter
	AnyOf        bool // test="anyof", calendar-query as extended
}

// PropFilter matches a property.
type PropFilter struct {
	Name         string
	IsNotDefined bool
	TimeRange    *Window
	Text         *TextMatch
	Params       []ParamFilter
	AnyOf        bool
}

// ParamFilter matches a parameter of a property.
type ParamFilter struct {
	Name         string
	IsNotDefined bool
	Text         *TextMatch
}

// TextMatch is a substring test under a collation: "i;ascii-casemap" (the
// default), "i;octet" or "i;unicode-casemap".
type TextMatch struct {
	Text      string
	Collation string
	Negate    bool
}

// SyncRequest asks for changes after Token (Calendar.SyncToken), "" for all.
type SyncRequest struct {
	Calendar ID
	Token    string
	Limit    int  // most items, 0 = no limit
	Data     bool // objects with their data
	Deleted  bool // tombstones with their last text, where kept

	// Gone asks for tombstones only, of deletions in this window; Token,
	// Limit and Data do not count. WCAP fetch_deletedcomponents.
	Gone *Window
}

// SyncItem is a changed object or a tombstone.
type SyncItem struct {
	Object *Object
	Gone   *Tombstone
}

// SyncResult ends a sync. More means that the limit cut the answer.
type SyncResult struct {
	Token    string
	More     bool
	Calendar Calendar

	// Validator stands for the answer of a first sync without Limit and Data: all
	// members by name, as this actor sees them. RFC 9110 §8.8. It is for
	// ListChanges; "" if nothing could be told later.
	Validator string
}

// ListChangesRequest has the validators of lists that the caller has kept.
type ListChangesRequest struct {
	Calendar   ID
	Validators []string
}

// ListChangesResult has what differs from the list of Base: members that are new
// or others now, by dead properties too, and those that are gone. Base is one of
// the validators, of a list that this actor may be shown, or "" if there is none;
// then all are to be listed anew. Validator is that of the list as it is now.
type ListChangesResult struct {
	Calendar        Calendar
	Base, Validator string
	Items           []SyncItem
}

// SyncHomeRequest asks which calendars changed. Token "" means all.
type SyncHomeRequest struct {
	Owner  Owner
	Token  string
	Shares bool // as in HomeRequest
}

// SyncHomeResult lists changed and removed calendars, and shares if they were
// asked for: where the state of any of them is another one, all.
type SyncHomeResult struct {
	Token      string
	Changed    []Calendar
	Removed    []ID
	Shares     []Share
	GoneShares []ID
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

// FreeBusyRequest asks for busy time. A target is a calendar, or a person when
// Home is set: those calendars of his home that count for free/busy, and when he
// can be met at all. Somebody without a home is free if the directory knows him.
type FreeBusyRequest struct {
	Targets []FreeBusyTarget
	Window  Window
	Ignore  string // UID left out, Apple's X-CALENDARSERVER-MASK-UID
	// Organizer, unless empty, is whose meeting that must be: of this address, or
	// without one in a calendar of the actor's.
	Organizer string
	// Describe wants the calendars of the targets described; what may not be
	// seen at all is not told of either. A home may have none that may be seen.
	Describe bool
}

// FreeBusyTarget names whose busy time is wanted.
type FreeBusyTarget struct {
	Calendar ID
	Home     bool
}

// FreeBusyResult is the answer for one target, in order.
type FreeBusyResult struct {
	Target FreeBusyTarget
	Busy   []Busy
	Err    error

	Calendar *Calendar // asked for
}

// Busy is a merged busy period. Type is BUSY, BUSY-TENTATIVE or
// BUSY-UNAVAILABLE (RFC 5545 §3.2.9).
type Busy struct {
	Start, End time.Time
	Type       string
}

// SetPrefsRequest changes preferences of an owner, all or none.
type SetPrefsRequest struct {
	Owner  Owner
	Set    map[string]string
	Remove []string
}

// Status tells what a back end is.
type Status struct {
	Host     string // name it calls itself
	Store    string // "sqlite", "postgres"
	Version  string
	Started  time.Time
	Owners   int
	Objects  int64
	ReadOnly bool
}
