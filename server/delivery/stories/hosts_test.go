package stories

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

// Over two hosts: who organizes and who is invited are on different back ends,
// reached over DWP, through both fronts. Only time is not the real one.
func TestStoriesOverHosts(t *testing.T) {
	some(t, 4)
	rapid.Check(t, func(rt *rapid.T) {
		site := &scope{TB: t}
		defer site.end()
		overHosts(site, rt)
	})
}

// scope is a test whose site ends with a story.
type scope struct {
	testing.TB
	ends []func()
}

// Cleanup implements testing.TB.
func (s *scope) Cleanup(f func()) { s.ends = append(s.ends, f) }

func (s *scope) end() {
	for _, f := range slices.Backward(s.ends) {
		f()
	}
}

func overHosts(t testing.TB, rt *rapid.T) {
	series := rapid.SampledFrom([]calendar.SeriesRule{calendar.SeriesDecline, calendar.SeriesExcept}).Draw(rt, "series")
	clock, dir := &sitetest.Clock{}, newDirectory(series)
	h := &hosts{Hosts: sitetest.NewHosts(t, sitetest.Options{Clock: clock, People: dir, Scheduling: true}), clock: clock}
	defer func() {
		if rt.Failed() { // it may go otherwise the next time
			t.Logf("story:\n%s", strings.Join(h.notes, "\n"))
		}
	}()
	s := &story{T: rt, world: h, dir: dir, book: book{series: series}, old: map[string]*found{}}
	s.hands = newFronts(t, h.backend, dir, clock.Now)
	s.run()
}

// hosts is a world of two back ends in which nothing goes wrong.
type hosts struct {
	*sitetest.Hosts
	clock *sitetest.Clock

	mu    sync.Mutex
	notes []string
	n     int
}

func (h *hosts) backend() calendar.Backend { return h.Backend }

func (h *hosts) do(what string, call func(context.Context) error) error {
	h.n++
	h.note("%s", what)
	err := call(calendar.WithToken(context.Background(), fmt.Sprint("step ", h.n)))
	if err != nil {
		h.note("    refused: %v", err)
	}
	return err
}

func (h *hosts) follow(ctx context.Context) error {
	for _, s := range []*sitetest.Site{h.Site, h.Second} {
		if _, err := s.Model.FollowGroups(ctx, h.Backend); err != nil {
			return err
		}
	}
	return nil
}

func (h *hosts) again() error { return nil }

// quiet lets time pass until nothing is planned any more.
func (h *hosts) quiet() error {
	for {
		h.clock.Add(5 * time.Second)
		h.Settle()
		n := 0
		for _, s := range []*sitetest.Site{h.Site, h.Second} {
			jobs, err := s.Store.Jobs(context.Background(), calendar.JobID{}, 0)
			if err != nil {
				return err
			}
			n += len(jobs)
		}
		if n == 0 {
			return nil
		}
	}
}

func (h *hosts) calms() {}

func (h *hosts) wait(d time.Duration) { h.clock.Add(d) }

func (h *hosts) now() time.Time { return h.clock.Now() }

func (h *hosts) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.notes = append(h.notes, fmt.Sprintf(format, args...))
}
