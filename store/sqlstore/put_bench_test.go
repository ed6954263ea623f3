package sqlstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/observe/costtest"
	"factotum/server/service"
	"factotum/store/storetest/pgtest"
)

var benchAnna = calendar.Actor{User: "anna"}

func benchEvent(name string, n int64) calendar.PutRequest {
	return calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: name + ".ics"}, Data: fmt.Appendf(nil,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\n"+
			"DTSTART:20260101T100000Z\r\nDTEND:20260101T110000Z\r\nSUMMARY:%d\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", name, n)}
}

// benchCPU is what this process has used so far, and the server of dsn if there
// is one, which other work on the machine disturbs less than the clock.
func benchCPU(dsn string) (d time.Duration) {
	d = costtest.CPU()
	dir, _, _ := strings.Cut(strings.TrimPrefix(dsn, "host="), " ")
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		if cwd, err := os.Readlink(filepath.Join(filepath.Dir(name), "cwd")); dsn == "" || err != nil || !strings.HasPrefix(cwd, dir) {
			continue
		}
		b, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 12 {
			user, _ := strconv.Atoi(f[11])
			system, _ := strconv.Atoi(f[12])
			d += time.Duration(user+system) * 10 * time.Millisecond
		}
	}
	return d
}

// BenchmarkPut is what a PUT costs in the model, on both engines, and on a
// PostgreSQL that is a millisecond away: a new event each time by one client, and
// updates of one owner's events by one and by sixteen.
func BenchmarkPut(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres", "postgres-1ms"} {
		b.Run(engine, func(b *testing.B) {
			var dsn string
			model := func(b *testing.B) *service.Service {
				var s *Store
				var err error
				dsn = ""
				if engine == "sqlite" {
					s, err = OpenSQLite(bg, b.TempDir(), Options{})
				} else {
					dsn = pgtest.Start(b)
					to := dsn
					if engine == "postgres-1ms" {
						p := pgtest.NewProxy(b, dsn)
						p.Delay(time.Millisecond)
						to = p.DSN
					}
					s, err = OpenPostgres(bg, to, Options{})
				}
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() { s.Close() })
				return service.New(s, nil, service.Options{})
			}
			b.Run("new", func(b *testing.B) {
				m := model(b)
				n := int64(0)
				report := benchReport(b, dsn)
				for b.Loop() {
					n++
					if _, err := m.PutObject(bg, benchAnna, benchEvent(fmt.Sprint("n", n), n)); err != nil {
						b.Fatal(err)
					}
				}
				report()
			})
			for _, clients := range []int{1, 16} {
				b.Run(fmt.Sprintf("update%d", clients), func(b *testing.B) {
					m := model(b)
					benchUpdates(b, m, clients, dsn)
				})
			}
		})
	}
}

// benchUpdates lets each client change an event of its own again and again.
func benchUpdates(b *testing.B, m *service.Service, clients int, dsn string) {
	for i := range clients {
		if _, err := m.PutObject(context.Background(), benchAnna, benchEvent(fmt.Sprint("c", i), 0)); err != nil {
			b.Fatal(err)
		}
	}
	var n atomic.Int64
	done := make(chan struct{})
	b.ResetTimer()
	defer benchReport(b, dsn)()
	for i := range clients {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				k := n.Add(1)
				if k > int64(b.N) {
					return
				}
				if _, err := m.PutObject(context.Background(), benchAnna, benchEvent(fmt.Sprint("c", i), k)); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	for range clients {
		<-done
	}
}

// benchReport measures until what it returns is called.
func benchReport(b *testing.B, dsn string) func() {
	start := benchCPU(dsn)
	return func() {
		used := benchCPU(dsn) - start
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
		b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-us/op")
	}
}
