package migrations

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Previous is the schema version of the release before this one, as far back as an
// upgrade can be undone: every migration after it has a way down, and an entry in
// losses. With a release it becomes what that release has.
const Previous = 13

// Step is a migration as an administrator sees it.
type Step struct {
	Version int64
	Name    string // of its file, without the number
	Undone  bool   // there is a way back
	Goes    string // through what it goes row by row: "objects", "bodies" (their texts), "jobs", "owners"; "" is a moment
	losses  []Loss
}

// Loss is something that goes when a migration is undone.
type Loss struct {
	What  string // "versions of the history"
	Rows  int64
	count string // the question how many there are
}

// losses says for each migration that can be undone what an older program had no place
// for. Every migration after Previous is named, also one that loses nothing.
var losses = map[int64][]Loss{
	12: {{What: "versions that the history keeps of what was changed and deleted", count: "SELECT count(*) FROM history"}},
	13: {{What: "earlier releases of the zone data, with which csdst finds events that meant another hour",
		count: "SELECT count(*) FROM zone_data WHERE used < (SELECT max(used) FROM zone_data)"}},
	14: {}, // what is there is done before: sqlstore.UndoSQLite
}

// goes are the migrations that go through every row of a table.
var goes = map[int64]string{5: "bodies", 6: "objects", 10: "jobs", 12: "owners"}

var stepName = regexp.MustCompile(`^(\d+)_(\w+)\.sql$`)

// Steps lists the migrations of an engine, the first first.
func Steps(engine Engine) ([]Step, error) {
	names, err := fs.Glob(files, string(engine)+"/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	var list []Step
	for _, name := range names {
		m := stepName.FindStringSubmatch(path.Base(name))
		if m == nil {
			return nil, fmt.Errorf("list migrations: %s has no number", name)
		}
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read migrations: %w", err)
		}
		s := Step{Name: m[2], Undone: strings.Contains(string(text), "\n-- +goose Down\n")}
		if s.Version, err = strconv.ParseInt(m[1], 10, 64); err != nil {
			return nil, fmt.Errorf("list migrations: %w", err)
		}
		s.Goes, s.losses = goes[s.Version], losses[s.Version]
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b Step) int { return int(a.Version - b.Version) })
	return list, nil
}

// Version reads the version of a database and changes nothing: 0 where there are no tables.
func Version(ctx context.Context, engine Engine, db *sql.DB) (have int64, err error) {
	there := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'"
	if engine == Postgres {
		there = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('schema_version')"
	}
	var n int
	if err := db.QueryRowContext(ctx, there).Scan(&n); err != nil {
		return 0, fmt.Errorf("look for the schema version: %w", err)
	}
	if n == 0 {
		return 0, nil
	}
	if err := db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM schema_version").Scan(&have); err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	return have, nil
}

// Back is what is between a database and an older version.
type Back struct {
	Have, To int64
	Steps    []Step // the newest first
	Losses   []Loss // what would be lost, where it is something
}

// Newest is the version that this program has.
func Newest(engine Engine) (int64, error) {
	list, err := Steps(engine)
	if err != nil {
		return 0, err
	}
	return list[len(list)-1].Version, nil
}

// WayBack tells what the way back to a version is, and what it would cost. It changes nothing.
func WayBack(ctx context.Context, engine Engine, db *sql.DB, to int64) (b Back, err error) {
	list, err := Steps(engine)
	if err != nil {
		return b, err
	}
	b.To = to
	if b.Have, err = Version(ctx, engine, db); err != nil {
		return b, err
	}
	if b.Have == Unfinished {
		return b, &UnfinishedError{}
	}
	if know := list[len(list)-1].Version; b.Have > know {
		return b, &NewerError{Have: b.Have, Know: know}
	}
	for _, s := range slices.Backward(list) {
		if s.Version <= to || s.Version > b.Have {
			continue
		}
		if !s.Undone {
			return b, fmt.Errorf("migration %d (%s) cannot be undone: the way back to schema version %d is a backup that was made before the upgrade", s.Version, s.Name, to)
		}
		b.Steps = append(b.Steps, s)
		for _, l := range s.losses {
			if err := db.QueryRowContext(ctx, l.count).Scan(&l.Rows); err != nil {
				return b, fmt.Errorf("count what would be lost with migration %d: %w", s.Version, err)
			}
			if l.Rows > 0 {
				b.Losses = append(b.Losses, l)
			}
		}
	}
	return b, nil
}

// Down undoes migrations, each in a transaction, until the database has a version. each,
// unless nil, is told of every one before. Who calls has looked at what is lost.
func Down(ctx context.Context, engine Engine, db *sql.DB, to int64, each func(Step)) error {
	b, err := WayBack(ctx, engine, db, to)
	if err != nil {
		return err
	}
	p, err := provider(engine, db)
	if err != nil {
		return err
	}
	for _, s := range b.Steps {
		if each != nil {
			each(s)
		}
		res, err := p.Down(ctx)
		if err != nil {
			return fmt.Errorf("undo migration %d (%s): %w", s.Version, s.Name, err)
		}
		if res.Source.Version != s.Version {
			return fmt.Errorf("migration %d was undone, and %d was meant: the table schema_version was changed by somebody", res.Source.Version, s.Version)
		}
	}
	return nil
}
