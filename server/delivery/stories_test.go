package delivery_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	_ "factotum/server/object/objecttest" // stories are the same each time in CI
	"factotum/server/recur"
	"factotum/store/sqlstore"
)

// Whatever people do to their meetings, and whatever becomes of messages, jobs and
// the daemon on the way: when all is quiet every attendee's copy shows what the
// organizer's object says of him and of the others, the organizer has everybody's
// last answer, and nothing waits any more. -rapid.checks says how many stories.
func TestStories(t *testing.T) {
	stories(t, 275, func(testing.TB) calendar.Store { return calendartest.NewStore() })
}

// The same on a database.
func TestStoriesSQLite(t *testing.T) {
	stories(t, 25, func(t testing.TB) calendar.Store {
		store, err := sqlstore.OpenSQLite(context.Background(), t.TempDir(), sqlstore.Options{Relaxed: true})
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}

func stories(t *testing.T, n int, open func(testing.TB) calendar.Store) {
	if os.Getenv("FACTOTUM_LONG") == "" && flag.Lookup("rapid.checks").Value.String() == flag.Lookup("rapid.checks").DefValue {
		old := flag.Lookup("rapid.checks").Value.String()
		_ = flag.Set("rapid.checks", fmt.Sprint(max(1, n/fewer)))
		t.Cleanup(func() { _ = flag.Set("rapid.checks", old) })
	}
	synctest.Test(t, func(t *testing.T) {
		rapid.Check(struct{ rapid.TB }{t}, func(rt *rapid.T) { tell(t, rt, open(t)) }) // in a bubble a test has no deadline
	})
}

func tell(t testing.TB, rt *rapid.T, disk calendar.Store) {
	s := &story{T: rt, stage: &stage{disk: disk, people: calendartest.NewPeople("anna", "ben", "carl", "dora", "emil"),
		seed: rapid.Uint64().Draw(rt, "mishaps"), tries: map[string]int{}, stamps: map[string]map[string]bool{}}, said: map[string]map[string]string{}, moved: map[string]bool{}}
	s.calm = rapid.IntRange(0, 4).Draw(rt, "weather") == 0
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if rt.Failed() {
			rt.Logf("story:\n%s", strings.Join(s.notes, "\n"))
		}
		s.kill()
		err := s.end()
		s.late.Wait()
		if err == nil {
			err = disk.Close()
		}
		if err != nil {
			t.Error(err)
		}
	}()
	s.create()
	for range rapid.IntRange(1, 40).Draw(rt, "steps") {
		s.step()
		switch rapid.IntRange(0, 5).Draw(rt, "then") {
		case 0, 1, 2:
			time.Sleep(time.Duration(rapid.IntRange(1, 5000).Draw(rt, "ms")) * time.Millisecond)
			s.must(s.again())
		case 3:
			s.must(s.quiet())
			s.check()
			clear(s.moved)
		}
	}
	s.stage.mu.Lock()
	s.calm = true
	s.stage.mu.Unlock()
	s.must(s.quiet())
	s.check()
	s.once()
}

// story is what people do: anna organizes a meeting of UID m, others attend.
type story struct {
	*rapid.T
	*stage
	n     int
	old   *found                       // what anna's program has read some time ago
	said  map[string]map[string]string // what attendees said last, by instance, as long as nothing asks them anew
	moved map[string]bool              // who may not have seen yet that it takes place at another time
}

func (s *story) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%v", err)
	}
}

var attendees = []string{"ben", "carl", "dora", "emil"}

// do calls the model as a client does: with a token, and again if no answer came.
func (s *story) do(what string, call func(ctx context.Context) error) error {
	s.n++
	s.note("%s", what)
	n, calm := s.chance(fmt.Sprint("step ", s.n))
	ctx := calendar.WithToken(context.Background(), fmt.Sprint("step ", s.n))
	if !calm && n%10 < 2 {
		s.doom(fate(1 + n%2))
	}
	for {
		err := call(ctx)
		s.doom(lives)
		if !s.killed() {
			if err != nil {
				s.note("    refused: %v", err)
			}
			return err
		}
		s.must(s.again())
	}
}

// found is somebody's copy of the meeting.
type found struct {
	ref calendar.Ref
	obj *calendar.Object
	cal *ical.Component
}

// find looks for the copy in all calendars of somebody.
func (s *story) find(id string) (out []found) {
	s.Helper()
	who := s.people.Actor(id)
	for _, c := range []calendar.ID{calendar.ID(id), calendar.ID(id + ":work")} {
		err := s.model.Objects(context.Background(), who, calendar.ObjectsRequest{Calendar: c, UIDs: []string{"m"}}, func(r calendar.ObjectResult) error {
			if r.Err == nil {
				cal, err := ical.Parse(r.Object.Data, ical.Limits{})
				if err != nil {
					return err
				}
				o := *r.Object
				out = append(out, found{ref: r.Ref, obj: &o, cal: cal})
			}
			return nil
		})
		if err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			s.Fatalf("%v", err)
		}
	}
	if len(out) > 1 {
		s.Fatalf("%s has two copies: %v and %v", id, out[0].ref, out[1].ref)
	}
	return out
}

// copy is the copy, nil if he has none.
func (s *story) copy(id string) *found {
	s.Helper()
	if all := s.find(id); len(all) > 0 {
		return &all[0]
	}
	return nil
}

// put writes a copy; false if another one was written since this was read, while
// the process began anew.
func (s *story) put(what, id string, f *found) bool {
	s.Helper()
	ref := f.ref
	req := calendar.PutRequest{Ref: ref, Data: f.cal.Bytes()}
	if f.obj != nil && rapid.Bool().Draw(s.T, "if-match") {
		req.Precond.IfMatch = []string{f.obj.ETag()}
	}
	err := s.do(what, func(ctx context.Context) error {
		req.Token = calendar.Token(ctx)
		_, err := s.model.PutObject(ctx, s.people.Actor(id), req)
		return err
	})
	if calendar.KindOf(err) == calendar.Stale && len(req.Precond.IfMatch) > 0 {
		return false
	}
	s.must(err)
	return true
}

func (s *story) create() {
	with := attendees[:rapid.IntRange(1, 3).Draw(s.T, "with")]
	lines := []string{"DTSTART:20300102T100000Z", "DTEND:20300102T110000Z", "SUMMARY:a"}
	switch rapid.IntRange(0, 3).Draw(s.T, "form") {
	case 0:
	case 1:
		lines = []string{"DTSTART;VALUE=DATE:20300102", "DTEND;VALUE=DATE:20300103", "RRULE:FREQ=DAILY;COUNT=4", "SUMMARY:a"}
	case 2:
		lines = []string{"DTSTART;TZID=Europe/Berlin:20300329T100000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=4", "SUMMARY:a"}
	default:
		lines = append(lines, "RRULE:FREQ=DAILY;COUNT=5")
	}
	lines = append(lines, "ORGANIZER:mailto:anna@example.com", "ATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com")
	for _, id := range with {
		lines = append(lines, line(id))
	}
	cal, err := ical.Parse([]byte(meeting("m", lines...)), ical.Limits{})
	s.must(err)
	s.must(s.do("calendars", func(ctx context.Context) error {
		for _, id := range append([]string{"anna"}, attendees...) {
			if _, err := s.model.Home(ctx, s.people.Actor(id), calendar.HomeRequest{Owner: calendar.Owner(id)}); err != nil {
				return err
			}
		}
		return nil
	}))
	s.work("anna")
	in := rapid.SampledFrom([]calendar.ID{"anna", "anna:work"}).Draw(s.T, "in")
	s.put(fmt.Sprintf("anna creates %q with %q", lines[:3], with), "anna", &found{ref: calendar.Ref{Calendar: in, Name: "m.ics"}, cal: cal})
}

// work makes somebody's second calendar, if he has none.
func (s *story) work(id string) {
	err := s.do(id+" makes a calendar", func(ctx context.Context) error {
		_, err := s.model.CreateCalendar(ctx, s.people.Actor(id), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: calendar.ID(id + ":work")}, DefaultACL: true})
		return err
	})
	if err != nil && calendar.KindOf(err) != calendar.Exists {
		s.Fatalf("%v", err)
	}
}

func line(id string) string {
	return "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:" + id + "@example.com"
}

// instances are those of an object that are not called off.
func (s *story) instances(cal *ical.Component) (out []recur.Instance) {
	var comps []*ical.Component
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			comps = append(comps, c)
		}
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	if err != nil {
		s.Fatalf("%v\n%s", err, cal.Bytes())
	}
	from := time.Date(2029, 1, 1, 0, 0, 0, 0, time.UTC)
	for in, err := range set.Between(context.Background(), from, from.AddDate(3, 0, 0), recur.UTC, recur.Budget{MaxInstances: 100}) {
		s.must(err)
		if in.Comp.Word("STATUS") != "CANCELLED" {
			out = append(out, in)
		}
	}
	return out
}

// component is what stands for an instance in an object: an override is made if
// there is none.
func component(cal *ical.Component, in recur.Instance) *ical.Component {
	if in.Override || !in.HasRID {
		return in.Comp
	}
	c := in.Comp.Clone()
	for _, name := range []string{"RRULE", "RDATE", "EXDATE"} {
		c.Del(name)
	}
	start, _ := c.Prop("DTSTART").DateTime()
	c.SetDateTime("RECURRENCE-ID", in.RecurrenceID)
	c.SetDateTime("DTSTART", in.RecurrenceID)
	if p := c.Prop("DTEND"); p != nil {
		end, _ := p.DateTime()
		c.SetDateTime("DTEND", ical.FromCivil(in.RecurrenceID.Civil().Add(end.Civil().Sub(start.Civil())), end.Kind, end.TZID))
	}
	cal.AddChild(c)
	return c
}

// lineOf is somebody's line in a component.
func lineOf(c *ical.Component, id string) *ical.Property {
	for a := range c.All("ATTENDEE") {
		if calendar.AddressKey(a.Value) == id+"@example.com" {
			return a
		}
	}
	return nil
}

// leaveOut takes an instance out of an object; false if nothing else is left.
func leaveOut(cal *ical.Component, in recur.Instance) bool {
	for _, c := range cal.Children {
		if c.Prop("RRULE") == nil {
			continue
		}
		ex := ical.Property{Name: "EXDATE"}
		ex.SetDateTime(in.RecurrenceID)
		c.Add(ex)
		if in.Override {
			cal.Children = slices.DeleteFunc(cal.Children, func(o *ical.Component) bool { return o == in.Comp })
		}
		return true
	}
	return false
}

// shift moves the times of a component.
func shift(c *ical.Component, names ...string) {
	for _, name := range names {
		for p := range c.All(name) {
			d, err := p.DateTime()
			if err != nil {
				continue
			}
			by := 15 * time.Minute
			if d.Kind == ical.Date {
				by = 7 * 24 * time.Hour
			}
			p.SetDateTime(ical.FromCivil(d.Civil().Add(by), d.Kind, d.TZID))
		}
	}
}
