package itip

import (
	"fmt"
	"slices"
	"testing"

	"factotum/server/ical"
)

// A copy of a message that comes when newer ones were here changes nothing,
// whatever they were about: an instance before the series that has no exception
// for it any more, the series before an instance, the end of all before an
// invitation to one.
func TestAMessageThatComesAgain(t *testing.T) {
	series := []string{"DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"}
	summary := func(c *ical.Component) { c.SetText("SUMMARY", "b") }
	for name, test := range map[string]func(w *world) (old Message){
		"an instance, after the series": func(w *world) Message {
			w.organize("anna", w.change("anna", "20260303T100000Z", summary))
			old := w.queue[0]
			w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T101500Z", "DTEND:20260302T111500Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
			return old
		},
		"the series, after an instance": func(w *world) Message {
			w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.SetText("LOCATION", "Room") }))
			old := w.queue[0]
			w.organize("anna", w.change("anna", "20260303T100000Z", summary))
			return old
		},
		"the end of all, after an invitation to an instance": func(w *world) Message {
			ben := sameAs(mail("ben"))
			w.organize("anna", w.change("anna", "", func(c *ical.Component) {
				c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && ben(p.Value) })
			}))
			old := w.queue[0]
			w.organize("anna", w.change("anna", "20260303T100000Z", func(c *ical.Component) { c.Add(ical.Property{Name: "ATTENDEE", Value: mail("ben")}) }))
			return old
		},
	} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben"}, series...))
		w.settle()
		old := test(w)
		w.settle()
		want := w.instances("ben")
		w.queue = append(w.queue, old)
		w.settle()
		equal(t, name, w.instances("ben"), want)
		invited := func(c *ical.Component) bool { return attendee(c, sameAs(mail("ben"))) != nil }
		equal(t, name+", as the organizer has it", want, shown(t, w.copies["anna"], invited))
	}
}

// An answer for a series that its organizer makes longer meanwhile counts no more
// for the series, but for the exceptions that stay as they were and still ask.
func TestALateAnswerForTheSeriesReachesItsExceptions(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	reply := w.queue
	w.queue = nil
	w.organize("anna", w.change("anna", "20260303T100000Z", func(c *ical.Component) { c.SetText("SUMMARY", "b") }))
	w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.Set("RRULE", "FREQ=DAILY;COUNT=4") }))
	w.queue = append(reply, w.queue...)
	w.settle()
	for _, id := range []string{"anna", "ben"} {
		for rid, want := range map[string]string{"": "ben=NEEDS-ACTION carl=NEEDS-ACTION", "20260303T100000Z": "ben=ACCEPTED carl=NEEDS-ACTION"} {
			if got := w.answers(id, rid); got != want {
				t.Errorf("%s has %q of %q, want %q", id, got, rid, want)
			}
		}
	}
}

// An answer to an invitation that was taken back is none to a later one.
func TestAnAnswerToAnEarlierInvitation(t *testing.T) {
	for name, rule := range map[string]string{"one": "X-A:1", "a series": "RRULE:FREQ=DAILY;COUNT=3"} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", rule, "SUMMARY:a"))
		w.settle()
		both := w.copies["anna"].Clone()
		w.attend("ben", w.change("ben", "", w.partstat("ben", "DECLINED")))
		reply := w.queue
		w.queue = nil
		w.organize("anna", w.change("anna", "", func(c *ical.Component) {
			c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("ben"))(p.Value) })
		}))
		w.organize("anna", both)
		w.queue = append(reply, w.queue...)
		w.settle()
		for _, id := range []string{"anna", "ben"} {
			if got, want := w.answers(id, ""), "ben=NEEDS-ACTION carl=NEEDS-ACTION"; got != want {
				t.Errorf("%s: %s has %q, want %q", name, id, got, want)
			}
		}
	}
}

// Nor is an answer to a series one to an instance of it to which somebody was
// invited anew.
func TestAnAnswerToAnEarlierInvitationToAnInstance(t *testing.T) {
	const rid = "20260303T100000Z"
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "DECLINED")))
	reply := w.queue
	w.queue = nil
	w.organize("anna", w.change("anna", rid, func(c *ical.Component) {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("ben"))(p.Value) })
	}))
	w.organize("anna", w.change("anna", rid, func(c *ical.Component) { c.Add(ical.Property{Name: "ATTENDEE", Value: mail("ben")}) }))
	w.queue = append(reply, w.queue...)
	w.settle()
	for _, id := range []string{"anna", "ben"} {
		for rid, want := range map[string]string{"": "ben=DECLINED carl=NEEDS-ACTION", rid: "carl=NEEDS-ACTION ben=NEEDS-ACTION"} {
			if got := w.answers(id, rid); got != want {
				t.Errorf("%s has %q of %q, want %q", id, got, rid, want)
			}
		}
	}
}

// Nor is one that he gave to the series when it was without that instance for him.
// Others need not answer again, and what they say meanwhile counts.
func TestAnAnswerToTheSeriesWithoutAnInstance(t *testing.T) {
	const rid = "20260303T100000Z"
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl", "dora"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.settle()
	w.attend("carl", w.change("carl", "", w.partstat("carl", "ACCEPTED")))
	w.settle()
	w.organize("anna", w.change("anna", rid, func(c *ical.Component) {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("ben"))(p.Value) })
	}))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "DECLINED")))
	w.attend("dora", w.change("dora", "", w.partstat("dora", "TENTATIVE")))
	replies := w.queue
	w.queue = nil
	w.organize("anna", w.change("anna", rid, func(c *ical.Component) { c.Add(ical.Property{Name: "ATTENDEE", Value: mail("ben")}) }))
	w.queue = append(replies, w.queue...)
	w.settle()
	check := func(series, one string) {
		t.Helper()
		for _, id := range []string{"anna", "ben", "carl", "dora"} {
			for rid, want := range map[string]string{"": series, rid: one} {
				if got := w.answers(id, rid); got != want {
					t.Errorf("%s has %q of %q, want %q", id, got, rid, want)
				}
			}
		}
	}
	check("ben=DECLINED carl=ACCEPTED dora=TENTATIVE", "carl=ACCEPTED dora=TENTATIVE ben=NEEDS-ACTION")
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	w.attend("carl", w.change("carl", "", w.partstat("carl", "DECLINED")))
	w.settle()
	check("ben=ACCEPTED carl=DECLINED dora=TENTATIVE", "carl=DECLINED dora=TENTATIVE ben=ACCEPTED")
}

// Who has learned only that an instance is off, of a series that moved too, has
// answered to the old times; and what the same change invites him to he has not
// answered.
func TestAnAnswerBetweenACancelAndItsRequest(t *testing.T) {
	const second, third = "20260303T100000Z", "20260304T100000Z"
	for name, test := range map[string]struct {
		change func(w *world) *ical.Component
		want   map[string]string
	}{
		"moved": {func(w *world) *ical.Component {
			return meet(t, []string{"ben"}, "DTSTART:20260302T101500Z", "DTEND:20260302T111500Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a", "SEQUENCE:9")
		}, map[string]string{"": "ben=NEEDS-ACTION"}},
		"invited": {func(w *world) *ical.Component {
			w.copies["x"] = w.change("anna", second, func(c *ical.Component) { c.Set("STATUS", "CANCELLED") })
			defer delete(w.copies, "x")
			return w.change("x", third, func(c *ical.Component) { c.Add(ical.Property{Name: "ATTENDEE", Value: mail("ben")}) })
		}, map[string]string{"": "ben=DECLINED", third: "ben=NEEDS-ACTION"}},
	} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
		w.organize("anna", w.change("anna", second, func(c *ical.Component) { c.SetText("SUMMARY", "b") }))
		w.organize("anna", w.change("anna", third, func(c *ical.Component) {
			c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("ben"))(p.Value) })
		}))
		w.settle()
		w.organize("anna", test.change(w))
		if w.queue[0].Method != Cancel {
			t.Fatalf("%s: %s", name, say(w.queue[0]))
		}
		w.next(false)
		w.attend("ben", w.change("ben", "", w.partstat("ben", "DECLINED")))
		slices.Reverse(w.queue)
		w.settle()
		for _, id := range []string{"anna", "ben"} {
			for rid, want := range test.want {
				if got := w.answers(id, rid); got != want {
					t.Errorf("%s: %s has %q of %q, want %q", name, id, got, rid, want)
				}
			}
		}
	}
}

// A CANCEL of an instance is no newer than the series that remains, whatever
// SEQUENCE a program gives the instance: the next change of the series is heard.
func TestACancelOfAnInstanceOfAHighSequence(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.settle()
	w.organize("anna", w.change("anna", "20260303T100000Z", func(c *ical.Component) {
		c.Set("STATUS", "CANCELLED")
		c.Set("SEQUENCE", "9")
	}))
	next := w.change("anna", "", func(c *ical.Component) { c.Set("RRULE", "FREQ=DAILY;COUNT=4") })
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	w.settle()
	if got := w.answers("anna", ""); got != "ben=ACCEPTED" {
		t.Errorf("anna has %q", got)
	}
	w.organize("anna", next)
	w.settle()
	equal(t, "ben", w.instances("ben"), []string{"0302T1000 a", "0304T1000 a", "0305T1000 a"})
}

// A program that writes what it read before an attendee sent somebody else in his
// place, to one instance or to all, invites that one no less than before.
func TestALateWriteKeepsWhoWasSent(t *testing.T) {
	for _, rid := range []string{"", "20260303T100000Z"} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
		w.settle()
		next := w.change("anna", "", func(c *ical.Component) { c.SetText("SUMMARY", "b") })
		w.attend("ben", w.change("ben", rid, func(c *ical.Component) {
			a := attendee(c, sameAs(mail("ben")))
			a.SetParam("PARTSTAT", "DELEGATED")
			a.SetParam("DELEGATED-TO", mail("dora"))
			c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "DELEGATED-FROM", Values: []string{mail("ben")}}}, Value: mail("dora")})
		}))
		w.settle()
		p := w.party("anna")
		p.Stale = true
		ch, err := p.Organize(w.copies["anna"], next)
		if err != nil {
			t.Fatal(err)
		}
		w.wrote("anna", ch)
		w.settle()
		for _, id := range []string{"anna", "ben", "dora"} {
			if got, want := w.answers(id, rid), "ben=DELEGATED carl=NEEDS-ACTION dora=NEEDS-ACTION"; got != want {
				t.Errorf("%q: %s has %q, want %q", rid, id, got, want)
			}
		}
		comps := w.copies["anna"].Children
		if a := attendee(comps[len(comps)-1], sameAs(mail("ben"))); a.Param("DELEGATED-TO") != mail("dora") {
			t.Errorf("%q: %s", rid, a.Params)
		}
		equal(t, "dora", w.instances("dora"), map[string][]string{"": {"0302T1000 b", "0303T1000 b", "0304T1000 b"}, "20260303T100000Z": {"0303T1000 b"}}[rid])
	}
}

// Whoever answers for a series, and then for an exception of it whose SEQUENCE is
// lower, is heard the second time too.
func TestAnAnswerToAnExceptionOfALowerSequence(t *testing.T) {
	w := newWorld(t)
	const rid = "20260303T100000Z"
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.organize("anna", w.change("anna", rid, func(c *ical.Component) { c.SetText("SUMMARY", "b") }))
	w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.Set("RRULE", "FREQ=DAILY;COUNT=4") }))
	w.settle()
	for _, said := range []string{"ACCEPTED", "DECLINED"} {
		what := ""
		if said == "DECLINED" {
			what = rid
		}
		w.attend("ben", w.change("ben", what, w.partstat("ben", said)))
		w.settle()
		for _, id := range []string{"anna", "ben"} {
			if got, want := w.answers(id, rid), "ben="+said+" carl=NEEDS-ACTION"; got != want {
				t.Errorf("%s has %q, want %q", id, got, want)
			}
		}
	}
}

// Of two answers for a series that both came too late for it the second counts for
// its exceptions, but for one that was answered by itself.
func TestTwoLateAnswersForTheSeries(t *testing.T) {
	const second, third = "20260303T100000Z", "20260304T100000Z"
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.settle()
	w.attend("ben", w.change("ben", third, w.partstat("ben", "TENTATIVE")))
	w.settle()
	for _, said := range []string{"ACCEPTED", "DECLINED"} {
		w.attend("ben", w.change("ben", "", w.partstat("ben", said)))
	}
	replies := w.queue
	w.queue = nil
	w.organize("anna", w.change("anna", second, func(c *ical.Component) { c.SetText("SUMMARY", "b") }))
	w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.Set("RRULE", "FREQ=DAILY;COUNT=4") }))
	w.queue = append(replies, w.queue...)
	w.settle()
	for _, id := range []string{"anna", "ben"} {
		for rid, said := range map[string]string{"": "NEEDS-ACTION", second: "DECLINED", third: "TENTATIVE"} {
			if got, want := w.answers(id, rid), "ben="+said+" carl=NEEDS-ACTION"; got != want {
				t.Errorf("%s has %q of %q, want %q", id, got, rid, want)
			}
		}
	}
}

// The organizer may ask for an exception once more, also for one whose SEQUENCE is
// lower than that of the series which was answered, or which it was left out of.
func TestAnExceptionOfALowerSequenceIsAskedFor(t *testing.T) {
	const rid = "20260303T100000Z"
	for name, answers := range map[string]func(w *world) *ical.Component{
		"answered": func(w *world) *ical.Component { return w.change("ben", "", w.partstat("ben", "ACCEPTED")) },
		"left out": func(w *world) *ical.Component {
			next := w.change("ben", "", func(c *ical.Component) { c.Set("EXDATE", rid) })
			next.Children = slices.DeleteFunc(next.Children, func(c *ical.Component) bool { return c.Value("RECURRENCE-ID") == rid })
			return next
		},
	} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
		w.organize("anna", w.change("anna", rid, func(c *ical.Component) { c.SetText("SUMMARY", "b") }))
		w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.Set("RRULE", "FREQ=DAILY;COUNT=4") }))
		w.settle()
		w.attend("ben", answers(w))
		w.settle()
		if got := w.answers("anna", rid); got == "ben=NEEDS-ACTION" {
			t.Errorf("%s: anna has %q", name, got)
		}
		w.organize("anna", w.change("anna", rid, func(c *ical.Component) {
			w.partstat("ben", "NEEDS-ACTION")(c)
			attendee(c, sameAs(mail("ben"))).SetParam(forceParam, "REQUEST")
		}))
		w.settle()
		for _, id := range []string{"anna", "ben"} {
			if got := w.answers(id, rid); got != "ben=NEEDS-ACTION" {
				t.Errorf("%s: %s has %q", name, id, got)
			}
			equal(t, name+": "+id, w.instances(id), []string{"0302T1000 a", "0303T1000 b", "0304T1000 a", "0305T1000 a"})
		}
	}
}

// Of an answer that came too late for a part of what it is about the receipt says
// for which.
func TestAnAnswerThatCountsInPart(t *testing.T) {
	const rid = "20260303T100000Z"
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.organize("anna", w.change("anna", rid, func(c *ical.Component) { c.SetText("SUMMARY", "b") }))
	w.settle()
	both := w.change("ben", rid, w.partstat("ben", "ACCEPTED"))
	w.partstat("ben", "ACCEPTED")(both.Child("VEVENT"))
	w.attend("ben", both)
	w.organize("anna", w.change("anna", rid, func(c *ical.Component) { c.Set("DTSTART", "20260303T103000Z") }))
	w.next(false)
	if got, want := fmt.Sprintf("%s %q", w.last.Reason, w.last.Detail), `answered "Not for 20260303T100000Z: A newer message was here first."`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What the organizer's exceptions are raised by when another is called off nobody
// is told of: who answers for the series and then for one of them is heard still.
func TestAnAnswerToAnExceptionThatWasRaised(t *testing.T) {
	const rid = "20260303T100000Z"
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.organize("anna", w.change("anna", rid, func(c *ical.Component) { c.SetText("SUMMARY", "b") }))
	w.settle()
	w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.Set("EXDATE", "20260304T100000Z") }))
	w.queue = slices.DeleteFunc(w.queue, func(m Message) bool { return m.Method != Cancel }) // its copy of the series comes later
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "TENTATIVE")))
	w.attend("ben", w.change("ben", rid, w.partstat("ben", "ACCEPTED")))
	w.settle()
	for _, id := range []string{"anna", "ben"} {
		if got := w.answers(id, "") + " " + w.answers(id, rid); got != "ben=TENTATIVE ben=ACCEPTED" {
			t.Errorf("%s has %q", id, got)
		}
	}
}

// Whoever sends somebody else than he said first tells the organizer that too.
func TestAnotherOneIsSent(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "SUMMARY:a"))
	w.settle()
	for _, to := range []string{"dora", "emil", "emil"} {
		w.attend("ben", w.change("ben", "", func(c *ical.Component) {
			a := attendee(c, sameAs(mail("ben")))
			a.SetParam("PARTSTAT", "DELEGATED")
			a.SetParam("DELEGATED-TO", mail(to))
			if attendee(c, sameAs(mail(to))) == nil {
				c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "DELEGATED-FROM", Values: []string{mail("ben")}}}, Value: mail(to)})
			}
		}))
	}
	if n := len(w.queue); n != 2 {
		t.Errorf("%d replies", n)
	}
	w.settle()
	if got, want := attendee(w.copies["anna"].Child("VEVENT"), sameAs(mail("ben"))).Param("DELEGATED-TO"), mail("emil"); got != want {
		t.Errorf("ben sends %s", got)
	}
	equal(t, "emil", w.instances("emil"), []string{"0302T1000 a"})
}

// Whom an attendee sends, and the organizer takes off the list, does not come back
// by an answer that crosses that.
func TestADeputyWhoWasTakenOut(t *testing.T) {
	for name, rule := range map[string]string{"one": "X-A:1", "a series": "RRULE:FREQ=DAILY;COUNT=3"} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", rule, "SUMMARY:a"))
		w.settle()
		w.attend("ben", w.change("ben", "", func(c *ical.Component) {
			a := attendee(c, sameAs(mail("ben")))
			a.SetParam("PARTSTAT", "DELEGATED")
			a.SetParam("DELEGATED-TO", mail("dora"))
			c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "DELEGATED-FROM", Values: []string{mail("ben")}}}, Value: mail("dora")})
		}))
		w.settle()
		w.attend("dora", w.change("dora", "", w.partstat("dora", "TENTATIVE")))
		reply := w.queue
		w.queue = nil
		w.organize("anna", w.change("anna", "", func(c *ical.Component) {
			c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("dora"))(p.Value) })
		}))
		w.queue = append(reply, w.queue...)
		w.next(false)
		if w.last.Reason != NotInvited {
			t.Errorf("%s: the answer is %s", name, w.last.Reason)
		}
		w.settle()
		for _, id := range []string{"anna", "ben"} {
			if got := w.answers(id, ""); got != "ben=DELEGATED" {
				t.Errorf("%s: %s has %q", name, id, got)
			}
		}
		equal(t, name+": dora", w.instances("dora"), nil)
	}
}
