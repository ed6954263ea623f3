package cld

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// recording is a back end whose changes a test looks at.
type recording struct {
	calendar.Backend
	changes []calendar.Change
}

func newRecording(people calendar.People) *recording {
	r := &recording{}
	r.Backend = service.New(calendartest.NewStore(), people, service.Options{
		Derive: []service.Derivation{func(_ calendar.ReadTx, ch *calendar.Change) ([]calendar.Job, error) {
			r.changes = append(r.changes, *ch)
			return nil, nil
		}},
	})
	return r
}

// faulty fails before or after a call of the three that a move has.
type faulty struct {
	calendar.Backend
	before, after string
}

func (f *faulty) fail(at *string, call string) error {
	if *at != call {
		return nil
	}
	*at = "" // the next time it goes well
	return errDown
}

func (f *faulty) CopyOut(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.Parcel, error) {
	if err := f.fail(&f.before, "out"); err != nil {
		return calendar.Parcel{}, err
	}
	p, err := f.Backend.CopyOut(ctx, who, req)
	if down := f.fail(&f.after, "out"); down != nil {
		return calendar.Parcel{}, down
	}
	return p, err
}

func (f *faulty) CopyIn(ctx context.Context, who calendar.Actor, req calendar.CopyInRequest) (calendar.CopyResult, error) {
	if err := f.fail(&f.before, "in"); err != nil {
		return calendar.CopyResult{}, err
	}
	res, err := f.Backend.CopyIn(ctx, who, req)
	if down := f.fail(&f.after, "in"); down != nil {
		return calendar.CopyResult{}, down
	}
	return res, err
}

func (f *faulty) DeleteObject(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) error {
	if err := f.fail(&f.before, "delete"); err != nil {
		return err
	}
	err := f.Backend.DeleteObject(ctx, who, req)
	if down := f.fail(&f.after, "delete"); down != nil {
		return down
	}
	return err
}

// twoHosts are anna's and otto's, each of whom lets anna do everything.
func twoHosts(t *testing.T) (r *Router, people calendartest.People, one, two *recording, fault *faulty) {
	t.Helper()
	people = calendartest.NewPeople("anna", "otto")
	one, two = newRecording(people), newRecording(people)
	fault = &faulty{Backend: one}
	r, err := New(Options{Locator: table{"anna": "one", "otto": "two"}, Backends: map[string]calendar.Backend{"one": fault, "two": &faultyIn{two, fault}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"anna", "otto"} {
		_, err := r.CreateCalendar(t.Context(), people.Actor(id), calendar.CreateCalendarRequest{
			Calendar: calendar.Calendar{ID: calendar.ID(id), ACL: acl.MustParse("anna^a^rwd^g")},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return r, people, one, two, fault
}

// faultyIn has the faults of another back end's.
type faultyIn struct {
	calendar.Backend
	faults *faulty
}

func (f *faultyIn) CopyIn(ctx context.Context, who calendar.Actor, req calendar.CopyInRequest) (calendar.CopyResult, error) {
	through := &faulty{Backend: f.Backend, before: f.faults.before, after: f.faults.after}
	res, err := through.CopyIn(ctx, who, req)
	f.faults.before, f.faults.after = through.before, through.after
	return res, err
}

// TestMoveIsRecorded: both halves of a move say so, those of a copy do not.
func TestMoveIsRecorded(t *testing.T) {
	r, people, one, two, _ := twoHosts(t)
	from, to := calendar.Ref{Calendar: "anna", Name: "a"}, calendar.Ref{Calendar: "otto", Name: "b"}
	last := func(b *recording) calendar.Change { return b.changes[len(b.changes)-1] }
	for _, move := range []bool{false, true} {
		put(t, r, people, "anna", "a")
		begun := len(one.changes)
		_, err := r.CopyObject(t.Context(), people.Actor("anna"), calendar.CopyRequest{From: from, To: to, Move: move, Overwrite: true})
		if err != nil {
			t.Fatal(err)
		}
		in := last(two)
		if in.Kind != calendar.ObjectStored || in.Name != "b" || (in.MovedFrom != nil) != move || move && *in.MovedFrom != from || in.MovedTo != nil {
			t.Errorf("move %t: the new object's change is %+v", move, in)
		}
		switch {
		case !move && len(one.changes) != begun:
			t.Errorf("a copy changed its source: %+v", last(one))
		case move:
			out := last(one)
			if out.Kind != calendar.ObjectDeleted || out.Name != "a" || out.MovedTo == nil || *out.MovedTo != to || out.MovedFrom != nil || len(one.changes) != begun+1 {
				t.Errorf("the old object's change is %+v", out)
			}
		}
	}
	// What a client deletes was not moved.
	put(t, r, people, "anna", "a")
	if err := r.DeleteObject(t.Context(), people.Actor("anna"), calendar.DeleteRequest{Ref: from}); err != nil || last(one).MovedTo != nil {
		t.Errorf("%+v, %v", last(one), err)
	}
}

// TestMoveRepeated: a move that was cut off at any point ends as it would have,
// when it is repeated under its token, and is done once.
func TestMoveRepeated(t *testing.T) {
	from, to := calendar.Ref{Calendar: "anna", Name: "a"}, calendar.Ref{Calendar: "otto", Name: "b"}
	for _, call := range []string{"out", "in", "delete"} {
		for _, after := range []bool{false, true} {
			r, people, one, two, fault := twoHosts(t)
			anna := people.Actor("anna")
			stored := put(t, r, people, "anna", "a")
			before := [2]int{len(one.changes), len(two.changes)}
			if after {
				fault.after = call
			} else {
				fault.before = call
			}
			what := fmt.Sprintf("cut off at %s, after it %t", call, after)
			ctx := calendar.WithToken(t.Context(), "token")
			req := calendar.CopyRequest{From: from, To: to, Move: true, Precond: calendar.Precond{IfMatch: []string{stored.ETag()}}}
			if _, err := r.CopyObject(ctx, anna, req); !errors.Is(err, calendar.Unavailable) {
				t.Fatalf("%s: %v", what, err)
			}
			if _, err := one.Object(ctx, anna, from); call == "delete" && after != (err != nil) || call != "delete" && err != nil {
				t.Errorf("%s: the source: %v", what, err)
			}
			first, err := r.CopyObject(ctx, anna, req)
			if err != nil || first.Replaced || first.Object.Name != "b" {
				t.Errorf("%s, again: %+v, %v", what, first, err)
			}
			// Whatever is put there later is not moved by a third attempt.
			put(t, r, people, "anna", "a")
			again, err := r.CopyObject(ctx, anna, req)
			if err != nil || again.Object.ETag() != first.Object.ETag() {
				t.Errorf("%s, once more: %+v, %v", what, again, err)
			}
			if _, err := one.Object(ctx, anna, from); err != nil {
				t.Errorf("%s: what came later: %v", what, err)
			}
			if n := [2]int{len(one.changes) - before[0], len(two.changes) - before[1]}; n != [2]int{2, 1} { // a deletion and what came later; one put
				t.Errorf("%s: %v changes", what, n)
			}
			if o, err := two.Object(ctx, anna, to); err != nil || string(o.Data) != string(event("a")) || o.ETag() != first.Object.ETag() {
				t.Errorf("%s: the destination: %v, %v", what, o, err)
			}
		}
	}
}

// changing changes something when a copy is stored, so many times.
type changing struct {
	calendar.Backend
	times  int
	change func()
}

func (c *changing) CopyIn(ctx context.Context, who calendar.Actor, req calendar.CopyInRequest) (calendar.CopyResult, error) {
	res, err := c.Backend.CopyIn(ctx, who, req)
	if c.times--; c.times >= 0 {
		c.change()
	}
	return res, err
}

// TestMoveOfWhatChanges: what somebody else writes while an object is moved goes
// along. Where it cannot be moved any more nothing was done.
func TestMoveOfWhatChanges(t *testing.T) {
	from, to := calendar.Ref{Calendar: "anna", Name: "a"}, calendar.Ref{Calendar: "otto", Name: "a"}
	for _, c := range []struct {
		name    string
		times   int
		same    bool // the owner of both is on one back end
		onto    bool // something is there already
		blind   bool // who moves it may write there, not read
		request func(*calendar.CopyRequest, *calendar.Object)
		change  func(t *testing.T, be calendar.Backend, people calendartest.People)
		want    calendar.Kind // 0: it is moved
		left    string        // what is where it was
		there   string        // what is where it was moved to
	}{
		{name: "written once", times: 1, there: "written"},
		{name: "written once, on one back end", times: 1, same: true, there: "written"},
		{name: "written again and again", times: 9, want: calendar.Stale, left: "written"},
		{name: "another was meant", times: 1, want: calendar.Stale, left: "written",
			request: func(r *calendar.CopyRequest, o *calendar.Object) { r.Precond.IfMatch = []string{o.ETag()} }},
		{name: "another was meant, on one back end", times: 1, same: true, want: calendar.Stale, left: "written",
			request: func(r *calendar.CopyRequest, o *calendar.Object) { r.Precond.IfMatch = []string{o.ETag()} }},
		{name: "deleted", times: 1, want: calendar.NotFound,
			change: func(t *testing.T, be calendar.Backend, people calendartest.People) {
				if err := be.DeleteObject(t.Context(), people.Actor("anna"), calendar.DeleteRequest{Ref: from}); err != nil {
					t.Error(err)
				}
			}},
		{name: "not his to take any more", times: 1, want: calendar.Denied, left: "first",
			change: func(t *testing.T, be calendar.Backend, people calendartest.People) {
				list := acl.MustParse("will^a^r^g")
				if _, err := be.UpdateCalendar(t.Context(), people.Actor("anna"), calendar.UpdateCalendarRequest{ID: "anna", ACL: &list}); err != nil {
					t.Error(err)
				}
			}},
		{name: "onto another, written once", times: 1, onto: true, there: "written"},
		{name: "onto another, written again and again", times: 9, onto: true, want: calendar.Stale, left: "written", there: "old"},
		{name: "onto another, deleted", times: 1, onto: true, want: calendar.NotFound, there: "old",
			change: func(t *testing.T, be calendar.Backend, people calendartest.People) {
				if err := be.DeleteObject(t.Context(), people.Actor("anna"), calendar.DeleteRequest{Ref: from}); err != nil {
					t.Error(err)
				}
			}},
		{name: "onto another that he may not read", onto: true, blind: true, want: calendar.Denied, left: "first", there: "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			people := calendartest.NewPeople("anna", "otto", "will")
			one := newRecording(people)
			two := one
			if !c.same {
				two = newRecording(people)
			}
			ctx, will := t.Context(), people.Actor("will")
			text := func(summary string) []byte {
				return []byte(strings.Replace(string(event("a")), "DTSTART", "SUMMARY:"+summary+"\r\nDTSTART", 1))
			}
			write := func(be calendar.Backend, ref calendar.Ref, summary string) *calendar.Object {
				t.Helper()
				res, err := be.PutObject(ctx, people.Actor(string(ref.Calendar)), calendar.PutRequest{Ref: ref, Data: text(summary)})
				if err != nil {
					t.Fatal(err)
				}
				return &res.Object
			}
			if c.change == nil {
				c.change = func(t *testing.T, be calendar.Backend, _ calendartest.People) { write(be, from, "written") }
			}
			dest := &changing{Backend: two, times: c.times, change: func() { c.change(t, one, people) }}
			r, err := New(Options{Locator: table{"anna": "one", "otto": "two"}, Backends: map[string]calendar.Backend{"one": one, "two": dest}})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{"anna", "otto"} {
				list := "will^a^r^g;will^c^wd^g"
				if c.blind && id == "otto" {
					list = "will^c^wd^g"
				}
				if _, err := r.CreateCalendar(ctx, people.Actor(id), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: calendar.ID(id), ACL: acl.MustParse(list)}}); err != nil {
					t.Fatal(err)
				}
			}
			if c.onto {
				write(two, to, "old")
			}
			req := calendar.CopyRequest{From: from, To: to, Move: true, Overwrite: c.onto}
			first := write(one, from, "first")
			if c.request != nil {
				c.request(&req, first)
			}
			res, err := r.CopyObject(ctx, will, req)
			if c.want == 0 && (err != nil || res.Replaced != c.onto) || c.want != 0 && calendar.KindOf(err) != c.want {
				t.Errorf("%+v, %v", res, err)
			}
			for _, at := range []struct {
				ref  calendar.Ref
				want string
			}{{from, c.left}, {to, c.there}} {
				o, err := r.Object(ctx, people.Actor(string(at.ref.Calendar)), at.ref)
				switch {
				case at.want == "" && calendar.KindOf(err) != calendar.NotFound, at.want != "" && err != nil:
					t.Errorf("%s: %v", at.ref, err)
				case at.want != "" && string(o.Data) != string(text(at.want)):
					t.Errorf("%s is\n%s", at.ref, o.Data)
				case at.ref == to && c.want == 0 && o.ETag() != res.Object.ETag():
					t.Errorf("the answer's tag is that of another: %s", res.Object.ETag())
				}
			}
		})
	}
}
