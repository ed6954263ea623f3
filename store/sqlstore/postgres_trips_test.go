package sqlstore

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/service"
)

// What clients send most is two round trips: one that begins, locks and reads,
// one that writes and commits.
func TestWritesAreTwoRoundTrips(t *testing.T) {
	for _, fenced := range []bool{false, true} {
		s, p := openProxied(t, Options{LeaseTTL: time.Hour, Patience: time.Minute, Fenced: fenced})
		m := service.New(s, nil, service.Options{})
		put := func(name string, n int64, token string) error {
			req := benchEvent(name, n)
			if req.Token = token; n%2 == 1 { // at another time
				req.Data = bytes.ReplaceAll(req.Data, []byte("20260101T1"), []byte("20260102T1"))
			}
			_, err := m.PutObject(bg, benchAnna, req)
			return err
		}
		edit := func(uid string, mode calendar.EditMode, n int) error {
			start, _ := ical.ParseDateTime("20260101T100000Z", "", false)
			patch := calendar.Patch{Start: &start, Props: []calendar.PropEdit{{Name: "SUMMARY", Props: []ical.Property{{Name: "SUMMARY", Value: fmt.Sprint(n)}}}}}
			res, err := m.EditObject(bg, benchAnna, calendar.EditRequest{Calendar: "anna", Component: "VEVENT",
				Items: []calendar.EditItem{{UID: uid, Mode: mode, Patch: patch}}})
			if err == nil && len(res.Items) > 0 {
				err = res.Items[0].Err
			}
			return err
		}
		if err := put("same", 0, ""); err != nil {
			t.Fatal(err)
		}
		for what, do := range map[string]func(i int) error{
			"a new event":               func(i int) error { return put(fmt.Sprint("new", i), 0, "") },
			"an event changed":          func(i int) error { return put("same", int64(2*i), "") },
			"an event moved":            func(i int) error { return put("same", int64(i), "") },
			"with a request token":      func(i int) error { return put("same", int64(i), fmt.Sprint("token", i)) },
			"a deletion, and a new one": nil,
			"storeevents, create":       func(i int) error { return edit(fmt.Sprint("wcap", i), calendar.EditCreate, i) },
			"storeevents, no UID":       func(i int) error { return edit("", calendar.EditCreate, i) },
			"storeevents, modify":       func(i int) error { return edit("same", calendar.EditModify, i) },
		} {
			want := int64(2)
			if do == nil {
				want = 4
				do = func(i int) error {
					return errors.Join(put("gone", 0, ""), m.DeleteObject(bg, benchAnna, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: "gone.ics"}}))
				}
			}
			var trips []int64 // now and then there are some more: a connection that is new, a sign of life
			for i := range 12 {
				before := p.Trips()
				if err := do(i); err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				trips = append(trips, p.Trips()-before)
			}
			if least := slices.Min(trips); least != want {
				t.Errorf("%s (fenced: %t): %d round trips, want %d (%v)", what, fenced, least, want, trips)
			}
		}
	}
}

// The text of a large object is not fetched before it is asked for, and read all
// the same.
func TestLargeObjectsAhead(t *testing.T) {
	s := mustOpenPostgres(t)
	m := service.New(s, nil, service.Options{})
	req := benchEvent("large", 1)
	long := bytes.Repeat([]byte("X-FILLER:0123456789abcdef0123456789abcdef0123456789\r\n"), 10_000)
	req.Data = bytes.Replace(req.Data, []byte("SUMMARY"), append(long, "SUMMARY"...), 1)
	for range 2 {
		if _, err := m.PutObject(bg, benchAnna, req); err != nil {
			t.Fatal(err)
		}
	}
	req.Data = bytes.Replace(req.Data, []byte("SUMMARY:1"), []byte("SUMMARY:2"), 1)
	res, err := m.PutObject(bg, benchAnna, req)
	if err != nil || res.Created {
		t.Fatal(res.Created, err)
	}
	if o, err := service.New(s, nil, service.Options{}).Object(bg, benchAnna, req.Ref); err != nil || !bytes.Equal(o.Data, req.Data) {
		t.Errorf("%d octets, %v", len(o.Data), err)
	}
	if err := s.Check(bg); err != nil {
		t.Error(err)
	}
}

// Those that wait for one owner share a transaction. One of them that is
// refused, before or after it wrote, by us or by the server, spoils no other,
// and each knows its own outcome.
func TestPostgresSpoiledGroups(t *testing.T) {
	s, p := openProxied(t, Options{LeaseTTL: time.Hour, Patience: time.Minute})
	boom := errors.New("boom")
	if err := setPref(s, "anna"); err != nil {
		t.Fatal(err)
	}
	const n = 200
	hold, held := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() { // the others gather behind it
		s.Update(bg, "anna", func(calendar.Tx) error {
			close(held)
			<-hold
			return boom
		})
	})
	<-held
	before := p.Trips()
	queue := func() int {
		e := s.engine.(*pgEngine)
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.queues["anna"].waiting)
	}
	for i := range n {
		all.Go(func() {
			err := s.Update(bg, "anna", func(tx calendar.Tx) error {
				if _, err := tx.NextChange(); err != nil {
					return err
				}
				if i%5 == 1 { // refused before it wrote
					return boom
				}
				if err := tx.SetPref(fmt.Sprint(i), "x"); err != nil {
					return err
				}
				switch i % 5 {
				case 2: // after it wrote
					return boom
				case 3: // and the server has it
					if _, err := tx.Prefs(); err != nil {
						return err
					}
					return boom
				}
				if i == 50 { // what the server refuses, at the end
					return tx.SetPref("bad", "\x00")
				}
				return nil
			})
			switch {
			case i == 50 && !errors.Is(err, calendar.Invalid):
				t.Errorf("%d: %v", i, err)
			case i != 50 && (i%5 == 0 || i%5 == 4) != (err == nil):
				t.Errorf("%d: %v", i, err)
			}
		})
	}
	until(t, "all to wait", func() bool { return queue() == n })
	close(hold)
	all.Wait()
	err := s.View(bg, "anna", func(tx calendar.ReadTx) error {
		prefs, err := tx.Prefs()
		home, _, _ := tx.Home()
		if want := n/5*2 - 1; len(prefs) != want+1 || home.Change != int64(want) || prefs["2"]+prefs["3"]+prefs["bad"] != "" || prefs["4"] != "x" {
			t.Errorf("%d preferences, change %d", len(prefs), home.Change)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("%d round trips", p.Trips()-before)
}

// Many updates of one owner are few transactions.
func TestPostgresGroups(t *testing.T) {
	s, p := openProxied(t, Options{LeaseTTL: time.Hour, Patience: time.Minute})
	if err := setPref(s, "anna"); err != nil {
		t.Fatal(err)
	}
	hold, held := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		s.Update(bg, "anna", func(calendar.Tx) error { close(held); <-hold; return nil })
	})
	<-held
	for i := range maxGroup {
		all.Go(func() {
			if err := s.Update(bg, "anna", func(tx calendar.Tx) error { return tx.SetPref(fmt.Sprint(i), "x") }); err != nil {
				t.Error(err)
			}
		})
	}
	e := s.engine.(*pgEngine)
	until(t, "all to wait", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.queues["anna"].waiting) == maxGroup
	})
	before := p.Trips()
	close(hold)
	all.Wait()
	if n := p.Trips() - before; n > 12 {
		t.Errorf("%d updates are %d round trips", maxGroup, n)
	}
}
