package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	lru "github.com/hashicorp/golang-lru/v2"

	"factotum/server/calendar"
)

// source finds entries. Its errors are transport errors: nothing found is an
// empty answer.
type source interface {
	// search returns the entries below base ("" = everywhere) that match, in
	// any order, at most limit; more tells that there are others.
	search(ctx context.Context, base string, f filter, limit int) (found []*entry, more bool, err error)
	// principal returns the entry of a canonical id if the source has an index
	// for it; nil says nothing.
	principal(id string) *entry
	// entries returns the entries with these names, in any order; names
	// without an entry are left out. members tells that those of groups are wanted.
	entries(ctx context.Context, dns []string, members bool) ([]*entry, error)
	// domains returns the hosted domains, the default one included if it has an entry.
	domains(ctx context.Context) (*domains, error)
	// verify checks the password of an entry: nil, wrongPassword or another of the
	// causes, or an error.
	// A nil entry costs what a wrong password costs.
	verify(ctx context.Context, e *entry, password string) error
	// generation changes when entries may have changed; always 0 where the
	// source cannot know (LDAP).
	generation() uint64
	// look makes sure that generation tells of what changed before; it does
	// nothing where the source cannot know. glance may be some milliseconds late,
	// and looks for what is about a user alone.
	look()
	glance(now time.Time, id string)
	ping(ctx context.Context) error
	close() error
}

// Directory answers questions about people. It implements calendar.People and
// is safe for concurrent use.
type Directory struct {
	opt    Options
	at     Attributes
	auth   filter // AuthFilter
	admins map[string]bool
	src    source
	cache  *lru.Cache[string, cached] // LDAP only

	members *lru.Cache[string, cachedMembers] // LDAP only
	dummy   func() string                     // a hash of nothing, see newDummy
}

var _ calendar.People = (*Directory)(nil)

// Open starts a Directory over the LDIF file if Options.LDIF is set, over
// LDAP otherwise. The file must be there and valid; an LDAP server need not
// answer yet. Close ends it.
func Open(opt Options) (*Directory, error) {
	d, err := newDirectory(opt)
	if err != nil {
		return nil, err
	}
	if d.opt.LDIF != "" {
		d.src, err = openLDIF(d)
	} else {
		d.src, err = openLDAP(d)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

func newDirectory(opt Options) (*Directory, error) {
	opt = opt.withDefaults()
	d := &Directory{opt: opt, at: opt.Attributes, admins: map[string]bool{}}
	d.dummy = sync.OnceValue(func() string { return newDummy(opt.Argon2) })
	var err error
	if d.auth, err = parseFilter(opt.AuthFilter); err != nil {
		return nil, fmt.Errorf("read local.user.authfilter: %w", err)
	}
	for _, id := range opt.Admins {
		d.admins[fold(id)] = true
	}
	return d, nil
}

// Close ends connections and the watch over the file.
func (d *Directory) Close() error { return d.src.close() }

// Ping says whether the directory answers.
func (d *Directory) Ping(ctx context.Context) error { return d.src.ping(ctx) }

// Refresh looks at the LDIF file now instead of at the next poll. The error
// says why a changed file was not taken; the old content then stays. With
// LDAP it forgets what was remembered.
func (d *Directory) Refresh() error {
	if f, ok := d.src.(*ldifSource); ok {
		return f.refresh()
	}
	if d.cache != nil {
		d.cache.Purge()
		d.members.Purge()
	}
	return nil
}

// lookup finds one entry; several that match are as good as none, since
// nobody can tell which was meant.
func (d *Directory) lookup(ctx context.Context, base string, f filter, what string) (*entry, error) {
	searched := d.src.generation()
	found, _, err := d.src.search(ctx, base, f, 2)
	if err == nil && len(found) == 0 {
		// Who was made a moment ago is found now, not after the next poll.
		if d.src.look(); d.src.generation() != searched {
			found, _, err = d.src.search(ctx, base, f, 2)
		}
	}
	switch {
	case err != nil:
		return nil, unavailable("look up "+what, err)
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		d.opt.Log.WarnContext(ctx, "directory entries are ambiguous", "user", what, "dn", found[0].dn, "other", found[1].dn)
	}
	return nil, notFound(what)
}

// principals restricts a filter to entries that can be a Person.
func (d *Directory) principals(f filter) filter {
	classes := []filter{
		equal("objectclass", d.at.ClassUser), equal("objectclass", d.at.ClassPerson),
		equal("objectclass", d.at.ClassRes), equal("objectclass", d.at.ClassGroup),
	}
	if d.at.ClassGroup != calendarGroup {
		classes = append(classes, equal("objectclass", calendarGroup))
	}
	if d.at.ClassPerson == "person" {
		classes = append(classes, equal("objectclass", "organizationalPerson"), equal("objectclass", "inetOrgPerson"))
	}
	return and(f, or(classes...))
}

func notFound(id string) error {
	return &calendar.Error{Kind: calendar.NotFound, Op: "find person", Ref: id}
}

// unavailable classifies an error of a source.
func unavailable(op string, err error) error {
	var e *calendar.Error
	switch {
	case errors.As(err, &e):
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &calendar.Error{Kind: calendar.Canceled, Op: op, Err: err}
	case errors.Is(err, errTooLong):
		return &calendar.Error{Kind: calendar.TooLarge, Op: op, Msg: errTooLong.Error() + ": use the directory's own tools", Err: err}
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: op, Msg: "the directory does not answer", Err: err}
}

func isNotFound(err error) bool { return errors.Is(err, calendar.NotFound) }

// badName tells whether a name or address from outside cannot be in the
// directory: too long, not UTF-8 or with control characters.
func badName(s string) bool {
	return s == "" || len(s) > maxLogin || badText(s)
}

// maxLogin is the longest login name or mail address, in octets.
const maxLogin = 320

func badText(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError })
}
