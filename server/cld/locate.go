package cld

import (
	"context"
	"errors"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"factotum/server/calendar"
)

// Locator tells which back end holds an owner's calendars: a host name, or ""
// for this process.
type Locator interface {
	Locate(ctx context.Context, owner calendar.Owner) (host string, err error)
}

// Local is caldb.cld.type="local": everything is here.
type Local struct{}

// Locate implements Locator.
func (Local) Locate(context.Context, calendar.Owner) (string, error) { return "", nil }

// Directory is caldb.cld.type="directory": the host of the person's entry
// (icsDWPHost), else that of his domain, else the default. Who is in no
// directory is sent to the default too, which answers as it does for any
// owner that it does not know.
type Directory struct {
	People  calendar.People
	Default string // caldb.dwp.server.default
	// Domain tells the back end of a domain (icsDWPBackEndHosts), "" = none. It
	// is asked about those who are not, or not yet, in the directory: a person
	// has his domain's host. It may be nil.
	Domain func(ctx context.Context, domain string) (host string, err error)
}

// Locate implements Locator. It fails with NoBackend when no rule names a host.
func (d Directory) Locate(ctx context.Context, owner calendar.Owner) (string, error) {
	p, err := d.People.Person(ctx, string(owner))
	if err != nil && !errors.Is(err, calendar.NotFound) {
		return "", err
	}
	host := p.Host
	if host == "" && d.Domain != nil {
		domain := p.Domain
		if _, after, ok := strings.Cut(string(owner), "@"); ok && domain == "" {
			domain = after
		}
		if host, err = d.Domain(ctx, domain); err != nil {
			return "", err
		}
	}
	if host == "" {
		host = d.Default
	}
	if host == "" {
		return "", &calendar.Error{Kind: calendar.NoBackend, Op: "find back end", Ref: string(owner), Msg: "no back end is configured for this user"}
	}
	return host, nil
}

// Cache remembers what a Locator said, for a while and up to a number of
// owners. While the Locator fails, what it said last is used further.
type Cache struct {
	next    Locator
	life    time.Duration
	now     func() time.Time
	entries *lru.Cache[calendar.Owner, entry]
}

type entry struct {
	host  string
	until time.Time
}

// NewCache returns a cache of at most so many owners in front of next. A nil
// clock is time.Now.
func NewCache(next Locator, most int, life time.Duration, now func() time.Time) *Cache {
	if now == nil {
		now = time.Now
	}
	entries, err := lru.New[calendar.Owner, entry](max(most, 1))
	if err != nil {
		panic(err) // the size above is one
	}
	return &Cache{next: next, life: life, now: now, entries: entries}
}

// Locate implements Locator.
func (c *Cache) Locate(ctx context.Context, owner calendar.Owner) (string, error) {
	now := c.now()
	e, known := c.entries.Get(owner)
	if known && now.Before(e.until) {
		return e.host, nil
	}
	host, err := c.next.Locate(ctx, owner)
	if err != nil {
		if known && calendar.KindOf(err) != calendar.NoBackend && ctx.Err() == nil {
			return e.host, nil
		}
		return "", err
	}
	c.entries.Add(owner, entry{host, now.Add(c.life)})
	return host, nil
}

// Forget drops an owner, who was moved to another back end.
func (c *Cache) Forget(owner calendar.Owner) { c.entries.Remove(owner) }
