package directory

import (
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"factotum/server/calendar"
)

// Attribute is an attribute of an entry as it stands in the directory.
type Attribute struct {
	Name   string
	Values []string
}

// secretAttrs are never shown, and not changed by csattribute.
var secretAttrs = []string{"userpassword", "userpkcs12", "sambantpassword", "sambalmpassword", "krbprincipalkey", "unicodepwd"}

// Attributes lists those of the entry of somebody, without secrets. csattribute list.
func (d *Directory) Attributes(ctx context.Context, id string) ([]Attribute, error) {
	ds, err := d.src.domains(ctx)
	if err != nil {
		return nil, unavailable("read domains", err)
	}
	if badName(id) {
		return nil, notFound("")
	}
	e, err := d.byID(ctx, ds, fold(id))
	if err != nil {
		return nil, err
	}
	return d.attributes(ctx, e)
}

// Below tells whether the entry of somebody stands below another one, or is it.
func (d *Directory) Below(ctx context.Context, id calendar.UserID, base string) (bool, error) {
	ds, err := d.src.domains(ctx)
	if err != nil {
		return false, unavailable("read domains", err)
	}
	if badName(id) {
		return false, notFound("")
	}
	e, err := d.byID(ctx, ds, fold(id))
	if err != nil {
		return false, err
	}
	return below(e.key, dnKey(base)), nil
}

// attributes reads an entry whole: from LDAP look-ups ask for some attributes only.
func (d *Directory) attributes(ctx context.Context, e *entry) (list []Attribute, err error) {
	if src, ok := d.src.(*ldapSource); ok {
		found, _, err := src.ask(ctx, e.dn, ldap.ScopeBaseObject, "(objectClass=*)", nil, 1)
		if err != nil {
			return nil, unavailable("read the entry", err)
		}
		if len(found) != 1 {
			return nil, notFound(e.dn)
		}
		e = found[0]
	}
	list = append(list, Attribute{"dn", []string{e.dn}})
	for _, a := range e.attrs {
		if slices.Contains(secretAttrs, a.name) {
			list = append(list, Attribute{spelled(a.name), []string{"[not shown]"}})
			continue
		}
		list = append(list, Attribute{spelled(a.name), a.values})
	}
	return list, nil
}

// AttributeEdit adds a value to an attribute of an entry, or takes one away, or with ""
// all of them.
type AttributeEdit struct {
	Attr, Value string
	Remove      bool
}

// change is what becomes of an attribute that has these values.
func (a AttributeEdit) change(op, id string, has []string) (c Change, err error) {
	name := strings.ToLower(a.Attr)
	same := func(v string) bool { return equalFold(v, a.Value) }
	switch {
	case !attrName(name) || slices.Contains([]string{"dn", "version", "changetype", "control"}, name):
		return c, invalid(op, id, "%q is not the name of an attribute", a.Attr)
	case name == "uid" || name == "groupid":
		return c, invalid(op, id, "the id of an entry cannot be changed: calendars belong to it")
	case slices.Contains(secretAttrs, name):
		return c, invalid(op, id, "passwords are set with \"csuser password\", or the directory's own tools")
	case !a.Remove && (a.Value == "" || badText(a.Value)):
		return c, invalid(op, id, "a value of %s is empty or holds control characters or invalid UTF-8", a.Attr)
	case a.Remove && len(has) == 0:
		return c, &calendar.Error{Kind: calendar.NotFound, Op: op, Ref: id, Msg: "the entry has no " + a.Attr}
	case a.Remove && a.Value != "" && !slices.ContainsFunc(has, same):
		return c, &calendar.Error{Kind: calendar.NotFound, Op: op, Ref: id, Msg: a.Attr + " has no such value"}
	case !a.Remove && slices.ContainsFunc(has, same):
		return c, &calendar.Error{Kind: calendar.Exists, Op: op, Ref: id, Msg: a.Attr + " has that value already"}
	case !a.Remove && len(has) > 0 && schema()[name].single:
		return c, &calendar.Error{Kind: calendar.Exists, Op: op, Ref: id, Msg: a.Attr + " has one value, " + has[0] + ": delete it first"}
	}
	c.Attr = a.Attr
	switch {
	case !a.Remove:
		c.Values = append(slices.Clone(has), a.Value)
	case a.Value != "":
		c.Values = slices.DeleteFunc(slices.Clone(has), same)
	}
	return c, nil
}

// EditAttribute changes an attribute of the file's entry of somebody.
func (ed *Editor) EditAttribute(_ context.Context, id string, a AttributeEdit) error {
	const op = "change attribute"
	return ed.change(op, func(x *edit) ([]byte, error) {
		r, e, err := x.find(id)
		if err != nil {
			return nil, err
		}
		c, err := a.change(op, id, e.all(strings.ToLower(a.Attr)))
		if err != nil {
			return nil, err
		}
		return x.rewrite(r, []Change{c}), nil
	})
}

// ChangeAttributes gives attributes new values.
func (ed *Editor) ChangeAttributes(_ context.Context, id string, changes []Change) error {
	return ed.Modify(id, changes...)
}

// Close does nothing: the file is open while it is changed.
func (ed *Editor) Close() error { return nil }

// EditAttribute is Editor.EditAttribute.
func (ed *LDAPEditor) EditAttribute(ctx context.Context, id string, a AttributeEdit) error {
	const op = "change attribute"
	e, err := ed.find(ctx, op, id)
	if err != nil {
		return err
	}
	return ed.edit(ctx, op, id, e, a)
}

func (ed *LDAPEditor) edit(ctx context.Context, op, id string, e *entry, a AttributeEdit) error {
	found, _, err := ed.src.ask(ctx, e.dn, ldap.ScopeBaseObject, "(objectClass=*)", nil, 1)
	if err != nil {
		return unavailable(op, err)
	}
	var has []string
	if len(found) == 1 {
		has = found[0].all(strings.ToLower(a.Attr))
	}
	if _, err := a.change(op, id, has); err != nil {
		return err
	}
	m := ldap.NewModifyRequest(e.dn, nil)
	switch {
	case !a.Remove:
		m.Add(a.Attr, []string{a.Value})
	case a.Value == "":
		m.Delete(a.Attr, nil)
	default:
		m.Delete(a.Attr, []string{a.Value})
	}
	return ed.answered(op, id, ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Modify(m) }))
}

// ChangeAttributes is Editor.ChangeAttributes.
func (ed *LDAPEditor) ChangeAttributes(ctx context.Context, id string, changes []Change) error {
	return ed.modify(ctx, "change attributes", id, func(_ *entry, m *ldap.ModifyRequest) {
		for _, c := range changes {
			m.Replace(c.Attr, c.Values)
		}
	})
}
