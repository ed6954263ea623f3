package sqlstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/storetest/pgtest"
)

// benchLarge are fewer on PostgreSQL, where it takes long to make them.
var benchLarge = map[string]int{"sqlite": 50_000, "postgres": 15_000}

// fillLarge puts events of 1.5 KB into the calendar of benchAnna.
func fillLarge(b *testing.B, m *service.Service, s *Store, objects int) {
	if _, err := m.PutObject(bg, benchAnna, benchEvent("first", 1)); err != nil {
		b.Fatal(err)
	}
	rest := "DESCRIPTION:" + strings.Repeat("some words ", 110) + "\r\nEND:VEVENT"
	for from := 0; from < objects; from += 500 {
		err := s.Update(bg, "anna", func(tx calendar.Tx) error {
			cal, _, err := tx.Calendar(calendar.DefaultName)
			if err != nil {
				return err
			}
			for i := from; i < min(from+500, objects); i++ {
				n, err := tx.NextChange()
				if err != nil {
					return err
				}
				ev := benchEvent(fmt.Sprint("e", i), int64(i))
				data := strings.Replace(string(ev.Data), "END:VEVENT", rest, 1)
				o := calendar.ObjectRow{Cal: cal.ID, Name: ev.Ref.Name, UID: fmt.Sprint("e", i), Component: "VEVENT", Change: n, Since: n, Created: epoch, Modified: epoch, Data: []byte(data)}
				at := epoch.Unix() + int64(i)*3600
				if err := tx.PutIndexed(o, []calendar.OccurrenceRow{{Name: o.Name, Start: at, End: at + 3600}}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// buryAll makes tombstones of all objects, and returns their calendar.
func buryAll(b *testing.B, s *Store) (cal calendar.CalendarRow) {
	for more := true; more; {
		err := s.Update(bg, "anna", func(tx calendar.Tx) (err error) {
			if cal, _, err = tx.Calendar(calendar.DefaultName); err != nil {
				return err
			}
			var names []string
			if err := tx.Objects(cal.ID, "", false, func(o *calendar.ObjectRow) error {
				if names = append(names, o.Name); len(names) == 500 {
					return errUndo
				}
				return nil
			}); err != nil && err != errUndo {
				return err
			}
			for _, name := range names {
				n, err := tx.NextChange()
				if err != nil {
					return err
				}
				if err := tx.DeleteObject(cal.ID, name, n, epoch, "anna"); err != nil {
					return err
				}
			}
			more = len(names) == 500
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return cal
}

// longestWait is how long somebody else's write takes at most while fn runs, and until what it
// leaves is gone.
func longestWait(b *testing.B, s *Store, fn func() error) (longest time.Duration) {
	done := make(chan error, 1)
	go func() {
		err := fn()
		for left := calendar.Owner("-"); err == nil && left != ""; time.Sleep(20 * time.Millisecond) {
			left, err = s.rests.next(bg, "")
		}
		done <- err
	}()
	for n := 0; ; n++ {
		began := time.Now()
		if err := s.Update(bg, "bert", func(tx calendar.Tx) error { return tx.SetPref("a", fmt.Sprint(n)) }); err != nil {
			b.Fatal(err)
		}
		longest = max(longest, time.Since(began))
		select {
		case err := <-done:
			if err != nil {
				b.Fatal(err)
			}
			return longest
		case <-time.After(time.Millisecond):
		}
	}
}

// BenchmarkLargeDeletion is how long a write of somebody else waits at most while a calendar, a
// home, a history or tombstones of 50,000 are deleted: in pieces, and at once as in earlier releases.
func BenchmarkLargeDeletion(b *testing.B) {
	admin := calendar.Actor{User: "root", Admin: true}
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, what := range []string{"calendar", "home", "history", "tombstones"} {
			b.Run(engine+"/"+what, func(b *testing.B) {
				var waits, took [2]time.Duration
				for b.Loop() {
					for i, p := range []pieces{{}, {whole: true}} {
						var s *Store
						var err error
						if engine == "sqlite" {
							s, err = OpenSQLite(bg, b.TempDir(), Options{pieces: p})
						} else {
							s, err = OpenPostgres(bg, pgtest.Start(b), Options{pieces: p})
						}
						if err != nil {
							b.Fatal(err)
						}
						m := service.New(s, nil, service.Options{HistoryBytes: 1 << 40})
						fillLarge(b, m, s, benchLarge[engine])
						remove := func() error {
							return m.DeleteCalendar(bg, admin, calendar.DeleteCalendarRequest{ID: "anna"})
						}
						if what == "history" {
							if err := remove(); err != nil {
								b.Fatal(err)
							}
							if err := s.rests.settleAll(bg); err != nil {
								b.Fatal(err)
							}
						}
						var cal calendar.CalendarRow
						if what == "tombstones" {
							cal = buryAll(b, s)
						}
						if what != "calendar" {
							remove = func() error {
								return s.Update(bg, "anna", func(tx calendar.Tx) error {
									switch what {
									case "history":
										_, err := tx.PurgeHistory(time.Now().Add(time.Hour), 0)
										return err
									case "tombstones":
										_, err := tx.Purge(cal.ID, time.Time{}, time.Now())
										return err
									}
									return tx.(calendar.Loader).DropHome()
								})
							}
						}
						waits[i] += longestWait(b, s, func() error {
							began := time.Now()
							err := remove()
							took[i] += time.Since(began)
							return err
						})
						s.Close()
					}
				}
				b.ReportMetric(float64(waits[0].Milliseconds())/float64(b.N), "ms-wait/op")
				b.ReportMetric(float64(waits[1].Milliseconds())/float64(b.N), "ms-wait-at-once/op")
				b.ReportMetric(float64(waits[0])/float64(waits[1]), "of-at-once")
				b.ReportMetric(float64(took[0])/float64(took[1]), "answer-of-at-once")
			})
		}
	}
}
