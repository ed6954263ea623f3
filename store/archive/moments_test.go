package archive

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"

	"github.com/google/go-cmp/cmp"
)

// writes does something at random in a home, by a store.
func writes(t testing.TB, rnd *rand.Rand, s calendar.Store, n int) {
	t.Helper()
	owner := calendar.Owner([]string{"anna", "ben", "carl"}[rnd.IntN(3)])
	err := s.Update(bg, owner, func(tx calendar.Tx) error {
		row, ok, err := tx.Calendar("calendar")
		if err != nil {
			return err
		}
		if rnd.IntN(6) == 0 { // nothing that is counted
			if !ok {
				return nil
			}
			j := calendar.Job{JobID: calendar.JobID{Change: 1, Seq: rnd.IntN(3)}, Kind: "mail", Payload: fmt.Append(nil, n)}
			if rnd.IntN(2) == 0 {
				return tx.DeleteJob(j.Change, j.Seq)
			}
			if err := tx.PutTrace(calendar.Trace{When: at(n), UID: fmt.Sprint(n), Step: calendar.TraceQueued, Reason: "queued"}); err != nil {
				return err
			}
			return tx.PutJob(j)
		}
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		if !ok {
			return tx.InsertCalendar(calendar.CalendarRow{ID: int64(n + 1), Name: "calendar", Change: change, Created: at(n), Modified: at(n)})
		}
		name := fmt.Sprint("o", rnd.IntN(8))
		switch rnd.IntN(12) {
		case 0:
			return tx.DeleteCalendar(row.ID, change, at(n))
		case 1:
			if err := tx.SetPref("p", fmt.Sprint(n)); err != nil {
				return err
			}
			return tx.SetEntry(fmt.Sprint("uid=", n))
		case 2:
			_, err := tx.Purge(row.ID, time.Time{}, at(n-20))
			return err
		case 3:
			row.DisplayName, row.Change = fmt.Sprint("calendar ", n), change
			return tx.UpdateCalendar(row)
		case 4, 5:
			if _, ok, err := tx.Object(row.ID, name, false); err != nil || !ok {
				return err
			}
			return tx.DeleteObject(row.ID, name, change, at(n), "anna")
		}
		o := calendar.ObjectRow{Cal: row.ID, Name: name, UID: "uid-" + name, Component: "VEVENT", Change: change, Created: at(n), Modified: at(n),
			OccHash: uint64(n) << 40, Data: []byte(strings.Repeat(fmt.Sprintln("text", n), 1+rnd.IntN(40)))}
		if rnd.IntN(10) == 0 {
			o.Data = []byte{0xff, byte(n), 0}
		}
		if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: int64(n), End: int64(n) + 60}}); err != nil {
			return err
		}
		if err := tx.SetProp(row.ID, name, calendar.DeadProp{Space: "x", Local: "y", Value: fmt.Sprint("<y>", n, "</y>")}); err != nil {
			return err
		}
		return tx.TouchCalendar(row.ID, change, at(n))
	})
	if err != nil {
		t.Fatalf("write %d: %v", n, err)
	}
}

// at is a moment that counts on.
func at(n int) time.Time { return time.Date(2030, 1, 1, 0, 0, n, 0, time.UTC) }

// A moment is a time and what the store had then.
type moment struct {
	when time.Time
	was  contents
}

// Every moment from the first snapshot on can be restored, whatever snapshots were taken
// meanwhile, and though files of the log are many.
func TestAnyMoment(t *testing.T) {
	seeds := uint64(2)
	if os.Getenv("FACTOTUM_LONG") != "" {
		seeds = 100
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 7))
		s := newSite(t)
		s.place.fold = 8 << 10
		for n := range 10 {
			writes(t, rnd, s, n)
		}
		s.snapshot(t)
		var moments []moment
		for n := 10; n < 300; n++ {
			writes(t, rnd, s, n)
			if n%100 == 50 {
				s.snapshot(t)
			}
			if n%9 == 0 {
				moments = append(moments, moment{s.log.moment(), contentsOf(t, s.raw)})
				time.Sleep(time.Millisecond)
			}
		}
		rnd.Shuffle(len(moments), func(i, j int) { moments[i], moments[j] = moments[j], moments[i] })
		for _, m := range moments[:12] {
			got, res := s.restored(t, m.when)
			if d := cmp.Diff(m.was, contentsOf(t, got)); d != "" {
				t.Fatalf("seed %d, at %s: %s", seed, m.when, d)
			}
			if !res.Until.Equal(m.when) && m.when.Before(res.Until) {
				t.Errorf("it says that it is of %s, not of %s", res.Until, m.when)
			}
		}
	}
}

// keep opens the backups of a site as a server does.
func (s *site) keep(t testing.TB, opt Options) *Keeper {
	t.Helper()
	opt.Host, opt.Engine = "h", "sqlite"
	if opt.Targets == nil {
		opt.Targets = []Target{{Name: "archive", Path: s.root, Interval: time.Hour, Min: 3, Max: 7}}
	}
	if opt.LogSize == 0 {
		opt.LogSize = 8 << 10
	}
	opt.Scratch = func(_ context.Context, dir string) (calendar.Store, error) {
		return sqlstore.OpenSQLite(bg, filepath.Join(dir, "calendar.db"), sqlstore.Options{Relaxed: true})
	}
	k, err := Open(bg, s.raw, opt)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// What was committed and did not come into the log, since the process was killed, is in
// it after the next start; so is what was written before the line that was cut off.
func TestKilled(t *testing.T) {
	for name, keys := range map[string]*Keys{"plain": nil, "encrypted": newKeys(t)} {
		t.Run(name, func(t *testing.T) { killed(t, keys) })
	}
}

func killed(t *testing.T, keys *Keys) {
	rnd := rand.New(rand.NewPCG(1, 1))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	left := filepath.Join(s.root, proofPrefix+"1") // a proof was cut off by a kill, too
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	k := s.keep(t, Options{Keys: keys})
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what a proof left stays: %v", err)
	}
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	n := 0
	for round := range 6 {
		for range 40 {
			writes(t, rnd, k.Store(), n)
			n++
		}
		if round == 3 {
			if err := k.Snapshot(bg, "archive"); err != nil {
				t.Fatal(err)
			}
		}
		before := moment{k.log.moment(), contentsOf(t, s.raw)}
		if round%2 == 0 { // killed: some writes are in the store alone, and a line is torn
			k.log.drain(bg)
			k.log.kill()
			for range round {
				writes(t, rnd, s.raw, n)
				n++
			}
			files, err := logFiles(must(Periods(s.root))(t))
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(files[len(files)-1].path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			torn := []byte(`00000000 {"txn":{"t":"20`)
			if keys.seals() {
				torn = k.places[0].seal.seal(torn)[:20]
			}
			f.Write(torn)
			f.Close()
		} else {
			k.Close()
		}
		k = s.keep(t, Options{Keys: keys})
		if p := k.places[0]; p.gap() {
			t.Fatalf("round %d: the log has a gap", round)
		}
		after := moment{time.Time{}, contentsOf(t, s.raw)}
		k.log.drain(bg)
		for _, m := range []moment{before, after} {
			to := openStore(t)
			if _, err := Restore(bg, s.root, to, RestoreOptions{At: m.when, Keys: keys}); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if d := cmp.Diff(m.was, contentsOf(t, to)); d != "" {
				t.Fatalf("round %d: %s", round, d)
			}
		}
	}
	k.Close()
}

// must gives a value, or fails.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// A backup that is not what was written is told from one that is, and what is said of it
// says what to do.
func TestDamages(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	s := newSite(t)
	s.place.fold = 4 << 10
	s.snapshot(t)
	for n := range 120 {
		writes(t, rnd, s, n)
	}
	s.log.drain(bg)
	end := s.log.moment()
	s.log.close()
	per := must(Periods(s.root))(t)[0]
	files := must(logFiles([]Period{per}))(t)
	middle := files[len(files)/2].path
	flip := func(name string) {
		data := must(os.ReadFile(name))(t)
		data[len(data)/2] ^= 0x20
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name string
		do   func(dir string)
		at   time.Time
		want string
	}{
		{"whole", func(string) {}, time.Time{}, ""},
		{"a flipped bit in the snapshot", func(dir string) { flip(filepath.Join(dir, snapshotName)) }, time.Time{}, "its checksum differs"},
		{"a snapshot cut off", func(dir string) { os.Truncate(filepath.Join(dir, snapshotName), 100) }, time.Time{}, "its checksum differs"},
		{"a flipped bit in the log", func(dir string) { flip(filepath.Join(dir, filepath.Base(middle))) }, time.Time{}, "damaged"},
		{"a file of the log gone", func(dir string) { os.Remove(filepath.Join(dir, filepath.Base(middle))) }, time.Time{}, "is missing"},
		{"the first file of the log gone", func(dir string) { os.Remove(filepath.Join(dir, filepath.Base(files[0].path))) }, time.Time{}, "is missing"},
		{"no snapshot", func(dir string) { os.Remove(filepath.Join(dir, snapshotName)) }, time.Time{}, "no such file"},
		{"a newer release", func(dir string) {
			m := must(readPeriod(dir))(t)
			m.Format, m.Release = format+1, "9.0"
			m.write(dir)
		}, time.Time{}, "a newer release (9.0) has written it"},
		{"before it begins", func(string) {}, per.Begun.Add(-time.Second), "the backup begins at"},
		{"after its end", func(string) {}, end.Add(time.Hour), "the backup ends at"},
		{"no backup", func(dir string) { os.Remove(filepath.Join(dir, manifestName)) }, time.Time{}, "there is no backup in"},
		{"not finished", func(dir string) {
			m := must(readPeriod(dir))(t)
			m.Ended = time.Time{}
			m.write(dir)
		}, time.Time{}, "no snapshot"},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			dir := filepath.Join(root, filepath.Base(per.Dir))
			if err := os.CopyFS(dir, os.DirFS(per.Dir)); err != nil {
				t.Fatal(err)
			}
			c.do(dir)
			_, err := Restore(bg, root, openStore(t), RestoreOptions{At: c.at})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A backup is called proven when all homes were compared; one that cannot be restored
// never is, and what follows it is told.
func TestProof(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 5))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	k := s.keep(t, Options{})
	defer k.Close()
	for n := range 60 {
		writes(t, rnd, k.Store(), n)
	}
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	p := k.Status()[0]
	if p.Latest.Proof == nil || p.Latest.Proof.Homes != 3 || p.Latest.Proof.Failed != "" || p.Proven.IsZero() {
		t.Errorf("%+v", p.Latest.Proof)
	}
	// Somebody writes to the store and the log does not know of it.
	if err := s.raw.Update(bg, "anna", func(tx calendar.Tx) error { return tx.SetPref("by", "somebody else") }); err != nil {
		t.Fatal(err)
	}
	k.log.add(&record{Digest: must(digestHere(s.raw, "anna"))(t)})
	k.log.drain(bg)
	if _, err := k.try(bg, k.target("archive")); err == nil || !strings.Contains(err.Error(), "the home of anna is not what it was") {
		t.Errorf("it is proven: %v", err)
	}
}

func digestHere(s calendar.Store, owner calendar.Owner) (d *digest, err error) {
	err = s.View(bg, owner, func(tx calendar.ReadTx) (err error) {
		d, err = digestOf(tx, owner)
		return err
	})
	return d, err
}

// A copy for itself, made while others write, has what is written until it is made.
func TestCopy(t *testing.T) {
	rnd := rand.New(rand.NewPCG(6, 6))
	s := &site{raw: openStore(t)}
	k := s.keep(t, Options{Targets: []Target{}})
	defer k.Close()
	for n := range 60 {
		writes(t, rnd, k.Store(), n)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	per, err := k.Copy(bg, dir)
	if err != nil || per.Proof == nil || per.Proof.Homes != 3 {
		t.Fatalf("%v %+v", err, per.Proof)
	}
	to := openStore(t)
	if _, err := Restore(bg, dir, to, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, to)); d != "" {
		t.Error(d)
	}
	if _, err := k.Copy(bg, dir); calendar.KindOf(err) != calendar.Exists {
		t.Errorf("over another: %v", err)
	}
	one := openStore(t)
	if _, err := Restore(bg, dir, one, RestoreOptions{Owner: "ben"}); err != nil {
		t.Fatal(err)
	}
	if owners, _ := one.Owners(bg, "", 0); !slices.Equal(owners, []calendar.Owner{"ben"}) {
		t.Errorf("%v", owners)
	}
}

// What was a store on SQLite can be one on PostgreSQL, and is the same.
func TestIntoPostgres(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	s := newSite(t)
	s.snapshot(t)
	for n := range 150 {
		if writes(t, rnd, s, n); n == 100 {
			s.snapshot(t)
		}
	}
	if err := s.log.drain(bg); err != nil {
		t.Fatal(err)
	}
	to := fresh.Postgres(t, sqlstore.Options{})
	if _, err := Restore(bg, s.root, to, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, to)); d != "" {
		t.Error(d)
	}
	if err := to.Check(bg); err != nil {
		t.Error(err)
	}
}

// Circular retention: the most, the least, and what was never finished. admin.md §9.5
func TestRetention(t *testing.T) {
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	k := s.keep(t, Options{Targets: []Target{{Name: "archive", Path: s.root, Interval: time.Hour, Min: 2, Max: 3}}})
	defer k.Close()
	for n := range 6 {
		if err := k.Snapshot(bg, "archive"); err != nil {
			t.Fatal(err)
		}
		if list := must(Periods(s.root))(t); len(list) != min(n+1, 3) {
			t.Errorf("%d periods are kept after %d", len(list), n+1)
		}
	}
	names := []string{}
	for _, p := range must(Periods(s.root))(t) {
		names = append(names, filepath.Base(p.Dir))
	}
	if day := time.Now().UTC().Format("20060102"); !slices.Equal(names, []string{"archive_" + day + "_4", "archive_" + day + "_5", "archive_" + day + "_6"}) {
		t.Errorf("%v", names)
	}
	full := Target{Path: s.root, Min: 2, Max: 3, Percent: 1} // every disk is
	if err := retire(full, false, k.opt.Log); err != nil {
		t.Fatal(err)
	}
	if list := must(Periods(s.root))(t); len(list) != 2 {
		t.Errorf("%d periods are kept on a full disk", len(list))
	}
}

// Where backups cannot be written the server goes on, the administrator is told once, and
// a new snapshot makes up for the gap, when they can be again.
func TestTargetAway(t *testing.T) {
	rnd := rand.New(rand.NewPCG(9, 9))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	told := make(chan error, 10)
	k := s.keep(t, Options{Told: func(_ string, err error) { told <- err }, LogSize: 2 << 10, Retry: 20 * time.Millisecond})
	defer k.Close()
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		writes(t, rnd, k.Store(), n)
	}
	if err := os.Rename(s.root, s.root+".away"); err != nil {
		t.Fatal(err)
	}
	for n := range 60 {
		writes(t, rnd, k.Store(), 20+n)
	}
	k.log.drain(bg)
	if err := <-told; err == nil {
		t.Error("told that all is well")
	}
	if st := k.Status()[0]; st.Failure == "" {
		t.Errorf("%+v", st)
	}
	if err := os.Rename(s.root+".away", s.root); err != nil {
		t.Fatal(err)
	}
	if !k.places[0].gap() {
		t.Error("the gap is forgotten")
	}
	ctx, cancel := context.WithCancel(bg)
	done := make(chan struct{})
	go func() { k.Run(ctx); close(done) }()
	if err := <-told; err != nil {
		t.Errorf("after it is back: %v", err)
	}
	cancel()
	<-done
	if st := k.Status()[0]; st.Failure != "" || k.places[0].gap() {
		t.Errorf("%+v", st)
	}
	to := openStore(t)
	if _, err := Restore(bg, s.root, to, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, to)); d != "" {
		t.Error(d)
	}
}
