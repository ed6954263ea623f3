package sqlstore

import (
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	"factotum/server/calendar"
)

// salvagedWith has a database with rests be salvaged, after something was done to it.
func salvagedWith(t *testing.T, damage string) (*Store, *Salvaged) {
	t.Helper()
	dir := t.TempDir()
	s, err := OpenSQLite(bg, dir, Options{Relaxed: true, pieces: pieces{rows: 4, most: -1}})
	if err != nil {
		t.Fatal(err)
	}
	leaveRests(t, s)
	if err := putSized(s, "carl", 100); err != nil { // anna has a calendar again
		t.Fatal(err)
	}
	s.Close()
	db, err := sql.Open("sqlite3", filepath.Join(dir, sqliteFile))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(damage); err != nil {
		t.Fatal(err)
	}
	db.Close()
	out, err := SalvageSQLite(bg, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err = OpenSQLite(bg, dir, Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Update(bg, "anna", func(tx calendar.Tx) error { return tx.Recount() }); err != nil { // as csdb recover does
		t.Fatal(err)
	}
	if err := s.Check(bg); err != nil {
		t.Error(err)
	}
	return s, out
}

// What was deleted does not come back with the salvage of a database, and what is to be in the history comes there.
func TestSalvageWithRests(t *testing.T) {
	for name, damage := range map[string]string{
		"nothing":            "SELECT 1",
		"a lost tombstone":   "DELETE FROM calendars WHERE owner = 'anna' AND deleted > 0",
		"a rest of long ago": "INSERT INTO rests VALUES ('anna', 0, 0, 0, 0, 0, '', '', '')",
	} {
		t.Run(name, func(t *testing.T) {
			s, out := salvagedWith(t, damage)
			if len(out.Made) > 0 || len(out.Strays) > 0 {
				t.Errorf("made %v, strays %d", out.Made, len(out.Strays))
			}
			if owners, err := s.Owners(bg, "", 0); err != nil || !slices.Equal(owners, []calendar.Owner{"anna"}) {
				t.Errorf("homes: %v %v", owners, err)
			}
			versions := 0
			if err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
				versions = 0
				if err := tx.History(calendar.HistoryQuery{}, func(*calendar.HistoryRow) error { versions++; return nil }); err != nil {
					return err
				}
				cal, ok, err := tx.Calendar("calendar")
				if !ok || err != nil {
					t.Errorf("the calendar: %v %v", ok, err)
				}
				if n, _, err := tx.CountObjects(cal.ID); n != 1 || err != nil {
					t.Errorf("%d objects: %v", n, err)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if versions != 41 {
				t.Errorf("%d versions", versions)
			}
		})
	}
}
