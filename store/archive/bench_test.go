package archive

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// BenchmarkPut is what a backup costs a write: of an object of 1.5 KB, whose commit is on
// the disk.
func BenchmarkPut(b *testing.B) {
	text := bytes.Repeat([]byte("DESCRIPTION:some words of a meeting\r\n"), 40)
	for _, kind := range []string{"alone", "archived"} {
		b.Run(kind, func(b *testing.B) {
			s := &site{raw: fresh.SQLite(b, sqlstore.Options{}), root: b.TempDir()}
			store := s.raw
			if kind == "archived" {
				k := s.keep(b, Options{LogSize: 32 << 20})
				defer k.Close()
				if err := k.Snapshot(bg, "archive"); err != nil {
					b.Fatal(err)
				}
				store = k.Store()
			}
			put := func(n int) {
				err := store.Update(bg, "anna", func(tx calendar.Tx) error {
					change, err := tx.NextChange()
					if err != nil {
						return err
					}
					if n < 0 {
						return tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar", Change: change, Created: at(0), Modified: at(0)})
					}
					name := fmt.Sprint("o", n)
					o := calendar.ObjectRow{Cal: 1, Name: name, UID: name, Component: "VEVENT", Change: change, Created: at(n), Modified: at(n), Data: text}
					if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: name, Start: int64(n), End: int64(n) + 60}}); err != nil {
						return err
					}
					return tx.TouchCalendar(1, change, at(n))
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			put(-1)
			n := 0
			for b.Loop() {
				put(n)
				n++
			}
		})
	}
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
