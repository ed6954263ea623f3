package sqlstore

import (
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/storetest/pgtest"
)

func openBench(b *testing.B, engine string, opt service.Options) (*service.Service, *Store, string) {
	var s *Store
	var err error
	dsn := ""
	if engine == "sqlite" {
		s, err = OpenSQLite(bg, b.TempDir(), Options{})
	} else {
		dsn = pgtest.Start(b)
		s, err = OpenPostgres(bg, dsn, Options{})
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return service.New(s, nil, opt), s, dsn
}

// BenchmarkHistory is what the history costs a PUT of something new, one that
// replaces, and a DELETE: with it and without, in turns of one run, so that other
// work on the machine is the same for both. What is reported is CPU time.
func BenchmarkHistory(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, what := range []string{"new", "replace", "delete"} {
			b.Run(engine+"/"+what, func(b *testing.B) {
				on, _, dsn := openBench(b, engine, service.Options{})
				off, _, dsnOff := openBench(b, engine, service.Options{HistoryAge: -1})
				const round = 50
				n := int64(0)
				turn := func(m *service.Service, dsn string) time.Duration {
					put := func(k int64) {
						if _, err := m.PutObject(bg, benchAnna, benchEvent(fmt.Sprint("e", k), n)); err != nil {
							b.Fatal(err)
						}
					}
					if what == "delete" {
						for i := range int64(round) {
							put(i)
						}
					}
					start := benchCPU(dsn)
					for i := range int64(round) {
						switch what {
						case "new":
							put(n*round + i)
						case "replace":
							put(i)
						case "delete":
							if err := m.DeleteObject(bg, benchAnna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: fmt.Sprint("e", i, ".ics")}}); err != nil {
								b.Fatal(err)
							}
						}
					}
					return benchCPU(dsn) - start
				}
				turn(on, dsn)
				turn(off, dsnOff)
				var with, without time.Duration
				for b.Loop() {
					n++
					with += turn(on, dsn)
					n++
					without += turn(off, dsnOff)
				}
				b.ReportMetric(float64(with.Microseconds())/float64(b.N*round), "us-with/op")
				b.ReportMetric(float64(without.Microseconds())/float64(b.N*round), "us-without/op")
				b.ReportMetric(100*(float64(with)/float64(without)-1), "%more")
			})
		}
	}
}

// BenchmarkHistoryLookup asks a history of 100,000 versions for one object, for the
// newest of a calendar, and for one version.
func BenchmarkHistoryLookup(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		m, s, dsn := openBench(b, engine, service.Options{HistoryBytes: 1 << 40})
		for i := range int64(100) {
			if _, err := m.PutObject(bg, benchAnna, benchEvent(fmt.Sprint("e", i), 0)); err != nil {
				b.Fatal(err)
			}
		}
		var cal calendar.CalendarRow
		const all = 100_000
		for from := 0; from < all; from += 1000 {
			err := s.Update(bg, "anna", func(tx calendar.Tx) error {
				var err error
				if cal, _, err = tx.Calendar(calendar.DefaultName); err != nil {
					return err
				}
				for i := from; i < from+1000; i++ {
					n, err := tx.NextChange()
					if err != nil {
						return err
					}
					ev := benchEvent(fmt.Sprint("e", i%100), int64(i))
					err = tx.PutHistory(calendar.HistoryRow{Change: n, When: time.Unix(int64(1_800_000_000+i), 0), End: calendar.Replaced, Calendar: "calendar",
						Object: calendar.ObjectRow{Cal: cal.ID, Name: ev.Ref.Name, UID: fmt.Sprint("e", i%100), Component: "VEVENT", Since: n - 100, Data: ev.Data}})
					if err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		for name, req := range map[string]calendar.HistoryRequest{
			"object":   {Which: calendar.HistoryFilter{UID: "e7"}, Data: true, Limit: 100},
			"calendar": {Which: calendar.HistoryFilter{Calendar: "anna"}, Data: true, Limit: 100},
			"version":  {Which: calendar.HistoryFilter{First: 5000, Last: 5000}, Before: 5000, BeforeSeq: 1, Data: true, Limit: 1},
		} {
			b.Run(engine+"/"+name, func(b *testing.B) {
				start := benchCPU(dsn)
				for b.Loop() {
					req.Owner = "anna"
					if _, err := m.History(bg, benchAnna, req, func(calendar.HistoryEntry) error { return nil }); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64((benchCPU(dsn)-start).Microseconds())/float64(b.N), "cpu-us/op")
			})
		}
	}
}
