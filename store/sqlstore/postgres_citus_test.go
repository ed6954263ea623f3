package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/store/storetest"
	"factotum/store/storetest/pgtest"

	"github.com/jackc/pgx/v5"
)

// fakeCitus is what our use of Citus needs: its catalog, and a function that
// distributes a table, over partitions of PostgreSQL instead of nodes. These ask
// for the same: every unique index has the column in it, and a statement finds
// its rows in one partition if it names the owner. What they do not know is what
// Citus cannot do across nodes, so the tests below look at every statement.
const fakeCitus = `
CREATE TABLE pg_dist_partition (logicalrelid REGCLASS PRIMARY KEY, together TEXT);
CREATE FUNCTION create_distributed_table(t REGCLASS, col TEXT, colocate_with TEXT DEFAULT 'default') RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	name TEXT := t::TEXT;
BEGIN
	IF colocate_with <> 'default' AND NOT EXISTS (SELECT 1 FROM pg_dist_partition WHERE logicalrelid = colocate_with::REGCLASS) THEN
		RAISE EXCEPTION 'cannot colocate with %, which is not distributed', colocate_with;
	END IF;
	EXECUTE format('ALTER TABLE %I RENAME TO undistributed', name);
	EXECUTE format('CREATE TABLE %I (LIKE undistributed INCLUDING ALL) PARTITION BY HASH (%I)', name, col);
	FOR i IN 0..3 LOOP
		EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS 4, REMAINDER %s)', name || '_p' || i, name, i);
	END LOOP;
	EXECUTE format('INSERT INTO %I SELECT * FROM undistributed', name);
	DROP TABLE undistributed;
	INSERT INTO pg_dist_partition VALUES (name::REGCLASS, colocate_with);
END $$`

func startCitus(t *testing.T) (dsn string) {
	t.Helper()
	dsn = pgtest.Start(t)
	pgExec(t, dsn, fakeCitus)
	return dsn
}

func pgExec(t *testing.T, dsn string, texts ...string) {
	t.Helper()
	c, err := pgx.Connect(bg, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(bg)
	for _, text := range texts {
		if _, err := c.Exec(bg, text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}

func pgColumn(t *testing.T, dsn, text string) (out []string) {
	t.Helper()
	c, err := pgx.Connect(bg, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(bg)
	rows, err := c.Query(bg, text)
	if err != nil {
		t.Fatal(err)
	}
	if out, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		t.Fatal(err)
	}
	return out
}

// reopen opens the store and closes it, and tells which tables are distributed
// beside which.
func reopen(t *testing.T, dsn string, log *slog.Logger) string {
	t.Helper()
	s, err := OpenPostgres(bg, dsn, Options{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	if err := putSized(s, fmt.Sprint("o", s.version), 10); err != nil {
		t.Error(err)
	}
	if err := s.Check(bg); err != nil {
		t.Error(err)
	}
	s.Close()
	return strings.Join(pgColumn(t, dsn, "SELECT logicalrelid::TEXT || ' ' || together FROM pg_dist_partition ORDER BY 1"), "\n")
}

// Where there is Citus the tables are distributed by the start that makes them:
// the first, one after csdb delete, and one that brings new tables, each before
// the next migration runs; so is what an interrupted start has left.
func TestCitusDistributes(t *testing.T) {
	dsn := startCitus(t)
	all := make([]string, len(distributed))
	for i, table := range distributed {
		if all[i] = table + " owners"; i == 0 {
			all[i] = table + " default"
		}
	}
	slices.Sort(all)
	want := strings.Join(all, "\n")
	if got := reopen(t, dsn, nil); got != want {
		t.Errorf("a new store:\n%s\nwant\n%s", got, want)
	}

	// With schema 1, distributed by hand: 0003 is about tables of 0001 and 0002.
	old := startCitus(t)
	db, err := sql.Open("pgx", old)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.UpTo(bg, migrations.Postgres, db, 1, nil); err != nil {
		t.Fatal(err)
	}
	db.Close()
	for _, table := range distributed {
		if table != "attachments" && table != "jobs" && table != "traces" && table != "registrations" && table != "history" && table != "rests" {
			pgExec(t, old, distributes(table))
		}
	}
	if got := reopen(t, old, nil); got != want {
		t.Errorf("after an upgrade:\n%s\nwant\n%s", got, want)
	}

	// As a start leaves it that was interrupted between a table and its distribution.
	pgExec(t, dsn, "CREATE TABLE left_over (LIKE jobs INCLUDING ALL)", "DROP TABLE jobs", "ALTER TABLE left_over RENAME TO jobs",
		"DELETE FROM pg_dist_partition WHERE logicalrelid::TEXT !~ '^[a-z]'")
	if got := reopen(t, dsn, nil); got != want {
		t.Errorf("after an interruption:\n%s\nwant\n%s", got, want)
	}

	if err := RemovePostgres(bg, dsn, Options{}); err != nil {
		t.Fatal(err)
	}
	pgExec(t, dsn, "DELETE FROM pg_dist_partition")
	if got := reopen(t, dsn, nil); got != want {
		t.Errorf("after csdb delete:\n%s\nwant\n%s", got, want)
	}
}

// A store that was filled before Citus came is left as it is, and the log says
// what to run; what it says works.
func TestCitusOfALaterDay(t *testing.T) {
	dsn := pgtest.Start(t)
	s, err := OpenPostgres(bg, dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := putSized(s, "before", 10); err != nil {
		t.Fatal(err)
	}
	s.Close()
	pgExec(t, dsn, fakeCitus)
	var said strings.Builder
	if got := reopen(t, dsn, slog.New(slog.NewTextHandler(&said, nil))); got != "" {
		t.Errorf("distributed: %s", got)
	}
	if s, err = OpenPostgres(bg, dsn, Options{}); err != nil {
		t.Fatal(err)
	}
	if s.Advice() == "" || !strings.Contains(said.String(), "create_distributed_table") {
		t.Errorf("advice %q, the log says %s", s.Advice(), &said)
	}
	s.Close()
	run := regexp.MustCompile(`SELECT create_distributed_table\([^)]*\);`).FindAllString(said.String(), -1)
	if len(run) != len(distributed) {
		t.Fatalf("the log says %s", &said)
	}
	pgExec(t, dsn, run...)
	said.Reset()
	if got := reopen(t, dsn, slog.New(slog.NewTextHandler(&said, nil))); strings.Count(got, "\n") != len(distributed)-1 || strings.Contains(said.String(), "distributed") {
		t.Errorf("distributed: %s; the log says %s", got, &said)
	}
}

// statements collects what PostgreSQL is sent, with arguments of one time.
type statements struct {
	mu   sync.Mutex
	args map[string][]any
}

func (s *statements) note(text string, args []any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.args[text]; !ok {
		s.args[text] = slices.Clone(args)
	}
}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.note(d.SQL, d.Args)
	return ctx
}

func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	for _, q := range d.Batch.QueuedQueries {
		s.note(q.SQL, q.Arguments)
	}
	return ctx
}

func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// ofAll are the statements that are about all owners, which no request waits for.
func ofAll() map[string]bool {
	all := map[string]bool{sqlOwners: true, sqlStat: true, sqlAllJobs: true, sqlLeft: true, sqlLeftAfter: true, sqlPurgeTokens: true, sqlFilled: true, sqlStrayBodies: true, sqlStrayOccurrences: true}
	for _, c := range rowChecks {
		all[c.text] = true
	}
	return all
}

// The suite runs on distributed tables, with what is fetched ahead, and each statement that it sends finds
// its rows in one place: it names the owner of each table. So it is one node's on
// Citus, and on others one range's.
func TestStatementsNameTheOwner(t *testing.T) {
	t.Parallel()
	sent := &statements{args: map[string][]any{}}
	citus := func(t *testing.T) (dsn string) {
		return pgtest.Prepared(t, "distributed", func(dsn string) error {
			pgExec(t, dsn, fakeCitus)
			s, err := OpenPostgres(bg, dsn, Options{})
			if err != nil {
				return err
			}
			return s.Close()
		})
	}
	dsn := citus(t)
	storetest.Run(t, func(t *testing.T) calendar.Store {
		s, err := OpenPostgres(bg, citus(t), Options{tracer: sent})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return hinted{s, new(atomic.Int64)}
	})
	if keys := pgColumn(t, dsn, "SELECT conname::TEXT FROM pg_constraint WHERE contype = 'f'"); len(keys) > 0 {
		t.Errorf("foreign keys: %v", keys)
	}
	if found := pgColumn(t, dsn, "SELECT tgname::TEXT FROM pg_trigger WHERE NOT tgisinternal"); len(found) > 0 {
		t.Errorf("triggers: %v", found)
	}
	c, err := pgx.Connect(bg, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(bg)
	all, seen := ofAll(), 0
	ours := regexp.MustCompile(`(?i)\b(` + strings.Join(distributed, "|") + `)\b`)
	part := regexp.MustCompile(`\b(?:` + strings.Join(distributed, "|") + `)_p([0-3])\b`)
	upkeep := regexp.MustCompile(`^(ANALYZE|REINDEX|DROP|CREATE|SELECT create_distributed_table)`)
	made := "" // what the migrations say, which is about all owners too
	files, _ := filepath.Glob("../../migrations/postgres/*.sql")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		made += string(b)
	}
	inserts := regexp.MustCompile(`^INSERT INTO (\w+) \(owner, [^)]*\)\s+(VALUES \(\$1, |SELECT o\.owner, (?s:.*) FROM objects o WHERE o\.owner = \$1 |SELECT a\.owner, (?s:.*)\sFROM attachments a WHERE a\.owner = \$1 )`)
	for _, text := range slices.Sorted(maps.Keys(sent.args)) {
		switch {
		case all[text] || !ours.MatchString(text) || upkeep.MatchString(text) || strings.Contains(text, "pg_class") || strings.Contains(made, text):
			continue
		case strings.HasPrefix(text, "INSERT"):
			if seen++; !inserts.MatchString(text) {
				t.Errorf("the owner is not the first value: %s", text)
			}
			continue
		}
		seen++
		rows, err := c.Query(bg, "EXPLAIN "+text, sent.args[text]...)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		places := map[string]bool{}
		for _, m := range part.FindAllStringSubmatch(strings.Join(plan, "\n"), -1) {
			places[m[1]] = true
		}
		if len(places) != 1 {
			t.Errorf("%s\nis looked for in %d places:\n%s", text, len(places), strings.Join(plan, "\n"))
		}
	}
	if seen < 60 {
		t.Errorf("only %d statements were looked at", seen)
	}
	t.Logf("%d statements", seen)
}

// hinted is a store that is told what each Update may read, right or wrong:
// what is fetched before it is asked for is what a question would have found.
type hinted struct {
	calendar.Store
	n *atomic.Int64
}

func (h hinted) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	n := h.n.Add(1)
	need := calendar.Need{Calendar: calendar.NewID(owner, "calendar"), Row: 1, ByUID: n%2 == 0, Token: "t",
		Names: []string{"a", "b", "c", "d", "o", "x", "a.ics", "b.ics", "c.ics", "\x00", "", "\xff"}, UIDs: []string{"1", "2", "3", "u", "a", "", "\x00"}}
	for i := range 10 {
		need.Names, need.UIDs = append(need.Names, fmt.Sprint("o", i), fmt.Sprint(i)), append(need.UIDs, fmt.Sprint("u", i))
	}
	if n%5 == 0 {
		need.Row = 2
	}
	return h.Store.Update(calendar.WithNeed(ctx, need), owner, fn)
}
