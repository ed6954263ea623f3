package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// undoing is a database of an engine whose schema is brought back and forth.
type undoing struct {
	engine migrations.Engine
	open   func() *sqlstore.Store
	db     *sql.DB
	look   func(to int64) (sqlstore.Seen, error)
	undo   func(to int64, each func(migrations.Step)) error
}

func everyEngine(t *testing.T, test func(t *testing.T, u undoing)) {
	t.Run("sqlite", func(t *testing.T) {
		dir := t.TempDir()
		openSQLite(t, dir, sqlstore.Options{}).Close()
		db, err := sql.Open("sqlite3", filepath.Join(dir, "calendar.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		test(t, undoing{migrations.SQLite, func() *sqlstore.Store { return openSQLite(t, dir, sqlstore.Options{}) }, db,
			func(to int64) (sqlstore.Seen, error) { return sqlstore.LookSQLite(t.Context(), dir, to) },
			func(to int64, each func(migrations.Step)) error {
				return sqlstore.UndoSQLite(t.Context(), dir, to, each)
			}})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := pgtest.Start(t)
		db, err := sql.Open("pgx", dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		openPostgres(t, dsn, sqlstore.Options{}).Close()
		test(t, undoing{migrations.Postgres, func() *sqlstore.Store { return openPostgres(t, dsn, sqlstore.Options{}) }, db,
			func(to int64) (sqlstore.Seen, error) { return sqlstore.LookPostgres(t.Context(), dsn, to) },
			func(to int64, each func(migrations.Step)) error {
				return sqlstore.UndoPostgres(t.Context(), dsn, sqlstore.Options{}, to, each)
			}})
	})
}

// shape is every column and index.
func (u *undoing) shape(t *testing.T) (lines []string) {
	t.Helper()
	q := `SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || coalesce(c.dflt_value, '') || ' ' || c.pk FROM sqlite_master m, pragma_table_info(m.name) c
WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' UNION SELECT name || ': ' || sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1`
	if u.engine == migrations.Postgres {
		q = `SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') || ' ' || coalesce(collation_name, '')
FROM information_schema.columns WHERE table_schema = current_schema() UNION SELECT indexname || ': ' || indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1`
	}
	rows, err := u.db.QueryContext(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil || len(lines) < 50 {
		t.Fatalf("%d columns and indexes: %v", len(lines), err)
	}
	return lines
}

func (u *undoing) exec(t *testing.T, q string, args ...any) {
	t.Helper()
	if _, err := u.db.ExecContext(t.Context(), q, args...); err != nil {
		t.Fatal(err)
	}
}

// note stores an event, and tells what it reads.
func note(t *testing.T, s *sqlstore.Store, name, text string) {
	t.Helper()
	err := s.Update(t.Context(), "anna", func(tx calendar.Tx) error {
		if _, there, err := tx.Home(); err != nil || !there {
			if err := errors.Join(err, tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "anna", Created: time.Unix(1, 0), Modified: time.Unix(1, 0)})); err != nil {
				return err
			}
		}
		return tx.PutObject(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Data: []byte(text), Size: len(text)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func noted(t *testing.T, s *sqlstore.Store, name string) (text string) {
	t.Helper()
	err := s.View(t.Context(), "anna", func(tx calendar.ReadTx) error {
		o, ok, err := tx.Object(1, name, true)
		if !ok {
			return errors.Join(err, fs.ErrNotExist)
		}
		text = string(o.Data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestUndo: every way down leads to the schema that the way up has begun with, and takes
// nothing along that the older one had a place for.
func TestUndo(t *testing.T) {
	everyEngine(t, func(t *testing.T, u undoing) {
		s := u.open()
		note(t, s, "a", "before")
		s.Close()
		steps, err := migrations.Steps(u.engine)
		if err != nil {
			t.Fatal(err)
		}
		newest := u.shape(t)
		var undone []int64
		for i := len(steps) - 1; i > 0 && steps[i].Undone; i-- {
			was, to := u.shape(t), steps[i-1].Version
			if err := u.undo(to, func(s migrations.Step) { undone = append(undone, s.Version) }); err != nil {
				t.Fatal(err)
			}
			if have, err := migrations.Version(t.Context(), u.engine, u.db); err != nil || have != to {
				t.Fatalf("version %d after the way to %d: %v", have, to, err)
			}
			lower := u.shape(t)
			if slices.Equal(was, lower) {
				t.Errorf("migration %d: its way down changes nothing", steps[i].Version)
			}
			if _, err := migrations.UpTo(t.Context(), u.engine, u.db, steps[i].Version, nil); err != nil {
				t.Fatal(err)
			}
			if again := u.shape(t); !slices.Equal(again, was) {
				t.Errorf("migration %d, down and up again:\n%s\nbefore:\n%s", steps[i].Version, strings.Join(again, "\n"), strings.Join(was, "\n"))
			}
			if err := u.undo(to, nil); err != nil {
				t.Fatal(err)
			}
			if again := u.shape(t); !slices.Equal(again, lower) {
				t.Errorf("migration %d, down, up and down:\n%s\nbefore:\n%s", steps[i].Version, strings.Join(again, "\n"), strings.Join(lower, "\n"))
			}
		}
		if len(undone) == 0 || undone[0] != steps[len(steps)-1].Version {
			t.Fatalf("undone: %v", undone)
		}
		last := undone[len(undone)-1] // what is below has no way down
		if err := u.undo(last-2, nil); err == nil || !strings.Contains(err.Error(), "a backup that was made before the upgrade") {
			t.Errorf("farther than there is a way: %v", err)
		}
		s = u.open() // and forward
		if got := noted(t, s, "a"); got != "before" {
			t.Errorf("the event reads %q", got)
		}
		note(t, s, "b", "after")
		if err := s.Check(t.Context()); err != nil {
			t.Error(err)
		}
		s.Close()
		if again := u.shape(t); !slices.Equal(again, newest) {
			t.Errorf("forward:\n%s\nbefore:\n%s", strings.Join(again, "\n"), strings.Join(newest, "\n"))
		}
	})
}

// TestWayBackTellsLosses: what would be lost is counted, before and without a change.
func TestWayBackTellsLosses(t *testing.T) {
	everyEngine(t, func(t *testing.T, u undoing) {
		seen, err := u.look(11)
		if err != nil || seen.NoBack != nil || len(seen.Back.Losses) != 0 || len(seen.Back.Steps) < 2 {
			t.Fatalf("an empty store: %+v, %v", seen, err)
		}
		s := u.open()
		note(t, s, "a", "before")
		mark := calendar.Job{JobID: calendar.MoveMark("anna"), Kind: calendar.JobMove, Due: time.Unix(9, 0), Created: time.Unix(9, 0), Payload: []byte(`{"state":"leaving"}`)}
		err = s.Update(t.Context(), "anna", func(tx calendar.Tx) error {
			for seq := range 2 {
				job := calendar.Job{JobID: calendar.JobID{Owner: "anna", Change: 1, Seq: seq}, Kind: "mail", Due: time.Unix(5, 0), Created: time.Unix(5, 0), Parked: seq == 1}
				if err := tx.PutJob(job); err != nil {
					return err
				}
			}
			return tx.PutJob(mark)
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			if err := s.PutZoneData(t.Context(), sqlstore.ZoneData{ID: fmt.Sprint(i), Version: "2026a", Used: time.Unix(int64(i), 0), Rules: []byte{1}}); err != nil {
				t.Fatal(err)
			}
		}
		err = s.Update(t.Context(), "anna", func(tx calendar.Tx) error {
			return tx.PutHistory(calendar.HistoryRow{Change: 7, Calendar: "anna", When: time.Unix(8, 0), Object: calendar.ObjectRow{Cal: 1, Name: "a", UID: "a", Component: "VEVENT", Data: []byte("x")}})
		})
		if err != nil {
			t.Fatal(err)
		}
		seen, err = u.look(11) // while it is in use
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"2 earlier releases of the zone data, with which csdst finds events that meant another hour", "1 versions that the history keeps of what was changed and deleted"}
		var got []string
		for _, l := range seen.Back.Losses {
			got = append(got, fmt.Sprint(l.Rows, " ", l.What))
		}
		if !slices.Equal(got, want) || seen.NoBack != nil {
			t.Errorf("%q, want %q; %v", got, want, seen.NoBack)
		}
		if seen.Owners != 1 || len(seen.Jobs) != 1 || seen.Jobs[0] != (sqlstore.JobCount{Kind: "mail", Waiting: 2, Parked: 1, Oldest: seen.Jobs[0].Oldest}) || seen.Jobs[0].Oldest.Unix() != 5 ||
			len(seen.Marks) != 1 || seen.Marks[0].Owner != "anna" || string(seen.Marks[0].Payload) != string(mark.Payload) {
			t.Errorf("%+v", seen)
		}
		if err := u.undo(11, nil); err == nil {
			t.Error("undone while somebody uses it")
		}
		s.Close()
		if seen, err = u.look(10); err != nil || seen.NoBack == nil {
			t.Errorf("a way where there is none: %+v, %v", seen, err)
		}
		if have, err := migrations.Version(context.Background(), u.engine, u.db); err != nil || have != seen.Version {
			t.Errorf("looks have changed the version: %d, %v", have, err)
		}
		u.exec(t, "INSERT INTO schema_version (version_id, is_applied) VALUES (9999, $1)", true)
		var newer *migrations.NewerError
		if seen, err = u.look(11); err != nil || !errors.As(seen.NoBack, &newer) || newer.Have != 9999 {
			t.Errorf("a newer store: %v, %v", seen.NoBack, err)
		}
		if err := u.undo(11, nil); !errors.As(err, &newer) {
			t.Errorf("a newer store is undone: %v", err)
		}
	})
}

// TestLookMakesNothing: a look at the database of a stopped server leaves no file.
func TestLookMakesNothing(t *testing.T) {
	dir := t.TempDir()
	if _, err := sqlstore.LookSQLite(t.Context(), dir, 11); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no database: %v", err)
	}
	s := openSQLite(t, dir, sqlstore.Options{})
	note(t, s, "a", "before")
	s.Close()
	names := func() (list []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, fmt.Sprint(e.Name(), info.Size(), info.ModTime()))
		}
		return list
	}
	before := names()
	if seen, err := sqlstore.LookSQLite(t.Context(), dir, 11); err != nil || seen.Objects != 1 || seen.Size == 0 {
		t.Errorf("%+v, %v", seen, err)
	}
	if after := names(); !slices.Equal(before, after) {
		t.Errorf("%q, before %q", after, before)
	}
}
