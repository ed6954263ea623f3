package sqlstore

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"
)

func TestSpread(t *testing.T) {
	for version, want := range map[string]bool{
		"PostgreSQL 15.14 (Debian 15.14-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc":                     false,
		"CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/15 21:28:29, go1.22.2)":                    true,
		"PostgreSQL 11.2-YB-2.20.1.3-b0 on x86_64-pc-linux-gnu, compiled by clang version 16.0.6, 64-bit":       true,
		"PostgreSQL 15.2-YB-2.25.0.0-b489 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6 (YB-Marker)": true,
	} {
		if got := spread(version); got != want {
			t.Errorf("%s: %v", version, got)
		}
	}
}

// Where sessions are not ended, the next daemon waits for what the one before
// has sent, sees it or not as it was committed or not, and shuts it out.
func TestFenceWaits(t *testing.T) {
	dsn := pgtest.Start(t)
	old, err := OpenPostgres(bg, dsn, Options{Fenced: true})
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	pool := old.engine.(*pgEngine).pool
	dead, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Skip(err)
	}
	dead.Wait()
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
	holder := strings.Split(old.engine.(*pgEngine).lease.holder, "/")
	holder[2] = fmt.Sprint(dead.Pid)
	if _, err := pool.Exec(bg, "UPDATE leases SET holder = $1", strings.Join(holder, "/")); err != nil {
		t.Fatal(err)
	}
	opened := make(chan error)
	var next *Store
	go func() {
		var err error
		next, err = OpenPostgres(bg, dsn, Options{Fenced: true})
		opened <- err
	}()
	waiting := 0
	for end := time.Now().Add(2 * time.Minute); waiting == 0 && time.Now().Before(end); {
		err := pool.QueryRow(bg, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%leases%'").Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
	}
	if waiting == 0 {
		t.Error("the next daemon does not wait")
	}
	select {
	case err := <-opened:
		t.Fatalf("the next daemon did not wait: %v", err)
	default:
	}
	close(goOn)
	err = <-ended
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	look := next.View(bg, "anna", func(tx calendar.ReadTx) error {
		prefs, perr := tx.Prefs()
		if (prefs["late"] == "yes") != (err == nil) {
			t.Errorf("preferences %v after the write ended with %v", prefs, err)
		}
		return perr
	})
	if look != nil {
		t.Error(look)
	}
	if err := old.Update(bg, "anna", func(tx calendar.Tx) error { return tx.SetPref("later", "yes") }); !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a write after the end of the lease: %v", err)
	}
	if err := next.Update(bg, "anna", func(tx calendar.Tx) error { return tx.SetPref("next", "yes") }); err != nil {
		t.Errorf("a write of the next daemon: %v", err)
	}
}

// A View is run again when the server says so, as distributed engines do.
func TestPostgresRetriesReads(t *testing.T) {
	s := mustOpenPostgres(t)
	const function = `CREATE FUNCTION raised() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '40001'; END $$`
	if _, err := s.engine.(*pgEngine).pool.Exec(bg, function); err != nil {
		t.Fatal(err)
	}
	tries := 0
	err := s.View(bg, "anna", func(in calendar.ReadTx) error {
		if tries++; tries < 3 {
			var n int64
			in.(*tx).row("raise", "SELECT raised()", nil, &n) // overlooked by fn, not by the store
		}
		return nil
	})
	if err != nil || tries != 3 {
		t.Errorf("%v after %d tries", err, tries)
	}
}
