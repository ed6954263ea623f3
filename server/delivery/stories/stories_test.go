package stories

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	_ "factotum/server/object/objecttest" // stories are the same each time in CI
	"factotum/store/sqlstore"
	"factotum/store/storetest/fresh"
)

// Whatever people do to their meetings, over CalDAV and WCAP, and whatever becomes
// of messages, jobs and the daemon on the way: when all is quiet, every copy is
// what the book says, and the journals say why. -rapid.checks says how many stories.
func TestStories(t *testing.T) {
	stories(t, 235, func(testing.TB) calendar.Store { return calendartest.NewStore() }, false)
}

// The same on a database.
func TestStoriesSQLite(t *testing.T) { stories(t, 25, sqlite, false) }

// Requests of CalDAV and commands of WCAP, where messages go astray but the daemon
// lives: a client that has no answer asks again, and that is no story of ours.
func TestStoriesOfFronts(t *testing.T) {
	stories(t, 36, func(testing.TB) calendar.Store { return calendartest.NewStore() }, true)
}

func sqlite(t testing.TB) calendar.Store {
	store, err := sqlstore.OpenSQLite(context.Background(), fresh.Dir(t), sqlstore.Options{Relaxed: true})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func stories(t *testing.T, n int, open func(testing.TB) calendar.Store, fronts bool) {
	some(t, n)
	synctest.Test(t, func(t *testing.T) {
		var first sync.Once
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { tell(t, rt, &first, open(t), fronts) }) // in a bubble a test has no deadline
	})
}

// some has n stories told, unless it was said how many.
func some(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	if os.Getenv("FACTOTUM_LONG") == "" && f.Value.String() == f.DefValue {
		old := f.Value.String()
		_ = flag.Set("rapid.checks", fmt.Sprint(max(1, n/fewer)))
		t.Cleanup(func() { _ = flag.Set("rapid.checks", old) })
	}
}

// tell tells a story. The first that fails is shown as it went then: it may go
// otherwise the next time.
func tell(t testing.TB, rt *rapid.T, first *sync.Once, disk calendar.Store, fronts bool) {
	series := rapid.SampledFrom([]calendar.SeriesRule{calendar.SeriesDecline, calendar.SeriesExcept}).Draw(rt, "series")
	st := &stage{disk: disk, dir: newDirectory(series), seed: rapid.Uint64().Draw(rt, "mishaps"), tries: map[string]int{}, stamps: map[string]map[string]bool{}}
	st.lasts = fronts
	st.calm = rapid.IntRange(0, 4).Draw(rt, "weather") == 0
	if err := st.begin(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if rt.Failed() {
			text := strings.Join(st.notes, "\n")
			rt.Logf("story:\n%s", text)
			first.Do(func() { t.Logf("at first:\n%s", text) })
		}
		st.kill()
		err := st.end()
		st.late.Wait()
		if err == nil {
			err = disk.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}()
	s := &story{T: rt, world: st, dir: st.dir, book: book{series: series}, old: map[string]*found{}}
	s.hands = bare{st.backend, st.dir.Actor}
	if fronts {
		s.hands = newFronts(t, st.backend, st.dir, time.Now)
	}
	s.run()
}

// world is what a story takes place in.
type world interface {
	backend() calendar.Backend
	do(what string, call func(context.Context) error) error // what somebody does
	follow(context.Context) error                           // has meetings follow the team
	again() error                                           // starts what was killed
	quiet() error                                           // waits until nothing is on its way
	calms()                                                 // from now on nothing goes wrong
	wait(time.Duration)
	now() time.Time
	note(format string, args ...any)
}

// story is what people do, and the book beside it.
type story struct {
	*rapid.T
	world
	hands hands
	dir   *directory
	book
	old      map[string]*found // what an organizer's program has read some time ago, by UID
	journals map[string]*journal
}

func (s *story) as(id string) calendar.Actor { return s.dir.Actor(id) }

func (s *story) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v", err)
	}
}

// run is one story.
func (s *story) run() {
	s.must(s.do("calendars", func(ctx context.Context) error {
		for _, id := range people {
			if _, err := s.backend().Home(ctx, s.as(id), calendar.HomeRequest{Owner: calendar.Owner(id)}); err != nil {
				return err
			}
		}
		return nil
	}))
	s.team = rapid.SampledFrom([][]string{{"carl", "dora"}, {"anna", "emil"}, {"ben", "carl", "dora"}}).Draw(s.T, "team")
	s.dir.setTeam(s.team)
	s.create()
	for range rapid.IntRange(1, 40).Draw(s.T, "steps") {
		s.step()
		switch rapid.IntRange(0, 5).Draw(s.T, "then") {
		case 0, 1, 2:
			s.wait(time.Duration(rapid.IntRange(1, 5000).Draw(s.T, "ms")) * time.Millisecond)
			s.must(s.again())
		case 3:
			s.must(s.quiet())
			s.check()
		}
	}
	s.calms()
	s.must(s.quiet())
	s.check()
}

// step is what somebody does.
func (s *story) step() {
	m := rapid.SampledFrom(s.meetings).Draw(s.T, "meeting")
	switch n := rapid.IntRange(0, 19).Draw(s.T, "who"); {
	case n == 0 && len(s.meetings) < 3:
		s.create()
	case n == 1:
		s.joins()
	case n < 11 && m.on:
		s.organizes(m)
	default:
		id := rapid.SampledFrom(people).Draw(s.T, "attendee")
		if id != m.organizer {
			s.attends(id, m)
		}
	}
}
