// Package service is the model: the use cases of calendar.Backend over a
// calendar.Store that this process owns. Access control, preconditions,
// masking of private events, UID uniqueness, limits, sync changes and free/busy
// live here, each use case in one transaction.
//
// Numbers: each owner has one change counter. A write takes the next number
// and stamps it on the object, its calendar and the home; ETag, CTag and
// sync-token are spelled from it.
package service

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/acl"
	"factotum/server/admission"
	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/object"
	"factotum/server/recur"
)

// Options are what ics.conf decides for the model. Zero fields get defaults.
type Options struct {
	Host    string // the name this back end goes by
	Version string // of the program

	DefaultACL  acl.List // calstore.calendar.default.acl
	OwnerACL    acl.List // calstore.calendar.owner.acl, in front of every list
	ResourceACL acl.List // resource.default.acl
	GroupACL    acl.List // group.default.acl
	PublicRead  bool     // service.wcap.login.calendar.publicread: everybody may read users' default calendars from the start
	Lists       ListOptions
	DefaultTZID string // calstore.default.timezoneID
	ShowPrivate bool   // calstore.filterprivateevents="no": do not mask

	// PublicURL is what clients reach this server by, "https://cal.example.com":
	// it stands before AttachmentsPath in the addresses of attachments.
	PublicURL string

	Limits calendar.Limits

	JournalAge     time.Duration // how long scheduling is told of; 0 = 30 days
	JournalEntries int           // of one owner; 0 = 10,000

	HistoryAge   time.Duration // how long versions are kept that were replaced or deleted; 0 = 30 days, less: none are
	HistoryBytes int64         // of one home; 0 = 100 MiB

	Groups GroupOptions

	// Serves tells whether the calendars of somebody are on this back end; nil is
	// everybody's.
	Serves func(calendar.Person) bool

	NoProvision bool          // local.autoprovision="no": only the administrator makes default calendars
	Notices     NoticeOptions // by mail; the zero value tells nobody
	Alarms      AlarmOptions  // that the server sends; the zero value sends none
	// KeepAnswers: attendees are not told what others have answered, until the
	// organizer changes something (gse.autorefreshreplystatus).
	KeepAnswers bool
	// AnswersPause is how long answers are collected before attendees learn of
	// them; 0 = 2 s.
	AnswersPause time.Duration
	// NoInvited are those for whom an invitation makes no default calendar
	// either: user.invite.autoprovision="no" and its kin.
	NoInvited map[calendar.PersonKind]bool

	// Admission is what the site decided about messages that come by mail.
	Admission admission.Rules

	Registrations RegistrationOptions

	CacheBytes   int64         // memory for what is read often; 0 = 48 MiB, less: none
	TombstoneAge time.Duration // how long deletions are remembered; 0 = 90 days
	InboxAge     time.Duration // how long items stay in an inbox, factotum.inbox.age; 0 = 30 days
	ReadOnly     bool          // caldb.berkeleydb.readonly

	// Derive tell what jobs follow from a change, in its transaction: they ask
	// nobody else and may run more than once. Outbox, unless nil, is told of
	// those that are committed.
	Derive []Derivation
	Outbox calendar.Outbox
	// Committed, unless nil, is told of changes after their commit, in commit order
	// for each owner. Writers wait for it, so it does not: it keeps what it wants,
	// and changes none of it.
	Committed func([]*calendar.Change)

	Now    func() time.Time
	Logger *slog.Logger
}

// Derivation says what jobs follow from a change, their ids left out.
type Derivation func(calendar.ReadTx, *calendar.Change) ([]calendar.Job, error)

// Service is the model over a Store that this process owns alone: it caches
// what it reads and trusts that nobody else writes there.
type Service struct {
	store    calendar.Store
	people   calendar.People
	opt      Options
	log      *slog.Logger
	now      func() time.Time
	cache    *cache.Cache
	names    nameIndex
	told     sync.Map // owners of whom the log said that somebody new has the name
	started  time.Time
	lastID   atomic.Int64
	reminded reminded
	traced   atomic.Int64 // traces that were kept since the start
	zone     recur.Zone
	zoneData atomic.Value // string: see UseZoneData
	tests    hookTests
	use      usage // of domains
}

var _ calendar.Backend = (*Service)(nil)

// NewService returns the model over store. people may be nil: then every
// well-formed user id may own calendars.
func New(store calendar.Store, people calendar.People, opt Options) *Service {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if opt.DefaultACL == nil {
		opt.DefaultACL = acl.MustParse(acl.DefaultCalendar)
	}
	if opt.OwnerACL == nil {
		opt.OwnerACL = acl.MustParse(acl.DefaultOwner)
	}
	if opt.ResourceACL == nil {
		opt.ResourceACL = acl.MustParse(acl.DefaultResource)
	}
	if opt.GroupACL == nil {
		opt.GroupACL = acl.MustParse(acl.DefaultGroup)
	}
	if opt.JournalAge <= 0 {
		opt.JournalAge = 30 * 24 * time.Hour
	}
	if opt.JournalEntries <= 0 {
		opt.JournalEntries = 10_000
	}
	if opt.HistoryAge == 0 {
		opt.HistoryAge = 30 * 24 * time.Hour
	}
	if opt.HistoryBytes <= 0 {
		opt.HistoryBytes = 100 << 20
	}
	if opt.CacheBytes == 0 {
		opt.CacheBytes = 48 << 20
	}
	if opt.AnswersPause <= 0 {
		opt.AnswersPause = 2 * time.Second
	}
	if opt.TombstoneAge <= 0 {
		opt.TombstoneAge = 90 * 24 * time.Hour
	}
	if opt.InboxAge <= 0 {
		opt.InboxAge = 30 * 24 * time.Hour
	}
	opt.Registrations.defaults()
	opt.Limits = opt.Limits.WithDefaults()
	s := &Service{store: store, people: people, opt: opt, log: opt.Logger, now: opt.Now, started: opt.Now(), zone: recur.UTC}
	s.cache = cache.New(store, cache.Options{Bytes: opt.CacheBytes, Instances: opt.Limits.Instances, Logger: opt.Logger})
	if z, ok := recur.LoadZone(opt.DefaultTZID); ok && opt.DefaultTZID != "" {
		s.zone = z
	}
	return s
}

// Limits returns what the service enforces, for fronts that announce it.
func (s *Service) Limits() calendar.Limits { return s.opt.Limits }

// Cache is what the Service reads by.
func (s *Service) Cache() *cache.Cache { return s.cache }

// Ping reports the store's state.
func (s *Service) Ping(ctx context.Context) (calendar.Status, error) {
	st, err := s.store.Stat(ctx)
	if err != nil {
		return calendar.Status{}, wrap("ping", "", err)
	}
	return calendar.Status{Host: s.opt.Host, Store: st.Engine, Version: s.opt.Version, Started: s.started,
		Owners: st.Owners, Objects: st.Objects, ReadOnly: s.opt.ReadOnly, Domains: s.use.own()}, nil
}

// wrap gives err the Op and Ref of the use case unless it is an *Error already.
func wrap(op, ref string, err error) error {
	if err == nil {
		return nil
	}
	var e *calendar.Error
	if errors.As(err, &e) {
		if e.Op == "" {
			e2 := *e
			e2.Op, e2.Ref = op, cmp.Or(e.Ref, ref)
			return &e2
		}
		return err
	}
	return &calendar.Error{Kind: calendar.KindOf(err), Op: op, Ref: ref, Err: err}
}

// newID makes a calendar id: unique in this store and growing with time.
func (s *Service) newID() int64 {
	for {
		last := s.lastID.Load()
		id := max(s.now().UnixMicro(), last+1)
		if s.lastID.CompareAndSwap(last, id) {
			return id
		}
	}
}

// rulesOf are those of a calendar for its objects.
func (s *Service) rulesOf(ctx context.Context, c *cache.Calendar) object.Rules {
	owner := c.ID.Owner()
	return object.Rules{Owner: owner, Kind: c.Row.Kind, Components: c.Components, Limits: s.opt.Limits,
		Person: func() (calendar.Person, error) {
			p, err := s.ownerEntry(ctx, "find the owner of a calendar", owner)
			if err != nil {
				return calendar.Person{}, err
			}
			return *p, nil
		}}
}

// refOf names an object for errors and logs.
func refOf(id calendar.ID, name string) string {
	return calendar.Ref{Calendar: id, Name: name}.String()
}
