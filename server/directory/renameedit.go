package directory

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"factotum/server/calendar"
)

// IDChange tells how ids are changed in the directory. csrename, admin.md §8.12.
type IDChange struct {
	// Old has for each new id the one that it was, and New the other way round.
	Old, New map[calendar.UserID]calendar.UserID
	// Values changes the ids in values of an attribute of an entry of that id; was is the
	// one that the values are of.
	Values func(attr string, was, id calendar.UserID, values []string) []string
	// Dry changes nothing.
	Dry bool
}

// ChangedEntry is an entry whose attributes are, or would be, others.
type ChangedEntry struct {
	ID    calendar.UserID
	Attrs []string
	Err   error // why it is not
}

// idAttrs are the attributes that name people by their ids, or calendars by theirs, and
// how they are written. ldap.md §3.
var idAttrs = []string{"icsCalendar", "icsCalendarOwned", "icsSubscribed", "icsFreeBusy", "icsSet", "icsSecondaryowners", "icsDefaultacl"}

// takenAlong are those that the entry of a new id has from that of the old one, if it has
// none itself.
var takenAlong = slices.Concat(idAttrs, []string{"icsDWPHost", "icsDefaultSet", "icsExtendedUserPrefs", "icsExtendedResourcePrefs", "icsFirstDay", "icsTimezone",
	"icsDoublebooking", "icsAutoaccept", "icsCapacity", "icsQuota", "icsGeo", "icsContact", "icsPartition", "icsPreferredHost"})

// changes are those of one entry. of is the entry of the old id, whose name that of e is
// now; nil where it is not that, or there is none.
func (c *IDChange) changes(e, of *entry, id calendar.UserID) (list []Change) {
	_, leaves := c.New[id]
	old, comes := c.Old[id]
	if leaves && !comes {
		return nil // it stays for who deletes it
	}
	for _, attr := range takenAlong {
		name := strings.ToLower(attr)
		has, was := e.all(name), id
		to := slices.Clone(has)
		if comes && of != nil && (len(has) == 0 || leaves) {
			to, was = slices.Clone(of.all(name)), old
		}
		if slices.Contains(idAttrs, attr) {
			to = c.Values(attr, was, id, to)
		}
		if !slices.Equal(has, to) {
			list = append(list, Change{attr, to})
		}
	}
	return list
}

// classes are those that an entry needs for what it gets.
func (c *IDChange) classes(e, of *entry, changes []Change) []string {
	if of == nil || len(changes) == 0 {
		return nil
	}
	var more []string
	for _, class := range of.all("objectclass") {
		if strings.HasPrefix(strings.ToLower(class), "icscalendar") && !e.has("objectclass", class) {
			more = append(more, class)
		}
	}
	return more
}

// ids finds the entries of people among all, by their ids.
func (d *Directory) ids(found []*entry, ds *domains) map[calendar.UserID]*entry {
	by := map[calendar.UserID]*entry{}
	for _, e := range found {
		kind, ok := d.kindOf(e)
		if !ok {
			continue
		}
		if id := d.idOf(e, kind, ds, ds.of(e.key)); id != "" && by[id] == nil {
			by[id] = e
		}
	}
	return by
}

// each calls fn for every entry that is to be changed, in the order of the ids.
func (c *IDChange) each(by map[calendar.UserID]*entry, fn func(id calendar.UserID, e *entry, list []Change) error) (out []ChangedEntry) {
	ids := make([]calendar.UserID, 0, len(by))
	for id := range by {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		e, of := by[id], (*entry)(nil)
		if old := c.Old[id]; old != "" {
			of = by[old]
		}
		list := c.changes(e, of, id)
		if len(list) == 0 {
			continue
		}
		if more := c.classes(e, of, list); len(more) > 0 {
			list = append([]Change{{"objectClass", slices.Concat(e.all("objectclass"), more)}}, list...)
		}
		done := ChangedEntry{ID: id}
		for _, ch := range list {
			done.Attrs = append(done.Attrs, ch.Attr)
		}
		if !c.Dry {
			done.Err = fn(id, e, list)
		}
		out = append(out, done)
	}
	return out
}

// ChangeIDs changes ids in the file, in all entries or in none.
func (ed *Editor) ChangeIDs(_ context.Context, c IDChange) (out []ChangedEntry, err error) {
	err = ed.change("change ids", func(x *edit) ([]byte, error) {
		type rewritten struct {
			r    *ldifRecord
			list []Change
		}
		var all []rewritten
		out = c.each(x.dir.ids(x.sn.entries, x.sn.ds), func(_ calendar.UserID, e *entry, list []Change) error {
			i := slices.IndexFunc(x.records, func(r ldifRecord) bool { return r.line == e.line })
			all = append(all, rewritten{&x.records[i], list})
			return nil
		})
		// From the end on, so that places before stay what they are.
		slices.SortFunc(all, func(a, b rewritten) int { return b.r.line - a.r.line })
		was := x.data
		for _, w := range all {
			x.data = x.rewrite(w.r, w.list)
		}
		data := x.data
		x.data = was
		return data, nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// mostEntries is how many entries of one base are read at once.
const mostEntries = 5_000_000

// ChangeIDs changes ids in the directory, entry by entry: what it refuses is told of each.
func (ed *LDAPEditor) ChangeIDs(ctx context.Context, c IDChange) ([]ChangedEntry, error) {
	const op = "change ids"
	ds, err := ed.dir.src.domains(ctx)
	if err != nil {
		return nil, unavailable(op, err)
	}
	bases := []string{ed.dir.opt.LDAP.BaseDN}
	for _, d := range ds.list {
		if d.base != "" && !slices.ContainsFunc(bases, func(b string) bool { return below(dnKey(d.base), dnKey(b)) }) {
			bases = append(bases, d.base)
		}
	}
	var found []*entry
	seen := map[string]bool{}
	add := func(base string, scope int, filter string) error {
		list, more, err := ed.src.ask(ctx, base, scope, filter, nil, mostEntries)
		if err != nil {
			return unavailable(op, err)
		}
		if more {
			return unavailable(op, fmt.Errorf("the directory has more than %d entries below %s", mostEntries, base))
		}
		for _, e := range list {
			if !seen[e.key] {
				seen[e.key] = true
				found = append(found, e)
			}
		}
		return nil
	}
	var filter bytes.Buffer
	filter.WriteString("(|")
	for _, a := range idAttrs {
		fmt.Fprintf(&filter, "(%s=*)", a)
	}
	filter.WriteString(")")
	for _, base := range bases {
		if err := add(base, ldap.ScopeWholeSubtree, filter.String()); err != nil {
			return nil, err
		}
	}
	for now, old := range c.Old { // those of the mapping, whatever they have
		for _, id := range []calendar.UserID{now, old} {
			e, err := ed.find(ctx, op, id)
			if calendar.KindOf(err) == calendar.NotFound {
				continue
			}
			if err == nil {
				err = add(e.dn, ldap.ScopeBaseObject, "(objectClass=*)")
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return c.each(ed.dir.ids(found, ds), func(id calendar.UserID, e *entry, list []Change) error {
		m := ldap.NewModifyRequest(e.dn, nil)
		for _, ch := range list {
			m.Replace(ch.Attr, ch.Values)
		}
		return ed.failed(op, id, ed.src.searches.do(ctx, func(conn *ldap.Conn) error { return conn.Modify(m) }))
	}), nil
}

// Rename gives app passwords to whom to says, of those that it knows.
func (a *AppPasswords) Rename(to map[calendar.UserID]calendar.UserID, dry bool) (n int, err error) {
	if dry {
		a.mu.RLock()
		defer a.mu.RUnlock()
		for _, r := range a.byID {
			if _, ok := to[r.User]; ok {
				n++
			}
		}
		return n, nil
	}
	err = a.update(func(list []AppPassword) ([]AppPassword, error) {
		n = 0
		for i := range list {
			if id, ok := to[list[i].User]; ok {
				list[i].User, list[i].Entry = id, "" // another entry, or the same under another name
				n++
			}
		}
		return list, nil
	})
	return n, err
}
