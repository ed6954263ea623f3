package archive

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"factotum/store/storetest/smalldisk"
)

// A disk of backups that is full hurts nobody who writes; it is told, old backups make
// room, and from then on all is in the backup again. admin.md §9.5.
func TestAdmin_9_5_FullDisk(t *testing.T) {
	rnd := rand.New(rand.NewPCG(4, 4))
	s := &site{raw: openStore(t), root: t.TempDir()}
	smalldisk.Mount(t, s.root, 512<<10)
	var mu sync.Mutex
	var told []string
	k := s.keep(t, Options{Retry: 20 * time.Millisecond, LogSize: 16 << 10, ScratchDir: t.TempDir(),
		Targets: []Target{{Name: "archive", Path: s.root, Interval: time.Hour, Min: 2, Max: 9, Percent: 80}},
		Told: func(_ string, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				told = append(told, err.Error())
			} else {
				told = append(told, "well")
			}
		}})
	defer k.Close()
	for n := range 4 {
		writes(t, rnd, k.Store(), n)
		if err := k.Snapshot(bg, "archive"); err != nil {
			t.Fatal(err)
		}
	}
	names := func() (list []string) {
		for _, p := range must(Periods(s.root))(t) {
			list = append(list, filepath.Base(p.Dir))
		}
		return list
	}
	first := names()
	if len(first) != 4 {
		t.Fatalf("%q", first)
	}
	ballast := filepath.Join(s.root, "ballast")
	f, err := os.Create(ballast)
	for err == nil {
		_, err = f.Write(make([]byte, 1<<10))
	}
	f.Close()

	// Writes go on, and none is held up for long.
	worst := time.Duration(0)
	for n := range 200 {
		began := time.Now()
		writes(t, rnd, k.Store(), 4+n)
		worst = max(worst, time.Since(began))
	}
	k.log.drain(bg)
	if worst > mostPatience {
		t.Errorf("a write took %s", worst)
	}
	st := k.Status()[0]
	if !strings.Contains(st.Failure, "no space left") {
		t.Errorf("the failure is %q", st.Failure)
	}
	mu.Lock()
	if len(told) == 0 || !strings.Contains(told[len(told)-1], "no space left") {
		t.Errorf("told %q", told)
	}
	mu.Unlock()

	// What is tried again makes room as far as it may, and does not help while somebody else
	// has the disk.
	k.turn(bg)
	if now := names(); len(now) < 2 || slices.Contains(now, first[0]) || slices.Contains(now, first[1]) || !slices.Contains(now, first[3]) {
		t.Errorf("of %q there are %q", first, now)
	}
	if k.Status()[0].Failure == "" {
		t.Error("it is well although there is no room")
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if k.turn(bg); k.Status()[0].Failure == "" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if f := k.Status()[0].Failure; f != "" {
		t.Fatalf("it still fails: %s", f)
	}
	for n := range 30 {
		writes(t, rnd, k.Store(), 300+n)
	}
	k.log.drain(bg)
	to := openStore(t)
	if _, err := Restore(bg, s.root, to, RestoreOptions{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(contentsOf(t, s.raw), contentsOf(t, to)); d != "" {
		t.Error(d)
	}
	mu.Lock()
	defer mu.Unlock()
	if told[len(told)-1] != "well" {
		t.Errorf("told %q", told)
	}
}

// The newest backup that was proven stays, though those after it are more than are kept.
func TestTheProvenStays(t *testing.T) {
	s := newSite(t)
	var all []Period
	for range 5 {
		all = append(all, s.snapshot(t))
	}
	all[1].Proof = &Proof{Time: time.Now()}
	for _, p := range all[2:] {
		p.Proof = &Proof{Failed: "x"}
		if err := p.write(p.Dir); err != nil {
			t.Fatal(err)
		}
	}
	if err := all[1].write(all[1].Dir); err != nil {
		t.Fatal(err)
	}
	if err := retire(Target{Path: s.root, Min: 1, Max: 1}, false, s.place.log); err != nil {
		t.Fatal(err)
	}
	if left := must(Periods(s.root))(t); len(left) != 4 || left[0].Dir != all[1].Dir {
		t.Errorf("%d are left", len(left))
	}
}
