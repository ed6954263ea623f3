package directory

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"net/netip"
	"slices"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"factotum/server/calendar"
)

// Limit says how many failures are free; after each further one there is a
// wait, twice as long as the one before, from First to Most. After Forget
// without failures they are forgotten, or after as long as the last wait was.
// The zero Limit is none.
type Limit struct {
	Free                int
	First, Most, Forget time.Duration
}

// wait is how long to wait after the n-th failure.
func (l Limit) wait(n int) time.Duration {
	if n < l.Free || l.Free <= 0 {
		return 0
	}
	d := l.First
	for ; n > l.Free && d < l.Most; n-- {
		d *= 2
	}
	return min(d, l.Most)
}

// limiter counts failed log-ins and says who has to wait. It keeps tallies of
// four kinds:
//
//   - of an address (IPv4, or the /64 of IPv6), against one machine that tries
//     many names;
//   - of a user at an address, against one machine that tries one name;
//   - of a user, against many machines that try one name. This one makes nobody
//     wait, since whoever wanted to lock somebody out could: when it is full,
//     each further address has one free failure instead of some, so that the
//     right password still works from anywhere at the first try;
//   - of a login name at an address where it has logged in ("known"). Such a
//     pair is judged by its own tally alone: others at the same address cannot
//     lock it out, nor can anybody elsewhere. There the same wrong password again
//     counts for itself: after a change of the password the telephone goes on with
//     the old one, and must not lock out the computer beside it.
//
// Log-ins that are remembered do not ask the limiter. A pair becomes known
// only by the right password, so that known ones are not crowded out by
// guesses. Every map is bounded, and what nobody waits for is small.
type limiter struct {
	limits Limits
	seed   maphash.Seed

	mu       sync.Mutex
	maps     [numTallies]*lru.Cache[tallyKey, *tally]
	lockouts uint64 // waits begun so far
}

// The kinds of tallies.
const (
	ofAddress = iota
	ofPair
	ofUser
	ofKnown
	ofRepeated // one wrong password of a known pair
	numTallies
)

// Limits are those of the kinds of tallies.
type Limits struct{ Address, Pair, User, Known Limit }

// tallyKey is a keyed hash of what a tally is of: names may be long.
type tallyKey uint64

// tally counts the failures of one key.
type tally struct {
	n     int
	until time.Time // whoever asks before is refused
	quiet time.Time // after that it is forgotten
	user  string    // of whom, shown in the list
	addr  netip.Addr
	wrong [4]uint64 // the last guesses of a known pair
}

const (
	limiterSize = 32768
	shownName   = 64 // octets of a name that a tally keeps
)

func newLimiter(limits Limits) *limiter {
	l := &limiter{limits: limits, seed: maphash.MakeSeed()}
	for i := range l.maps {
		l.maps[i] = newLRU[tallyKey, *tally](limiterSize)
	}
	return l
}

// addressKey is what counts as one address: the whole of IPv4, and the /64 of
// IPv6 that one customer gets.
func addressKey(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

func (l *limiter) key(user string, addr netip.Addr) tallyKey { return l.keyOf(user, addr, 0) }

func (l *limiter) keyOf(user string, addr netip.Addr, guess uint64) tallyKey {
	var h maphash.Hash
	h.SetSeed(l.seed)
	b := addr.As16()
	h.Write(b[:])
	if addr.IsValid() {
		h.WriteByte(1)
	}
	h.WriteString(user)
	if guess != 0 {
		h.Write(binary.LittleEndian.AppendUint64([]byte{0}, guess))
	}
	return tallyKey(h.Sum64())
}

// attempt is a try under judgement.
type attempt struct {
	login string     // the name as given
	who   string     // whose it is, canonical; "" before that is known
	addr  netip.Addr // addressKey
	known bool       // the pair has logged in before
	guess uint64     // the password, as much as is needed to know it again; not 0
}

// wait says how long the client has to wait before this try is looked at; 0
// is not at all. It is asked again when more is known, and when time passed.
func (l *limiter) wait(a *attempt, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var until time.Time
	look := func(kind int, k tallyKey) bool {
		t, ok := l.maps[kind].Get(k)
		if ok && t.until.After(until) {
			until = t.until
		}
		return ok
	}
	if a.known = look(ofKnown, l.key(a.login, a.addr)); a.known {
		look(ofRepeated, l.keyOf(a.login, a.addr, a.guess))
	} else {
		if a.addr.IsValid() { // else a local socket
			look(ofAddress, l.key("", a.addr))
		}
		if a.who != "" {
			look(ofPair, l.key(a.who, a.addr))
		}
	}
	return max(until.Sub(now), 0)
}

// failed counts a failure that is answered at now, and returns the wait that
// begins then, with the number of failures that led to it.
func (l *limiter) failed(a *attempt, now time.Time) (wait time.Duration, failures int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count := func(kind int, limit Limit, key tallyKey, user string, addr netip.Addr) *tally {
		t := getOr(l.maps[kind], key, func() *tally { return &tally{user: shown(user), addr: addr} })
		if now.After(t.quiet) {
			t.n = 0
		}
		t.n++
		t.quiet = now.Add(limit.Forget)
		if d := limit.wait(t.n); d > 0 && kind != ofUser {
			t.until, t.quiet = now.Add(d), now.Add(d+max(d, limit.Forget))
			if l.lockouts++; d > wait {
				wait, failures = d, t.n
			}
		}
		return t
	}
	if a.known {
		key := l.key(a.login, a.addr)
		if t, ok := l.maps[ofKnown].Get(key); ok && slices.Contains(t.wrong[:], a.guess) {
			count(ofRepeated, l.limits.Known, l.keyOf(a.login, a.addr, a.guess), a.who, a.addr)
			return wait, failures
		}
		t := count(ofKnown, l.limits.Known, key, a.who, a.addr)
		copy(t.wrong[1:], t.wrong[:])
		t.wrong[0] = a.guess
		return wait, failures
	}
	pair := l.limits.Pair
	if all := l.limits.User.Free; count(ofUser, l.limits.User, l.key(a.who, netip.Addr{}), a.who, netip.Addr{}).n > all && all > 0 {
		pair.Free = 1
	}
	count(ofPair, pair, l.key(a.who, a.addr), a.who, a.addr)
	if a.addr.IsValid() {
		count(ofAddress, l.limits.Address, l.key("", a.addr), "", a.addr)
	}
	return wait, failures
}

// succeeded notes that a pair has logged in.
func (l *limiter) succeeded(a *attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.maps[ofKnown].Add(l.key(a.login, a.addr), &tally{user: shown(a.who), addr: a.addr})
	l.maps[ofPair].Remove(l.key(a.who, a.addr))
}

// Lockout is somebody who has to wait before log-ins are looked at again.
type Lockout struct {
	User     string    `json:"user,omitempty"`    // "" for all names at the address
	Address  string    `json:"address,omitempty"` // of IPv6 the /64; "" for a local caller
	Failures int       `json:"failures"`          // so far
	Until    time.Time `json:"until"`
}

// list returns who waits, the longest first.
func (l *limiter) list(now time.Time) (out []Lockout) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.maps {
		for _, t := range m.Values() {
			if t.until.After(now) {
				out = append(out, Lockout{User: t.user, Address: addrText(t.addr), Failures: t.n, Until: t.until})
			}
		}
	}
	slices.SortFunc(out, func(a, b Lockout) int {
		return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(a.User, b.User), cmp.Compare(a.Address, b.Address))
	})
	return out
}

// stat tells how many waits there were so far, and how many are not over.
func (l *limiter) stat(now time.Time) (begun uint64, open int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.maps {
		for _, t := range m.Values() {
			if t.until.After(now) {
				open++
			}
		}
	}
	return l.lockouts, open
}

// unlock forgets the failures of a user, of an address, or of both together;
// with neither it forgets all. It returns how many waits it ended.
func (l *limiter) unlock(user string, addr netip.Addr, now time.Time) (n int) {
	user, addr = shown(user), addressKey(addr)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.maps {
		for _, t := range m.Values() {
			if user != "" && t.user != user || addr.IsValid() && t.addr != addr {
				continue
			}
			if t.until.After(now) {
				n++
			}
			*t = tally{user: t.user, addr: t.addr}
		}
	}
	return n
}

// mustWait is the answer to who has to wait.
func mustWait(wait time.Duration) error {
	e := &calendar.Error{Kind: calendar.MustWait, Op: "log in", After: wait}
	s, _ := calendar.RetryAfter(e)
	e.Msg = fmt.Sprintf("Too many failed log-ins; try again in %d s.", s)
	return e
}
