package itip

import (
	"fmt"
	"strconv"
	"testing"

	"factotum/server/ical"
)

// What nobody does by hand costs what it says, not its square: ten thousand
// people, a series with ten thousand exceptions. Counted in allocations, which
// no other program disturbs.
func TestLargeMeetings(t *testing.T) {
	people := func(n int) *ical.Component {
		with := make([]string, n)
		for i := range with {
			with[i] = "p" + strconv.Itoa(i)
		}
		return meet(t, with, weekly...)
	}
	exceptions := func(n int) *ical.Component {
		o := meet(t, []string{"ben", "carl"}, "DTSTART:20260101T000000Z", "RRULE:FREQ=HOURLY;COUNT="+strconv.Itoa(n), "SUMMARY:x")
		for i := range n {
			c := o.Children[0].Clone()
			c.Del("RRULE")
			at := fmt.Sprintf("202601%02dT%02d0000Z", 1+i/24, i%24)
			if i/24 >= 30 {
				at = fmt.Sprintf("2026%02d%02dT%02d0000Z", 2+i/24/28%10, 1+i/24%28, i%24)
			}
			c.Set("RECURRENCE-ID", at)
			c.Set("DTSTART", at)
			c.SetText("SUMMARY", at)
			o.AddChild(c)
		}
		return o
	}
	for _, c := range []struct {
		what string
		make func(n int) *ical.Component
	}{{"people", people}, {"exceptions", exceptions}} {
		cost := func(n int) float64 {
			before := c.make(n)
			p := newWorld(t).party("anna")
			return testing.AllocsPerRun(1, func() {
				ch, err := p.Organize(nil, before)
				if err != nil {
					t.Fatal(err)
				}
				after := ch.Object.Clone()
				after.Child("VEVENT").Set("LOCATION", "Room")
				if ch, err = p.Organize(ch.Object, after); err != nil || len(ch.Messages) == 0 {
					t.Fatal(err)
				}
				to := newWorld(t).party("ben")
				r := to.Receive(nil, Message{Calendar: ch.Messages[0].Calendar})
				if c.what == "exceptions" {
					if r.Reason != Invited {
						t.Fatal(r.Reason, r.Detail)
					}
					if r = to.Receive(r.Object, Message{Calendar: ch.Messages[0].Calendar}); r.Reason != Unchanged {
						t.Fatal(r.Reason)
					}
				}
			})
		}
		small, large := cost(200), cost(2000)
		if large > 15*small {
			t.Errorf("%s: 200 cost %.0f allocations, 2000 cost %.0f", c.what, small, large)
		}
	}
}
