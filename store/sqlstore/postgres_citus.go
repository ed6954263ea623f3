package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
)

// On Citus every table of owners' data is distributed by the owner, each beside
// the first. What a migration makes is distributed by the same start, before
// the next one runs: a statement over a distributed table and one that is not
// yet would fail between two versions.

const (
	sqlCitus = `SELECT to_regclass('pg_dist_partition') IS NOT NULL AND EXISTS (SELECT 1 FROM pg_proc WHERE proname = 'create_distributed_table')`

	sqlFilled = `SELECT EXISTS (SELECT 1 FROM owners)`

	sqlSpread = `SELECT c.relname, EXISTS (SELECT 1 FROM pg_dist_partition p WHERE p.logicalrelid = c.oid)
FROM pg_class c WHERE c.relnamespace = cast(current_schema() AS regnamespace) AND c.relkind IN ('r', 'p') AND c.relname = ANY($1)`
)

// distributed are the tables of owners' data, the first first: neither the rules of zones nor the
// lease are anybody's.
var distributed = tables[:len(tables)-2]

// distributes is the statement that distributes a table.
func distributes(table string) string {
	if table == distributed[0] {
		return fmt.Sprintf("SELECT create_distributed_table('%s', 'owner')", table)
	}
	return fmt.Sprintf("SELECT create_distributed_table('%s', 'owner', colocate_with => '%s')", table, distributed[0])
}

// distribute distributes what is there and is not distributed, on a database
// that can do it: all that goes with a first table that is, and all of a store
// without owners. A store that has been filled without is left as it is, and the
// log says what to run.
func (e *pgEngine) distribute(ctx context.Context) error {
	e.advice = ""
	var citus bool
	if err := e.pool.QueryRow(ctx, sqlCitus).Scan(&citus); err != nil || !citus {
		return wrap("look for Citus", pgError(err))
	}
	rows, err := e.pool.Query(ctx, sqlSpread, distributed)
	if err != nil {
		return wrap("look for distributed tables", pgError(err))
	}
	spread := map[string]bool{}
	var name string
	var done bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &done}, func() error { spread[name] = done; return nil }); err != nil {
		return wrap("look for distributed tables", pgError(err))
	}
	var todo []string
	for _, table := range distributed {
		if done, there := spread[table]; there && !done {
			todo = append(todo, table)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	if todo[0] == distributed[0] {
		var filled bool
		if err := e.pool.QueryRow(ctx, sqlFilled).Scan(&filled); err != nil {
			return wrap("look for owners", pgError(err))
		}
		if filled {
			statements := make([]string, len(todo))
			for i, table := range todo {
				statements[i] = distributes(table) + ";"
			}
			e.advice = "The database has Citus, and its tables are not distributed. With csstored stopped, run: " + strings.Join(statements, " ")
			e.opts.Log.Warn("the tables are not distributed", "err", e.advice)
			return nil
		}
	}
	for _, table := range todo {
		_, err := e.pool.Exec(ctx, distributes(table))
		if err != nil && table == distributed[0] { // Citus without nodes: the store works without
			e.advice = "The database has Citus, but the tables could not be distributed: " + pgError(err).Error()
			e.opts.Log.Warn("the tables are not distributed", "err", e.advice)
			return nil
		}
		if err != nil {
			var known *engineError
			cause := pgError(err)
			if !errors.As(cause, &known) {
				return wrap("distribute a table", cause)
			}
			return &calendar.Error{Kind: known.kind, Op: "open the store", Err: cause,
				Msg: "The new table " + table + " could not be distributed over the nodes. When they are there again, start once more, or run: " + distributes(table) + ";"}
		}
		e.opts.Log.Info("a table was distributed", "table", table)
	}
	return nil
}
