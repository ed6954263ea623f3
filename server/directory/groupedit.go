package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"factotum/server/calendar"
)

// GroupChange says what is to become of a group: nil and empty fields leave
// what is there.
type GroupChange struct {
	Name, Mail, Owner, TZID, ACL *string
	CoOwners                     *[]string // all of them
	Doubles, AutoAccept          *string   // "1" or "0"
	MemberURLs                   *[]string // of a group whose members a search finds
	Add, Remove                  []string  // members: ids or addresses
}

// GroupEditor is what csgroup needs of Editor and LDAPEditor.
type GroupEditor interface {
	// CreateGroup adds a group. Exists if the id or an address is taken.
	CreateGroup(ctx context.Context, p NewPerson) (calendar.UserID, error)
	// ChangeGroup changes one. NotFound if there is none of that id, or a new
	// member or owner is nobody.
	ChangeGroup(ctx context.Context, id calendar.UserID, c GroupChange) error
	// DeleteGroup removes the entry, and its membership in other groups.
	DeleteGroup(ctx context.Context, id calendar.UserID) error
}

var _, _ GroupEditor = (*Editor)(nil), (*LDAPEditor)(nil)

// named finds an entry by id, or by an address.
func (d *Directory) named(ctx context.Context, ds *domains, name string) (*entry, error) {
	if badName(name) {
		return nil, notFound("")
	}
	e, err := d.byID(ctx, ds, fold(name))
	if isNotFound(err) && strings.Contains(name, "@") {
		e, err = d.byMail(ctx, ds, fold(name))
	}
	return e, err
}

// member finds a member: an entry, or an address elsewhere.
func (d *Directory) member(ctx context.Context, ds *domains, name string) (dn, address string, err error) {
	e, err := d.named(ctx, ds, name)
	switch {
	case err == nil:
		return e.dn, "", nil
	case isNotFound(err) && strings.Count(name, "@") == 1 && !strings.ContainsAny(name, " ,;<>"):
		return "", fold(name), nil
	}
	return "", "", err
}

// owner finds an owner or co-owner, who is a person.
func (d *Directory) owner(ctx context.Context, ds *domains, name string) (string, error) {
	e, err := d.named(ctx, ds, name)
	if err != nil {
		return "", err
	}
	if kind, _ := d.kindOf(e); kind != calendar.Individual {
		return "", invalid("change group", name, "an owner is a person")
	}
	return e.dn, nil
}

// references are the attributes of a new entry that name others.
func (d *Directory) references(ctx context.Context, ds *domains, p *NewPerson) (lines [][2]string, err error) {
	for _, ref := range []struct {
		attr string
		ids  []string
	}{{"owner", []string{p.Owner}}, {"icsSecondaryowners", p.CoOwners}} {
		for _, id := range ref.ids {
			if id == "" {
				continue
			}
			dn, err := d.owner(ctx, ds, id)
			if err != nil {
				return nil, err
			}
			lines = append(lines, [2]string{ref.attr, dn})
		}
	}
	foreign, seen := false, map[string]bool{}
	for _, id := range p.Members {
		dn, address, err := d.member(ctx, ds, id)
		if err != nil {
			return nil, err
		}
		key := dnKey(dn) + address
		if seen[key] {
			continue
		}
		seen[key] = true
		switch {
		case dn != "":
			lines = append(lines, [2]string{"uniqueMember", dn})
		default:
			if !foreign {
				foreign = true
				lines = append(lines, [2]string{"objectClass", "inetMailGroup"})
			}
			lines = append(lines, [2]string{"mgrpRFC822MailMember", address})
		}
	}
	return lines, nil
}

// groupChanges are the attributes of a group's entry that a change gives new values.
func (d *Directory) groupChanges(ctx context.Context, ds *domains, e *entry, id string, c GroupChange) (out []Change, err error) {
	const op = "change group"
	if k, _ := d.kindOf(e); k != calendar.Group {
		return nil, invalid(op, id, "this is no group")
	}
	single := func(attr string, v *string) {
		if v != nil {
			out = append(out, Change{attr, values(*v)})
		}
	}
	if c.Name != nil && *c.Name == "" {
		return nil, invalid(op, id, "a group has a name")
	}
	if c.Mail != nil && *c.Mail != "" {
		if badName(*c.Mail) || strings.Count(*c.Mail, "@") != 1 || strings.ContainsAny(*c.Mail, " \t<>,;") {
			return nil, invalid(op, id, "%q is not a mail address", *c.Mail)
		}
		switch other, err := d.byMail(ctx, ds, fold(*c.Mail)); {
		case err == nil && other.key != e.key:
			return nil, &calendar.Error{Kind: calendar.Exists, Op: op, Ref: *c.Mail, Msg: "the address is taken"}
		case err != nil && !isNotFound(err):
			return nil, err
		}
	}
	if c.Name != nil && !e.has(d.at.CN, *c.Name) { // the name of the entry itself may hold the old one
		names := []string{*c.Name}
		if attr, v, ok := rdn(e.dn); ok && attr == d.at.CN {
			names = append(names, v)
		}
		out = append(out, Change{"cn", names})
	}
	single("mail", c.Mail)
	single("icsTimezone", c.TZID)
	single("icsDefaultacl", c.ACL)
	single("icsDoublebooking", c.Doubles)
	single("icsAutoaccept", c.AutoAccept)
	owners := func(attr string, ids []string) error {
		dns := []string{}
		for _, id := range ids {
			dn, err := d.owner(ctx, ds, id)
			if err != nil {
				return err
			}
			dns = append(dns, dn)
		}
		out = append(out, Change{attr, dns})
		return nil
	}
	if c.Owner != nil {
		if err := owners("owner", values(*c.Owner)); err != nil {
			return nil, err
		}
	}
	if c.CoOwners != nil {
		if err := owners("icsSecondaryowners", *c.CoOwners); err != nil {
			return nil, err
		}
	}
	dynamic := e.has("objectclass", "groupofurls")
	if c.MemberURLs != nil {
		if !dynamic {
			return nil, invalid(op, id, "its members are named: a search is for a group that was made with one")
		}
		for _, u := range *c.MemberURLs {
			if _, _, _, err := parseMemberURL(u); err != nil {
				return nil, invalid(op, id, "%q: %v", u, err)
			}
		}
		out = append(out, Change{"memberURL", *c.MemberURLs})
	}
	if len(c.Add)+len(c.Remove) == 0 {
		return out, nil
	}
	if dynamic {
		return nil, invalid(op, id, "a search finds its members: change that, or what it looks for in their entries")
	}
	members, err := d.memberChanges(ctx, ds, e, c)
	return append(out, members...), err
}

func values(v string) []string {
	if v == "" {
		return []string{}
	}
	return []string{v}
}

// memberChanges are those of a static group's members.
func (d *Directory) memberChanges(ctx context.Context, ds *domains, e *entry, c GroupChange) (out []Change, err error) {
	attr := "uniqueMember"
	if e.has("objectclass", "groupofnames") && !e.has("objectclass", "groupofuniquenames") {
		attr = "member"
	}
	was := map[string][]string{}
	now := map[string][]string{}
	for _, a := range []string{"uniqueMember", "member", "mgrpRFC822MailMember"} {
		was[a] = e.all(strings.ToLower(a))
		now[a] = slices.Clone(was[a])
	}
	for _, name := range c.Remove {
		dn, address, err := d.member(ctx, ds, name)
		if err != nil {
			return nil, err
		}
		found := false
		for a := range now {
			now[a] = slices.DeleteFunc(now[a], func(v string) bool {
				here := dn != "" && dnKey(v) == dnKey(dn) || a == "mgrpRFC822MailMember" && (equalFold(v, name) || address != "" && equalFold(v, address))
				found = found || here
				return here
			})
		}
		if !found {
			return nil, &calendar.Error{Kind: calendar.NotFound, Op: "change group", Ref: name, Msg: name + " is no member of this group itself"}
		}
	}
	for _, name := range c.Add {
		dn, address, err := d.member(ctx, ds, name)
		if err != nil {
			return nil, err
		}
		if address != "" {
			if !slices.ContainsFunc(now["mgrpRFC822MailMember"], func(v string) bool { return equalFold(v, address) }) {
				now["mgrpRFC822MailMember"] = append(now["mgrpRFC822MailMember"], address)
			}
			continue
		}
		if dnKey(dn) == e.key {
			return nil, invalid("change group", name, "a group is no member of itself")
		}
		if !slices.ContainsFunc(slices.Concat(now["uniqueMember"], now["member"]), func(v string) bool { return dnKey(v) == dnKey(dn) }) {
			now[attr] = append(now[attr], dn)
		}
	}
	if len(now["mgrpRFC822MailMember"]) > 0 && !e.has("objectclass", "inetMailGroup") {
		out = append(out, Change{"objectClass", append(slices.Clone(e.all("objectclass")), "inetMailGroup")})
	}
	for _, a := range []string{"uniqueMember", "member", "mgrpRFC822MailMember"} {
		if !slices.Equal(was[a], now[a]) {
			out = append(out, Change{a, now[a]})
		}
	}
	return out, nil
}

// CreateGroup implements GroupEditor.
func (ed *Editor) CreateGroup(_ context.Context, p NewPerson) (calendar.UserID, error) {
	p.Kind = calendar.Group
	id, err := ed.ID(p.ID, p.Domain)
	if err != nil {
		return "", err
	}
	return id, ed.Create(p)
}

// ChangeGroup implements GroupEditor.
func (ed *Editor) ChangeGroup(ctx context.Context, id calendar.UserID, c GroupChange) error {
	return ed.change("change group", func(x *edit) ([]byte, error) {
		r, e, err := x.find(id)
		if err != nil {
			return nil, err
		}
		changes, err := x.dir.groupChanges(ctx, x.sn.ds, e, id, c)
		if err != nil {
			return nil, err
		}
		for _, ch := range changes {
			for _, v := range ch.Values {
				if badText(v) {
					return nil, invalid("change group", id, "a value of %s holds control characters or invalid UTF-8", ch.Attr)
				}
			}
		}
		return x.rewrite(r, changes), nil
	})
}

// DeleteGroup implements GroupEditor.
func (ed *Editor) DeleteGroup(_ context.Context, id calendar.UserID) error { return ed.Delete(id) }

// CreateGroup implements GroupEditor: the entry goes below ou=Groups of its
// domain, which is to be there.
func (ed *LDAPEditor) CreateGroup(ctx context.Context, p NewPerson) (calendar.UserID, error) {
	const op = "create group"
	p.Kind = calendar.Group
	lines, err := entryLines(&p, ed.dir.opt.Argon2)
	if err != nil {
		return "", err
	}
	ds, err := ed.src.domains(ctx)
	if err != nil {
		return "", unavailable(op, err)
	}
	dom := ds.def
	if p.Domain != "" {
		if dom = ds.byName[fold(p.Domain)]; dom == nil {
			return "", noDomain(p.Domain)
		}
	}
	id := ds.id(fold(p.ID), dom)
	if _, err := ed.dir.byID(ctx, ds, id); err == nil {
		return "", &calendar.Error{Kind: calendar.Exists, Op: op, Ref: id, Msg: "the id is taken"}
	} else if !isNotFound(err) {
		return "", err
	}
	if p.Mail == "" && dom.name != "" {
		p.Mail = fold(p.ID) + "@" + dom.name
	}
	if p.Mail != "" {
		if _, err := ed.dir.byMail(ctx, ds, fold(p.Mail)); err == nil {
			return "", &calendar.Error{Kind: calendar.Exists, Op: op, Ref: p.Mail, Msg: "the address is taken"}
		}
		lines = append(lines, [2]string{"mail", fold(p.Mail)})
	}
	refs, err := ed.dir.references(ctx, ds, &p)
	if err != nil {
		return "", err
	}
	base := dom.base
	if base == "" {
		base = ed.src.opt.BaseDN
	}
	m := ldap.NewAddRequest("cn="+ldap.EscapeDN(p.Name)+",ou=Groups,"+base, nil)
	attrs := map[string][]string{}
	var order []string
	for _, l := range append(lines, refs...) {
		if l[0] == "entryUUID" { // the directory's own to give
			continue
		}
		if attrs[l[0]] == nil {
			order = append(order, l[0])
		}
		attrs[l[0]] = append(attrs[l[0]], l[1])
	}
	for _, a := range order {
		m.Attribute(a, attrs[a])
	}
	err = ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Add(m) })
	switch {
	case ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists):
		return "", entryThere(op, m.DN)
	case ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject):
		return "", &calendar.Error{Kind: calendar.NotFound, Op: op, Ref: "ou=Groups," + base, Msg: "there is no ou=Groups," + base + " in the directory: add it first"}
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultObjectClassViolation, ldap.LDAPResultConstraintViolation) && len(p.Members) == 0 && len(p.MemberURLs) == 0:
		return "", &calendar.Error{Kind: calendar.Invalid, Op: op, Ref: id, Msg: "this directory has no groups without members: name one", Err: err}
	}
	return id, ed.failed(op, id, err)
}

// ChangeGroup implements GroupEditor.
func (ed *LDAPEditor) ChangeGroup(ctx context.Context, id calendar.UserID, c GroupChange) error {
	const op = "change group"
	ds, err := ed.src.domains(ctx)
	if err != nil {
		return unavailable(op, err)
	}
	e, err := ed.whole(ctx, op, id)
	if err != nil {
		return err
	}
	changes, err := ed.dir.groupChanges(ctx, ds, e, id, c)
	if err != nil {
		return err
	}
	return ed.modify(ctx, op, id, func(_ *entry, m *ldap.ModifyRequest) {
		for _, ch := range changes {
			m.Replace(ch.Attr, ch.Values)
		}
	})
}

// whole finds an entry with its members.
func (ed *LDAPEditor) whole(ctx context.Context, op, id string) (*entry, error) {
	e, err := ed.find(ctx, op, id)
	if err != nil {
		return nil, err
	}
	found, err := ed.src.entries(ctx, []string{e.dn}, true)
	if err != nil {
		return nil, unavailable(op, err)
	}
	if len(found) != 1 {
		return nil, notFound(id)
	}
	return found[0], nil
}

// DeleteGroup implements GroupEditor. Where it is the only member of another
// group, which the directory does not let be empty, it stays named there.
func (ed *LDAPEditor) DeleteGroup(ctx context.Context, id calendar.UserID) error {
	const op = "delete group"
	e, err := ed.find(ctx, op, id)
	if err != nil {
		return err
	}
	if k, _ := ed.dir.kindOf(e); k != calendar.Group {
		return invalid(op, id, "this is no group")
	}
	above, err := ed.dir.groupsAbove(ctx, e, 1)
	if err != nil {
		return err
	}
	err = ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(e.dn, nil)) })
	if err != nil {
		return ed.failed(op, id, err)
	}
	for _, g := range above {
		for _, attr := range []string{"uniqueMember", "member"} {
			m := ldap.NewModifyRequest(g.dn, nil)
			m.Delete(attr, []string{e.dn})
			err := ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Modify(m) })
			if err != nil && !ldap.IsErrorAnyOf(err, ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultObjectClassViolation, ldap.LDAPResultUndefinedAttributeType) {
				return ed.failed(op, id, err)
			}
		}
	}
	return nil
}
