package directory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
)

func openApps(t *testing.T, path string) *AppPasswords {
	t.Helper()
	a, err := OpenAppPasswords(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func TestAppPasswordsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.ldif.apppasswords")
	a, c := openApps(t, path), newClock()
	a.now = c.now
	first, token, err := a.Create("ANNA", " phone ")
	if err != nil || first.User != "anna" || first.Label != "phone" {
		t.Fatal(first, err)
	}
	c.move(time.Hour)
	if _, _, err := a.Create("anna", "tablet"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Create("bob", ""); err != nil {
		t.Fatal(err)
	}
	if u, id, ok := a.check(token); !ok || u != "anna" || id != first.ID {
		t.Errorf("check: %q, %q, %v", u, id, ok)
	}
	list := a.List("anna")
	if len(list) != 2 || list[0].Label != "phone" || list[1].Label != "tablet" || list[0].Hash != "" || !list[0].LastUsed.Equal(c.now()) || !list[1].LastUsed.IsZero() {
		t.Errorf("list: %+v", list)
	}
	if err := a.Close(); err != nil { // writes the last use
		t.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(raw), token) || strings.Contains(string(raw), token[13:]) {
		t.Errorf("the file holds the secret, or is not there: %v", err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	b := openApps(t, path)
	if got := b.List("anna"); len(got) != 2 || !got[0].LastUsed.Equal(c.now()) {
		t.Errorf("read again: %+v", got)
	}
	if err := b.Revoke("bob", first.ID); !errors.Is(err, calendar.NotFound) {
		t.Errorf("revoked by another user: %v", err)
	}
	if err := b.Revoke("anna", first.ID); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := b.check(token); ok {
		t.Error("a revoked token holds")
	}
	if err := b.RevokeAll("anna"); err != nil || len(b.List("anna")) != 0 || len(b.List("bob")) != 1 {
		t.Errorf("revoke all: %v", err)
	}
}

// The tool and the server have the file open at the same time.
func TestAppPasswordsOfTwoPrograms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apps")
	server, tool := openApps(t, path), openApps(t, path)
	var wg sync.WaitGroup
	for _, a := range []*AppPasswords{server, tool} {
		for range 10 {
			wg.Go(func() {
				if _, _, err := a.Create("anna", "x"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	p, token, err := tool.Create("anna", "y")
	if err != nil {
		t.Fatal(err)
	}
	server.poll()
	if n := len(server.List("anna")); n != 21 {
		t.Errorf("%d app passwords, want 21", n)
	}
	server.check(token)
	if err := tool.Revoke("anna", p.ID); err != nil {
		t.Fatal(err)
	}
	if err := server.flush(); err != nil { // the last use of a revoked one does not bring it back
		t.Fatal(err)
	}
	if _, _, ok := server.check(token); ok || server.exists(p.ID, "anna") {
		t.Error("revoked by the tool, but it holds in the server")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	server.poll()
	if n := len(server.List("anna")); n != 0 {
		t.Errorf("%d app passwords without a file", n)
	}
}

func TestAppPasswordsRefuse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "apps")
	a := openApps(t, path)
	for _, c := range [][2]string{{"", "x"}, {"a:b", "x"}, {"a\nb", "x"}, {"anna", "a\nb"}, {"anna", strings.Repeat("x", 201)}, {"anna", "\xff"}} {
		if _, _, err := a.Create(c[0], c[1]); !errors.Is(err, calendar.Invalid) {
			t.Errorf("%q: %v", c, err)
		}
	}
	for _, token := range []string{"", "app-", "app-x", "app--", "app-x-y", "one"} {
		if _, _, ok := a.check(token); ok {
			t.Errorf("%q holds", token)
		}
	}
	for range maxAppsOfUser {
		if _, _, err := a.Create("anna", ""); err != nil {
			t.Fatal(err)
		}
		if len(a.List("anna")) == 3 { // the rest without a sync each
			break
		}
	}
	list, _, err := readAppFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(list); i < maxAppsOfUser; i++ {
		p := list[0]
		list = append(list, p)
	}
	if err := a.update(func([]AppPassword) ([]AppPassword, error) { return list, nil }); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Create("anna", ""); !errors.Is(err, calendar.TooMany) {
		t.Errorf("one too many: %v", err)
	}
	// A broken file keeps the old content.
	writeFile(t, path, "{\"id\":\"x\"\n")
	a.poll()
	if len(a.List("anna")) == 0 {
		t.Error("a broken file emptied the list")
	}
	if _, err := OpenAppPasswords(path, nil); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("opened a broken file: %v", err)
	}
	if _, _, err := a.Create("anna", ""); err == nil {
		t.Error("wrote over a broken file")
	}
}
