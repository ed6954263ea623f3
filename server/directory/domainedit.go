package directory

import (
	"bytes"
	"context"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"factotum/server/calendar"
)

// NewDomain describes a domain to be made. admin.md §8.7.
type NewDomain struct {
	Name string
	// Node is where its people are: with schema 2 the name of its entry below the
	// root ("" is the domain's), with schema 1 a DN below the base, such as
	// o=node2,o=node1, for which the DC tree gets an entry.
	Node string
}

// Domain is a hosted domain as csdomain shows it.
type Domain struct {
	Name       string
	Names      []string // others that it has
	DN, Base   string
	Active     bool
	Attributes []Attribute
}

// Domains lists the hosted domains that have an entry, by name.
func (d *Directory) Domains(ctx context.Context) ([]Domain, error) {
	ds, err := d.src.domains(ctx)
	if err != nil {
		return nil, unavailable("read domains", err)
	}
	var list []Domain
	for _, dom := range ds.list {
		one := Domain{Name: dom.name, DN: dom.dn, Base: dom.base, Active: dom.active}
		for name, other := range ds.byName {
			if other == dom && name != dom.name {
				one.Names = append(one.Names, name)
			}
		}
		slices.Sort(one.Names)
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Domain describes one with its attributes.
func (d *Directory) Domain(ctx context.Context, name string) (Domain, error) {
	list, err := d.Domains(ctx)
	if err != nil {
		return Domain{}, err
	}
	name = fold(name)
	for _, dom := range list {
		if dom.Name != name && !slices.Contains(dom.Names, name) {
			continue
		}
		var e *entry
		switch src := d.src.(type) {
		case *ldapSource:
			e = &entry{dn: dom.DN}
		case *ldifSource:
			e = src.snap.Load().byKey[dnKey(dom.DN)]
		}
		if e == nil {
			break
		}
		dom.Attributes, err = d.attributes(ctx, e)
		return dom, err
	}
	return Domain{}, noDomain(name)
}

// lines are the entries of a new domain: itself, and below it what people and groups
// stand below.
func (n *NewDomain) lines(dn string) (entries [][][2]string) {
	entries = append(entries, [][2]string{{"dn", dn}, {"objectClass", "top"}, {"objectClass", "organization"}, {"objectClass", "inetDomain"},
		{"objectClass", "icsCalendarDomain"}, {"o", rdnValue(dn)}, {"sunPreferredDomain", n.Name}, {"inetDomainStatus", "active"}, {"icsStatus", "active"}})
	return append(entries, units(dn)...)
}

// units are the entries that a domain's people and groups stand below.
func units(base string) (entries [][][2]string) {
	for _, ou := range []string{"People", "Groups", "Resources"} {
		entries = append(entries, [][2]string{{"dn", "ou=" + ou + "," + base}, {"objectClass", "top"}, {"objectClass", "organizationalUnit"}, {"ou", ou}})
	}
	return entries
}

// rdnValue is the value of a name's first part.
func rdnValue(dn string) string {
	if p, err := ldap.ParseDN(dn); err == nil && len(p.RDNs) > 0 && len(p.RDNs[0].Attributes) > 0 {
		return p.RDNs[0].Attributes[0].Value
	}
	return dn
}

// check refuses what cannot be a domain.
func (n *NewDomain) check(ds *domains) error {
	const op = "create domain"
	if n.Name = fold(n.Name); CheckDomain(n.Name) != nil || !strings.Contains(n.Name, ".") {
		return invalid(op, n.Name, "%q is no domain, such as sesta.com", n.Name)
	}
	if badName(n.Node) && n.Node != "" {
		return invalid(op, n.Name, "%q is no node", n.Node)
	}
	if dom := ds.byName[n.Name]; dom != nil && dom.dn != "" {
		return &calendar.Error{Kind: calendar.Exists, Op: op, Ref: n.Name, Msg: "there is a domain " + n.Name}
	}
	return nil
}

// CreateDomain adds a domain to the file, with what people and groups stand below.
func (ed *Editor) CreateDomain(_ context.Context, n NewDomain) error {
	return ed.change("create domain", func(x *edit) ([]byte, error) {
		if err := n.check(x.sn.ds); err != nil {
			return nil, err
		}
		node := n.Node
		if node == "" {
			node = n.Name
		}
		if strings.ContainsAny(node, "=,") {
			return nil, invalid("create domain", n.Name, "-n is the name of the entry, such as sesta, not a DN: in a file there is one tree")
		}
		dn := "o=" + ldap.EscapeDN(node)
		if x.sn.byKey[dnKey(dn)] != nil {
			return nil, entryThere("create domain", dn)
		}
		next := *x
		for _, lines := range n.lines(dn) {
			next.data = next.appendEntry(lines)
		}
		return next.data, nil
	})
}

// EditDomain changes attributes of a domain's entry; f gets those that it has.
func (ed *Editor) EditDomain(_ context.Context, name string, f func(has func(attr string) []string) ([]Change, error)) error {
	return ed.change("change domain", func(x *edit) ([]byte, error) {
		dom := x.sn.ds.byName[fold(name)]
		if dom == nil || dom.dn == "" {
			return nil, noDomain(name)
		}
		e := x.sn.byKey[dnKey(dom.dn)]
		for i := range x.records {
			if e == nil || x.records[i].line != e.line {
				continue
			}
			changes, err := f(func(attr string) []string { return e.all(strings.ToLower(attr)) })
			if err != nil {
				return nil, err
			}
			return x.rewrite(&x.records[i], changes), nil
		}
		return nil, noDomain(name)
	})
}

// DeleteDomain removes all entries of a domain, and tells how many there were.
func (ed *Editor) DeleteDomain(_ context.Context, name string) (n int, err error) {
	err = ed.change("delete domain", func(x *edit) ([]byte, error) {
		dom := x.sn.ds.byName[fold(name)]
		if dom == nil || dom.dn == "" {
			return nil, noDomain(name)
		}
		if dom.base == "" {
			return nil, invalid("delete domain", name, "all entries would be of this domain")
		}
		var b bytes.Buffer
		at := 0
		n = 0
		for i := range x.records {
			r := &x.records[i]
			if key := dnKey(r.dn); !below(key, dom.base) && key != dnKey(dom.dn) || x.sn.ds.of(key) != dom && key != dnKey(dom.dn) {
				continue
			}
			end := r.end // and the blank line after it
			for _, blank := range []string{"\n", "\r\n"} {
				if bytes.HasPrefix(x.data[end:], []byte(blank)) {
					end += len(blank)
					break
				}
			}
			b.Write(x.data[at:r.start])
			at = end
			n++
		}
		b.Write(x.data[at:])
		return b.Bytes(), nil
	})
	return n, err
}

// CreateDomain is Editor.CreateDomain. With schema 1 (Options.DCTree) the domain has its
// people below a node, and an entry in the DC tree.
func (ed *LDAPEditor) CreateDomain(ctx context.Context, n NewDomain) error {
	const op = "create domain"
	ds, err := ed.dir.src.domains(ctx)
	if err != nil {
		return unavailable(op, err)
	}
	root := ed.src.opt.DomainBase
	if root == "" {
		return invalid(op, n.Name, "service.schema2root, or with local.schemaversion 1 service.dcroot, must say where domains are")
	}
	if err := n.check(ds); err != nil {
		return err
	}
	var entries [][][2]string
	if ed.src.opt.DCTree {
		if !strings.Contains(n.Node, "=") {
			return invalid(op, n.Name, "-n is needed: the node below %s for its people, such as o=%s", ed.src.opt.BaseDN, n.Name)
		}
		base := n.Node
		if !below(dnKey(base), dnKey(ed.src.opt.BaseDN)) {
			base += "," + ed.src.opt.BaseDN
		}
		entries = append(entries, [][2]string{{"dn", base}, {"objectClass", "top"}, {"objectClass", "organization"}, {"o", rdnValue(base)}})
		entries = append(entries, units(base)...)
		labels := strings.Split(n.Name, ".")
		for i := len(labels) - 1; i >= 0; i-- {
			dn := "dc=" + strings.Join(labels[i:], ",dc=") + "," + root
			if i > 0 {
				found, _, err := ed.src.ask(ctx, dn, ldap.ScopeBaseObject, "(objectClass=*)", []string{"1.1"}, 1)
				if err == nil && len(found) > 0 {
					continue
				}
				entries = append(entries, [][2]string{{"dn", dn}, {"objectClass", "top"}, {"objectClass", "domain"}, {"dc", labels[i]}})
				continue
			}
			entries = append(entries, [][2]string{{"dn", dn}, {"objectClass", "top"}, {"objectClass", "domain"}, {"objectClass", "inetDomain"}, {"objectClass", "icsCalendarDomain"},
				{"dc", labels[i]}, {"inetDomainBaseDN", base}, {"inetDomainStatus", "active"}, {"icsStatus", "active"}})
		}
	} else {
		node := n.Node
		if node == "" {
			node = n.Name
		}
		if strings.ContainsAny(node, "=,") {
			return invalid(op, n.Name, "-n is the name of the entry below %s, not a DN", root)
		}
		entries = n.lines("o=" + ldap.EscapeDN(node) + "," + root)
	}
	for _, lines := range entries {
		if err := ed.add(ctx, op, n.Name, lines); err != nil {
			return err
		}
	}
	return nil
}

// add adds an entry.
func (ed *LDAPEditor) add(ctx context.Context, op, ref string, lines [][2]string) error {
	add := ldap.NewAddRequest(lines[0][1], nil)
	for _, l := range lines[1:] {
		if i := slices.IndexFunc(add.Attributes, func(a ldap.Attribute) bool { return a.Type == l[0] }); i >= 0 {
			add.Attributes[i].Vals = append(add.Attributes[i].Vals, l[1])
			continue
		}
		add.Attribute(l[0], []string{l[1]})
	}
	return ed.answered(op, ref, ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Add(add) }))
}

// domain finds a domain that has an entry.
func (ed *LDAPEditor) domain(ctx context.Context, op, name string) (*domain, error) {
	ds, err := ed.dir.src.domains(ctx)
	if err != nil {
		return nil, unavailable(op, err)
	}
	dom := ds.byName[fold(name)]
	if dom == nil || dom.dn == "" {
		return nil, noDomain(name)
	}
	return dom, nil
}

// EditDomain is Editor.EditDomain.
func (ed *LDAPEditor) EditDomain(ctx context.Context, name string, f func(has func(attr string) []string) ([]Change, error)) error {
	const op = "change domain"
	dom, err := ed.domain(ctx, op, name)
	if err != nil {
		return err
	}
	found, _, err := ed.src.ask(ctx, dom.dn, ldap.ScopeBaseObject, "(objectClass=*)", nil, 1)
	if err != nil {
		return unavailable(op, err)
	}
	if len(found) != 1 {
		return noDomain(name)
	}
	changes, err := f(func(attr string) []string { return found[0].all(strings.ToLower(attr)) })
	if err != nil || len(changes) == 0 {
		return err
	}
	m := ldap.NewModifyRequest(dom.dn, nil)
	for _, c := range changes {
		m.Replace(c.Attr, c.Values)
	}
	return ed.answered(op, name, ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Modify(m) }))
}

// DeleteDomain is Editor.DeleteDomain.
func (ed *LDAPEditor) DeleteDomain(ctx context.Context, name string) (n int, err error) {
	const op = "delete domain"
	dom, err := ed.domain(ctx, op, name)
	if err != nil {
		return 0, err
	}
	if root := dnKey(ed.src.opt.BaseDN); dom.base == root || dom.base == "" || below(root, dom.base) {
		return 0, invalid(op, name, "the entries of this domain are all that there is below %s", ed.src.opt.BaseDN)
	}
	ds, err := ed.dir.src.domains(ctx)
	if err != nil {
		return 0, unavailable(op, err)
	}
	var dns []string
	for _, base := range []string{dom.base, dom.dn} {
		found, more, err := ed.src.ask(ctx, base, ldap.ScopeWholeSubtree, "(objectClass=*)", []string{"1.1"}, maxSearch)
		if err != nil {
			return 0, unavailable(op, err)
		}
		if more {
			return 0, invalid(op, name, "it has more than %d entries: delete them with the directory's own tools", maxSearch)
		}
		for _, e := range found {
			if of := ds.of(dnKey(e.dn)); of != dom && below(dnKey(e.dn), dom.base) {
				return 0, invalid(op, name, "entries of the domain %s stand below it: delete that first", of.name)
			}
			if !slices.Contains(dns, e.dn) {
				dns = append(dns, e.dn)
			}
		}
	}
	// What stands below others goes first. RFC 4511 §4.8.
	slices.SortStableFunc(dns, func(a, b string) int { return strings.Count(dnKey(b), ",") - strings.Count(dnKey(a), ",") })
	for _, dn := range dns {
		if err := ed.answered(op, dn, ed.src.searches.do(ctx, func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(dn, nil)) })); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
