package stories

import (
	"context"
	"fmt"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// hands are how people reach their calendars.
type hands interface {
	// put and remove are what a CalDAV client does.
	put(ctx context.Context, id string, req calendar.PutRequest) error
	remove(ctx context.Context, id string, ref calendar.Ref) error
	// edit is what a WCAP client does: one component at a time.
	edit(ctx context.Context, id string, cal calendar.ID, it calendar.EditItem) error
}

// bare are hands on the model itself.
type bare struct {
	be func() calendar.Backend
	as func(id string) calendar.Actor
}

func (h bare) put(ctx context.Context, id string, req calendar.PutRequest) error {
	req.Token = calendar.Token(ctx)
	_, err := h.be().PutObject(ctx, h.as(id), req)
	return err
}

func (h bare) remove(ctx context.Context, id string, ref calendar.Ref) error {
	return h.be().DeleteObject(ctx, h.as(id), calendar.DeleteRequest{Ref: ref})
}

func (h bare) edit(ctx context.Context, id string, cal calendar.ID, it calendar.EditItem) error {
	res, err := h.be().EditObject(ctx, h.as(id), calendar.EditRequest{Calendar: cal, Component: "VEVENT", Items: []calendar.EditItem{it}})
	if err == nil {
		err = res.Items[0].Err
	}
	return err
}

// found is somebody's copy of a meeting.
type found struct {
	ref calendar.Ref
	obj *calendar.Object
	cal *ical.Component
}

// calendars are those that somebody may have.
func calendars(id string) []calendar.ID {
	return []calendar.ID{calendar.ID(id), calendar.ID(id + ":work")}
}

// copy is somebody's copy of a meeting, wherever it is; nil if he has none.
func (s *story) copy(id, uid string) (out *found) {
	s.Helper()
	for _, c := range calendars(id) {
		err := s.backend().Objects(context.Background(), s.as(id), calendar.ObjectsRequest{Calendar: c, UIDs: []string{uid}}, func(r calendar.ObjectResult) error {
			if r.Err != nil {
				return nil
			}
			cal, err := ical.Parse(r.Object.Data, ical.Limits{})
			if err != nil {
				return err
			}
			if out != nil {
				return fmt.Errorf("%s has two copies: %v and %v", id, out.ref, r.Ref)
			}
			o := *r.Object
			out = &found{ref: r.Ref, obj: &o, cal: cal}
			return nil
		})
		if err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			s.Fatalf("%v", err)
		}
	}
	return out
}

// put writes a copy; false if it was not taken since another one is there now.
func (s *story) put(what, id string, f *found, ifMatch bool) bool {
	s.Helper()
	req := calendar.PutRequest{Ref: f.ref, Data: f.cal.Bytes()}
	if f.obj != nil && (ifMatch || rapid.Bool().Draw(s.T, "if-match")) {
		req.Precond.IfMatch = []string{f.obj.ETag()}
	}
	err := s.do(what, func(ctx context.Context) error { return s.hands.put(ctx, id, req) })
	switch calendar.KindOf(err) {
	case calendar.Stale, calendar.NotOrganizer:
		if now := s.copy(id, f.uid()); f.obj != nil && (now == nil || now.obj.ETag() != f.obj.ETag()) {
			return false
		}
	}
	s.must(err)
	return true
}

// edit changes a copy by one component, and reports whether that was allowed.
func (s *story) edit(what, id string, f *found, in rid, it calendar.EditItem) bool {
	s.Helper()
	it.UID = f.uid()
	if in.is {
		it.RID = in.DateTime
		if it.Scope == calendar.WholeSeries {
			it.Scope = calendar.ThisInstance
		}
	}
	err := s.do(what+" (wcap)", func(ctx context.Context) error { return s.hands.edit(ctx, id, f.ref.Calendar, it) })
	switch calendar.ReasonOf(err) {
	case calendar.RecurSkip, calendar.RecurSameDay:
		return false
	}
	s.must(err)
	return true
}

func (f *found) uid() string { return parts(f.cal)[0].Text("UID") }

// rid is an instance, or the whole.
type rid struct {
	ical.DateTime
	is bool
}

func (s *story) delete(id string, f *found) {
	s.Helper()
	s.must(s.do(fmt.Sprintf("%s: deletes %s", id, f.uid()), func(ctx context.Context) error { return s.hands.remove(ctx, id, f.ref) }))
}

// relocate moves a copy to another calendar of the same owner.
func (s *story) relocate(id string, f *found) {
	s.Helper()
	s.work(id)
	to := f.ref
	to.Calendar = calendar.ID(id + ":work")
	if f.ref.Calendar == to.Calendar {
		to.Calendar = calendar.ID(id)
	}
	s.must(s.do(fmt.Sprintf("%s: moves %s to %s", id, f.uid(), to.Calendar), func(ctx context.Context) error {
		_, err := s.backend().CopyObject(ctx, s.as(id), calendar.CopyRequest{From: f.ref, To: to, Move: true})
		return err
	}))
}

// work makes somebody's second calendar, if he has none.
func (s *story) work(id string) {
	s.Helper()
	err := s.do(id+": makes a calendar", func(ctx context.Context) error {
		_, err := s.backend().CreateCalendar(ctx, s.as(id), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: calendar.ID(id + ":work")}, DefaultACL: true})
		return err
	})
	if err != nil && calendar.KindOf(err) != calendar.Exists {
		s.Fatalf("%v", err)
	}
}

// dropCalendar deletes somebody's second calendar with all that is in it.
func (s *story) dropCalendar(id string) {
	s.Helper()
	s.must(s.do(id+": deletes the calendar", func(ctx context.Context) error {
		return s.backend().DeleteCalendar(ctx, s.as(id), calendar.DeleteCalendarRequest{ID: calendar.ID(id + ":work")})
	}))
}
