package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"factotum/server/calendar"
)

func editor(t testing.TB, text string) (*Editor, string) {
	t.Helper()
	opt := ldifOptions(t, text)
	ed, err := NewEditor(opt)
	if err != nil {
		t.Fatal(err)
	}
	return ed, opt.LDIF
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestNewLDIF(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.ldif")
	if err := NewLDIF(path, "Example.com"); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Error(fi, err)
	}
	if err := NewLDIF(path, "example.com"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	for _, bad := range []string{"", "a b", "a,o=x", "a\nb", "@", "a/b"} {
		if err := NewLDIF(path+"2", bad); err == nil {
			t.Errorf("domain %q", bad)
		}
	}
	ed, err := NewEditor(Options{LDIF: path})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []NewPerson{
		{ID: "Anna", Given: "Anna", Surname: "Öberg", Password: "first-secret", Alternates: []string{"Anna.Oberg@example.com"}, TZID: "Europe/Berlin"},
		{ID: "bob", Name: "Bob B. Builder", Mail: "builder@example.com"},
		{ID: "room1", Kind: calendar.Room, Name: "Room 1", Owner: "anna"},
		{ID: "team", Kind: calendar.Group, Name: "The, Team", Owner: "bob", Members: []string{"anna", "bob"}},
		{ID: "o+neil", Name: "Odd, Name"},
	} {
		if err := ed.Create(p); err != nil {
			t.Errorf("%s: %v", p.ID, err)
		}
	}
	for _, c := range []struct {
		p    NewPerson
		kind calendar.Kind
	}{
		{NewPerson{ID: "ANNA"}, calendar.Exists}, {NewPerson{ID: "team"}, calendar.Exists},
		{NewPerson{ID: "x", Mail: "anna@example.com"}, calendar.Exists},
		{NewPerson{ID: "x", Alternates: []string{"builder@example.com"}}, calendar.Exists},
		{NewPerson{ID: ""}, calendar.Invalid}, {NewPerson{ID: "a:b"}, calendar.Invalid}, {NewPerson{ID: "a\nb"}, calendar.Invalid},
		{NewPerson{ID: "x", Name: "a\nuserPassword: y"}, calendar.Invalid}, {NewPerson{ID: "x", Mail: "nomail"}, calendar.Invalid},
		{NewPerson{ID: "x", Password: "a\x00b"}, calendar.Invalid}, {NewPerson{ID: "x", Kind: "ALIEN"}, calendar.Invalid},
		{NewPerson{ID: "x", Owner: "nobody"}, calendar.NotFound}, {NewPerson{ID: "x", Domain: "other.org"}, calendar.NotFound},
	} {
		before := read(t, path)
		if err := ed.Create(c.p); !errors.Is(err, c.kind) || read(t, path) != before {
			t.Errorf("%+v: %v, want %v", c.p, err, c.kind)
		}
	}
	d := open(t, Options{LDIF: path})
	team, _, err := d.Members(t.Context(), "team", true, 0)
	if err != nil || len(team) != 2 || team[0].Name != "Anna Öberg" || team[0].TZID != "Europe/Berlin" {
		t.Errorf("members %+v, %v", team, err)
	}
	for id, mail := range map[string]string{"anna": "anna@example.com", "bob": "builder@example.com", "room1": "room1@example.com", "o+neil": "o+neil@example.com"} {
		if p, err := d.Person(t.Context(), id); err != nil || p.Mail() != mail {
			t.Errorf("%s: %+v, %v", id, p, err)
		}
	}
	if p, err := d.Person(t.Context(), "room1"); err != nil || p.Owner != "anna" || p.Kind != calendar.Room {
		t.Errorf("room: %+v, %v", p, err)
	}
	l := logins(t, d, LoginOptions{})
	mustLogin(t, l, "anna.oberg@example.com", "first-secret", here)
}

const edited = `version: 1
# a file with a history

dn: o=sesta.com
objectClass: organization
o: sesta.com

# Anna's entry
dn: uid=anna,o=sesta.com
objectClass: top
objectClass: person
# her name
cn: An
 na
objectClass: icsCalendarUser
uid: anna
X-Unknown;lang-de:: w7Y=
icsCalendar: anna
icsDWPHost: back1
mail: anna@sesta.com
# the end

dn: cn=g,o=sesta.com
objectClass: groupOfUniqueNames
objectClass: icsCalendarGroup
groupid: g
cn: g
uniqueMember: UID=Anna, o=sesta.com
uniqueMember: uid=bob,o=sesta.com

dn: uid=bob,o=sesta.com
objectClass: person
uid: bob
icsStatus: active
icsAllowedServiceAccess: http`

func TestEditorTouchesOnlyWhatItChanges(t *testing.T) {
	for name, c := range map[string]struct {
		do       func(ed *Editor) error
		old, new string
	}{
		"one value": {func(ed *Editor) error { return ed.Modify("anna", Change{"CN", []string{"Anna B"}}) }, "cn: An\n na\n", "CN: Anna B\n"},
		"added": {func(ed *Editor) error { return ed.Modify("anna", Change{"icsTimezone", []string{"Europe/Berlin"}}) },
			"mail: anna@sesta.com\n", "mail: anna@sesta.com\nicsTimezone: Europe/Berlin\n"},
		"removed": {func(ed *Editor) error { return ed.Modify("anna", Change{Attr: "mail"}) }, "mail: anna@sesta.com\n", ""},
		"several": {func(ed *Editor) error { return ed.Modify("anna", Change{"mail", []string{"a@x.org", "ö@x.org"}}) },
			"mail: anna@sesta.com\n", "mail: a@x.org\nmail:: w7ZAeC5vcmc=\n"},
		"nothing": {func(ed *Editor) error { return ed.Modify("anna", Change{"mail", []string{"anna@sesta.com"}}) }, "", ""},
		"reset": {func(ed *Editor) error { return ed.Reset("anna") },
			"objectClass: top\nobjectClass: person\n# her name\ncn: An\n na\nobjectClass: icsCalendarUser\nuid: anna\nX-Unknown;lang-de:: w7Y=\nicsCalendar: anna\nicsDWPHost: back1\n",
			"objectClass: top\nobjectClass: person\n# her name\ncn: An\n na\nuid: anna\nX-Unknown;lang-de:: w7Y=\n"},
		"disable":           {func(ed *Editor) error { return ed.SetEnabled("anna", false) }, "mail: anna@sesta.com\n", "mail: anna@sesta.com\nicsAllowedServiceAccess: http\n"},
		"enable last":       {func(ed *Editor) error { return ed.SetEnabled("bob", true) }, "\nicsAllowedServiceAccess: http", "\n"},
		"disable by status": {func(ed *Editor) error { return ed.SetEnabled("bob", false) }, "icsStatus: active\nicsAllowedServiceAccess: http", "icsStatus: inactive\nicsAllowedServiceAccess: http\n"},
	} {
		ed, path := editor(t, edited)
		want := strings.Replace(edited, c.old, c.new, 1)
		if err := c.do(ed); err != nil || read(t, path) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, read(t, path), want)
		}
	}
	ed, path := editor(t, edited)
	if err := ed.Delete("anna"); err != nil {
		t.Fatal(err)
	}
	got := read(t, path)
	if strings.Contains(strings.ToLower(got), "uid=anna") || !strings.Contains(got, "# Anna's entry\n") || !strings.Contains(got, "uniqueMember: uid=bob") {
		t.Errorf("after deletion:\n%s", got)
	}
	if list, err := ed.List(); err != nil || len(list) != 2 || list[0].ID != "bob" || list[1].ID != "g" {
		t.Errorf("list %+v, %v", list, err)
	}
	if err := ed.Create(NewPerson{ID: "anna"}); err != nil { // after a last line without its end
		t.Fatal(err)
	}
	if !strings.HasPrefix(read(t, path), got) {
		t.Error("creation changed what was there")
	}
	if p, err := ed.Get("anna"); err != nil || !p.Active {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestEditorRefuses(t *testing.T) {
	ed, path := editor(t, edited)
	for name, err := range map[string]error{
		"id":             ed.Modify("anna", Change{"uid", []string{"x"}}),
		"dn":             ed.Modify("anna", Change{"dn", []string{"x"}}),
		"attribute":      ed.Modify("anna", Change{"a b", []string{"x"}}),
		"line break":     ed.Modify("anna", Change{"cn", []string{"x\nuid: y"}}),
		"empty":          ed.Modify("anna", Change{"cn", []string{""}}),
		"plain password": ed.Modify("anna", Change{"userPassword", []string{"secret"}}),
		"bad password":   ed.SetPassword("anna", "a\nb"),
	} {
		if !errors.Is(err, calendar.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"modify": ed.Modify("nobody", Change{"cn", []string{"x"}}), "delete": ed.Delete("nobody"), "enable": ed.SetEnabled("", true),
		"reset": ed.Reset("nobody*"), "password": ed.SetPassword("nobody", "x"),
	} {
		if !errors.Is(err, calendar.NotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if read(t, path) != edited {
		t.Error("the file changed")
	}
	writeFile(t, path, edited+"\nbroken")
	if err := ed.Delete("anna"); err == nil || !strings.Contains(err.Error(), "line ") || read(t, path) != edited+"\nbroken" {
		t.Errorf("a broken file: %v", err)
	}
	if _, err := NewEditor(Options{LDIF: path + "x"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := NewEditor(Options{}); err == nil {
		t.Error("no path")
	}
	writeFile(t, path, edited)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := ed.Modify("anna", Change{"cn", []string{"X"}}); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o640 {
		t.Errorf("mode 0640 became %v, %v", fi.Mode(), err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}
}

func TestEditorsAtOnce(t *testing.T) {
	ed, path := editor(t, edited)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			other := *ed
			if err := other.Create(NewPerson{ID: fmt.Sprintf("u%02d", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if list, err := ed.List(); err != nil || len(list) != 23 {
		t.Errorf("%d entries, %v", len(list), err)
	}
	if !strings.HasPrefix(read(t, path), edited) {
		t.Error("what was there changed")
	}
}
