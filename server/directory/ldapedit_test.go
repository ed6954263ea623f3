package directory

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"
)

const changeable = `dn: ou=People,o=usergroup
objectClass: organizationalUnit
ou: People

dn: uid=jdoe,ou=People,o=usergroup
objectClass: person
objectClass: organizationalPerson
objectClass: inetOrgPerson
objectClass: icsCalendarUser
uid: jdoe
cn: Jane Doe
sn: Doe
icsCalendar: jdoe
icsDWPHost: store.sesta.com
icsStatus: active

dn: uid=bob,ou=People,o=usergroup
objectClass: person
objectClass: organizationalPerson
objectClass: inetOrgPerson
objectClass: icsCalendarUser
uid: bob
cn: Bob
sn: Bob
`

func TestLDAPEditor(t *testing.T) {
	s := ldaptest.Start(t, changeable)
	opt := ldapOptions(s)
	opt.LDAP.DomainBase = ""
	opt.ServiceOnly = true
	ed, err := NewLDAPEditor(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer ed.Close()
	active := func(id string) bool {
		t.Helper()
		p, err := ed.dir.Person(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return p.Active
	}
	for _, id := range []string{"jdoe", "BOB"} { // with icsStatus and without
		for _, on := range []bool{false, false, true, true} {
			if err := ed.SetEnabled(t.Context(), id, on); err != nil {
				t.Fatal(err)
			}
			if active(id) != on {
				t.Errorf("%s is not enabled=%v", id, on)
			}
		}
		if err := ed.Reset(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if active(id) {
			t.Errorf("%s has calendar service after reset", id)
		}
	}
	if p, err := ed.dir.Person(t.Context(), "jdoe"); err != nil || p.Host != "" {
		t.Errorf("after reset: %+v %v", p, err)
	}
	if err := ed.SetEnabled(t.Context(), "nobody", true); !errors.Is(err, calendar.NotFound) {
		t.Errorf("nobody: %v", err)
	}
	weak := opt
	weak.LDAP.BindDN = ""
	if _, err := NewLDAPEditor(weak); err == nil {
		t.Error("an editor without a name")
	}
}

// The back end of a first login goes into the entry, once.
func TestAdmin_11_1_HostIsWritten(t *testing.T) {
	s := ldaptest.Start(t, changeable+`
dn: uid=new,ou=People,o=usergroup
objectClass: person
objectClass: inetOrgPerson
uid: new
cn: New
sn: New
`)
	opt := ldapOptions(s)
	opt.LDAP.DomainBase = ""
	ed, err := NewLDAPEditor(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer ed.Close()
	for id, want := range map[string]string{"jdoe": "store.sesta.com", "bob": "calendar1.sesta.com", "new": "calendar1.sesta.com"} {
		for _, host := range []string{"calendar1.sesta.com", "calendar2.sesta.com"} {
			if err := ed.SetHost(t.Context(), id, host); err != nil {
				t.Fatal(id, err)
			}
			if p, err := ed.dir.Person(t.Context(), id); err != nil || p.Host != want {
				t.Errorf("%s is on %q, %v; want %q", id, p.Host, err, want)
			}
		}
	}
}

// switches has an entry name another back end, and refuses where it names a third one.
func switches(t *testing.T, ed interface {
	SwitchHost(ctx context.Context, id, from, to string) error
}, host func(id string) string) {
	t.Helper()
	const a, b, c = "calendar1.sesta.com", "calendar2.sesta.com", "calendar3.sesta.com"
	for _, step := range []struct {
		id, from, to, want string
		kind               calendar.Kind
	}{
		{"new", a, b, b, 0}, // it named none
		{"new", a, b, b, 0}, // and once more
		{"new", a, c, b, calendar.Stale},
		{"new", "Calendar2.sesta.com", a, a, 0},
		{"nobody", a, b, "", calendar.NotFound},
	} {
		err := ed.SwitchHost(t.Context(), step.id, step.from, step.to)
		if step.kind == 0 && err != nil || step.kind != 0 && !errors.Is(err, step.kind) {
			t.Errorf("%s from %s to %s: %v", step.id, step.from, step.to, err)
		}
		if step.want != "" && host(step.id) != step.want {
			t.Errorf("%s from %s to %s: it is %q", step.id, step.from, step.to, host(step.id))
		}
	}
}

func TestSwitchHost(t *testing.T) {
	const text = changeable + `
dn: uid=new,ou=People,o=usergroup
objectClass: person
objectClass: inetOrgPerson
uid: new
cn: New
sn: New
`
	t.Run("LDAP", func(t *testing.T) {
		opt := ldapOptions(ldaptest.Start(t, text))
		opt.LDAP.DomainBase = ""
		ed, err := NewLDAPEditor(opt)
		if err != nil {
			t.Fatal(err)
		}
		defer ed.Close()
		switches(t, ed, func(id string) string {
			p, err := ed.People().Person(t.Context(), id)
			if err != nil {
				t.Error(err)
			}
			return p.Host
		})
	})
	t.Run("LDIF", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "people.ldif")
		if err := NewLDIF(path, "sesta.com"); err != nil {
			t.Fatal(err)
		}
		ed, err := NewEditor(Options{LDIF: path, DefaultDomain: "sesta.com"})
		if err != nil {
			t.Fatal(err)
		}
		if err := ed.Create(NewPerson{ID: "new", Name: "New"}); err != nil {
			t.Fatal(err)
		}
		switches(t, ed, func(id string) string {
			p, err := ed.Get(id)
			if err != nil {
				t.Error(err)
			}
			return p.Host
		})
		if text := read(t, path); strings.Count(strings.ToLower(text), "icsdwphost:") != 1 {
			t.Errorf("the file: %s", text)
		}
	})
}
