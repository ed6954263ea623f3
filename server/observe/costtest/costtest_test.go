package costtest

import (
	"testing"
	"time"
)

// Eighty yardsticks are not within eight, however slow the machine is; one is. A megabyte
// is not within half of one.
func TestWithin(t *testing.T) {
	many := func(n int) func() {
		return func() {
			for range n {
				yardstick()
			}
		}
	}
	runs := 0
	if took, ok := Within(Cost{CPU: 8 * usual}, 2, func() { runs++; many(80)() }); ok || runs != 2 || took.CPU < time.Millisecond {
		t.Errorf("eighty: %v, %v after %d runs", took, ok, runs)
	}
	if took, ok := Within(Cost{CPU: 8 * usual}, 5, many(1)); !ok {
		t.Errorf("one: %v", took)
	}
	var kept []byte
	for _, most := range []uint64{1 << 19, 1 << 22} {
		took, ok := Within(Cost{CPU: time.Hour, Memory: most}, 3, func() { kept = make([]byte, 1<<20) })
		if ok != (most > uint64(len(kept))) {
			t.Errorf("a megabyte, of %d octets: %v, %v", most, took, ok)
		}
	}
}

func BenchmarkYardstick(b *testing.B) {
	for b.Loop() {
		yardstick()
	}
}
