package directory

import (
	"context"
	"net/netip"
	"path/filepath"
	"testing"
)

func TestLoginWithLDIF(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.ldif")
	if err := NewLDIF(path, "example.com"); err != nil {
		t.Fatal(err)
	}
	ed, err := NewEditor(Options{LDIF: path})
	if err != nil {
		t.Fatal(err)
	}
	if err := ed.Create(NewPerson{ID: "Anna", Given: "Anna", Surname: "Ö", Password: "secret-1"}); err != nil {
		t.Fatal(err)
	}
	d, err := Open(Options{LDIF: path})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	l, err := NewLogins(d, LoginOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 2 {
		p, err := l.Login(context.Background(), "anna@example.com", "secret-1", netip.MustParseAddr("127.0.0.1"))
		t.Log(p, err)
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Login(context.Background(), "anna", "secret-2", netip.MustParseAddr("127.0.0.1")); err == nil {
		t.Fatal("x")
	}
}
