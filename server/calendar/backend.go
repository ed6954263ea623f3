package calendar

import (
	"context"
	"time"
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

	// History streams what happened to objects and calendars of a home, the newest
	// first. docs/history.md.
	//
	//backend:owner req.Owner
	//backend:read
	History(ctx context.Context, who Actor, req HistoryRequest, emit func(HistoryEntry) error) (HistoryResult, error)
	// AsOf streams the objects that were in a calendar at a moment, by name, with
	// their texts.
	//
	//backend:owner req.Calendar.Owner()
	//backend:read
	AsOf(ctx context.Context, who Actor, req AsOfRequest, emit func(*Object) error) (Calendar, error)
	// Undo takes back what happened, through the same door as any write. What was
	// undone is left as it is, so that a repetition does nothing.
	//
	//backend:owner req.Owner
	//backend:write
	Undo(ctx context.Context, who Actor, req UndoRequest) (UndoResult, error)

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

// Status tells what a back end is.
type Status struct {
	Host     string // name it calls itself
	Store    string // "sqlite", "postgres"
	Version  string
	Started  time.Time
	Owners   int
	Objects  int64
	ReadOnly bool
	Domains  []DomainUse // those with a quota that were counted, by name
}

// DomainUse is how many octets the people of a domain store on a back end.
type DomainUse struct {
	Domain string
	Octets int64
}
