package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"factotum/migrations"
	"factotum/server/calendar"
)

// Examine looks at a SQLite database before SQLite does, which takes an empty
// file for a new database, and leaves out what is behind a damaged place of the
// log. Nothing is changed. "" says that there is nothing to be seen.
func Examine(path string) (string, error) {
	file, err := sqlitePath(path)
	if err != nil {
		return "", err
	}
	im, err := openImage(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at the database: %w", err)
	}
	defer im.close()
	if im.log == nil && len(im.faults) == 0 && im.pages < 16 { // with tables it has more
		if s := (&salvage{im: im}); s.walk() == 0 {
			im.fault("it has no tables, and its log is not there")
		}
	}
	if len(im.faults) == 0 {
		return "", nil
	}
	return file + " is damaged: " + strings.Join(im.faults, "; "), nil
}

// Inspect says where a SQLite database is damaged that SQLite refuses to open.
func Inspect(path string) string {
	file, err := sqlitePath(path)
	if err != nil {
		return ""
	}
	if where := damagedPages(file); where != "" {
		return file + " is damaged: " + where
	}
	return file + " is damaged"
}

// Salvaged is what came of a damaged database.
type Salvaged struct {
	Damage string           // what was wrong with it
	Kept   string           // the damaged file, which is kept under this name
	Rows   map[string]int   // by table
	Cells  int              // rows that could not be read
	Lost   []SalvagedObject // objects whose text is gone
	Strays []SalvagedText   // texts that no object had any more
	Made   []calendar.ID    // calendars whose own row was gone
	owners map[string]bool  // whose rows were met
}

// SalvagedObject is an object of which something is missing.
type SalvagedObject struct {
	Calendar  calendar.ID
	Name, UID string
}

// SalvagedText is a text without its object. Places are where an object with
// its UID may have been.
type SalvagedText struct {
	Owner  calendar.Owner
	Data   []byte
	Places []SalvagedObject // of the owner, without an object now
}

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

// SalvageSQLite makes a new database of all that can be read of a damaged one,
// page by page, and puts it in its place; the damaged files are kept beside it.
// The time index is left to the model's Rebuild. Change numbers go on far
// above, and sync tokens and CTags of before are not known any more: clients
// read everything anew, since what they saw last may be lost.
func SalvageSQLite(ctx context.Context, path string, opts Options) (out *Salvaged, err error) {
	const op = "recover the store"
	opts.defaults()
	file, err := sqlitePath(path)
	if err != nil {
		return nil, err
	}
	lock, err := lockFile(file + ".lock")
	if err != nil {
		return nil, err
	}
	defer lock.release()
	im, err := openImage(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	defer im.close()
	fresh := file + ".recovered"
	remove := func() {
		for _, end := range []string{"", "-wal", "-shm", "-journal"} {
			os.Remove(fresh + end)
		}
	}
	remove()
	defer func() {
		if err != nil {
			remove()
		}
	}()
	s := &salvage{im: im, out: &Salvaged{Damage: strings.Join(im.faults, "; "), Rows: map[string]int{}, owners: map[string]bool{}}}
	if err := s.into(ctx, fresh); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	s.out.Kept = file + ".damaged-" + opts.Now().UTC().Format("20060102T150405")
	for _, end := range []string{"-wal", "-shm", ""} {
		if err := os.Rename(file+end, s.out.Kept+end); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
	}
	if err := os.Rename(fresh, file); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return s.out, syncDir(filepath.Dir(file))
}

// damagedPages says where a database is damaged: the pages that belong to a table
// or index and are none of a tree. "" if none is found.
func damagedPages(path string) string {
	im, err := openImage(path)
	if err != nil {
		return ""
	}
	defer im.close()
	s := &salvage{im: im}
	s.walk()
	const most = 12
	text := strings.Join(append(im.faults, s.faults[:min(len(s.faults), most)]...), "; ")
	if n := len(s.faults) - most; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return text
}

type salvage struct {
	im      *image
	out     *Salvaged
	shapes  []*shape
	reached map[uint32]bool
	faults  []string
	broken  bool                 // a tree could not be followed to its end
	names   map[[2]string]string // index of calendars: owner, id to name
	uids    []SalvagedObject     // index of UIDs
	uidCal  []int64
}

// into fills a new database.
func (s *salvage) into(ctx context.Context, fresh string) error {
	dsn := url.URL{Scheme: "file", Path: fresh, RawQuery: "_pragma=busy_timeout(5000)&_pragma=synchronous(OFF)"}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := migrations.UpTo(ctx, migrations.SQLite, db, s.version(), nil); err != nil {
		return err
	}
	if err := s.learn(ctx, db); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	free := s.im.free()
	s.walk()
	if err := s.collect(ctx, tx, func(n uint32) bool { return s.reached[n] }); err != nil {
		return err
	}
	if s.broken {
		if err := s.collect(ctx, tx, func(n uint32) bool { return !s.reached[n] && !free[n] }); err != nil {
			return err
		}
	}
	if err := s.join(ctx, tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	f, err := os.OpenFile(fresh, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return errors.Join(f.Chmod(0o600), f.Sync())
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
		if table == "occurrences" || table == "leases" {
			continue // made of the texts; not kept
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

// leap is how far change numbers go ahead: farther than a log that was lost can
// have brought them.
const leap = 1 << 20

// join makes one whole of the rows that were found.
func (s *salvage) join(ctx context.Context, tx *sql.Tx) error {
	exec := func(text string, args ...any) error {
		_, err := tx.ExecContext(ctx, text, args...)
		if err != nil {
			return fmt.Errorf("%.60s: %w", text, err)
		}
		return nil
	}
	each := func(text string, fn func(scan func(...any) error) error, args ...any) error {
		rows, err := tx.QueryContext(ctx, text, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := fn(rows.Scan); err != nil {
				return err
			}
		}
		return rows.Err()
	}
	now := micros(time.Now())
	// Calendars of which only their objects are left.
	type missing struct {
		owner string
		id    int64
	}
	var calendars []missing
	err := each(`SELECT DISTINCT owner, cal FROM objects o WHERE deleted = 0 AND NOT EXISTS
		(SELECT 1 FROM calendars c WHERE c.owner = o.owner AND c.id = o.cal) ORDER BY owner, cal`, func(scan func(...any) error) error {
		var m missing
		calendars = append(calendars, m)
		return scan(&calendars[len(calendars)-1].owner, &calendars[len(calendars)-1].id)
	})
	if err != nil {
		return err
	}
	for _, m := range calendars {
		name := s.names[[2]string{m.owner, fmt.Sprint(m.id)}]
		// A row whose number was hit is still there under its name, without objects.
		res, err := tx.ExecContext(ctx, `UPDATE calendars SET id = ? WHERE owner = ? AND name = ? AND deleted = 0 AND NOT EXISTS
			(SELECT 1 FROM objects o WHERE o.owner = calendars.owner AND o.cal = calendars.id AND o.deleted = 0)`, m.id, m.owner, name)
		if err != nil {
			return err
		}
		if n, _ := res.RowsAffected(); n > 0 {
			continue
		}
		for _, try := range []string{name, fmt.Sprintf("recovered-%d", m.id)} {
			if try == "" {
				continue
			}
			err = exec(`INSERT INTO calendars (owner, id, change, modified, metachange, purged, deleted, created, flags, name, displayname, color, sortorder,
				tzid, components, charset, language, coowners, acl, categories, description, timezone)
				VALUES (?, ?, 1, ?, 1, 0, 0, ?, 0, ?, ?, '', '', '', '', '', '', '', '', '', '', '')`, m.owner, m.id, now, now, try, try)
			if err == nil {
				s.out.Made = append(s.out.Made, calendar.NewID(calendar.Owner(m.owner), try))
				break
			}
		}
		if err != nil {
			return err
		}
	}
	// Objects whose text is gone.
	err = each(`SELECT o.owner, c.name, o.name, o.uid FROM objects o JOIN calendars c ON c.owner = o.owner AND c.id = o.cal
		WHERE o.deleted = 0 AND NOT EXISTS (SELECT 1 FROM bodies b WHERE b.owner = o.owner AND b.id = o.body)`, func(scan func(...any) error) error {
		var owner, cal, name, uid string
		err := scan(&owner, &cal, &name, &uid)
		s.out.Lost = append(s.out.Lost, SalvagedObject{calendar.NewID(calendar.Owner(owner), cal), name, uid})
		return err
	})
	if err != nil {
		return err
	}
	for _, text := range []string{
		`DELETE FROM objects WHERE NOT EXISTS (SELECT 1 FROM bodies b WHERE b.owner = objects.owner AND b.id = objects.body)`,
		`DELETE FROM objects WHERE NOT EXISTS (SELECT 1 FROM calendars c WHERE c.owner = objects.owner AND c.id = objects.cal)`,
		`UPDATE objects SET occ = x'', runs = 0, occhash = 0, size = (SELECT length(b.data) FROM bodies b WHERE b.owner = objects.owner AND b.id = objects.body)`,
	} {
		if err := exec(text); err != nil {
			return err
		}
	}
	// Texts without an object, and where they may have been.
	places := map[string][]SalvagedObject{}
	stray := map[string]bool{}
	err = each(`SELECT DISTINCT owner FROM bodies b WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.owner = b.owner AND o.body = b.id)`, func(scan func(...any) error) error {
		var owner string
		err := scan(&owner)
		stray[owner] = true
		return err
	})
	if err != nil {
		return err
	}
	for i, u := range s.uids {
		var cal string
		owner := string(u.Calendar.Owner())
		if !stray[owner] {
			continue
		}
		err := tx.QueryRowContext(ctx, `SELECT name FROM calendars c WHERE owner = ? AND id = ? AND deleted = 0 AND NOT EXISTS
			(SELECT 1 FROM objects o WHERE o.owner = c.owner AND o.cal = c.id AND o.name = ?)`, owner, s.uidCal[i], u.Name).Scan(&cal)
		if err == nil {
			u.Calendar = calendar.NewID(calendar.Owner(owner), cal)
			places[owner] = append(places[owner], u)
		} else if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	var gone []int64
	err = each(`SELECT id, owner, data FROM bodies b WHERE NOT EXISTS (SELECT 1 FROM objects o WHERE o.owner = b.owner AND o.body = b.id) ORDER BY id`, func(scan func(...any) error) error {
		var id int64
		var owner string
		var data []byte
		err := scan(&id, &owner, &data)
		gone = append(gone, id)
		s.out.Strays = append(s.out.Strays, SalvagedText{Owner: calendar.Owner(owner), Data: slices.Clone(data), Places: places[owner]})
		return err
	})
	if err != nil {
		return err
	}
	sort.SliceStable(s.out.Strays, func(i, j int) bool { return s.out.Strays[i].Owner < s.out.Strays[j].Owner })
	for _, id := range gone {
		if err := exec(`DELETE FROM bodies WHERE id = ?`, id); err != nil {
			return err
		}
	}
	for _, text := range []string{
		// Homes of which only their content is left.
		`INSERT INTO owners (owner, change, created, purged, bytes, objects)
			SELECT owner, 1, ?1, 0, 0, 0 FROM (SELECT owner FROM calendars UNION SELECT owner FROM prefs UNION SELECT owner FROM jobs UNION SELECT owner FROM traces UNION SELECT owner FROM registrations)
			WHERE true ON CONFLICT DO NOTHING`,
		`UPDATE owners SET change = ?2 + max(change, coalesce((SELECT max(change) FROM calendars c WHERE c.owner = owners.owner), 0),
			coalesce((SELECT max(change) FROM objects o WHERE o.owner = owners.owner), 0), coalesce((SELECT max(change) FROM jobs j WHERE j.owner = owners.owner), 0)) WHERE ?1 > 0`,
		`UPDATE owners SET purged = change WHERE ?1 > 0`,
		`UPDATE calendars SET change = (SELECT w.change FROM owners w WHERE w.owner = calendars.owner), metachange = (SELECT w.change FROM owners w WHERE w.owner = calendars.owner),
			purged = (SELECT w.change FROM owners w WHERE w.owner = calendars.owner) WHERE deleted = 0 AND ?1 > 0`,
		`DELETE FROM calendars WHERE deleted > 0 AND ?1 > 0 AND NOT EXISTS (SELECT 1 FROM owners w WHERE w.owner = calendars.owner)`,
		`DELETE FROM attachments WHERE ?1 > 0 AND length(data) <> size`,
		`UPDATE owners SET objects = (SELECT count(*) FROM objects o WHERE o.owner = owners.owner AND o.deleted = 0),
			bytes = (SELECT coalesce(sum(o.size), 0) FROM objects o WHERE o.owner = owners.owner AND o.deleted = 0)
			+ (SELECT coalesce(sum(a.size), 0) FROM attachments a WHERE a.owner = owners.owner) WHERE ?1 > 0`,
		`UPDATE owners SET registered = (SELECT coalesce(sum(DISTINCT CASE kind WHEN 'push' THEN 1 WHEN 'hook' THEN 2 ELSE 0 END), 0)
			FROM registrations r WHERE r.owner = owners.owner) WHERE ?1 > 0`,
	} {
		var err error
		if strings.Contains(text, "?2") {
			err = exec(text, now, leap)
		} else {
			err = exec(text, now)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
