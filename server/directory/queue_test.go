package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"factotum/server/calendar"
)

// bench is a queue whose checks wait to be told to go on, in the order in which
// their turn comes.
type bench struct {
	t       *testing.T
	q       *queue
	wg      sync.WaitGroup
	started chan string
	release chan struct{}
}

func newBench(t *testing.T, workers int) *bench {
	return &bench{t: t, q: newQueue(workers), started: make(chan string, 1000), release: make(chan struct{})}
}

// send lets one come.
func (b *bench) send(ctx context.Context, addr, user string) <-chan error {
	done := make(chan error, 1)
	b.wg.Go(func() {
		done <- b.q.do(ctx, netip.MustParseAddr(addr), user, func() {
			b.started <- addr[len(addr)-1:] + user
			<-b.release
		})
	})
	return done
}

// come is send, and waits until he is in the queue or at work.
func (b *bench) come(ctx context.Context, addr, user string) <-chan error {
	b.t.Helper()
	count := func() int {
		b.q.mu.Lock()
		defer b.q.mu.Unlock()
		return b.q.waiting - b.q.free
	}
	before := count()
	done := b.send(ctx, addr, user)
	until(b.t, func() bool { return count() > before })
	return done
}

// order is who got to work, in turn, until nobody waits.
func (b *bench) order(n int) string {
	var got []string
	for range n {
		got = append(got, <-b.started)
		b.release <- struct{}{}
	}
	b.wg.Wait()
	return strings.Join(got, " ")
}

// An address that asks a hundred times holds up another's one by one, and so
// does a user at an address.
func TestQueueIsFair(t *testing.T) {
	b := newBench(t, 1)
	b.come(t.Context(), "192.0.2.1", "a") // at work
	for range 4 {
		b.come(t.Context(), "192.0.2.1", "a")
	}
	b.come(t.Context(), "192.0.2.1", "b")
	b.come(t.Context(), "192.0.2.1", "b")
	for _, u := range []string{"c", "d"} {
		b.come(t.Context(), "192.0.2.2", u)
	}
	b.come(t.Context(), "192.0.2.3", "e")
	if got, want := b.order(10), "1a 1a 2c 3e 1b 2d 1a 1b 1a 1a"; got != want {
		t.Errorf("in turn: %s; want %s", got, want)
	}
	if b.q.len() != 0 || len(b.q.lines) != 0 || b.q.turns.Len() != 0 || b.q.free != 1 {
		t.Errorf("left over: %d waiting, %d lines, %d turns, %d free", b.q.len(), len(b.q.lines), b.q.turns.Len(), b.q.free)
	}
}

func TestQueueHasWorkers(t *testing.T) {
	b := newBench(t, 3)
	for i := range 5 {
		b.come(t.Context(), "192.0.2.1", fmt.Sprint(i))
	}
	if n := b.q.len(); n != 2 {
		t.Errorf("%d of 5 wait for 3 workers, want 2", n)
	}
	got := strings.Fields(b.order(5))
	if slices.Sort(got); strings.Join(got, " ") != "10 11 12 13 14" {
		t.Errorf("ran: %v", got)
	}
}

// Who leaves is not checked, and his turn is another's.
func TestQueueForgetsWhoLeaves(t *testing.T) {
	b := newBench(t, 1)
	b.come(t.Context(), "192.0.2.1", "a")
	ctx, leave := context.WithCancel(t.Context())
	gone := []<-chan error{b.come(ctx, "192.0.2.1", "b"), b.come(ctx, "192.0.2.2", "c")}
	b.come(t.Context(), "192.0.2.3", "d")
	leave()
	for _, done := range gone {
		if err := <-done; !errors.Is(err, calendar.Canceled) {
			t.Errorf("who left got %v", err)
		}
	}
	if got, want := b.order(2), "1a 3d"; got != want {
		t.Errorf("in turn: %s; want %s", got, want)
	}
}

// In a full queue the longest line gives way: an attacker turns himself away.
func TestQueueIsBounded(t *testing.T) {
	b := newBench(t, 1)
	b.q.most = 4
	b.come(t.Context(), "192.0.2.1", "a")
	var mass []<-chan error
	for range 4 {
		mass = append(mass, b.come(t.Context(), "192.0.2.1", "a"))
	}
	if err := <-b.send(t.Context(), "192.0.2.1", "a"); calendar.KindOf(err) != calendar.Unavailable {
		t.Errorf("one too many: %v", err)
	} else if _, ok := calendar.RetryAfter(err); !ok {
		t.Error("he is not told when to come again")
	}
	b.send(t.Context(), "192.0.2.2", "b")
	if err := <-mass[3]; calendar.KindOf(err) != calendar.Unavailable {
		t.Errorf("the last of the longest line: %v", err)
	}
	if got, want := b.order(5), "1a 1a 2b 1a 1a"; got != want {
		t.Errorf("in turn: %s; want %s", got, want)
	}
}

// Whatever happens to tickets, workers are neither lost nor doubled.
func TestQueueKeepsItsWorkers(t *testing.T) {
	q := newQueue(2)
	q.most = 20
	var wg sync.WaitGroup
	for i := range 400 {
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			q.do(ctx, netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 7)}), fmt.Sprint(i%3), cancel)
		})
		if i%4 == 0 {
			wg.Go(cancel)
		}
	}
	wg.Wait()
	if q.free != 2 || q.waiting != 0 || len(q.lines) != 0 {
		t.Errorf("%d workers free, %d wait, %d lines", q.free, q.waiting, len(q.lines))
	}
}
