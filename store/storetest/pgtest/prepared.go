package pgtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Prepared gives the DSN of a copy of a database that make filled, once for all that
// ask by this name, and left. A copy that a test has done with is emptied and given to
// the next: to make one, to read its catalog for the first time and to drop it takes
// longer than most tests.
func Prepared(t testing.TB, name string, make func(dsn string) error) (dsn string) {
	t.Helper()
	if _, ok := t.(*testing.B); ok {
		name += "_durable"
	}
	m := modelOf(t, name, make)
	copy := m.take(t)
	t.Cleanup(func() {
		if err := m.empty(copy); err != nil || t.Failed() {
			admin(t, m.dir, "DROP DATABASE "+copy+" WITH (FORCE)")
			return
		}
		m.mu.Lock()
		defer m.mu.Unlock()
		m.free = append(m.free, copy)
	})
	return dsnOf(m.dir, copy)
}

// model is a database that others are copies of.
type model struct {
	dir, name string
	schema    string   // what tells it from others
	tables    []string // those without rows

	mu   sync.Mutex
	free []string // copies that are as it is
}

var models = struct {
	sync.Mutex
	of map[string]*model
}{of: map[string]*model{}}

func modelOf(t testing.TB, name string, make func(dsn string) error) *model {
	t.Helper()
	m := &model{dir: running(t), name: name}
	models.Lock()
	defer models.Unlock()
	if known := models.of[name]; known != nil {
		return known
	}
	admin(t, m.dir, "CREATE DATABASE "+name+" TEMPLATE template0")
	err := make(dsnOf(m.dir, name))
	if err == nil {
		err = m.look()
	}
	if err != nil {
		admin(t, m.dir, "DROP DATABASE "+name+" WITH (FORCE)")
		t.Fatalf("prepare a database: %v", err)
	}
	models.of[name] = m
	return m
}

// take gives a copy that nobody has.
func (m *model) take(t testing.TB) (copy string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.free); n > 0 {
		copy, m.free = m.free[n-1], m.free[:n-1]
		return copy
	}
	return create(t, m.dir, m.name)
}

// A copy has the object identifiers of its model.
const sqlSchema = `SELECT md5(string_agg(what, ',' ORDER BY what)) FROM (
	SELECT format('class %s %s %s %s %s', oid, relname, relnatts, relhastriggers, reloptions) FROM pg_class WHERE oid >= 16384 AND relpersistence <> 't'
	UNION ALL SELECT format('column %s %s %s', attrelid, attname, atttypid) FROM pg_attribute WHERE attrelid >= 16384 AND attnum > 0 AND atttypid >= 16
		AND attrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'v'))
	UNION ALL SELECT format('constraint %s %s', oid, conname) FROM pg_constraint WHERE oid >= 16384
	UNION ALL SELECT format('trigger %s %s', oid, tgname) FROM pg_trigger
	UNION ALL SELECT format('function %s %s', oid, proname) FROM pg_proc WHERE oid >= 16384
	UNION ALL SELECT format('schema %s', nspname) FROM pg_namespace WHERE nspname !~ '^pg_'
	UNION ALL SELECT format('setting %s', setconfig) FROM pg_db_role_setting s JOIN pg_database d ON s.setdatabase = d.oid WHERE d.datname = current_database()
) AS all_of (what)`

// look notes what there is in a model.
func (m *model) look() error {
	return m.in(m.name, func(ctx context.Context, c *pgx.Conn) (err error) {
		if err := c.QueryRow(ctx, sqlSchema).Scan(&m.schema); err != nil {
			return err
		}
		rows, err := c.Query(ctx, "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables JOIN pg_class ON oid = format('%I.%I', schemaname, tablename)::REGCLASS"+
			" WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND NOT relispartition")
		if err != nil {
			return err
		}
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		filled, err := filled(ctx, c, all)
		m.tables = slices.DeleteFunc(all, func(name string) bool { return slices.Contains(filled, name) })
		return err
	})
}

// filled are those tables that have rows.
func filled(ctx context.Context, c *pgx.Conn, tables []string) ([]string, error) {
	if len(tables) == 0 {
		return nil, nil
	}
	var ask []string
	for _, name := range tables {
		ask = append(ask, fmt.Sprintf("SELECT '%s' WHERE EXISTS (SELECT FROM %[1]s)", name))
	}
	rows, err := c.Query(ctx, strings.Join(ask, " UNION ALL "))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// empty makes a copy what it was. It fails where that takes more than to delete rows.
func (m *model) empty(copy string) error {
	return m.in(copy, func(ctx context.Context, c *pgx.Conn) error {
		const others = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
		if _, err := c.Exec(ctx, others); err != nil {
			return err
		}
		var schema string
		if err := c.QueryRow(ctx, sqlSchema).Scan(&schema); err != nil {
			return err
		}
		if schema != m.schema {
			return fmt.Errorf("the schema of %s is another", copy)
		}
		tables, err := filled(ctx, c, m.tables)
		if err != nil {
			return err
		}
		if len(tables) > 0 {
			if _, err := c.Exec(ctx, "TRUNCATE "+strings.Join(tables, ", ")); err != nil {
				return err
			}
		}
		_, err = c.Exec(ctx, "DELETE FROM pg_statistic WHERE starelid >= 16384")
		return err
	})
}

func (m *model) in(database string, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	c, err := pgx.Connect(ctx, dsnOf(m.dir, database))
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	return fn(ctx, c)
}
