package service_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// What the cache accounts for is what it takes on the heap, whatever it holds.
func TestCacheKnowsItsHeap(t *testing.T) {
	if detected {
		t.Skip("without the race detector")
	}
	const n = 3000
	ctx := context.Background()
	st := fresh.SQLite(t, sqlstore.Options{Relaxed: true})
	open := func() *service.Service { return service.New(st, nil, service.Options{CacheBytes: 1 << 30}) }
	id := provision(t, open(), anna)
	storeRealistic(t, open(), anna, id, n)
	objects := func(t *testing.T, svc *service.Service, look func(*calendar.Object)) {
		req := calendar.ObjectsRequest{}
		for i := range n {
			req.Refs = append(req.Refs, calendar.Ref{Calendar: id, Name: fmt.Sprintf("meeting-%06d@example.com.ics", i)})
		}
		err := svc.Objects(ctx, anna, req, func(r calendar.ObjectResult) error {
			if r.Err == nil {
				look(r.Object)
			}
			return r.Err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	expand := func(t *testing.T, svc *service.Service) {
		for m := range 60 {
			expandMonth(t, svc, anna, id, m)
		}
	}
	for _, c := range []struct {
		name string
		fill func(*testing.T, *service.Service)
	}{
		{"objects", func(t *testing.T, svc *service.Service) { objects(t, svc, func(*calendar.Object) {}) }},
		{"expansions", expand},
		{"parsed forms", func(t *testing.T, svc *service.Service) {
			req := calendar.QueryRequest{Calendar: id, Data: calendar.DataRequest{LimitRecur: &calendar.Window{From: time.Now(), To: time.Now().Add(time.Hour)}}}
			if err := svc.Query(ctx, anna, req, func(*calendar.Object) error { return nil }); err != nil {
				t.Fatal(err)
			}
		}},
		{"listing", func(t *testing.T, svc *service.Service) { look(t, svc, id, "") }},
		{"log", func(t *testing.T, svc *service.Service) {
			for i := range 600 {
				store(t, svc, id, fmt.Sprintf("meeting-%06d@example.com.ics", i), bytes.Replace(realistic(i).Data, []byte("Room 7"), []byte("Room 8"), 1))
			}
		}},
		{"everything", func(t *testing.T, svc *service.Service) {
			objects(t, svc, func(*calendar.Object) {})
			expand(t, svc)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.fill(t, open())                                                       // what is remembered for the whole process
			store(t, open(), id, "last.ics", event("last", "20300101T000000Z", "")) // the store remembers who wrote last
			svc := open()
			if _, err := svc.Calendar(ctx, anna, id); err != nil {
				t.Fatal(err)
			}
			before, said := heap(), svc.Cache().Size()
			c.fill(t, svc)
			real, said := heap()-before, svc.Cache().Size()-said
			t.Logf("%d octets accounted for, %d on the heap: %.2f", said, real, float64(real)/float64(said))
			if real > said+said/10 || real < said-said/4 {
				t.Errorf("%d octets accounted for, %d on the heap", said, real)
			}
		})
	}
}

// heap is what is in use when all that is garbage has gone.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
