package directory

import (
	"errors"
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
