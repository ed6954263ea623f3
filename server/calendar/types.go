package calendar

import (
	"math"
	"strings"
	"time"

	"factotum/server/acl"
)

// Actor is who asks. The front end authenticates it; DWP carries it along.
// The zero Actor is anonymous.
type Actor struct {
	User   UserID   // canonical user id, "" when anonymous
	Entry  string   // Person.Entry: tells him from an earlier user of that id
	Domain string   // the user's domain, "" when there is one domain only
	Groups []string // groups the user belongs to, as ACEs name them
	Mail   string   // primary address, for organizer checks
	Admin  bool     // calendar administrator whose rights override every ACL
	// Administers is the first name of the domain in which he has these rights: Domain.Admin.
	Administers string

	// Proxy is the administrator who logged in for him, "" if he did himself:
	// WCAP login with proxyauth. Like the next two it is for the record of what
	// is changed, and no rule looks at it.
	Proxy UserID

	// Via and Client tell how he came, for the record of what he changes: the
	// protocol or tool ("caldav", "wcap", "csimport"), and what the client calls
	// itself. Both are empty for what the server does of its own.
	Via    string
	Client string
	// App is what a program calls itself to know its own changes again: WCAP's appid.
	App string

	// Quiet are push registrations that are not told of what he changes, "*" is all
	// of them: his own client knows it. WebDAV-Push, Suppressing Notifications.
	Quiet []string
}

// Calendar is a collection as its reader sees it (Sun's calprops).
type Calendar struct {
	ID          ID
	Incarnation int64 // unique for each creation; part of sync tokens
	Change      int64 // the owner's change number of the last change inside
	Kind        CollectionKind
	DisplayName string // DAV:displayname, WCAP name
	Description string
	Color       string // apple:calendar-color as written
	Order       string // apple:calendar-order as written
	TZID        string // default zone for floating time, "" = server default
	Timezone    string // CALDAV:calendar-timezone as written, "" if only TZID is known
	Components  []string
	CoOwners    []UserID
	ACL         acl.List
	Transparent bool // CALDAV:schedule-calendar-transp: not in the owner's free/busy
	NoDoubles   bool // overlapping opaque events are refused (allow-doublebooking 0)
	Disabled    bool // served to nobody but the calendar administrator: cscal disable
	Categories  string
	Charset     string
	Language    string
	Created     time.Time
	Modified    time.Time
	Count       int // objects, tombstones not counted; -1 when not asked for
	Props       []DeadProp
	Invitees    []Invitee // with whom it is shared: all for who may change its list, himself for others

	// Of an inbox that the actor reads: where invitations go, and the calendars
	// that count for busy time. CALDAV:schedule-default-calendar-URL, RFC 6638
	// §9.2, and CALDAV:calendar-free-busy-set of its drafts.
	DefaultCalendar ID
	FreeBusySet     []ID

	Rights Rights // what the asking actor may do; filled in answers
}

// Rights are what an actor may do with the two parts of a calendar. Owner is
// set for the primary owner and for the calendar administrator, who may also
// delete the calendar and change its owners.
type Rights struct {
	Components acl.Rights
	Properties acl.Rights
	Owner      bool
}

// DeadProp is a property the server only keeps. RFC 4918 §4.1.
type DeadProp struct {
	Space, Local string
	Value        string // XML fragment, self-contained as to namespaces
}

// Object is a calendar object resource (RFC 4791 §4.1), or a file in a plain
// collection. Data is shared with caches: read it, never write to it.
type Object struct {
	Calendar    ID
	Name        string
	UID         string // "" in a plain collection
	Component   string // VEVENT, VTODO, VJOURNAL; "" in a plain collection
	Change      int64  // stamp of the last write: the ETag is spelled from it
	ScheduleTag int64  // stamp of the last consequential change, RFC 6638 §3.2.10
	Created     time.Time
	Modified    time.Time
	Size        int    // octets of Data as stored
	ContentType string // "" means text/calendar; charset=utf-8
	Masked      bool   // Data was rewritten to hide a private event's details
	Data        []byte // nil unless asked for
	Props       []DeadProp

	// Refused is why Data is not there in the form that a Query asked for, such as
	// a series expanded: the objects beside it are answered.
	Refused error

	// Personal is what users of the calendar have of their own for it: CutPersonal.
	// It stays with the model.
	Personal []DeadProp `dwp:"-"`

	Class uint8 `dwp:"-"` // 0 PUBLIC, 1 PRIVATE, 2 CONFIDENTIAL: RFC 5545 §3.8.1.3
	Lacks Lacks `dwp:"-"`
}

// Tombstone tells of a deleted object, for sync-collection and WCAP
// fetch_deletedcomponents. It is kept until the purge age.
type Tombstone struct {
	Calendar  ID
	Name      string
	UID       string
	Component string
	Change    int64
	Deleted   time.Time
	By        UserID // who deleted it, "" if that is not known
	Data      []byte // the last iCalendar text when asked for, if still kept
}

// Ref names one object.
type Ref struct {
	Calendar ID
	Name     string
}

// Precond are the conditions of a write, checked in the same transaction.
// The zero value demands nothing. RFC 9110 §13.1, RFC 6638 §3.2.10.
type Precond struct {
	IfMatch       []string // one of these ETags (without quotes), "*" = must exist
	IfNoneMatch   []string // none of these, "*" = must not exist
	IfScheduleTag string   // this schedule tag
	IfUnmodified  time.Time
}

// Window is a time range in UTC, half open; a zero end is unbounded.
type Window struct{ From, To time.Time }

// Bound is a moment as a side of a Window: the zero time stands for an open
// side, so the first second of the year 1 (min-date-time) becomes the one
// before, in which there is nothing.
func Bound(t time.Time) time.Time {
	if t.IsZero() {
		return t.Add(-time.Second)
	}
	return t
}

// PropChange is one instruction of a PROPPATCH on dead properties.
type PropChange struct {
	Prop   DeadProp
	Remove bool
}

// CanSee reports whether the calendar may be known to exist at all.
func (r Rights) CanSee() bool {
	const any = acl.Read | acl.Write | acl.Delete | acl.FreeBusy | acl.Schedule
	return r.Owner || r.Components&any != 0 || r.Properties&(acl.Read|acl.Write) != 0
}

// CanRead reports whether objects may be read: that of both parts is needed,
// c^r^g does not do. WCAP §4.3.
func (r Rights) CanRead() bool { return r.Components.Has(acl.Read) && r.Properties.Has(acl.Read) }

// CanWrite reports whether objects may be created and changed: modifying
// needs reading too, WCAP "rights needed per operation".
func (r Rights) CanWrite() bool { return r.CanRead() && r.Components.Has(acl.Write) }

// CanDelete reports whether objects may be deleted: the modify right plus delete.
func (r Rights) CanDelete() bool { return r.CanWrite() && r.Components.Has(acl.Delete) }

// CanSeeBusy reports whether busy time may be seen.
func (r Rights) CanSeeBusy() bool { return r.Components.Has(acl.FreeBusy) || r.CanRead() }

// OnBehalf tells what the actor, who has logged in, may schedule in the owner's
// name: acl.OnBehalf.
func (r Rights) OnBehalf() acl.Behalf { return acl.OnBehalf(r.Components, r.Properties) }

// Unix turns a window into seconds; an open end is far away.
func (w Window) Unix() (from, to int64) {
	from, to = math.MinInt64/4, math.MaxInt64/4
	if !w.From.IsZero() {
		from = w.From.Unix()
	}
	if !w.To.IsZero() {
		to = w.To.Unix()
	}
	return from, to
}

// Intern returns the name of a component as a string that all share.
func Intern(name string) string {
	for _, known := range [...]string{"VEVENT", "VTODO", "VJOURNAL"} {
		if name == known {
			return known
		}
	}
	return strings.Clone(name)
}

// Path is where CalDAV has the object, or without a name its calendar; not escaped.
func (r Ref) Path() string {
	return CalendarsPath + string(r.Calendar.Owner()) + "/" + r.Calendar.Name() + "/" + r.Name
}

// String is how errors and logs name an object.
func (r Ref) String() string { return string(r.Calendar) + "/" + r.Name }

// Meta returns the object without its data, and what belongs to that.
func (o *Object) Meta() *Object {
	c := *o
	c.Data, c.Personal = nil, nil
	return &c
}
