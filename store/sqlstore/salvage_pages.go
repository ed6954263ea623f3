package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/server/calendar"
)

// shape is how the rows of a table look.
type shape struct {
	name    string
	columns []string
	kinds   []byte // i, t or b
	rowid   int    // the column that is the row's number, -1 for none
	leaves  byte   // the kind of page that its rows are in
	change  bool   // it has a column "change": of two versions the later one counts
}

func (s *shape) fits(kind byte, values []any) bool {
	if len(values) != len(s.columns) || (kind == tableLeaf) != (s.leaves == tableLeaf) {
		return false
	}
	for i, v := range values {
		switch v.(type) {
		case nil:
			if i != s.rowid {
				return false
			}
		case int64:
			if s.kinds[i] != 'i' {
				return false
			}
		case string:
			if s.kinds[i] != 't' {
				return false
			}
		case []byte:
			if s.kinds[i] != 'b' {
				return false
			}
		}
	}
	return true
}

// version is the schema that the rows have; 0 if nothing says so, then it is
// taken for today's.
func (s *salvage) version() (v int64) {
	for n := uint32(1); n <= s.im.pages; n++ {
		p, ok := s.im.page(n)
		if !ok || p[head(n)] != tableLeaf {
			continue
		}
		s.im.rows(n, p, func(_ int64, values []any) {
			if len(values) != 4 || values[0] != nil {
				return
			}
			version, ok1 := values[1].(int64)
			applied, ok2 := values[2].(int64)
			_, ok3 := values[3].(string)
			if ok1 && ok2 && ok3 && applied == 1 && version < 1000 {
				v = max(v, version)
			}
		})
	}
	return v
}

// learn reads how rows look from the new database.
func (s *salvage) learn(ctx context.Context, db *sql.DB) error {
	for _, table := range tables {
		if table == "occurrences" || table == "zone_data" || table == "leases" {
			continue // made of the texts, or at the next start; not kept
		}
		rows, err := db.QueryContext(ctx, `SELECT name, type, pk FROM pragma_table_info(?) ORDER BY CASE pk WHEN 0 THEN 1000 + cid ELSE pk END`, table)
		if err != nil {
			return err
		}
		sh := &shape{name: table, rowid: -1}
		for rows.Next() {
			var name, kind string
			var pk int
			if err := rows.Scan(&name, &kind, &pk); err != nil {
				rows.Close()
				return err
			}
			if kind == "INTEGER" && pk == 1 {
				sh.rowid = len(sh.columns)
			}
			sh.columns = append(sh.columns, name)
			sh.kinds = append(sh.kinds, map[string]byte{"TEXT": 't', "BLOB": 'b'}[kind])
			if sh.kinds[len(sh.kinds)-1] == 0 {
				sh.kinds[len(sh.kinds)-1] = 'i'
			}
			sh.change = sh.change || name == "change" && pk == 0
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
		var apart bool
		if err := db.QueryRowContext(ctx, `SELECT wr FROM pragma_table_list(?)`, table).Scan(&apart); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if sh.leaves = tableLeaf; apart {
			sh.leaves = indexLeaf
		}
		if len(sh.columns) > 0 {
			s.shapes = append(s.shapes, sh)
		}
	}
	return nil
}

// walk follows every tree from the list of tables and indexes, and counts them.
func (s *salvage) walk() (known int) {
	s.reached = map[uint32]bool{}
	for _, n := range s.follow("the list of tables", 1) {
		p, ok := s.im.page(n)
		if !ok || p[head(n)] != tableLeaf {
			continue
		}
		bad := s.im.rows(n, p, func(_ int64, values []any) {
			if len(values) == 5 {
				if root, ok := values[3].(int64); ok && root > 0 && root < 1<<31 {
					known++
					s.follow(fmt.Sprint(values[0], " ", values[1]), uint32(root))
				}
			}
		})
		if bad > 0 {
			s.broken = true
			s.faults = append(s.faults, fmt.Sprintf("page %d (the list of tables) has %d rows that cannot be read", n, bad))
		}
	}
	s.broken = s.broken || known < len(s.shapes)
	return known
}

// follow reaches the pages of a tree.
func (s *salvage) follow(of string, root uint32) (pages []uint32) {
	todo := []uint32{root}
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		p, ok := s.im.page(n)
		if !ok || s.reached[n] {
			s.broken = true
			what := "is not there"
			if ok {
				what = "is in two places"
			}
			s.faults = append(s.faults, fmt.Sprintf("page %d (%s) %s", n, of, what))
			continue
		}
		switch p[head(n)] {
		case indexInterior, tableInterior:
			todo = append(todo, s.im.children(n, p)...)
		case indexLeaf, tableLeaf:
		default:
			s.broken = true
			s.faults = append(s.faults, fmt.Sprintf("page %d (%s) is overwritten", n, of))
			continue
		}
		if bad := s.im.rows(n, p, func(int64, []any) {}); bad > 0 && of != "the list of tables" {
			s.faults = append(s.faults, fmt.Sprintf("page %d (%s) has %d rows that cannot be read", n, of, bad))
		}
		s.reached[n] = true
		pages = append(pages, n)
	}
	return pages
}

// collect copies the rows of pages.
func (s *salvage) collect(ctx context.Context, tx *sql.Tx, wanted func(uint32) bool) error {
	insert := map[*shape]*sql.Stmt{}
	for _, sh := range s.shapes {
		text := "INSERT INTO " + sh.name + " (" + strings.Join(sh.columns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(sh.columns)-1) + ") ON CONFLICT DO "
		if sh.change {
			var set []string
			for _, c := range sh.columns {
				set = append(set, c+" = excluded."+c)
			}
			text += "UPDATE SET " + strings.Join(set, ", ") + " WHERE excluded.change > " + sh.name + ".change"
		} else {
			text += "NOTHING"
		}
		stmt, err := tx.PrepareContext(ctx, text)
		if err != nil {
			return err
		}
		defer stmt.Close()
		insert[sh] = stmt
	}
	if s.names == nil {
		s.names = map[[2]string]string{}
	}
	for n := uint32(1); n <= s.im.pages; n++ {
		if n%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p, ok := s.im.page(n)
		if !ok || !wanted(n) {
			continue
		}
		kind := p[head(n)]
		if kind != tableLeaf && kind != indexLeaf && kind != indexInterior {
			continue
		}
		bad := s.im.rows(n, p, func(rowid int64, values []any) {
			s.index(values)
			for _, sh := range s.shapes {
				if !sh.fits(kind, values) {
					continue
				}
				row := slices.Clone(values)
				if sh.rowid >= 0 {
					row[sh.rowid] = rowid
				}
				if owner, ok := row[slices.Index(sh.columns, "owner")].(string); !ok || owner == "" {
					return
				}
				// One that breaks a rule is left out: nothing else can be done about it.
				if res, err := insert[sh].ExecContext(ctx, row...); err == nil {
					if k, _ := res.RowsAffected(); k > 0 {
						s.out.Rows[sh.name]++
					}
				}
				return
			}
		})
		s.out.Cells += bad
	}
	return ctx.Err()
}

// index notes what indexes tell: the names of calendars (owner, name, id), and
// where objects are (owner, calendar, UID, name).
func (s *salvage) index(v []any) {
	switch len(v) {
	case 3:
		owner, ok1 := v[0].(string)
		name, ok2 := v[1].(string)
		id, ok3 := v[2].(int64)
		if ok1 && ok2 && ok3 {
			s.names[[2]string{owner, fmt.Sprint(id)}] = name
		}
	case 4:
		owner, ok1 := v[0].(string)
		cal, ok2 := v[1].(int64)
		uid, ok3 := v[2].(string)
		name, ok4 := v[3].(string)
		if ok1 && ok2 && ok3 && ok4 {
			s.uids = append(s.uids, SalvagedObject{calendar.NewID(calendar.Owner(owner), ""), name, uid})
			s.uidCal = append(s.uidCal, cal)
		}
	}
}
