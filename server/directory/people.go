package directory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
)

// cached is a remembered answer of LDAP about one name.
type cached struct {
	person calendar.Person
	err    error // NotFound
	until  time.Time
}

// remember asks the cache first. Only answers are kept, not failures.
func (d *Directory) remember(key string, ask func() (calendar.Person, error)) (calendar.Person, error) {
	if d.cache == nil {
		return ask()
	}
	now := d.opt.Now()
	if c, ok := d.cache.Get(key); ok && now.Before(c.until) {
		return c.person, c.err
	}
	p, err := ask()
	if err == nil || isNotFound(err) {
		d.cache.Add(key, cached{p, err, now.Add(d.opt.LDAP.CacheTTL)})
	}
	return p, err
}

// Person finds by canonical id, login name or mail address, in this order.
func (d *Directory) Person(ctx context.Context, id calendar.UserID) (calendar.Person, error) {
	if badName(id) {
		return calendar.Person{}, notFound("")
	}
	name := fold(id)
	return d.remember("i:"+name, func() (calendar.Person, error) {
		ds, err := d.src.domains(ctx)
		if err != nil {
			return calendar.Person{}, unavailable("read domains", err)
		}
		e, err := d.byID(ctx, ds, name)
		if isNotFound(err) && strings.Contains(name, "@") {
			e, err = d.byMail(ctx, ds, name)
		}
		if err != nil {
			return calendar.Person{}, err
		}
		return d.full(ctx, e, ds)
	})
}

// ByMail finds by primary or alternate address. An address uid@domain in one
// of our domains belongs to that uid if nobody else has it (Sun's "indomain"
// look-up, ldap.md §8.2).
func (d *Directory) ByMail(ctx context.Context, address string) (calendar.Person, error) {
	if badName(address) {
		return calendar.Person{}, notFound("")
	}
	addr := fold(address)
	return d.remember("m:"+addr, func() (calendar.Person, error) {
		ds, err := d.src.domains(ctx)
		if err != nil {
			return calendar.Person{}, unavailable("read domains", err)
		}
		e, err := d.byMail(ctx, ds, addr)
		if isNotFound(err) {
			if _, _, ours := ds.split(addr, "@"); ours {
				e, err = d.byID(ctx, ds, addr)
			}
		}
		if err != nil {
			return calendar.Person{}, err
		}
		return d.full(ctx, e, ds)
	})
}

// byID finds the entry of a canonical id, given in lower case.
func (d *Directory) byID(ctx context.Context, ds *domains, id string) (*entry, error) {
	if e := d.src.principal(id); e != nil {
		return e, nil
	}
	user, dom, _ := ds.split(id, d.opt.Separators)
	names := []filter{equal(d.at.UID, user), equal(d.at.GroupID, user)}
	if dom.name != "" {
		whole := user + "@" + dom.name
		names = append(names, equal(d.at.UID, whole), equal(d.at.GroupID, whole))
	}
	return d.lookupIn(ctx, ds, dom, d.principals(or(names...)), id)
}

// lookupIn finds the one entry of a domain that matches.
func (d *Directory) lookupIn(ctx context.Context, ds *domains, dom *domain, f filter, what string) (*entry, error) {
	if (dom.base != "" || len(ds.list) == 0) && !ds.holds(dom) {
		return d.lookup(ctx, dom.base, f, what)
	}
	// The domain has no branch of its own: all that is in no other's.
	found, _, err := d.src.search(ctx, dom.base, f, maxSame)
	if err != nil {
		return nil, unavailable("look up "+what, err)
	}
	found = slices.DeleteFunc(found, func(e *entry) bool { return ds.of(e.key) != dom })
	if len(found) != 1 {
		return nil, notFound(what)
	}
	return found[0], nil
}

// maxSame is the most entries of one name looked at over all domains.
const maxSame = 1000

// byMail finds the entry with an address, given in lower case. A primary
// address wins over alternates; two of the same rank are nobody's.
func (d *Directory) byMail(ctx context.Context, ds *domains, addr string) (*entry, error) {
	f := d.principals(or(equal(d.at.Mail, addr), equal(d.at.MailAlt, addr), equal(d.at.MailEquiv, addr)))
	found, _, err := d.src.search(ctx, "", f, 10)
	if err != nil {
		return nil, unavailable("look up address", err)
	}
	if e := d.withMail(ctx, found, addr); e != nil {
		return e, nil
	}
	return nil, notFound(addr)
}

// withMail is the entry of an address among some, nil if it is nobody's.
func (d *Directory) withMail(ctx context.Context, found []*entry, addr string) *entry {
	var best *entry
	bestRank, same := 2, 0
	for _, e := range found {
		if _, ok := d.kindOf(e); !ok {
			continue
		}
		rank := 2
		switch {
		case e.has(d.at.Mail, addr):
			rank = 0
		case e.has(d.at.MailAlt, addr), e.has(d.at.MailEquiv, addr):
			rank = 1
		}
		switch {
		case rank == 2:
		case rank < bestRank:
			best, bestRank, same = e, rank, 1
		case rank == bestRank:
			same++
		}
	}
	if same > 1 {
		d.opt.Log.WarnContext(ctx, "directory entries share an address", "dn", best.dn)
	}
	if same != 1 {
		return nil
	}
	return best
}

// maxSearch is the most entries a search reads from the source.
const maxSearch = 5000

// Search lists people, groups and resources by name, active ones unless all are
// asked for. Their Groups are
// only those named in their own entries, their owners are not filled in.
func (d *Directory) Search(ctx context.Context, q calendar.PeopleQuery) (found []calendar.Person, more bool, err error) {
	for _, s := range []string{q.Text, q.Name, q.Mail, q.ID} {
		if s != "" && badName(s) {
			return nil, false, nil
		}
	}
	ds, err := d.src.domains(ctx)
	if err != nil {
		return nil, false, unavailable("read domains", err)
	}
	most := maxSearch
	if d.opt.SearchLimit < 0 { // a tool, which says itself how many it takes
		most = max(most, q.Limit)
	}
	entries, more, err := d.searchIn(ctx, ds, q, most)
	if err != nil {
		return nil, false, unavailable("search people", err)
	}
	for _, e := range entries {
		p, ok := d.basic(e, ds)
		if !ok || !p.Active && !q.All || len(q.Kinds) > 0 && !slices.Contains(q.Kinds, p.Kind) {
			continue
		}
		found = append(found, p)
	}
	sortPeople(found)
	limit := d.opt.SearchLimit
	if q.Limit > 0 && (limit <= 0 || q.Limit < limit) {
		limit = q.Limit
	}
	if limit > 0 && len(found) > limit {
		found, more = found[:limit], true
	}
	return found, more, nil
}

// searchIn finds the entries of a search in the domains that it is about: each has
// room of its own, so that those of others are not in their way.
func (d *Directory) searchIn(ctx context.Context, ds *domains, q calendar.PeopleQuery, most int) (found []*entry, more bool, err error) {
	f := d.queryFilter(q, ds)
	if q.Domains == nil {
		return d.src.search(ctx, "", f, most)
	}
	seen := map[*domain]bool{}
	for _, name := range q.Domains {
		dom := ds.byName[name]
		if name == ds.def.name {
			dom = ds.def
		}
		if dom == nil || seen[dom] {
			continue
		}
		seen[dom] = true
		entries, cut, err := d.src.search(ctx, dom.base, f, most)
		if err != nil {
			return nil, false, err
		}
		for _, e := range entries {
			if ds.of(e.key) == dom {
				found = append(found, e)
			}
		}
		more = more || cut
	}
	return found, more, nil
}

func (d *Directory) queryFilter(q calendar.PeopleQuery, ds *domains) filter {
	match := contains
	if q.Exact {
		match = equal
	}
	anyOf := func(v string, attrs ...string) filter {
		fs := make([]filter, len(attrs))
		for i, a := range attrs {
			fs[i] = match(a, fold(v))
		}
		return or(fs...)
	}
	ids := func(v string) filter {
		f := anyOf(v, d.at.UID, d.at.GroupID)
		if user, _, ok := ds.split(fold(v), "@"); ok { // an id with its domain
			f = or(f, anyOf(user, d.at.UID, d.at.GroupID))
		}
		return f
	}
	mails := func(v string) filter { return anyOf(v, d.at.Mail, d.at.MailAlt, d.at.MailEquiv) }
	var fs []filter // what rules out most comes first
	if q.Name != "" {
		fs = append(fs, anyOf(q.Name, d.at.CN))
	}
	if q.Mail != "" {
		fs = append(fs, mails(q.Mail))
	}
	if q.ID != "" {
		fs = append(fs, ids(q.ID))
	}
	if q.Text != "" {
		fs = append(fs, or(anyOf(q.Text, d.at.CN), mails(q.Text), ids(q.Text)))
	}
	return and(append(fs, d.principals(or(d.present(q.Kinds)...)))...)
}

// present narrows a search to what entries of the kinds must have.
func (d *Directory) present(kinds []calendar.PersonKind) (fs []filter) {
	if len(kinds) == 0 || slices.ContainsFunc(kinds, func(k calendar.PersonKind) bool { return k != calendar.Group }) {
		fs = append(fs, filter{op: opPresent, attr: d.at.UID})
	}
	if len(kinds) == 0 || slices.Contains(kinds, calendar.Group) {
		fs = append(fs, filter{op: opPresent, attr: d.at.GroupID})
	}
	return fs
}

func sortPeople(p []calendar.Person) {
	slices.SortFunc(p, func(a, b calendar.Person) int {
		return cmp.Or(cmp.Compare(fold(a.Name), fold(b.Name)), cmp.Compare(a.ID, b.ID))
	})
}
