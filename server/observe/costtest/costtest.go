// Package costtest measures what something costs, for tests that hold bounds and for
// benchmarks.
package costtest

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// CPU is the processor time that this process has had.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no cause but a wrong argument
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Cost is what something takes.
type Cost struct {
	CPU    time.Duration
	Memory uint64 // octets that are allocated meanwhile, whether they are free again or not
}

func (c Cost) String() string {
	return fmt.Sprintf("%v of CPU and %.1f MB", c.CPU.Round(time.Microsecond), float64(c.Memory)/1e6)
}

// Within does something, as often as tries if need be, which must come to the same each
// time. It tells whether that took no more than most once, and what it took the last
// time; most.Memory may be 0, for any. What else this process does meanwhile is counted
// with it, and a machine that others use gives it less: so most.CPU is that of a machine
// where the yardstick takes what is usual, and grows with what it takes.
func Within(most Cost, tries int, do func()) (took Cost, ok bool) {
	for range tries {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := CPU()
		do()
		took.CPU = CPU() - begin
		runtime.ReadMemStats(&after)
		took.Memory = after.TotalAlloc - before.TotalAlloc
		if most.Memory != 0 && took.Memory > most.Memory {
			continue
		}
		if took.CPU <= most.CPU || float64(took.CPU) <= float64(most.CPU)*slowness() {
			return took, true
		}
	}
	return took, false
}

// usual is what the yardstick takes on the machines that the bounds are made for.
const usual = 4 * time.Millisecond

// slowness is how many times as long as usual the yardstick takes, at least 1.
func slowness() float64 {
	begin := CPU()
	yardstick()
	return max(1, float64(CPU()-begin)/float64(usual))
}

// yardstick is a piece of work that is the same each time: memory is written and read
// all over.
func yardstick() {
	values := make([]uint32, 1<<16)
	for i, x := 0, uint32(1); i < len(values); i++ {
		x = x*1664525 + 1013904223
		values[i] = x
	}
	slices.Sort(values)
}
