package cld

import (
	"context"
	"fmt"
	"math/rand"
	"runtime"
	"slices"
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

func TestListsContract(t *testing.T) {
	calendartest.Run(t, func(t *testing.T, people calendar.People) calendar.Backend {
		return NewLists(1 << 20).Of(newService(people))
	})
}

// told is a back end that notes how lists were asked for.
type told struct {
	calendar.Backend
	calls []string
}

func (b *told) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	n := 0
	res, err := b.Backend.Sync(ctx, who, req, func(it calendar.SyncItem) error { n++; return emit(it) })
	b.calls = append(b.calls, fmt.Sprint("all ", n))
	return res, err
}

func (b *told) ListChanges(ctx context.Context, who calendar.Actor, req calendar.ListChangesRequest) (calendar.ListChangesResult, error) {
	res, err := b.Backend.ListChanges(ctx, who, req)
	b.calls = append(b.calls, fmt.Sprint("changes ", len(res.Items)))
	return res, err
}

// site is a back end with a store of its own that can be started again, a front
// end that keeps lists of it, and people who read a calendar of anna's in
// different views.
type site struct {
	*testing.T
	store  *calendartest.Store
	people calendartest.People
	told   *told
	front  calendar.Backend
	lists  *Lists
}

const shared = calendar.ID("anna:shared")

func newSite(t *testing.T, octets int64) *site {
	t.Helper()
	s := &site{T: t, store: calendartest.NewStore(), people: calendartest.NewPeople("anna", "bert", "carl", "dora", "root"), told: &told{}, lists: NewLists(octets)}
	s.restart()
	s.front = s.lists.Of(s.told)
	s.create()
	return s
}

func (s *site) restart() { s.told.Backend = service.New(s.store, s.people, service.Options{}) }

func (s *site) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) create() {
	s.Helper()
	_, err := s.told.CreateCalendar(s.Context(), s.people.Actor("anna"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: shared, ACL: acl.MustParse("bert^a^r^g;carl^a^r^g;dora^c^f^g")}})
	s.ok(err)
}

func (s *site) put(name, more string) {
	s.Helper()
	_, err := s.told.PutObject(s.Context(), s.people.Actor("anna"), calendar.PutRequest{Ref: calendar.Ref{Calendar: shared, Name: name}, Data: []byte(
		"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + name + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T090000Z\r\n" + more + "END:VEVENT\r\nEND:VCALENDAR\r\n")})
	s.ok(err)
}

// shows spells all that a back end lists to who.
func (s *site) shows(be calendar.Backend, who string) string {
	var out []string
	see := func(o *calendar.Object) error {
		c := *o
		c.Class, c.Lacks = 0, 0 // stay at the back end
		out = append(out, fmt.Sprintf("%+v", c))
		return nil
	}
	cal, err := be.ListObjects(s.Context(), s.people.Actor(who), shared, see)
	if err != nil {
		return fmt.Sprint(len(out), calendar.KindOf(err))
	}
	out = append(out, fmt.Sprintf("%+v", cal))
	res, err := be.Sync(s.Context(), s.people.Actor(who), calendar.SyncRequest{Calendar: shared}, func(it calendar.SyncItem) error { return see(it.Object) })
	s.ok(err)
	return strings.Join(append(out, fmt.Sprintf("%+v", res)), "\n")
}

// TestListsTellWhatChanged: who lists again gets what changed only, in one call,
// of whatever view; after a restart of the back end, or too many changes, all.
func TestListsTellWhatChanged(t *testing.T) {
	s := newSite(t, 1<<20)
	for i := range 20 {
		s.put(fmt.Sprint("e", i), "CLASS:PRIVATE\r\n")
	}
	list := func(who string, want ...string) {
		t.Helper()
		s.told.calls = nil
		n := 0
		cal, err := s.front.ListObjects(t.Context(), s.people.Actor(who), shared, func(*calendar.Object) error { n++; return nil })
		if err != nil || cal.Count != n || !slices.Equal(s.told.calls, want) {
			t.Errorf("%s listed %d of %d by %v: %v; want %v", who, n, cal.Count, s.told.calls, err, want)
		}
	}
	list("anna", "all 20")
	list("anna", "changes 0")
	list("bert", "changes 0", "all 20") // anna's view is not his
	list("bert", "changes 0")
	list("carl", "changes 0") // who may do as bert sees what he sees
	s.put("e3", "")
	s.put("new", "")
	list("anna", "changes 2")
	list("bert", "changes 2")
	list("anna", "changes 0")
	s.restart()
	list("anna", "changes 0", "all 21")
	list("anna", "changes 0")
	list("bert", "changes 0", "all 21")
	for i := range 600 {
		s.put("e3", fmt.Sprintf("COMMENT:%d\r\n", i))
	}
	list("anna", "changes 0", "all 21")
	list("anna", "changes 0")
}

// TestListsShowWhatIsThere: whatever happens to a calendar and to the rights in
// it, a front end that keeps lists shows what one without shows, to everybody.
func TestListsShowWhatIsThere(t *testing.T) {
	for seed := range int64(40) {
		r := rand.New(rand.NewSource(seed))
		s := newSite(t, []int64{1 << 20, 4 << 10}[seed%2])
		anna := s.people.Actor("anna")
		for step := range 60 {
			name := fmt.Sprint("e", r.Intn(6))
			ref := calendar.Ref{Calendar: shared, Name: name}
			var err error
			switch what := r.Intn(16); what {
			case 0:
				err = s.told.DeleteObject(t.Context(), anna, calendar.DeleteRequest{Ref: ref})
			case 1:
				err = s.told.PatchProps(t.Context(), anna, ref, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "x:", Local: "p", Value: fmt.Sprint(step)}}})
			case 2, 3:
				list := acl.MustParse([]string{"bert^a^r^g;dora^c^f^g", "@^a^r^g", "dora^a^r^g", "carl^a^rwd^g"}[r.Intn(4)])
				_, err = s.told.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: shared, ACL: &list})
			case 4:
				co := [][]string{{}, {"bert"}, {"carl"}}[r.Intn(3)]
				_, err = s.told.UpdateCalendar(t.Context(), anna, calendar.UpdateCalendarRequest{ID: shared, CoOwners: &co})
			case 5:
				s.restart()
			case 6:
				s.ok(s.told.DeleteCalendar(t.Context(), anna, calendar.DeleteCalendarRequest{ID: shared}))
				s.create()
			case 7: // away and back
				for _, way := range [][2]calendar.ID{{shared, "anna:away"}, {"anna:away", shared}} {
					_, err = s.told.CopyCalendar(t.Context(), anna, calendar.CopyRequest{From: calendar.Ref{Calendar: way[0]}, To: calendar.Ref{Calendar: way[1]}, Move: true})
					s.ok(err)
				}
			case 8:
				_, err = s.told.Prefs(t.Context(), anna, "anna")
			default:
				s.put(name, []string{"", "CLASS:PRIVATE\r\n", fmt.Sprintf("COMMENT:%d\r\n", step)}[r.Intn(3)])
			}
			if err != nil && calendar.KindOf(err) != calendar.NotFound {
				t.Fatal(err)
			}
			for _, who := range []string{"anna", "bert", "carl", "dora", "root", ""} {
				if r.Intn(3) > 0 {
					continue
				}
				if got, want := s.shows(s.front, who), s.shows(s.told, who); got != want {
					t.Fatalf("seed %d, step %d: %q is shown\n%s\nbut there is\n%s", seed, step, who, got, want)
				}
			}
			if n := s.lists.Size(); n > s.lists.most {
				t.Fatalf("%d octets are kept", n)
			}
		}
	}
}

// older is a back end of the release before.
type older struct{ calendar.Backend }

func (o older) ListChanges(context.Context, calendar.Actor, calendar.ListChangesRequest) (calendar.ListChangesResult, error) {
	return calendar.ListChangesResult{}, &calendar.Error{Kind: calendar.Internal, Op: "list changes"}
}

func (o older) Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	res, err := o.Backend.Sync(ctx, who, req, emit)
	res.Validator = ""
	return res, err
}

// TestListsOfTheReleaseBefore: a back end that was put back to it lists all.
func TestListsOfTheReleaseBefore(t *testing.T) {
	s := newSite(t, 1<<20)
	s.put("a", "")
	s.shows(s.front, "anna")
	s.told.Backend = older{s.told.Backend}
	s.put("b", "")
	if got, want := s.shows(s.front, "anna"), s.shows(s.told.Backend, "anna"); got != want {
		t.Errorf("shown\n%s\nbut there is\n%s", got, want)
	}
}

// TestListsKnowTheirHeap: what is accounted for is what the heap has, so that the
// bound is one.
func TestListsKnowTheirHeap(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	l := NewLists(1 << 30)
	be := l.Of(listing{nil, func(emit func(calendar.SyncItem) error) error {
		for i := range 20_000 {
			name := strings.Clone(fmt.Sprintf("%036d.ics", i))
			if err := emit(calendar.SyncItem{Object: &calendar.Object{Calendar: "anna", Name: name, UID: name[:36], Component: "VEVENT"}}); err != nil {
				return err
			}
		}
		return nil
	}})
	if _, err := be.ListObjects(t.Context(), calendar.Actor{User: "anna"}, "anna", func(*calendar.Object) error { return nil }); err != nil {
		t.Fatal(err)
	}
	grown := heap() - before
	if n := l.Size(); n < grown*3/4 || n > grown*5/4 {
		t.Errorf("%d octets are accounted for, the heap has %d", n, grown)
	}
	runtime.KeepAlive(be)
	if _, keeps := NewLists(0).Of(listing{}).(listing); !keeps {
		t.Error("with no room lists are kept")
	}
}

// listing lists something, and nothing else.
type listing struct {
	calendar.Backend
	each func(func(calendar.SyncItem) error) error
}

func (l listing) Sync(_ context.Context, _ calendar.Actor, _ calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error) {
	return calendar.SyncResult{Validator: "v"}, l.each(emit)
}
