package cache_test

import (
	"fmt"
	"strings"
	"testing"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// What the cache says it holds is what it holds, whatever was done.
func TestCacheCountsItsMemory(t *testing.T) {
	svc := service.New(calendartest.NewStore(), nil, service.Options{})
	m := &model{t: t}
	for step := range 1200 { // more than the log keeps
		name := fmt.Sprintf("o%d.ics", step%20)
		put(t, svc, name, shapes[step%len(shapes)]+fmt.Sprintf("COMMENT:%d\r\n", step))
		ref := calendar.Ref{Calendar: home, Name: name}
		var err error
		switch step % 300 {
		case 50:
			_, err = svc.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: home, DisplayName: &name})
		case 100:
			err = svc.PatchProps(t.Context(), anna, ref, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "x:", Local: "p", Value: "1"}}})
		case 150:
			err = svc.DeleteObject(t.Context(), anna, calendar.DeleteRequest{Ref: ref})
		case 200:
			for _, q := range m.questions() {
				if !strings.HasPrefix(q, "view") {
					ask(svc, m, q)
				}
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if step%50 == 0 {
			if got, want := svc.Cache().Size(), cache.Count(svc.Cache()); got != want {
				t.Fatalf("step %d: %d octets accounted for, %d there", step, got, want)
			}
		}
	}
}

func TestCacheStaysInItsBudget(t *testing.T) {
	const budget = 256 << 10
	svc := service.New(calendartest.NewStore(), nil, service.Options{CacheBytes: budget})
	for i := range 2000 { // homes that nobody has
		svc.Calendar(t.Context(), anna, calendar.ID(fmt.Sprint("nobody", i)))
	}
	if n := cache.Homes(svc.Cache()); n > budget>>10 {
		t.Errorf("%d homes in the cache", n)
	}
	long := "DESCRIPTION:" + strings.Repeat("x", 70<<10) + "\r\n" // too large to be kept by itself
	for i := range 100 {
		put(t, svc, fmt.Sprint(i), long)
	}
	if got, want := svc.Cache().Size(), cache.Count(svc.Cache()); got != want || got > budget {
		t.Errorf("%d octets accounted for, %d there, budget %d", got, want, budget)
	}
}
