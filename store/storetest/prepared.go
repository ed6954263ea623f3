package storetest

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"factotum/server/calendar"
)

// Prepared is an empty store in files, which is made once: to migrate a store to the
// newest version takes longer than most tests of it. Open makes it in a directory.
type Prepared struct {
	Open func(dir string) (calendar.Store, error)

	once  sync.Once
	files map[string][]byte
	err   error
}

// Dir gives a directory with a copy of the store, which goes with the test.
func (p *Prepared) Dir(t testing.TB) string {
	t.Helper()
	if p.once.Do(func() { p.files, p.err = p.make() }); p.err != nil {
		t.Fatalf("prepare a store: %v", p.err)
	}
	dir := t.TempDir()
	for name, data := range p.files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (p *Prepared) make() (files map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "prepared")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := p.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files = map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
}
