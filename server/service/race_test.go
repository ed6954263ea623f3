package service_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// paced is a store that a test holds up at the two places where what is stored
// and what memory has are apart: around a reader's snapshot, and between a
// commit and the word of it.
type paced struct {
	calendar.Store
	mu     sync.Mutex
	before func() // the next View calls it, then its snapshot is taken
	after  func() // the next View calls it when it has its snapshot
	held   chan chan struct{}
}

func (p *paced) take(which *func()) {
	p.mu.Lock()
	fn := *which
	*which = nil
	p.mu.Unlock()
	if fn != nil {
		fn()
	}
}

func (p *paced) set(which *func(), fn func()) {
	p.mu.Lock()
	*which = fn
	p.mu.Unlock()
}

func (p *paced) View(ctx context.Context, owner calendar.Owner, fn func(calendar.ReadTx) error) error {
	p.take(&p.before)
	err := p.Store.View(ctx, owner, fn)
	p.take(&p.after)
	return err
}

type pacedTx struct {
	calendar.Tx
	hooks *[]func()
}

func (t pacedTx) OnCommit(fn func()) { *t.hooks = append(*t.hooks, fn) }

// Update, while a test holds commits, gives it a channel when the commit is
// stored, and tells nobody of it before that is closed.
func (p *paced) Update(ctx context.Context, owner calendar.Owner, fn func(calendar.Tx) error) error {
	p.mu.Lock()
	held := p.held
	p.mu.Unlock()
	if held == nil {
		return p.Store.Update(ctx, owner, fn)
	}
	var hooks []func()
	err := p.Store.Update(ctx, owner, func(tx calendar.Tx) error {
		hooks = nil
		return fn(pacedTx{tx, &hooks})
	})
	if err == nil {
		gate := make(chan struct{})
		held <- gate
		<-gate
		for _, h := range hooks {
			h()
		}
	}
	return err
}

// hold makes the following writes, one by one, commits that nobody is told of.
// It returns what tells of the next one, and waits until its writer knows.
func (p *paced) hold(t *testing.T, writes ...func() error) (tell func()) {
	t.Helper()
	held := make(chan chan struct{})
	p.mu.Lock()
	p.held = held
	p.mu.Unlock()
	type pending struct{ gate, done chan struct{} }
	var all []pending
	for _, write := range writes {
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := write(); err != nil {
				t.Error(err)
			}
		}()
		all = append(all, pending{<-held, done})
	}
	p.mu.Lock()
	p.held = nil
	p.mu.Unlock()
	return func() {
		close(all[0].gate)
		<-all[0].done
		all = all[1:]
	}
}

func openPaced(t *testing.T) (*paced, *service.Service, calendar.ID) {
	t.Helper()
	p := &paced{Store: calendartest.NewStore()}
	svc := service.New(p, nil, service.Options{})
	return p, svc, provision(t, svc, anna)
}

func putAt(t *testing.T, be calendar.Backend, id calendar.ID, name, start, more string) *calendar.Object {
	t.Helper()
	res, err := be.PutObject(t.Context(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: event("uid-"+name, start, more)})
	if err != nil {
		t.Fatal(err)
	}
	return &res.Object
}

// A reader that is told of a state is never told of one before it afterwards,
// while the writers of two commits still wait for the word of theirs.
func TestReadersNeverGoBack(t *testing.T) {
	const name = "x.ics"
	january := window("20260101", "20260201")
	reads := map[string]func(context.Context, calendar.Backend, calendar.ID) (int64, error){
		"object": func(ctx context.Context, be calendar.Backend, id calendar.ID) (int64, error) {
			o, err := be.Object(ctx, anna, calendar.Ref{Calendar: id, Name: name})
			if err != nil {
				return 0, err
			}
			return o.Change, nil
		},
		"list": func(ctx context.Context, be calendar.Backend, id calendar.ID) (change int64, err error) {
			_, err = be.ListObjects(ctx, anna, id, func(o *calendar.Object) error { change = o.Change; return nil })
			return change, err
		},
		"query": func(ctx context.Context, be calendar.Backend, id calendar.ID) (change int64, err error) {
			req := calendar.QueryRequest{Calendar: id, Filter: &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: january}}}}
			err = be.Query(ctx, anna, req, func(o *calendar.Object) error { change = o.Change; return nil })
			return change, err
		},
		"busy": func(ctx context.Context, be calendar.Backend, id calendar.ID) (day int64, err error) {
			res, err := be.FreeBusy(ctx, anna, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: id}}, Window: *january})
			if err != nil {
				return 0, err
			}
			if res[0].Err != nil {
				return 0, res[0].Err
			}
			return int64(res[0].Busy[0].Start.Day()), nil // each version is a day later
		},
		"sync": func(ctx context.Context, be calendar.Backend, id calendar.ID) (change int64, err error) {
			res, err := be.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Limit: 10}, func(it calendar.SyncItem) error { change = it.Object.Change; return nil })
			if err != nil {
				return 0, err
			}
			_, err = be.Sync(ctx, anna, calendar.SyncRequest{Calendar: id, Token: res.Token}, func(calendar.SyncItem) error { return nil })
			if err != nil {
				return 0, fmt.Errorf("the token given a moment ago: %w", err)
			}
			return change, nil
		},
	}
	for what, read := range reads {
		for _, cold := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/cold=%v", what, cold), func(t *testing.T) {
				p, svc, id := openPaced(t)
				putAt(t, svc, id, name, "20260103T090000Z", "")
				svc = service.New(p, nil, service.Options{}) // nothing is in memory
				if !cold {
					if _, err := svc.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna"}); err != nil {
						t.Fatal(err)
					}
				}
				put := func(start string) func() error {
					return func() error {
						_, err := svc.PutObject(t.Context(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: name}, Data: event("uid-"+name, start, "")})
						return err
					}
				}
				tell := p.hold(t, put("20260104T090000Z"), put("20260105T090000Z"))
				if cold {
					svc.Cache().Forget("anna")
				}
				var last int64
				look := func(when string) {
					t.Helper()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					p.set(&p.after, cancel) // who reads the store has no patience to wait for the word
					got, err := read(ctx, svc, id)
					p.set(&p.after, nil)
					switch {
					case errors.Is(err, context.Canceled):
					case err != nil:
						t.Errorf("%s: %v", when, err)
					case got < last:
						t.Errorf("%s: a reader is told of %d after one was told of %d", when, got, last)
					default:
						last = got
					}
				}
				for _, when := range []string{"two commits on their way", "one on its way", "both told"} {
					for range 3 {
						look(when)
					}
					if when != "both told" {
						tell()
					}
				}
				final, err := read(t.Context(), svc, id)
				if err != nil || final < last {
					t.Errorf("at the end: %d, %v; a reader was told of %d", final, err, last)
				}
				fresh, err := read(t.Context(), service.New(p, nil, service.Options{}), id)
				if err != nil || fresh != final {
					t.Errorf("memory gives %d, the store %d, %v", final, fresh, err)
				}
				home, err := svc.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna"})
				if err != nil || home.UsedBytes != int64(len(event("uid-"+name, "20260104T090000Z", ""))) {
					t.Errorf("the home has %d octets, %v", home.UsedBytes, err)
				}
			})
		}
	}
}

// A load of the home that began before a commit which a reader has met in the
// store is not what later readers get.
func TestHomeLoadOlderThanWhatWasRead(t *testing.T) {
	p, svc, id := openPaced(t)
	putAt(t, svc, id, "y.ics", "20260103T090000Z", "")
	svc = service.New(p, nil, service.Options{})
	if _, err := svc.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna"}); err != nil {
		t.Fatal(err)
	}
	reading, read := make(chan struct{}), make(chan struct{})
	p.set(&p.before, func() { close(reading); <-read })
	got := make(chan *calendar.Object, 1)
	go func() {
		o, err := svc.Object(t.Context(), anna, calendar.Ref{Calendar: id, Name: "y.ics"})
		if err != nil {
			t.Error(err)
		}
		got <- o
	}()
	<-reading
	loading, load, loaded := make(chan struct{}), make(chan struct{}), make(chan struct{})
	p.set(&p.after, func() { close(loading); <-load })
	go func() { // memory forgets the home, and loads it again for the answer
		defer close(loaded)
		color := "#FF0000"
		if _, err := svc.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: id, Color: &color}); err != nil {
			t.Error(err)
		}
	}()
	<-loading
	other := service.New(p, nil, service.Options{}) // the same commit, whose word is still to come
	tell := p.hold(t, func() error {
		_, err := other.PutObject(t.Context(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: "y.ics"}, Data: event("uid-y.ics", "20260104T090000Z", "")})
		return err
	})
	close(read)
	o := <-got
	close(load)
	<-loaded
	h, err := svc.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna"})
	if err != nil || o == nil || h.Calendars[0].Change < o.Change {
		t.Errorf("the home is at %+v, %v, but a reader has had the object %+v", h, err, o)
	}
	tell()
}

// The tags that come with a listing promise nothing that is not in it.
func TestListingIsNotOlderThanItsTag(t *testing.T) {
	p, svc, id := openPaced(t)
	putAt(t, svc, id, "x.ics", "20260103T090000Z", "")
	svc = service.New(p, nil, service.Options{})
	if _, err := svc.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna"}); err != nil {
		t.Fatal(err)
	}
	p.set(&p.after, func() { // more than memory can replay
		for n := range 700 {
			putAt(t, svc, id, "x.ics", "20260103T090000Z", fmt.Sprintf("COMMENT:%d\r\n", n))
		}
	})
	var listed string
	cal, err := svc.ListObjects(t.Context(), anna, id, func(o *calendar.Object) error { listed = o.ETag(); return nil })
	if err != nil {
		t.Fatal(err)
	}
	_, err = svc.Sync(t.Context(), anna, calendar.SyncRequest{Calendar: id, Token: cal.SyncToken()}, func(it calendar.SyncItem) error {
		listed = it.Object.ETag()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if o, err := svc.Object(t.Context(), anna, calendar.Ref{Calendar: id, Name: "x.ics"}); err != nil || o.ETag() != listed {
		t.Errorf("a client has %s after the listing and the sync from its token, the object is %v, %v", listed, o.ETag(), err)
	}
}

// An event that moves from a month that is still to be read to one that has
// been read is found.
func TestQueryOverMonthsIsOfOneState(t *testing.T) {
	p, svc, id := openPaced(t)
	putAt(t, svc, id, "x.ics", "20260210T090000Z", "")
	svc = service.New(p, nil, service.Options{})
	if got := inRange(t, svc, anna, id, window("20260110", "20260112")); len(got) > 0 { // January is in memory
		t.Fatal(got)
	}
	p.set(&p.before, func() { putAt(t, svc, id, "x.ics", "20260115T090000Z", "") })
	if got := inRange(t, svc, anna, id, window("20260110", "20260220")); !slices.Equal(got, []string{"x.ics"}) {
		t.Errorf("found %q", got)
	}
}

// An event that leaves the window between the look into the index and the
// look at its text is not given as if it were in it.
func TestQueryLooksAgainAtWhatChanged(t *testing.T) {
	p, svc, id := openPaced(t)
	putAt(t, svc, id, "x.ics", "20260115T090000Z", "")
	svc = service.New(p, nil, service.Options{})
	if _, err := svc.FreeBusy(t.Context(), anna, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: id}}, Window: *window("20260110", "20260120")}); err != nil {
		t.Fatal(err) // the index is in memory, the object is not
	}
	p.set(&p.before, func() { putAt(t, svc, id, "x.ics", "20260315T090000Z", "") })
	if got := inRange(t, svc, anna, id, window("20260110", "20260120")); len(got) > 0 {
		t.Errorf("found %q, which is in March", got)
	}
}

// Two events that change places between two calendars are both busy time.
func TestFreeBusyOfAHomeIsOfOneState(t *testing.T) {
	p, svc, a := openPaced(t)
	b := calendar.NewID("anna", "b")
	if _, err := svc.CreateCalendar(t.Context(), anna, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: b}, DefaultACL: true}); err != nil {
		t.Fatal(err)
	}
	putAt(t, svc, a, "u.ics", "20260115T090000Z", "")
	putAt(t, svc, b, "v.ics", "20260116T090000Z", "")
	svc = service.New(p, nil, service.Options{})
	busy := func() []calendar.Busy {
		res, err := svc.FreeBusy(t.Context(), anna, calendar.FreeBusyRequest{
			Targets: []calendar.FreeBusyTarget{{Calendar: calendar.NewID("anna", ""), Home: true}}, Window: *window("20260110", "20260120")})
		if err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
		return res[0].Busy
	}
	move := func(name string, from, to calendar.ID) {
		if _, err := svc.CopyObject(t.Context(), anna, calendar.CopyRequest{From: calendar.Ref{Calendar: from, Name: name}, To: calendar.Ref{Calendar: to, Name: name}, Move: true}); err != nil {
			t.Error(err)
		}
	}
	p.set(&p.after, func() { // the home is loaded
		p.set(&p.after, func() { // the first calendar is read
			p.set(&p.before, func() { move("u.ics", a, b); move("v.ics", b, a) })
		})
	})
	if got := busy(); len(got) != 2 {
		t.Errorf("busy at %v", got)
	}
}

// A series that changes between its index and its text gives no instances of
// the one with those of the other.
func TestWideWindowIsOfOneState(t *testing.T) {
	p, svc, id := openPaced(t)
	putAt(t, svc, id, "x.ics", "20260105T090000Z", "RRULE:FREQ=WEEKLY\r\n")
	svc = service.New(p, nil, service.Options{})
	busy := func(be calendar.Backend) []calendar.Busy {
		res, err := be.FreeBusy(t.Context(), anna, calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: id}},
			Window: calendar.Window{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)}})
		if err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
		return res[0].Busy
	}
	if _, err := svc.Home(t.Context(), anna, calendar.HomeRequest{Owner: "anna"}); err != nil {
		t.Fatal(err)
	}
	before := busy(service.New(p, nil, service.Options{}))
	p.set(&p.after, func() {
		p.set(&p.before, func() { putAt(t, svc, id, "x.ics", "20260106T090000Z", "RRULE:FREQ=WEEKLY\r\n") })
	})
	got := busy(svc)
	p.set(&p.before, nil)
	if after := busy(service.New(p, nil, service.Options{})); !cmp.Equal(got, before) && !cmp.Equal(got, after) {
		t.Errorf("mixed (-) is not what is stored (+):\n%s", cmp.Diff(got, after))
	}
}
