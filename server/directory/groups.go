package directory

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
)

// Limits on nested groups.
const (
	maxGroupDepth  = 16
	maxGroups      = 1000   // groups of one person, and groups inside one group
	maxMembers     = 10_000 // members of one group when the caller sets no limit
	maxMemberDNs   = 100_000
	maxDynamicURLs = 50
)

// groupsOf lists the groups that hold an entry as a static member, directly or
// through other groups, as ACEs name them: group id and addresses.
// Dynamic groups (memberURL) come from aclGroupAddr alone. ldap.md §5.7.
func (d *Directory) groupsOf(ctx context.Context, e *entry, ds *domains) (names []string, err error) {
	groups, err := d.groupsAbove(ctx, e, maxGroupDepth)
	for _, g := range groups {
		names = append(names, d.groupNames(g, ds)...)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// groupsAbove are the groups that hold an entry as a static member, so many
// levels up.
func (d *Directory) groupsAbove(ctx context.Context, e *entry, levels int) (groups []*entry, err error) {
	seen := map[string]bool{e.key: true}
	level := []string{e.dn}
	for depth := 0; depth < levels && len(level) > 0 && len(seen) < maxGroups; depth++ {
		var up []string
		for chunk := range slices.Chunk(level, 50) {
			var fs []filter
			for _, dn := range chunk {
				fs = append(fs, equal(d.at.UniqueName, dn), equal("member", dn))
			}
			found, _, err := d.src.search(ctx, "", or(fs...), maxGroups)
			if err != nil {
				return nil, unavailable("look up groups", err)
			}
			for _, g := range found {
				if !seen[g.key] {
					seen[g.key] = true
					up = append(up, g.dn)
					groups = append(groups, g)
				}
			}
		}
		level = up
	}
	return groups, nil
}

// Groups lists the groups that somebody, or a group, is a member of, by name:
// those that hold him as a static member, and those that his entry names
// (aclGroupAddr); deep, the groups that hold these, too.
func (d *Directory) Groups(ctx context.Context, id calendar.UserID, deep bool) ([]calendar.Person, error) {
	if badName(id) {
		return nil, notFound("")
	}
	ds, err := d.src.domains(ctx)
	if err != nil {
		return nil, unavailable("read domains", err)
	}
	e, err := d.byID(ctx, ds, fold(id))
	if err != nil {
		return nil, err
	}
	levels := 1
	if deep {
		levels = maxGroupDepth
	}
	found, err := d.groupsAbove(ctx, e, levels)
	if err != nil {
		return nil, err
	}
	for _, name := range e.all(d.at.ACLGroup) {
		g, err := d.byID(ctx, ds, fold(name))
		if isNotFound(err) {
			g, err = d.byMail(ctx, ds, fold(name))
		}
		switch {
		case isNotFound(err):
			continue
		case err != nil:
			return nil, err
		}
		found = append(found, g)
		if deep {
			above, err := d.groupsAbove(ctx, g, maxGroupDepth)
			if err != nil {
				return nil, err
			}
			found = append(found, above...)
		}
	}
	var groups []calendar.Person
	seen := map[string]bool{e.key: true}
	for _, g := range found {
		if seen[g.key] || len(groups) == maxGroups {
			continue
		}
		seen[g.key] = true
		if p, ok := d.basic(g, ds); ok && p.Kind == calendar.Group {
			groups = append(groups, p)
		}
	}
	sortPeople(groups)
	return groups, nil
}

// AllGroups lists the groups with calendar service that are in use, by name,
// however many: calstore.userlookup.maxsize is for people who search.
func (d *Directory) AllGroups(ctx context.Context) ([]calendar.Person, error) {
	ds, err := d.src.domains(ctx)
	if err != nil {
		return nil, unavailable("read domains", err)
	}
	kinds := []calendar.PersonKind{calendar.Group}
	found, _, err := d.src.search(ctx, "", d.principals(or(d.present(kinds)...)), maxAllGroups)
	if err != nil {
		return nil, unavailable("list groups", err)
	}
	var groups []calendar.Person
	for _, e := range found {
		if p, ok := d.basic(e, ds); ok && p.Active && p.Kind == calendar.Group {
			groups = append(groups, p)
		}
	}
	sortPeople(groups)
	return groups, nil
}

// maxAllGroups is the most groups that are listed.
const maxAllGroups = 100_000

func (d *Directory) groupNames(g *entry, ds *domains) (names []string) {
	if e := fold(g.one(d.at.GroupID)); e != "" {
		if id := d.idOf(g, calendar.Group, ds, ds.of(g.key)); id != "" {
			names = append(names, id)
		}
	}
	return append(names, d.mails(g)...)
}

// Members lists the members of a group by name: people, resources, and groups;
// deep, those of the groups in it too. Static and dynamic members, and those by
// an address alone (foreign.go); cycles are cut. At most limit (0 = maxMembers);
// more tells that there are others.
func (d *Directory) Members(ctx context.Context, group calendar.UserID, deep bool, limit int) (members []calendar.Person, more bool, err error) {
	if d.members == nil {
		return d.membersOf(ctx, group, deep, limit)
	}
	key := fmt.Sprint(fold(group), "\x00", deep, limit)
	now := d.opt.Now()
	if c, ok := d.members.Get(key); ok && now.Before(c.until) {
		return slices.Clone(c.members), c.more, nil
	}
	members, more, err = d.membersOf(ctx, group, deep, limit)
	if err == nil && len(members) <= maxKeptMembers {
		d.members.Add(key, cachedMembers{slices.Clone(members), more, now.Add(d.opt.LDAP.CacheTTL)})
	}
	return members, more, err
}

// What is remembered of LDAP's answers about members: groups, and members of each.
const (
	maxKeptGroups  = 100
	maxKeptMembers = 1000
)

type cachedMembers struct {
	members []calendar.Person
	more    bool
	until   time.Time
}

func (d *Directory) membersOf(ctx context.Context, group calendar.UserID, deep bool, limit int) (members []calendar.Person, more bool, err error) {
	if badName(group) {
		return nil, false, notFound("")
	}
	if limit <= 0 || limit > maxMembers {
		limit = maxMembers
	}
	ds, err := d.src.domains(ctx)
	if err != nil {
		return nil, false, unavailable("read domains", err)
	}
	e, err := d.byID(ctx, ds, fold(group))
	if err != nil {
		return nil, false, err
	}
	if k, _ := d.kindOf(e); k != calendar.Group {
		return nil, false, notFound(group)
	}
	x := expansion{d: d, ds: ds, limit: limit, seen: map[string]bool{e.key: true}}
	level, levels := []string{e.dn}, 1
	if deep {
		levels = maxGroupDepth
	}
	for depth := 0; depth < levels && len(level) > 0; depth++ {
		if level, err = x.expand(ctx, level); err != nil {
			return nil, false, err
		}
	}
	sortPeople(x.out)
	return x.out, x.more || deep && len(level) > 0, nil
}

type expansion struct {
	d      *Directory
	ds     *domains
	limit  int
	groups int
	seen   map[string]bool // DN keys
	out    []calendar.Person
	more   bool
}

// expand adds the members of the groups with these names and returns the
// names of the groups among them.
func (x *expansion) expand(ctx context.Context, groups []string) (inner []string, err error) {
	found, err := x.d.src.entries(ctx, groups, true)
	if errors.Is(err, errTooLong) {
		x.more = true
		return nil, nil
	}
	if err != nil {
		return nil, unavailable("read group", err)
	}
	for _, g := range found {
		dns := append(slices.Clone(g.all(x.d.at.UniqueName)), g.all("member")...)
		if len(dns) > maxMemberDNs {
			dns, x.more = dns[:maxMemberDNs], true
		}
		for chunk := range slices.Chunk(dns, 500) {
			if x.full() {
				return nil, nil
			}
			entries, err := x.d.src.entries(ctx, chunk, false)
			if err != nil {
				return nil, unavailable("read members", err)
			}
			inner = x.take(entries, inner)
		}
		if err := x.foreign(ctx, g, &inner); err != nil {
			return nil, err
		}
		urls := g.all(x.d.at.MemberURL)
		for _, u := range urls[:min(len(urls), maxDynamicURLs)] {
			if x.full() {
				return nil, nil
			}
			entries, more, err := x.dynamic(ctx, g, u)
			if err != nil {
				return nil, err
			}
			x.more = x.more || more
			inner = x.take(entries, inner)
		}
	}
	return inner, nil
}

func (x *expansion) full() bool {
	return x.more && len(x.out) >= x.limit
}

func (x *expansion) take(entries []*entry, inner []string) []string {
	slices.SortFunc(entries, func(a, b *entry) int { return strings.Compare(a.key, b.key) })
	for _, e := range entries {
		if x.seen[e.key] {
			continue
		}
		x.seen[e.key] = true
		if x.d.isGroup(e) {
			if x.groups++; x.groups > maxGroups {
				x.more = true
				continue
			}
			inner = append(inner, e.dn)
		}
		p, ok := x.d.basic(e, x.ds)
		if !ok {
			p, ok = x.d.contact(e)
		}
		if ok {
			x.add(p)
		}
	}
	return inner
}

func (x *expansion) add(p calendar.Person) {
	if len(x.out) >= x.limit {
		x.more = true
		return
	}
	x.out = append(x.out, p)
}

func (d *Directory) isGroup(e *entry) bool {
	for _, class := range []string{d.at.ClassGroup, "groupofuniquenames", "groupofurls", "groupofnames"} {
		if e.has("objectclass", class) {
			return true
		}
	}
	return false
}

// dynamic finds the members that a memberURL selects. A bad URL is logged and
// selects nobody; the host part is ignored: it is this directory.
func (x *expansion) dynamic(ctx context.Context, g *entry, raw string) ([]*entry, bool, error) {
	base, scope, f, err := parseMemberURL(raw)
	if err != nil {
		x.d.opt.Log.WarnContext(ctx, "memberURL is not usable", "dn", g.dn, "err", err)
		return nil, false, nil
	}
	found, more, err := x.d.src.search(ctx, base, f, x.limit+1)
	if err != nil {
		return nil, false, unavailable("search dynamic members", err)
	}
	found = slices.DeleteFunc(found, func(e *entry) bool {
		return scope == "base" && e.key != base || scope == "one" && parentKey(e.key) != base
	})
	return found, more, nil
}

// parseMemberURL reads ldap://host/base?attributes?scope?filter. RFC 4516 §2.
func parseMemberURL(raw string) (base, scope string, f filter, err error) {
	rest, ok := strings.CutPrefix(raw, "ldap://")
	if !ok {
		rest, ok = strings.CutPrefix(raw, "ldaps://")
	}
	if !ok {
		return "", "", f, errors.New("an ldap:// URL is expected")
	}
	_, rest, _ = strings.Cut(rest, "/")
	parts := append(strings.SplitN(rest, "?", 5), "", "", "", "")
	for i := range parts {
		if parts[i], err = url.PathUnescape(parts[i]); err != nil {
			return "", "", f, fmt.Errorf("read the URL: %w", err)
		}
	}
	base, scope = dnKey(parts[0]), strings.ToLower(parts[2])
	switch {
	case parts[0] == "":
		return "", "", f, errors.New("the URL has no base")
	case scope == "":
		scope = "base"
	case scope != "base" && scope != "one" && scope != "sub":
		return "", "", f, fmt.Errorf("the scope %q is not known", scope)
	}
	if parts[3] == "" {
		parts[3] = "(objectClass=*)"
	}
	f, err = parseFilter(parts[3])
	return base, scope, f, err
}
