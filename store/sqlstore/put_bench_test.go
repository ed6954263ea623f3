package sqlstore

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/storetest/pgtest"
)

var benchAnna = calendar.Actor{User: "anna"}

func benchEvent(name string, n int64) calendar.PutRequest {
	return calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: name + ".ics"}, Data: fmt.Appendf(nil,
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\n"+
			"DTSTART:20260101T100000Z\r\nDTEND:20260101T110000Z\r\nSUMMARY:%d\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", name, n)}
}

// BenchmarkPut is what a PUT costs in the model, on both engines: a new event
// each time by one client, and updates of one owner's events by one and by
// sixteen.
func BenchmarkPut(b *testing.B) {
	for _, engine := range []string{"sqlite", "postgres"} {
		b.Run(engine, func(b *testing.B) {
			model := func(b *testing.B) *service.Service {
				var s *Store
				var err error
				if engine == "sqlite" {
					s, err = OpenSQLite(bg, b.TempDir(), Options{})
				} else {
					s, err = OpenPostgres(bg, pgtest.Start(b), Options{})
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
				for b.Loop() {
					n++
					if _, err := m.PutObject(bg, benchAnna, benchEvent(fmt.Sprint("n", n), n)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
			})
			for _, clients := range []int{1, 16} {
				b.Run(fmt.Sprintf("update%d", clients), func(b *testing.B) { benchUpdates(b, model(b), clients) })
			}
		})
	}
}

// benchUpdates lets each client change an event of its own again and again.
func benchUpdates(b *testing.B, m *service.Service, clients int) {
	for i := range clients {
		if _, err := m.PutObject(context.Background(), benchAnna, benchEvent(fmt.Sprint("c", i), 0)); err != nil {
			b.Fatal(err)
		}
	}
	var n atomic.Int64
	done := make(chan struct{})
	b.ResetTimer()
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
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "puts/s")
}
