package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
)

// damagedText is an object's text: every seventh is longer than a page.
func damagedText(owner, name string) []byte {
	n := len(name) * 17
	if name[len(name)-1] == '7' {
		n += 9000
	}
	return fmt.Appendf(nil, "BEGIN:VCALENDAR %s/%s %s", owner, name, bytes.Repeat([]byte("abcdefgh"), n/8+20))
}

var damagedOwners = []calendar.Owner{"anna", "bert", "carl"}

const damagedObjects = 60 // of each owner

// sound makes a database and gives its files. With log, what was written last
// is in the write-ahead log only, as after a crash.
func sound(t *testing.T, log bool) (file, wal []byte) {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	s, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	put := func(owner calendar.Owner, from, to int) {
		err := s.Update(ctx, owner, func(tx calendar.Tx) error {
			n, err := tx.NextChange()
			if err != nil {
				return err
			}
			if from == 0 {
				if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: n, MetaChange: n}); err != nil {
					return err
				}
				if err := tx.SetPref("colour", string(owner)); err != nil {
					return err
				}
			}
			for i := from; i < to; i++ {
				name := fmt.Sprintf("o%03d", i)
				if err := tx.PutObject(calendar.ObjectRow{Cal: 1, Name: name, UID: "uid-" + name, Component: "VEVENT", Change: n, Data: damagedText(string(owner), name)}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, o := range damagedOwners {
		put(o, 0, damagedObjects/2)
	}
	if err := s.Maintain(ctx); err != nil {
		t.Fatal(err)
	}
	for _, o := range damagedOwners {
		put(o, damagedObjects/2, damagedObjects)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if log {
		file, wal = read("calendar.db"), read("calendar.db-wal")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !log {
		file = read("calendar.db")
	}
	return file, wal
}

// salvaged recovers damaged files and counts what came through: objects as they
// were, objects whose text is another one, and texts without their objects.
func salvaged(t *testing.T, file, wal []byte) (out *sqlstore.Salvaged, whole, changed int) {
	t.Helper()
	ctx, dir := context.Background(), t.TempDir()
	path := filepath.Join(dir, "calendar.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if wal != nil {
		if err := os.WriteFile(path+"-wal", wal, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := sqlstore.SalvageSQLite(ctx, dir, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(out.Kept); err != nil || !bytes.Equal(kept, file) {
		t.Errorf("the damaged file was not kept: %v", err)
	}
	s, err := sqlstore.OpenSQLite(ctx, dir, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(ctx); err != nil {
		t.Errorf("after the recovery: %v", err)
	}
	for _, o := range damagedOwners {
		err := s.View(ctx, o, func(tx calendar.ReadTx) error {
			rows, err := tx.Calendars()
			for _, c := range rows {
				if err == nil {
					err = tx.Objects(c.ID, "", true, func(row *calendar.ObjectRow) error {
						if bytes.Equal(row.Data, damagedText(string(o), row.Name)) && row.UID == "uid-"+row.Name {
							whole++
						} else {
							changed++
						}
						return nil
					})
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out, whole, changed
}

// Whatever is damaged, all else is saved, and nothing is made up: a table of
// damages, of pages and of single octets.
func TestSalvageDamages(t *testing.T) {
	t.Parallel()
	const all = 3 * damagedObjects
	file, _ := sound(t, false)
	main, wal := sound(t, true)
	zero := func(b []byte, from, to int) []byte {
		b = bytes.Clone(b)
		clear(b[from:to])
		return b
	}
	flip := func(b []byte, at int) []byte {
		b = bytes.Clone(b)
		b[at] ^= 0x55
		return b
	}
	set := func(b []byte, at int, to ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], to)
		return b
	}
	for name, c := range map[string]struct {
		file, wal []byte
		least     int // objects and texts that must be there
		changed   int // and such as may be other ones
	}{
		"nothing":                      {file, nil, all, 0},
		"nothing, with a log":          {main, wal, all, 0},
		"no magic":                     {zero(file, 0, 16), nil, all, 0},
		"no header":                    {zero(file, 0, 100), nil, all, 0},
		"no first page":                {zero(file, 0, 4096), nil, all, 0},
		"a wild size of pages":         {flip(file, 16), nil, all, 0},
		"twice the size of pages":      {set(file, 16, 0x20, 0), nil, all, 0},
		"half the size of pages":       {set(file, 16, 0x08, 0), nil, all, 0},
		"octets left free":             {set(file, 20, 0x55), nil, all, 0},
		"another encoding of texts":    {set(file, 56, 0, 0, 0, 2), nil, all, 0},
		"another format":               {set(file, 18, 9, 9), nil, all, 0},
		"a wild list of free pages":    {flip(flip(file, 34), 38), nil, all, 0},
		"half a page more":             {append(bytes.Clone(file), file[:2048]...), nil, all, 0},
		"the log lost":                 {main, nil, all / 2, 0},
		"the log empty":                {main, []byte{}, all / 2, 0},
		"a damaged frame":              {main, flip(wal, len(wal)/2), all - 30, 1},
		"a damaged header of the log":  {main, flip(wal, 9), all / 2, 0},
		"a damaged sum in the log":     {main, flip(wal, 24), all, 0},
		"half of the log":              {main, wal[:len(wal)/2], all / 2, 0},
		"three quarters of the file":   {file[:len(file)*3/4], nil, all / 2, 0},
		"a quarter of the file":        {file[:len(file)/4], nil, 0, 0},
		"empty":                        {nil, nil, 0, 0},
		"zeros":                        {make([]byte, len(file)), nil, 0, 0},
		"another file":                 {bytes.Repeat([]byte("no database. "), 5000), nil, 0, 0},
		"a file of ff":                 {bytes.Repeat([]byte{0xff}, len(file)), nil, 0, 0},
		"every page but the first off": {append(bytes.Clone(file[:4096]), make([]byte, len(file)-4096)...), nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			out, whole, changed := salvaged(t, c.file, c.wal)
			if n := whole + len(out.Strays); n < c.least || n > all || changed > c.changed {
				t.Errorf("%d of %d objects and %d texts, %d changed; want %d (%+v)", whole, all, len(out.Strays), changed, c.least, out.Rows)
			}
		})
	}
	// Pages in turn, and with FACTOTUM_LONG each. A page has at most thirty of these objects.
	pages, octets := 5, 15
	if os.Getenv("FACTOTUM_LONG") != "" {
		pages, octets = 1, 600
	}
	for at := 4096 * (1 + rand.IntN(pages)); at < len(file); at += 4096 * pages {
		out, whole, changed := salvaged(t, zero(file, at, at+4096), nil)
		if n := whole + len(out.Strays); n < all-40 || n > all || changed > 0 {
			t.Errorf("without page %d: %d objects, %d texts, %d changed (%+v)", at/4096+1, whole, len(out.Strays), changed, out.Rows)
		}
		if lost := all - whole - len(out.Strays); lost > len(out.Lost)+out.Cells+40 {
			t.Errorf("without page %d: %d are gone, %d told", at/4096+1, lost, len(out.Lost))
		}
	}
	// Single octets, here and there.
	r := rand.New(rand.NewPCG(rand.Uint64(), 7))
	for range octets {
		at := r.IntN(len(file))
		out, whole, changed := salvaged(t, flip(file, at), nil)
		if n := whole + len(out.Strays) + changed; n < all-40 || n > all || changed > 1 {
			t.Errorf("octet %d: %d objects, %d texts, %d changed (%+v)", at, whole, len(out.Strays), changed, out.Rows)
		}
	}
}
