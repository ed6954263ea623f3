package archive

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/smalldisk"
)

// zeros are so many octets of nothing.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// Files that are small and expand to gigabytes are refused with little memory, packed or
// encrypted, as a snapshot and as a log.
func TestBombs(t *testing.T) {
	const expanded = 1 << 30
	var bomb bytes.Buffer
	z := must(zstd.NewWriter(&bomb, zstd.WithEncoderConcurrency(1)))(t)
	if _, err := io.Copy(z, io.LimitReader(zeros{}, expanded)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	keys := newKeys(t)
	var secret bytes.Buffer
	w := must(age.Encrypt(&secret, keys.to...))(t)
	w.Write(bomb.Bytes())
	w.Close()
	if bomb.Len() > 1<<20 {
		t.Fatalf("the bomb has %d octets", bomb.Len())
	}
	s := newSite(t)
	s.snapshot(t)
	s.log.drain(bg)
	s.log.close()
	per := must(Periods(s.root))(t)[0]
	files := must(logFiles([]Period{per}))(t)
	for _, c := range []struct {
		name, file string
		data       []byte
	}{
		{"snapshot", snapshotName, bomb.Bytes()},
		{"encrypted snapshot", snapshotName + encrypted, secret.Bytes()},
		{"log", logName(files[0].number) + packed, bomb.Bytes()},
		{"encrypted log", logName(files[0].number) + packed + encrypted, secret.Bytes()},
		{"sealed log that is none", logName(files[0].number) + sealed, bytes.Repeat([]byte("x"), 2<<20)},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), filepath.Base(per.Dir))
			if err := os.CopyFS(dir, os.DirFS(per.Dir)); err != nil {
				t.Fatal(err)
			}
			if isLog := strings.HasPrefix(c.file, logPrefix); isLog {
				for _, f := range files {
					os.Remove(filepath.Join(dir, filepath.Base(f.path)))
				}
			} else { // whoever wrote it wrote its sum, too
				os.Remove(filepath.Join(dir, snapshotName))
				sum := newSummer(io.Discard)
				sum.Write(c.data)
				m := must(readPeriod(dir))(t)
				m.Octets, m.SHA256 = sum.n, sum.String()
				if err := m.write(dir); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, c.file), c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			to := openStore(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			began := time.Now()
			_, err := Restore(bg, dir, to, RestoreOptions{Keys: keys})
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("%v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 1<<29 {
				t.Errorf("it took %d MiB and %s", took>>20, time.Since(began))
			}
		})
	}
}

// Where what is restored finds no room it says so.
func TestRestoreToFullDisk(t *testing.T) {
	s := newSite(t)
	for n := range 40 {
		insert(t, s, n)
	}
	s.snapshot(t)
	s.log.drain(bg)
	dir := t.TempDir()
	smalldisk.Mount(t, dir, 1<<20)
	to, err := sqlstore.OpenSQLite(bg, filepath.Join(dir, "calendar.db"), sqlstore.Options{Relaxed: true})
	if err == nil {
		defer to.Close()
		_, err = Restore(bg, s.root, to, RestoreOptions{})
	}
	if err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("%v", err)
	}
}

// insert writes an object of some 40 KB.
func insert(t testing.TB, s *site, n int) {
	t.Helper()
	if err := s.Update(bg, "anna", func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		if n == 0 {
			return tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: change, Created: at(0), Modified: at(0)})
		}
		name := fmt.Sprint("o", n)
		return tx.PutObject(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Created: at(n), Modified: at(n),
			Data: bytes.Repeat([]byte(name), 20_000)})
	}); err != nil {
		t.Fatal(err)
	}
}
