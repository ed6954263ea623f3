package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"factotum/server/calendar"
)

// Editor changes an LDIF file for the tools (csuser, csresource). Each change
// locks the file against other editors, re-reads it, touches only the octets
// of the entry it is about (comments and all that it does not know stay as they
// are), checks that the result is a valid directory, and puts it in place as a
// whole: a server that watches the file sees the old content or the new.
type Editor struct {
	path string
	opt  Options
}

// NewEditor edits the file opt.LDIF, which must be there.
func NewEditor(opt Options) (*Editor, error) {
	if opt.LDIF == "" {
		return nil, errors.New("edit directory: there is no LDIF file (people are kept in LDAP)")
	}
	if _, err := os.Stat(opt.LDIF); err != nil {
		return nil, fmt.Errorf("edit directory: %w", err)
	}
	return &Editor{opt.LDIF, opt.withDefaults()}, nil
}

// NewLDIF writes a new file, mode 0600, with the entries that people of a domain
// are added below. It does not touch an existing file: fs.ErrExist.
func NewLDIF(path, domain string) error {
	domain = fold(domain)
	if err := CheckDomain(domain); err != nil {
		return fmt.Errorf("make directory file: %w", err)
	}
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("make directory file: %w", &os.PathError{Op: "create", Path: path, Err: os.ErrExist})
	}
	base := "o=" + domain
	text := "version: 1\n\n" +
		"# People, groups and resources of the calendar server (LDIF, RFC 2849).\n" +
		"# Change it with csuser, or by hand: the server reads it again when it changes.\n" +
		"# Passwords are hashes ({ARGON2} or {BCRYPT}), never plain text.\n\n"
	for _, e := range [][]string{
		{"dn: " + base, "objectClass: top", "objectClass: organization", "objectClass: inetDomain",
			"objectClass: icsCalendarDomain", "o: " + domain, "sunPreferredDomain: " + domain, "icsStatus: active"},
		{"dn: ou=People," + base, "objectClass: top", "objectClass: organizationalUnit", "ou: People"},
		{"dn: ou=Groups," + base, "objectClass: top", "objectClass: organizationalUnit", "ou: Groups"},
	} {
		text += strings.Join(e, "\n") + "\n\n"
	}
	return replaceFile(path, []byte(text), 0o600)
}

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

// edit is the file in the hands of one change.
type edit struct {
	dir     *Directory
	data    []byte
	records []ldifRecord
	sn      *snapshot
}

func invalid(op, ref, format string, args ...any) error {
	return &calendar.Error{Kind: calendar.Invalid, Op: op, Ref: ref, Msg: fmt.Sprintf(format, args...)}
}

func (ed *Editor) read() (*edit, error) {
	dir, err := newDirectory(ed.opt)
	if err != nil {
		return nil, err
	}
	f, data, st, err := readLDIFFile(ed.path)
	if err != nil {
		return nil, err
	}
	f.Close()
	x := &edit{dir: dir, data: data}
	if x.records, err = parseLDIF(data); err == nil {
		x.sn, err = dir.newSnapshot(data)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", ed.path, err)
	}
	src := &ldifSource{d: dir, path: ed.path, taken: st}
	src.snap.Store(x.sn)
	dir.src = src
	return x, nil
}

// change runs f on the file and writes what it returns.
func (ed *Editor) change(op string, f func(x *edit) ([]byte, error)) error {
	unlock, err := lockFile(ed.path)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer unlock()
	x, err := ed.read()
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	data, err := f(x)
	if err != nil {
		return err
	}
	if bytes.Equal(data, x.data) {
		return nil
	}
	if _, err := x.dir.newSnapshot(data); err != nil {
		return &calendar.Error{Kind: calendar.Invalid, Op: op, Msg: "the change would make the directory file invalid", Err: err}
	}
	if err := replaceFile(ed.path, data, 0o600); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// find returns the record of a user id.
func (x *edit) find(id string) (*ldifRecord, *entry, error) {
	if badName(id) {
		return nil, nil, notFound("")
	}
	e, err := x.dir.byID(context.Background(), x.sn.ds, fold(id))
	if err != nil {
		return nil, nil, err
	}
	for i := range x.records {
		if x.records[i].line == e.line {
			return &x.records[i], e, nil
		}
	}
	return nil, nil, notFound(id)
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

// Change gives an attribute new values; none removes it.
type Change struct {
	Attr   string
	Values []string
}

// Modify changes attributes of an entry. Lines of other attributes, and
// comments, stay as they are. The id itself cannot be changed.
func (ed *Editor) Modify(id string, changes ...Change) error {
	const op = "modify user"
	for _, c := range changes {
		name := strings.ToLower(c.Attr)
		if !attrName(name) || name == "dn" || name == "version" || name == "changetype" || name == "control" {
			return invalid(op, id, "%q is not the name of an attribute", c.Attr)
		}
		if name == "uid" || name == "groupid" {
			return invalid(op, id, "the id of an entry cannot be changed: calendars belong to it")
		}
		for _, v := range c.Values {
			if name == "userpassword" {
				if _, err := checkHash(v, "x"); errors.Is(err, errUnknownHash) {
					return invalid(op, id, "userPassword must be a hash")
				}
			}
			if v == "" || badText(v) {
				return invalid(op, id, "a value of %s is empty or holds control characters or invalid UTF-8", c.Attr)
			}
		}
	}
	return ed.change(op, func(x *edit) ([]byte, error) {
		r, _, err := x.find(id)
		if err != nil {
			return nil, err
		}
		return x.rewrite(r, changes), nil
	})
}

// rewrite returns the file with the attributes of one record changed. New
// values stand where the first old one stood, or at the end of the record.
func (x *edit) rewrite(r *ldifRecord, changes []Change) []byte {
	var b bytes.Buffer
	done := make([]bool, len(changes))
	write := func(i int) {
		if !done[i] {
			done[i] = true
			for _, v := range changes[i].Values {
				b.WriteString(printLDIFLine(changes[i].Attr, v))
			}
		}
	}
	at := 0
	for _, l := range r.attrs {
		i := slices.IndexFunc(changes, func(c Change) bool { return strings.EqualFold(c.Attr, l.name) })
		if i < 0 {
			continue
		}
		b.Write(x.data[at:l.start])
		write(i)
		at = l.end
	}
	b.Write(x.data[at:max(at, r.end)])
	at = max(at, r.end)
	if b.Len() > 0 && b.Bytes()[b.Len()-1] != '\n' {
		b.WriteByte('\n')
	}
	for i := range changes {
		write(i)
	}
	b.Write(x.data[at:])
	return b.Bytes()
}

// SetPassword hashes a new password into an entry.
func (ed *Editor) SetPassword(id, password string) error {
	hash, err := HashPassword(password, ed.opt.Argon2)
	if err != nil {
		return invalid("set password", id, "%v", err)
	}
	return ed.Modify(id, Change{"userPassword", []string{hash}})
}

// SetEnabled lets a user in or shuts him out (csuser enable, disable):
// icsStatus where the entry has one, icsAllowedServiceAccess otherwise.
func (ed *Editor) SetEnabled(id string, enabled bool) error {
	return ed.change("enable user", func(x *edit) ([]byte, error) {
		r, e, err := x.find(id)
		if err != nil {
			return nil, err
		}
		access, status := Change{Attr: "icsAllowedServiceAccess"}, Change{Attr: "icsStatus"}
		hasStatus := e.one("icsstatus") != ""
		switch {
		case enabled && hasStatus:
			status.Values = []string{"active"}
		case !enabled && hasStatus:
			status.Values, access.Values = []string{"inactive"}, e.all("icsallowedserviceaccess")
		case !enabled:
			access.Values = []string{"http"}
		}
		return x.rewrite(r, []Change{status, access}), nil
	})
}

// Reset takes calendar service from a user (csuser reset): the class
// icsCalendarUser and the attributes icsSubscribed, icsCalendarOwned,
// icsCalendar and icsDWPHost. admin.md §8.18.
func (ed *Editor) Reset(id string) error {
	return ed.change("reset user", func(x *edit) ([]byte, error) {
		r, e, err := x.find(id)
		if err != nil {
			return nil, err
		}
		classes := slices.DeleteFunc(slices.Clone(e.all("objectclass")), func(c string) bool { return equalFold(c, "icsCalendarUser") })
		return x.rewrite(r, []Change{
			{"objectClass", classes}, {Attr: "icsSubscribed"}, {Attr: "icsCalendarOwned"}, {Attr: "icsCalendar"}, {Attr: "icsDWPHost"},
		}), nil
	})
}

// Delete removes an entry and its membership in groups of the file.
func (ed *Editor) Delete(id string) error {
	return ed.change("delete user", func(x *edit) ([]byte, error) {
		r, e, err := x.find(id)
		if err != nil {
			return nil, err
		}
		type span struct{ start, end int }
		end := r.end // and the blank line after it
		for _, blank := range []string{"\n", "\r\n"} {
			if bytes.HasPrefix(x.data[end:], []byte(blank)) {
				end += len(blank)
				break
			}
		}
		cuts := []span{{r.start, end}}
		for i := range x.records {
			for _, l := range x.records[i].attrs {
				if (strings.EqualFold(l.name, "uniqueMember") || strings.EqualFold(l.name, "member")) && dnKey(l.value) == e.key && x.records[i].line != r.line {
					cuts = append(cuts, span{l.start, l.end})
				}
			}
		}
		slices.SortFunc(cuts, func(a, b span) int { return a.start - b.start })
		var b bytes.Buffer
		at := 0
		for _, c := range cuts {
			b.Write(x.data[at:c.start])
			at = c.end
		}
		b.Write(x.data[at:])
		return b.Bytes(), nil
	})
}

// List returns every entry that can have calendars, active or not, by name.
func (ed *Editor) List() ([]calendar.Person, error) {
	x, err := ed.read()
	if err != nil {
		return nil, err
	}
	var out []calendar.Person
	for _, e := range x.sn.entries {
		if _, ok := x.dir.kindOf(e); !ok {
			continue
		}
		p, err := x.dir.full(context.Background(), e, x.sn.ds)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	sortPeople(out)
	return out, nil
}

// Get returns one of them.
func (ed *Editor) Get(id string) (calendar.Person, error) {
	x, err := ed.read()
	if err != nil {
		return calendar.Person{}, err
	}
	return x.dir.Person(context.Background(), id)
}
