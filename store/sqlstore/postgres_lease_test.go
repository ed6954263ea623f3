package sqlstore

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"
)

// What a daemon that was killed has sent already must not be committed under
// the eyes of the next one, which remembers what it has read.
func TestLeaseEndsSessions(t *testing.T) {
	dsn := pgtest.Start(t)
	old, err := OpenPostgres(bg, dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	dead, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Skip(err)
	}
	dead.Wait()
	holder := strings.Split(old.engine.(*pgEngine).lease.holder, "/")
	holder[2] = fmt.Sprint(dead.Pid)
	wrote, goOn, ended := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		ended <- old.Update(bg, "anna", func(tx calendar.Tx) error {
			if _, err := tx.NextChange(); err != nil {
				return err
			}
			if err := tx.SetPref("late", "yes"); err != nil {
				return err
			}
			if _, err := tx.Prefs(); err != nil { // sends what is pending
				return err
			}
			close(wrote)
			<-goOn
			return nil
		})
	}()
	<-wrote
	if _, err := old.engine.(*pgEngine).pool.Exec(bg, "UPDATE leases SET holder = $1", strings.Join(holder, "/")); err != nil {
		t.Fatal(err)
	}
	next, err := OpenPostgres(bg, dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	close(goOn)
	if err := <-ended; err == nil {
		t.Error("the daemon before has written after its end")
	}
	err = next.View(bg, "anna", func(tx calendar.ReadTx) error {
		if prefs, err := tx.Prefs(); len(prefs) != 0 || err != nil {
			t.Errorf("preferences %v, %v", prefs, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestMarkSessions(t *testing.T) {
	mark := strings.Repeat("M", markLength)
	for name, want := range map[string]string{
		"":                      "csstored " + mark,
		"mine":                  "mine " + mark,
		strings.Repeat("é", 40): strings.Repeat("é", 18) + " " + mark,
	} {
		if got := markSessions(name, mark); got != want || len(got) > 63 {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
