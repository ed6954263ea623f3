package service_test

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/service"
)

// view is everything a reader can learn of a calendar.
type view struct {
	Home    []string
	List    []string
	Data    map[string]string
	Query   map[string][]string
	Expand  map[string]string
	Busy    []calendar.Busy
	Token   string
	Changes []string
}

func look(t testing.TB, be calendar.Backend, id calendar.ID, since string) view {
	t.Helper()
	ctx := context.Background()
	v := view{Data: map[string]string{}, Query: map[string][]string{}, Expand: map[string]string{}}
	home, err := be.Home(ctx, anna, calendar.HomeRequest{Owner: id.Owner()})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range home.Calendars {
		v.Home = append(v.Home, fmt.Sprint(c.ID, c.DisplayName, c.Change, len(c.Props)))
	}
	cal, err := be.ListObjects(ctx, anna, id, func(o *calendar.Object) error {
		v.List = append(v.List, fmt.Sprint(o.Name, o.UID, o.ETag(), o.Size, o.Props))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Token = cal.SyncToken()
	for i := range 12 {
		o, err := be.Object(ctx, anna, calendar.Ref{Calendar: id, Name: fmt.Sprintf("o%d.ics", i)})
		if err == nil {
			v.Data[o.Name] = o.ETag() + string(o.Data)
		}
	}
	for _, w := range []*calendar.Window{window("20260101", "20260201"), window("20260115", "20260320"), window("20270301", "20270302"), window("20250101", "20290101")} {
		key := w.From.Format(time.DateOnly)
		v.Query[key] = inRange(t, be, anna, id, w)
		req := calendar.QueryRequest{Calendar: id, Data: calendar.DataRequest{Expand: w}}
		var texts []string
		err := be.Query(ctx, anna, req, func(o *calendar.Object) error { texts = append(texts, string(o.Data)); return nil })
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(texts)
		v.Expand[key] = fmt.Sprint(texts)
	}
	fb, err := be.FreeBusy(ctx, anna, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: id}}, Window: *window("20260101", "20260601")})
	if err != nil || fb[0].Err != nil {
		t.Fatal(err, fb)
	}
	v.Busy = fb[0].Busy
	_, err = be.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Token: since}, func(it calendar.SyncItem) error {
		if it.Gone != nil {
			v.Changes = append(v.Changes, fmt.Sprint("-", it.Gone.Name, it.Gone.UID, it.Gone.Change))
		} else {
			v.Changes = append(v.Changes, fmt.Sprint("+", it.Object.Name, it.Object.ETag()))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(v.Changes)
	return v
}

var shapes = []string{
	"", "RRULE:FREQ=WEEKLY\r\n", "RRULE:FREQ=DAILY;COUNT=5\r\n", "RRULE:FREQ=DAILY;COUNT=300\r\n",
	"RRULE:FREQ=MONTHLY;UNTIL=20270101T000000Z\r\nEXDATE:20260305T090000Z\r\n", "TRANSP:TRANSPARENT\r\n", "CLASS:PRIVATE\r\n",
}

func randomText(i, day, shape, rev int) []byte {
	return event(fmt.Sprintf("u%d", i), fmt.Sprintf("2026%02d%02dT090000Z", 1+day/28, 1+day%28), shapes[shape]+fmt.Sprintf("COMMENT:%d\r\n", rev))
}

// What the service answers from its caches is what a service without any
// would answer from the store.
func TestCachesAgreeWithStore(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ctx := context.Background()
		svc, st := openService(t)
		id := provision(t, svc, anna)
		tokens := []string{""}
		other := calendar.NewID("anna", "other")
		if _, err := svc.CreateCalendar(ctx, anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: other}, DefaultACL: true}); err != nil {
			t.Fatal(err)
		}
		draw := func(n int, what string) int { return rapid.IntRange(0, n-1).Draw(rt, what) }
		for step := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			i := draw(12, "object")
			ref := calendar.Ref{Calendar: id, Name: fmt.Sprintf("o%d.ics", i)}
			var err error
			switch draw(12, "op") {
			case 0, 1, 2, 3, 4, 5:
				_, err = svc.PutObject(ctx, anna, calendar.PutRequest{Ref: ref, Data: randomText(i, draw(150, "day"), draw(len(shapes), "shape"), step)})
			case 6, 7:
				err = svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: ref})
			case 8:
				_, err = svc.CopyObject(ctx, anna, calendar.CopyRequest{From: ref, To: calendar.Ref{Calendar: id, Name: fmt.Sprintf("o%d.ics", draw(12, "to"))}, Move: true, Overwrite: true})
			case 9:
				_, err = svc.CopyObject(ctx, anna, calendar.CopyRequest{From: ref, To: calendar.Ref{Calendar: other, Name: ref.Name}, Overwrite: true, Move: step%2 == 0})
			case 10:
				err = svc.PatchProps(ctx, anna, ref, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "x:", Local: "p", Value: fmt.Sprint(step)}}})
			case 11:
				name := fmt.Sprint("n", step)
				_, err = svc.UpdateCalendar(ctx, anna, calendar.UpdateCalendarRequest{ID: id, DisplayName: &name})
			}
			if k := calendar.KindOf(err); err != nil && k != calendar.NotFound && k != calendar.UIDConflict && k != calendar.Denied {
				rt.Fatal(err)
			}
			since := tokens[draw(len(tokens), "token")]
			got := look(t, svc, id, since)
			want := look(t, service.New(st, nil, service.Options{}), id, since)
			if d := cmp.Diff(want, got); d != "" {
				rt.Fatalf("step %d: cached answers differ (-store +cache):\n%s", step, d)
			}
			tokens = append(tokens, got.Token)
		}
		if rep, err := svc.Check(ctx, nil); err != nil || len(rep.Findings) > 0 {
			rt.Fatalf("check: %+v %v", rep.Findings, err)
		}
	})
}

// Many writers and readers at once leave the caches as the store is.
func TestCachesUnderConcurrency(t *testing.T) {
	ctx := context.Background()
	svc, st := openService(t)
	id := provision(t, svc, anna)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r := rand.New(rand.NewSource(int64(w)))
			for step := range 60 {
				i := r.Intn(12)
				ref := calendar.Ref{Calendar: id, Name: fmt.Sprintf("o%d.ics", i)}
				switch {
				case w%2 == 0 && r.Intn(4) > 0:
					_, err := svc.PutObject(ctx, anna, calendar.PutRequest{Ref: ref, Data: randomText(i, r.Intn(150), r.Intn(len(shapes)), step)})
					if err != nil {
						t.Error(err)
					}
				case w%2 == 0:
					if err := svc.DeleteObject(ctx, anna, calendar.DeleteRequest{Ref: ref}); err != nil && calendar.KindOf(err) != calendar.NotFound {
						t.Error(err)
					}
				default:
					look(t, svc, id, "")
				}
			}
		}()
	}
	wg.Wait()
	got := look(t, svc, id, "")
	want := look(t, service.New(st, nil, service.Options{}), id, "")
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("cached answers differ (-store +cache):\n%s", d)
	}
}
