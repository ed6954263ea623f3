package directory

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"

	"github.com/google/go-cmp/cmp"
)

// renamedPeople: anna has become bea, whose entry is new, carl and dora exchange their
// names, and zoe names them.
func renamedPeople() string {
	var b strings.Builder
	b.WriteString("dn: ou=People,o=usergroup\nobjectClass: organizationalUnit\nou: People\n")
	for _, p := range []struct{ id, more string }{
		{"anna", "objectClass: icsCalendarUser\nicsCalendar: anna\nicsCalendarOwned: anna$Anna\nicsSubscribed: anna$Anna\nicsSubscribed: carl:work\nicsDWPHost: a.sesta.com\nicsStatus: inactive\n"},
		{"bea", "mail: bea@sesta.com\n"},
		{"carl", "objectClass: icsCalendarUser\nicsCalendar: carl\nicsDWPHost: a.sesta.com\n"},
		{"dora", "objectClass: icsCalendarUser\nicsCalendar: dora\nicsFirstDay: 2\n"},
		{"zoe", "objectClass: icsCalendarUser\nicsCalendar: zoe\nicsSubscribed: zoe$Zoe\nicsSubscribed: anna:work$anna\n"},
	} {
		fmt.Fprintf(&b, "\ndn: uid=%[1]s,ou=People,o=usergroup\n# of %[1]s\nobjectClass: person\nobjectClass: organizationalPerson\nobjectClass: inetOrgPerson\n%[2]suid: %[1]s\ncn: %[1]s\nsn: x\n", p.id, p.more)
	}
	return b.String()
}

func idChange(dry bool) IDChange {
	c := IDChange{Dry: dry, New: map[calendar.UserID]calendar.UserID{"anna": "bea", "carl": "dora", "dora": "carl"}, Old: map[calendar.UserID]calendar.UserID{}}
	for old, now := range c.New {
		c.Old[now] = old
	}
	c.Values = func(_ string, _, _ calendar.UserID, values []string) []string {
		for i, v := range values {
			end := strings.IndexAny(v+"$", ":$")
			if to, ok := c.New[v[:end]]; ok {
				values[i] = to + v[end:]
			}
		}
		return values
	}
	return c
}

func TestChangeIDs(t *testing.T) {
	want := map[string]string{
		"anna": "icscalendar=anna icscalendarowned=anna$Anna icsdwphost=a.sesta.com icsstatus=inactive icssubscribed=anna$Anna,carl:work",
		"bea":  "icscalendar=bea icscalendarowned=bea$Anna icsdwphost=a.sesta.com icssubscribed=bea$Anna,dora:work",
		"carl": "icscalendar=carl icsfirstday=2",
		"dora": "icscalendar=dora icsdwphost=a.sesta.com",
		"zoe":  "icscalendar=zoe icssubscribed=zoe$Zoe,bea:work$anna",
	}
	changed := "bea:objectClass,icsCalendar,icsCalendarOwned,icsSubscribed,icsDWPHost carl:icsDWPHost,icsFirstDay dora:icsDWPHost,icsFirstDay zoe:icsSubscribed"
	spell := func(list []ChangedEntry, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, e := range list {
			if e.Err != nil {
				t.Error(e.Err)
			}
			out = append(out, e.ID+":"+strings.Join(e.Attrs, ","))
		}
		return strings.Join(out, " ")
	}
	check := func(dir *Directory) {
		t.Helper()
		for id, want := range want {
			list, err := dir.Attributes(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, a := range list {
				if strings.HasPrefix(strings.ToLower(a.Name), "ics") {
					got = append(got, strings.ToLower(a.Name)+"="+strings.Join(a.Values, ","))
				}
			}
			slices.Sort(got)
			if d := cmp.Diff(want, strings.Join(got, " ")); d != "" {
				t.Errorf("%s: %s", id, d)
			}
		}
	}
	t.Run("LDIF", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "people.ldif")
		text := "version: 1\n\n" + renamedPeople()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		ed, err := NewEditor(Options{LDIF: path})
		if err != nil {
			t.Fatal(err)
		}
		if got := spell(ed.ChangeIDs(t.Context(), idChange(true))); got != changed {
			t.Errorf("a dry run tells\n%s, and not\n%s", got, changed)
		}
		if got := read(t, path); got != text {
			t.Error("a dry run has changed the file")
		}
		if got := spell(ed.ChangeIDs(t.Context(), idChange(false))); got != changed {
			t.Error(got)
		}
		if got := read(t, path); !strings.Contains(got, "uid=zoe,ou=People,o=usergroup\n# of zoe\n") || strings.Count(got, "\n\n") != strings.Count(text, "\n\n") {
			t.Errorf("what was not to be changed was: %s", got)
		}
		dir, err := Open(Options{LDIF: path})
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		check(dir)
	})
	t.Run("LDAP", func(t *testing.T) {
		s := ldaptest.Start(t, renamedPeople())
		opt := ldapOptions(s)
		opt.LDAP.DomainBase = ""
		ed, err := NewLDAPEditor(opt)
		if err != nil {
			t.Fatal(err)
		}
		defer ed.Close()
		if got := spell(ed.ChangeIDs(t.Context(), idChange(true))); got != changed {
			t.Errorf("a dry run tells\n%s, and not\n%s", got, changed)
		}
		if got := spell(ed.ChangeIDs(t.Context(), idChange(false))); got != changed {
			t.Error(got)
		}
		check(ed.People())
		s.Stop()
		if _, err := ed.ChangeIDs(context.Background(), idChange(false)); calendar.KindOf(err) != calendar.Unavailable {
			t.Errorf("without a directory: %v", err)
		}
	})
}

func TestAppPasswordsAreRenamed(t *testing.T) {
	a := openApps(t, filepath.Join(t.TempDir(), "people.ldif.apppasswords"))
	tokens := map[string]string{}
	for _, id := range []string{"anna", "carl", "dora", "zoe"} {
		_, token, err := a.CreateFor(calendar.Person{ID: id, Entry: "entryuuid:" + id}, "phone")
		if err != nil {
			t.Fatal(err)
		}
		tokens[id] = token
	}
	for _, dry := range []bool{true, false} {
		if n, err := a.Rename(idChange(dry).New, dry); n != 3 || err != nil {
			t.Error(n, err)
		}
		for id, token := range tokens {
			want := id
			if to, ok := idChange(dry).New[id]; ok && !dry {
				want = to
			}
			if user, app, ok := a.check(token); !ok || user != want || (a.entry(app) == "") != (want != id) {
				t.Errorf("%s opens %s, entry %q", id, user, a.entry(app))
			}
		}
	}
}
