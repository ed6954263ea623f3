package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

// Objects of before schema 5 have an unknown CLASS as public; after the upgrade
// whoever does not say PUBLIC is private. Before schema 6 the UID was kept with
// its escapes; two objects that would share one stay as they are.
func TestMigrateObjects(t *testing.T) {
	test := func(t *testing.T, open func() *sqlstore.Store, exec func(string)) {
		lines := []struct {
			text string
			want uint8
		}{
			{"SUMMARY:x\r\n CLASS:PRIVATE", 0}, {"CLASS:PUBLIC", 0}, {"Class:Public", 0}, {"SUMMARY:\x80\\ CLASS:PRIVATE", 0},
			{"CLASS:X-HOUSE-ONLY", 1}, {"CLASS: PRIVATE", 1}, {"CLASS:PUBLIC\r\nCLASS:PRIVATE", 1}, {"class:restricted", 1}, {"CLASS:\"PRIVATE\"", 1},
		}
		s := open()
		err := s.Update(t.Context(), "anna", func(tx calendar.Tx) error {
			if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "anna", Created: time.Unix(1, 0), Modified: time.Unix(1, 0)}); err != nil {
				return err
			}
			for i, l := range lines {
				name := fmt.Sprint(i)
				data := []byte("BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n" + l.text + "\r\nEND:VEVENT\r\n")
				if err := tx.PutObject(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Data: data, Size: len(data), Attached: i%2 == 0}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		exec(`UPDATE objects SET uid = 'a\,b\;c\\d' WHERE name = '0'`)
		exec(`UPDATE objects SET uid = 'same\,' WHERE name = '1'`)
		exec(`UPDATE objects SET uid = 'same,' WHERE name = '2'`)
		exec("ALTER TABLE owners DROP COLUMN entry")   // of version 7
		exec("ALTER TABLE objects DROP COLUMN writer") // of version 8
		exec("DROP TABLE traces")                      // of version 9
		exec("DROP TABLE registrations")               // of version 11
		exec("ALTER TABLE owners DROP COLUMN registered")
		exec("DROP TABLE history") // of version 12
		for _, column := range []string{"owners DROP COLUMN history", "owners DROP COLUMN historyat", "owners DROP COLUMN historyfrom", "objects DROP COLUMN since", "objects DROP COLUMN origin"} {
			exec("ALTER TABLE " + column)
		}
		exec("DROP TABLE zone_data") // of version 13
		exec("DROP TABLE rests")     // of version 14
		exec("DELETE FROM schema_version WHERE version_id >= 5")
		s = open()
		err = s.View(t.Context(), "anna", func(tx calendar.ReadTx) error {
			for i, l := range lines {
				o, ok, err := tx.Object(1, fmt.Sprint(i), false)
				if err != nil || !ok || o.Private != l.want || o.Attached != (i%2 == 0) || i < 3 && o.UID != [...]string{`a,b;c\d`, `same\,`, "same,"}[i] {
					t.Errorf("%q: class %d, want %d; UID %q; %t %v", l.text, o.Private, l.want, o.UID, ok, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		test(t, func() *sqlstore.Store { return openSQLite(t, dir, sqlstore.Options{}) }, func(q string) {
			db, err := sql.Open("sqlite3", filepath.Join(dir, "calendar.db"))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.ExecContext(context.Background(), q); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := pgtest.Start(t)
		test(t, func() *sqlstore.Store { return openPostgres(t, dsn, sqlstore.Options{}) }, func(q string) { sqlExec(t, dsn, q) })
	})
}
