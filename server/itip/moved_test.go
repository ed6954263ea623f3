package itip

import (
	"slices"
	"testing"

	"factotum/server/ical"
)

// Whom the organizer took out of one instance, though he came in another's place,
// does not come back when the series is moved by a program that gives no
// condition.
func TestAMovedSeriesKeepsWhoIsLeftOut(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.settle()
	w.attend("ben", w.change("ben", "", func(c *ical.Component) {
		a := attendee(c, sameAs(mail("ben")))
		a.SetParam("PARTSTAT", "DELEGATED")
		a.SetParam("DELEGATED-TO", mail("dora"))
		c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "DELEGATED-FROM", Values: []string{mail("ben")}}}, Value: mail("dora")})
	}))
	w.settle()
	w.organize("anna", w.change("anna", "20260303T100000Z", func(c *ical.Component) {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("dora"))(p.Value) })
	}))
	w.settle()
	next := w.copies["anna"].Clone()
	for _, c := range next.Children {
		for _, name := range []string{"DTSTART", "DTEND", "RECURRENCE-ID"} {
			if p := c.Prop(name); p != nil {
				d, _ := p.DateTime()
				d.Min = 30
				p.SetDateTime(d)
			}
		}
	}
	p := w.party("anna")
	p.Stale = true
	ch, err := p.Organize(w.copies["anna"], next)
	if err != nil {
		t.Fatal(err)
	}
	w.wrote("anna", ch)
	if got, want := w.answers("anna", "20260303T103000Z"), "ben=NEEDS-ACTION carl=NEEDS-ACTION"; got != want {
		t.Errorf("%q are invited to the instance, want %q", got, want)
	}
}
