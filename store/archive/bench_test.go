package archive

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/observe/costtest"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// putter writes objects of 1.5 KB into a store whose commits are on the disk.
type putter struct {
	store calendar.Store
	text  []byte
	next  atomic.Int64
	took  []time.Duration
	cpu   time.Duration // of the process, while it wrote
}

func newPutter(b *testing.B, store calendar.Store) *putter {
	p := &putter{store: store, text: bytes.Repeat([]byte("DESCRIPTION:some words of a meeting\r\n"), 40)}
	for w := range putters {
		p.update(b, w, func(tx calendar.Tx, change int64, _ int) error {
			return tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: change, Created: at(0), Modified: at(0)})
		})
	}
	return p
}

const putters = 8

func (p *putter) update(b *testing.B, who int, fn func(tx calendar.Tx, change int64, n int) error) {
	n := int(p.next.Add(1))
	if err := p.store.Update(bg, calendar.Owner(fmt.Sprint("user", who)), func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		return fn(tx, change, n)
	}); err != nil {
		b.Error(err)
	}
}

func (p *putter) put(b *testing.B, who int) {
	p.update(b, who, func(tx calendar.Tx, change int64, n int) error {
		name := fmt.Sprint("o", n)
		o := calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Created: at(n), Modified: at(n), Data: p.text}
		if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: int64(n), End: int64(n) + 60}}); err != nil {
			return err
		}
		return tx.TouchCalendar(1, change, at(n))
	})
}

// block has so many writers write for a moment, and notes how long each write took.
func (p *putter) block(b *testing.B, writers int) (writes int) {
	var mu sync.Mutex
	var all sync.WaitGroup
	until := time.Now().Add(50 * time.Millisecond)
	before := costtest.CPU()
	for w := range writers {
		all.Go(func() {
			var took []time.Duration
			for time.Now().Before(until) {
				began := time.Now()
				p.put(b, w)
				took = append(took, time.Since(began))
			}
			mu.Lock()
			p.took = append(p.took, took...)
			writes += len(took)
			mu.Unlock()
		})
	}
	all.Wait()
	p.cpu += costtest.CPU() - before
	return writes
}

// BenchmarkCost is what backups cost writes: with an archive and a hot backup that is
// applied, in turns with a store that has none. The ratios are of the medians of turns.
func BenchmarkCost(b *testing.B) {
	for _, writers := range []int{1, putters} {
		for name, targets := range map[string][]string{"archive": {"archive"}, "hot": {"hotbackup"}, "both": {"archive", "hotbackup"}} {
			b.Run(fmt.Sprintf("%s/writers=%d", name, writers), func(b *testing.B) {
				alone := newPutter(b, fresh.SQLite(b, sqlstore.Options{}))
				s := &site{raw: fresh.SQLite(b, sqlstore.Options{})}
				opt := Options{LogSize: 32 << 20}
				for _, t := range targets {
					opt.Targets = append(opt.Targets, Target{Name: t, Path: b.TempDir(), Interval: time.Hour, Min: 3, Max: 7, Apply: t == "hotbackup"})
				}
				k := s.keep(b, opt)
				defer k.Close()
				ctx, stop := context.WithCancel(bg)
				ended := make(chan struct{})
				go func() { k.Run(ctx); close(ended) }()
				defer func() { stop(); <-ended }()
				for slices.ContainsFunc(k.Status(), func(s Status) bool { return s.Proven.IsZero() }) {
					time.Sleep(10 * time.Millisecond)
				}
				kept := newPutter(b, k.Store())
				var ratios []float64
				for b.Loop() {
					x, y := alone.block(b, writers), kept.block(b, writers)
					ratios = append(ratios, float64(y)/float64(x))
				}
				slices.Sort(ratios)
				b.ReportMetric(100*ratios[len(ratios)/2], "%-of-throughput")
				for _, p := range []*putter{alone, kept} {
					slices.Sort(p.took)
				}
				us := func(p *putter, part float64) float64 {
					return float64(p.took[int(part*float64(len(p.took)-1))].Nanoseconds()) / 1000
				}
				b.ReportMetric(us(alone, .5), "µs-alone")
				b.ReportMetric(us(kept, .5), "µs-kept")
				b.ReportMetric(us(alone, .99)/1000, "p99-ms-alone")
				b.ReportMetric(us(kept, .99)/1000, "p99-ms-kept")
				b.ReportMetric(float64(alone.cpu.Microseconds())/float64(len(alone.took)), "cpu-µs-alone")
				b.ReportMetric(float64(kept.cpu.Microseconds())/float64(len(kept.took)), "cpu-µs-kept")
				b.ReportMetric(float64(kept.took[len(kept.took)-1].Microseconds())/1000, "worst-ms-kept")
			})
		}
	}
}

// BenchmarkRotation is for how long a write waits for the log while its files are ended and
// begun all the time, and snapshots too, with the numbers of 100,000 homes.
func BenchmarkRotation(b *testing.B) {
	s := newSite(b)
	s.place.fold = 4 << 20
	s.snapshot(b)
	s.log.do(func(time.Time) {
		for n := range 100_000 {
			s.place.at[calendar.Owner(fmt.Sprint("owner", n))] = 1
		}
	})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			s.snapshot(b)
			select {
			case <-stop:
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
	}()
	value := string(bytes.Repeat([]byte("x"), 2000))
	var waits []time.Duration
	for b.Loop() {
		began := time.Now()
		s.log.await(s.log.add(&record{Txn: &txn{Owner: "anna", Change: int64(len(waits) + 1), Took: 1, Ops: []op{{Kind: opSetPref, ID: "p", Value: value}}}}))
		waits = append(waits, time.Since(began))
	}
	close(stop)
	<-stopped
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)/2].Nanoseconds())/1e6, "ms-median")
	b.ReportMetric(float64(waits[len(waits)*99/100].Nanoseconds())/1e6, "ms-p99")
	b.ReportMetric(float64(waits[len(waits)-1].Nanoseconds())/1e6, "ms-worst")
}

// BenchmarkReplay is how many transactions of a log are done again in a second: of twenty
// owners in turn, each with an object of 1.5 KB.
func BenchmarkReplay(b *testing.B) {
	const writes = 10_000
	s := newSite(b)
	s.snapshot(b)
	text := bytes.Repeat([]byte("DESCRIPTION:some words of a meeting\r\n"), 40)
	for n := range writes {
		if err := s.Update(bg, calendar.Owner(fmt.Sprint("user", n%20)), func(tx calendar.Tx) error {
			change, err := tx.NextChange()
			if err != nil {
				return err
			}
			if change == 1 {
				if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: change, Created: at(0), Modified: at(0)}); err != nil {
					return err
				}
			}
			name := fmt.Sprint("o", n)
			o := calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Created: at(n), Modified: at(n), Data: text}
			if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: int64(n), End: int64(n) + 60}}); err != nil {
				return err
			}
			return tx.TouchCalendar(1, change, at(n))
		}); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.log.drain(bg); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		res, err := Restore(bg, s.root, openStore(b), RestoreOptions{})
		if err != nil || res.Transactions != writes {
			b.Fatalf("%d transactions: %v", res.Transactions, err)
		}
	}
	b.ReportMetric(writes*float64(b.N)/b.Elapsed().Seconds(), "transactions/s")
}

// BenchmarkRestore is how many objects a restoration makes in a second, and a snapshot
// takes.
func BenchmarkRestore(b *testing.B) {
	const objects = 20_000
	s := newSite(b)
	text := bytes.Repeat([]byte("DESCRIPTION:some words of a meeting\r\n"), 40)
	for h := range 20 {
		owner := calendar.Owner(fmt.Sprint("user", h))
		if err := s.raw.Update(bg, owner, func(tx calendar.Tx) error {
			change, err := tx.NextChange()
			if err != nil {
				return err
			}
			if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: change, Created: at(0), Modified: at(0)}); err != nil {
				return err
			}
			for n := range objects / 20 {
				name := fmt.Sprint("o", n)
				o := calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Created: at(n), Modified: at(n), Data: text}
				if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: int64(n), End: int64(n) + 60}}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("snapshot", func(b *testing.B) {
		for b.Loop() {
			s.snapshot(b)
		}
		b.ReportMetric(objects*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
	})
	s.snapshot(b)
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			if _, err := Restore(bg, s.root, openStore(b), RestoreOptions{At: time.Time{}}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(objects*float64(b.N)/b.Elapsed().Seconds(), "objects/s")
	})
}
