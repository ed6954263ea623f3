package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"factotum/server/calendar"
)

var benchData = []byte(strings.Repeat("X-FILLER:0123456789abcdef0123456789abcdef0123456789abcdef\r\n", 26)[:1500])

// Bench measures the store: Updates in the shape of PutObject by 1 and by 64
// writers, point reads, and a month out of a large calendar. cpu-us/op is this
// process's time, which other work on the machine disturbs least.
func Bench(b *testing.B, open func(b *testing.B) calendar.Store) {
	b.Run("Update", func(b *testing.B) { benchUpdate(b, open(b), 1) })
	b.Run("Update64", func(b *testing.B) { benchUpdate(b, open(b), 64) })
	b.Run("Read", func(b *testing.B) { benchRead(b, open(b)) })
	b.Run("Month", func(b *testing.B) { benchMonth(b, open(b)) })
}

func benchOwner(i int) calendar.Owner { return calendar.Owner(fmt.Sprintf("user%02d", i)) }

const benchOwners = 16

func benchUpdate(b *testing.B, s calendar.Store, writers int) {
	for i := range benchOwners {
		makeCalendar(b, s, benchOwner(i), 1, "calendar")
	}
	var n, next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	start := cpuTime()
	done := make(chan struct{})
	for range writers {
		go func() {
			defer func() { done <- struct{}{} }()
			owner := benchOwner(int(next.Add(1)) % benchOwners)
			for n.Add(1) <= int64(b.N) {
				benchPut(b, s, owner, fmt.Sprintf("%016x.ics", rand.Uint64()))
			}
		}()
	}
	for range writers {
		<-done
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
	reportCPU(b, start)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func reportCPU(b *testing.B, start time.Duration) {
	b.ReportMetric(float64((cpuTime()-start).Microseconds())/float64(b.N), "cpu-us/op")
}

func benchPut(b *testing.B, s calendar.Store, owner calendar.Owner, name string) {
	err := s.Update(context.Background(), owner, func(tx calendar.Tx) error {
		cal, _, err := tx.Calendar("calendar")
		if err != nil {
			return err
		}
		if _, _, err := tx.Object(cal.ID, name, false); err != nil {
			return err
		}
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		err = tx.PutObject(calendar.ObjectRow{Cal: cal.ID, Name: name, UID: name, Component: "VEVENT", Change: change, ScheduleTag: change,
			Created: day, Modified: day, Data: benchData})
		if err != nil {
			return err
		}
		at := day.Unix() + int64(rand.IntN(365*24*hour))
		if err := tx.SetOccurrences(cal.ID, name, []calendar.OccurrenceRow{{Start: at, End: at + hour}}); err != nil {
			return err
		}
		return tx.TouchCalendar(cal.ID, change, day)
	})
	if err != nil {
		b.Error(err)
	}
}

const benchSize = 20_000

func benchFill(b *testing.B, s calendar.Store) {
	makeCalendar(b, s, anna, 1, "calendar")
	for from := 0; from < benchSize; from += 1000 {
		update(b, s, anna, func(tx calendar.Tx) error {
			for i := range 1000 {
				name := fmt.Sprintf("%05d.ics", from+i)
				row := object(1, name, name, "")
				row.Data = benchData
				row.Change, _ = tx.NextChange()
				if err := tx.PutObject(row); err != nil {
					return err
				}
				at := day.Add(time.Duration(from+i) * time.Hour).Unix()
				if err := tx.SetOccurrences(1, name, []calendar.OccurrenceRow{{Start: at, End: at + hour}}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	b.ReportAllocs()
	b.ResetTimer()
}

func benchRead(b *testing.B, s calendar.Store) {
	benchFill(b, s)
	start := cpuTime()
	for b.Loop() {
		name := fmt.Sprintf("%05d.ics", rand.IntN(benchSize))
		err := s.View(context.Background(), anna, func(tx calendar.ReadTx) error {
			row, _, err := tx.Object(1, name, true)
			if len(row.Data) != len(benchData) {
				b.Error("no data")
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, start)
}

// benchMonth reads the 31 rows of a month with one event a day.
func benchMonth(b *testing.B, s calendar.Store) {
	benchFill(b, s)
	from := day.Unix() + 1000*hour
	start := cpuTime()
	for b.Loop() {
		n := 0
		err := s.View(context.Background(), anna, func(tx calendar.ReadTx) error {
			return tx.Occurrences(1, from, from+31*hour, func(calendar.OccurrenceRow) error { n++; return nil })
		})
		if err != nil || n < 31 {
			b.Fatal(n, err)
		}
	}
	reportCPU(b, start)
}
