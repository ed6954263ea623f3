package directory

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"

	"factotum/server/calendar"
)

// queue lets password checks run, some at a time. Where there are more than
// that, addresses take turns, and at each address its users: an address that
// asks for a thousand checks delays another's only one by one. A check whose
// client has gone is not run.
type queue struct {
	most int // tickets that wait; beyond that the longest line loses

	mu      sync.Mutex
	free    int // workers without work
	waiting int
	lines   map[netip.Addr]*line
	turns   *list.List // of *line: those where somebody waits
}

// line is who waits at one address.
type line struct {
	addr  netip.Addr
	place *list.Element // in queue.turns
	n     int
	users map[string]*userLine
	turns *list.List // of *userLine
}

type userLine struct {
	user    string
	place   *list.Element // in line.turns
	tickets list.List     // of *ticket
}

type ticket struct {
	at    *line
	of    *userLine
	place *list.Element // in userLine.tickets; nil: it waits no more
	turn  chan error    // nil: go ahead
}

// maxQueue is how many checks wait. Each is a request whose client is still
// there.
const maxQueue = 4096

func newQueue(workers int) *queue {
	return &queue{most: maxQueue, free: max(workers, 1), lines: map[netip.Addr]*line{}, turns: list.New()}
}

// do runs f when its turn has come. It fails if ctx ends before, or with
// Unavailable if too many wait.
func (q *queue) do(ctx context.Context, addr netip.Addr, user string, f func()) error {
	q.mu.Lock()
	if q.free > 0 { // then nobody waits
		q.free--
		q.mu.Unlock()
	} else {
		t := q.push(addr, user)
		q.mu.Unlock()
		select {
		case err := <-t.turn:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			q.mu.Lock()
			waits := t.place != nil
			if waits {
				q.remove(t)
			}
			q.mu.Unlock()
			if !waits && <-t.turn == nil {
				q.next() // its turn came at the same moment
			}
			return unavailable("wait for a password check", ctx.Err())
		}
	}
	defer q.next()
	f()
	return nil
}

// next gives the worker of a check that is done to the next one.
func (q *queue) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	first := q.turns.Front()
	if first == nil {
		q.free++
		return
	}
	l := first.Value.(*line)
	u := l.turns.Front().Value.(*userLine)
	t := u.tickets.Front().Value.(*ticket)
	q.turns.MoveToBack(l.place)
	l.turns.MoveToBack(u.place)
	q.remove(t)
	t.turn <- nil
}

// push puts a ticket at the end of its line. If that is one too many, the last
// of the longest line has to go, which may be this one.
func (q *queue) push(addr netip.Addr, user string) *ticket {
	l := q.lines[addr]
	if l == nil {
		l = &line{addr: addr, users: map[string]*userLine{}, turns: list.New()}
		l.place = q.turns.PushBack(l)
		q.lines[addr] = l
	}
	u := l.users[user]
	if u == nil {
		u = &userLine{user: user}
		u.place = l.turns.PushBack(u)
		l.users[user] = u
	}
	t := &ticket{at: l, of: u, turn: make(chan error, 1)}
	t.place = u.tickets.PushBack(t)
	l.n++
	q.waiting++
	if q.waiting > q.most {
		q.refuseOne()
	}
	return t
}

func (q *queue) remove(t *ticket) {
	t.of.tickets.Remove(t.place)
	t.place = nil
	q.waiting--
	t.at.n--
	if t.of.tickets.Len() == 0 {
		t.at.turns.Remove(t.of.place)
		delete(t.at.users, t.of.user)
	}
	if t.at.n == 0 {
		q.turns.Remove(t.at.place)
		delete(q.lines, t.at.addr)
	}
}

// refuseOne turns away the last of the user who waits most often at the
// address that does.
func (q *queue) refuseOne() {
	var l *line
	for _, other := range q.lines {
		if l == nil || other.n > l.n {
			l = other
		}
	}
	var u *userLine
	for e := l.turns.Back(); e != nil; e = e.Prev() {
		if other := e.Value.(*userLine); u == nil || other.tickets.Len() > u.tickets.Len() {
			u = other
		}
	}
	t := u.tickets.Back().Value.(*ticket)
	q.remove(t)
	t.turn <- &calendar.Error{Kind: calendar.Unavailable, Op: "log in", After: 10 * time.Second,
		Msg: "too many people log in at once; try again"}
}

// len tells how many checks wait.
func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}
