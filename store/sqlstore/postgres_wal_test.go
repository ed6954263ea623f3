package sqlstore

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/storetest/pgtest"
)

// docBlock is the block of docs/admin.md behind the comment "test: TITLE".
func docBlock(t *testing.T, title string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "admin.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(page), "<!-- test: "+title+" -->\n```sh\n")
	block, _, end := strings.Cut(rest, "```")
	if !ok || !end {
		t.Fatalf("docs/admin.md has no block %q", title)
	}
	return block
}

// A cluster of PostgreSQL whose disk is lost comes back as it was at a moment, from its own
// archive, by the commands of docs/admin.md; and the store opens on it.
func TestPostgresArchive(t *testing.T) {
	t.Parallel()
	pg := pgtest.NewOwn(t)
	backup := filepath.Join(pg.Dir, "backup")
	run := func(title string, change ...string) string {
		t.Helper()
		return pg.Shell(t, strings.NewReplacer(append(change, "/backup/", backup+"/")...).Replace(docBlock(t, title)))
	}
	dsn := pg.Start(t)
	run("archive of PostgreSQL")
	pg.Stop(t)
	pg.Start(t)
	write := func(s *Store, n string) {
		t.Helper()
		err := s.Update(bg, "anna", func(tx calendar.Tx) error {
			if _, err := tx.NextChange(); err != nil {
				return err
			}
			return tx.SetPref(n, "yes")
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	open := func() *Store {
		t.Helper()
		s, err := OpenPostgres(bg, dsn, Options{LeaseTTL: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	write(s, "before the copy")
	run("copy of PostgreSQL")
	write(s, "after the copy")
	at := strings.TrimSpace(pg.Shell(t, `psql -Atc "SELECT clock_timestamp()"`))
	write(s, "a mistake")
	s.Close()
	pg.Shell(t, `psql -qAtc "SELECT pg_switch_wal()" >/dev/null`)
	last := strings.TrimSpace(pg.Shell(t, `psql -Atc "SELECT pg_walfile_name(pg_switch_wal())"`))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if done := strings.TrimSpace(pg.Shell(t, `psql -Atc "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver"`)); done >= last || time.Now().After(deadline) {
			break
		}
		if regexp.MustCompile(`^[1-9]`).MatchString(pg.Shell(t, `psql -Atc "SELECT failed_count FROM pg_stat_archiver"`)) {
			t.Fatal("the archive command fails")
		}
	}
	pg.Stop(t)
	if err := os.RemoveAll(pg.Data); err != nil {
		t.Fatal(err)
	}

	run("PostgreSQL comes back", "2026-11-29 14:05:00", at, "base/2026-11-29", "base/"+time.Now().Format(time.DateOnly))
	pg.Start(t)
	for deadline := time.Now().Add(time.Minute); strings.TrimSpace(pg.Shell(t, `psql -Atc "SELECT pg_is_in_recovery()"`)) != "f"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server goes on recovering")
		}
	}
	s = open()
	defer s.Close()
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		prefs, err := tx.Prefs()
		if len(prefs) != 2 || prefs["after the copy"] != "yes" {
			t.Errorf("at %s there were %v", at, prefs)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.Check(bg); err != nil {
		t.Error(err)
	}
	write(s, "life goes on")
}
