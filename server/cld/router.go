package cld

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/server/calendar"
)

// Options make a Router.
type Options struct {
	Locator  Locator
	Backends map[string]calendar.Backend // by host name (caldb.dwp.server.<host>.ip)
	Local    calendar.Backend            // this process's own, or nil
	Names    []string                    // host names that mean Local

	// People tell the members of groups, whose busy time is asked for with the
	// group's; nil: a group's is that of its own calendars.
	People calendar.People
}

// Router is the calendar.Backend over several. It holds no state of its own.
// Calls that one back end answers are in router_gen.go.
type Router struct {
	locator Locator
	hosts   map[string]calendar.Backend // lower case
	local   calendar.Backend
	all     []named // each once, local first
	people  calendar.People
}

type named struct {
	host string
	calendar.Backend
}

var _ calendar.Backend = (*Router)(nil)

// New makes a router. It fails when a back end has no name or Names stand
// without Local.
func New(opts Options) (*Router, error) {
	r := &Router{locator: opts.Locator, local: opts.Local, people: opts.People, hosts: map[string]calendar.Backend{}}
	if r.locator == nil {
		r.locator = Local{}
	}
	if opts.Local != nil {
		r.all = append(r.all, named{"", opts.Local})
	} else if len(opts.Names) > 0 {
		return nil, errors.New("calendar look-up: names of a local back end that is not there")
	}
	for host, be := range opts.Backends {
		if host == "" || be == nil {
			return nil, fmt.Errorf("calendar look-up: back end %q is incomplete", host)
		}
		r.hosts[strings.ToLower(host)] = be
		r.all = append(r.all, named{host, be})
	}
	slices.SortFunc(r.all, func(a, b named) int { return strings.Compare(a.host, b.host) })
	for _, name := range opts.Names {
		r.hosts[strings.ToLower(name)] = opts.Local
	}
	return r, nil
}

// of returns the back end of an owner, and its host name.
func (r *Router) of(ctx context.Context, owner calendar.Owner) (calendar.Backend, error) {
	host, err := r.locator.Locate(ctx, owner)
	if err != nil {
		return nil, located(owner, err)
	}
	be := r.local
	if host != "" {
		be = r.hosts[strings.ToLower(host)]
	}
	if be == nil {
		return nil, &calendar.Error{
			Kind: calendar.NoBackend, Op: "find back end", Ref: string(owner), Msg: "the back end of this user is not configured here",
			Err: fmt.Errorf("host %q has no caldb.dwp.server.<host>.ip", host),
		}
	}
	return be, nil
}

// located makes a failure of the directory one of the back end: the front
// cannot tell who holds the calendars.
func located(owner calendar.Owner, err error) error {
	switch k := calendar.KindOf(err); k {
	case calendar.NoBackend, calendar.Unavailable, calendar.Canceled:
		var e *calendar.Error
		if errors.As(err, &e) {
			return err
		}
		return &calendar.Error{Kind: k, Op: "find back end", Ref: string(owner), Err: err}
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: "find back end", Ref: string(owner), Msg: "the directory does not answer; try again", Err: err}
}
