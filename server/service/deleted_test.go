package service_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// counted is a store that counts the rows and texts that are read from it.
type counted struct {
	calendar.Store
	rows, texts int
}

func (c *counted) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	return c.Store.View(ctx, owner, func(tx calendar.ReadTx) error { return fn(countedTx{tx, c}) })
}

func (c *counted) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	return c.Store.Update(ctx, owner, func(tx calendar.Tx) error { return fn(countedWrites{tx, c}) })
}

type countedWrites struct {
	calendar.Tx
	of *counted
}

func (t countedWrites) Object(cal int64, name string, data bool) (calendar.ObjectRow, bool, error) {
	if t.of.rows++; data {
		t.of.texts++
	}
	return t.Tx.Object(cal, name, data)
}

func (t countedWrites) Objects(cal int64, after string, data bool, fn func(*calendar.ObjectRow) error) error {
	return t.Tx.Objects(cal, after, data, countedTx{t.Tx, t.of}.count(data, fn))
}

type countedTx struct {
	calendar.ReadTx
	of *counted
}

func (t countedTx) count(data bool, fn func(*calendar.ObjectRow) error) func(*calendar.ObjectRow) error {
	return func(o *calendar.ObjectRow) error {
		t.of.rows++
		if data {
			t.of.texts++
		}
		return fn(o)
	}
}

func (t countedTx) Objects(cal int64, after string, data bool, fn func(*calendar.ObjectRow) error) error {
	return t.ReadTx.Objects(cal, after, data, t.count(data, fn))
}

func (t countedTx) Changes(cal, since int64, limit int, data bool, fn func(*calendar.ObjectRow) error) error {
	return t.ReadTx.Changes(cal, since, limit, data, t.count(data, fn))
}

func (t countedTx) Gone(cal int64, from, to time.Time, data bool, fn func(*calendar.ObjectRow) error) error {
	return t.ReadTx.Gone(cal, from, to, data, t.count(data, fn))
}

func (t countedTx) Latest(cal int64, fn func(*calendar.ObjectRow) (bool, error)) error {
	return t.ReadTx.Latest(cal, func(o *calendar.ObjectRow) (bool, error) {
		t.of.rows++
		return fn(o)
	})
}

func (t countedTx) ObjectsByName(cal int64, names []string, data bool) ([]calendar.ObjectRow, error) {
	rows, err := t.ReadTx.ObjectsByName(cal, names, data)
	t.of.rows += len(rows)
	if data {
		t.of.texts += len(rows)
	}
	return rows, err
}

// TestWCAP_9_14_PollsCostTheirAnswer: what was deleted and what was changed is
// found without a look at what was not, however much that is.
func TestWCAP_9_14_PollsCostTheirAnswer(t *testing.T) {
	const live = 2000
	for _, cache := range []int64{0, -1} {
		st := &counted{Store: calendartest.NewStore()}
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		svc := service.New(st, nil, service.Options{Now: func() time.Time { return now }, CacheBytes: cache})
		ctx := t.Context()
		id := provision(t, svc, anna)
		for range 2 { // all were changed after they were made
			now = now.Add(time.Hour)
			for i := range live {
				store(t, svc, id, fmt.Sprintf("o%d.ics", i), event(fmt.Sprint(i), "20260105T090000Z", "RRULE:FREQ=DAILY;COUNT=9\r\n"))
			}
		}
		ask := func(what string, sel calendar.Selection, w calendar.Window, rows, texts int) (found []string) {
			t.Helper()
			st.rows, st.texts = 0, 0
			req := calendar.OccurrencesRequest{Calendars: []calendar.ID{id}, Select: sel, Window: w, Series: true}
			err := svc.Occurrences(ctx, anna, req, func(r calendar.OccurrencesResult) error {
				switch {
				case r.Gone != nil:
					found = append(found, r.Gone.UID+" by "+r.Gone.By)
				case r.Excluded:
					found = append(found, r.Object.UID+" without "+fmt.Sprint(len(r.Occurrences))+" by "+r.By)
				case r.Object != nil:
					found = append(found, r.Object.UID)
				}
				return r.Err
			})
			if err != nil {
				t.Fatal(err)
			}
			if st.rows > rows || st.texts > texts {
				t.Errorf("cache %d: %s read %d rows and %d texts, want at most %d and %d", cache, what, st.rows, st.texts, rows, texts)
			}
			return found
		}
		now = now.Add(time.Hour)
		since := calendar.Window{From: now}
		for _, sel := range []calendar.Selection{calendar.Deleted, calendar.Changed} {
			if got := ask("idle", sel, since, 0, 0); got != nil {
				t.Errorf("nothing happened: %v", got)
			}
		}
		now = now.Add(time.Minute)
		if err := svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: id, Name: "o7.ics"}}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
		store(t, svc, id, "o8.ics", event("8", "20260105T090000Z", "RRULE:FREQ=DAILY;COUNT=9\r\nEXDATE:20260106T090000Z\r\n"))
		store(t, svc, id, "o9.ics", event("9", "20260105T090000Z", "RRULE:FREQ=DAILY;COUNT=8\r\n"))
		want := []string{"7 by anna", "8 without 1 by anna"}
		if got := ask("a poll", calendar.Deleted, since, 8, 2); !slices.Equal(got, want) {
			t.Errorf("deleted: %v", got)
		}
		if got := ask("a poll", calendar.Changed, since, 8, 3); !slices.Equal(got, []string{"8", "9"}) {
			t.Errorf("changed: %v", got)
		}
		if got := ask("a first poll", calendar.Deleted, calendar.Window{}, live+8, 4); !slices.Equal(got, want) {
			t.Errorf("deleted ever: %v", got)
		}
		if got := ask("until then", calendar.Deleted, calendar.Window{From: since.From, To: now.Add(-time.Second)}, 8, 2); !slices.Equal(got, want[:1]) {
			t.Errorf("deleted until then: %v", got)
		}

		// A clock that is set back a little hides nothing.
		now = now.Add(time.Hour)
		since.From = now
		store(t, svc, id, "o1.ics", event("1", "20260105T090000Z", ""))
		now = now.Add(-3 * time.Second)
		store(t, svc, id, "o2.ics", event("2", "20260105T090000Z", ""))
		if got := ask("a clock set back", calendar.Changed, since, 8, 2); !slices.Equal(got, []string{"1"}) {
			t.Errorf("changed: %v", got)
		}
	}
}

// TestWCAP_9_4_RangesCostWhatIsInThem: deleting what lies in a range looks at that,
// and at nothing far from it; a floating time counts in its zone.
func TestWCAP_9_4_RangesCostWhatIsInThem(t *testing.T) {
	st := &counted{Store: calendartest.NewStore()}
	svc := service.New(st, nil, service.Options{DefaultTZID: "Pacific/Auckland"})
	id := provision(t, svc, anna)
	for i := range 1000 {
		store(t, svc, id, fmt.Sprintf("o%d.ics", i), event(fmt.Sprint(i), time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, i).Format("20060102T150405Z"), ""))
	}
	store(t, svc, id, "floating.ics", event("floating", "20270106T003000", "")) // 5 January, 11:30 UTC
	store(t, svc, id, "series.ics", event("series", "20260101T130000Z", "RRULE:FREQ=DAILY\r\n"))
	st.rows, st.texts = 0, 0
	at := func(day int) time.Time { return time.Date(2027, 1, day, 0, 0, 0, 0, time.UTC) }
	res, err := svc.EditObject(t.Context(), anna, calendar.EditRequest{Calendar: id, Component: "VEVENT", Within: &calendar.Window{From: at(5), To: at(6)}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, it := range res.Items {
		got = append(got, fmt.Sprint(it.UID, " ", it.Removed, " ", it.Err))
	}
	if slices.Sort(got); !slices.Equal(got, []string{"369 true <nil>", "floating true <nil>", "series false <nil>"}) {
		t.Errorf("deleted %v", got)
	}
	if st.rows > 20 || st.texts > 10 {
		t.Errorf("%d rows and %d texts were read", st.rows, st.texts)
	}
}
