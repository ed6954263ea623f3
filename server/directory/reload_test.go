package directory

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"

	"factotum/server/calendar"
)

func threePeople(anna, bob, carl string) string {
	var b strings.Builder
	for _, p := range [][2]string{{"anna", anna}, {"bob", bob}, {"carl", carl}} {
		fmt.Fprintf(&b, "# %[1]s\ndn: uid=%[1]s,o=x\nobjectClass: person\nuid: %[1]s\ncn: %[1]s\nuserPassword: %[2]s\n\n", p[0], cheapHash(p[1]))
	}
	return b.String()
}

// While a large file is read after a change, who is remembered and is not what
// changed does not wait; who is, and who logs in, does.
func TestReloadHoldsUpWhomItIsAbout(t *testing.T) {
	d := open(t, ldifOptions(t, threePeople("one", "one", "one")))
	l := logins(t, d, LoginOptions{})
	file := d.src.(*ldifSource)
	file.watched.fresh = 0
	login := func(user, password string) error {
		_, err := l.Login(t.Context(), user, password, Client{})
		return err
	}
	for _, u := range []string{"anna", "bob", "carl"} {
		if err := login(u, "one"); err != nil {
			t.Fatal(err)
		}
	}
	reading, read := make(chan struct{}), make(chan struct{})
	file.loading = func() { close(reading); <-read }
	writeFile(t, d.opt.LDIF, threePeople("one", "two", "one"))
	var wg sync.WaitGroup
	waits := make(chan string, 2)
	wg.Go(func() {
		if err := login("bob", "one"); calendar.KindOf(err) != calendar.LoginFailed {
			t.Errorf("bob with his old password: %v", err)
		}
		waits <- "bob"
	})
	<-reading
	wg.Go(func() {
		if err := login("bob", "two"); err != nil {
			t.Errorf("bob with his new password: %v", err)
		}
		waits <- "bob"
	})
	for _, u := range []string{"anna", "carl", "anna"} { // would hang
		if err := login(u, "one"); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
	if len(waits) != 0 {
		t.Error("bob did not wait for his entry to be read")
	}
	close(read)
	wg.Wait()
	file.loading = nil
	if err := login("anna", "one"); err != nil {
		t.Error(err)
	}
}

// What is found to differ holds every entry that does.
func TestDifferences(t *testing.T) {
	base := threePeople("one", "one", "one")
	lines := strings.SplitAfter(base, "\n")
	without := func(from, to int) string { return strings.Join(lines[:from], "") + strings.Join(lines[to:], "") }
	for _, c := range []struct{ name, now, touched string }{
		{"nothing", base, ""},
		{"one password", threePeople("one", "two", "one"), "bob"},
		{"the first", threePeople("two", "one", "one"), "anna"},
		{"the last", threePeople("one", "one", "two"), "carl"},
		{"two of them", threePeople("two", "one", "two"), "anna bob carl"},
		{"one is gone", without(7, 14), "bob"},
		{"the last is gone", without(14, 21), "carl"},
		{"a line is added", strings.Replace(base, "uid: bob\n", "uid: bob\nicsStatus: inactive\n", 1), "bob"},
		{"a line is added at the end", strings.Replace(base, "\n\n# carl", "\nicsStatus: inactive\n\n# carl", 1), "bob"},
		{"all are gone", "", "anna bob carl"},
		{"a domain", base + "dn: o=y\nobjectClass: inetDomain\no: y\n", "anna bob carl"},
	} {
		sn := newSnapshotOf(t, base)
		from, to := sn.differ([]byte(base), []byte(c.now))
		r := reload{from: from, to: to}
		touched := map[string]bool{}
		for _, e := range sn.entries {
			touched[e.one("uid")] = r.touches(e)
		}
		for _, u := range strings.Fields(c.touched) {
			if !touched[u] {
				t.Errorf("%s: lines %d to %d miss %s", c.name, from, to, u)
			}
		}
		if c.name == "one password" && (touched["anna"] || touched["carl"]) {
			t.Errorf("%s: lines %d to %d are others' too", c.name, from, to)
		}
	}
	domain := "dn: o=x\nobjectClass: inetDomain\no: x\nicsStatus: active\n\n"
	sn := newSnapshotOf(t, domain+base)
	if from, to := sn.differ([]byte(domain+base), []byte(strings.Replace(domain, "active", "inactive", 1)+base)); from != 0 || to != math.MaxInt {
		t.Errorf("a domain that is shut touches lines %d to %d", from, to)
	}
}

func newSnapshotOf(t *testing.T, text string) *snapshot {
	t.Helper()
	d, err := newDirectory(Options{LDIF: "x", DefaultDomain: "x"})
	if err != nil {
		t.Fatal(err)
	}
	sn, err := d.newSnapshot([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return sn
}

// A file that cannot be read is told once, and keeps nobody waiting.
func TestReloadThatFails(t *testing.T) {
	var log bytes.Buffer
	opt := ldifOptions(t, threePeople("one", "one", "one"))
	opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	d := open(t, opt)
	l := logins(t, d, LoginOptions{})
	d.src.(*ldifSource).watched.fresh = 0
	login := func() {
		t.Helper()
		if _, err := l.Login(context.Background(), "anna", "one", Client{}); err != nil {
			t.Fatal(err)
		}
	}
	login()
	writeFile(t, opt.LDIF, "no LDIF at all\n")
	for range 5 {
		login()
		d.src.look()
	}
	if n := strings.Count(log.String(), "not taken"); n != 1 {
		t.Errorf("told %d times: %s", n, &log)
	}
	writeFile(t, opt.LDIF, threePeople("one", "two", "one"))
	login()
	if _, err := l.Login(context.Background(), "bob", "two", Client{}); err != nil {
		t.Errorf("after it was mended: %v", err)
	}
}
