package cld

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// gone answers for owners that were moved away, as csstored does. It counts what it is asked.
type gone struct {
	calendar.Backend
	mu    sync.Mutex
	moved map[calendar.Owner]string
	asked int
}

func (g *gone) why(owner calendar.Owner) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked++
	if host := g.moved[owner]; host != "" {
		return &calendar.Error{Kind: calendar.Unavailable, Reason: calendar.HomeMoved, Op: "open", Ref: string(owner), Host: host}
	}
	return nil
}

func (g *gone) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked
}

func (g *gone) Calendar(ctx context.Context, who calendar.Actor, id calendar.ID) (calendar.Calendar, error) {
	if err := g.why(id.Owner()); err != nil {
		return calendar.Calendar{}, err
	}
	return g.Backend.Calendar(ctx, who, id)
}

func (g *gone) PutObject(ctx context.Context, who calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	if err := g.why(req.Ref.Calendar.Owner()); err != nil {
		return calendar.PutResult{}, err
	}
	return g.Backend.PutObject(ctx, who, req)
}

func (g *gone) DeleteObject(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) error {
	if err := g.why(req.Ref.Calendar.Owner()); err != nil {
		return err
	}
	return g.Backend.DeleteObject(ctx, who, req)
}

func (g *gone) ListObjects(ctx context.Context, who calendar.Actor, id calendar.ID, emit func(*calendar.Object) error) (calendar.Calendar, error) {
	if err := g.why(id.Owner()); err != nil {
		return calendar.Calendar{}, err
	}
	return g.Backend.ListObjects(ctx, who, id, emit)
}

func (g *gone) Home(ctx context.Context, who calendar.Actor, req calendar.HomeRequest) (calendar.Home, error) {
	if err := g.why(req.Owner); err != nil {
		return calendar.Home{}, err
	}
	return g.Backend.Home(ctx, who, req)
}

func (g *gone) Calendars(ctx context.Context, who calendar.Actor, req calendar.CalendarsRequest) ([]calendar.CalendarResult, error) {
	res, err := g.Backend.Calendars(ctx, who, req)
	for i, id := range req.IDs {
		if e := g.why(id.Owner()); e != nil {
			res[i] = calendar.CalendarResult{Err: e}
		}
	}
	return res, err
}

func (g *gone) Objects(ctx context.Context, who calendar.Actor, req calendar.ObjectsRequest, emit func(calendar.ObjectResult) error) error {
	return g.Backend.Objects(ctx, who, req, func(o calendar.ObjectResult) error {
		if err := g.why(o.Ref.Calendar.Owner()); err != nil {
			o = calendar.ObjectResult{Ref: o.Ref, Err: err}
		}
		return emit(o)
	})
}

func (g *gone) Occurrences(ctx context.Context, who calendar.Actor, req calendar.OccurrencesRequest, emit func(calendar.OccurrencesResult) error) error {
	for _, id := range req.Calendars {
		if err := g.why(id.Owner()); err != nil {
			return err
		}
	}
	return g.Backend.Occurrences(ctx, who, req, emit)
}

// movedSite is two hosts, of which the first says that ben was moved to the second.
func movedSite(t *testing.T, cached bool) (r *Router, first, second *gone) {
	t.Helper()
	open := func() *gone {
		return &gone{Backend: service.New(calendartest.NewStore(), nil, service.Options{}), moved: map[calendar.Owner]string{}}
	}
	first, second = open(), open()
	var find Locator = one("calendar1.sesta.com")
	if cached {
		find = NewCache(find, 10, time.Hour, nil)
	}
	r, err := New(Options{Locator: find, Backends: map[string]calendar.Backend{"calendar1.sesta.com": first, "calendar2.sesta.com": second}})
	if err != nil {
		t.Fatal(err)
	}
	return r, first, second
}

type one string

func (o one) Locate(context.Context, calendar.Owner) (string, error) { return string(o), nil }

func meeting(uid string) []byte {
	return fmt.Appendf(nil, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nBEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260101T100000Z\r\nDTEND:20260101T110000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", uid)
}

func TestMoved(t *testing.T) {
	for _, cached := range []bool{true, false} {
		t.Run(fmt.Sprintf("cache=%v", cached), func(t *testing.T) {
			r, first, second := movedSite(t, cached)
			ctx, ben, anna := t.Context(), calendar.Actor{User: "ben"}, calendar.Actor{User: "anna"}
			ok := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			_, err := r.Home(ctx, anna, calendar.HomeRequest{Owner: "anna"})
			ok(err)
			_, err = second.Backend.Home(ctx, ben, calendar.HomeRequest{Owner: "ben"}) // he is there already
			ok(err)
			first.moved["ben"] = "calendar2.SESTA.com"

			_, err = r.Home(ctx, ben, calendar.HomeRequest{Owner: "ben"})
			ok(err)
			_, err = r.Calendar(ctx, ben, "ben")
			ok(err)
			ref := calendar.Ref{Calendar: "ben", Name: "a.ics"}
			_, err = r.PutObject(ctx, ben, calendar.PutRequest{Ref: ref, Data: meeting("a")})
			ok(err)
			n := 0
			_, err = r.ListObjects(ctx, ben, "ben", func(*calendar.Object) error { n++; return nil })
			if ok(err); n != 1 {
				t.Errorf("%d objects are listed", n)
			}
			res, err := r.Calendars(ctx, calendar.Actor{User: "root", Admin: true}, calendar.CalendarsRequest{IDs: []calendar.ID{"anna", "ben", "anna"}})
			ok(err)
			for i := range res {
				ok(res[i].Err)
			}
			for _, refs := range [][]calendar.Ref{{ref, ref}, {{Calendar: "anna", Name: "x.ics"}, ref}} {
				var got []calendar.ObjectResult
				ok(r.Objects(ctx, calendar.Actor{User: "root", Admin: true}, calendar.ObjectsRequest{Refs: refs}, func(o calendar.ObjectResult) error {
					got = append(got, o)
					return nil
				}))
				if len(got) != 2 || got[1].Err != nil || got[1].Object.Name != "a.ics" || refs[0] == ref && got[0].Err != nil || refs[0] != ref && calendar.KindOf(got[0].Err) != calendar.NotFound {
					t.Errorf("of %v: %+v", refs, got)
				}
			}
			for _, ids := range [][]calendar.ID{{"ben"}, {"anna", "ben"}} {
				n = 0
				ok(r.Occurrences(ctx, calendar.Actor{User: "root", Admin: true}, calendar.OccurrencesRequest{Calendars: ids, Window: calendar.Window{
					From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)}}, func(o calendar.OccurrencesResult) error {
					n++
					return o.Err
				}))
				if n < len(ids) {
					t.Errorf("%v: %d answers", ids, n)
				}
			}
			ok(r.DeleteObject(ctx, ben, calendar.DeleteRequest{Ref: ref}))

			before := first.count()
			_, err = r.Calendar(ctx, ben, "ben")
			ok(err)
			if again := first.count() > before; again == cached {
				t.Errorf("the host that he left is asked again: %v", again)
			}

			second.moved["ben"] = "calendar1.sesta.com" // both say so: nobody goes round for ever
			_, err = r.Calendar(ctx, ben, "ben")
			if _, host := calendar.MovedTo(err); host == "" || !errors.Is(err, calendar.Unavailable) {
				t.Errorf("moved in a circle: %v", err)
			}
			first.moved["ben"], second.moved["ben"] = "calendar9.sesta.com", "calendar9.sesta.com"
			if _, err = r.Calendar(ctx, ben, "ben"); !errors.Is(err, calendar.Unavailable) {
				t.Errorf("moved to a host that is not known: %v", err)
			}
		})
	}
}

// tokens notes under which tokens it is asked to write.
type tokens struct {
	gone
	seen []string
}

func (k *tokens) DeleteCalendar(ctx context.Context, _ calendar.Actor, req calendar.DeleteCalendarRequest) error {
	k.seen = append(k.seen, calendar.Token(ctx))
	return k.why(req.ID.Owner())
}

func (k *tokens) PutObject(_ context.Context, _ calendar.Actor, req calendar.PutRequest) (calendar.PutResult, error) {
	k.seen = append(k.seen, req.Token)
	return calendar.PutResult{}, k.why(req.Ref.Calendar.Owner())
}

// TestMovedUnderOneToken: a write that may have been done before the home was moved is
// known where it is now.
func TestMovedUnderOneToken(t *testing.T) {
	first := &tokens{gone: gone{moved: map[calendar.Owner]string{"ben": "calendar2.sesta.com"}}}
	second := &tokens{}
	r, err := New(Options{Locator: one("calendar1.sesta.com"), Backends: map[string]calendar.Backend{"calendar1.sesta.com": first, "calendar2.sesta.com": second}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.DeleteCalendar(t.Context(), calendar.Actor{}, calendar.DeleteCalendarRequest{ID: "ben:x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.PutObject(t.Context(), calendar.Actor{}, calendar.PutRequest{Ref: calendar.Ref{Calendar: "ben"}}); err != nil {
		t.Fatal(err)
	}
	if len(first.seen) != 2 || len(second.seen) != 2 {
		t.Fatalf("asked: %q and %q", first.seen, second.seen)
	}
	for i := range first.seen {
		if first.seen[i] == "" || first.seen[i] != second.seen[i] {
			t.Errorf("write %d: tokens %q and %q", i, first.seen[i], second.seen[i])
		}
	}
}
