package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/tooltest"
	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

// testPeople is a directory file with the given users.
func testPeople(t *testing.T, users ...string) (*directory.Directory, *directory.Editor, *config.Config) {
	t.Helper()
	cfg := config.Default()
	cfg.Data = t.TempDir()
	cfg.Directory.Type, cfg.Directory.LDIF = "ldif", filepath.Join(t.TempDir(), "people.ldif")
	cfg.Domain.Default = "example.com"
	if err := directory.NewLDIF(cfg.Directory.LDIF, "example.com"); err != nil {
		t.Fatal(err)
	}
	opt, err := directoryOptions(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	ed, err := directory.NewEditor(opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if err := ed.Create(directory.NewPerson{ID: u, Given: strings.ToUpper(u), Surname: "Test"}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := directory.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir, ed, cfg
}

// testBackend is a store of its own in this process.
func testBackend(t *testing.T, people calendar.People) *backend {
	t.Helper()
	site := sitetest.New(t, sitetest.Options{People: people})
	return &backend{Backend: site.Backend, who: tooltest.Admin, close: func() {},
		owners: func(ctx context.Context, after calendar.Owner) ([]calendar.Owner, error) {
			return site.Store.Owners(ctx, after, 1) // pages
		},
		inherit: func(ctx context.Context, owner calendar.Owner) (int, error) { return handOver(ctx, site.Model, owner) },
		purge:   site.Model.PurgeGone,
	}
}

func TestCscal(t *testing.T) {
	people, _, cfg := testPeople(t, "anna", "bert")
	be := testBackend(t, people)
	be.cfg = cfg
	// Each step is a call, what is typed, its exit code and what it says.
	for _, step := range []struct {
		args  []string
		typed string
		code  int
		says  []string
	}{
		{[]string{"-n", "Hobbies", "-o", "Anna", "-g", "sports", "-k", "no", "-y", "bert", "create", "personal"}, "", 0, []string{"anna:personal: made"}},
		{[]string{"-o", "anna", "create", "personal"}, "", 1, []string{"exists"}},
		{[]string{"create", "nobody"}, "", 1, []string{"nobody is not in the directory"}},
		{[]string{"-o", "bert", "create", "anna:x"}, "", 2, []string{"anna:x is not a calendar of bert"}},
		{[]string{"list", "anna:personal"}, "", 0, []string{"name           Hobbies", "other owners   bert", "categories     sports", "double booking no", "@@o^a^rsf^g"}},
		{[]string{"-a", "bert^a^rw^g;@^a^f^g", "-d", "our things", "--timezone", "Europe/Berlin", "modify", "anna:personal"}, "", 0, []string{"changed"}},
		{[]string{"list", "anna:personal"}, "", 0, []string{"bert^a^rw^g", "@^a^f^g", "description    our things", "time zone      Europe/Berlin", "name           Hobbies"}},
		{[]string{"-k", "yes", "-n", "", "modify", "anna:personal"}, "", 0, nil},
		{[]string{"list", "anna:personal"}, "", 0, []string{"double booking yes", "description    our things"}},
		{[]string{"-a", "bert^a", "modify", "anna:personal"}, "", 2, []string{"access control list: entry 1"}},
		{[]string{"-k", "maybe", "modify", "anna:personal"}, "", 2, []string{"yes or no"}},
		{[]string{"-m", "x@y", "modify", "anna"}, "", 2, []string{"directory"}},
		{[]string{"modify", "anna:nothing"}, "", 1, []string{"no such calendar"}},
		{[]string{"create", "bert"}, "", 0, []string{"bert: made"}},
		{[]string{"list"}, "", 0, []string{"anna:personal\t\n", "bert\t\n"}},
		{[]string{"-o", "anna", "list"}, "", 0, []string{"anna:personal\t"}},
		{[]string{"reset", "anna:personal"}, "no\n", 1, []string{"not confirmed"}},
		{[]string{"reset", "anna:personal"}, "y\n", 0, []string{"anna:personal: reset"}},
		{[]string{"list", "anna:personal"}, "", 0, []string{"description    \n", "other owners   \n", "@^p^r^g"}},
		{[]string{"delete", "anna:personal"}, "", 1, []string{"-q does it without asking"}},
		{[]string{"delete", "anna:personal"}, "yes\n", 0, []string{"deleted"}},
		{[]string{"list", "anna:personal"}, "", 1, []string{"no such calendar"}},
		{[]string{"-q", "-o", "bert", "delete"}, "", 0, nil},
		{[]string{"-o", "bert", "list"}, "", 0, nil},
		{[]string{"create", "bert"}, "", 0, []string{"bert: made"}},
		{[]string{"disable", "bert"}, "", 0, []string{"bert: disabled"}},
		{[]string{"list", "bert"}, "", 0, []string{"disabled       yes"}},
		{[]string{"-o", "bert", "list"}, "", 0, []string{"\tdisabled\n"}},
		{[]string{"disable", "bert:nothing"}, "", 1, []string{"no such calendar"}},
		{[]string{"disable"}, "", 1, []string{"not confirmed"}},
		{[]string{"-k", "no", "-o", "bert", "enable"}, "", 0, []string{"bert: enabled"}},
		{[]string{"list", "bert"}, "", 0, []string{"double booking no"}},
		{[]string{"disable"}, "y\n", 0, []string{"bert: disabled"}},
		{[]string{"-q", "enable"}, "", 0, nil},
		{[]string{"-o", "bert", "list"}, "", 0, []string{"bert\t\n"}},
		{[]string{"-O", "list"}, "", 0, nil},
		{[]string{"-O", "-o", "bert", "list"}, "", 2, []string{"-O stands alone"}},
		{[]string{"delete"}, "", 2, []string{"delete which"}},
		{[]string{"frob", "x"}, "", 2, []string{`"frob" is not a command`}},
	} {
		var out bytes.Buffer
		code := cscal(t.Context(), step.args, stdio{strings.NewReader(step.typed), &out, &out},
			func(*calOptions) (*backend, *directory.Directory, error) { return be, people, nil })
		if code != step.code {
			t.Errorf("cscal %q: exit %d, want %d\n%s", step.args, code, step.code, &out)
		}
		for _, s := range step.says {
			if !strings.Contains(out.String(), s) {
				t.Errorf("cscal %q does not say %q:\n%s", step.args, s, &out)
			}
		}
		if step.code == 0 && step.says == nil && out.Len() > 0 && step.args[0] == "-q" {
			t.Errorf("cscal %q says %s", step.args, &out)
		}
	}
}

// What belongs to those who are not in the directory is listed, and with -O alone.
func TestCscalOrphans(t *testing.T) {
	people, ed, cfg := testPeople(t, "anna", "bert", "carl")
	be := testBackend(t, people)
	be.cfg = cfg
	call := func(code int, typed string, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		got := cscal(t.Context(), args, stdio{strings.NewReader(typed), &out, &out},
			func(*calOptions) (*backend, *directory.Directory, error) { return be, people, nil })
		if got != code {
			t.Errorf("cscal %q: exit %d\n%s", args, got, &out)
		}
		return out.String()
	}
	for _, id := range []string{"anna", "bert", "bert:more", "carl"} {
		call(0, "", "-n", "", "create", id)
	}
	if err := ed.Delete("bert"); err != nil {
		t.Fatal(err)
	}
	if err := ed.SetEnabled("carl", false); err != nil {
		t.Fatal(err)
	}
	if err := people.Refresh(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ call, says string }{
		{"list", "anna\t\nbert\t\nbert:more\t\ncarl\t\n"},
		{"-O list", "bert\t\nbert:more\t\n"},
		{"-O disable", "bert: disabled\nbert:more: disabled\n"},
		{"-q -O enable", ""},
		{"-O delete", "bert\nbert:more\nDelete all 2 calendars of those who are not in the directory and all that is in them? (y/n) bert: deleted\nbert:more: deleted\n"},
		{"list", "anna\t\ncarl\t\n"},
	} {
		if out := call(0, "y\n", strings.Fields(step.call)...); !strings.HasSuffix(out, step.says) {
			t.Errorf("cscal %s: %s", step.call, out)
		}
	}
	call(1, "", "-O", "delete")
	out := call(0, "", "-v", "list")
	for _, row := range []string{"owner ", "other owners", "description", "categories", "components", "time zone", "color", "order", "charset", "language",
		"double booking", "free/busy", "objects        0", "created", "last modified", "sync token", "access"} {
		if strings.Count(out, "\n  "+row) != 2 {
			t.Errorf("-v list has no %q of both:\n%s", row, out)
		}
	}
}
