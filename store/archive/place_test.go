package archive

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

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
