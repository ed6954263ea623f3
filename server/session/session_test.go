package session

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/store/storetest/smalldisk"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func open(t *testing.T, dir string, c *clock, change func(*Options)) *Sessions {
	t.Helper()
	opt := Options{Dir: dir, Now: c.now}
	if change != nil {
		change(&opt)
	}
	s, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func begin(t *testing.T, s *Sessions, user string) ID {
	t.Helper()
	id, err := s.New(Session{User: user, Login: user})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func start() *clock { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func TestIDForm(t *testing.T) {
	s := open(t, t.TempDir(), start(), nil)
	seen := map[ID]bool{}
	for range 40 {
		id := begin(t, s, "anna")
		if !regexp.MustCompile(`^[a-z2-7]{26}$`).MatchString(id.Reveal()) || seen[id] {
			t.Fatalf("id %q", id.Reveal())
		}
		seen[id] = true
	}
}

// A full disk keeps nobody out: the session lives in memory, by the same rules.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	smalldisk.Mount(t, dir, 64<<10)
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	c := start()
	s := open(t, dir, c, nil)
	id := begin(t, s, "anna")
	for range 5 {
		c.t = c.t.Add(20 * time.Minute)
		if got, ok := s.Use(id); !ok || got.User != "anna" {
			t.Fatalf("in use: %v %v", got, ok)
		}
		begin(t, s, "bert") // and the directory is looked through
	}
	c.t = c.t.Add(31 * time.Minute)
	if _, ok := s.Use(id); ok {
		t.Error("it has no end")
	}
	id = begin(t, s, "anna")
	if n, err := s.EndUser("anna"); n != 1 || err != nil {
		t.Errorf("ended: %d, %v", n, err)
	}
	if _, ok := s.Use(id); ok {
		t.Error("ended, and it goes on")
	}
	if id = begin(t, s, "anna"); !s.End(id) {
		t.Error("there was none to end")
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	if id = begin(t, s, "anna"); !s.End(id) {
		t.Error("with room again")
	}
}

func TestIDHides(t *testing.T) {
	id := newID()
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "id", id)
	out := b.String() + fmt.Sprintf("%v %s %#v %q", id, id, id, id)
	if strings.Contains(out, id.Reveal()) {
		t.Errorf("the id shows in %s", out)
	}
}

func TestNotInDirectory(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, start(), nil)
	id := begin(t, s, "anna")
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, files[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(files[0].Name()+string(text), id.Reveal()) {
		t.Error("the id is in the directory")
	}
	if info, _ := files[0].Info(); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, ok := s.Use(ID(files[0].Name())); ok {
		t.Error("the file's name works as an id")
	}
}

func TestIdleAndLife(t *testing.T) {
	c := start()
	s := open(t, t.TempDir(), c, func(o *Options) { o.Idle, o.Life = 30*time.Minute, 2*time.Hour })
	id, lazy := begin(t, s, "anna"), begin(t, s, "anna")
	for i := range 4 {
		c.t = c.t.Add(29 * time.Minute)
		if _, ok := s.Use(id); !ok {
			t.Fatalf("ended after use %d", i)
		}
	}
	if _, ok := s.Use(lazy); ok {
		t.Error("lives without use")
	}
	c.t = c.t.Add(5 * time.Minute) // 121 min in all
	if _, ok := s.Use(id); ok {
		t.Error("lives for ever")
	}
}

func TestPeekDoesNotProlong(t *testing.T) {
	c := start()
	s := open(t, t.TempDir(), c, nil)
	id := begin(t, s, "anna")
	c.t = c.t.Add(20 * time.Minute)
	if _, ok := s.Peek(id); !ok {
		t.Fatal("not found")
	}
	c.t = c.t.Add(11 * time.Minute)
	if _, ok := s.Use(id); ok {
		t.Error("peeking prolonged it")
	}
}

func TestRestartAndSharing(t *testing.T) {
	c, dir := start(), t.TempDir()
	a := open(t, dir, c, nil)
	id := begin(t, a, "anna")
	b := open(t, dir, c, nil) // a restart, or another front end
	if got, ok := b.Use(id); !ok || got.User != "anna" || got.Login != "anna" {
		t.Fatalf("%+v %v", got, ok)
	}
	late := begin(t, a, "ben")
	if got, ok := b.Use(late); !ok || got.User != "ben" {
		t.Fatalf("begun later: %+v %v", got, ok)
	}
	if !b.End(id) || b.End(id) {
		t.Error("end is not true once")
	}
	if _, ok := a.Use(id); ok {
		t.Error("ended elsewhere, but still good here")
	}
}

func TestCapPerUser(t *testing.T) {
	c := start()
	s := open(t, t.TempDir(), c, func(o *Options) { o.PerUser = 3 })
	other := begin(t, s, "ben")
	var ids []ID
	for range 3 {
		c.t = c.t.Add(2 * time.Minute)
		ids = append(ids, begin(t, s, "anna"))
	}
	c.t = c.t.Add(2 * time.Minute)
	s.Use(ids[0]) // now the second one is the one unused for longest
	last := begin(t, s, "anna")
	for i, want := range map[ID]bool{ids[0]: true, ids[1]: false, ids[2]: true, last: true, other: true} {
		if _, ok := s.Use(i); ok != want {
			t.Errorf("alive %v, want %v", ok, want)
		}
	}
}

func TestMax(t *testing.T) {
	c := start()
	s := open(t, t.TempDir(), c, func(o *Options) { o.Max = 5 })
	for i := range 9 {
		c.t = c.t.Add(time.Second)
		begin(t, s, fmt.Sprint("u", i))
	}
	if n, most := s.Len(); n != 5 || most < 5 {
		t.Errorf("%d sessions", n)
	}
}

func TestSweep(t *testing.T) {
	c, dir := start(), t.TempDir()
	s := open(t, dir, c, nil)
	for i := range 4 {
		begin(t, s, fmt.Sprint("u", i))
	}
	if err := os.WriteFile(filepath.Join(dir, strings.Repeat("0", 32)), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := c.t.Add(-time.Hour)
	os.Chtimes(filepath.Join(dir, strings.Repeat("0", 32)), old, old)
	c.t = c.t.Add(31 * time.Minute)
	begin(t, s, "late")
	files, _ := os.ReadDir(dir)
	if n, _ := s.Len(); len(files) != 1 || n != 1 {
		t.Errorf("%d files, %d sessions", len(files), n)
	}
}

func TestEndUser(t *testing.T) {
	s := open(t, t.TempDir(), start(), nil)
	a, b := begin(t, s, "anna"), begin(t, s, "ben")
	if n, err := s.EndUser("anna"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if _, ok := s.Use(a); ok {
		t.Error("anna's session lives")
	}
	if _, ok := s.Use(b); !ok {
		t.Error("ben's session ended")
	}
}

func TestBadIDs(t *testing.T) {
	s := open(t, t.TempDir(), start(), nil)
	good := begin(t, s, "anna").Reveal()
	for _, id := range []string{"", "x", "../" + good, strings.ToUpper(good), good + "a", strings.Repeat("a", 26), strings.Repeat("a", 1<<20), "\x00" + good[1:]} {
		if _, ok := s.Use(ID(id)); ok {
			t.Errorf("%.40q is accepted", id)
		}
		if s.End(ID(id)) {
			t.Errorf("%.40q ended something", id)
		}
	}
}
