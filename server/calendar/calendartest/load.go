package calendartest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"factotum/server/calendar"
)

// many imports n objects into anna's calendar and returns their names.
func (s *suite) many(n int) []string {
	s.Helper()
	s.home("anna")
	items := make([]calendar.PutItem, n)
	names := make([]string, n)
	for i := range items {
		uid := fmt.Sprintf("e%04d", i)
		names[i] = nameOf(i)
		items[i] = calendar.PutItem{Name: names[i], Data: event(uid, at(float64(i)), at(float64(i)+1), "SUMMARY:"+uid)}
	}
	r, err := s.be.PutObjects(s.ctx, s.as("anna"), calendar.PutObjectsRequest{Calendar: "anna", Items: items})
	s.ok(err)
	for i := range r {
		if r[i].Err != nil || !r[i].Created || r[i].Name != names[i] {
			s.Fatalf("item %d: %+v", i, r[i])
		}
	}
	return names
}

// streams are the methods that emit, each reduced to the names it emits.
func (s *suite) streams(names []string) map[string]func(context.Context, func(name string) error) error {
	anna := s.as("anna")
	refs := make([]calendar.Ref, len(names))
	for i, n := range names {
		refs[i] = calendar.Ref{Calendar: "anna", Name: n}
	}
	return map[string]func(context.Context, func(string) error) error{
		"ListObjects": func(ctx context.Context, emit func(string) error) error {
			_, err := s.be.ListObjects(ctx, anna, "anna", func(o *calendar.Object) error { return emit(o.Name) })
			return err
		},
		"Objects": func(ctx context.Context, emit func(string) error) error {
			return s.be.Objects(ctx, anna, calendar.ObjectsRequest{Refs: refs}, func(r calendar.ObjectResult) error {
				s.ok(r.Err)
				return emit(r.Object.Name)
			})
		},
		"Query": func(ctx context.Context, emit func(string) error) error {
			return s.be.Query(ctx, anna, calendar.QueryRequest{Calendar: "anna"}, func(o *calendar.Object) error { return emit(o.Name) })
		},
		"Occurrences": func(ctx context.Context, emit func(string) error) error {
			return s.be.Occurrences(ctx, anna, calendar.OccurrencesRequest{Calendars: []calendar.ID{"anna"}}, func(r calendar.OccurrencesResult) error {
				s.ok(r.Err)
				if r.Object == nil {
					return nil
				}
				return emit(r.Object.Name)
			})
		},
		"Sync": func(ctx context.Context, emit func(string) error) error {
			_, err := s.be.Sync(ctx, anna, calendar.SyncRequest{Calendar: "anna", Data: true}, func(it calendar.SyncItem) error { return emit(it.Object.Name) })
			return err
		},
	}
}

func testEmitFails(s *suite) {
	names := s.many(300)
	enough := errors.New("enough")
	for method, run := range s.streams(names) {
		for _, most := range []int{1, 2, 64, 65, 299} {
			n := 0
			err := run(s.ctx, func(string) error {
				if n++; n == most {
					return enough
				}
				return nil
			})
			if !errors.Is(err, enough) || n != most {
				s.Errorf("%s stopped at %d: %d came, error %v", method, most, n, err)
			}
		}
	}
	same(s, "the calendar after that", s.names("anna"), names)
}

func testMany(s *suite) {
	names := s.many(2000)
	for method, run := range s.streams(names) {
		var got []string
		s.ok(run(s.ctx, func(n string) error { got = append(got, n); return nil }))
		slices.Sort(got)
		if !slices.Equal(got, names) {
			s.Errorf("%s gave %d of %d names", method, len(got), len(names))
		}
	}
	backwards := slices.Clone(names)
	slices.Reverse(backwards)
	var got []string
	s.ok(s.streams(backwards)["Objects"](s.ctx, func(n string) error { got = append(got, n); return nil }))
	same(s, "multiget in the order asked for", got, backwards)

	// What is emitted stays valid.
	var kept []*calendar.Object
	s.ok(s.be.Query(s.ctx, s.as("anna"), calendar.QueryRequest{Calendar: "anna"}, func(o *calendar.Object) error { kept = append(kept, o); return nil }))
	for _, o := range kept {
		var i int
		if _, err := fmt.Sscanf(o.Name, "e%d.ics", &i); err != nil {
			s.Fatal(err)
		}
		want := event(o.UID, at(float64(i)), at(float64(i)+1), "SUMMARY:"+o.UID)
		if nameOf(i) != o.Name || o.UID+".ics" != o.Name || string(o.Data) != string(want) {
			s.Fatalf("%s holds %q", o.Name, o.Data)
		}
	}
}

func testCanceled(s *suite) {
	names := s.many(2000)
	gone, cancel := context.WithCancel(s.ctx)
	cancel()
	_, err := s.be.PutObject(gone, s.as("anna"), calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "late"}, Data: simple("late")})
	s.kind(err, calendar.Canceled)
	equal(s, "stored", slices.Contains(s.names("anna"), "late"), false)

	ctx, cancel := context.WithCancel(s.ctx)
	n := 0
	err = s.streams(names)["Query"](ctx, func(string) error {
		if n++; n == 10 {
			cancel()
		}
		return nil
	})
	s.kind(err, calendar.Canceled)
	if n == len(names) {
		s.Error("the query went on to its end")
	}
}

// testRace lets writers fight for one object: each version has one winner.
func testRace(s *suite) {
	s.home("anna")
	first := s.put("anna", "a.ics", simple("a")).Object
	tag := first.ETag()
	const rounds, writers = 20, 4
	for round := range rounds {
		var wg sync.WaitGroup
		errs := make([]error, writers)
		tags := make([]string, writers)
		for w := range writers {
			wg.Go(func() {
				r, err := s.be.PutObject(s.ctx, s.as("anna"), calendar.PutRequest{
					Ref:     calendar.Ref{Calendar: "anna", Name: "a.ics"},
					Data:    event("a", at(9), at(10), fmt.Sprintf("SUMMARY:%d by %d", round, w)),
					Precond: calendar.Precond{IfMatch: []string{tag}},
				})
				o := r.Object
				errs[w], tags[w] = err, o.ETag()
			})
		}
		wg.Wait()
		won := 0
		for w, err := range errs {
			if err == nil {
				won++
				tag = tags[w]
			} else {
				s.kind(err, calendar.Stale)
			}
		}
		if won != 1 {
			s.Fatalf("round %d: %d winners", round, won)
		}
	}
}
