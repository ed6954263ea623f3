package delivery_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// step is what somebody does.
func (s *story) step() {
	if rapid.IntRange(0, 1).Draw(s.T, "who") == 0 {
		s.attendee(rapid.SampledFrom(attendees).Draw(s.T, "attendee"))
	} else {
		s.organizer()
	}
}

// one draws an instance, nil for the whole.
func (s *story) one(cal *ical.Component) *recur.Instance {
	all := s.instances(cal)
	if len(all) == 0 || !all[0].HasRID || rapid.Bool().Draw(s.T, "all") {
		return nil
	}
	return &all[rapid.IntRange(0, len(all)-1).Draw(s.T, "instance")]
}

// parts are the components that a change of the whole, or of an instance, is made in.
func parts(cal *ical.Component, in *recur.Instance) (out []*ical.Component) {
	if in != nil {
		return []*ical.Component{component(cal, *in)}
	}
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			out = append(out, c)
		}
	}
	return out
}

func about(in *recur.Instance) string {
	if in == nil {
		return "all"
	}
	return in.RecurrenceID.String()
}

func (s *story) organizer() {
	f := s.copy("anna")
	if f == nil {
		return
	}
	in := s.one(f.cal)
	what := rapid.SampledFrom([]string{"edit", "edit", "write late", "write late", "summary", "move", "invite", "uninvite", "leave out", "call off", "delete", "relocate", "drop calendar"}).Draw(s.T, "what")
	person := rapid.SampledFrom(attendees).Draw(s.T, "person")
	asked := false // anew, whom it concerns
	switch what {
	case "edit":
		s.organizerEdits(f, in)
		return
	case "write late":
		s.writeLate(f)
		return
	case "summary":
		text := rapid.SampledFrom([]string{"b", "c", "d"}).Draw(s.T, "text")
		what += " " + text
		for _, c := range parts(f.cal, in) {
			c.SetText("SUMMARY", text)
		}
	case "move":
		asked = true
		for _, c := range parts(f.cal, in) {
			shift(c, "DTSTART", "DTEND")
			if in == nil {
				shift(c, "RECURRENCE-ID", "EXDATE")
			}
		}
	case "invite":
		what += " " + person
		for _, c := range parts(f.cal, in) {
			if lineOf(c, person) == nil {
				c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "RSVP", Values: []string{"TRUE"}}}, Value: "mailto:" + person + "@example.com"})
			}
		}
	case "uninvite":
		what += " " + person
		s.forget(person, in)
		for _, c := range parts(f.cal, in) {
			c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool {
				return p.Name == "ATTENDEE" && calendar.AddressKey(p.Value) == person+"@example.com"
			})
		}
	case "leave out":
		if in == nil || len(s.instances(f.cal)) < 2 || !leaveOut(f.cal, *in) {
			return
		}
		asked = true
	case "call off":
		if in == nil {
			return
		}
		asked = true
		component(f.cal, *in).Set("STATUS", "CANCELLED")
	case "delete":
		if rapid.IntRange(0, 3).Draw(s.T, "really") > 0 {
			return
		}
		s.delete("anna", f)
		return
	case "relocate":
		s.relocate("anna", f)
		return
	case "drop calendar":
		s.dropCalendar("anna", f)
		return
	}
	if asked {
		for _, id := range attendees {
			s.forget(id, in)
			s.moved[id] = true
		}
	}
	s.put(fmt.Sprintf("anna: %s %s", what, about(in)), "anna", f)
}

// forget says that an answer need not stand any more.
func (s *story) forget(id string, in *recur.Instance) {
	if in == nil {
		delete(s.said, id)
	} else {
		delete(s.said[id], in.RecurrenceID.String())
	}
}

func (s *story) attendee(id string) {
	time.Sleep(time.Second) // his answers are told apart by the second
	s.must(s.again())
	f := s.copy(id)
	if f == nil {
		return
	}
	in := s.one(f.cal)
	what := rapid.SampledFrom([]string{"ACCEPTED", "DECLINED", "TENTATIVE", "ACCEPTED", "DECLINED", "alarm", "leave out", "delete", "relocate", "drop calendar"}).Draw(s.T, "what")
	says := map[string]string{}
	wcap := false
	switch what {
	case "alarm":
		for _, c := range parts(f.cal, in) {
			a := ical.New("VALARM")
			a.Set("ACTION", "DISPLAY")
			a.Set("TRIGGER", "-PT5M")
			a.Set("DESCRIPTION", "x")
			c.AddChild(a)
		}
	case "leave out":
		if in == nil || len(s.instances(f.cal)) < 2 || !leaveOut(f.cal, *in) {
			return
		}
		s.forget(id, in)
	case "delete":
		if rapid.IntRange(0, 2).Draw(s.T, "really") > 0 {
			return
		}
		s.forget(id, nil)
		s.delete(id, f)
		return
	case "relocate":
		s.relocate(id, f)
		return
	case "drop calendar":
		s.dropCalendar(id, f)
		return
	default:
		wcap = rapid.IntRange(0, 2).Draw(s.T, "wcap") == 0
		for _, c := range parts(f.cal, in) {
			if a := lineOf(c, id); a != nil && c.Word("STATUS") != "CANCELLED" {
				a.SetParam("PARTSTAT", what)
			}
		}
		for _, i := range s.instances(f.cal) {
			if in == nil || i.RecurrenceID == in.RecurrenceID {
				says[i.RecurrenceID.String()] = what
			}
		}
	}
	if wcap {
		s.answers(id, what, f, in)
	} else if !s.put(fmt.Sprintf("%s: %s %s", id, what, about(in)), id, f) {
		return
	}
	if s.moved[id] {
		s.forget(id, nil) // he may have answered for a time that it is not at any more
		return
	}
	for rid, answer := range says {
		if s.said[id] == nil {
			s.said[id] = map[string]string{}
		}
		s.said[id][rid] = answer
	}
}

func (s *story) delete(id string, f *found) {
	s.must(s.do(id+": delete", func(ctx context.Context) error {
		return s.model.DeleteObject(ctx, s.people.Actor(id), calendar.DeleteRequest{Ref: f.ref})
	}))
}

func (s *story) relocate(id string, f *found) {
	s.work(id)
	to := f.ref
	to.Calendar = calendar.ID(id + ":work")
	if f.ref.Calendar == to.Calendar {
		to.Calendar = calendar.ID(id)
	}
	s.must(s.do(fmt.Sprintf("%s: to %s", id, to.Calendar), func(ctx context.Context) error {
		_, err := s.model.CopyObject(ctx, s.people.Actor(id), calendar.CopyRequest{From: f.ref, To: to, Move: true})
		return err
	}))
}

func (s *story) dropCalendar(id string, f *found) {
	if f.ref.Calendar != calendar.ID(id+":work") || rapid.IntRange(0, 2).Draw(s.T, "really") > 0 {
		return
	}
	if id != "anna" {
		s.forget(id, nil)
	}
	s.must(s.do(id+": deletes the calendar", func(ctx context.Context) error {
		return s.model.DeleteCalendar(ctx, s.people.Actor(id), calendar.DeleteCalendarRequest{ID: f.ref.Calendar})
	}))
}

// check compares every copy with the organizer's.
func (s *story) check() {
	s.Helper()
	var hers *ical.Component
	if f := s.copy("anna"); f != nil {
		hers = f.cal
		s.settled("anna", hers)
	}
	for _, id := range attendees {
		want, got := map[string]seen{}, map[string]seen{}
		if hers != nil {
			want = s.collect(hers, id)
		}
		var mine *ical.Component
		if f := s.copy(id); f != nil {
			mine = f.cal
			s.settled(id, mine)
			got = s.collect(mine, id)
		}
		fail := func(format string, args ...any) {
			s.Helper()
			text := "(nothing)"
			if mine != nil {
				text = string(mine.Bytes())
			}
			other := "(nothing)"
			if hers != nil {
				other = string(hers.Bytes())
			}
			s.Fatalf("%s\norganizer\n%s\n%s\n%s", fmt.Sprintf(format, args...), other, id, text)
		}
		for when, w := range want {
			g, shown := got[when]
			switch {
			case !shown && w.answer == "DECLINED": // he took it out, and she knows
			case !shown || g.what != w.what:
				fail("%s shows %q at %s, the organizer %q", id, g.what, when, w.what)
			case g.answer != w.answer:
				fail("%s says %q at %s, the organizer has %q", id, g.answer, when, w.answer)
			case g.others != w.others:
				fail("at %s %s sees of the others %q, the organizer %q", when, id, g.others, w.others)
			}
			if said := s.said[id][w.rid]; said != "" && w.answer != said {
				fail("%s said %q to %s last, the organizer has %q", id, said, w.rid, w.answer)
			}
		}
		for when, g := range got {
			if _, ok := want[when]; !ok {
				fail("%s shows %q at %s, the organizer nothing", id, g.what, when)
			}
		}
	}
}

// settled fails where a message seems to be on its way.
func (s *story) settled(id string, cal *ical.Component) {
	s.Helper()
	for _, c := range cal.Children {
		for i := range c.Props {
			if c.Props[i].Param("SCHEDULE-STATUS") == calendar.StatusPending {
				s.Fatalf("%s waits for something: %s\n%s", id, c.Props[i].Value, cal.Bytes())
			}
		}
	}
}

// once fails where a journal has the beginning or the end of a message's way to
// somebody not at all, or more than once.
func (s *story) once() {
	s.Helper()
	type way struct{ message, to string }
	begun, ended := map[way]int{}, map[way]int{}
	for _, id := range append([]string{"anna"}, attendees...) {
		for q := (calendar.TraceQuery{OldestFirst: true}); ; {
			res, err := s.model.Why(context.Background(), s.people.Actor(id), calendar.WhyRequest{Owner: calendar.Owner(id), Query: q})
			s.must(err)
			for _, t := range res.Traces {
				q.After = t.ID
				for _, to := range t.To {
					switch t.Step {
					case calendar.TraceQueued:
						begun[way{t.Message, to}]++
					case calendar.TraceDelivered, calendar.TraceFailed:
						ended[way{t.Message, to}]++
					}
				}
			}
			if !res.More {
				break
			}
		}
	}
	for w, n := range begun {
		if n != 1 || ended[w] != 1 {
			s.Fatalf("%s to %s: begun %d times, ended %d times", w.message, w.to, n, ended[w])
		}
	}
	if len(ended) != len(begun) {
		s.Fatalf("%d ways of messages have an end, %d a beginning", len(ended), len(begun))
	}
}

// seen is what an object says of an instance.
type seen struct{ rid, what, answer, others string }

// collect lists the instances that somebody is invited to, by their start.
func (s *story) collect(cal *ical.Component, id string) map[string]seen {
	out := map[string]seen{}
	for _, in := range s.instances(cal) {
		me := lineOf(in.Comp, id)
		if me == nil {
			continue
		}
		var others []string
		for a := range in.Comp.All("ATTENDEE") {
			if a != me {
				others = append(others, calendar.AddressKey(a.Value)+"="+answerOf(a))
			}
		}
		slices.Sort(others)
		out[in.Start.Format("0102T1504")] = seen{rid: in.RecurrenceID.String(), what: in.Comp.Text("SUMMARY"), answer: answerOf(me), others: fmt.Sprint(others)}
	}
	return out
}

func answerOf(a *ical.Property) string {
	if a.ParamIs("PARTSTAT", "") {
		return "NEEDS-ACTION"
	}
	return a.Param("PARTSTAT")
}
