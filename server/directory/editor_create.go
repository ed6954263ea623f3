package directory

import (
	"bytes"
	"context"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"factotum/server/calendar"
)

// NewPerson describes an entry to be made.
type NewPerson struct {
	ID         string              // uid, or groupid of a group
	Kind       calendar.PersonKind // "" = INDIVIDUAL
	Name       string              // cn; "" = given name and surname, or the id
	Given      string
	Surname    string // "" = the last word of the name
	Mail       string // "" = ID@domain
	Alternates []string
	Password   string // plain; it is hashed. "" = no log-in until one is set
	Host       string // icsDWPHost
	TZID       string
	Language   string
	Owner      string   // of a group or resource: a user id
	CoOwners   []string // of a group or resource: user ids
	Members    []string // of a group: ids, or addresses, of people elsewhere too
	MemberURLs []string // of a group whose members a search finds; it has no Members
	ACL        string   // of a group or resource: icsDefaultacl
	Doubles    string   // of a group or resource: icsDoublebooking, "1" or "0"
	AutoAccept string   // of a group or resource: icsAutoaccept, "1" or "0"
	Domain     string   // "" = the default domain
	Below      string   // the DN below which it is made; "" = where others of its kind are
	More       []Change // further attributes
}

// Create adds an entry with calendar service. Exists if the id or an address
// is taken, Invalid if a value is not allowed.
func (ed *Editor) Create(p NewPerson) error {
	const op = "create user"
	lines, err := entryLines(&p, ed.opt.Argon2)
	if err != nil {
		return err
	}
	return ed.change(op, func(x *edit) ([]byte, error) {
		dom := x.sn.ds.def
		if p.Domain != "" {
			if dom = x.sn.ds.byName[fold(p.Domain)]; dom == nil {
				return nil, noDomain(p.Domain)
			}
		}
		id := x.sn.ds.id(fold(p.ID), dom)
		if err := x.free(id); err != nil {
			return nil, err
		}
		if p.Mail == "" && dom.name != "" {
			p.Mail = fold(p.ID) + "@" + dom.name
		}
		for _, m := range append([]string{p.Mail}, p.Alternates...) {
			if _, err := x.dir.ByMail(context.Background(), m); err == nil {
				return nil, &calendar.Error{Kind: calendar.Exists, Op: op, Ref: m, Msg: "the address is taken"}
			}
		}
		base := x.base(dom, p.Kind)
		if p.Below != "" {
			if base = p.Below; !below(dnKey(base), dom.base) {
				return nil, invalid(op, p.ID, "%s is not below the domain's entry", base)
			}
		}
		dn := p.dn(base)
		if x.sn.byKey[dnKey(dn)] != nil {
			return nil, entryThere(op, dn)
		}
		all := [][2]string{{"dn", dn}}
		all = append(all, lines...)
		if p.Mail != "" {
			all = append(all, [2]string{"mail", fold(p.Mail)})
		}
		refs, err := x.dir.references(context.Background(), x.sn.ds, &p)
		if err != nil {
			return nil, err
		}
		all = append(all, refs...)
		return x.appendEntry(all), nil
	})
}

// dn is the name of a new entry.
func (p *NewPerson) dn(base string) string {
	attr, value := "uid", fold(p.ID)
	if p.Kind == calendar.Group {
		attr, value = "cn", p.Name
	}
	dn := attr + "=" + ldap.EscapeDN(value)
	if base != "" {
		dn += "," + base
	}
	return dn
}

// entryThere refuses a new entry where another one stands.
func entryThere(op, dn string) error {
	return &calendar.Error{Kind: calendar.Exists, Op: op, Ref: dn, Msg: "there is an entry " + dn + ": -n gives another name"}
}

// free refuses an id that somebody has.
func (x *edit) free(id string) error {
	if _, _, err := x.find(id); err == nil {
		return &calendar.Error{Kind: calendar.Exists, Op: "create user", Ref: id, Msg: "the id is taken"}
	}
	return nil
}

// ID is the canonical id that a new entry would have; Exists if it is taken.
func (ed *Editor) ID(user, domain string) (calendar.UserID, error) {
	x, err := ed.read()
	if err != nil {
		return "", err
	}
	dom := x.sn.ds.def
	if domain != "" {
		if dom = x.sn.ds.byName[fold(domain)]; dom == nil {
			return "", noDomain(domain)
		}
	}
	id := x.sn.ds.id(fold(user), dom)
	return id, x.free(id)
}

func noDomain(domain string) error {
	return &calendar.Error{Kind: calendar.NotFound, Op: "create user", Ref: domain, Msg: "the directory has no such domain"}
}

// entryLines makes the attributes that do not depend on the file; the password is hashed here,
// outside the lock.
func entryLines(p *NewPerson, cost Argon2) (lines [][2]string, err error) {
	const op = "create user"
	p.ID = strings.TrimSpace(p.ID)
	def(&p.Kind, calendar.Individual)
	check := CheckUserID
	if p.Kind != calendar.Individual {
		check = func(id string) error { return calendar.CheckOwner(calendar.Owner(id)) }
	}
	if err := check(p.ID); err != nil {
		return nil, invalid(op, p.ID, "%v", err)
	}
	def(&p.Name, strings.TrimSpace(p.Given+" "+p.Surname))
	def(&p.Name, p.ID)
	def(&p.Surname, p.Name[strings.LastIndexByte(p.Name, ' ')+1:])
	for _, m := range append([]string{p.Mail}, p.Alternates...) {
		if m != "" && (badName(m) || strings.Count(m, "@") != 1 || strings.ContainsAny(m, " \t<>,;")) {
			return nil, invalid(op, p.ID, "%q is not a mail address", m)
		}
	}
	for _, v := range []string{p.Name, p.Given, p.Surname, p.Host, p.TZID, p.Language} {
		if badText(v) {
			return nil, invalid(op, p.ID, "a value holds control characters or invalid UTF-8")
		}
	}
	classes := map[calendar.PersonKind][]string{
		calendar.Individual: {"top", "person", "organizationalPerson", "inetOrgPerson", "inetUser", "icsCalendarUser"},
		calendar.Resource:   {"top", "inetResource", "icsCalendarResource"},
		calendar.Room:       {"top", "inetResource", "icsCalendarResource", "piTypeABConferenceRoom"},
		calendar.Group:      {"top", "groupOfUniqueNames", "icsCalendarGroup"},
	}[p.Kind]
	if classes == nil {
		return nil, invalid(op, p.ID, "%q is not a kind of entry", p.Kind)
	}
	if len(p.MemberURLs) > 0 { // never both: ldap.md §5.1
		if len(p.Members) > 0 || p.Kind != calendar.Group {
			return nil, invalid(op, p.ID, "a group has members, or a search that finds them, and not both")
		}
		classes = []string{"top", "groupOfURLs", "icsCalendarGroup"}
	}
	for _, u := range p.MemberURLs {
		if _, _, _, err := parseMemberURL(u); err != nil {
			return nil, invalid(op, p.ID, "%q: %v", u, err)
		}
	}
	add := func(name, value string) {
		if value != "" {
			lines = append(lines, [2]string{name, value})
		}
	}
	for _, c := range classes {
		add("objectClass", c)
	}
	if p.Kind == calendar.Group {
		add("groupid", fold(p.ID))
	} else {
		add("uid", fold(p.ID))
	}
	add("cn", p.Name)
	if p.Kind == calendar.Individual {
		add("givenName", p.Given)
		add("sn", p.Surname)
	}
	for _, m := range p.Alternates {
		add("mailAlternateAddress", fold(m))
	}
	// Not the same as that of an earlier entry of the name: Options.Identity.
	add("entryUUID", uuid.NewString())
	add("preferredLanguage", p.Language)
	add("icsStatus", "active")
	add("icsDWPHost", fold(p.Host))
	add("icsTimezone", p.TZID)
	add("icsDefaultacl", p.ACL)
	add("icsDoublebooking", p.Doubles)
	add("icsAutoaccept", p.AutoAccept)
	for _, u := range p.MemberURLs {
		add("memberURL", u)
	}
	for _, c := range p.More {
		for _, v := range c.Values {
			if !attrName(strings.ToLower(c.Attr)) || v == "" || badText(v) {
				return nil, invalid(op, p.ID, "a value of %s is empty or holds control characters or invalid UTF-8", c.Attr)
			}
			add(c.Attr, v)
		}
	}
	if p.Password != "" {
		hash, err := HashPassword(p.Password, cost)
		if err != nil {
			return nil, invalid(op, p.ID, "%v", err)
		}
		add("userPassword", hash)
	}
	return lines, nil
}

// base returns the DN below which entries of a kind are made: ou=People or
// ou=Groups of the domain where there is one, the domain itself otherwise.
func (x *edit) base(dom *domain, kind calendar.PersonKind) string {
	ou := "people"
	if kind == calendar.Group {
		ou = "groups"
	}
	for i := range x.records {
		key := dnKey(x.records[i].dn)
		if strings.HasPrefix(key, "ou="+ou) && (key == "ou="+ou || parentKey(key) == dom.base || dom.base == "" && strings.HasPrefix(key, "ou="+ou+",")) {
			return x.records[i].dn
		}
	}
	for i := range x.records {
		if dnKey(x.records[i].dn) == dom.base {
			return x.records[i].dn
		}
	}
	return dom.base
}

// appendEntry returns the file with an entry at its end, a blank line before it.
func (x *edit) appendEntry(lines [][2]string) []byte {
	var b bytes.Buffer
	b.Write(x.data)
	switch {
	case len(x.data) == 0 || bytes.HasSuffix(x.data, []byte("\n\n")) || bytes.HasSuffix(x.data, []byte("\n\r\n")):
	case bytes.HasSuffix(x.data, []byte("\n")):
		b.WriteByte('\n')
	default:
		b.WriteString("\n\n")
	}
	for _, l := range lines {
		b.WriteString(printLDIFLine(l[0], l[1]))
	}
	return b.Bytes()
}
