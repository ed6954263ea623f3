package service_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"
)

// countingStore counts the rows that reads bring.
type countingStore struct {
	calendar.Store
	rows int
}

func (s *countingStore) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	return s.Store.View(ctx, owner, func(tx calendar.ReadTx) error { return fn(&countingTx{tx, s}) })
}

type countingTx struct {
	calendar.ReadTx
	s *countingStore
}

func (t *countingTx) Object(cal int64, name string, data bool) (calendar.ObjectRow, bool, error) {
	t.s.rows++
	return t.ReadTx.Object(cal, name, data)
}

func (t *countingTx) ObjectsByName(cal int64, names []string, data bool) ([]calendar.ObjectRow, error) {
	t.s.rows += len(names)
	return t.ReadTx.ObjectsByName(cal, names, data)
}

func (t *countingTx) Objects(cal int64, after string, data bool, fn func(*calendar.ObjectRow) error) error {
	return t.ReadTx.Objects(cal, after, data, func(o *calendar.ObjectRow) error { t.s.rows++; return fn(o) })
}

func (t *countingTx) Changes(cal, since int64, limit int, data bool, fn func(*calendar.ObjectRow) error) error {
	return t.ReadTx.Changes(cal, since, limit, data, func(o *calendar.ObjectRow) error { t.s.rows++; return fn(o) })
}

func (t *countingTx) Occurrences(cal, from, to int64, fn func(calendar.OccurrenceRow) error) error {
	return t.ReadTx.Occurrences(cal, from, to, func(o calendar.OccurrenceRow) error { t.s.rows++; return fn(o) })
}

func (t *countingTx) AllProps(cal int64) (map[string][]calendar.DeadProp, error) {
	props, err := t.ReadTx.AllProps(cal)
	t.s.rows += len(props)
	return props, err
}

// A month, and a sync with an old token, cost their answer whatever else the
// calendar has: where nothing is kept, where next to nothing fits, and at first.
func TestMonthCostsItsAnswer(t *testing.T) {
	rows := map[string]int{}
	for _, size := range []int{200, 2000} {
		first, store := openService(t)
		id := provision(t, first, anna)
		fillBench(t, first, id, size)
		cal, err := first.Calendar(t.Context(), anna, id)
		if err != nil {
			t.Fatal(err)
		}
		for k := range 10 {
			day := time.Date(2026, 3, 1+k, 8+k%9, 0, 0, 0, time.UTC).Format("20060102T150405Z")
			more := ""
			if k < 3 { // which have an open end
				more = "RRULE:FREQ=WEEKLY\r\n"
			}
			req := calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: fmt.Sprintf("e%06d.ics", k)}, Data: event(fmt.Sprint("u", k), day, more)}
			if _, err := first.PutObject(t.Context(), anna, req); err != nil {
				t.Fatal(err)
			}
		}
		month := &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: window("20260301", "20260329")}}}
		for name, octets := range map[string]int64{"nothing kept": -1, "no room": 1, "room": 1 << 20} {
			s := &countingStore{Store: store}
			svc := service.New(s, nil, service.Options{CacheBytes: octets})
			got := 0
			err := svc.Query(t.Context(), anna, calendar.QueryRequest{Calendar: id, Filter: month}, func(*calendar.Object) error { got++; return nil })
			if err != nil || got != 100 {
				t.Fatal(got, err)
			}
			queried := s.rows
			_, err = svc.Sync(t.Context(), anna, calendar.SyncRequest{Calendar: id, Token: cal.SyncToken()}, func(calendar.SyncItem) error { got++; return nil })
			if err != nil || got != 110 {
				t.Fatal(got, err)
			}
			if synced := s.rows - queried; synced > 20 {
				t.Errorf("%s, of %d: a sync of ten reads %d rows", name, size, synced)
			}
			if was, ok := rows[name]; ok && queried > was+was/10 || queried > 450 {
				t.Errorf("%s: a month of 100 reads %d rows of %d, and %d of 200", name, queried, size, was)
			}
			rows[name] = queried
		}
	}
}
