package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

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

// SwitchHost is LDAPEditor.SwitchHost.
func (ed *Editor) SwitchHost(_ context.Context, id, from, to string) error {
	const op = "write back end"
	return ed.change(op, func(x *edit) ([]byte, error) {
		r, e, err := x.find(id)
		if err != nil {
			return nil, err
		}
		attr := x.dir.at.DWPHost
		switch is := e.one(attr); {
		case equalFold(is, to):
			return x.data, nil
		case is != "" && !equalFold(is, from):
			return nil, otherHost(op, id, is)
		}
		return x.rewrite(r, []Change{{Attr: spelled(attr), Values: []string{fold(to)}}}), nil
	})
}
