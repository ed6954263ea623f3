package acceptance

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"factotum/store/storetest/pgtest"
)

// engines are the databases, each as lines of ics.conf.
var engines = map[string]func(t testing.TB) []string{
	"SQLite": func(testing.TB) []string { return nil },
	"PostgreSQL": func(t testing.TB) []string {
		return []string{`factotum.store.type = "postgres"`, fmt.Sprintf(`factotum.store.dsn = "%s"`, pgtest.Start(t))}
	},
}

// race has n writers replace the version of an event that all of them know.
// It returns the new version and how many were let through.
func (h *host) race(t *testing.T, path, tag string, n int, text func(writer int) string) (winner int, next string, won int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			r := h.request(t, "anna", "PUT", path, strings.NewReader(text(i)), "If-Match: "+tag, "Content-Type: text/calendar")
			<-start
			got, err := send(t, r)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Errorf("writer %d: %v", i, err)
			case got.status == 204:
				won++
				winner, next = i, got.header.Get("ETag")
			case got.status != 412:
				t.Errorf("writer %d: %d %.300s", i, got.status, got.body)
			}
		})
	}
	close(start)
	wg.Wait()
	return winner, next, won
}

// Two writers race on one event with If-Match, 1,000 rounds: every version has
// exactly one winner, and its text is what is stored.
func TestTwoWriters(t *testing.T) {
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := installed(t, engine(t)...).start(t)
			h.visit(t, "anna")
			path := cal("anna") + "race.ics"
			tag := h.do(t, "anna", "PUT", path, event("race", "20260301T100000Z", "0")).is(201).header.Get("ETag")
			seen := map[string]bool{tag: true}
			for round := range 1000 {
				text := func(writer int) string {
					return event("race", "20260301T100000Z", fmt.Sprintf("round %d writer %d", round, writer))
				}
				winner, next, won := h.race(t, path, tag, 2, text)
				if won != 1 {
					t.Fatalf("round %d: %d winners", round, won)
				}
				if seen[next] {
					t.Fatalf("round %d: the tag %s was there before", round, next)
				}
				seen[next] = true
				if r := h.do(t, "anna", "GET", path, "").is(200); r.body != text(winner) || r.header.Get("ETag") != next {
					t.Fatalf("round %d: writer %d won, stored is %s\n%s", round, winner, r.header.Get("ETag"), r.body)
				}
				tag = next
			}
			h.healthy(t)
		})
	}
}

// A hundred writers know the same version: one of them may replace it. The
// same where all of them are the first.
func TestHundredWriters(t *testing.T) {
	everywhere(t, func(t *testing.T, h *host) {
		h.visit(t, "anna")
		path := cal("anna") + "race.ics"
		tag := h.do(t, "anna", "PUT", path, event("race", "20260301T100000Z", "0")).is(201).header.Get("ETag")
		for round := range 5 {
			text := func(writer int) string {
				return event("race", "20260301T100000Z", fmt.Sprintf("round %d writer %d", round, writer))
			}
			winner, next, won := h.race(t, path, tag, 100, text)
			if won != 1 {
				t.Fatalf("round %d: %d winners", round, won)
			}
			if got := h.do(t, "anna", "GET", path, "").is(200).body; got != text(winner) {
				t.Fatalf("round %d: writer %d won, stored is\n%s", round, winner, got)
			}
			tag = next
		}
		var mu sync.Mutex
		var wg sync.WaitGroup
		created := 0
		for i := range 100 {
			wg.Go(func() {
				r := h.request(t, "anna", "PUT", cal("anna")+"new.ics", strings.NewReader(event("new", "20260301T100000Z", fmt.Sprint(i))), "If-None-Match: *", "Content-Type: text/calendar")
				got, err := send(t, r)
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					t.Errorf("writer %d: %v", i, err)
				case got.status == 201:
					created++
				case got.status != 412:
					t.Errorf("writer %d: %d %.300s", i, got.status, got.body)
				}
			})
		}
		wg.Wait()
		if created != 1 {
			t.Errorf("%d created it", created)
		}
		h.healthy(t)
	})
}
