package cld

import (
	"context"
	"crypto/rand"
	"strings"

	"factotum/server/calendar"
)

// A home that was moved is asked for where it is now: the back end that had it
// says so (calendar.HomeMoved), and the client hears nothing of it. What the locator
// remembered is put right, so that the next call finds its way at once.

// maxHops is how often one call follows a home.
const maxHops = 3

// mover is a Locator that remembers, and is told what is true.
type mover interface {
	Moved(owner calendar.Owner, host string)
}

// Moved notes where an owner's home is now, for as long as what the directory says
// is remembered.
func (c *Cache) Moved(owner calendar.Owner, host string) {
	c.entries.Add(owner, entry{host, c.now().Add(c.life)})
}

// journey is what one call has learned of homes that were moved.
type journey struct {
	hops int
	at   map[calendar.Owner]string
}

// learn notes what a failure tells of a home that was moved. It is false for any other,
// and after so many hops: then the failure is the answer.
func (r *Router) learn(j *journey, err error) bool {
	owner, host := calendar.MovedTo(err)
	if host == "" || j.hops >= maxHops || j.at[owner] == host || r.named(host) == nil {
		return false
	}
	if j.at == nil {
		j.at = map[calendar.Owner]string{}
	}
	j.at[owner] = host
	if m, ok := r.locator.(mover); ok {
		m.Moved(owner, host)
	}
	return true
}

// named is the back end of a host name, nil if it is not known.
func (r *Router) named(host string) calendar.Backend { return r.hosts[strings.ToLower(host)] }

// find is of, by what the call has learned.
func (r *Router) find(ctx context.Context, j *journey, owner calendar.Owner) (calendar.Backend, error) {
	if host := j.at[owner]; host != "" {
		return r.named(host), nil
	}
	return r.of(ctx, owner)
}

// ask has do ask the back end of an owner, and the next one if he was moved. Nothing
// is asked again that has told something of its answer.
func (r *Router) ask(ctx context.Context, owner calendar.Owner, told *bool, do func(context.Context, calendar.Backend) error) error {
	for j := (journey{}); ; j.hops++ {
		be, err := r.find(ctx, &j, owner)
		if err != nil {
			return err
		}
		if err = do(ctx, be); err == nil || told != nil && *told || !r.learn(&j, err) {
			return err
		}
	}
}

// askOnce is ask for a write. Whoever answers in the end knows it by one request token,
// which moves with the home: what was committed before the home was moved, and whose
// answer was lost, is not done again.
func (r *Router) askOnce(ctx context.Context, owner calendar.Owner, do func(context.Context, calendar.Backend) error) error {
	return r.ask(ctx, owner, nil, func(_ context.Context, be calendar.Backend) error {
		if be != r.local && calendar.Token(ctx) == "" {
			ctx = calendar.WithToken(ctx, rand.Text())
		}
		return do(ctx, be)
	})
}

// noting tells whether emit was called.
func noting[T any](emit func(T) error) (func(T) error, *bool) {
	told := new(bool)
	return func(v T) error {
		*told = true
		return emit(v)
	}, told
}
