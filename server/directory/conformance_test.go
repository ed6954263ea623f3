package directory

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/crypto/argon2"
)

// cheapHash is an argon2id hash that costs next to nothing.
func cheapHash(password string) string {
	salt := []byte("saltsaltsaltsalt")
	key := argon2.IDKey([]byte(password), salt, 1, 64, 1, 32)
	return printArgon(Argon2{Time: 1, Memory: 64, Threads: 1}, salt, key)
}

var placeholder = regexp.MustCompile(`@([a-z]+-secret)@`)

// people is testdata/people.ldif with its passwords as f spells them.
func people(t testing.TB, f func(string) string) string {
	t.Helper()
	data, err := os.ReadFile("testdata/people.ldif")
	if err != nil {
		t.Fatal(err)
	}
	return placeholder.ReplaceAllStringFunc(string(data), func(s string) string { return f(strings.Trim(s, "@")) })
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := replaceFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, opt Options) *Directory {
	t.Helper()
	d, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func ldifOptions(t testing.TB, text string) Options {
	path := filepath.Join(t.TempDir(), "people.ldif")
	writeFile(t, path, text)
	return Options{LDIF: path, DefaultDomain: "sesta.com"}
}

func ldapOptions(s *ldaptest.Server) Options {
	return Options{DefaultDomain: "sesta.com", LDAP: LDAPOptions{
		Hosts: []string{s.Addr}, BaseDN: ldaptest.BaseDN, DomainBase: ldaptest.BaseDN,
		BindDN: ldaptest.AdminDN, BindCred: ldaptest.AdminPassword, CacheTTL: -1, PageSize: 3,
	}}
}

// both runs a test over each source with the same entries.
func both(t *testing.T, test func(t *testing.T, opt Options)) {
	t.Run("ldif", func(t *testing.T) { test(t, ldifOptions(t, people(t, cheapHash))) })
	t.Run("ldap", func(t *testing.T) {
		s := ldaptest.Start(t, people(t, func(p string) string { return p }))
		test(t, ldapOptions(s))
	})
}

var sameSets = cmpopts.EquateEmpty()

func TestPersonOnEverySource(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		opt.Admins = []string{"JSMITH", "aud100"}
		d := open(t, opt)
		jdoe := calendar.Person{
			ID: "jdoe", Kind: calendar.Individual, Domain: "sesta.com", Name: "John Doe", Given: "John", Surname: "Doe",
			Mails: []string{"john.doe@sesta.com", "jd@sesta.com", "shared@sesta.com"}, Active: true,
			Host: "calendar1.sesta.com", TZID: "America/New_York", Language: "en",
			Groups: []string{"sales@sesta.com", "all", "marketing", "marketing@sesta.com", "ring@sesta.com"},
		}
		jutta := calendar.Person{
			ID: "jdoe@siroe.com", Kind: calendar.Individual, Domain: "siroe.com", Name: "Jutta Doe", Surname: "Doe",
			Active: true, Host: "calendar2.siroe.com", TZID: "Europe/Berlin",
			Groups: []string{"all", "marketing", "marketing@sesta.com", "ring@sesta.com"},
		}
		smith := calendar.Person{
			ID: "jsmith", Kind: calendar.Individual, Domain: "sesta.com", Name: "Jane Smith", Surname: "Smith",
			Mails: []string{"jsmith@sesta.com", "shared@sesta.com"}, Active: true, Admin: true, Groups: jutta.Groups,
		}
		aud := calendar.Person{
			ID: "aud100", Kind: calendar.Room, Domain: "sesta.com", Name: "Auditorium 100", Mails: []string{"aud100@sesta.com"},
			Active: true, Owner: "jdoe", CoOwners: []string{"jsmith", "tchang"}, NoDoubles: true, AutoReply: true, Booking: calendar.Booking{Capacity: 120},
			Groups: []string{"all", "ring@sesta.com"},
		}
		beamer := calendar.Person{
			ID: "beamer", Kind: calendar.Resource, Domain: "sesta.com", Name: "Beamer", Mails: []string{"beamer@sesta.com"},
			Active: true, ACL: "@@o^a^rsf^g",
		}
		marketing := calendar.Person{
			ID: "marketing", Kind: calendar.Group, Domain: "sesta.com", Name: "marketing", Mails: []string{"marketing@sesta.com"},
			Active: true, Owner: "jdoe", Groups: []string{"all", "ring@sesta.com"},
		}
		for id, want := range map[string]calendar.Person{
			"jdoe": jdoe, "JDOE": jdoe, " jdoe ": jdoe, "jdoe@sesta.com": jdoe, "jdoe+sesta.com": jdoe,
			"john.doe@sesta.com": jdoe, "JD@sesta.com": jdoe,
			"jdoe@siroe.com": jutta, "JDoe@SIROE.com": jutta,
			"jsmith": smith, "aud100": aud, "beamer": beamer, "Marketing": marketing, "marketing@sesta.com": marketing,
		} {
			got, err := d.Person(t.Context(), id)
			if diff := cmp.Diff(want, got, sameSets); err != nil || diff != "" {
				t.Errorf("Person(%q): %v\n%s", id, err, diff)
			}
		}
		for _, id := range []string{
			"", "nobody", "jdoe@nowhere.org", "jdoe@closed.com", "shared@sesta.com", "ring", "ceo@siroe.com", "*", "jd*", "j*e",
			"jdoe)(uid=*", "*)(objectClass=*", "jdoe\x00", "jdoe\r\nx", "\xff", `jdoe\`, "(jdoe)", strings.Repeat("a", 400),
			"uid=jdoe", "o*brien*", "ou=People",
		} {
			if p, err := d.Person(t.Context(), id); !errors.Is(err, calendar.NotFound) {
				t.Errorf("Person(%q) = %q, %v; want NotFound", id, p.ID, err)
			}
		}
		if p, err := d.Person(t.Context(), "O*Brien(x)"); err != nil || p.ID != "o*brien(x)" {
			t.Errorf("a name with filter characters: %q, %v", p.ID, err)
		}
	})
}

// ldap.md §4.5.
func TestStatusOnEverySource(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		d := open(t, opt)
		opt.ServiceOnly = true
		strict := open(t, opt)
		for id, want := range map[string][2]bool{
			"jdoe": {true, true}, "gone": {false, false}, "denied": {false, false}, "overruled": {true, true},
			"left": {false, false}, "shut@closed.com": {false, false}, "tchang": {true, false}, "aud100": {true, true},
		} {
			for i, dir := range []*Directory{d, strict} {
				if p, err := dir.Person(t.Context(), id); err != nil || p.Active != want[i] {
					t.Errorf("%s active %v (%v), want %v; service only: %v", id, p.Active, err, want[i], i == 1)
				}
			}
		}
	})
}

func TestBackEndOfADomainOnEverySource(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		d := open(t, opt)
		for domain, want := range map[string]string{"siroe.com": "calendar2.siroe.com", "SIROE.com": "calendar2.siroe.com", "sesta.com": "", "elsewhere.org": "", "": ""} {
			if got, err := d.BackEnd(t.Context(), domain); got != want || err != nil {
				t.Errorf("%q: %q, %v; want %q", domain, got, err, want)
			}
		}
	})
}

func TestByMailOnEverySource(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		d := open(t, opt)
		for addr, want := range map[string]string{
			"john.doe@sesta.com": "jdoe", "JD@Sesta.com": "jdoe", "marketing@sesta.com": "marketing",
			"tchang@sesta.com": "tchang", "jdoe@siroe.com": "jdoe@siroe.com", "aud100@sesta.com": "aud100",
			"shared@sesta.com": "", "ring@sesta.com": "", "x@elsewhere.org": "", "*@sesta.com": "", "jdoe": "", "": "",
			"john.doe@sesta.com)(uid=*": "", "john.doe@sesta.com\n": "",
		} {
			p, err := d.ByMail(t.Context(), addr)
			if want == "" && !errors.Is(err, calendar.NotFound) || want != "" && (err != nil || p.ID != want) {
				t.Errorf("ByMail(%q) = %q, %v; want %q", addr, p.ID, err, want)
			}
		}
	})
}

func TestSearchOnEverySource(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		d := open(t, opt)
		everybody := []string{"all", "aud100", "beamer", "dept17", "jsmith", "jdoe", "jdoe@siroe.com", "ceo", "marketing", "overruled", "o*brien(x)", "tchang"}
		for _, c := range []struct {
			q    calendar.PeopleQuery
			want []string
			more bool
		}{
			{calendar.PeopleQuery{}, everybody, false},
			{calendar.PeopleQuery{Limit: 3}, everybody[:3], true},
			{calendar.PeopleQuery{Limit: len(everybody)}, everybody, false},
			{calendar.PeopleQuery{Text: "doe"}, []string{"jdoe", "jdoe@siroe.com"}, false},
			{calendar.PeopleQuery{Text: "TÖM"}, []string{"tchang"}, false},
			{calendar.PeopleQuery{Text: "shared@"}, []string{"jsmith", "jdoe"}, false},
			{calendar.PeopleQuery{Text: "*"}, []string{"o*brien(x)"}, false},
			{calendar.PeopleQuery{Text: ")(uid=*"}, nil, false},
			{calendar.PeopleQuery{Text: `\2a`}, nil, false},
			{calendar.PeopleQuery{Text: "a\x00"}, nil, false},
			{calendar.PeopleQuery{Name: "o", Mail: "sesta", ID: "j"}, []string{"jdoe"}, false},
			{calendar.PeopleQuery{ID: "jdoe@siroe.com", Exact: true}, []string{"jdoe", "jdoe@siroe.com"}, false},
			{calendar.PeopleQuery{Name: "john doe", Exact: true}, []string{"jdoe"}, false},
			{calendar.PeopleQuery{Name: "john", Exact: true}, nil, false},
			{calendar.PeopleQuery{Text: "gone"}, nil, false},
			{calendar.PeopleQuery{Kinds: []calendar.PersonKind{calendar.Room}}, []string{"aud100"}, false},
			{calendar.PeopleQuery{Kinds: []calendar.PersonKind{calendar.Group, calendar.Resource}}, []string{"all", "beamer", "dept17", "marketing"}, false},
		} {
			found, more, err := d.Search(t.Context(), c.q)
			var ids []string
			for _, p := range found {
				ids = append(ids, p.ID)
			}
			if err != nil || !slices.Equal(ids, c.want) || more != c.more {
				t.Errorf("Search(%+v) = %q, %v, %v; want %q, %v", c.q, ids, more, err, c.want, c.more)
			}
		}
	})
}

// ldap.md §5.6.
func TestMembersOnEverySource(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		d := open(t, opt)
		for _, c := range []struct {
			group string
			deep  bool
			limit int
			want  []string
			more  bool
		}{
			{"marketing", true, 0, []string{"jsmith", "jdoe", "jdoe@siroe.com"}, false},
			{"marketing", false, 0, []string{"jsmith", "jdoe", "jdoe@siroe.com"}, false},
			{"dept17", true, 0, []string{"jdoe", "o*brien(x)", "tchang"}, false},
			{"all", true, 0, []string{"aud100", "dept17", "gone", "jsmith", "jdoe", "jdoe@siroe.com", "marketing", "o*brien(x)", "tchang"}, false},
			{"all", true, 9, []string{"aud100", "dept17", "gone", "jsmith", "jdoe", "jdoe@siroe.com", "marketing", "o*brien(x)", "tchang"}, false},
			{"all", false, 0, []string{"aud100", "dept17", "marketing"}, false}, // the mailing list in it is nobody
		} {
			found, more, err := d.Members(t.Context(), c.group, c.deep, c.limit)
			var ids []string
			for _, p := range found {
				ids = append(ids, p.ID)
			}
			if err != nil || !slices.Equal(ids, c.want) || more != c.more {
				t.Errorf("Members(%s, %v, %d) = %q, %v, %v; want %q, %v", c.group, c.deep, c.limit, ids, more, err, c.want, c.more)
			}
		}
		if found, more, err := d.Members(t.Context(), "all", true, 2); len(found) != 2 || !more || err != nil {
			t.Errorf("limit 2: %d, %v, %v", len(found), more, err)
		}
		for _, id := range []string{"jdoe", "nobody", "", "ring"} {
			if _, _, err := d.Members(t.Context(), id, true, 0); !errors.Is(err, calendar.NotFound) {
				t.Errorf("Members(%q): %v", id, err)
			}
		}
	})
}

func TestGroupsOnEverySource(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		d := open(t, opt)
		for _, c := range []struct {
			id   string
			deep bool
			want []string
		}{
			{"jdoe", false, []string{"marketing"}}, // sales@sesta.com is nobody's
			{"jdoe", true, []string{"all", "marketing"}},
			{"JDOE@siroe.com", true, []string{"all", "marketing"}},
			{"aud100", false, []string{"all"}},
			{"marketing", false, []string{"all"}},
			{"all", true, nil}, // the ring does not lead back
			{"tchang", false, nil},
		} {
			found, err := d.Groups(t.Context(), c.id, c.deep)
			var ids []string
			for _, p := range found {
				ids = append(ids, p.ID)
			}
			if err != nil || !slices.Equal(ids, c.want) {
				t.Errorf("Groups(%s, %v) = %q, %v; want %q", c.id, c.deep, ids, err, c.want)
			}
		}
		for _, id := range []string{"nobody", ""} {
			if _, err := d.Groups(t.Context(), id, true); !errors.Is(err, calendar.NotFound) {
				t.Errorf("Groups(%q): %v", id, err)
			}
		}
	})
}

func TestLoginOnEverySource(t *testing.T) {
	both(t, func(t *testing.T, opt Options) {
		l := logins(t, open(t, opt), LoginOptions{AppPasswords: filepath.Join(t.TempDir(), "apps")})
		here := netip.MustParseAddr("192.0.2.1")
		for _, c := range []struct{ user, password, want string }{
			{"jdoe", "jdoe-secret", "jdoe"},
			{"JDoe", "jdoe-secret", "jdoe"},
			{"jdoe@sesta.com", "jdoe-secret", "jdoe"},
			{"jdoe+sesta.com", "jdoe-secret", "jdoe"},
			{"john.doe@sesta.com", "jdoe-secret", "jdoe"},
			{"jd@sesta.com", "jdoe-secret", "jdoe"},
			{"jsmith", "jsmith-secret", "jsmith"},
			{"jdoe@siroe.com", "siroe-secret", "jdoe@siroe.com"},
			{"o*brien(x)", "star-secret", "o*brien(x)"},
			{"tchang@sesta.com", "tchang-secret", "tchang"},
			{"jdoe", "siroe-secret", ""},
			{"jdoe@siroe.com", "jdoe-secret", ""},
			{"jdoe@nowhere.org", "jdoe-secret", ""},
			{"jdoe", "JDOE-SECRET", ""},
			{"jdoe", "", ""},
			{"", "", ""},
			{"", "jdoe-secret", ""},
			{"nobody", "", ""},
			{"nobody", "x", ""},
			{"gone", "gone-secret", ""},
			{"denied", "denied-secret", ""},
			{"shut@closed.com", "shut-secret", ""},
			{"ceo@siroe.com", "foreign-secret", ""},
			{"marketing", "x", ""},
			{"*", "jdoe-secret", ""},
			{"jd*", "jdoe-secret", ""},
			{"jdoe)(|(uid=*", "jdoe-secret", ""},
			{"jdoe\x00", "jdoe-secret", ""},
			{"jdoe", "jdoe-secret\x00", ""},
			{"jdoe", "jdoe-secret\r\n", ""},
			{"jdoe\r", "jdoe-secret", ""},
			{"\xffjdoe", "jdoe-secret", ""},
			{"jdoe", strings.Repeat("x", 5000), ""},
		} {
			for range 2 { // the second time from memory
				p, err := l.Login(t.Context(), c.user, c.password, from(here))
				if c.want == "" && !errors.Is(err, calendar.LoginFailed) || c.want != "" && (err != nil || p.ID != c.want) {
					t.Errorf("Login(%q, %.20q) = %q, %v; want %q", c.user, c.password, p.ID, err, c.want)
				}
			}
		}
		if p, err := l.Login(t.Context(), "jdoe", "jdoe-secret", from(here)); err != nil || !slices.Contains(p.Groups, "marketing") {
			t.Errorf("groups after log-in: %v, %v", p.Groups, err)
		}
	})
}

// logins makes a Logins whose failures do not take time and whose buckets are large.
func logins(t testing.TB, d *Directory, opt LoginOptions) *Logins {
	t.Helper()
	def(&opt.Limits, &Limits{})
	if opt.Sleep == nil {
		opt.Sleep = func(context.Context, time.Duration) {}
	}
	l, err := NewLogins(d, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}
