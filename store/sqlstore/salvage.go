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
	"strings"

	"factotum/migrations"
	"factotum/server/calendar"
)

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
