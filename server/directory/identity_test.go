package directory

import (
	"fmt"
	"strings"
	"testing"

	"factotum/server/directory/ldaptest"
)

// An entry has a name that another one made later under its id does not have:
// LDAP's entryUUID, or in a file whatever entry stands there has.
func TestIdentity(t *testing.T) {
	s := ldaptest.Start(t, changeable)
	opt := ldapOptions(s)
	opt.LDAP.DomainBase, opt.LDAP.CacheTTL = "", -1
	opt.Identity = []string{"nsUniqueId", "entryUUID"}
	d := open(t, opt)
	was, err := d.Person(t.Context(), "bob")
	if err != nil || !strings.HasPrefix(was.Entry, "entryuuid:") || len(was.Entry) < 40 {
		t.Fatalf("%+v %v", was, err)
	}
	again, err := d.Person(t.Context(), "jdoe")
	if err != nil || again.Entry == was.Entry {
		t.Fatalf("%+v %v", again, err)
	}

	file := ldifOptions(t, "dn: o=x\nobjectClass: organization\no: x\n")
	file.Identity = opt.Identity
	ed, err := NewEditor(file)
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	for range 2 {
		if err := ed.Create(NewPerson{ID: "dora"}); err != nil {
			t.Fatal(err)
		}
		p, err := ed.Get("dora")
		if err != nil || !strings.HasPrefix(p.Entry, "ldif-entryuuid:") {
			t.Fatalf("%+v %v", p, err)
		}
		if entries = append(entries, p.Entry); ed.Delete("dora") != nil {
			t.Fatal("not deleted")
		}
	}
	if entries[0] == entries[1] {
		t.Errorf("two entries of a name are one: %v", entries)
	}
	e := &entry{attrs: []attribute{{"objectguid", []string{"\x01\xff 2"}}}}
	odd := &Directory{opt: Options{Identity: []string{"entryuuid", "objectguid"}}}
	if got := odd.identity(e); got != "objectguid:01ff2032" {
		t.Errorf("octets are spelled %q", got)
	}
}

// The app password of somebody who was deleted opens nothing of who is given
// his name.
func TestAppPasswordsAreNotInherited(t *testing.T) {
	text := func(id string) string {
		return strings.Replace(fmt.Sprintf(annaFile, cheapHash("one"), "active"), "uid: anna\n", "uid: anna\nentryUUID: "+id+"\n", 1)
	}
	opt := ldifOptions(t, text("1"))
	opt.Identity = []string{"entryUUID"}
	d, c := open(t, opt), newClock()
	l := logins(t, d, LoginOptions{Now: c.now, Sleep: c.sleep})
	p, err := d.Person(t.Context(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	_, token, err := l.AppPasswords().CreateFor(p, "phone")
	if err != nil {
		t.Fatal(err)
	}
	_, early, err := l.AppPasswords().Create("anna", "made before identities were noted")
	if err != nil {
		t.Fatal(err)
	}
	mustLogin(t, l, "anna", token, here)
	mustLogin(t, l, "anna", early, here)
	if err := l.AppPasswords().flush(); err != nil {
		t.Fatal(err)
	}
	again, err := OpenAppPasswords(l.AppPasswords().path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	for _, p := range again.List("anna") {
		if p.Entry != "ldif-entryuuid:1" {
			t.Errorf("%q is of %q", p.Label, p.Entry)
		}
	}
	writeFile(t, opt.LDIF, text("2"))
	if err := d.Refresh(); err != nil {
		t.Fatal(err)
	}
	mustFail(t, l, "anna", token, here)
	mustFail(t, l, "anna", early, here)
	mustLogin(t, l, "anna", "one", here)
}
