package queue

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"factotum/notify/relay"
)

// tooMany is after how many failures, one after another, a server is left alone.
const tooMany = 3

// hosts are servers that fail. A run, as mail systems call it, is the time between
// two moments at which a failing server is tried.
type hosts struct {
	backoff []time.Duration

	mu   sync.Mutex
	fail map[string]*failing
}

type failing struct {
	failures int
	runs     int // that ended with the server left alone
	until    time.Time
	last     time.Time // that it failed
	step     relay.Step
	cause    string
}

// closed tells until when a server is left alone, and why; "" if it is not.
func (h *hosts) closed(host string, now time.Time) (until time.Time, cause string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if f := h.fail[host]; f != nil && now.Before(f.until) {
		return f.until, f.cause
	}
	return time.Time{}, ""
}

// failed notes a failure; if it was one too many it tells until when the server is
// left alone.
func (h *hosts) failed(host string, step relay.Step, cause string, now time.Time) (until time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.fail[host]
	if f == nil {
		f = &failing{}
		if h.fail == nil {
			h.fail = map[string]*failing{}
		}
		h.forget(now)
		h.fail[host] = f
	}
	f.failures++
	f.step, f.cause, f.last = step, cause, now
	if f.failures < tooMany || now.Before(f.until) {
		return time.Time{}
	}
	// Jobs are due at whole microseconds, and would come a moment too early.
	f.until = now.Add(jittered(h.backoff[min(f.runs, len(h.backoff)-1)])).Truncate(time.Microsecond)
	f.runs++
	return f.until
}

// served notes that a server took a mail, or judged one; true if it had failed.
func (h *hosts) served(host string) (again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, again = h.fail[host]
	delete(h.fail, host)
	return again
}

// again ends the run: each server is tried with the next mail for it, and left alone
// once more if that fails.
func (h *hosts) again() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, f := range h.fail {
		f.until = time.Time{}
	}
}

// forget lets go of servers that nobody has tried for longer than mail waits for the
// next attempt: there is none for them any more.
func (h *hosts) forget(now time.Time) {
	for name, f := range h.fail {
		if now.Sub(f.last) > 3*slices.Max(h.backoff) {
			delete(h.fail, name)
		}
	}
}

func (h *hosts) list(now time.Time) (all []Host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forget(now)
	for name, f := range h.fail {
		host := Host{Name: name, Failures: f.failures, Step: f.step, Cause: f.cause}
		if now.Before(f.until) {
			host.Until = f.until
		}
		all = append(all, host)
	}
	slices.SortFunc(all, func(a, b Host) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
