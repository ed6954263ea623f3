package delivery_test

import (
	"context"
	"fmt"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// edit does what a WCAP client does: one component at a time.
func (s *story) edit(what, id string, f *found, in *recur.Instance, it calendar.EditItem) {
	s.Helper()
	it.UID = "m"
	if in != nil {
		it.RID = in.RecurrenceID
		if it.Scope == calendar.WholeSeries {
			it.Scope = calendar.ThisInstance
		}
	}
	s.must(s.do(fmt.Sprintf("%s: edit: %s %s", id, what, about(in)), func(ctx context.Context) error {
		res, err := s.model.EditObject(ctx, s.people.Actor(id), calendar.EditRequest{Calendar: f.ref.Calendar, Component: "VEVENT", Items: []calendar.EditItem{it}})
		if err == nil {
			err = res.Items[0].Err
		}
		return err
	}))
}

// organizerEdits is what anna does over WCAP.
func (s *story) organizerEdits(f *found, in *recur.Instance) {
	it := calendar.EditItem{Mode: calendar.EditModify, Role: calendar.AsOrganizer}
	what := rapid.SampledFrom([]string{"summary", "move", "delete", "delete the future", "call off"}).Draw(s.T, "edit")
	if what != "summary" && in == nil || what == "move" && in.AllDay { // by a week it would jump over others
		return
	}
	switch what {
	case "summary":
		text := rapid.SampledFrom([]string{"e", "f"}).Draw(s.T, "text")
		what += " " + text
		it.Patch.Props = []calendar.PropEdit{{Name: "SUMMARY", Props: []ical.Property{{Name: "SUMMARY", Value: text}}}}
	case "move":
		c := component(f.cal.Clone(), *in).Clone()
		shift(c, "DTSTART", "DTEND")
		start, _ := c.Prop("DTSTART").DateTime()
		it.Patch.Start = &start
		if p := c.Prop("DTEND"); p != nil {
			end, _ := p.DateTime()
			it.Patch.End = &end
		}
	case "delete":
		if len(s.instances(f.cal)) < 2 {
			return
		}
		it.Mode = calendar.EditDelete
	case "delete the future":
		if all := s.instances(f.cal); all[0].RecurrenceID == in.RecurrenceID {
			return
		}
		it.Mode, it.Scope = calendar.EditDelete, calendar.ThisAndFuture
	case "call off":
		it.Role = calendar.AsCanceler
	}
	if what[0] != 's' {
		for _, id := range attendees {
			s.forget(id, in)
			s.moved[id] = true
		}
	}
	s.edit(what, "anna", f, in, it)
}

// answers is what an attendee says over WCAP.
func (s *story) answers(id, what string, f *found, in *recur.Instance) {
	a := ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "PARTSTAT", Values: []string{what}}}, Value: "mailto:" + id + "@example.com"}
	s.edit(what, id, f, in, calendar.EditItem{Mode: calendar.EditModify, Role: calendar.AsAttendee,
		Patch: calendar.Patch{Props: []calendar.PropEdit{{Name: "ATTENDEE", Props: []ical.Property{a}}}}})
}

// writeLate has anna's program write what it has read some time ago; what was
// answered since is no reason to refuse it.
func (s *story) writeLate(f *found) {
	if s.old == nil {
		s.old = f
		return
	}
	old := s.old
	s.old = nil
	old.cal.Child("VEVENT").SetText("SUMMARY", "late")
	err := s.do("anna: writes what she has read before", func(ctx context.Context) error {
		_, err := s.model.PutObject(ctx, s.people.Actor("anna"), calendar.PutRequest{Ref: old.ref, Data: old.cal.Bytes(), Token: calendar.Token(ctx),
			Precond: calendar.Precond{IfScheduleTag: old.obj.ScheduleTagValue()}})
		return err
	})
	if err != nil && calendar.KindOf(err) != calendar.Stale && calendar.KindOf(err) != calendar.NoCalendar {
		s.Fatalf("%v", err)
	}
}
