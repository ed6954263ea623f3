package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"factotum/server/calendar"
)

// ResourceChange is what an administrator sets of a resource; nil leaves it as
// it is. admin.md §8.13.
type ResourceChange struct {
	BookingChange
	Name, Description, Mail, ACL, TZID *string // "" takes it away, but for the name
	Owner                              *string // a user id, "" is nobody
	CoOwners                           *[]string
}

// more are the changes of attributes that need no other entry.
func (r *ResourceChange) more(at *Attributes, has []string) []Change {
	out := r.BookingChange.changes(at, has)
	for _, c := range []struct {
		attr  string
		value *string
	}{{"cn", r.Name}, {"description", r.Description}, {"mail", r.Mail}, {spelled(at.DefaultACL), r.ACL}, {"icsTimezone", r.TZID}} {
		if c.value == nil {
			continue
		}
		change := Change{Attr: c.attr}
		if *c.value != "" {
			change.Values = []string{*c.value}
		}
		out = append(out, change)
	}
	return out
}

// check refuses what is no resource, and values that cannot be.
func (r *ResourceChange) check(d *Directory, e *entry, id string) error {
	const op = "change resource"
	if kind, _ := d.kindOf(e); kind != calendar.Resource && kind != calendar.Room {
		return invalid(op, id, "it is no resource")
	}
	if err := r.BookingChange.Check(); err != nil {
		return invalid(op, id, "%v", err)
	}
	for _, v := range []*string{r.Name, r.Description, r.Mail, r.ACL, r.TZID} {
		if v != nil && badText(*v) {
			return invalid(op, id, "a value holds control characters or invalid UTF-8")
		}
	}
	if r.Name != nil && strings.TrimSpace(*r.Name) == "" {
		return invalid(op, id, "a resource has a name")
	}
	if r.Mail != nil && *r.Mail != "" && !isMail(*r.Mail) {
		return invalid(op, id, "%q is not a mail address", *r.Mail)
	}
	return nil
}

func isMail(m string) bool {
	return !badName(m) && strings.Count(m, "@") == 1 && !strings.ContainsAny(m, " \t<>,;")
}

// owners are changes of who administers it; find gives the DN of a user id.
func (r *ResourceChange) owners(at *Attributes, find func(id string) (string, error)) (out []Change, err error) {
	set := func(attr string, ids []string) error {
		change := Change{Attr: attr}
		for _, id := range ids {
			dn, err := find(id)
			if err != nil {
				return err
			}
			change.Values = append(change.Values, dn)
		}
		out = append(out, change)
		return nil
	}
	if r.Owner != nil {
		ids := []string{*r.Owner}
		if *r.Owner == "" {
			ids = nil
		}
		if err := set(spelled(at.Owner), ids); err != nil {
			return nil, err
		}
	}
	if r.CoOwners != nil {
		if err := set(spelled(at.CoOwner), *r.CoOwners); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// New describes the entry of a new resource, a room if it has a capacity.
func (r *ResourceChange) New(p NewPerson) NewPerson {
	p.Kind = calendar.Resource
	if r.Capacity != nil {
		p.Kind = calendar.Room
	}
	if r.Owner != nil {
		p.Owner = *r.Owner
	}
	if r.CoOwners != nil {
		p.CoOwners = *r.CoOwners
	}
	text := func(dst *string, v *string) {
		if v != nil {
			*dst = *v
		}
	}
	text(&p.Name, r.Name)
	text(&p.Mail, r.Mail)
	text(&p.TZID, r.TZID)
	rest := ResourceChange{BookingChange: r.BookingChange, Description: r.Description, ACL: r.ACL}
	at := Attributes{}.withDefaults()
	for _, c := range rest.more(&at, nil) {
		if len(c.Values) > 0 {
			p.More = append(p.More, c)
		}
	}
	return p
}

// ChangeResource changes a resource of the file.
func (ed *Editor) ChangeResource(id string, r ResourceChange) error {
	return ed.change("change resource", func(x *edit) ([]byte, error) {
		rec, e, err := x.find(id)
		if err != nil {
			return nil, err
		}
		if err := r.check(x.dir, e, id); err != nil {
			return nil, err
		}
		if err := x.mailFree(r.Mail, e); err != nil {
			return nil, err
		}
		changes := r.more(&x.dir.at, e.all(prefsAttr))
		owners, err := r.owners(&x.dir.at, func(id string) (string, error) {
			r, _, err := x.find(id)
			if err != nil {
				return "", err
			}
			return r.dn, nil
		})
		if err != nil {
			return nil, err
		}
		return x.rewrite(rec, append(changes, owners...)), nil
	})
}

// mailFree refuses an address that another entry has.
func (x *edit) mailFree(mail *string, e *entry) error {
	if mail == nil || *mail == "" {
		return nil
	}
	p, err := x.dir.ByMail(context.Background(), *mail)
	if own, ok := x.dir.basic(e, x.sn.ds); err == nil && (!ok || p.ID != own.ID) {
		return &calendar.Error{Kind: calendar.Exists, Op: "change resource", Ref: *mail, Msg: "the address is taken"}
	}
	return nil
}

// ChangeResource is Editor.ChangeResource.
func (ed *LDAPEditor) ChangeResource(ctx context.Context, id string, r ResourceChange) error {
	const op = "change resource"
	e, err := ed.find(ctx, op, id)
	if err != nil {
		return err
	}
	if err := r.check(ed.dir, e, id); err != nil {
		return err
	}
	if r.Mail != nil && *r.Mail != "" {
		if p, err := ed.dir.ByMail(ctx, *r.Mail); err == nil && !strings.EqualFold(p.ID, id) {
			return &calendar.Error{Kind: calendar.Exists, Op: op, Ref: *r.Mail, Msg: "the address is taken"}
		}
	}
	owners, err := r.owners(&ed.dir.at, func(id string) (string, error) { return ed.dn(ctx, op, id) })
	if err != nil {
		return err
	}
	return ed.modify(ctx, op, id, func(e *entry, m *ldap.ModifyRequest) {
		for _, c := range append(r.more(&ed.dir.at, e.all(prefsAttr)), owners...) {
			m.Replace(c.Attr, c.Values)
		}
	})
}

func (ed *LDAPEditor) dn(ctx context.Context, op, id string) (string, error) {
	e, err := ed.find(ctx, op, id)
	if err != nil {
		return "", err
	}
	return e.dn, nil
}

// Create is Editor.Create for entries that nobody logs in with: groups and
// resources. local.enduseradmindn must be allowed to add them.
func (ed *LDAPEditor) Create(ctx context.Context, p NewPerson) error {
	const op = "create entry"
	if p.Password != "" || p.Kind == calendar.Individual || p.Kind == "" {
		return invalid(op, p.ID, "people are made with the directory's own tools")
	}
	lines, err := entryLines(&p, ed.dir.opt.Argon2)
	if err != nil {
		return err
	}
	ds, err := ed.dir.src.domains(ctx)
	if err != nil {
		return unavailable(op, err)
	}
	dom := ds.def
	if p.Domain != "" {
		if dom = ds.byName[fold(p.Domain)]; dom == nil {
			return noDomain(p.Domain)
		}
	}
	id := ds.id(fold(p.ID), dom)
	if _, err := ed.find(ctx, op, id); err == nil {
		return &calendar.Error{Kind: calendar.Exists, Op: op, Ref: id, Msg: "the id is taken"}
	} else if !isNotFound(err) {
		return err
	}
	if p.Mail == "" && dom.name != "" {
		p.Mail = fold(p.ID) + "@" + dom.name
	}
	for _, m := range append([]string{p.Mail}, p.Alternates...) {
		if m == "" {
			continue
		}
		if _, err := ed.dir.ByMail(ctx, m); err == nil {
			return &calendar.Error{Kind: calendar.Exists, Op: op, Ref: m, Msg: "the address is taken"}
		} else if !isNotFound(err) {
			return err
		}
	}
	base := p.Below
	if base == "" {
		if base, err = ed.base(ctx, dom, p.Kind); err != nil {
			return unavailable(op, err)
		}
	} else if !below(dnKey(base), dnKey(ed.src.opt.BaseDN)) || !below(dnKey(base), dom.base) {
		return invalid(op, p.ID, "%s is not below the domain's entry", base)
	}
	if p.Mail != "" {
		lines = append(lines, [2]string{"mail", fold(p.Mail)})
	}
	for _, ref := range []struct {
		attr string
		ids  []string
	}{{spelled(ed.dir.at.Owner), []string{p.Owner}}, {spelled(ed.dir.at.CoOwner), p.CoOwners}, {"uniqueMember", p.Members}} {
		for _, id := range ref.ids {
			if id == "" {
				continue
			}
			dn, err := ed.dn(ctx, op, id)
			if err != nil {
				return err
			}
			lines = append(lines, [2]string{ref.attr, dn})
		}
	}
	add := ldap.NewAddRequest(p.dn(base), nil)
	for i, l := range lines {
		if strings.EqualFold(l[0], "entryUUID") || slices.ContainsFunc(lines[:i], func(o [2]string) bool { return strings.EqualFold(o[0], l[0]) }) {
			continue // the directory makes that itself; the values of one attribute go together
		}
		var values []string
		for _, o := range lines[i:] {
			if strings.EqualFold(o[0], l[0]) {
				values = append(values, o[1])
			}
		}
		add.Attribute(l[0], values)
	}
	return ed.answered(op, id, ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Add(add) }))
}

// base is below which entry those of a kind are made: an organizational unit
// Resources, Groups or People of the domain, or the domain itself.
func (ed *LDAPEditor) base(ctx context.Context, dom *domain, kind calendar.PersonKind) (string, error) {
	top := dom.base
	if top == "" {
		top = ed.src.opt.BaseDN
	}
	names := []string{"Resources", "People"}
	if kind == calendar.Group {
		names = []string{"Groups"}
	}
	for _, name := range names {
		found, _, err := ed.src.ask(ctx, top, ldap.ScopeSingleLevel, and(equal("objectclass", "organizationalUnit"), equal("ou", name)).String(), []string{"ou"}, 1)
		if err != nil {
			return "", err
		}
		if len(found) > 0 {
			return found[0].dn, nil
		}
	}
	return top, nil
}

// Delete removes the entry of a group or resource, and its name from groups that
// may be changed.
func (ed *LDAPEditor) Delete(ctx context.Context, id string) error {
	const op = "delete entry"
	e, err := ed.find(ctx, op, id)
	if err != nil {
		return err
	}
	if kind, _ := ed.dir.kindOf(e); kind == calendar.Individual {
		return invalid(op, id, "people are deleted with the directory's own tools")
	}
	err = ed.answered(op, id, ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(e.dn, nil)) }))
	if err != nil {
		return err
	}
	for _, attr := range []string{"uniqueMember", "member"} {
		groups, _, err := ed.src.search(ctx, "", equal(attr, e.dn), maxSearch)
		if err != nil {
			return unavailable(op, err)
		}
		for _, g := range groups {
			m := ldap.NewModifyRequest(g.dn, nil)
			m.Delete(attr, []string{e.dn})
			err := ed.answered(op, g.dn, ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Modify(m) }))
			if err != nil && !errors.Is(err, calendar.Denied) { // a member who is not there is nobody
				return err
			}
		}
	}
	return nil
}

// answered classifies what the directory said to a change.
func (ed *LDAPEditor) answered(op, id string, err error) error {
	switch {
	case err == nil:
		return nil
	case ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights):
		return &calendar.Error{Kind: calendar.Denied, Op: op, Ref: id, Msg: "the directory does not let local.enduseradmindn change this entry", Err: err}
	case ldap.IsErrorWithCode(err, ldap.LDAPResultEntryAlreadyExists):
		return &calendar.Error{Kind: calendar.Exists, Op: op, Ref: id, Msg: "there is an entry of that name", Err: err}
	case ldap.IsErrorAnyOf(err, ldap.LDAPResultObjectClassViolation, ldap.LDAPResultUndefinedAttributeType, ldap.LDAPResultInvalidAttributeSyntax):
		return &calendar.Error{Kind: calendar.Invalid, Op: op, Ref: id, Msg: "the directory's schema does not allow it for this entry: " + err.Error(), Err: err}
	}
	return unavailable(op, err)
}
