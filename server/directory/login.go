package directory

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"

	"factotum/server/calendar"
)

// Client is who asks to be let in.
type Client struct {
	Addr  netip.Addr // the zero Addr is a local caller
	Via   string     // the protocol, for the log
	Agent string     // what the client calls itself, for the log
	Host  string     // the name that it calls us by, which may be that of a domain: Directory.Qualify
	// Waits, if it is there, is called before the password waits to be checked.
	Waits func()
}

// Authenticator checks a name and a password. Logins is ours.
type Authenticator interface {
	// Login returns the person who logs in. LoginFailed says no, whatever the
	// reason; MustWait that it was not looked at, because of failures before.
	Login(ctx context.Context, user, password string, from Client) (calendar.Person, error)
}

// LoginOptions are the settings of Logins; a zero field is its default.
type LoginOptions struct {
	// CacheTTL is how long a successful log-in is remembered
	// (service.authcachettl); a day, negative: not at all.
	CacheTTL time.Duration
	// CacheBytes is the room for remembered log-ins (factotum.login.cachebytes); 64 MiB.
	CacheBytes int64
	// Recheck is how often a remembered log-in looks whether the LDAP entry
	// changed or was disabled (factotum.login.recheck); 1 min. With an LDIF file
	// that is seen at once.
	Recheck time.Duration
	// Limits are those of failed log-ins, see limiter (factotum.login.*). Nil:
	// 10 free failures of a user at an address, 20 where he has logged in
	// before, 30 of an address, 100 of a user anywhere.
	Limits *Limits
	// AppPasswords is the file with the app passwords
	// (factotum.apppasswords.path); empty with an LDIF file: that path with
	// ".apppasswords", empty with LDAP: none.
	AppPasswords string
	// Workers is how many passwords are checked at once; half of the cores
	// with an LDIF file, and never more; LDAPOptions.MaxConns with LDAP.
	Workers int
	// Delay is when a failure is answered, or a multiple of it, so that nobody
	// can tell by the time why (factotum.login.delay); 300 ms.
	Delay time.Duration
	// Pause is a delay before a successful log-in that was not remembered is
	// answered (service.plaintextloginpause); none.
	Pause time.Duration

	Log   *slog.Logger                               // nil: the Directory's
	Now   func() time.Time                           // nil: time.Now
	Sleep func(ctx context.Context, d time.Duration) // nil: a timer; tests give their own
}

// Logins checks passwords for the fronts. It is safe for concurrent use.
type Logins struct {
	dir    *Directory
	opt    LoginOptions
	log    *slog.Logger
	limit  *limiter
	cache  *loginCache
	checks *queue
	told   *teller
	apps   *AppPasswords // nil: none
	seed   maphash.Seed

	standings *lru.Cache[calendar.UserID, timedStanding] // of people in LDAP

	mu      sync.Mutex
	flights map[flightKey]*flight // log-ins under way
}

var _ Authenticator = (*Logins)(nil)

// DefaultLimits are what factotum.login.* are when they are not set.
func DefaultLimits() Limits { return NewLimits(10, 5*time.Minute, 2*time.Second, 15*time.Minute) }

// NewLimits makes the limits of which a user at an address has free failures,
// which are forgotten after a while without others. Waits grow from the first
// to the most. No free failures is no limit.
func NewLimits(free int, forget, first, most time.Duration) Limits {
	of := func(n int) Limit {
		return Limit{Free: n * free, First: min(first, most), Most: most, Forget: forget}
	}
	return Limits{Address: of(3), Pair: of(1), User: of(10), Known: of(2)}
}

// NewLogins makes the log-in over a Directory. Close ends it.
func NewLogins(dir *Directory, opt LoginOptions) (*Logins, error) {
	def(&opt.CacheTTL, 24*time.Hour)
	def(&opt.CacheBytes, 64<<20)
	def(&opt.Recheck, time.Minute)
	def(&opt.Delay, 300*time.Millisecond)
	def(&opt.Log, dir.opt.Log)
	if opt.Limits == nil {
		limits := DefaultLimits()
		opt.Limits = &limits
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Sleep == nil {
		opt.Sleep = sleep
	}
	if opt.AppPasswords == "" && dir.opt.LDIF != "" {
		opt.AppPasswords = AppPasswordsPath(dir.opt.LDIF)
	}
	if dir.opt.LDIF == "" {
		def(&opt.Workers, dir.opt.LDAP.MaxConns) // the LDAP server does the work
	} else if half := HashWorkers(); opt.Workers <= 0 || opt.Workers > half {
		opt.Workers = half
	}
	l := &Logins{
		dir: dir, opt: opt, log: opt.Log, seed: maphash.MakeSeed(),
		limit: newLimiter(*opt.Limits), cache: newLoginCache(opt.CacheBytes),
		checks: newQueue(opt.Workers), told: newTeller(opt.Log), flights: map[flightKey]*flight{},
		standings: newLRU[calendar.UserID, timedStanding](10_000),
	}
	if opt.AppPasswords != "" {
		var err error
		if l.apps, err = OpenAppPasswords(opt.AppPasswords, dir.opt.Log); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// HashWorkers is how many passwords are hashed at once at most: half of the
// cores, so that the others serve those who have logged in.
func HashWorkers() int { return max(runtime.GOMAXPROCS(0)/2, 1) }

// AppPasswords returns the app passwords, or nil if there is no file for them.
func (l *Logins) AppPasswords() *AppPasswords { return l.apps }

// Close writes down when app passwords were used last.
func (l *Logins) Close() error {
	if l.apps != nil {
		return l.apps.Close()
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Login checks user ("jdoe", "jdoe@sesta.com" or a mail address) and
// password. It never tells an unknown name from a wrong password, neither in
// its answer nor by its time.
func (l *Logins) Login(ctx context.Context, user, password string, from Client) (calendar.Person, error) {
	p, err := l.login(ctx, l.dir.Qualify(ctx, user, from.Host), password, &from)
	if why := Why(err); why != "" {
		l.told.warn(ctx, l.opt.Now(), addressKey(from.Addr), "log-in failed", "user", shown(user), "remote", addrText(from.Addr),
			"via", from.Via, "agent", calendar.Agent(from.Agent), "why", why)
	}
	return p, err
}

func (l *Logins) login(ctx context.Context, user, password string, from *Client) (calendar.Person, error) {
	if !plausible(user, password) {
		return calendar.Person{}, failed(malformed)
	}
	key := l.cache.key(user, password)
	if p, ok := l.remembered(ctx, key, user); ok {
		return p, nil
	}
	if p, ok := l.byApp(ctx, key, user, password); ok {
		return p, nil
	}
	try := attempt{login: fold(user), addr: addressKey(from.Addr), guess: binary.LittleEndian.Uint64(key[:]) | 1}
	if wait := l.limit.wait(&try, l.opt.Now()); wait > 0 {
		return calendar.Person{}, mustWait(wait)
	}
	if from.Waits != nil {
		from.Waits()
	}
	if l.apps != nil && isToken(password) {
		// A device that was shut out goes on asking. That is no guess at
		// anything, costs no hash, and must not lock out whoever is at home there.
		l.opt.Sleep(ctx, l.opt.Delay)
		return calendar.Person{}, failed(noAppPassword)
	}
	// Clients open several connections at once: one of them does the work.
	return l.share(ctx, flightKey{key, try.addr}, func(ctx context.Context) (calendar.Person, error) {
		return l.check(ctx, key, password, try)
	})
}

// plausible refuses what cannot be a name and a password: empty, too long,
// with control characters in the name, with CR, LF or NUL in the password.
func plausible(user, password string) bool {
	return !badName(user) && utf8.ValidString(user) && CheckPassword(password) == nil
}

// check does a log-in that is not remembered.
func (l *Logins) check(ctx context.Context, key loginKey, password string, try attempt) (calendar.Person, error) {
	start := l.opt.Now()
	l.dir.src.look() // who was made a moment ago can log in now; next to a hash it costs nothing
	seen := l.seen()
	e, err := l.dir.byLogin(ctx, try.login)
	if err != nil && !isNotFound(err) {
		return calendar.Person{}, err
	}
	person, err := l.account(ctx, e)
	if err != nil {
		return calendar.Person{}, err
	}
	if try.who = person.ID; e == nil || try.who == "" {
		try.who = l.dir.nobody(ctx, try.login)
	}
	wait := l.limit.wait(&try, start)
	if wait == 0 {
		queued := l.checks.do(ctx, try.addr, try.who, func() {
			// Others may have failed while this one waited for its turn.
			if wait = l.limit.wait(&try, l.opt.Now()); wait == 0 {
				err = l.dir.src.verify(ctx, e, password)
			}
		})
		if queued != nil {
			return calendar.Person{}, queued
		}
	}
	if wait > 0 {
		return calendar.Person{}, mustWait(wait)
	}
	var why because
	switch {
	case err == nil && e != nil && person.Active && person.Kind == calendar.Individual:
		l.limit.succeeded(&try)
		l.keep(key, person, e, "", seen)
		if l.opt.Pause > 0 {
			l.opt.Sleep(ctx, l.opt.Pause)
		}
		return person, nil
	case err == nil && person.Kind != calendar.Individual:
		why = notAPerson
	case err == nil && l.domainOff(ctx, person.ID) != "":
		why = domainOff
	case err == nil:
		why = notActive
	case !errors.As(err, &why):
		return calendar.Person{}, unavailable("check password", err)
	case e == nil:
		why = noSuchUser
	case strings.HasPrefix(password, appPrefix):
		why = noAppPassword
	}
	l.slow(ctx, start, &try)
	if why == domainOff { // who has the password may know
		return calendar.Person{}, &calendar.Error{Kind: calendar.LoginFailed, Op: "log in", Err: why,
			Msg: "the calendar service of the domain " + l.domainOff(ctx, person.ID) + " is switched off"}
	}
	return calendar.Person{}, failed(why)
}

// domainOff is the domain of somebody if its entry does not allow the service.
func (l *Logins) domainOff(ctx context.Context, id calendar.UserID) string {
	ds, err := l.dir.src.domains(ctx)
	if err != nil {
		return ""
	}
	if d := ds.rules.Of(id); d != nil && !d.Active {
		return d.Name
	}
	return ""
}

// slow counts a failure and holds its answer back, to the next multiple of the
// delay.
func (l *Logins) slow(ctx context.Context, start time.Time, try *attempt) {
	now := l.opt.Now()
	held := l.opt.Delay - now.Sub(start)%l.opt.Delay
	if wait, failures := l.limit.failed(try, now.Add(held)); wait > 0 {
		l.told.warn(ctx, now, try.addr, "log-ins have to wait after failures", "user", shown(try.who), "remote", addrText(try.addr),
			"failures", failures, "dur", wait)
	}
	l.opt.Sleep(ctx, held)
}

// account maps a log-in's entry; a nil entry is nobody.
func (l *Logins) account(ctx context.Context, e *entry) (p calendar.Person, err error) {
	if e == nil {
		return p, nil
	}
	ds, err := l.dir.src.domains(ctx)
	if err != nil {
		return p, unavailable("read domains", err)
	}
	p, err = l.dir.full(ctx, e, ds)
	if isNotFound(err) { // an entry without a usable id cannot log in
		return calendar.Person{}, nil
	}
	return p, err
}

// byApp tries the password as an app password of the user.
func (l *Logins) byApp(ctx context.Context, key loginKey, user, password string) (calendar.Person, bool) {
	if l.apps == nil || !strings.HasPrefix(password, appPrefix) {
		return calendar.Person{}, false
	}
	l.apps.look() // one may have been made, or revoked, a moment ago
	seen := l.seen()
	owner, app, ok := l.apps.check(password)
	if !ok {
		return calendar.Person{}, false
	}
	p, err := l.dir.Person(ctx, user)
	if err != nil || p.ID != owner || !p.Active || p.Kind != calendar.Individual || !calendar.SameEntry(l.apps.entry(app), p.Entry) {
		return calendar.Person{}, false
	}
	l.apps.isOf(app, p.Entry)
	l.keep(key, p, nil, app, seen)
	return p, true
}

// byLogin finds the entry of a login name, given in lower case: by the
// configured filter in the domain it names or the default one, then by mail address.
func (d *Directory) byLogin(ctx context.Context, login string) (*entry, error) {
	ds, err := d.src.domains(ctx)
	if err != nil {
		return nil, unavailable("read domains", err)
	}
	user, dom, _ := ds.split(login, d.opt.Separators)
	f := d.auth
	if dom.auth != nil {
		f = *dom.auth
	}
	f = f.with(strings.NewReplacer("%U", user, "%u", user, "%s", user, "%V", dom.name, "%o", login))
	e, err := d.lookupIn(ctx, ds, dom, d.principals(f), login)
	if isNotFound(err) && strings.Contains(login, "@") {
		return d.byMail(ctx, ds, login)
	}
	return e, err
}

// nobody spells the name of nobody as it would be spelt if it were somebody's,
// so that all its forms share a bucket as those of a user do.
func (d *Directory) nobody(ctx context.Context, login string) string {
	ds, err := d.src.domains(ctx)
	if err != nil {
		return login
	}
	if user, dom, ok := ds.split(login, d.opt.Separators); ok {
		return ds.id(user, dom)
	}
	return login
}

// Forget drops every remembered log-in of a user, or of all if id is "": csuser
// says so after a change, where LDAP would tell a minute later.
func (l *Logins) Forget(id calendar.UserID) {
	l.cache.forget(fold(id))
	l.standings.Purge()
	if l.dir.cache != nil {
		l.dir.cache.Purge()
	}
}

// Lockouts lists who has to wait before log-ins are looked at again.
func (l *Logins) Lockouts() []Lockout { return l.limit.list(l.opt.Now()) }

// Unlock forgets the failures of a user, of an address, or of both together,
// and returns how many waits it ended.
func (l *Logins) Unlock(id calendar.UserID, addr netip.Addr) int {
	return l.limit.unlock(fold(id), addr, l.opt.Now())
}

// LoginStat are numbers for statistics.
type LoginStat struct {
	Remembered      int    // log-ins that are remembered
	RememberedBytes int64  // and their octets
	Waiting         int    // password checks that wait for a worker
	Lockouts        uint64 // waits after failures, begun so far
	LockedOut       int    // those that are not over
}

// Stat tells the numbers.
func (l *Logins) Stat() (s LoginStat) {
	s.Remembered, s.RememberedBytes = l.cache.stat()
	s.Waiting = l.checks.len()
	s.Lockouts, s.LockedOut = l.limit.stat(l.opt.Now())
	return s
}

// String keeps secrets out of logs.
func (l *Logins) String() string {
	n, _ := l.cache.stat()
	return fmt.Sprintf("logins(%d remembered)", n)
}
