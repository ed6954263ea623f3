package calendar

import (
	"context"
	"time"

	"factotum/server/acl"
)

// Store runs fn in one transaction over the calendars of one owner.
// fn may run more than once and does no I/O of its own; what it returns as an
// error rolls everything back. Update returns only after the commit is
// durable. Two Updates of one owner never overlap, and those of one owner
// commit in the order in which their fn ran. Failures that are the engine's
// are reported as *Error of kind Unavailable (connection lost, busy), OverQuota
// (disk full), ReadOnly or Internal.
type Store interface {
	View(ctx context.Context, owner Owner, fn func(ReadTx) error) error
	Update(ctx context.Context, owner Owner, fn func(Tx) error) error
	// Owners lists the owners that have a home, in order, after the given one.
	Owners(ctx context.Context, after Owner, limit int) ([]Owner, error)
	// Jobs lists the jobs of all owners, without their payload, in the order of
	// their ids, after the given one, at most limit (0 = all).
	Jobs(ctx context.Context, after JobID, limit int) ([]Job, error)
	// Held is nil while this process may answer for the store, from what it
	// remembers too; Unavailable when somebody else may have written there.
	Held() error
	// Stat says which engine it is and how much it holds (estimates allowed).
	Stat(ctx context.Context) (StoreStat, error)
	// Check verifies the engine's own integrity (SQLite integrity_check).
	Check(ctx context.Context) error
	Close() error
}

// StoreStat describes a store.
type StoreStat struct {
	Engine  string // "sqlite", "postgres"
	Version string // of the schema
	Owners  int
	Objects int64
	Bytes   int64
}

// ReadTx is a transaction over one owner's data, seen at one moment. Times have
// microsecond resolution or better dropped to it. Lists come in the order
// stated.
type ReadTx interface {
	// Home returns the owner's row; ok is false when there is none.
	Home() (h HomeRow, ok bool, err error)

	Calendars() ([]CalendarRow, error) // by name
	Calendar(name string) (row CalendarRow, ok bool, err error)
	// GoneCalendars lists tombstones of calendars with a change above since.
	GoneCalendars(since int64) ([]GoneCalendar, error)

	// Object returns a live object by name; data only when wanted.
	Object(cal int64, name string, data bool) (row ObjectRow, ok bool, err error)
	ObjectByUID(cal int64, uid string, data bool) (row ObjectRow, ok bool, err error)
	// ObjectsByName returns the live ones among names, in any order.
	ObjectsByName(cal int64, names []string, data bool) ([]ObjectRow, error)
	// Objects streams the live objects by name, after the given name. The row
	// is valid only during the call.
	Objects(cal int64, after string, data bool, fn func(*ObjectRow) error) error
	// Meetings lists the names of live objects that have attendees (ScheduleTag).
	Meetings(cal int64) ([]string, error)
	// CountObjects counts live objects and their bytes.
	CountObjects(cal int64) (n int, bytes int64, err error)
	// Changes streams live objects and tombstones with change above since, by
	// change then name, at most limit (0 = all). Tombstones have Deleted set.
	Changes(cal int64, since int64, limit int, data bool, fn func(*ObjectRow) error) error
	// Gone streams the tombstones of what was deleted in [from,to), by time then
	// name; zero ends are open. fn must not use the transaction.
	Gone(cal int64, from, to time.Time, data bool, fn func(*ObjectRow) error) error
	// Latest streams live objects and tombstones, without data, the one with the
	// highest change first, as long as fn returns true.
	Latest(cal int64, fn func(*ObjectRow) (bool, error)) error

	// Occurrences of the calendar that overlap [from,to) in Unix seconds, any order.
	Occurrences(cal int64, from, to int64, fn func(OccurrenceRow) error) error
	// ObjectOccurrences lists those of one object.
	ObjectOccurrences(cal int64, name string) ([]OccurrenceRow, error)

	// Props lists dead properties of the calendar's own resource (name "") or
	// of one object; PropsByName of some objects, AllProps of all of the calendar.
	Props(cal int64, name string) ([]DeadProp, error)
	PropsByName(cal int64, names []string) (map[string][]DeadProp, error)
	AllProps(cal int64) (map[string][]DeadProp, error)

	// Attachments lists the files of one object, without their data, by id.
	Attachments(cal int64, name string) ([]AttachmentRow, error)
	// AttachmentHolders lists the rows of one id in all calendars, without data.
	AttachmentHolders(id string) ([]AttachmentRow, error)
	// Attachment returns a file with its data.
	Attachment(cal int64, name, id string) (row AttachmentRow, ok bool, err error)
	// AllAttachments streams every file of the owner without data, by calendar,
	// object and id, with the octets that are really there. fn must not use
	// the transaction.
	AllAttachments(fn func(row AttachmentRow, octets int64)) error

	// Prefs are the user's preferences. An empty value is a value.
	Prefs() (map[string]string, error)

	// Token finds the outcome of a write with a request token. Those older than
	// an hour may be forgotten.
	Token(token string) (result []byte, ok bool, err error)
	// Tokens streams all of them, by token. fn must not use the transaction.
	Tokens(fn func(token string, result []byte, when time.Time) error) error

	// Jobs lists the owner's jobs by id; Job returns one of them.
	Jobs() ([]Job, error)
	Job(change int64, seq int) (job Job, ok bool, err error)

	// Traces streams what a query asks for of the owner's journal. The trace is
	// valid only during the call.
	Traces(q TraceQuery, fn func(*Trace) error) error

	// History streams what a query asks for of the owner's history, the newest
	// first. The row is valid only during the call.
	History(q HistoryQuery, fn func(*HistoryRow) error) error

	// Registrations lists those of the home by id; Registration is one of them.
	Registrations() ([]RegistrationRow, error)
	Registration(id string) (row RegistrationRow, ok bool, err error)
}

// Tx is a transaction that writes.
type Tx interface {
	ReadTx

	// OnCommit registers fn to run once after the commit is durable, in commit
	// order among the owner's transactions, before Update returns. Not called
	// when the transaction fails.
	OnCommit(fn func())

	// NextChange takes the owner's next change number, another one at each
	// call, making the home row if needed.
	NextChange() (int64, error)
	// SetEntry notes whose home it is, making the row if needed. It takes no
	// change number: no client sees it.
	SetEntry(entry string) error
	// Recount works the home's sums out anew. It reads all of the owner's rows.
	Recount() error

	InsertCalendar(row CalendarRow) error // Exists if the name is taken
	UpdateCalendar(row CalendarRow) error // by ID
	// TouchCalendar stamps change and modified only (the hot path of PutObject).
	TouchCalendar(id int64, change int64, modified time.Time) error
	// DeleteCalendar removes the row and everything in it and keeps a
	// tombstone (name, change) for SyncHome.
	DeleteCalendar(id int64, change int64, when time.Time) error

	// PutObject inserts or replaces by name (clearing a tombstone of that
	// name). UIDConflict if another live object of the calendar has the UID.
	PutObject(row ObjectRow) error
	// PutIndexed is PutObject and SetOccurrences in one, which costs less.
	PutIndexed(row ObjectRow, occ []OccurrenceRow) error
	// DeleteObject turns the object into a tombstone that keeps uid, component
	// and data, and removes its occurrences and dead properties.
	DeleteObject(cal int64, name string, change int64, when time.Time, by UserID) error
	// Purge removes the calendar's tombstones of [from,before) and raises its
	// Purged number to the highest change removed. The zero from is open.
	Purge(cal int64, from, before time.Time) (n int, err error)
	// PurgeCalendars does the same with the tombstones of the owner's calendars
	// and the home's Purged number.
	PurgeCalendars(from, before time.Time) (n int, err error)

	// SetOccurrences replaces those of one object.
	SetOccurrences(cal int64, name string, rows []OccurrenceRow) error

	SetProp(cal int64, name string, p DeadProp) error
	DeleteProp(cal int64, name string, space, local string) error
	DeleteProps(cal int64, name string) error

	// PutAttachment inserts or replaces by calendar, name and id, whether there
	// is an object of that name or not; its size is that of the data.
	// DeleteCalendar removes the files of all its objects; DeleteObject leaves
	// them to the caller.
	PutAttachment(row AttachmentRow) error
	// DeleteAttachments removes one file of an object, or with id "" all.
	DeleteAttachments(cal int64, name, id string) error

	SetPref(key, value string) error
	DeletePref(key string) error

	SetToken(token string, result []byte, when time.Time) error

	// PutJob inserts or replaces by change and seq. job.Owner is the
	// transaction's or empty.
	PutJob(job Job) error
	// DeleteJob removes one; it need not exist. Nothing else removes jobs:
	// those of a calendar's deletion outlive the calendar.
	DeleteJob(change int64, seq int) error

	// PutTrace adds to the owner's journal, with an id above those that are
	// there. The trace's Owner is the transaction's or empty, its ID is not looked at.
	PutTrace(tr Trace) error
	// PurgeTraces forgets the traces of before a moment, and then all but the
	// newest keep of them (0 = no bound).
	PurgeTraces(before time.Time, keep int) (n int, err error)

	// PutHistory adds to the owner's history. Its change and seq are above those of
	// all rows there, and its time is not before theirs.
	PutHistory(row HistoryRow) error
	// KeepCalendar adds the calendar row.Object.Cal as PutHistory does, and all its
	// live objects and its files after it, before DeleteCalendar takes them.
	KeepCalendar(row HistoryRow) error
	// PurgeHistory forgets what ended before a moment, and then the oldest until
	// the rest counts for no more than so many octets (0 = no bound). All of one
	// change goes together. HomeRow.HistoryFrom follows.
	PurgeHistory(before time.Time, bytes int64) (n int, err error)
	// SkipHistory notes that a version ended then which is not kept.
	SkipHistory(when time.Time) error

	// PutRegistration inserts or replaces by id; DeleteRegistration removes one,
	// which need not exist. The home's row knows of which kinds there are some.
	// Nothing else removes them: those of a calendar outlive it.
	PutRegistration(row RegistrationRow) error
	DeleteRegistration(id string) error
}

// Loader is a Tx that can put a home in place as it was, which is what a backup is
// restored by. Those of a database are.
type Loader interface {
	Tx

	// LoadHome makes the home's row, or sets its numbers, its date and whose it is; sums
	// and kinds of registrations follow from what is stored.
	LoadHome(h HomeRow) error
	// DropHome removes the home with all that is the owner's: no tombstone tells of it.
	DropHome() error
}

// HomeRow is an owner's home.
type HomeRow struct {
	Change  int64
	Purged  int64 // tombstones of calendars up to this change are gone
	Created time.Time
	Bytes   int64  // sum of the sizes of live objects and of attachments, kept by all that writes those
	Entry   string // of the directory, whose home it is (Person.Entry); "" = not known

	Registered Registered // kinds of registrations that there are

	History     int64     // octets that the history counts for
	HistoryAt   time.Time // of its last row
	HistoryFrom time.Time // from when on nothing is missing in it; zero: from the beginning
}

// CalendarRow is a calendar at rest.
type CalendarRow struct {
	ID          int64 // unique for each creation, made by the model
	Name        string
	Kind        CollectionKind
	Change      int64
	MetaChange  int64 // change of the last property change
	Purged      int64 // sync-tokens below this change are too old: tombstones are gone
	DisplayName string
	Description string
	Color       string
	Order       string
	TZID        string
	Timezone    string
	Components  string // comma list
	CoOwners    string // blank list
	ACL         acl.List
	Transparent bool
	NoDoubles   bool
	Disabled    bool
	Categories  string
	Charset     string
	Language    string
	Created     time.Time
	Modified    time.Time
}

// GoneCalendar is the tombstone of a calendar.
type GoneCalendar struct {
	ID      int64
	Name    string
	Change  int64
	Deleted time.Time
}

// ObjectRow is an object at rest.
type ObjectRow struct {
	Cal         int64
	Name        string
	UID         string
	Component   string
	Change      int64
	ScheduleTag int64
	Created     time.Time
	Modified    time.Time
	Size        int
	ContentType string
	Private     uint8     // 0 public, 1 private, 2 confidential (CLASS)
	Attached    bool      // has attachments
	Lacks       Lacks     // has instances that were taken out
	OccHash     uint64    // hash of its occurrence rows: unchanged ones are not rewritten
	By          UserID    // who wrote it last, of a tombstone who deleted it; "" if that is not known
	Since       int64     // the change that made its text, 0 if that is not known
	Origin      Origin    // by what that was made
	Deleted     time.Time // zero for a live object
	Data        []byte
}

// Lacks tells whether instances were taken out of an object by EXDATE, so that
// who looks for those need not read the texts of all others.
type Lacks uint8

// The values of Lacks.
const (
	MayLack Lacks = iota // not known: written by an earlier release
	LacksNothing
	LacksInstances
)

// Bits of OccurrenceRow.Flags.
const (
	OccTail        = 1 << iota // further occurrences follow somewhere in [Start,End): expand the object
	OccFloating                // Start and End are civil time taken as UTC
	OccAllDay                  // a DATE value (floating too)
	OccFree                    // transparent or cancelled: not in free/busy
	OccTentative               // BUSY-TENTATIVE
	OccUnavailable             // BUSY-UNAVAILABLE
	OccTodo                    // a VTODO or VJOURNAL: RFC 4791 §9.9 has rules of its own
	// Of a floating one so many days count by the clock on the wall (the bits from
	// OccDays on), and the rest of its length as time passes: a DURATION with
	// hours. Otherwise both Start and End are civil times. RFC 5545 §3.3.6.
	OccExact

	OccDays = iota // where the days of OccExact begin
)

// OccurrenceRow is one entry of the rebuildable time index: an instance of an
// object, or (OccTail) the open rest of a series.
type OccurrenceRow struct {
	Name       string
	Start, End int64 // Unix seconds UTC; End == Start for zero-length ones
	Flags      int
}
