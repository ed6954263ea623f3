package directory

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"factotum/server/directory/ldaptest"
)

// What a session notes is the same in every process, and another after each
// change of the password; other changes of the entry do not touch it.
func TestCredentialOfFile(t *testing.T) {
	d := annaDirectory(t)
	one, two := logins(t, d, LoginOptions{}), logins(t, open(t, Options{LDIF: d.opt.LDIF, DefaultDomain: "sesta.com"}), LoginOptions{})
	for _, l := range []*Logins{one, two} {
		l.dir.src.(*ldifSource).watched.fresh, l.apps.watched.fresh = 0, 0
	}
	ctx := t.Context()
	write := func(password, status string) {
		t.Helper()
		writeFile(t, d.opt.LDIF, fmt.Sprintf(annaFile, cheapHash(password), status))
	}
	noted := one.Credential(ctx, "anna", "one")
	if noted == "" || noted != two.Credential(ctx, "anna", "one") {
		t.Fatalf("two processes note %q and %q", noted, two.Credential(ctx, "anna", "one"))
	}
	for _, c := range []struct {
		password, status string
		stands           bool
	}{{"one", "active", true}, {"two", "active", false}, {"one", "inactive", false}, {"one", "active", true}} {
		write(c.password, c.status)
		for _, l := range []*Logins{one, two} {
			if got := l.Stands(ctx, "anna", noted); got != c.stands {
				t.Errorf("password %s, %s: the session stands %v", c.password, c.status, got)
			}
		}
	}
	if one.Stands(ctx, "nobody", noted) {
		t.Error("a session of nobody stands")
	}
	if !one.Stands(ctx, "anna", "") {
		t.Error("a session of an earlier release, which noted nothing, does not stand")
	}
	app, token, err := one.apps.Create("anna", "")
	if err != nil {
		t.Fatal(err)
	}
	opened := two.Credential(ctx, "anna", token)
	write("two", "active")
	if !two.Stands(ctx, "anna", opened) || two.Stands(ctx, "bob", opened) {
		t.Error("what an app password opened goes by the password, or is anybody's")
	}
	if err := one.apps.Revoke("anna", app.ID); err != nil {
		t.Fatal(err)
	}
	if two.Stands(ctx, "anna", opened) {
		t.Error("what an app password opened outlives it")
	}
}

func TestCredentialOfLDAP(t *testing.T) {
	s := ldaptest.Start(t, people(t, func(p string) string { return p }))
	c := newClock()
	l := logins(t, open(t, ldapOptions(s)), LoginOptions{Now: c.now, AppPasswords: filepath.Join(t.TempDir(), "apps")})
	dn := "uid=jdoe,ou=People,o=sesta.com,o=usergroup"
	noted := l.Credential(t.Context(), "jdoe", "jdoe-secret")
	s.Modify(dn, "icsDWPHost", "back.example.com") // as front ends do after the first log-in
	c.move(61 * time.Second)
	if !l.Stands(t.Context(), "jdoe", noted) {
		t.Error("a session ends with a change that is none of the password")
	}
	s.Modify(dn, "icsStatus", "inactive")
	if !l.Stands(t.Context(), "jdoe", noted) {
		t.Error("LDAP was asked again within the minute")
	}
	l.Forget("jdoe")
	if l.Stands(t.Context(), "jdoe", noted) {
		t.Error("a session of who is shut out stands")
	}
	s.Modify(dn, "icsStatus", "active")
	l.Forget("jdoe")
	if !l.Stands(t.Context(), "jdoe", noted) {
		t.Error("a session of who is let in again does not stand")
	}
	s.Stop()
	c.move(61 * time.Second)
	if !l.Stands(t.Context(), "jdoe", noted) {
		t.Error("sessions end while LDAP is away")
	}
	s.Restart()
	s.Modify(dn, "icsStatus", "inactive")
	if !l.Stands(t.Context(), "jdoe", noted) {
		t.Error("LDAP is asked for each request while it is away")
	}
	c.move(61 * time.Second)
	if l.Stands(t.Context(), "jdoe", noted) {
		t.Error("who was shut out meanwhile is not noticed")
	}
}
