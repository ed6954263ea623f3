package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
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

func mustLogin(t *testing.T, l *Logins, user, password string, from netip.Addr) {
	t.Helper()
	if p, err := l.Login(t.Context(), user, password, from); err != nil || p.ID != "anna" {
		t.Fatalf("log-in of %s: %q, %v", user, p.ID, err)
	}
}

func mustFail(t *testing.T, l *Logins, user, password string, from netip.Addr) (retry time.Duration, limited bool) {
	t.Helper()
	_, err := l.Login(t.Context(), user, password, from)
	if !errors.Is(err, calendar.LoginFailed) {
		t.Fatalf("log-in of %s: %v", user, err)
	}
	return RetryAfter(err)
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
	c.move(10*time.Minute + time.Second)
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

func TestLoginSeesTheLDAPEntryChange(t *testing.T) {
	s := ldaptest.Start(t, people(t, func(p string) string { return p }))
	d, c := open(t, ldapOptions(s)), newClock()
	l := logins(t, d, LoginOptions{Now: c.now, Sleep: c.sleep})
	login := func() error {
		_, err := l.Login(t.Context(), "jdoe", "jdoe-secret", here)
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
	c.move(10 * time.Minute)
	if err := login(); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a new log-in while LDAP is away: %v", err)
	}
}

func TestManyFailuresOfOneUser(t *testing.T) {
	c := newClock()
	still := func(context.Context, time.Duration) {}
	l := logins(t, annaDirectory(t), LoginOptions{
		Now: c.now, Sleep: still, PerUser: Limit{5, 10 * time.Second}, PerKnown: Limit{3, 10 * time.Second}, CacheTTL: -1,
	})
	mustLogin(t, l, "anna", "one", here)
	// An attacker with many addresses empties the bucket of the user, by any name of hers.
	names := []string{"anna", "ANNA", "anna@example.com"}
	for i := range 5 {
		if _, limited := mustFail(t, l, names[i%3], "guess", netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})); limited {
			t.Fatalf("limited after %d failures", i)
		}
	}
	wait, limited := mustFail(t, l, "anna", "one", there)
	if !limited || wait != 10*time.Second {
		t.Errorf("the right password from an address that is not known: limited %v, %v; want 10s", limited, wait)
	}
	mustLogin(t, l, "anna", "one", here) // where she worked before she still can
	// In that very place, her own bucket counts.
	for range 3 {
		if _, limited := mustFail(t, l, "anna", "typo", here); limited {
			t.Fatal("limited too early")
		}
	}
	if _, limited := mustFail(t, l, "anna", "typo", here); !limited {
		t.Error("no limit for a known address")
	}
	c.move(10 * time.Second)
	mustLogin(t, l, "anna", "one", here)
	mustLogin(t, l, "anna", "one", there)
	// Success costs nothing, however often.
	for range 20 {
		mustLogin(t, l, "anna", "one", here)
	}
}

func TestManyFailuresOfOneAddress(t *testing.T) {
	c := newClock()
	l := logins(t, annaDirectory(t), LoginOptions{
		Now: c.now, Sleep: func(context.Context, time.Duration) {}, PerAddress: Limit{4, time.Second}, CacheTTL: -1,
	})
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
	if _, limited := mustFail(t, l, "nobody", "x", netip.Addr{}); limited {
		t.Error("a local caller is limited")
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
	for _, user := range []string{"anna", "bob", "nobody", "nobody@example.com"} {
		before := src.checks.Load()
		_, err := l.Login(t.Context(), user, "wrong", netip.Addr{})
		if err != error(errLoginFailed) {
			t.Errorf("%s: %v", user, err)
		}
		if n := src.checks.Load() - before; n != 1 {
			t.Errorf("%s: %d password checks, want 1", user, n)
		}
	}
	if len(slept) != 4 {
		t.Fatalf("%d delays, want 4", len(slept))
	}
	for _, d := range slept {
		if d != slept[0] || d < 250*time.Millisecond {
			t.Errorf("delays differ or are short: %v", slept)
		}
	}
}

// The forms of a name share a bucket whether it exists or not: limits do not
// tell who does.
func TestLimitsDoNotTellWhoExists(t *testing.T) {
	for _, user := range []string{"anna", "nobody"} {
		l := logins(t, annaDirectory(t), LoginOptions{Now: newClock().now, PerUser: Limit{2, time.Hour}})
		mustFail(t, l, user, "x", here)
		mustFail(t, l, user+"@sesta.com", "x", here)
		for _, form := range []string{user, user + "@SESTA.com", user + "+sesta.com"} {
			if _, limited := mustFail(t, l, form, "x", here); !limited {
				t.Errorf("%s is not limited", form)
			}
		}
	}
}

func TestFailuresGetSlower(t *testing.T) {
	c := newClock()
	var last time.Duration
	l := logins(t, annaDirectory(t), LoginOptions{Now: c.now, PerUser: Limit{10, time.Minute},
		Sleep: func(_ context.Context, d time.Duration) { last = d }})
	mustFail(t, l, "anna", "wrong", here)
	first := last
	for range 8 {
		mustFail(t, l, "anna", "wrong", here)
	}
	if last < first+time.Second {
		t.Errorf("the first failure took %v, the ninth %v", first, last)
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
			_, err := l.Login(ctx, "anna", "one", here)
			errs <- err
		})
	}
	first, cancel := context.WithCancel(t.Context())
	try(first)
	until(t, func() bool { return src.checks.Load() == 1 })
	for range 8 {
		try(t.Context())
	}
	cancel() // the one who worked for all goes away: another takes over
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
	if n := src.checks.Load(); n < 2 || n > 9 {
		t.Errorf("%d checks", n)
	}
	if !l.cache.Contains(key) {
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
	if _, err := l.Login(t.Context(), "anna", "one", here); calendar.KindOf(err) != calendar.Internal {
		t.Errorf("got %v", err)
	}
	d.src = whole
	mustLogin(t, l, "anna", "one", here)
}

func until(t testing.TB, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
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

func TestTwoHashesAtOnce(t *testing.T) {
	for range cap(hashing) {
		if err := startHash(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := checkHash(ctx, cheapHash("x"), "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("a third hash: %v", err)
	}
	l := logins(t, annaDirectory(t), LoginOptions{})
	if _, err := l.Login(ctx, "anna", "one", here); !errors.Is(err, calendar.Canceled) {
		t.Errorf("log-in while others hash: %v", err)
	}
	for range cap(hashing) {
		endHash()
	}
	mustLogin(t, l, "anna", "one", here)
}

func TestRememberedLoginsAreBounded(t *testing.T) {
	c := newLoginCache(160)
	for i := range 10_000 {
		c.Add(c.key(fmt.Sprint(i), "x"), &rememberedLogin{})
	}
	if n := c.Len(); n > 160 {
		t.Errorf("%d remembered", n)
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
	if n := src.checks.Load(); n != 3 {
		t.Errorf("%d password checks, want only those of the three failures", n)
	}
	// The limits on guesses do not touch it.
	l.opt.PerUser = Limit{1, time.Hour}
	l.limit = newLimiter(l.opt.PerUser, l.opt.PerUser, l.opt.PerUser)
	mustFail(t, l, "anna", "x", there)
	if _, limited := mustFail(t, l, "anna", "x", there); !limited {
		t.Fatal("no limit")
	}
	l.Forget("anna")
	mustLogin(t, l, "anna", token, there)
	if err := apps.Revoke("anna", p.ID); err != nil {
		t.Fatal(err)
	}
	l.limit = newLimiter(Limit{9, time.Hour}, Limit{9, time.Hour}, Limit{9, time.Hour})
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
	hash, err := HashPassword("pässword")
	if err != nil || !strings.HasPrefix(hash, "{ARGON2}$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatal(hash, err)
	}
	again, _ := HashPassword("pässword")
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
		if ok, err := checkHash(t.Context(), c.hash, c.password); ok != c.ok || err != nil {
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
		if ok, err := checkHash(t.Context(), bad, "a"); ok || !errors.Is(err, errUnknownHash) {
			t.Errorf("%q: %v, %v", bad, ok, err)
		}
	}
	for _, bad := range []string{"", "a\nb", "a\rb", "a\x00b", strings.Repeat("a", 2000)} {
		if _, err := HashPassword(bad); err == nil {
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
		if _, err := l.Login(t.Context(), "anna", "one", here); err != nil {
			t.Fatal(err)
		}
	}
	if len(slept) != 1 || slept[0] != 7*time.Second {
		t.Errorf("pauses: %v, want one of 7s", slept)
	}
}
