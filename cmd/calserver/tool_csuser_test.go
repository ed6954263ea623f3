package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
	"factotum/server/directory/ldaptest"
)

// csuserStep runs one call and returns its exit code and what it says.
func csuserStep(t *testing.T, cfg *config.Config, be *backend, typed string, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	o := newUserOptions(stdio{strings.NewReader(typed), &out, &out})
	o.store = func(context.Context) (*backend, error) { return be, nil }
	code := o.run(t.Context(), args, func(ctx context.Context, words []string) error {
		if err := o.check(words); err != nil {
			return err
		}
		return o.do(ctx, cfg, words)
	})
	return code, out.String()
}

// mayLogin tries a name and password as a client would.
func mayLogin(t *testing.T, cfg *config.Config, user, password string) bool {
	t.Helper()
	dir, err := openDirectory(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	opt := loginOptions(cfg, nil)
	opt.Sleep = func(context.Context, time.Duration) {}
	l, err := directory.NewLogins(dir, opt)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = l.Login(t.Context(), user, password, directory.Client{})
	if err != nil && calendar.KindOf(err) != calendar.LoginFailed {
		t.Fatal(err)
	}
	return err == nil
}

func TestCsuser(t *testing.T) {
	people, _, cfg := testPeople(t)
	cfg.Auth.PasswordFile = filepath.Join(t.TempDir(), "apps")
	be := testBackend(t, people)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("from-a-file\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do := func(code int, says, typed string, args ...string) string {
		t.Helper()
		got, out := csuserStep(t, cfg, be, typed, args...)
		if got != code || !strings.Contains(out, says) {
			t.Errorf("csuser %q: exit %d, want %d and %q\n%s", args, got, code, says, out)
		}
		return out
	}
	login := func(want bool, user, password string) {
		t.Helper()
		if got := mayLogin(t, cfg, user, password); got != want {
			t.Errorf("login of %s: %v, want %v", user, got, want)
		}
	}

	do(0, "tchang: made", "typed-one\n", "-m", "tchang@sesta.com", "-g", "Tony", "-s", "Chang", "create", "tchang")
	login(true, "tchang", "typed-one")
	do(1, "taken", "", "-y", "x", "create", "TChang")
	do(1, "no password was given", "", "create", "empty")
	do(2, "exclude each other", "", "-y", "x", "--generate", "create", "two")
	do(2, "cscal", "", "-a", "@^a^r^g", "create", "two")
	do(2, "csuser", "", "create")
	do(2, "not a command", "", "check-out", "tchang")
	do(0, "made", "", "-f", secret, "create", "bert")
	login(true, "bert", "from-a-file")
	made := do(0, "password: ", "", "--generate", "password", "bert")
	login(true, "bert", regexp.MustCompile(`password: (\S+)`).FindStringSubmatch(made)[1])
	login(false, "bert", "from-a-file")
	do(0, "Tony Chang", "", "list", "tchang")
	if out := do(0, "tchang\tTony Chang\ttchang@sesta.com\tenabled\n", "", "list"); strings.Count(out, "\n") != 2 {
		t.Errorf("list: %s", out)
	}
	do(1, "nobody is not in the directory", "", "list", "nobody")

	do(0, "tchang: disabled", "", "disable", "tchang")
	do(0, "tchang\tTony Chang\ttchang@sesta.com\tdisabled\n", "", "list")
	login(false, "tchang", "typed-one")
	do(1, "may not use", "", "check", "tchang")
	do(0, "tchang: enabled", "", "enable", "tchang")
	do(0, "may use", "", "check", "tchang")
	login(true, "tchang", "typed-one")

	token := strings.Fields(do(0, "shown this once", "", "app-password", "add", "tchang", "phone"))
	login(true, "tchang", token[len(token)-1])
	list := do(0, "phone", "", "app-password", "list", "tchang")
	id := strings.Fields(list)[0]
	do(1, "no app password", "", "app-password", "revoke", "bert", id)
	do(0, "revoked", "", "app-password", "revoke", "tchang", id)
	login(false, "tchang", token[len(token)-1])
	do(2, "add, list or revoke", "", "app-password", "show", "tchang")

	if _, err := be.calendar(t.Context(), "tchang"); err != nil {
		t.Fatal(err)
	}
	if out := do(1, "taken", "", "-y", "x", "create", "TChang"); strings.Contains(out, "earlier") { // his own, and no reason to remove them
		t.Error(out)
	}
	tooltest.Import(t, be, "tchang", "a.ics", tooltest.Calendar(tooltest.Event("1", "A")))
	if _, err := be.CreateCalendar(t.Context(), be.who, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "tchang:more"}, DefaultACL: true}); err != nil {
		t.Fatal(err)
	}
	do(1, "Delete the user tchang? With it these calendars: tchang (1 object). (y/n) csuser: not confirmed", "n\n", "delete", "tchang")
	login(true, "tchang", "typed-one")
	out := do(0, "1 other calendar stays", "y\n", "delete", "tchang")
	if m := regexp.MustCompile(`what was in the calendars is in (\S+)`).FindStringSubmatch(out); m == nil {
		t.Error(out)
	} else if list, err := os.ReadDir(filepath.Join(m[1], "calendar")); err != nil || len(list) != 1 || !strings.HasPrefix(m[1], filepath.Join(cfg.Data, "deleted", "tchang-")) {
		t.Errorf("%s: %v %v", m[1], list, err)
	}
	login(false, "tchang", "typed-one")
	if _, err := be.Calendar(t.Context(), be.who, "tchang"); calendar.KindOf(err) != calendar.NoCalendar {
		t.Errorf("the default calendar: %v", err)
	}
	if _, err := be.Calendar(t.Context(), be.who, "tchang:more"); err != nil {
		t.Errorf("the other calendar: %v", err)
	}
	do(1, "calendars of an earlier tchang, tchang:more among them", "", "--generate", "create", "TChang")
	login(false, "tchang", "typed-one")
	do(0, "made", "", "-y", "long enough 1", "--with-calendars", "create", "tchang")
	tooltest.Import(t, be, "tchang:more", "a.ics", tooltest.Calendar(tooltest.Event("1", "A")))
	data := cfg.Data
	cfg.Data = secret // a file: nothing can be written there
	do(1, "nothing was deleted, since no copies could be written", "y\n", "--with-calendars", "delete", "tchang")
	login(true, "tchang", "long enough 1")
	cfg.Data = data
	do(0, "With it these calendars: tchang:more (1 object).", "y\n", "--with-calendars", "--no-copies", "delete", "tchang")
	if _, err := be.Calendar(t.Context(), be.who, "tchang:more"); calendar.KindOf(err) != calendar.NoCalendar {
		t.Errorf("the other calendar is left: %v", err)
	}
	do(0, "made", "", "-y", "long enough 1", "create", "tchang")
	do(0, "deleted", "y\n", "delete", "tchang")
	do(0, "", "", "-q", "reset", "bert")
	do(1, "tchang is not in the directory", "", "-q", "delete", "tchang")
}

// A user is made in the domain that his id names.
func TestCsuserTakesTheDomain(t *testing.T) {
	people, _, cfg := testPeople(t)
	text, err := os.ReadFile(cfg.Directory.LDIF)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cfg.Directory.LDIF, append(text, `
dn: o=sesta.com,o=usergroup
objectClass: organization
objectClass: inetDomain
objectClass: icsCalendarDomain
o: sesta.com
sunPreferredDomain: sesta.com
`...), 0o600); err != nil {
		t.Fatal(err)
	}
	be := testBackend(t, people)
	for _, step := range []struct {
		code int
		says string
		args string
	}{
		{0, "eve: made", "create eve@example.com"},
		{0, "tchang@sesta.com: made", "create TChang@Sesta.com"},
		{0, "tchang@sesta.com", "list tchang@sesta.com"},
		{0, "kim@sesta.com: made", "-d sesta.com create kim"},
		{0, "jo@sesta.com: made", "-d sesta.com create jo@sesta.com"},
		{2, "jo@sesta.com is not in the domain example.com", "-d example.com create jo@sesta.com"},
		{1, "the directory has no such domain", "create eve@elsewhere.org"},
		{2, "is no user id", "create @sesta.com"},
		{1, "the id is taken", "create tchang@sesta.com"},
	} {
		code, out := csuserStep(t, cfg, be, "", append([]string{"-y", "long enough 1"}, strings.Fields(step.args)...)...)
		if strings.HasPrefix(step.args, "list") {
			code, out = csuserStep(t, cfg, be, "", strings.Fields(step.args)...)
		}
		if code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("csuser %s: exit %d, want %d and %q\n%s", step.args, code, step.code, step.says, out)
		}
	}
}

// What an earlier user of a name left goes to another one by csuser inherit only.
func TestCsuserInherit(t *testing.T) {
	people, ed, cfg := testPeople(t, "dora")
	be := testBackend(t, people)
	home := func() error {
		p, err := people.Person(t.Context(), "dora")
		if err != nil {
			t.Fatal(err)
		}
		_, err = be.Home(t.Context(), p.Actor(), calendar.HomeRequest{Owner: "dora"})
		return err
	}
	if err := home(); err != nil {
		t.Fatal(err)
	}
	if err := ed.Delete("dora"); err != nil {
		t.Fatal(err)
	}
	if err := ed.Create(directory.NewPerson{ID: "dora"}); err != nil {
		t.Fatal(err)
	}
	if err := people.Refresh(); err != nil {
		t.Fatal(err)
	}
	if err := home(); calendar.KindOf(err) != calendar.Denied {
		t.Fatalf("the second dora is let in: %v", err)
	}
	for _, step := range []struct {
		code  int
		typed string
		says  string
		args  []string
	}{
		{1, "n\n", "not confirmed", []string{"inherit", "dora"}},
		{1, "y\n", "nobody is not in the directory", []string{"inherit", "nobody"}},
		{0, "y\n", "the calendars of 1 people are theirs", []string{"inherit"}},
	} {
		if code, out := csuserStep(t, cfg, be, step.typed, step.args...); code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("csuser %q: exit %d\n%s", step.args, code, out)
		}
	}
	if err := home(); err != nil {
		t.Errorf("after csuser inherit: %v", err)
	}
}

// A tool does nothing to calendars that another host serves.
func TestToolsGoToTheBackEnd(t *testing.T) {
	people, _, cfg := testPeople(t, "anna")
	cfg.Local.Hostname = "front.example.com"
	cfg.CLD.Type, cfg.DWP.Default = "directory", "back.example.com"
	cfg.DWP.BackEnds = []config.BackEnd{{Host: "back.example.com"}}
	for _, backEnd := range []bool{false, true} {
		cfg.DWP.Enable = backEnd
		for _, owner := range []calendar.Owner{"anna", "nobody"} {
			if err := servedHere(t.Context(), cfg, people, owner); err == nil || !strings.Contains(err.Error(), "back end back.example.com") {
				t.Errorf("%s: %v", owner, err)
			}
		}
	}
	cfg.Local.Hostname = "Back.example.com"
	if err := servedHere(t.Context(), cfg, people, "anna"); err != nil {
		t.Error(err)
	}
	cfg.DWP.Default = ""
	if err := servedHere(t.Context(), cfg, people, "anna"); err != nil {
		t.Errorf("no back end is named: %v", err)
	}
}

func TestCsuserInLDAP(t *testing.T) {
	s := ldaptest.Start(t, `dn: uid=bob,o=usergroup
objectClass: person
objectClass: organizationalPerson
objectClass: inetOrgPerson
objectClass: icsCalendarUser
uid: bob
cn: Bob
sn: Bob
userPassword: bobs-secret
`)
	cfg := config.Default()
	cfg.Directory.Type = "ldap"
	cfg.LDAP.UserGroup.Hosts, cfg.LDAP.UserGroup.BaseDN = []string{s.Addr}, ldaptest.BaseDN
	cfg.LDAP.TLS, cfg.Domain.Root = "none", ""
	for _, step := range []struct {
		admin bool
		code  int
		says  string
		args  []string
	}{
		{false, 0, "bob\tBob", []string{"list"}},
		{false, 1, "local.enduseradmindn", []string{"disable", "bob"}},
		{true, 0, "bob: disabled", []string{"disable", "bob"}},
		{true, 0, "bob\tBob\t\tdisabled", []string{"list"}},
		{true, 1, "may not use", []string{"check", "bob"}},
		{true, 0, "bob: enabled", []string{"enable", "bob"}},
		{true, 0, "may use", []string{"check", "bob"}},
		{true, 1, "is not in the directory", []string{"enable", "nobody"}},
		{true, 1, "ldapadd", []string{"-y", "x", "create", "eve"}},
		{true, 1, "ldappasswd", []string{"-y", "x", "password", "bob"}},
		{true, 0, "bob: reset", []string{"reset", "bob"}},
	} {
		if cfg.LDAP.PrefsBindDN, cfg.LDAP.PrefsBindCred = "", ""; step.admin {
			cfg.LDAP.PrefsBindDN, cfg.LDAP.PrefsBindCred = ldaptest.AdminDN, ldaptest.AdminPassword
		}
		code, out := csuserStep(t, cfg, nil, "y\n", step.args...)
		if code != step.code || !strings.Contains(out, step.says) {
			t.Errorf("csuser %q: exit %d, want %d and %q\n%s", step.args, code, step.code, step.says, out)
		}
	}
}
