package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"factotum/server/calendar"
)

// Limit is a token bucket: Burst failures at once, then one each Every.
type Limit struct {
	Burst int
	Every time.Duration
}

// limiter counts failed log-ins, in three kinds of buckets:
//
//   - by address (IPv4, or the /64 of IPv6), against one machine trying many names;
//   - by user, against many machines trying one name;
//   - by login name and address together, once that pair has logged in.
//
// A pair that succeeded before ("known") is judged by its own bucket alone. So
// whoever empties a user's bucket from elsewhere, or the bucket of an address,
// cannot lock out the user where he worked before; he must share that very
// address and guess there. Log-ins that are remembered do not ask the limiter
// at all. A pair becomes known only by the right password, so known pairs
// cannot be crowded out by guesses. Every map is bounded.
type limiter struct {
	address, user, pair Limit

	byAddress *lru.Cache[netip.Addr, *rate.Limiter]
	byUser    *lru.Cache[string, *rate.Limiter]
	known     *lru.Cache[pairKey, *rate.Limiter]
}

type pairKey struct {
	login   string
	address netip.Addr
}

const limiterSize = 65536

func newLimiter(address, user, pair Limit) *limiter {
	return &limiter{
		address, user, pair,
		newLRU[netip.Addr, *rate.Limiter](limiterSize),
		newLRU[string, *rate.Limiter](limiterSize),
		newLRU[pairKey, *rate.Limiter](limiterSize),
	}
}

func (l Limit) bucket() *rate.Limiter { return rate.NewLimiter(rate.Every(l.Every), l.Burst) }

// attempt is what one try has taken from the buckets: given back when it succeeds.
type attempt struct {
	taken []*rate.Limiter
	worst float64 // emptiest bucket: share used, 0 to 1
}

// take draws one token, or tells how long until there is one.
func (a *attempt) take(b *rate.Limiter, now time.Time) (wait time.Duration, ok bool) {
	if !b.AllowN(now, 1) {
		missing := 1 - b.TokensAt(now)
		return time.Duration(missing / float64(b.Limit()) * float64(time.Second)), false
	}
	a.taken = append(a.taken, b)
	a.worst = max(a.worst, 1-b.TokensAt(now)/float64(b.Burst()))
	return 0, true
}

// giveBack returns the tokens: the try was no failure.
func (a *attempt) giveBack(now time.Time) {
	for _, b := range a.taken {
		b.AllowN(now, -1)
	}
	a.taken = nil
}

func addressKey(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// from takes from the buckets that are judged before the user is looked up.
// isKnown says that no other bucket applies.
func (l *limiter) from(a *attempt, login string, remote netip.Addr, now time.Time) (isKnown bool, wait time.Duration, ok bool) {
	addr := addressKey(remote)
	if b, found := l.known.Get(pairKey{login, addr}); found {
		wait, ok = a.take(b, now)
		return true, wait, ok
	}
	if !addr.IsValid() { // a local socket
		return false, 0, true
	}
	wait, ok = a.take(getOr(l.byAddress, addr, l.address.bucket), now)
	return false, wait, ok
}

// of takes from the bucket of a user, or of a name that is nobody's.
func (l *limiter) of(a *attempt, user string, now time.Time) (wait time.Duration, ok bool) {
	return a.take(getOr(l.byUser, user, l.user.bucket), now)
}

func (l *limiter) succeeded(a *attempt, login string, remote netip.Addr, now time.Time) {
	a.giveBack(now)
	getOr(l.known, pairKey{login, addressKey(remote)}, l.pair.bucket)
}

// tooMany is the cause of a LoginFailed that came from a limit.
type tooMany struct{ after time.Duration }

func (e *tooMany) Error() string { return fmt.Sprintf("too many failed log-ins, next in %v", e.after) }

// RetryAfter tells how long to wait before the next try, if err is a log-in
// refused for too many failures: for the Retry-After header.
func RetryAfter(err error) (time.Duration, bool) {
	var e *tooMany
	if errors.As(err, &e) {
		return e.after, true
	}
	return 0, false
}

func limited(wait time.Duration) error {
	wait = max(wait.Round(time.Second), time.Second)
	return &calendar.Error{
		Kind: calendar.LoginFailed, Op: "log in", Err: &tooMany{wait},
		Msg: fmt.Sprintf("too many failed log-ins; try again in %v", wait),
	}
}
