package archive

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"factotum/store/sqlstore"

	"github.com/google/go-cmp/cmp"
)

// applied opens backups with a copy to which the log is applied.
func (s *site) applied(t testing.TB) (*Keeper, *follower) {
	t.Helper()
	k := s.keep(t, Options{Targets: []Target{{Name: "hotbackup", Path: s.root, Interval: time.Hour, Min: 2, Max: 2, Apply: true}}})
	return k, k.copies[0]
}

// While many write nothing is applied, but where the copy is far behind; and who has worked rests.
func TestTheCopyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &follower{k: &Keeper{opt: Options{Now: time.Now}, log: &log{}}}
		rests := func(busy bool, since time.Duration) time.Duration {
			f.res.Until = time.Now().Add(-since)
			f.k.log.busy.Store(busy)
			begun := time.Now()
			if err := f.rest(t.Context(), time.Second); err != nil {
				t.Fatal(err)
			}
			return time.Since(begun)
		}
		if d := rests(false, time.Hour); d != restQuiet*time.Second {
			t.Errorf("while nobody writes it rests for %v", d)
		}
		if d := rests(true, mostBehind+time.Second); d != restBusy*time.Second {
			t.Errorf("far behind it rests for %v", d)
		}
		if d := rests(true, time.Minute); d < mostBehind-time.Minute || d > mostBehind {
			t.Errorf("while many write it rests for %v", d)
		}
		time.AfterFunc(time.Minute, func() { f.k.log.busy.Store(false) })
		if d := rests(true, 0); d < time.Minute || d > time.Minute+followEvery+restQuiet*time.Second {
			t.Errorf("many wrote for a minute, and it rests for %v", d)
		}
	})
}

// The copy is what the store is, whatever happens to the server in between; and what it
// lacks is applied by who restores from it, after the loss of the store.
func TestApplied(t *testing.T) {
	rnd := rand.New(rand.NewPCG(21, 1))
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "hot")}
	k, f := s.applied(t)
	if err := f.turn(bg); err != nil { // nothing is there yet
		t.Fatal(err)
	}
	n := 0
	write := func(times int) {
		for range times {
			writes(t, rnd, k.Store(), n)
			n++
		}
		if err := k.log.drain(bg); err != nil {
			t.Fatal(err)
		}
	}
	turn := func() {
		t.Helper()
		for range 3 { // files may be packed in between
			if err := f.turn(bg); err != nil {
				t.Fatal(err)
			}
		}
		f.r.rest = nil
	}
	write(20)
	if err := k.Snapshot(bg, "hotbackup"); err != nil {
		t.Fatal(err)
	}
	for round := range 8 {
		for range 5 {
			write(1 + rnd.IntN(30))
			turn()
			if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, f.to)); d != "" {
				t.Fatalf("round %d: %s", round, d)
			}
		}
		if round == 3 {
			if err := k.Snapshot(bg, "hotbackup"); err != nil {
				t.Fatal(err)
			}
			turn()
			if f.res.Compared == 0 {
				t.Error("the proof of a snapshot is not one of the copy")
			}
		}
		write(10)
		switch round % 3 {
		case 0: // stopped
			k.Close()
		case 1: // killed: the store has what the log has not
			k.log.kill()
			for range 5 {
				writes(t, rnd, s.raw, n)
				n++
			}
		case 2:
			continue
		}
		f.close()
		k, f = s.applied(t)
	}
	write(25)
	k.log.drain(bg)
	k.log.kill() // and the store is lost
	f.close()
	to := copied(t, s.root)
	res, err := Resume(bg, s.root, filepath.Join(s.root, appliedName), to, RestoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, to)); d != "" {
		t.Fatal(d)
	}
	if res.Homes != 3 || time.Since(res.Until) > time.Minute {
		t.Errorf("%+v", res)
	}
}

// copied is a copy of the applied copy.
func copied(t testing.TB, root string) *sqlstore.Store {
	t.Helper()
	dir := t.TempDir()
	at, ok := Applied(root)
	if !ok {
		t.Fatal("there is no copy")
	}
	for _, end := range []string{"", "-wal"} {
		data, err := os.ReadFile(filepath.Join(at, "calendar.db"+end))
		if err != nil && end == "" {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "calendar.db"+end), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	to := must(sqlstore.OpenSQLite(bg, filepath.Join(dir, "calendar.db"), sqlstore.Options{Relaxed: true}))(t)
	t.Cleanup(func() { to.Close() })
	return to
}

// A copy that is not what the log says is found by the next proof, and made anew; so is one
// behind a gap of the log.
func TestAppliedAnew(t *testing.T) {
	rnd := rand.New(rand.NewPCG(22, 1))
	for name, damage := range map[string]struct {
		do   func(*testing.T, *Keeper, *follower)
		want string
	}{
		"somebody writes to it": {func(t *testing.T, _ *Keeper, f *follower) {
			for n := 1000; n < 1006; n++ {
				writes(t, rnd, f.to, n)
			}
		}, ""},
		"the log has a gap": {func(_ *testing.T, k *Keeper, _ *follower) { k.places[0].fail(os.ErrPermission) }, "has a gap"},
		"a file of the log is gone": {func(t *testing.T, k *Keeper, f *follower) {
			for range 3 {
				k.log.do(func(time.Time) { k.places[0].turn() })
				k.log.drain(bg)
			}
			gone := filepath.Join(k.places[0].period, logName(f.number+1)+packed)
			for os.Remove(gone) != nil { // until it is packed
				time.Sleep(time.Millisecond)
			}
		}, "is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "hot")}
			k, f := s.applied(t)
			defer k.Close()
			for n := range 60 {
				writes(t, rnd, k.Store(), n)
			}
			if err := k.Snapshot(bg, "hotbackup"); err != nil {
				t.Fatal(err)
			}
			if err := f.turn(bg); err != nil {
				t.Fatal(err)
			}
			damage.do(t, k, f)
			k.places[0].retry = time.Time{}
			for n := 60; n < 80; n++ {
				writes(t, rnd, k.Store(), n)
			}
			if err := k.Snapshot(bg, "hotbackup"); err != nil {
				t.Fatal(err)
			}
			err := f.turn(bg)
			if err == nil || !strings.Contains(err.Error(), damage.want) {
				t.Fatalf("%v", err)
			}
			f.close()
			os.Remove(filepath.Join(f.dir, positionName))
			if err := f.turn(bg); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, f.to)); d != "" {
				t.Fatal(d)
			}
			f.close()
		})
	}
}
