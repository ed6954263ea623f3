package itip

import (
	"strings"
	"testing"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// The server answers for an attendee as he would: for a series, for an instance
// of it, and with a reason; what he said before is not told again, and what comes
// along with an invitation is no answer of his.
func TestRespond(t *testing.T) {
	component := func(c *ical.Component) *ical.Component { return c.Child("VEVENT") }
	instance := func(c *ical.Component, at string) *recur.Instance {
		m, err := (&Party{}).open(c)
		if err != nil {
			t.Fatal(err)
		}
		d, err := ical.ParseDateTime(at, "", false)
		if err != nil {
			t.Fatal(err)
		}
		in, ok := m.instance(d)
		if !ok {
			t.Fatal("no such instance")
		}
		return &in
	}
	for _, c := range []struct {
		name      string
		partstat  string // that comes with the invitation
		responses func(c *ical.Component) []Response
		said      string // the message, and its comments
		own       string // PARTSTAT and TRANSP of each component of the copy
	}{
		{"all of it", "NEEDS-ACTION", func(c *ical.Component) []Response {
			return []Response{{Of: component(c), PartStat: "ACCEPTED", Transp: "OPAQUE"}}
		}, "REPLY ben>anna all=ACCEPTED", "ACCEPTED OPAQUE"},
		{"none of it, and why", "NEEDS-ACTION", func(c *ical.Component) []Response {
			return []Response{{Of: component(c), PartStat: "DECLINED", Transp: "TRANSPARENT", Comment: "The time is taken."}}
		}, "REPLY ben>anna all=DECLINED: The time is taken.", "DECLINED TRANSPARENT"},
		{"all but one", "NEEDS-ACTION", func(c *ical.Component) []Response {
			return []Response{{Of: component(c), PartStat: "ACCEPTED", Transp: "OPAQUE"},
				{Instance: instance(c, "20260312T090000Z"), PartStat: "DECLINED", Transp: "TRANSPARENT", Comment: "Taken."}}
		}, "REPLY ben>anna all=ACCEPTED 20260312T090000Z=DECLINED: Taken.", "ACCEPTED OPAQUE, 20260312T090000Z DECLINED TRANSPARENT"},
		{"left to somebody", "NEEDS-ACTION", func(c *ical.Component) []Response {
			return []Response{{Of: component(c), PartStat: "NEEDS-ACTION", Transp: "OPAQUE"}}
		}, "", "NEEDS-ACTION OPAQUE"},
		{"an answer that came along", "ACCEPTED", func(c *ical.Component) []Response {
			return []Response{{Of: component(c), PartStat: "ACCEPTED"}}
		}, "REPLY ben>anna all=ACCEPTED", "ACCEPTED "},
		{"the opposite of one that came along", "ACCEPTED", func(c *ical.Component) []Response {
			return []Response{{Of: component(c), PartStat: "DECLINED"}}
		}, "REPLY ben>anna all=DECLINED", "DECLINED "},
		{"what was said before", "ACCEPTED", func(c *ical.Component) []Response {
			return []Response{{Of: component(c), PartStat: "ACCEPTED", Kept: true, Transp: "OPAQUE"}}
		}, "", "ACCEPTED OPAQUE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cal := meet(t, []string{"ben"}, weekly...)
			attendee(component(cal), sameAs(mail("ben"))).SetParam("PARTSTAT", c.partstat)
			text := string(cal.Bytes())
			p := newWorld(t).party("ben")
			ch, err := p.Respond(cal, c.responses(cal))
			if err != nil {
				t.Fatal(err)
			}
			var said []string
			for _, m := range ch.Messages {
				line := say(m)
				for _, k := range m.Calendar.Children {
					if why := k.Text("COMMENT"); why != "" {
						line += ": " + why
					}
				}
				said = append(said, line)
			}
			if got := strings.Join(said, "\n"); got != c.said {
				t.Errorf("said %q, want %q", got, c.said)
			}
			var own []string
			for _, k := range ch.Object.Children {
				if k.Name == "VEVENT" {
					own = append(own, strings.TrimLeft(k.Value("RECURRENCE-ID")+" ", " ")+answer(attendee(k, p.Owner.HasAddress))+" "+k.Word("TRANSP"))
				}
			}
			if got := strings.Join(own, ", "); got != c.own {
				t.Errorf("the copy says %q, want %q", got, c.own)
			}
			if string(cal.Bytes()) != text {
				t.Error("what was given is another now")
			}
		})
	}
}

// Who answers for another says so. RFC 5545 §3.2.18.
func TestRFC5545_3_2_18_SentBy(t *testing.T) {
	p := newWorld(t).party("ben")
	p.SentBy = "carl@example.com"
	before := meet(t, []string{"ben"}, weekly...)
	after := before.Clone()
	attendee(after.Child("VEVENT"), p.Owner.HasAddress).SetParam("PARTSTAT", "TENTATIVE")
	ch, err := p.Attend(before, after, true)
	if err != nil || len(ch.Messages) != 1 {
		t.Fatalf("%d messages, %v", len(ch.Messages), err)
	}
	if by := ch.Messages[0].Calendar.Child("VEVENT").Prop("ATTENDEE").Param("SENT-BY"); by != "mailto:carl@example.com" {
		t.Errorf("sent by %q", by)
	}
}

// Who invites and cancels for another says so too, where he tells anybody; what he
// changes for himself does not put him beside the organizer.
func TestRFC5545_3_2_18_SentByOfTheOrganizer(t *testing.T) {
	p := newWorld(t).party("anna")
	p.SentBy = "carl@example.com"
	by := func(cal *ical.Component) string { return cal.Child("VEVENT").Prop("ORGANIZER").Param("SENT-BY") }
	first := meet(t, []string{"ben"}, weekly...)
	quiet := first.Clone()
	alarm := ical.New("VALARM")
	alarm.Set("TRIGGER", "-PT5M")
	quiet.Child("VEVENT").AddChild(alarm)
	for what, c := range map[string]struct {
		before, after *ical.Component
		method        Method
	}{
		"invited": {nil, first, Request}, "cancelled": {first, nil, Cancel}, "an alarm": {first, quiet, ""},
	} {
		text := ""
		if c.after != nil {
			text = string(c.after.Bytes())
		}
		ch, err := p.Organize(c.before, c.after)
		switch {
		case err != nil:
			t.Fatal(err)
		case c.after != nil && string(c.after.Bytes()) != text:
			t.Errorf("%s: what was given is another now", what)
		case c.method == "":
			if len(ch.Messages) != 0 || by(ch.Object) != "" {
				t.Errorf("%s: %d messages, sent by %q", what, len(ch.Messages), by(ch.Object))
			}
			continue
		case len(ch.Messages) != 1 || ch.Messages[0].Method != c.method || by(ch.Messages[0].Calendar) != "mailto:carl@example.com":
			t.Errorf("%s: %+v", what, ch.Messages)
		case ch.Object != nil && by(ch.Object) != "mailto:carl@example.com":
			t.Errorf("%s: stored as sent by %q", what, by(ch.Object))
		}
	}
}

// A series of which a year of days is left out is answered quickly.
func TestRespondToALargeSeries(t *testing.T) {
	cost := func(n int) float64 {
		cal := meet(t, []string{"ben"}, "DTSTART:20260101T090000Z", "DTEND:20260101T100000Z", "RRULE:FREQ=DAILY;COUNT=10000", "SUMMARY:x")
		m, err := (&Party{}).open(cal)
		if err != nil {
			t.Fatal(err)
		}
		responses := []Response{{Of: cal.Child("VEVENT"), PartStat: "ACCEPTED"}}
		for i := range n {
			d := ical.FromCivil(time.Date(2026, 1, 2+2*i, 9, 0, 0, 0, time.UTC), ical.UTC, "")
			in, ok := m.instance(d)
			if !ok {
				t.Fatal("no such instance")
			}
			responses = append(responses, Response{Instance: &in, PartStat: "DECLINED"})
		}
		p := newWorld(t).party("ben")
		return testing.AllocsPerRun(1, func() {
			if ch, err := p.Respond(cal, responses); err != nil || len(ch.Messages) != 1 {
				t.Fatalf("%d messages, %v", len(ch.Messages), err)
			}
		})
	}
	small, large := cost(40), cost(400)
	if large > 15*small {
		t.Errorf("40 exceptions cost %.0f allocations, 400 cost %.0f", small, large)
	}
}
