package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
)

// While many write the files of the log that are done are left as they are, but not more than
// some; later they are packed.
func TestPackingWaits(t *testing.T) {
	s := newSite(t)
	var busy atomic.Bool
	busy.Store(true)
	s.place.busy = &busy
	s.snapshot(t)
	for n := range 2 * mostWhole {
		if err := s.Update(bg, "anna", func(tx calendar.Tx) error { return tx.SetPref("n", fmt.Sprint(n)) }); err != nil {
			t.Fatal(err)
		}
		if ended := s.place.turn(); ended != nil {
			<-ended
		}
	}
	left := func(n int) {
		t.Helper()
		var whole []string
		for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
			all, err := filepath.Glob(filepath.Join(s.place.period, logPrefix+"??????????"))
			if err != nil {
				t.Fatal(err)
			}
			if whole = all[:len(all)-1]; len(whole) == n { // the last is written to
				return
			}
		}
		t.Fatalf("%d files are not packed: %v", len(whole), whole)
	}
	left(mostWhole - 1)
	if _, err := os.Stat(filepath.Join(s.place.period, logName(s.place.number))); err != nil {
		t.Error(err)
	}
	busy.Store(false)
	left(0)
	if _, res := s.restored(t, time.Time{}); res.Transactions != 2*mostWhole {
		t.Errorf("%d transactions", res.Transactions)
	}
}

// The next file of the log is made before it is needed. One in which nothing is hides nothing, and
// a start goes on with it.
func TestTheNextFileIsMadeAhead(t *testing.T) {
	s := &site{raw: openStore(t), root: filepath.Join(t.TempDir(), "archive")}
	open := func() *Keeper {
		return s.keep(t, Options{LogSize: 8 << 10, Targets: []Target{{Name: "archive", Path: s.root, Interval: time.Hour, Min: 1, Max: 1}}})
	}
	set := func(k *Keeper, value string) {
		if err := k.Store().Update(bg, "anna", func(tx calendar.Tx) error { return tx.SetPref("p", value) }); err != nil {
			t.Fatal(err)
		}
	}
	k := open()
	if err := k.Snapshot(bg, "archive"); err != nil {
		t.Fatal(err)
	}
	p := k.places[0]
	next, dir := p.number+1, p.period
	set(k, strings.Repeat("x", 5<<10))
	eventually := time.Now().Add(time.Minute)
	for !empty(logFile{path: filepath.Join(dir, logName(next))}) {
		if time.Now().After(eventually) {
			t.Fatal("the next file is not there")
		}
		time.Sleep(time.Millisecond)
	}
	want := strings.Repeat("y", 100)
	set(k, want)
	k.Close()
	k = open()
	defer k.Close()
	if k.places[0].gap() || k.places[0].number != next {
		t.Fatalf("it goes on with file %d, gap %t, not with %d", k.places[0].number, k.places[0].gap(), next)
	}
	check := func() {
		t.Helper()
		if err := k.log.drain(bg); err != nil {
			t.Fatal(err)
		}
		to := openStore(t)
		if _, err := Restore(bg, s.root, to, RestoreOptions{}); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, to)); d != "" {
			t.Error(d)
		}
	}
	check()
	want = strings.Repeat("z", 100)
	set(k, want)
	check()
	if _, err := os.Stat(filepath.Join(dir, logName(next))); err != nil {
		t.Error(err)
	}
	// One that was made too late, beside the file that was packed.
	files := must(logFiles(must(Periods(s.root))(t)))(t)
	name, is := strings.CutSuffix(files[0].path, packed)
	if !is {
		t.Fatal(files)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check()
}
