package directory

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/singleflight"

	"factotum/server/calendar"
)

// Authenticator checks a name and a password. Logins is ours.
type Authenticator interface {
	// Login returns the person who logs in. LoginFailed says no, whatever the
	// reason; RetryAfter(err) tells when a limit is it. remote is the client's
	// address; the zero Addr is a local caller.
	Login(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error)
}

// LoginOptions are the settings of Logins; a zero field is its default.
type LoginOptions struct {
	// CacheTTL is how long a successful log-in is remembered
	// (service.authcachettl); 10 min, negative: not at all.
	CacheTTL time.Duration
	// CacheSize is the number of log-ins remembered (service.authcachesize); 10000.
	CacheSize int
	// Recheck is how often a remembered log-in looks whether the LDAP entry
	// changed or was disabled (factotum.auth.recheck); 1 min. With an LDIF file
	// that is seen at once.
	Recheck time.Duration
	// PerAddress, PerUser and PerKnown limit failed log-ins, see limiter
	// (factotum.auth.limit.*); 30 and one each 2 s, 10 and one each 10 s, 20
	// and one each 5 s.
	PerAddress, PerUser, PerKnown Limit
	// AppPasswords is the file with the app passwords
	// (factotum.auth.apppasswords); empty with an LDIF file: that path with
	// ".apppasswords", empty with LDAP: none.
	AppPasswords string
	// Quantum slows failures: their answers come after a multiple of it; 250 ms.
	Quantum time.Duration
	// Pause is a delay before a successful log-in that was not remembered is
	// answered (service.plaintextloginpause); none.
	Pause time.Duration

	Now   func() time.Time                           // nil: time.Now
	Sleep func(ctx context.Context, d time.Duration) // nil: a timer; tests give their own
}

// Logins checks passwords for the fronts. It is safe for concurrent use.
type Logins struct {
	dir   *Directory
	opt   LoginOptions
	log   *slog.Logger
	limit *limiter
	cache *loginCache
	calls singleflight.Group // log-ins under way
	apps  *AppPasswords      // nil: none
	seed  maphash.Seed
}

var _ Authenticator = (*Logins)(nil)

// NewLogins makes the log-in over a Directory. Close ends it.
func NewLogins(dir *Directory, opt LoginOptions) (*Logins, error) {
	def(&opt.CacheTTL, 10*time.Minute)
	def(&opt.CacheSize, 10_000)
	def(&opt.Recheck, time.Minute)
	def(&opt.PerAddress, Limit{30, 2 * time.Second})
	def(&opt.PerUser, Limit{10, 10 * time.Second})
	def(&opt.PerKnown, Limit{20, 5 * time.Second})
	def(&opt.Quantum, 250*time.Millisecond)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Sleep == nil {
		opt.Sleep = sleep
	}
	if opt.AppPasswords == "" && dir.opt.LDIF != "" {
		opt.AppPasswords = AppPasswordsPath(dir.opt.LDIF)
	}
	l := &Logins{
		dir: dir, opt: opt, log: dir.opt.Log, seed: maphash.MakeSeed(),
		limit: newLimiter(opt.PerAddress, opt.PerUser, opt.PerKnown),
		cache: newLoginCache(opt.CacheSize),
	}
	if opt.AppPasswords != "" {
		var err error
		if l.apps, err = OpenAppPasswords(opt.AppPasswords, dir.opt.Log); err != nil {
			return nil, err
		}
	}
	return l, nil
}

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

var errLoginFailed = &calendar.Error{Kind: calendar.LoginFailed, Op: "log in"}

// Login checks user ("jdoe", "jdoe@sesta.com" or a mail address) and
// password. It never tells an unknown name from a wrong password, neither in
// its answer nor by its time.
func (l *Logins) Login(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error) {
	if !plausible(user, password) {
		return calendar.Person{}, errLoginFailed
	}
	key := l.cache.key(user, password)
	for {
		if p, ok := l.remembered(ctx, key, user); ok {
			return p, nil
		}
		// Clients open several connections at once: one of them does the work.
		leads := false
		done := l.calls.DoChan(string(key[:]), func() (any, error) {
			leads = true
			return l.lead(ctx, key, user, password, remote)
		})
		select {
		case res := <-done:
			if !leads && errors.Is(res.Err, calendar.Canceled) {
				continue // its caller went away, we did not
			}
			return res.Val.(calendar.Person), res.Err
		case <-ctx.Done():
			return calendar.Person{}, unavailable("log in", ctx.Err())
		}
	}
}

// lead does the work for all who wait for it. It has a goroutine of its own,
// where a panic would end the process.
func (l *Logins) lead(ctx context.Context, key loginKey, user, password string, remote netip.Addr) (p calendar.Person, err error) {
	defer func() {
		if what := recover(); what != nil {
			l.log.ErrorContext(ctx, "log-in panicked", "req", calendar.RequestID(ctx), "err", fmt.Sprint(what), "stack", string(debug.Stack()))
			p, err = calendar.Person{}, &calendar.Error{Kind: calendar.Internal, Op: "log in"}
		}
	}()
	return l.check(ctx, key, user, password, remote)
}

// plausible refuses what cannot be a name and a password: empty, too long,
// CR, LF or NUL.
func plausible(user, password string) bool {
	return !badName(user) && utf8.ValidString(user) && CheckPassword(password) == nil
}

// check does a log-in that is not remembered.
func (l *Logins) check(ctx context.Context, key loginKey, user, password string, remote netip.Addr) (calendar.Person, error) {
	if f, ok := l.dir.src.(*ldifSource); ok {
		f.poll() // who was made a moment ago can log in now; next to a hash it costs nothing
	}
	if p, app, ok := l.byApp(ctx, user, password); ok {
		l.keep(key, p, 0, app)
		return p, nil
	}
	start := l.opt.Now()
	login := fold(user)
	var try attempt
	known, wait, ok := l.limit.from(&try, login, remote, start)
	if !ok {
		return calendar.Person{}, limited(wait)
	}
	e, err := l.dir.byLogin(ctx, login)
	if err != nil && !isNotFound(err) {
		try.giveBack(start)
		return calendar.Person{}, err
	}
	person, stamp, err := l.account(ctx, e)
	if err != nil {
		try.giveBack(start)
		return calendar.Person{}, err
	}
	if !known {
		who := person.ID
		if e == nil {
			who = l.dir.nobody(ctx, login)
		}
		if wait, ok := l.limit.of(&try, who, start); !ok {
			return calendar.Person{}, limited(wait)
		}
	}
	err = l.dir.src.verify(ctx, e, password)
	switch {
	case err == nil && e != nil && person.Active && person.Kind == calendar.Individual:
		l.limit.succeeded(&try, login, remote, l.opt.Now())
		l.keep(key, person, stamp, "")
		if l.opt.Pause > 0 {
			l.opt.Sleep(ctx, l.opt.Pause)
		}
		return person, nil
	case err == nil || errors.Is(err, errBadPassword):
		l.slow(ctx, start, try.worst)
		return calendar.Person{}, errLoginFailed
	}
	try.giveBack(start)
	return calendar.Person{}, unavailable("check password", err)
}

// slow holds the answer to a failure back, to the next multiple of the
// quantum, and longer the emptier the buckets are: up to eight more.
func (l *Logins) slow(ctx context.Context, start time.Time, used float64) {
	q := l.opt.Quantum
	spent := l.opt.Now().Sub(start)
	l.opt.Sleep(ctx, q-spent%q+time.Duration(used*8)*q)
}

// account maps a log-in's entry; a nil entry is nobody.
func (l *Logins) account(ctx context.Context, e *entry) (p calendar.Person, stamp uint64, err error) {
	if e == nil {
		return p, 0, nil
	}
	ds, err := l.dir.src.domains(ctx)
	if err != nil {
		return p, 0, unavailable("read domains", err)
	}
	p, err = l.dir.full(ctx, e, ds)
	if isNotFound(err) { // an entry without a usable id cannot log in
		return calendar.Person{}, 0, nil
	}
	return p, l.stamp(e), err
}

// stamp changes when what a log-in depends on changes: the password, the
// status, or (LDAP) anything in the entry.
func (l *Logins) stamp(e *entry) uint64 {
	var h maphash.Hash
	h.SetSeed(l.seed)
	h.WriteString(e.key)
	for _, a := range []string{
		"userpassword", "modifytimestamp", "pwdchangedtime", "pwdaccountlockedtime",
		l.dir.at.Status, l.dir.at.Access, l.dir.at.UserStatus,
	} {
		for _, v := range e.all(a) {
			h.WriteByte(0)
			h.WriteString(v)
		}
		h.WriteByte(1)
	}
	return h.Sum64()
}

// byApp tries the password as an app password of the user.
func (l *Logins) byApp(ctx context.Context, user, password string) (p calendar.Person, app string, ok bool) {
	if l.apps == nil {
		return p, "", false
	}
	owner, app, ok := l.apps.check(password)
	if !ok && strings.HasPrefix(password, appPrefix) && l.apps.Refresh() == nil {
		owner, app, ok = l.apps.check(password) // made a moment ago
	}
	if !ok {
		return p, "", false
	}
	p, err := l.dir.Person(ctx, user)
	if err != nil || p.ID != owner || !p.Active || p.Kind != calendar.Individual || !calendar.SameEntry(l.apps.entry(app), p.Entry) {
		return calendar.Person{}, "", false
	}
	return p, app, true
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

// Forget drops every remembered log-in of a user, after a change of password.
func (l *Logins) Forget(id calendar.UserID) { l.cache.forget(id) }

func (l *Logins) keep(key loginKey, p calendar.Person, stamp uint64, app string) {
	if l.opt.CacheTTL < 0 {
		return
	}
	now := l.opt.Now()
	r := &rememberedLogin{person: p, stamp: stamp, app: app, until: now.Add(l.opt.CacheTTL)}
	r.gen.Store(l.dir.src.generation())
	r.checked.Store(now.UnixNano())
	if app != "" {
		r.appGen.Store(l.apps.generation())
	}
	l.cache.Add(key, r)
}

// remembered answers from memory. It looks again at the directory when that
// has changed (LDIF), or when the last look is Recheck ago (LDAP).
func (l *Logins) remembered(ctx context.Context, key loginKey, user string) (calendar.Person, bool) {
	r, ok := l.cache.Get(key)
	if !ok {
		return calendar.Person{}, false
	}
	now := l.opt.Now()
	if now.After(r.until) {
		l.cache.Remove(key)
		return calendar.Person{}, false
	}
	if r.app != "" {
		if g := l.apps.generation(); r.appGen.Load() != g {
			if !l.apps.exists(r.app, r.person.ID) {
				l.cache.Remove(key)
				return calendar.Person{}, false
			}
			r.appGen.Store(g)
		}
		l.apps.used(r.app, now)
	}
	gen := l.dir.src.generation()
	last := r.checked.Load()
	if r.gen.Load() == gen && (gen != 0 || now.UnixNano()-last < int64(l.opt.Recheck)) {
		return r.person, true
	}
	if gen == 0 && !r.checked.CompareAndSwap(last, now.UnixNano()) {
		return r.person, true // another request is looking
	}
	return l.again(ctx, key, r, user, gen)
}

// again looks whether a remembered log-in still holds. While LDAP does not
// answer it does, to the end of its time.
func (l *Logins) again(ctx context.Context, key loginKey, old *rememberedLogin, user string, gen uint64) (calendar.Person, bool) {
	var (
		p     calendar.Person
		stamp uint64
		err   error
	)
	if old.app != "" {
		p, err = l.dir.Person(ctx, user)
	} else {
		var e *entry
		if e, err = l.dir.byLogin(ctx, fold(user)); err == nil {
			p, stamp, err = l.account(ctx, e)
		}
	}
	switch {
	case err != nil && !isNotFound(err):
		return old.person, true
	case err != nil, p.ID != old.person.ID, !calendar.SameEntry(old.person.Entry, p.Entry), !p.Active, stamp != old.stamp:
		l.cache.Remove(key)
		return calendar.Person{}, false
	}
	r := &rememberedLogin{person: p, stamp: stamp, app: old.app, until: old.until}
	r.gen.Store(gen)
	r.checked.Store(l.opt.Now().UnixNano())
	r.appGen.Store(old.appGen.Load())
	l.cache.Add(key, r)
	return p, true
}

// String keeps secrets out of logs.
func (l *Logins) String() string { return fmt.Sprintf("logins(%d remembered)", l.cache.Len()) }
