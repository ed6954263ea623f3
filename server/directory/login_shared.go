package directory

import (
	"context"
	"fmt"
	"net/netip"
	"runtime/debug"

	"factotum/server/calendar"
)

// flightKey is a log-in of one address.
type flightKey struct {
	loginKey
	addr netip.Addr
}

// flight is a log-in under way, for all who wait for it.
type flight struct {
	clients int
	cancel  context.CancelFunc
	done    chan struct{}
	person  calendar.Person
	err     error
}

// share does the work once for all who ask for it meanwhile. It ends early when
// the last of them has gone.
func (l *Logins) share(ctx context.Context, key flightKey, work func(context.Context) (calendar.Person, error)) (calendar.Person, error) {
	l.mu.Lock()
	f := l.flights[key]
	if f == nil {
		f = &flight{done: make(chan struct{})}
		var own context.Context
		own, f.cancel = context.WithCancel(context.WithoutCancel(ctx))
		l.flights[key] = f
		go func() {
			defer f.cancel()
			f.person, f.err = l.guarded(own, work)
			l.leave(key, f)
			close(f.done)
		}()
	}
	f.clients++
	l.mu.Unlock()
	select {
	case <-f.done:
		return f.person, f.err
	case <-ctx.Done():
		l.mu.Lock()
		f.clients--
		last := f.clients == 0
		if last && l.flights[key] == f {
			delete(l.flights, key) // who comes now begins anew
		}
		l.mu.Unlock()
		if last {
			f.cancel()
		}
		return calendar.Person{}, unavailable("log in", ctx.Err())
	}
}

func (l *Logins) leave(key flightKey, f *flight) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.flights[key] == f {
		delete(l.flights, key)
	}
}

// guarded does the work in a goroutine of its own, where a panic would end the
// process.
func (l *Logins) guarded(ctx context.Context, work func(context.Context) (calendar.Person, error)) (p calendar.Person, err error) {
	defer func() {
		if what := recover(); what != nil {
			l.log.ErrorContext(ctx, "log-in panicked", "req", calendar.RequestID(ctx), "err", fmt.Sprint(what), "stack", string(debug.Stack()))
			p, err = calendar.Person{}, &calendar.Error{Kind: calendar.Internal, Op: "log in"}
		}
	}()
	return work(ctx)
}
