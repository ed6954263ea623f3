package service_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"
)

// fillBench puts n events into the default calendar: 100 of them in March 2026,
// the others spread over forty years around it, so that a query of that month
// returns the same number whatever n is.
func fillBench(b testing.TB, svc *service.Service, id calendar.ID, n int) {
	b.Helper()
	ctx := context.Background()
	var items []calendar.PutItem
	for i := range n {
		day := time.Date(2026, 3, 1+i%28, 8+i%9, 0, 0, 0, time.UTC)
		if i >= 100 {
			day = time.Date(2000+i%40, time.Month(1+i%12), 1+i%28, 8+i%9, 0, 0, 0, time.UTC)
			if day.Year() == 2026 && day.Month() >= 2 && day.Month() <= 4 {
				day = day.AddDate(-1, 0, 0)
			}
		}
		more := ""
		if i >= 100 && i%5 == 0 {
			more = "RRULE:FREQ=WEEKLY;COUNT=4\r\n"
		}
		items = append(items, calendar.PutItem{Name: fmt.Sprintf("e%06d.ics", i), Data: event(fmt.Sprint("u", i), day.Format("20060102T150405Z"), more)})
		if len(items) == 1000 || i == n-1 {
			res, err := svc.PutObjects(ctx, anna, calendar.PutObjectsRequest{Calendar: id, Items: items})
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range res {
				if r.Err != nil {
					b.Fatal(r.Err)
				}
			}
			items = items[:0]
		}
	}
}

// BenchmarkBySize shows that what a request costs follows its answer and not
// the size of the calendar: compare the sizes of one run.
func BenchmarkBySize(b *testing.B) {
	ctx := context.Background()
	for _, n := range []int{1000, 10_000, 100_000} {
		svc, store := openService(b)
		id := provision(b, svc, anna)
		fillBench(b, svc, id, n)
		cal, err := svc.Calendar(ctx, anna, id)
		if err != nil {
			b.Fatal(err)
		}
		month := &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: window("20260301", "20260329")}}}
		b.Run(fmt.Sprintf("month/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				got := 0
				err := svc.Query(ctx, anna, calendar.QueryRequest{Calendar: id, Filter: month}, func(*calendar.Object) error { got++; return nil })
				if err != nil || got != 100 {
					b.Fatal(got, err)
				}
			}
		})
		b.Run(fmt.Sprintf("sync0/%d", n), func(b *testing.B) {
			for range b.N {
				if _, err := svc.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Token: cal.SyncToken()}, func(calendar.SyncItem) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
		// As after a restart: the changes are older than what memory knows of, and
		// nothing of the month is there.
		for k := range 10 {
			day := time.Date(2026, 3, 1+k, 8+k%9, 0, 0, 0, time.UTC)
			req := calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: fmt.Sprintf("e%06d.ics", k)}, Data: event(fmt.Sprint("u", k), day.Format("20060102T150405Z"), "")}
			if _, err := svc.PutObject(ctx, anna, req); err != nil {
				b.Fatal(err)
			}
		}
		cold := service.New(store, nil, service.Options{CacheBytes: -1})
		b.Run(fmt.Sprintf("oldtoken/%d", n), func(b *testing.B) {
			for range b.N {
				if _, err := cold.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Token: cal.SyncToken()}, func(calendar.SyncItem) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("coldmonth/%d", n), func(b *testing.B) {
			for range b.N {
				got := 0
				err := cold.Query(ctx, anna, calendar.QueryRequest{Calendar: id, Filter: month}, func(*calendar.Object) error { got++; return nil })
				if err != nil || got != 100 {
					b.Fatal(got, err)
				}
			}
		})
		b.Run(fmt.Sprintf("update/%d", n), func(b *testing.B) {
			for i := range b.N {
				k := i % 100
				day := time.Date(2026, 3, 1+k%28, 8+k%9, 0, 0, 0, time.UTC)
				req := calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: fmt.Sprintf("e%06d.ics", k)}, Data: event(fmt.Sprint("u", k), day.Format("20060102T150405Z"), fmt.Sprintf("COMMENT:%d\r\n", i))}
				if _, err := svc.PutObject(ctx, anna, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
