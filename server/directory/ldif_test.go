package directory

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
)

func person(id, name string) string {
	return fmt.Sprintf("dn: uid=%[1]s,o=x\nobjectClass: person\nuid: %[1]s\ncn: %[2]s\nmail: %[1]s@example.com\n\n", id, name)
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestFileIsReadAgain(t *testing.T) {
	var log syncBuffer
	opt := ldifOptions(t, person("anna", "Anna"))
	opt.PollEvery = time.Millisecond
	opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	d := open(t, opt)
	name := func(id string) string {
		p, err := d.Person(t.Context(), id)
		if err != nil && !errors.Is(err, calendar.NotFound) {
			t.Error(err)
		}
		return p.Name
	}
	if name("anna") != "Anna" {
		t.Fatal("not read")
	}
	writeFile(t, opt.LDIF, person("anna", "Anna B")+person("bob", "Bob")) // replaced
	until(t, func() bool { return name("anna") == "Anna B" && name("bob") == "Bob" })

	f, err := os.OpenFile(opt.LDIF, os.O_APPEND|os.O_WRONLY, 0) // written in place
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(person("carl", "Carl")); err != nil {
		t.Fatal(err)
	}
	f.Close()
	until(t, func() bool { return name("carl") == "Carl" })

	writeFile(t, opt.LDIF, person("anna", "Gone")+"broken\n")
	until(t, func() bool { return d.Ping(t.Context()) != nil })
	polls := 0
	until(t, func() bool { polls++; return polls > 50 })
	if name("anna") != "Anna B" || name("carl") != "Carl" {
		t.Error("a broken file was taken")
	}
	if err := d.Refresh(); err == nil || !strings.Contains(err.Error(), "line 7") {
		t.Errorf("refresh: %v", err)
	}
	if n := strings.Count(log.String(), "not taken"); n != 1 {
		t.Errorf("told %d times:\n%s", n, log.String())
	}
	if err := os.Remove(opt.LDIF); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return strings.Count(log.String(), "not taken") == 2 })
	if name("anna") != "Anna B" {
		t.Error("forgotten with the file")
	}
	writeFile(t, opt.LDIF, person("anna", "Anna C"))
	until(t, func() bool { return name("anna") == "Anna C" && d.Ping(t.Context()) == nil })
	if name("bob") != "" {
		t.Error("bob is still there")
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	opt := ldifOptions(t, "dn: uid=a\nuid a\n")
	if _, err := Open(opt); err == nil || !strings.Contains(err.Error(), opt.LDIF+": line 2: ") {
		t.Error(err)
	}
	opt.LDIF += "x"
	if _, err := Open(opt); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	for _, bad := range []Options{
		{}, {AuthFilter: "(uid="}, {LDAP: LDAPOptions{Hosts: []string{"localhost"}}},
		{LDAP: LDAPOptions{Hosts: []string{"http://x"}, BaseDN: "o=x"}}, {LDAP: LDAPOptions{Hosts: []string{""}, BaseDN: "o=x"}},
		{LDAP: LDAPOptions{Hosts: []string{"x"}, BaseDN: "not a name"}}, {LDAP: LDAPOptions{Hosts: []string{"x"}, BaseDN: "o=x", BindDN: "cn=a"}},
		{LDIF: t.TempDir()},
	} {
		if d, err := Open(bad); err == nil {
			d.Close()
			t.Errorf("%+v was opened", bad)
		}
	}
}

// A uid that looks like one of another domain would take its owner's place.
func TestForeignLookingIDs(t *testing.T) {
	d, err := newDirectory(Options{DefaultDomain: "a.com"})
	if err != nil {
		t.Fatal(err)
	}
	a, b := &domain{name: "a.com"}, &domain{name: "b.com"}
	ds := &domains{def: a, byName: map[string]*domain{"a.com": a, "b.com": b}}
	for _, c := range []struct {
		uid  string
		in   *domain
		want string
	}{
		{"Bob", a, "bob"}, {"bob", b, "bob@b.com"}, {"bob@a.com", a, "bob"}, {"bob@b.com", b, "bob@b.com"},
		{"bob@b.com", a, ""}, {"bob@a.com", b, ""}, {"bob@c.com", a, "bob@c.com"}, {"", a, ""}, {"a:b", a, ""}, {"a/b", a, ""},
	} {
		e := &entry{attrs: []attribute{{"uid", []string{c.uid}}}}
		if got := d.idOf(e, calendar.Individual, ds, c.in); got != c.want {
			t.Errorf("uid %s in %s: %q, want %q", c.uid, c.in.name, got, c.want)
		}
	}
}

// Deep and wide nests of groups end.
func TestGroupLimits(t *testing.T) {
	var b strings.Builder
	b.WriteString(person("anna", "Anna"))
	for i := range 40 {
		fmt.Fprintf(&b, "dn: cn=g%d,o=x\nobjectClass: icsCalendarGroup\nobjectClass: groupOfUniqueNames\ngroupid: g%[1]d\ncn: g%[1]d\nuniqueMember: cn=g%d,o=x\nuniqueMember: cn=g%d,o=x\n", i, i+1, (i+20)%40)
		if i == 39 {
			b.WriteString("uniqueMember: uid=anna,o=x\n")
		}
		b.WriteString("\n")
	}
	d := open(t, ldifOptions(t, b.String()))
	for _, id := range []string{"g0", "g39", "g20"} {
		if _, _, err := d.Members(t.Context(), id, true, 0); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	p, err := d.Person(t.Context(), "anna")
	if err != nil || len(p.Groups) == 0 || len(p.Groups) > 40 {
		t.Errorf("%d groups, %v", len(p.Groups), err)
	}
}
