package service_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

// What the cache says it holds is what it holds, whatever was done.
func TestCacheCountsItsMemory(t *testing.T) {
	ctx := context.Background()
	svc, _ := openService(t)
	id := provision(t, svc, anna)
	for step := range 1200 { // more than the log keeps
		i := step % 20
		ref := calendar.Ref{Calendar: id, Name: fmt.Sprintf("o%d.ics", i)}
		store(t, svc, id, ref.Name, randomText(i, step%150, step%len(shapes), step))
		var err error
		switch step % 300 {
		case 50:
			_, err = svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: id, DisplayName: &ref.Name})
		case 100:
			err = svc.PatchProps(ctx, anna, ref, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "x:", Local: "p", Value: "1"}}})
		case 150:
			err = svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: ref})
		case 200:
			look(t, svc, id, "")
		}
		if err != nil {
			t.Fatal(err)
		}
		if step%50 == 0 {
			if got, want := svc.CacheSize(), svc.CacheCount(); got != want {
				t.Fatalf("step %d: %d octets accounted for, %d there", step, got, want)
			}
		}
	}
}

func TestCacheStaysInItsBudget(t *testing.T) {
	ctx := context.Background()
	st, err := sqlstore.OpenSQLite(ctx, t.TempDir(), sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	const budget = 256 << 10
	svc := service.New(st, nil, service.Options{CacheBytes: budget})
	for i := range 2000 { // homes that nobody has
		svc.Calendar(ctx, anna, calendar.ID(fmt.Sprint("nobody", i)))
	}
	if n := svc.CacheHomes(); n > budget>>10 {
		t.Errorf("%d homes in the cache", n)
	}
	id := provision(t, svc, anna)
	long := "DESCRIPTION:" + strings.Repeat("x", 70<<10) + "\r\n" // too large to be kept by itself
	for i := range 100 {
		store(t, svc, id, fmt.Sprint(i), event(fmt.Sprint(i), "20260105T090000Z", long))
	}
	if got, want := svc.CacheSize(), svc.CacheCount(); got != want || got > budget {
		t.Errorf("%d octets accounted for, %d there, budget %d", got, want, budget)
	}
}
