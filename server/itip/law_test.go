package itip

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
	_ "factotum/server/object/objecttest" // laws draw the same cases each time in CI
	"pgregory.net/rapid"
)

// Whatever people do to a meeting, when all messages have arrived every
// attendee's copy shows what the organizer's says of him, and the organizer has
// everybody's answer. Messages come in order for each recipient, some twice.
func TestCopiesAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		s := &story{w: w, rt: rt}
		defer func() {
			if rt.Failed() || t.Failed() {
				rt.Logf("story:\n%s", strings.Join(s.steps, "\n"))
			}
		}()
		s.create()
		for range rapid.IntRange(1, 20).Draw(rt, "steps") {
			s.step()
			if rapid.Bool().Draw(rt, "now") {
				s.deliver()
			}
		}
		s.deliver()
		s.check()
	})
}

type story struct {
	w     *world
	rt    *rapid.T
	steps []string
	old   *ical.Component // what anna's program has read some time ago
	quiet map[string]bool // who deleted his copy and told nobody
}

func (s *story) note(format string, args ...any) {
	s.steps = append(s.steps, fmt.Sprintf(format, args...))
}

func (s *story) deliver() {
	for n := 0; len(s.w.queue) > 0; n++ {
		if n > 500 {
			s.rt.Fatalf("messages without end")
		}
		m := say(s.w.queue[0])
		s.w.next(rapid.IntRange(0, 4).Draw(s.rt, "twice") == 0)
		s.note("    %s: %s", m, s.w.last.Reason)
	}
}

func (s *story) create() {
	s.quiet = map[string]bool{}
	with := []string{"ben", "carl", "dora"}[:rapid.IntRange(1, 3).Draw(s.rt, "with")]
	lines := []string{"DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "SUMMARY:a"}
	switch rapid.IntRange(0, 3).Draw(s.rt, "form") {
	case 0:
	case 1:
		lines = []string{"DTSTART;VALUE=DATE:20260302", "DTEND;VALUE=DATE:20260303", "RRULE:FREQ=DAILY;COUNT=5", "SUMMARY:a"}
	case 2:
		lines = []string{"DTSTART;TZID=Europe/Berlin:20260327T100000", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=5", "SUMMARY:a"}
	default:
		lines = append(lines, "RRULE:FREQ=DAILY;COUNT=6")
	}
	s.note("create %q with %q", lines, with)
	s.w.organize("anna", meet(s.w.t, with, lines...))
}

// rids are the instances that somebody sees.
func (s *story) rids(id string) (out []string) {
	m, err := (&Party{}).open(s.w.copies[id])
	if err != nil || m.empty() || !m.compiled().Recurring() {
		return nil
	}
	for in, err := range m.compiled().Between(s.w.t.Context(), s.w.now.AddDate(-1, 0, 0), s.w.now.AddDate(1, 0, 0), nil, noLimit) {
		if err == nil {
			d := in.RecurrenceID
			if d.Kind == ical.Zoned {
				d = ical.FromCivil(m.instant(d, m.zones), ical.UTC, "")
			}
			out = append(out, d.String())
		}
	}
	return out
}

func (s *story) step() {
	if rapid.IntRange(0, 2).Draw(s.rt, "who") == 0 {
		s.attendee()
	} else {
		s.organizer()
	}
}

func (s *story) organizer() {
	w := s.w
	if w.copies["anna"] == nil {
		return
	}
	rids := s.rids("anna")
	rid := ""
	if len(rids) > 0 && rapid.Bool().Draw(s.rt, "single") {
		rid = rapid.SampledFrom(rids).Draw(s.rt, "rid")
	}
	person := rapid.SampledFrom([]string{"ben", "carl", "dora", "emil"}).Draw(s.rt, "person")
	what := rapid.SampledFrom([]string{"summary", "move", "move all", "invite", "uninvite", "cancel", "shorten", "lengthen", "location", "delete", "status", "read", "write late"}).Draw(s.rt, "what")
	var next *ical.Component
	switch what {
	case "read":
		s.old = w.copies["anna"].Clone()
		return
	case "write late": // by a program that does not know what was answered since
		if s.old == nil {
			return
		}
		next = s.old.Clone()
		next.Child("VEVENT").SetText("LOCATION", "Late")
		s.note("anna: write late")
		p := w.party("anna")
		p.Stale = true
		ch, err := p.Organize(w.copies["anna"], next)
		if err != nil {
			s.rt.Fatal(err)
		}
		for _, m := range w.wrote("anna", ch) {
			s.note("  -> %s", m)
		}
		s.old = nil
		return
	case "move all":
		next = w.copies["anna"].Clone()
		for _, c := range next.Children {
			for _, name := range []string{"DTSTART", "DTEND", "RECURRENCE-ID", "EXDATE"} {
				for p := range c.All(name) {
					d, err := p.DateTime()
					if err != nil || strings.Contains(p.Value, ",") {
						return
					}
					if d.Kind == ical.Date {
						p.SetDateTime(ical.FromCivil(d.Civil().AddDate(0, 0, 7), ical.Date, ""))
					} else {
						p.SetDateTime(ical.FromCivil(d.Civil().Add(7*time.Minute), d.Kind, d.TZID))
					}
				}
			}
		}
	case "summary":
		text := rapid.SampledFrom([]string{"b", "c", "d"}).Draw(s.rt, "text")
		next = w.change("anna", rid, func(c *ical.Component) { c.SetText("SUMMARY", text) })
	case "location":
		next = w.change("anna", rid, func(c *ical.Component) { c.SetText("LOCATION", "Room") })
	case "move":
		if rid == "" && rids != nil {
			return // moving a series is for its editor, which moves RECURRENCE-IDs too
		}
		next = w.change("anna", rid, func(c *ical.Component) {
			p := c.Prop("DTSTART")
			d, _ := p.DateTime()
			if d.Kind == ical.Date {
				return
			}
			d.Min = (d.Min + 15) % 60
			p.SetDateTime(d)
			if p := c.Prop("DTEND"); p != nil {
				d, _ := p.DateTime()
				d.Min = (d.Min + 15) % 60
				p.SetDateTime(d)
			}
		})
	case "invite":
		next = w.change("anna", rid, func(c *ical.Component) {
			if attendee(c, sameAs(mail(person))) == nil {
				c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "RSVP", Values: []string{"TRUE"}}}, Value: mail(person)})
			}
		})
	case "uninvite":
		next = w.change("anna", rid, func(c *ical.Component) {
			c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail(person))(p.Value) })
		})
	case "cancel":
		if rid == "" || len(rids) < 2 {
			return
		}
		next = w.change("anna", rid, func(c *ical.Component) {})
		m, _ := (&Party{}).open(next)
		if m.master == nil {
			return
		}
		d, _ := ical.ParseDateTime(rid, "", len(rid) == 8)
		in, _ := m.instance(d)
		ex := ical.Property{Name: "EXDATE"}
		ex.SetDateTime(in.RecurrenceID)
		m.master.Add(ex)
		o := m.override(m.keyOf(d, nil))
		next.Children = slices.DeleteFunc(next.Children, func(c *ical.Component) bool { return c == o })
	case "shorten":
		if len(rids) < 3 {
			return
		}
		next = w.change("anna", "", func(c *ical.Component) { c.Set("RRULE", "FREQ=DAILY;COUNT=3") })
		m, _ := (&Party{}).open(next)
		for _, k := range m.order { // an editor takes exceptions away with their instances
			o := m.override(k)
			if _, ok := m.series(k); !ok {
				next.Children = slices.DeleteFunc(next.Children, func(c *ical.Component) bool { return c == o })
			}
		}
	case "lengthen": // the series is newer then than its exceptions
		if len(rids) == 0 {
			return
		}
		next = w.change("anna", "", func(c *ical.Component) {
			if c.Prop("RRULE") != nil {
				c.Set("RRULE", fmt.Sprintf("FREQ=DAILY;COUNT=%d", 7+len(s.steps)))
			}
		})
	case "status":
		if rid == "" {
			return
		}
		next = w.change("anna", rid, func(c *ical.Component) { c.Set("STATUS", "CANCELLED") })
	case "delete":
		if rapid.IntRange(0, 3).Draw(s.rt, "really") > 0 {
			return
		}
	}
	s.old = nil // her Schedule-Tag is another now
	s.note("anna: %s %s %s", what, rid, person)
	for _, m := range w.organize("anna", next) {
		s.note("  -> %s", m)
	}
}

func (s *story) attendee() {
	w := s.w
	id := rapid.SampledFrom([]string{"ben", "carl", "dora", "emil"}).Draw(s.rt, "attendee")
	if w.copies[id] == nil {
		return
	}
	rids := s.rids(id)
	rid := ""
	if len(rids) > 0 && rapid.Bool().Draw(s.rt, "single") {
		rid = rapid.SampledFrom(rids).Draw(s.rt, "rid")
	}
	what := rapid.SampledFrom([]string{"ACCEPTED", "DECLINED", "TENTATIVE", "alarm", "leave out", "delete", "vanish", "delegate"}).Draw(s.rt, "what")
	var next *ical.Component
	switch what {
	case "alarm":
		next = w.change(id, rid, func(c *ical.Component) {
			a := ical.New("VALARM")
			a.Set("ACTION", "DISPLAY")
			a.Set("TRIGGER", "-PT5M")
			a.Set("DESCRIPTION", "x")
			c.AddChild(a)
		})
	case "leave out":
		if rid == "" || len(rids) < 2 {
			return
		}
		next = w.change(id, rid, func(c *ical.Component) {})
		m, _ := (&Party{}).open(next)
		d, _ := ical.ParseDateTime(rid, "", len(rid) == 8)
		if m.master != nil {
			in, _ := m.instance(d)
			ex := ical.Property{Name: "EXDATE"}
			ex.SetDateTime(in.RecurrenceID)
			m.master.Add(ex)
		}
		o := m.override(m.keyOf(d, nil))
		next.Children = slices.DeleteFunc(next.Children, func(c *ical.Component) bool { return c == o })
	case "delete":
		if rapid.IntRange(0, 2).Draw(s.rt, "really") > 0 {
			return
		}
	case "vanish": // Schedule-Reply: F
		s.note("%s: vanish", id)
		ch, err := w.party(id).Attend(w.copies[id], nil, false)
		if err != nil || len(ch.Messages) > 0 {
			s.rt.Fatal(err, ch.Messages)
		}
		w.wrote(id, ch)
		s.quiet[id] = true
		return
	case "delegate":
		if id == "emil" || s.quiet["emil"] {
			return
		}
		next = w.change(id, rid, func(c *ical.Component) {
			if attendee(c, sameAs(mail("emil"))) != nil || attendee(c, sameAs(mail(id))) == nil {
				return
			}
			a := attendee(c, sameAs(mail(id)))
			a.SetParam("PARTSTAT", "DELEGATED")
			a.SetParam("DELEGATED-TO", mail("emil"))
			c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "DELEGATED-FROM", Values: []string{mail(id)}}}, Value: mail("emil")})
		})
	default:
		next = w.change(id, rid, w.partstat(id, what))
	}
	s.note("%s: %s %s", id, what, rid)
	for _, m := range w.attend(id, next) {
		s.note("  -> %s", m)
	}
}

// check compares every copy with the organizer's.
func (s *story) check() {
	w := s.w
	for _, id := range []string{"ben", "carl", "dora", "emil"} {
		if s.quiet[id] {
			continue // what he has since depends on what the organizer changed since
		}
		// What the organizer's object says that he sees, and has answered.
		want, answered := map[string]string{}, map[string]string{}
		if w.copies["anna"] != nil {
			s.collect(w.copies["anna"], id, want, answered)
		}
		got, mine := map[string]string{}, map[string]string{}
		if w.copies[id] != nil {
			s.collect(w.copies[id], id, got, mine)
		}
		for when, what := range want {
			if got[when] == "" && answered[when] == "DECLINED" {
				continue // he took it out of his calendar, and she knows
			}
			if got[when] != what {
				s.fail(id, "%s shows %q at %s, the organizer %q", id, got[when], when, what)
			}
			if mine[when] != answered[when] {
				s.fail(id, "%s says %q at %s, the organizer has %q", id, mine[when], when, answered[when])
			}
		}
		for when, what := range got {
			if want[when] == "" {
				s.fail(id, "%s shows %q at %s, the organizer nothing", id, what, when)
			}
		}
	}
}

func (s *story) collect(cal *ical.Component, id string, what, answers map[string]string) {
	m, err := (&Party{}).open(cal)
	if err != nil {
		s.rt.Fatalf("%v\n%s", err, text(cal))
	}
	for in, err := range m.compiled().Between(s.w.t.Context(), s.w.now.AddDate(-1, 0, 0), s.w.now.AddDate(1, 0, 0), nil, noLimit) {
		if err != nil {
			s.rt.Fatal(err)
		}
		a := attendee(in.Comp, s.w.people[id].HasAddress)
		if a == nil || in.Comp.Word("STATUS") == "CANCELLED" {
			continue
		}
		when := in.Start.Format("0102T1504")
		what[when] = in.Comp.Text("SUMMARY") + "/" + in.Comp.Text("LOCATION")
		answers[when] = answer(a)
	}
}

func (s *story) fail(id, format string, args ...any) {
	s.rt.Fatalf(format+"\n\nstory:\n%s\n\norganizer\n%s\n%s\n%s", append(args, strings.Join(s.steps, "\n"), text(s.w.copies["anna"]), id, text(s.w.copies[id]))...)
}
