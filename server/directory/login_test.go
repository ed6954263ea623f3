package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"
)

var (
	here  = netip.MustParseAddr("192.0.2.1")
	there = netip.MustParseAddr("203.0.113.9")
)

// clock is a time that tests move.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time                           { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) move(d time.Duration)                     { c.at.Add(int64(d)) }
func (c *clock) sleep(_ context.Context, d time.Duration) { c.move(d) }

// counting is a source that counts password checks and may hold them up.
type counting struct {
	source
	checks atomic.Int32
	hold   chan struct{} // nil: do not wait
}

func (c *counting) verify(ctx context.Context, e *entry, password string) error {
	c.checks.Add(1)
	if c.hold != nil {
		select {
		case <-c.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return c.source.verify(ctx, e, password)
}

func count(d *Directory) *counting {
	c := &counting{source: d.src}
	d.src = c
	return c
}

const annaFile = `dn: uid=anna,o=x
objectClass: person
objectClass: icsCalendarUser
uid: anna
cn: Anna
mail: anna@example.com
userPassword: %s
icsStatus: %s

dn: uid=bob,o=x
objectClass: person
uid: bob
cn: Bob
`

func annaDirectory(t testing.TB) *Directory {
	return open(t, ldifOptions(t, fmt.Sprintf(annaFile, cheapHash("one"), "active")))
}

func from(a netip.Addr) Client { return Client{Addr: a, Via: "test"} }

func mustLogin(t *testing.T, l *Logins, user, password string, at netip.Addr) {
	t.Helper()
	if p, err := l.Login(t.Context(), user, password, from(at)); err != nil || p.ID != "anna" {
		t.Fatalf("log-in of %s: %q, %v", user, p.ID, err)
	}
}

// mustFail tries what does not work, and returns how long to wait if it was not
// looked at.
func mustFail(t *testing.T, l *Logins, user, password string, at netip.Addr) (wait time.Duration, limited bool) {
	t.Helper()
	_, err := l.Login(t.Context(), user, password, from(at))
	var e *calendar.Error
	if !errors.As(err, &e) || e.Kind != calendar.LoginFailed && e.Kind != calendar.MustWait {
		t.Fatalf("log-in of %s: %v", user, err)
	}
	if limited = e.Kind == calendar.MustWait; limited != (e.After > 0) {
		t.Fatalf("log-in of %s: %v after %v", user, err, e.After)
	}
	return e.After, limited
}

func TestLoginIsRemembered(t *testing.T) {
	d, c := annaDirectory(t), newClock()
	src := count(d)
	l := logins(t, d, LoginOptions{Now: c.now, Sleep: c.sleep})
	for range 3 {
		mustLogin(t, l, "anna", "one", here)
	}
	if n := src.checks.Load(); n != 1 {
		t.Errorf("%d password checks, want 1", n)
	}
	mustFail(t, l, "anna", "two", here)
	mustFail(t, l, "bob", "one", here)
	c.move(20 * time.Hour)
	mustLogin(t, l, "anna", "one", here)
	if n := src.checks.Load(); n != 3 {
		t.Errorf("%d password checks within the day, want 3", n)
	}
	c.move(4*time.Hour + time.Second)
	mustLogin(t, l, "anna", "one", here)
	if n := src.checks.Load(); n != 4 {
		t.Errorf("%d password checks after the time to live, want 4", n)
	}
	l.Forget("anna")
	mustLogin(t, l, "anna", "one", here)
	if n := src.checks.Load(); n != 5 {
		t.Errorf("%d password checks after Forget, want 5", n)
	}
}

func TestLoginSeesTheFileChange(t *testing.T) {
	d := annaDirectory(t)
	src := count(d)
	l := logins(t, d, LoginOptions{})
	file := src.source.(*ldifSource)
	write := func(hash, status string) {
		t.Helper()
		writeFile(t, file.path, fmt.Sprintf(annaFile, hash, status))
		if err := file.refresh(); err != nil {
			t.Fatal(err)
		}
	}
	mustLogin(t, l, "anna", "one", here)
	write(cheapHash("one"), "active") // nothing that matters changed
	mustLogin(t, l, "anna", "one", here)
	if n := src.checks.Load(); n != 1 {
		t.Errorf("%d checks after a change elsewhere, want 1", n)
	}
	write(cheapHash("two"), "active")
	mustFail(t, l, "anna", "one", here)
	mustLogin(t, l, "anna", "two", here)
	write(cheapHash("two"), "inactive")
	mustFail(t, l, "anna", "two", here)
	write(cheapHash("two"), "active")
	mustLogin(t, l, "anna", "two", here)
}

// A device whose app password was revoked goes on asking: no hash is computed
// for it, and nobody who is where it is has to wait.
func TestRevokedAppPassword(t *testing.T) {
	d := annaDirectory(t)
	src := count(d)
	l := logins(t, d, LoginOptions{Limits: limits(3, 2, 10, 2)})
	app, token, err := l.apps.Create("anna", "phone")
	if err != nil {
		t.Fatal(err)
	}
	if !isToken(token) || isToken("app-store-password") || isToken(token[1:]) || isToken(token+"x") || isToken(strings.ToUpper(token)) {
		t.Error("app passwords are not told from others")
	}
	if err := l.apps.Revoke("anna", app.ID); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for _, user := range []string{"anna", "nobody"} {
			if _, limited := mustFail(t, l, user, token, here); limited {
				t.Fatal("a revoked app password leads to waits")
			}
		}
	}
	if n := src.checks.Load(); n != 0 {
		t.Errorf("%d passwords were hashed", n)
	}
	mustLogin(t, l, "anna", "one", here)
}

// What another process does to the file counts at the next use, without any
// poll, for passwords and app passwords that are remembered.
func TestRememberedLoginsGoByTheFile(t *testing.T) {
	d := annaDirectory(t)
	src := count(d)
	l := logins(t, d, LoginOptions{})
	src.source.(*ldifSource).watched.fresh, l.apps.watched.fresh = 0, 0
	others, err := OpenAppPasswords(AppPasswordsPath(d.opt.LDIF), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	app, token, err := others.Create("anna", "")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		mustLogin(t, l, "anna", "one", here)
		mustLogin(t, l, "anna", token, here)
	}
	if err := others.Revoke("anna", app.ID); err != nil {
		t.Fatal(err)
	}
	mustFail(t, l, "anna", token, here)
	writeFile(t, d.opt.LDIF, fmt.Sprintf(annaFile, cheapHash("two"), "active"))
	mustFail(t, l, "anna", "one", here)
	mustLogin(t, l, "anna", "two", here)
	writeFile(t, d.opt.LDIF, fmt.Sprintf(annaFile, cheapHash("two"), "inactive"))
	mustFail(t, l, "anna", "two", here)
	w := watched{fresh: time.Hour}
	if w.looked(time.Now()); w.due(time.Now()) {
		t.Error("a look just now is not good")
	}
	if w.looked(time.Now().Add(-2 * time.Hour)); !w.due(time.Now()) {
		t.Error("a look long ago is good")
	}
}

func TestLoginSeesTheLDAPEntryChange(t *testing.T) {
	s := ldaptest.Start(t, people(t, func(p string) string { return p }))
	d, c := open(t, ldapOptions(s)), newClock()
	l := logins(t, d, LoginOptions{Now: c.now, Sleep: c.sleep})
	login := func() error {
		_, err := l.Login(t.Context(), "jdoe", "jdoe-secret", from(here))
		return err
	}
	if err := login(); err != nil {
		t.Fatal(err)
	}
	dn := "uid=jdoe,ou=People,o=sesta.com,o=usergroup"
	s.Modify(dn, "icsStatus", "inactive")
	if err := login(); err != nil {
		t.Errorf("within the minute: %v", err)
	}
	c.move(61 * time.Second)
	if err := login(); !errors.Is(err, calendar.LoginFailed) {
		t.Errorf("a minute after it was disabled: %v", err)
	}
	s.Modify(dn, "icsStatus", "active")
	if err := login(); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	c.move(61 * time.Second)
	if err := login(); err != nil {
		t.Errorf("a remembered log-in while LDAP is away: %v", err)
	}
	c.move(24 * time.Hour)
	if err := login(); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a new log-in while LDAP is away: %v", err)
	}
}

// limits are small ones.
func limits(address, pair, user, known int) *Limits {
	of := func(n int) Limit { return Limit{n, 2 * time.Second, time.Minute, 5 * time.Minute} }
	return &Limits{of(address), of(pair), of(user), of(known)}
}

// Whoever guesses at a user waits longer and longer, is told how long, and not
// looked at before; the right password works from elsewhere.
func TestManyFailuresOfOneUser(t *testing.T) {
	c := newClock()
	d := annaDirectory(t)
	src := count(d)
	l := logins(t, d, LoginOptions{Now: c.now, Limits: limits(100, 4, 100, 3), CacheTTL: -1, Delay: 1})
	names := []string{"anna", "ANNA", "anna@example.com"} // all of them hers
	for i := range 4 {
		if _, limited := mustFail(t, l, names[i%3], "guess", there); limited {
			t.Fatalf("limited after %d failures", i)
		}
	}
	checks := src.checks.Load()
	for i, want := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
		wait, limited := mustFail(t, l, names[i%3], "one", there) // even the right one
		if !limited || wait < want*time.Second || wait > want*time.Second+time.Second {
			t.Fatalf("wait %d: limited %v, %v; want %ds", i, limited, wait, want)
		}
		if src.checks.Load() != checks {
			t.Fatal("a password was checked of somebody who has to wait")
		}
		mustLogin(t, l, "anna", "one", here)
		c.move(wait)
		if _, limited := mustFail(t, l, "anna", "guess", there); limited {
			t.Fatalf("limited after the wait of %v", wait)
		}
		checks = src.checks.Load()
	}
	c.move(61 * time.Second)
	mustLogin(t, l, "anna", "one", there) // the right one in the end
	// Where she has logged in her own tally counts.
	for i := range 3 {
		if _, limited := mustFail(t, l, "anna", fmt.Sprint("typo", i), here); limited {
			t.Fatal("limited too early")
		}
	}
	if _, limited := mustFail(t, l, "anna", "typo", here); !limited {
		t.Error("no limit for a known address")
	}
	c.move(3 * time.Second)
	for range 20 { // success costs nothing, however often
		mustLogin(t, l, "anna", "one", here)
	}
}

// After a change of the password an old device goes on with the wrong one, and
// has to wait; who is at home beside it, with the new one, has not.
func TestDeviceWithTheOldPassword(t *testing.T) {
	c := newClock()
	l := logins(t, annaDirectory(t), LoginOptions{Now: c.now, Limits: limits(100, 100, 100, 3), CacheTTL: -1, Delay: 1})
	mustLogin(t, l, "anna", "one", here)
	for i := range 4 { // once as a guess, three times for itself
		if _, limited := mustFail(t, l, "anna", "old", here); limited {
			t.Fatalf("limited after %d failures", i)
		}
	}
	for range 10 {
		if wait, limited := mustFail(t, l, "anna", "old", here); limited {
			c.move(wait)
		}
	}
	if _, limited := mustFail(t, l, "anna", "old", here); !limited {
		t.Error("the old password is tried again and again")
	}
	mustLogin(t, l, "anna", "one", here)
	for i := range 3 { // guesses are counted as ever
		mustFail(t, l, "anna", fmt.Sprint("guess", i), here)
	}
	if _, limited := mustFail(t, l, "anna", "one", here); !limited {
		t.Error("guesses are not counted beside the old password")
	}
}

// Guesses from many addresses leave each of them one try: the right password
// works at the first.
func TestManyAddressesGuessAtOneUser(t *testing.T) {
	c := newClock()
	l := logins(t, annaDirectory(t), LoginOptions{Now: c.now, Limits: limits(100, 4, 10, 3), CacheTTL: -1})
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }
	for i := range 11 {
		mustFail(t, l, "anna", "guess", at(i))
	}
	for i := 20; i < 30; i++ {
		if _, limited := mustFail(t, l, "anna", "guess", at(i)); limited {
			t.Fatal("the first try of an address is not looked at")
		}
		if _, limited := mustFail(t, l, "anna", "guess", at(i)); !limited {
			t.Fatal("the second try is looked at")
		}
	}
	mustLogin(t, l, "anna", "one", here)
}

func TestManyFailuresOfOneAddress(t *testing.T) {
	c := newClock()
	l := logins(t, annaDirectory(t), LoginOptions{Now: c.now, Limits: limits(4, 100, 100, 100), CacheTTL: -1})
	mustLogin(t, l, "anna", "one", here)
	for i := range 4 {
		if _, limited := mustFail(t, l, fmt.Sprint("nobody", i), "guess", here); limited {
			t.Fatalf("limited after %d failures", i)
		}
	}
	if _, limited := mustFail(t, l, "bob", "x", here); !limited {
		t.Error("no limit for the address")
	}
	mustLogin(t, l, "anna", "one", here) // known there
	mustLogin(t, l, "anna", "one", there)
	// One network of IPv6 is one address.
	for i := range 4 {
		mustFail(t, l, fmt.Sprint("nobody", i), "x", netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1)))
	}
	if _, limited := mustFail(t, l, "nobody", "x", netip.MustParseAddr("2001:db8::ffff:1%eth0")); !limited {
		t.Error("no limit for the network")
	}
	if _, limited := mustFail(t, l, "nobody", "x", netip.MustParseAddr("2001:db8:0:1::1")); limited {
		t.Error("another network is limited")
	}
	if _, limited := mustFail(t, l, "nobody", "x", netip.MustParseAddr("::ffff:192.0.2.1")); !limited {
		t.Error("an address of IPv4 is another one in the clothes of IPv6")
	}
	if _, limited := mustFail(t, l, "nobody", "x", netip.Addr{}); limited {
		t.Error("a local caller is limited")
	}
}

// Many people behind one address who come at once, with the right passwords,
// are no attack; nor does one who knows his password pay for it.
func TestManyPeopleOfOneAddress(t *testing.T) {
	var file strings.Builder
	for i := range 50 {
		fmt.Fprintf(&file, "dn: uid=u%[1]d,o=x\nobjectClass: person\nuid: u%[1]d\ncn: U\nuserPassword: %[2]s\n\n", i, cheapHash("one"))
	}
	l := logins(t, open(t, ldifOptions(t, file.String())), LoginOptions{Limits: limits(3, 2, 10, 2)})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			if _, err := l.Login(t.Context(), fmt.Sprint("u", i), "one", from(here)); err != nil {
				t.Errorf("u%d: %v", i, err)
			}
		})
	}
	wg.Wait()
}

// Guesses that are made at once are no more than those that are made one by one.
func TestGuessesAtOnce(t *testing.T) {
	d := annaDirectory(t)
	src := count(d)
	l := logins(t, d, LoginOptions{Limits: limits(100, 4, 100, 4)})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() { mustFail(t, l, "anna", fmt.Sprint("guess", i), there) })
	}
	wg.Wait()
	if n := src.checks.Load(); n > int32(4+HashWorkers()) {
		t.Errorf("%d of 100 guesses were looked at, want 4 and those under way", n)
	}
}

// csuser unlock and csuser lockouts.
func TestLockoutsAreListedAndEnded(t *testing.T) {
	c := newClock()
	l := logins(t, annaDirectory(t), LoginOptions{Now: c.now, Limits: limits(6, 2, 100, 2), Delay: 1})
	v6 := netip.MustParseAddr("2001:db8::1")
	for range 2 {
		mustFail(t, l, "anna@example.com", "x", there)
		mustFail(t, l, "nobody", "x", there)
		mustFail(t, l, "bob", "x", v6)
	}
	var got []string
	for _, o := range l.Lockouts() {
		got = append(got, fmt.Sprintf("%s at %s: %d", o.User, o.Address, o.Failures))
	}
	if want := "anna at 203.0.113.9: 2, bob at 2001:db8::: 2, nobody at 203.0.113.9: 2"; strings.Join(got, ", ") != want {
		t.Errorf("waiting: %s; want %s", strings.Join(got, ", "), want)
	}
	if s := l.Stat(); s.LockedOut != 3 || s.Lockouts != 3 {
		t.Errorf("%+v", s)
	}
	if n := l.Unlock("Anna", netip.Addr{}); n != 1 {
		t.Errorf("unlocked %d of anna", n)
	}
	mustLogin(t, l, "anna", "one", there)
	if n := l.Unlock("", netip.MustParseAddr("2001:db8::2")); n != 1 {
		t.Errorf("unlocked %d of the network", n)
	}
	if _, limited := mustFail(t, l, "bob", "x", v6); limited {
		t.Error("still locked out")
	}
	if n := l.Unlock("", netip.Addr{}); n != 1 || len(l.Lockouts()) != 0 {
		t.Errorf("unlocked %d of the rest; left %v", n, l.Lockouts())
	}
	for range 2 {
		mustFail(t, l, "nobody", "x", there)
	}
	c.move(3 * time.Second)
	if len(l.Lockouts()) != 0 {
		t.Error("a wait that is over is in the list")
	}
}

// Millions of names take no more room than some thousands.
func TestLimiterIsBounded(t *testing.T) {
	l := newLimiter(*limits(2, 2, 2, 2))
	now := newClock().now()
	for i := range 3 * limiterSize {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		try := attempt{login: "x", who: fmt.Sprint(strings.Repeat("x", 300), i), addr: a}
		l.failed(&try, now)
	}
	for kind, m := range l.maps {
		if m.Len() > limiterSize {
			t.Errorf("%d tallies of kind %d", m.Len(), kind)
		}
		for _, tally := range m.Values()[:min(m.Len(), 10)] {
			if len(tally.user) > shownName {
				t.Errorf("a tally keeps %d octets of a name", len(tally.user))
			}
		}
	}
}

// An unknown name, a wrong password and a shut account cost the same work and
// the same delay.
func TestFailuresLookAlike(t *testing.T) {
	c := newClock()
	var slept []time.Duration
	d := annaDirectory(t)
	src := count(d)
	l := logins(t, d, LoginOptions{Now: c.now, Sleep: func(_ context.Context, d time.Duration) { slept = append(slept, d) }})
	var whys []string
	for _, user := range []string{"anna", "bob", "nobody", "nobody@example.com"} {
		before := src.checks.Load()
		_, err := l.Login(t.Context(), user, "wrong", Client{})
		if calendar.KindOf(err) != calendar.LoginFailed || calendar.MessageOf(err) != "" {
			t.Errorf("%s: %v", user, err)
		}
		whys = append(whys, Why(err))
		if n := src.checks.Load() - before; n != 1 {
			t.Errorf("%s: %d password checks, want 1", user, n)
		}
	}
	if want := []string{string(wrongPassword), string(noHash), string(noSuchUser), string(noSuchUser)}; !slices.Equal(whys, want) {
		t.Errorf("the log has %q, want %q", whys, want)
	}
	if len(slept) != 4 {
		t.Fatalf("%d delays, want 4", len(slept))
	}
	for _, d := range slept {
		if d != slept[0] || d < 300*time.Millisecond {
			t.Errorf("delays differ or are short: %v", slept)
		}
	}
}

// The forms of a name share a bucket whether it exists or not: limits do not
// tell who does.
func TestLimitsDoNotTellWhoExists(t *testing.T) {
	for _, user := range []string{"anna", "nobody"} {
		l := logins(t, annaDirectory(t), LoginOptions{Now: newClock().now, Limits: limits(100, 2, 100, 100)})
		mustFail(t, l, user, "x", here)
		mustFail(t, l, user+"@sesta.com", "x", here)
		for _, form := range []string{user, user + "@SESTA.com", user + "+sesta.com"} {
			if _, limited := mustFail(t, l, form, "x", here); !limited {
				t.Errorf("%s is not limited", form)
			}
		}
	}
}

// Connections that a client opens at once need one hash.
func TestLoginsAtOnceAreOneCheck(t *testing.T) {
	d := annaDirectory(t)
	src := count(d)
	src.hold = make(chan struct{})
	l := logins(t, d, LoginOptions{})
	key := l.cache.key("anna", "one")
	var wg sync.WaitGroup
	errs := make(chan error, 9)
	try := func(ctx context.Context) {
		wg.Go(func() {
			_, err := l.Login(ctx, "anna", "one", from(here))
			errs <- err
		})
	}
	first, cancel := context.WithCancel(t.Context())
	try(first)
	until(t, func() bool { return src.checks.Load() == 1 })
	for range 8 {
		try(t.Context())
	}
	until(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, f := range l.flights {
			return f.clients == 9
		}
		return false
	})
	cancel() // the one who came first goes away: the check goes on for the others
	if err := <-errs; !errors.Is(err, calendar.Canceled) {
		t.Errorf("the one who went away: %v", err)
	}
	close(src.hold)
	wg.Wait()
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := src.checks.Load(); n != 1 {
		t.Errorf("%d checks", n)
	}
	if r, _ := l.cache.get(key); r == nil {
		t.Error("not remembered")
	}
}

// failing is a source that panics when it checks a password.
type failing struct{ source }

func (failing) verify(context.Context, *entry, string) error { panic("out of order") }

// A log-in that panics fails alone, and the next one is not held up by it.
func TestLoginThatPanics(t *testing.T) {
	d := annaDirectory(t)
	whole := d.src
	d.src = failing{whole}
	l := logins(t, d, LoginOptions{})
	if _, err := l.Login(t.Context(), "anna", "one", from(here)); calendar.KindOf(err) != calendar.Internal {
		t.Errorf("got %v", err)
	}
	d.src = whole
	mustLogin(t, l, "anna", "one", here)
}

func until(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("what was waited for did not come")
		}
	}
}

// A client that leaves takes its check along.
func TestLoginIsCancelled(t *testing.T) {
	d := annaDirectory(t)
	src := count(d)
	src.hold = make(chan struct{})
	l := logins(t, d, LoginOptions{Workers: 1})
	var wg sync.WaitGroup
	wg.Go(func() { l.Login(t.Context(), "anna", "first", from(here)) })
	until(t, func() bool { return src.checks.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := l.Login(ctx, "anna", "second", from(here))
		gone <- err
	}()
	until(t, func() bool { return l.checks.len() == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, calendar.Canceled) {
		t.Errorf("the one who left: %v", err)
	}
	until(t, func() bool { return l.checks.len() == 0 })
	close(src.hold)
	wg.Wait()
	mustLogin(t, l, "anna", "one", here)
	if n := src.checks.Load(); n != 2 {
		t.Errorf("%d checks, want 2", n)
	}
}

// While hashes are computed, and many wait for theirs, who is remembered does
// not wait.
func TestWhoIsKnownDoesNotWait(t *testing.T) {
	d := annaDirectory(t)
	src := count(d)
	l := logins(t, d, LoginOptions{Workers: 1, Limits: limits(1000, 1000, 1000, 1000)})
	mustLogin(t, l, "anna", "one", here)
	_, token, err := l.apps.Create("anna", "phone")
	if err != nil {
		t.Fatal(err)
	}
	src.hold = make(chan struct{})
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() { l.Login(t.Context(), fmt.Sprint("user", i), "x", from(there)) })
	}
	until(t, func() bool { return l.checks.len() == 199 })
	mustLogin(t, l, "anna", "one", here) // would hang
	mustLogin(t, l, "anna", token, there)
	close(src.hold)
	wg.Wait()
}

func TestRememberedLoginsAreBounded(t *testing.T) {
	const most = 100_000
	c := newLoginCache(most)
	for i := range 10_000 {
		c.put(rememberedLogin{key: c.key(fmt.Sprint(i), "x"), octets: headOctets})
	}
	n, octets := c.stat()
	if octets > most || n < most/2/int(headOctets) {
		t.Errorf("%d remembered in %d octets", n, octets)
	}
	if r, _ := c.get(c.key("9999", "x")); r == nil {
		t.Error("the last is forgotten")
	}
	c.put(rememberedLogin{key: c.key("9999", "x"), octets: headOctets}) // in the place of the other
	if again, _ := c.stat(); again != n {
		t.Errorf("%d remembered after the same one again, %d before", again, n)
	}
	c.put(rememberedLogin{key: c.key("huge", "x"), octets: most + 1})
	if r, _ := c.get(c.key("huge", "x")); r != nil {
		t.Error("one that is larger than the room is remembered")
	}
	c.forget("")
	if n, octets := c.stat(); n != 0 || octets != 0 {
		t.Errorf("%d in %d octets after all were forgotten", n, octets)
	}
	a, b := newLoginCache(10), newLoginCache(10)
	if a.key("u", "p") == b.key("u", "p") {
		t.Error("two processes share a key")
	}
	if again := a.key("u", "p"); again != a.key("u", "p") || a.key("up", "") == a.key("u", "p") || a.key("u", "p") == a.key("p", "u") {
		t.Error("keys of different log-ins are the same, or those of one differ")
	}
}

func TestAppPasswordLogin(t *testing.T) {
	d, c := annaDirectory(t), newClock()
	src := count(d)
	l := logins(t, d, LoginOptions{Now: c.now, Sleep: c.sleep})
	apps := l.AppPasswords()
	p, token, err := apps.Create("Anna", "phone")
	if err != nil || len(token) < 24 || !strings.Contains(token, p.ID) {
		t.Fatal(p, token, err)
	}
	for _, user := range []string{"anna", "anna@example.com", "anna"} {
		mustLogin(t, l, user, token, here)
	}
	mustFail(t, l, "bob", token, here)
	mustFail(t, l, "anna", token[:len(token)-1], here)
	mustFail(t, l, "anna", token[:len(token)-1]+"!", here)
	if n := src.checks.Load(); n != 2 {
		t.Errorf("%d password checks, want only those of the two that are no app passwords", n)
	}
	// The limits on guesses do not touch it.
	l.limit = newLimiter(*limits(1, 1, 1, 1))
	mustFail(t, l, "anna", "x", there)
	if _, limited := mustFail(t, l, "anna", "x", there); !limited {
		t.Fatal("no limit")
	}
	l.Forget("anna")
	mustLogin(t, l, "anna", token, there)
	if err := apps.Revoke("anna", p.ID); err != nil {
		t.Fatal(err)
	}
	l.limit = newLimiter(Limits{})
	mustFail(t, l, "anna", token, here)
	mustLogin(t, l, "anna", "one", here)

	_, token, err = apps.Create("anna", "tablet")
	if err != nil {
		t.Fatal(err)
	}
	mustLogin(t, l, "anna", token, here)
	writeFile(t, d.opt.LDIF, fmt.Sprintf(annaFile, cheapHash("one"), "inactive"))
	if err := src.source.(*ldifSource).refresh(); err != nil {
		t.Fatal(err)
	}
	mustFail(t, l, "anna", token, here)
}

func TestPasswordHashes(t *testing.T) {
	hash, err := HashPassword("pässword", DefaultArgon2)
	if err != nil || !strings.HasPrefix(hash, "{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(hash, err)
	}
	again, _ := HashPassword("pässword", DefaultArgon2)
	if again == hash {
		t.Error("two hashes share their salt")
	}
	const bcryptHash = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga" // of "allmine"
	for _, c := range []struct {
		hash, password string
		ok             bool
	}{
		{hash, "pässword", true}, {hash, "passwort", false}, {hash, "", false},
		{cheapHash("a"), "a", true}, {strings.Replace(cheapHash("a"), "ARGON2", "argon2", 1), "a", true},
		{"{CRYPT}" + bcryptHash, "allmine", true},
		{"{bcrypt}" + bcryptHash, "allmine", true},
		{"{BCRYPT}" + bcryptHash, "allyours", false},
	} {
		if ok, err := checkHash(c.hash, c.password); ok != c.ok || err != nil {
			t.Errorf("%.30s, %q: %v, %v", c.hash, c.password, ok, err)
		}
	}
	for _, bad := range []string{
		"", "a", "{CLEAR}a", "{PLAIN}a", "{SSHA}aaaa", "{CRYPT}$1$x$y", "{CRYPT}$6$x$y", "{", "}", "{}", "{ARGON2}", "{ARGON2}$argon2i$v=19$m=64,t=1,p=1$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ",
		"{ARGON2}$argon2id$v=19$m=99999999,t=1,p=1$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ",
		"{ARGON2}$argon2id$v=19$m=64,t=999,p=1$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ",
		"{ARGON2}$argon2id$v=19$m=64,t=1,p=0$YWFhYWFhYWE$YWFhYWFhYWFhYWFhYWFhYQ",
		"{ARGON2}$argon2id$v=19$m=64,t=1,p=1$$", "{BCRYPT}" + strings.Replace(bcryptHash, "$10$", "$31$", 1), "{BCRYPT}$2a$", "$2a$04$x",
	} {
		if ok, err := checkHash(bad, "a"); ok || !errors.Is(err, errUnknownHash) {
			t.Errorf("%q: %v, %v", bad, ok, err)
		}
	}
	for _, bad := range []string{"", "a\nb", "a\rb", "a\x00b", strings.Repeat("a", 2000)} {
		if _, err := HashPassword(bad, DefaultArgon2); err == nil {
			t.Errorf("%.10q was hashed", bad)
		}
	}
	seen := map[string]bool{}
	for range 100 {
		p := RandomPassword()
		if len(p) != 19 || seen[p] || strings.Trim(p, readable+"-") != "" {
			t.Errorf("password %q", p)
		}
		seen[p] = true
	}
}

func TestPlainPasswordsOfTheFileAreRefused(t *testing.T) {
	for _, stored := range []string{"plain", "{CLEAR}plain", "{SSHA}x"} {
		l := logins(t, open(t, ldifOptions(t, fmt.Sprintf(annaFile, stored, "active"))), LoginOptions{AppPasswords: filepath.Join(t.TempDir(), "a")})
		mustFail(t, l, "anna", "plain", here)
		mustFail(t, l, "anna", stored, here)
	}
}

func TestSecretsDoNotShow(t *testing.T) {
	opt := Options{LDAP: LDAPOptions{BindCred: "hidden-value"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if s := fmt.Sprintf(verb, opt); strings.Contains(s, "hidden-value") {
			t.Errorf("%s shows %s", verb, s)
		}
	}
}

// service.plaintextloginpause: a log-in that was checked waits, one that is
// remembered does not.
func TestPauseAfterLogin(t *testing.T) {
	c := newClock()
	var slept []time.Duration
	l := logins(t, annaDirectory(t), LoginOptions{Now: c.now, Pause: 7 * time.Second,
		Sleep: func(_ context.Context, d time.Duration) { slept = append(slept, d) }})
	for range 3 {
		if _, err := l.Login(t.Context(), "anna", "one", from(here)); err != nil {
			t.Fatal(err)
		}
	}
	if len(slept) != 1 || slept[0] != 7*time.Second {
		t.Errorf("pauses: %v, want one of 7s", slept)
	}
}
