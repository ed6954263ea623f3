package pgtest_test

import (
	"context"
	"testing"

	"factotum/store/storetest/pgtest"

	"github.com/jackc/pgx/v5"
)

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func run(t *testing.T, c *pgx.Conn, text string) {
	t.Helper()
	if _, err := c.Exec(t.Context(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// Whoever asks for a prepared database finds what was prepared and nothing else,
// whatever those before him did with theirs and whether or not they left it.
func TestPrepared(t *testing.T) {
	made := 0
	prepared := func(t *testing.T) string {
		return pgtest.Prepared(t, "model", func(dsn string) error {
			made++
			c, err := pgx.Connect(t.Context(), dsn)
			if err != nil {
				return err
			}
			defer c.Close(context.Background())
			_, err = c.Exec(t.Context(), "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (1); CREATE TABLE rows (n INT); CREATE SCHEMA other;"+
				" CREATE TABLE other.parts (n INT) PARTITION BY HASH (n); CREATE TABLE other.parts_0 PARTITION OF other.parts FOR VALUES WITH (MODULUS 1, REMAINDER 0)")
			return err
		})
	}
	names := map[string]int{}
	for _, do := range []string{
		"",
		"INSERT INTO rows VALUES (1); INSERT INTO other.parts VALUES (1); ANALYZE rows",
		"ALTER TABLE rows ADD COLUMN m INT",
		"CREATE FUNCTION f() RETURNS INT LANGUAGE SQL AS 'SELECT 1'",
		"CREATE TABLE more ()",
		"DROP TABLE rows",
		"BEGIN; LOCK TABLE rows; INSERT INTO rows VALUES (1)",
		"",
	} {
		t.Run(do, func(t *testing.T) {
			c := connect(t, prepared(t))
			var kept, rows, parts, statistics, tables, functions int
			var name string
			err := c.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM kept), (SELECT count(*) FROM rows), (SELECT count(*) FROM other.parts), (SELECT count(*) FROM pg_stats WHERE tablename = 'rows'),"+
				" (SELECT count(*) FROM pg_tables WHERE schemaname = 'public'), (SELECT count(*) FROM pg_proc WHERE oid >= 16384), current_database()").
				Scan(&kept, &rows, &parts, &statistics, &tables, &functions, &name)
			if kept != 1 || rows+parts+statistics+functions != 0 || tables != 2 || err != nil {
				t.Errorf("%d rows are kept, %d and %d are there, %d statistics, %d tables, %d functions; %v", kept, rows, parts, statistics, tables, functions, err)
			}
			names[name]++
			run(t, c, do) // and the connection stays open
		})
	}
	if made != 1 {
		t.Errorf("prepared %d times", made)
	}
	// Four are of no use to the next.
	if len(names) != 5 {
		t.Errorf("databases and their users: %v", names)
	}
}

// Two who have one at the same time have two.
func TestPreparedApart(t *testing.T) {
	prepared := func() string { return pgtest.Prepared(t, "apart", func(string) error { return nil }) }
	if one, two := prepared(), prepared(); one == two {
		t.Errorf("both have %s", one)
	}
}
