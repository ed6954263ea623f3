package directory

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

// Who is made with csuser can log in at once, not only after the next poll;
// the same goes for an app password.
func TestNewUserLogsInAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.ldif")
	if err := NewLDIF(path, "example.com"); err != nil {
		t.Fatal(err)
	}
	opt := Options{LDIF: path, PollEvery: time.Hour, DefaultDomain: "example.com"}
	dir, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	logins, err := NewLogins(dir, LoginOptions{Sleep: func(context.Context, time.Duration) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer logins.Close()
	ed, err := NewEditor(opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := ed.Create(NewPerson{ID: "anna", Password: "a secret"}); err != nil {
		t.Fatal(err)
	}
	if _, err := dir.Person(context.Background(), "anna"); err != nil {
		t.Errorf("look up after csuser create: %v", err)
	}
	if _, err := logins.Login(context.Background(), "anna", "a secret", Client{}); err != nil {
		t.Errorf("log in after csuser create: %v", err)
	}
	apps, err := OpenAppPasswords(AppPasswordsPath(path), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer apps.Close()
	_, token, err := apps.Create("anna", "phone")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := logins.Login(context.Background(), "anna", token, Client{}); err != nil {
		t.Errorf("log in after csuser app-password: %v", err)
	}
}

// The file system gives the inode number of a file that was replaced to the
// next one: that must not look like a file that is being written in place.
func TestEveryNewUserIsThereAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "people.ldif")
	if err := NewLDIF(path, "example.com"); err != nil {
		t.Fatal(err)
	}
	opt := Options{LDIF: path, PollEvery: time.Hour, DefaultDomain: "example.com"}
	dir, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	ed, err := NewEditor(opt)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		for j := range i % 4 { // unseen versions in between
			if err := ed.Create(NewPerson{ID: fmt.Sprintf("other%d.%d", i, j), Password: "a secret"}); err != nil {
				t.Fatal(err)
			}
		}
		id := fmt.Sprint("user", i)
		if err := ed.Create(NewPerson{ID: id, Password: "a secret"}); err != nil {
			t.Fatal(err)
		}
		if _, err := dir.Person(context.Background(), id); err != nil {
			t.Errorf("look up %s after csuser create: %v", id, err)
		}
	}
}
