package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest"
	"factotum/store/storetest/pgtest"

	"factotum/store/storetest/fresh"
	"github.com/jackc/pgx/v5"
)

func openPostgres(t testing.TB, dsn string, opts sqlstore.Options) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.OpenPostgres(context.Background(), dsn, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// sqlExec runs a statement beside the store.
func sqlExec(t testing.TB, dsn, text string) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// The suites wait for the server more than they work, so they run beside each other.
func TestPostgres(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) calendar.Store { return fresh.Postgres(t, sqlstore.Options{}) })
}

// The fall-back for engines whose sessions cannot be ended.
func TestPostgresFenced(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) calendar.Store {
		return fresh.Postgres(t, sqlstore.Options{Fenced: true})
	})
}

// As distributed engines are: serializable, and refusing every third write.
func TestPostgresSerializable(t *testing.T) {
	t.Parallel()
	var refused int64
	storetest.Run(t, func(t *testing.T) calendar.Store {
		const isolation = " default_transaction_isolation=serializable"
		if strings.HasSuffix(t.Name(), "Model") { // thousands of writes: the pauses would add up
			return openPostgres(t, fresh.DSN(t)+isolation, sqlstore.Options{Fenced: true})
		}
		dsn := pgtest.Prepared(t, "refusing", func(dsn string) error {
			s, err := sqlstore.OpenPostgres(context.Background(), dsn, sqlstore.Options{})
			if err != nil {
				return err
			}
			sqlExec(t, dsn, `CREATE SEQUENCE writes;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF nextval('writes') % 3 = 0 THEN RAISE EXCEPTION 'injected' USING ERRCODE = '40001'; END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON owners FOR EACH ROW EXECUTE FUNCTION refuse()`)
			return s.Close()
		})
		before := refusals(t, dsn)
		s := openPostgres(t, dsn+isolation, sqlstore.Options{Fenced: true})
		t.Cleanup(func() { refused += refusals(t, dsn) - before })
		return s
	})
	if refused < 20 {
		t.Errorf("only %d writes were refused", refused)
	}
	t.Logf("%d writes were refused, and done in the end", refused)
}

// refusals is how many writes a database has refused.
func refusals(t testing.TB, dsn string) (n int64) {
	t.Helper()
	c, err := pgx.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(context.Background(), "SELECT last_value / 3 FROM writes").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestPostgresReopen(t *testing.T) {
	dsn := pgtest.Start(t)
	storetest.Reopen(t, func() calendar.Store { return openPostgres(t, dsn, sqlstore.Options{}) })
}

func TestPostgresMaintain(t *testing.T) {
	dsn := pgtest.Start(t)
	testMaintain(t, func(o sqlstore.Options) *sqlstore.Store { return openPostgres(t, dsn, o) })
}

func TestPostgresServedOnce(t *testing.T) {
	dsn := pgtest.Start(t)
	opts := sqlstore.Options{LeaseTTL: 3 * time.Second} // renewed in time on a busy machine too
	s := openPostgres(t, dsn, opts)
	_, err := sqlstore.OpenPostgres(context.Background(), dsn, opts)
	if !errors.Is(err, calendar.Unavailable) || !strings.Contains(err.Error(), "Another csstored (pid ") {
		t.Errorf("a second one: %v", err)
	}
	s.Close()
	s = openPostgres(t, dsn, opts)

	// Another schema of the database is another store.
	sqlExec(t, dsn, "CREATE SCHEMA other")
	openPostgres(t, dsn+" search_path=other", opts)
	s.Close()

	// A daemon of another machine that died leaves its lease to expire.
	sqlExec(t, dsn, "INSERT INTO leases VALUES ('', 'boot/space/1/x', 'elsewhere', cast(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT) + 400)")
	s = openPostgres(t, dsn, opts)

	// Whoever lost the lease does not write.
	sqlExec(t, dsn, "UPDATE leases SET holder = 'somebody', expires = expires + 3600000 WHERE owner = ''")
	deadline := time.Now().Add(time.Minute)
	for err = nil; err == nil && time.Now().Before(deadline); {
		err = s.Update(context.Background(), "anna", func(calendar.Tx) error { return nil })
	}
	if !errors.Is(err, calendar.Unavailable) {
		t.Errorf("a write without the lease: %v", err)
	}
}

func TestPostgresRefused(t *testing.T) {
	ctx := context.Background()
	dsn := pgtest.Start(t)
	s := openPostgres(t, dsn, sqlstore.Options{})
	s.Close()
	sqlExec(t, dsn, "INSERT INTO schema_version (version_id, is_applied) VALUES (9999, true)")
	if _, err := sqlstore.OpenPostgres(ctx, dsn, sqlstore.Options{}); err == nil || !strings.Contains(err.Error(), "schema version 9999") {
		t.Errorf("a newer store: %v", err)
	}
	sqlExec(t, dsn, "DELETE FROM schema_version WHERE version_id = 9999")

	async := dsn + " synchronous_commit=off"
	if _, err := sqlstore.OpenPostgres(ctx, async, sqlstore.Options{}); !errors.Is(err, calendar.Invalid) {
		t.Errorf("synchronous_commit = off: %v", err)
	}
	openPostgres(t, async, sqlstore.Options{Relaxed: true}).Close()

	for _, bad := range []string{"postgres://u:hush@h:x/db", "host=h password=hush port=x", "postgres://u:hush@127.0.0.1:1/db"} {
		_, err := sqlstore.OpenPostgres(ctx, bad, sqlstore.Options{})
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	openPostgres(t, dsn, sqlstore.Options{}) // nothing of this has kept the lease
}

func BenchmarkPostgres(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) calendar.Store { return openPostgres(b, pgtest.Start(b), sqlstore.Options{}) })
}
