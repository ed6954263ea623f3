package directory_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/directory"
	"factotum/server/directory/ldaptest"
)

// attributeEditor is what csattribute and csdomain need of a directory.
type attributeEditor interface {
	EditAttribute(ctx context.Context, id string, a directory.AttributeEdit) error
	ChangeAttributes(ctx context.Context, id string, changes []directory.Change) error
	CreateDomain(ctx context.Context, n directory.NewDomain) error
	EditDomain(ctx context.Context, name string, f func(has func(attr string) []string) ([]directory.Change, error)) error
	DeleteDomain(ctx context.Context, name string) (n int, err error)
}

// Attributes of people and of domains, and domains themselves, are changed alike in a
// file and in LDAP, with either schema. admin.md §§8.1, 8.7.
func TestAttributesAndDomains(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		opt := directory.Options{LDIF: filepath.Join(t.TempDir(), "people.ldif"), DefaultDomain: "example.com"}
		if err := directory.NewLDIF(opt.LDIF, "example.com"); err != nil {
			t.Fatal(err)
		}
		ed, err := directory.NewEditor(opt)
		if err != nil {
			t.Fatal(err)
		}
		if err := ed.Create(directory.NewPerson{ID: "anna"}); err != nil {
			t.Fatal(err)
		}
		testAttributesAndDomains(t, opt, ed, "")
	})
	for _, schema := range []string{"schema 1", "schema 2"} {
		t.Run(schema, func(t *testing.T) {
			s := ldaptest.Start(t, "dn: uid=anna,o=usergroup\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: anna\ncn: anna\nsn: anna\nicsStatus: active\n\n"+
				"dn: o=internet,o=usergroup\nobjectClass: organization\no: internet\n\n")
			opt := directory.Options{DefaultDomain: "example.com", LDAP: directory.LDAPOptions{Hosts: []string{s.Addr}, BaseDN: ldaptest.BaseDN,
				DomainBase: ldaptest.BaseDN, BindDN: ldaptest.AdminDN, BindCred: ldaptest.AdminPassword, CacheTTL: -1}}
			node := ""
			if schema == "schema 1" {
				opt.LDAP.DCTree, opt.LDAP.DomainBase, node = true, "o=internet,o=usergroup", "o=sesta"
			}
			ed, err := directory.NewLDAPEditor(opt)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ed.Close() })
			testAttributesAndDomains(t, opt, ed, node)
		})
	}
}

func testAttributesAndDomains(t *testing.T, opt directory.Options, ed attributeEditor, node string) {
	ctx := t.Context()
	look := func() *directory.Directory { // as a server that starts
		d, err := directory.Open(opt)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		return d
	}
	values := func(list []directory.Attribute, name string) []string {
		for _, a := range list {
			if a.Name == name {
				return a.Values
			}
		}
		return nil
	}
	want := func(name string, is ...string) {
		t.Helper()
		list, err := look().Attributes(ctx, "anna")
		if got := values(list, name); err != nil || !slices.Equal(got, is) {
			t.Errorf("%s is %q, want %q (%v)", name, got, is, err)
		}
	}
	edit := func(attr, value string, remove bool, kind error) {
		t.Helper()
		if err := ed.EditAttribute(ctx, "anna", directory.AttributeEdit{Attr: attr, Value: value, Remove: remove}); kind == nil && err != nil || kind != nil && !errors.Is(err, kind) {
			t.Errorf("%s %q, remove %v: %v, want %v", attr, value, remove, err, kind)
		}
	}
	edit("icsSubscribed", "bert$B", false, nil)
	edit("icssubscribed", "carl$C", false, nil)
	edit("icsSubscribed", "carl$C", false, calendar.Exists)
	want("icsSubscribed", "bert$B", "carl$C")
	edit("icsSubscribed", "bert$B", true, nil)
	edit("icsSubscribed", "bert$B", true, calendar.NotFound)
	want("icsSubscribed", "carl$C")
	edit("icsSubscribed", "", true, nil)
	want("icsSubscribed")
	edit("icsTimezone", "Europe/Berlin", false, nil)
	edit("icsTimezone", "Europe/Paris", false, calendar.Exists)
	want("icsTimezone", "Europe/Berlin")
	edit("uid", "x", false, calendar.Invalid)
	edit("userPassword", "x", false, calendar.Invalid)
	edit("ics Timezone", "x", false, calendar.Invalid)
	edit("icsTimezone", "a\x00b", false, calendar.Invalid)

	// Gone is who has no entry, and who is marked.
	if g, err := look().Left(ctx, "anna"); g.Gone || err != nil {
		t.Errorf("anna: %+v %v", g, err)
	}
	if err := ed.ChangeAttributes(ctx, "anna", []directory.Change{{Attr: "icsStatus", Values: []string{"inactive"}}}); err != nil {
		t.Fatal(err)
	}
	if g, err := look().Left(ctx, "anna"); g.Gone || err != nil {
		t.Errorf("anna, who is switched off: %+v %v", g, err)
	}
	if err := ed.ChangeAttributes(ctx, "anna", []directory.Change{{Attr: "icsStatus", Values: []string{"deleted"}}}); err != nil {
		t.Fatal(err)
	}
	if g, err := look().Left(ctx, "anna"); !g.Gone || !g.Marked || err != nil || g.Since.IsZero() != (opt.LDIF != "") {
		t.Errorf("anna, who is marked: %+v %v", g, err)
	}
	if g, err := look().Left(ctx, "nobody"); !g.Gone || g.Marked || err != nil {
		t.Errorf("nobody: %+v %v", g, err)
	}

	// A domain, its preferences, and its end.
	if err := ed.CreateDomain(ctx, directory.NewDomain{Name: "Sesta.com", Node: node}); err != nil {
		t.Fatal(err)
	}
	fresh := func() attributeEditor { return reopened(t, opt) }
	if err := fresh().CreateDomain(ctx, directory.NewDomain{Name: "sesta.com", Node: node}); !errors.Is(err, calendar.Exists) {
		t.Errorf("made twice: %v", err)
	}
	for _, bad := range []string{"nodots", "a b.com", ""} {
		if err := fresh().CreateDomain(ctx, directory.NewDomain{Name: bad, Node: node}); !errors.Is(err, calendar.Invalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	set := func(attr string, v ...string) func(func(string) []string) ([]directory.Change, error) {
		return func(func(string) []string) ([]directory.Change, error) {
			return []directory.Change{{Attr: attr, Values: v}}, nil
		}
	}
	if err := fresh().EditDomain(ctx, "sesta.com", set("icsTimezone", "Asia/Tokyo")); err != nil {
		t.Fatal(err)
	}
	if err := fresh().EditDomain(ctx, "other.com", set("icsTimezone", "Asia/Tokyo")); !errors.Is(err, calendar.NotFound) {
		t.Errorf("another domain: %v", err)
	}
	d, err := look().Domain(ctx, "SESTA.com")
	if err != nil || d.Name != "sesta.com" || !d.Active || !slices.Equal(values(d.Attributes, "icsTimezone"), []string{"Asia/Tokyo"}) {
		t.Errorf("the domain: %+v %v", d, err)
	}
	// The same id in both.
	p := directory.NewPerson{ID: "anna", Domain: "sesta.com", Kind: calendar.Resource, Name: "Anna's room"}
	switch ed := fresh().(type) {
	case *directory.Editor:
		err = ed.Create(p)
	case *directory.LDAPEditor:
		err = ed.Create(ctx, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	other, err := look().Person(ctx, "anna@sesta.com")
	if err != nil || other.Domain != "sesta.com" || other.TZID != "Asia/Tokyo" || other.Kind != calendar.Resource {
		t.Errorf("anna of the other domain: %+v %v", other, err)
	}
	if own, err := look().Person(ctx, "anna"); err != nil || own.Kind != calendar.Individual {
		t.Errorf("anna of the default domain: %+v %v", own, err)
	}
	// A domain that is marked takes all with it.
	if err := fresh().EditDomain(ctx, "sesta.com", set("icsStatus", "deleted")); err != nil {
		t.Fatal(err)
	}
	if g, err := look().Left(ctx, "anna@sesta.com"); !g.Gone || !g.Marked || err != nil {
		t.Errorf("who is in a domain that is marked: %+v %v", g, err)
	}
	if n, err := fresh().DeleteDomain(ctx, "sesta.com"); n < 4 || err != nil {
		t.Errorf("deleted: %d %v", n, err)
	}
	if _, err := look().Person(ctx, "anna@sesta.com"); !errors.Is(err, calendar.NotFound) {
		t.Errorf("after it: %v", err)
	}
	if _, err := fresh().DeleteDomain(ctx, "sesta.com"); !errors.Is(err, calendar.NotFound) {
		t.Errorf("deleted twice: %v", err)
	}
	if _, err := look().Attributes(ctx, "anna"); err != nil || strings.Contains(opt.LDIF, "sesta") {
		t.Errorf("the default domain's anna: %v", err)
	}
}

// reopened is an editor that has read the domains anew.
func reopened(t *testing.T, opt directory.Options) attributeEditor {
	if opt.LDIF != "" {
		ed, err := directory.NewEditor(opt)
		if err != nil {
			t.Fatal(err)
		}
		return ed
	}
	ed, err := directory.NewLDAPEditor(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ed.Close() })
	return ed
}
