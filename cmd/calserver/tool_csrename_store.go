package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/server/rename"
	"factotum/store/archive"
	"factotum/store/sqlstore"
)

// database makes the new database.
func (r *renaming) database(ctx context.Context) error {
	dest, err := r.destination(ctx)
	if err != nil {
		return err
	}
	from, err := openDatabase(ctx, r.cfg, r.t.toolLog(), nil)
	if err != nil {
		return err
	}
	defer from.Close()
	m := rename.NewMapper(rename.New(r.pairs, r.cfg.Domain.Default))
	if !r.dry {
		// What stands in the way is found before anything is made.
		res, err := archive.Rename(ctx, none{from}, nil, m, archive.RenameOptions{})
		if err == nil {
			err = r.standing(&res)
		}
		if err != nil {
			return err
		}
	}
	st, err := from.Stat(ctx)
	if err != nil {
		return err
	}
	bar := r.t.bar(int64(st.Owners))
	var others []calendar.Owner // homes that are not what they were
	opt := archive.RenameOptions{Each: func(owner, now calendar.Owner, changed map[string]int) {
		bar.Add(1)
		if owner == now && len(changed) == 0 {
			return
		}
		others = append(others, owner, now)
		if r.dry {
			r.rep.Changes = append(r.rep.Changes, renamedHome{Owner: owner, Now: now, Changes: changed})
		}
	}}
	var res archive.Renamed
	if r.dry {
		res, err = archive.Rename(ctx, from, nil, m, opt)
	} else {
		res, err = dest.fill(ctx, from, m, opt)
	}
	bar.Finish()
	if err == nil {
		err = r.standing(&res)
	}
	if err == nil && !r.dry { // backups go on from what the numbers of homes do not tell
		err = archive.NoteChanged(append(others, res.Dropped...), backupDirs(r.cfg)...)
	}
	if err != nil {
		return err
	}
	r.rep.To, r.rep.Homes, r.rep.Renamed, r.rep.Objects, r.rep.Rewritten = dest.dir, res.Homes, res.Renamed, res.Objects, res.Rewritten
	for _, p := range r.pairs {
		if m.Seen[p.Old] == 0 {
			r.note(p, "%s has no calendars here, and nothing names him: there was nothing to rename", p.Old)
		}
	}
	for _, o := range res.Dropped {
		r.t.warn("%s had no calendars, and what else he had gives way to who has that name now", o)
	}
	for _, id := range res.Left {
		r.t.warn("the job %s could not be read: it stays as it is, and may name somebody by his old id", id)
	}
	return nil
}

// none is a store without homes, for what is asked before any is looked at.
type none struct{ calendar.Store }

func (none) Owners(context.Context, calendar.Owner, int) ([]calendar.Owner, error) { return nil, nil }

// renameTo is where the new database goes.
type renameTo struct {
	t         *tool
	dir, file string
	made      bool   // the directory is ours
	dsn       string // of PostgreSQL
}

// destination looks at where the new database goes. What a csrename left there that did
// not end is removed.
func (r *renaming) destination(ctx context.Context) (d *renameTo, err error) {
	d = &renameTo{t: r.t}
	isDSN := strings.Contains(r.to, "://") || strings.Contains(r.to, "=") || r.to == "-"
	switch {
	case r.cfg.Store.Type == "postgres" && r.dry:
		return d, nil
	case r.cfg.Store.Type == "postgres":
		if r.to == "-" {
			if r.to, err = r.t.readLine(ctx); err != nil && r.to == "" {
				return nil, fmt.Errorf("read the connection string: %w", err)
			}
		} else if !isDSN {
			return nil, misuse("the database is in PostgreSQL: -t is the connection string of another database there")
		}
		if d.dsn = strings.TrimSpace(r.to); d.dsn == r.cfg.Store.DSN.Reveal() {
			return nil, errors.New("-t is the database that people are to be renamed in: name another one")
		}
		d.dir = "PostgreSQL"
		return d, d.freePostgres(ctx)
	case isDSN:
		return nil, misuse("the database is SQLite's: -t is a directory")
	}
	if d.dir = r.to; d.dir == "" {
		d.dir = "MigratedDB"
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return nil, err
	}
	d.file = filepath.Join(d.dir, filepath.Base(r.cfg.Store.Path))
	if info, err := os.Stat(d.dir); errors.Is(err, fs.ErrNotExist) {
		d.made = true
	} else if err == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is no directory", d.dir)
	}
	is, err := os.Stat(d.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, nil
	case err != nil:
		return nil, err
	}
	if source, err := os.Stat(r.cfg.Store.Path); err == nil && os.SameFile(source, is) {
		return nil, fmt.Errorf("%s has the database that people are to be renamed in: name another directory", d.dir)
	}
	if r.dry {
		return d, nil
	}
	s, err := sqlstore.OpenSQLite(ctx, d.file, sqlstore.Options{Log: r.t.toolLog()})
	return d, d.free(ctx, s, err)
}

func (d *renameTo) freePostgres(ctx context.Context) error {
	s, err := sqlstore.OpenPostgres(ctx, d.dsn, sqlstore.Options{Log: d.t.toolLog()})
	return d.free(ctx, s, err)
}

// free refuses a database that has something in it.
func (d *renameTo) free(ctx context.Context, s *sqlstore.Store, err error) error {
	var unfinished *migrations.UnfinishedError
	if errors.As(err, &unfinished) {
		d.t.tell("%s has what a csrename left that did not end: it is removed", d.dir)
		return d.remove(ctx)
	}
	if err != nil {
		return fmt.Errorf("look at the new database: %w", err)
	}
	owners, err := s.Owners(ctx, "", 1)
	switch err = errors.Join(err, s.Close()); {
	case err != nil:
		return err
	case len(owners) > 0:
		return fmt.Errorf("%s has calendars in it already: name another place", d.dir)
	}
	return d.remove(ctx) // it is made anew, with a mark from the beginning
}

func (d *renameTo) remove(ctx context.Context) error {
	if d.dsn != "" {
		return sqlstore.RemovePostgres(ctx, d.dsn, sqlstore.Options{Log: d.t.toolLog()})
	}
	err := sqlstore.RemoveSQLite(d.file)
	if err == nil {
		err = os.Remove(d.file + ".lock")
	}
	if d.made {
		os.Remove(d.dir) // if nothing else is there
	}
	return err
}

func (d *renameTo) open(ctx context.Context) (*sqlstore.Store, error) {
	opt := sqlstore.Options{Log: d.t.toolLog(), Relaxed: true, Unfinished: true}
	if d.dsn != "" {
		return sqlstore.OpenPostgres(ctx, d.dsn, opt)
	}
	return sqlstore.OpenSQLite(ctx, d.file, opt)
}

// fill makes the new database, which nobody can open before it is whole. If that fails
// nothing of it is left.
func (d *renameTo) fill(ctx context.Context, from *sqlstore.Store, m *rename.Mapper, opt archive.RenameOptions) (res archive.Renamed, err error) {
	s, err := d.open(ctx)
	if err != nil {
		return res, fmt.Errorf("the new database in %s cannot be made: %s", d.dir, plain.Error(err))
	}
	res, err = d.copy(ctx, from, s, m, opt)
	if err = errors.Join(err, s.Close()); err != nil {
		if left := d.remove(context.WithoutCancel(ctx)); left != nil {
			d.t.complain("what there is of %s is left: %s", d.dir, plain.Error(left))
		}
		return res, fmt.Errorf("nothing was changed: the new database in %s cannot be made: %s", d.dir, plain.Error(err))
	}
	return res, nil
}

func (d *renameTo) copy(ctx context.Context, from, to *sqlstore.Store, m *rename.Mapper, opt archive.RenameOptions) (res archive.Renamed, err error) {
	if res, err = archive.Rename(ctx, from, to, m, opt); err != nil {
		return res, err
	}
	zones, err := from.ZoneData(ctx)
	for _, z := range zones {
		if err == nil {
			err = to.PutZoneData(ctx, z)
		}
	}
	if err == nil {
		err = to.Check(ctx)
	}
	if err != nil {
		return res, err
	}
	st, err := to.Stat(ctx)
	if err == nil && d.dsn == "" && st.Owners < res.Homes {
		err = fmt.Errorf("%d homes were copied, and there are %d", res.Homes, st.Owners)
	}
	if err == nil {
		err = to.Finished(ctx)
	}
	return res, err
}
