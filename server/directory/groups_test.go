package directory

import (
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"
	"factotum/templates"

	"github.com/google/go-cmp/cmp"
)

// groupMaxSize of a domain is of its groups alone. ldap.md §7.2.
func TestGroupMaxSizeOfADomain(t *testing.T) {
	bothGroups(t, "", func(t *testing.T, d *Directory) {
		for id, want := range map[string]int{"static@siroe.com": 7, "anna@siroe.com": 0, "static": 0} {
			if p, err := d.Person(t.Context(), id); err != nil || p.Most != want {
				t.Errorf("%s: %d, %v; want %d", id, p.Most, err, want)
			}
		}
	})
	for value, want := range map[string]int{"groupMaxSize=0": math.MaxInt, "groupMaxSize=-1": -1, "groupMaxSize=-2": 0, "groupMaxSize=many": 0, "groupMaxSize": 0, "other=3": 0} {
		e := &entry{attrs: []attribute{{name: "icsextendeddomainprefs", values: []string{value}}}}
		if got := groupMaxSize(e); got != want {
			t.Errorf("%s: %d, want %d", value, got, want)
		}
	}
}

// bothGroups runs a test over each source with the groups of testdata.
func bothGroups(t *testing.T, more string, test func(t *testing.T, d *Directory)) {
	data, err := os.ReadFile("testdata/groups.ldif")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data) + more
	t.Run("ldif", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "groups.ldif")
		writeFile(t, path, text)
		test(t, open(t, Options{LDIF: path, DefaultDomain: "sesta.com"}))
	})
	t.Run("ldap", func(t *testing.T) { test(t, open(t, ldapOptions(ldaptest.Start(t, text)))) })
}

// names is somebody by id, or by his address who has none.
func names(people []calendar.Person) string {
	var out []string
	for _, p := range people {
		s := p.ID
		if s == "" {
			s = fmt.Sprintf("%s <%s>", p.Name, p.Mail())
		}
		if p.Gone {
			s += " (gone)"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// ldap.md §§5.1, 5.6: static, dynamic, nested, of people elsewhere.
func TestMembersOfGroupsOfEveryKind(t *testing.T) {
	bothGroups(t, "", func(t *testing.T, d *Directory) {
		for _, c := range []struct {
			group string
			deep  bool
			want  string
		}{
			{"static", true, "anna, bert, gone (gone)"},
			{"names", true, "carl, Contact <contact@elsewhere.example>"},
			{"outer", false, "middle"},
			{"outer", true, "bert, carl, Contact <contact@elsewhere.example>, middle, names"},
			{"middle", true, "bert, carl, Contact <contact@elsewhere.example>, names, outer"},
			{"sub", true, "anna, bert, carl"},
			{"one", true, "anna, bert"},
			{"mail", false, "anna, bert, contact@elsewhere.example <contact@elsewhere.example>, names, x@elsewhere.example <x@elsewhere.example>, Yves, Dr. <yves@elsewhere.example>"},
			{"static@siroe.com", true, "anna@siroe.com, carl"},
		} {
			found, more, err := d.Members(t.Context(), c.group, c.deep, 0)
			if s := names(found); err != nil || more || s != c.want {
				t.Errorf("Members(%s, %v) = %s, %v, %v; want %s", c.group, c.deep, s, more, err, c.want)
			}
		}
	})
}

// All groups are listed, whatever a search may show; those that are not in use are not.
func TestAllGroups(t *testing.T) {
	bothGroups(t, "", func(t *testing.T, d *Directory) {
		d.opt.SearchLimit = 1
		found, err := d.AllGroups(t.Context())
		if got := names(found); err != nil || got != "mail, middle, names, one, outer, static, sub" {
			t.Errorf("%s, %v", got, err)
		}
	})
}

// ldap.md §5.2: what a group's entry says of its calendar.
func TestGroupsOwnersAndBooking(t *testing.T) {
	bothGroups(t, "", func(t *testing.T, d *Directory) {
		for _, want := range []calendar.Person{
			{ID: "static", Kind: calendar.Group, Domain: "sesta.com", Name: "Static", Mails: []string{"static@sesta.com", "everybody@sesta.com"}, Active: true,
				TZID: "Europe/Paris", Owner: "anna", CoOwners: []string{"bert", "anna@siroe.com"}, ACL: "@@o^a^rsf^g", NoDoubles: true, AutoReply: true},
			{ID: "static@siroe.com", Kind: calendar.Group, Domain: "siroe.com", Name: "Static", Mails: []string{"static@siroe.com"}, Gone: true,
				TZID: "Europe/Berlin", Owner: "anna@siroe.com", Most: 7},
			{ID: "names", Kind: calendar.Group, Domain: "sesta.com", Name: "Names", Mails: []string{"names@sesta.com"}, Active: true,
				Groups: []string{"middle", "outer"}},
		} {
			for _, by := range append([]string{want.ID}, want.Mails...) {
				p, err := calendar.ByAddress(t.Context(), d, "mailto:"+by)
				if by == want.ID {
					p, err = calendar.ByAddress(t.Context(), d, calendar.PrincipalsPath+by+"/")
				}
				if diff := cmp.Diff(want, p, sameSets); err != nil || diff != "" {
					t.Errorf("%s: %v\n%s", by, err, diff)
				}
			}
		}
	})
}

// The samples are read by slapd with Sun's schema, and say what they are said to.
func TestSampleGroups(t *testing.T) {
	text := strings.ReplaceAll(templates.LDAPSample+"\n"+templates.LDAPGroups, "dc=example,dc=com", ldaptest.BaseDN)
	opt := ldapOptions(ldaptest.Start(t, text))
	opt.DefaultDomain = "example.com"
	opt.Attributes.ClassGroup = "groupofuniquenames" // ics.conf's default, which floor2 is not
	d := open(t, opt)
	for group, want := range map[string]string{
		"marketing": "anna, bert", "dept17": "anna",
		"sales": "anna, bert, dealer@example.net <dealer@example.net>", "floor2": "bert",
		"everybody": "anna, bert, dealer@example.net <dealer@example.net>, floor2, sales",
	} {
		found, _, err := d.Members(t.Context(), group, true, 0)
		if got := names(found); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", group, got, err, want)
		}
	}
	p, err := d.Person(t.Context(), "sales")
	if err != nil || p.Owner != "anna" || !slices.Equal(p.CoOwners, []string{"bert"}) || p.NoDoubles || p.AutoReply || p.ACL == "" {
		t.Errorf("%+v, %v", p, err)
	}
}

// calstore.group.attendee.maxsize: a limit tells that there are others, and costs no more than it says.
func TestLargeGroup(t *testing.T) {
	const n = 1200
	var b strings.Builder
	b.WriteString("\ndn: cn=Large,ou=Groups,o=sesta.com,o=usergroup\nobjectClass: groupOfUniqueNames\nobjectClass: icsCalendarGroup\ncn: Large\ngroupid: large\n")
	for i := range n {
		fmt.Fprintf(&b, "uniqueMember: uid=p%d,ou=People,o=sesta.com,o=usergroup\n", i)
	}
	for i := range n {
		fmt.Fprintf(&b, "\ndn: uid=p%d,ou=People,o=sesta.com,o=usergroup\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: p%[1]d\ncn: P %04[1]d\nsn: P\nmail: p%[1]d@sesta.com\n", i)
	}
	bothGroups(t, b.String(), func(t *testing.T, d *Directory) {
		for _, c := range []struct {
			limit, want int
			more        bool
		}{{0, n, false}, {n, n, false}, {n - 1, n - 1, true}, {10, 10, true}} {
			found, more, err := d.Members(t.Context(), "large", true, c.limit)
			if err != nil || len(found) != c.want || more != c.more {
				t.Errorf("limit %d: %d members, %v, %v", c.limit, len(found), more, err)
			}
		}
	})
}

// An entry that is too long to be read is one with too many members, whom nothing
// else asks for: the server that has it is asked on, and nobody replaces its list.
func TestGroupThatIsNotRead(t *testing.T) {
	var b strings.Builder
	b.WriteString(changeable + "\ndn: ou=Groups,o=usergroup\nobjectClass: organizationalUnit\nou: Groups\n")
	for name, members := range map[string]int{"large": 4000, "outer": 0} {
		fmt.Fprintf(&b, "\ndn: cn=%s,ou=Groups,o=usergroup\nobjectClass: groupOfUniqueNames\nobjectClass: icsCalendarGroup\ncn: %[1]s\ngroupid: %[1]s\nmail: %[1]s@sesta.com\n", name)
		fmt.Fprintf(&b, "owner: cn=large,ou=Groups,o=usergroup\nuniqueMember: cn=large,ou=Groups,o=usergroup\nuniqueMember: uid=bob,ou=People,o=usergroup\n")
		for i := range members {
			fmt.Fprintf(&b, "uniqueMember: uid=%0500d,ou=People,o=usergroup\n", i)
		}
	}
	s := ldaptest.Start(t, b.String())
	var log strings.Builder
	opt := ldapOptions(s)
	opt.LDAP.DomainBase, opt.LDAP.CacheTTL = "", -1
	opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	d := open(t, opt)
	for group, want := range map[string]string{"large": "", "outer": "bob, large"} {
		found, more, err := d.Members(t.Context(), group, true, 100)
		if got := names(found); err != nil || !more || !strings.EqualFold(got, want) {
			t.Errorf("%s: %q, %v, %v; want %q and more", group, got, more, err, want)
		}
		if _, err := d.Person(t.Context(), group); err != nil {
			t.Errorf("%s: %v", group, err)
		}
	}
	if strings.Contains(log.String(), "does not answer") {
		t.Errorf("the server counts as down:\n%s", log.String())
	}
	ed, err := NewLDAPEditor(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer ed.Close()
	err = ed.ChangeGroup(t.Context(), "large", GroupChange{Add: []string{"jdoe"}})
	if calendar.KindOf(err) != calendar.TooLarge || !strings.Contains(calendar.MessageOf(err), "the directory's own tools") {
		t.Errorf("changed: %v", err)
	}
}

// What LDAP said about members is asked once within service.ldapmemcachettl, and anew after a refresh.
func TestMembersAreRemembered(t *testing.T) {
	data, err := os.ReadFile("testdata/groups.ldif")
	if err != nil {
		t.Fatal(err)
	}
	s := ldaptest.Start(t, string(data))
	now := time.Now()
	opt := ldapOptions(s)
	opt.LDAP.CacheTTL, opt.Now = 30*time.Second, func() time.Time { return now }
	d := open(t, opt)
	members := func(want string) {
		t.Helper()
		found, _, err := d.Members(t.Context(), "outer", true, 0)
		if got := names(found); err != nil || got != want {
			t.Fatalf("%s, %v; want %s", got, err, want)
		}
	}
	const before, after = "bert, carl, Contact <contact@elsewhere.example>, middle, names", "anna, bert, carl, Contact <contact@elsewhere.example>, middle, names"
	members(before)
	s.Modify("cn=Outer,ou=Groups,o=sesta.com,o=usergroup", "uniqueMember", "cn=Middle,ou=Groups,o=sesta.com,o=usergroup", "uid=anna,ou=People,o=sesta.com,o=usergroup")
	members(before)
	now = now.Add(31 * time.Second)
	members(after)
	s.Modify("cn=Outer,ou=Groups,o=sesta.com,o=usergroup", "uniqueMember", "cn=Middle,ou=Groups,o=sesta.com,o=usergroup")
	if err := d.Refresh(); err != nil {
		t.Fatal(err)
	}
	members(before)
}
