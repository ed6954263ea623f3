package sitetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/cld"
	"factotum/server/observe"
)

// Hosts is a site with two back ends, each reached over DWP, that counts the
// calls to either. People whose name begins with one of a to m are on the
// first, the others on the second.
type Hosts struct {
	*Site        // of the first host, but for its Backend: the Router over both
	Second *Site // of the second

	mu    sync.Mutex
	calls [2][]string
	down  [2]bool
}

// NewHosts builds one that is there until the test ends.
func NewHosts(t testing.TB, opt Options) *Hosts {
	t.Helper()
	opt.DWP = true
	serving := func(host int) Options {
		o := opt
		o.Model.Serves = func(p calendar.Person) bool { return hostOf(calendar.Owner(p.ID)) == host }
		return o
	}
	h := &Hosts{Site: New(t, serving(0)), Second: New(t, serving(1))}
	backends := map[string]calendar.Backend{}
	for i, s := range []*Site{h.Site, h.Second} {
		backends[fmt.Sprint("host", i)] = observe.Calls(s.local, func(op string, _ time.Duration, _ error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.calls[i] = append(h.calls[i], op)
		})
	}
	router, err := cld.New(cld.Options{Locator: byName{h}, Backends: backends})
	if err != nil {
		t.Fatal(err)
	}
	h.Backend = router
	if opt.Scheduling {
		h.deliverBy(router)
		h.Second.deliverBy(router)
	}
	return h
}

type byName struct{ h *Hosts }

func (l byName) Locate(_ context.Context, o calendar.Owner) (string, error) {
	i := hostOf(o)
	l.h.mu.Lock()
	defer l.h.mu.Unlock()
	if l.h.down[i] {
		return "", &calendar.Error{Kind: calendar.Unavailable, Op: "find back end", Ref: string(o)}
	}
	return fmt.Sprint("host", i), nil
}

// hostOf is where somebody's calendars are.
func hostOf(o calendar.Owner) int {
	if o >= "n" {
		return 1
	}
	return 0
}

// Down takes a back end away, or gives it back.
func (h *Hosts) Down(i int, down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down[i] = down
}

// Settle waits until no message is on its way any more, from either.
func (h *Hosts) Settle() {
	h.t.Helper()
	h.Site.Settle()
	h.Second.Settle()
	h.Site.Settle() // answers to what came from the second
	h.Second.Settle()
}

// Reset forgets the calls so far.
func (h *Hosts) Reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = [2][]string{}
}

// Most tells how many calls there were, since the last Reset, to the back end
// that had most of them, and which calls there were.
func (h *Hosts) Most() (n int, which string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return max(len(h.calls[0]), len(h.calls[1])), strings.Join(h.calls[0], " ") + " | " + strings.Join(h.calls[1], " ")
}
