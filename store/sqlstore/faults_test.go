package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"
	"factotum/store/storetest/smalldisk"
)

var bg = context.Background()

func init() { defaultPatience = pgtest.Patience }

func mustOpenSQLite(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := OpenSQLite(bg, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func mustOpenPostgres(t *testing.T) *Store {
	t.Helper()
	s, err := OpenPostgres(bg, pgtest.Start(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func putSized(s *Store, name string, size int) error {
	return s.Update(bg, "anna", func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		if _, ok, err := tx.Calendar("calendar"); err != nil {
			return err
		} else if !ok {
			if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar"}); err != nil {
				return err
			}
		}
		return errors.Join(
			tx.PutObject(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Change: change, Data: make([]byte, size)}),
			tx.PutJob(calendar.Job{JobID: calendar.JobID{Change: change}, Key: name}))
	})
}

// eachHasItsJob finds as many jobs as objects, of the same changes.
func eachHasItsJob(t *testing.T, s *Store) {
	t.Helper()
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		jobs, err := tx.Jobs()
		if err != nil {
			return err
		}
		changes := map[int64]string{}
		for _, j := range jobs {
			changes[j.Change] = j.Key
		}
		n := 0
		err = tx.Objects(1, "", false, func(row *calendar.ObjectRow) error {
			if n++; changes[row.Change] != row.Name {
				t.Errorf("%s of change %d has no job", row.Name, row.Change)
			}
			return nil
		})
		if len(jobs) != n {
			t.Errorf("%d objects, %d jobs", n, len(jobs))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func hasObject(t *testing.T, s *Store, name string, size int) {
	t.Helper()
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		row, ok, err := tx.Object(1, name, true)
		if !ok || len(row.Data) != size {
			t.Errorf("%s: %v, %d octets, want %d", name, ok, len(row.Data), size)
		}
		return err
	})
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// fillUp stores objects until one is refused, then lets room be made and goes on.
func fillUp(t *testing.T, s *Store, room func()) {
	t.Helper()
	stored := 0
	var err error
	for ; stored < 10_000 && err == nil; stored++ {
		err = putSized(s, fmt.Sprint(stored), 20_000)
	}
	stored-- // the last was refused
	if !errors.Is(err, calendar.OverQuota) || stored < 5 {
		t.Fatalf("after %d objects: %v", stored, err)
	}
	// Many at once: whatever does not fit is refused, alone.
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { errs[i] = putSized(s, fmt.Sprint("big", i), 1<<20) })
	}
	wg.Wait()
	for i, err := range errs {
		if !errors.Is(err, calendar.OverQuota) {
			t.Errorf("big%d: %v", i, err)
		}
	}
	for i := range stored {
		hasObject(t, s, fmt.Sprint(i), 20_000)
	}
	eachHasItsJob(t, s)
	room()
	if err := putSized(s, "again", 20_000); err != nil {
		t.Errorf("with room again: %v", err)
	}
	hasObject(t, s, "again", 20_000)
	hasObject(t, s, "0", 20_000)
	eachHasItsJob(t, s)
	if err := s.Check(bg); err != nil {
		t.Errorf("Check: %v", err)
	}
}

func TestSQLiteFull(t *testing.T) {
	s := mustOpenSQLite(t, t.TempDir())
	w := s.engine.(*sqliteEngine).writer
	limit := func(pages int) { // in the writer's own goroutine
		err := s.engine.write(bg, func(c conn) error {
			w.opts.maxPages = pages
			return c.exec(fmt.Sprint("PRAGMA max_page_count = ", pages))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	limit(200)
	fillUp(t, s, func() { limit(1 << 20) })
}

// What fn writes after the engine has failed, and ended the transaction, is not
// stored by itself.
func TestSQLiteWriteAfterFailure(t *testing.T) {
	s := mustOpenSQLite(t, t.TempDir())
	if err := putSized(s, "a", 10); err != nil {
		t.Fatal(err)
	}
	err := s.engine.write(bg, func(c conn) error { return c.exec("PRAGMA max_page_count = 100") })
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(bg, "anna", func(tx calendar.Tx) error {
		tx.PutObject(calendar.ObjectRow{Cal: 1, Name: "big", UID: "big", Data: make([]byte, 1<<20)})
		tx.SetPref("a", "b")
		return nil
	})
	if !errors.Is(err, calendar.OverQuota) {
		t.Errorf("Update: %v", err)
	}
	err = s.View(bg, "anna", func(tx calendar.ReadTx) error {
		prefs, err := tx.Prefs()
		if len(prefs) > 0 {
			t.Errorf("stored: %v", prefs)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestSQLiteDiskFull(t *testing.T) {
	dir := t.TempDir()
	smalldisk.Mount(t, dir, 3<<20)
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := mustOpenSQLite(t, dir)
	fillUp(t, s, func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
	s.Close()
}

func TestSQLiteNewer(t *testing.T) {
	dir := t.TempDir()
	mustOpenSQLite(t, dir).Close()
	db, err := sql.Open("sqlite3", filepath.Join(dir, sqliteFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("INSERT INTO schema_version (version_id, is_applied) VALUES (9999, 1)"); err != nil {
		t.Fatal(err)
	}
	_, err = OpenSQLite(bg, dir, Options{})
	var newer *migrations.NewerError
	if !errors.As(err, &newer) || newer.Have != 9999 || !strings.Contains(err.Error(), "a newer release") {
		t.Errorf("a newer store: %v", err)
	}
}

// The log stays short under constant writing.
func TestSQLiteLogBounded(t *testing.T) {
	dir := t.TempDir()
	s := mustOpenSQLite(t, dir)
	for i := range 300 {
		if err := putSized(s, fmt.Sprint(i%10), 1<<20); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(filepath.Join(dir, sqliteFile+"-wal"))
	if err != nil || info.Size() > 2*walHard*4096 {
		t.Errorf("after 300 MiB of writes the log has %v octets (%v)", info.Size(), err)
	}
}

// A fn that ends its goroutine (a test's FailNow) harms nobody but itself and
// its group, and the next Update works.
func testGoexit(t *testing.T, s *Store) {
	done := make(chan error, 1)
	go func() {
		defer close(done)
		done <- s.Update(bg, "anna", func(tx calendar.Tx) error {
			tx.SetPref("a", "b")
			runtime.Goexit()
			return nil
		})
	}()
	// Where fn ran on the caller's goroutine, Update does not return.
	if err, returned := <-done; returned && !errors.Is(err, calendar.Internal) {
		t.Errorf("Update: %v", err)
	}
	err := s.Update(bg, "anna", func(tx calendar.Tx) error {
		if prefs, err := tx.Prefs(); len(prefs) != 0 || err != nil {
			t.Errorf("Prefs: %v %v", prefs, err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("the next Update: %v", err)
	}
}

func TestSQLiteGoexit(t *testing.T)   { testGoexit(t, mustOpenSQLite(t, t.TempDir())) }
func TestPostgresGoexit(t *testing.T) { testGoexit(t, mustOpenPostgres(t)) }

// raise lets the server fail the transaction with an SQLSTATE.
func raise(t calendar.Tx, code string) error {
	_, err := t.(*tx).count("raise", "DO $$ BEGIN RAISE EXCEPTION 'raised' USING ERRCODE = '"+code+"'; END $$")
	return err
}

func TestPostgresRetries(t *testing.T) {
	s := mustOpenPostgres(t)
	for _, code := range []string{"40001", "40P01"} {
		tries, hooks := 0, 0
		err := s.Update(bg, "anna", func(tx calendar.Tx) error {
			tries++
			tx.OnCommit(func() { hooks++ })
			if _, err := tx.NextChange(); err != nil {
				return err
			}
			if err := tx.SetPref(code, fmt.Sprint(tries)); err != nil {
				return err
			}
			if tries < 3 {
				raise(tx, code) // overlooked by fn, not by the store
			}
			return nil
		})
		if err != nil || tries != 3 || hooks != 1 {
			t.Errorf("%s: %v after %d tries, %d hooks", code, err, tries, hooks)
		}
		tries = 0
		err = s.Update(bg, "anna", func(tx calendar.Tx) error { tries++; return raise(tx, code) })
		if !errors.Is(err, calendar.Unavailable) || tries != maxTries {
			t.Errorf("%s for ever: %v after %d tries", code, err, tries)
		}
	}
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		h, _, err := tx.Home()
		if h.Change != 2 {
			t.Errorf("change %d: a failed try took a number", h.Change)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	for code, kind := range map[string]calendar.Kind{"53100": calendar.OverQuota, "25006": calendar.ReadOnly, "57P03": calendar.Unavailable,
		"22021": calendar.Invalid, "XX000": calendar.Internal} {
		if err := s.Update(bg, "anna", func(tx calendar.Tx) error { return raise(tx, code) }); !errors.Is(err, kind) {
			t.Errorf("%s: %v, want %v", code, err, kind)
		}
	}
}

// A commit that the server refuses takes the job along with its object.
func TestPostgresFailedCommit(t *testing.T) {
	s := mustOpenPostgres(t)
	if err := putSized(s, "before", 10); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
RAISE EXCEPTION 'at the commit' USING ERRCODE = '53100'; END $$`,
		`CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON bodies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()`,
	} {
		if _, err := s.engine.(*pgEngine).pool.Exec(bg, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := putSized(s, "refused", 10); !errors.Is(err, calendar.OverQuota) {
		t.Errorf("a commit that fails: %v", err)
	}
	hasObject(t, s, "before", 10)
	eachHasItsJob(t, s)
	if _, err := s.engine.(*pgEngine).pool.Exec(bg, `DROP TRIGGER refuse ON bodies`); err != nil {
		t.Fatal(err)
	}
	if err := putSized(s, "after", 10); err != nil {
		t.Error(err)
	}
	eachHasItsJob(t, s)
}

func TestPostgresConnectionLost(t *testing.T) {
	s := mustOpenPostgres(t)
	drop := func(tx *tx) {
		var pid int64
		if _, err := tx.conn.row("SELECT pg_backend_pid()", nil, &pid); err != nil {
			t.Fatal(err)
		}
		if _, err := s.engine.(*pgEngine).pool.Exec(bg, "SELECT pg_terminate_backend($1::int)", pid); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Update(bg, "anna", func(t calendar.Tx) error {
		if err := t.SetPref("a", "b"); err != nil {
			return err
		}
		drop(t.(*tx))
		_, err := t.Prefs()
		return err
	})
	if !errors.Is(err, calendar.Unavailable) {
		t.Errorf("Update: %v", err)
	}
	err = s.View(bg, "anna", func(t calendar.ReadTx) error {
		drop(t.(*tx))
		_, err := t.Prefs()
		return err
	})
	if !errors.Is(err, calendar.Unavailable) {
		t.Errorf("View: %v", err)
	}
	err = s.Update(bg, "anna", func(tx calendar.Tx) error {
		if prefs, err := tx.Prefs(); len(prefs) != 0 || err != nil {
			t.Errorf("Prefs: %v %v", prefs, err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

// Text that is no text for PostgreSQL is the caller's fault, and harms nothing.
func TestPostgresInvalidText(t *testing.T) {
	s := mustOpenPostgres(t)
	for _, text := range []string{"a\x00b", "\xff"} {
		if err := s.Update(bg, "anna", func(tx calendar.Tx) error { return tx.SetPref("a", text) }); !errors.Is(err, calendar.Invalid) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A holder of this machine that has ended is not waited for.
func TestLeaseOfTheDead(t *testing.T) {
	self := processID() + "/x"
	if gone(self) {
		t.Error("this process is gone")
	}
	for _, alive := range []string{"", "a/b/c/d", "nonsense", strings.Replace(self, "/", "x/", 1)} {
		if gone(alive) {
			t.Errorf("%q is gone", alive)
		}
	}
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Skip(err)
	}
	p.Wait()
	parts := strings.Split(self, "/")
	parts[2] = fmt.Sprint(p.Pid)
	dead := strings.Join(parts, "/")
	if !gone(dead) {
		t.Errorf("%q is not gone", dead)
	}
	dsn := pgtest.Start(t)
	s, err := OpenPostgres(bg, dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	far := time.Now().Add(time.Hour).UnixMilli()
	if _, err := s.engine.(*pgEngine).pool.Exec(bg, "UPDATE leases SET holder = $1, expires = $2", dead, far); err != nil {
		t.Fatal(err)
	}
	s.Close() // leaves the lease, which is not its own any more
	if s, err = OpenPostgres(bg, dsn, Options{}); err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// A long value goes in and out whole, and the connections that carried it are
// closed: their memory does not shrink.
func TestSQLiteLongValues(t *testing.T) {
	s := mustOpenSQLite(t, t.TempDir())
	e := s.engine.(*sqliteEngine)
	data := make([]byte, 100<<20)
	for i := range data {
		data[i] = byte(i >> 12)
	}
	file := calendar.AttachmentRow{Cal: 1, Name: "a", ID: "1", File: "long", Data: data}
	if err := s.Update(bg, "anna", func(tx calendar.Tx) error { return tx.PutAttachment(file) }); err != nil {
		t.Fatal(err)
	}
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		got, ok, err := tx.Attachment(1, "a", "1")
		if !ok || !bytes.Equal(got.Data, data) {
			t.Errorf("%v, %d octets", ok, len(got.Data))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if n := e.opened.Load(); n != 0 {
		t.Errorf("%d readers are open", n)
	}
	err = s.engine.write(bg, func(c conn) error {
		if c.(*sqliteConn).swollen {
			t.Error("the writer keeps its connection")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := putSized(s, "b", 1000); err != nil {
		t.Error(err)
	}
	hasObject(t, s, "b", 1000)
	if n := e.opened.Load(); n != 1 {
		t.Errorf("afterwards %d readers are open", n)
	}
}

// Of a group, those that fail after they wrote leave nothing, and the others
// lose nothing.
func TestSQLiteSpoiledGroups(t *testing.T) {
	s := mustOpenSQLite(t, t.TempDir())
	boom := errors.New("boom")
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			err := s.Update(bg, "anna", func(tx calendar.Tx) error {
				if _, err := tx.NextChange(); err != nil {
					return err
				}
				if err := tx.SetPref(fmt.Sprint(i), "x"); err != nil || i%4 != 0 {
					return err
				}
				return boom
			})
			if i%4 == 0 && err != boom || i%4 != 0 && err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	all.Wait()
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		prefs, err := tx.Prefs()
		home, _, _ := tx.Home()
		if len(prefs) != 150 || home.Change != 150 || prefs["4"] != "" || prefs["5"] != "x" {
			t.Errorf("%d preferences, change %d", len(prefs), home.Change)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
