package directory

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"factotum/server/calendar"
)

// because is the cause of a log-in that failed: for the log, never for the
// client.
type because string

func (b because) Error() string { return string(b) }

// The causes.
const (
	malformed     because = "the name or the password holds what neither can"
	noSuchUser    because = "there is no such user"
	wrongPassword because = "wrong password"
	noHash        because = "the entry has no password hash that can be checked"
	notActive     because = "the account is not active"
	domainOff     because = "the domain of the account is not active"
	notAPerson    because = "not a person's entry"
	noAppPassword because = "no such app password"
)

// failed is the answer to a log-in that failed for whatever reason.
func failed(why because) error {
	return &calendar.Error{Kind: calendar.LoginFailed, Op: "log in", Err: why}
}

// Why says in a few words why a log-in failed, or "".
func Why(err error) string {
	var b because
	switch {
	case errors.As(err, &b):
		return string(b)
	case calendar.KindOf(err) == calendar.MustWait:
		return "has to wait after failures"
	}
	return ""
}

// teller writes what happens when somebody guesses: some lines of each address,
// some of all, and how many were left out.
type teller struct {
	log *slog.Logger

	mu     sync.Mutex
	all    *rate.Limiter
	byAddr *lru.Cache[netip.Addr, *rate.Limiter]
	left   int
}

func newTeller(log *slog.Logger) *teller {
	return &teller{log: log, all: rate.NewLimiter(2, 100), byAddr: newLRU[netip.Addr, *rate.Limiter](4096)}
}

// warn writes a line about an address, or counts it.
func (t *teller) warn(ctx context.Context, now time.Time, addr netip.Addr, msg string, args ...any) {
	t.mu.Lock()
	own := getOr(t.byAddr, addr, func() *rate.Limiter { return rate.NewLimiter(rate.Every(10*time.Second), 20) })
	if !own.AllowN(now, 1) || !t.all.AllowN(now, 1) {
		t.left++
		t.mu.Unlock()
		return
	}
	left := t.left
	t.left = 0
	t.mu.Unlock()
	if id := calendar.RequestID(ctx); id != "" {
		args = append(args, "req", id)
	}
	if left > 0 {
		args = append(args, "left_out", left)
	}
	t.log.WarnContext(ctx, msg, args...)
}

// shown is a name as the log and the list have it: a password may have been
// typed there, or a novel.
func shown(name string) string {
	return strings.ToValidUTF8(strings.Clone(name[:min(len(name), shownName)]), "?")
}

func addrText(a netip.Addr) string {
	if !a.IsValid() {
		return "local"
	}
	return a.String()
}
