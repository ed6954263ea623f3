package itip

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// The stories of RFC 5546 §4, and of RFC 6638, told by section.

var weekly = []string{"DTSTART:20260305T090000Z", "DTEND:20260305T100000Z", "RRULE:FREQ=WEEKLY;COUNT=4", "SUMMARY:Jour fixe"}

func TestRFC5546_4_2_1_AGroupEventRequest(t *testing.T) {
	w := newWorld(t)
	equal(t, "sent", w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260305T090000Z", "DURATION:PT1H", "SUMMARY:Conference")),
		[]string{"REQUEST anna>ben all", "REQUEST anna>carl all"})
	equal(t, "became", w.settle(), []string{"REQUEST anna>ben all: invited", "REQUEST anna>carl all: invited"})
	equal(t, "ben has", w.instances("ben"), []string{"0305T0900 Conference"})
	if a := attendee(w.copies["anna"].Child("VEVENT"), sameAs(mail("ben"))); a.Param("SCHEDULE-STATUS") != "1.0" {
		t.Errorf("the organizer's copy says of ben %v, want SCHEDULE-STATUS 1.0", a.Params)
	}
}

func TestRFC5546_4_2_2_ReplyToARequest(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260305T090000Z", "DURATION:PT1H", "SUMMARY:Conference"))
	w.settle()
	equal(t, "sent", w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED"))), []string{"REPLY ben>anna all=ACCEPTED"})
	equal(t, "became", w.settle(), []string{
		"REPLY ben>anna all=ACCEPTED: answered",
		"REQUEST anna>ben all (answers): unchanged",
		"REQUEST anna>carl all (answers): answers-updated",
	})
	for _, id := range []string{"anna", "ben", "carl"} {
		if got := w.answers(id, ""); got != "ben=ACCEPTED carl=NEEDS-ACTION" {
			t.Errorf("%s has %s", id, got)
		}
	}
	if a := attendee(w.copies["anna"].Child("VEVENT"), sameAs(mail("ben"))); a.Param("SCHEDULE-STATUS") != "2.0" {
		t.Errorf("SCHEDULE-STATUS is %q", a.Param("SCHEDULE-STATUS"))
	}
}

func TestRFC5546_4_2_3_UpdateAnEvent(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260305T090000Z", "DURATION:PT1H", "SUMMARY:Conference"))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	w.settle()
	equal(t, "sent", w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.Set("DTSTART", "20260305T110000Z") })),
		[]string{"REQUEST anna>ben all", "REQUEST anna>carl all"})
	w.settle()
	equal(t, "ben has", w.instances("ben"), []string{"0305T1100 Conference"})
	if got := w.answers("ben", ""); got != "ben=NEEDS-ACTION carl=NEEDS-ACTION" {
		t.Errorf("who answered for another time is asked anew: %s", got)
	}
	if got := w.copies["ben"].Child("VEVENT").Value("SEQUENCE"); got != "1" {
		t.Errorf("SEQUENCE %q, want 1", got)
	}
}

// What places the meeting in time is asked anew, what describes it is not.
func TestRFC6638_3_2_8_WhatIsAskedAnew(t *testing.T) {
	for _, c := range []struct {
		what  string
		lines []string
		f     func(c *ical.Component)
		asked bool
	}{
		{"the start", weekly, func(c *ical.Component) { c.Set("DTSTART", "20260305T080000Z") }, true},
		{"the end", weekly, func(c *ical.Component) { c.Set("DTEND", "20260305T103000Z") }, true},
		{"the end, as a length that is the same", weekly, func(c *ical.Component) { c.Del("DTEND"); c.Set("DURATION", "PT1H") }, false},
		{"the zone, with the same hours", []string{"DTSTART;TZID=Europe/Berlin:20260305T090000", "SUMMARY:x"}, func(c *ical.Component) {
			c.SetDateTime("DTSTART", ical.DateTime{Year: 2026, Month: 3, Day: 5, Hour: 9, Kind: ical.Zoned, TZID: "Europe/Rome"})
		}, false},
		{"a longer series", weekly, func(c *ical.Component) { c.Set("RRULE", "FREQ=WEEKLY;COUNT=5") }, true},
		{"a shorter series", weekly, func(c *ical.Component) { c.Set("RRULE", "FREQ=WEEKLY;COUNT=3") }, false},
		{"the same series by its end", weekly, func(c *ical.Component) { c.Set("RRULE", "FREQ=WEEKLY;UNTIL=20260326T090000Z") }, false},
		{"a further date", weekly, func(c *ical.Component) { c.Set("RDATE", "20260306T090000Z") }, true},
		{"an exception", weekly, func(c *ical.Component) { c.Set("EXDATE", "20260312T090000Z") }, false},
		{"an exception less", append(slices.Clone(weekly), "EXDATE:20260312T090000Z"), func(c *ical.Component) { c.Del("EXDATE") }, true},
		{"the summary", weekly, func(c *ical.Component) { c.Set("SUMMARY", "y") }, false},
		{"the place", weekly, func(c *ical.Component) { c.Set("LOCATION", "y") }, false},
		{"a raised SEQUENCE alone", weekly, func(c *ical.Component) { c.Set("SEQUENCE", "7") }, false},
		{"an alarm", weekly, func(c *ical.Component) { c.AddChild(ical.New("VALARM")) }, false},
	} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben"}, c.lines...))
		w.settle()
		w.attend("ben", w.change("ben", "", w.partstat("ben", "TENTATIVE")))
		w.settle()
		w.organize("anna", w.change("anna", "", c.f))
		w.settle()
		want := "ben=TENTATIVE"
		if c.asked {
			want = "ben=NEEDS-ACTION"
		}
		for _, id := range []string{"anna", "ben"} {
			if got := w.answers(id, ""); got != want {
				t.Errorf("%s: %s has %s, want %s", c.what, id, got, want)
			}
		}
	}
}

// An organizer's program that forgets to raise SEQUENCE, or sets it back, does
// not make a revision that nobody takes for one.
func TestRFC5546_2_1_4_Sequence(t *testing.T) {
	for _, c := range []struct {
		before, wrote, want string
		moves               bool
	}{
		{"", "", "1", true},
		{"3", "3", "4", true},
		{"3", "", "4", true},
		{"3", "0", "4", true},
		{"3", "9", "9", true},
		{"3", "2", "3", false},
		{"3", "rubbish", "3", false},
		{"", "", "", false},
	} {
		lines := []string{"DTSTART:20260305T090000Z", "SUMMARY:x"}
		if c.before != "" {
			lines = append(lines, "SEQUENCE:"+c.before)
		}
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben"}, lines...))
		w.organize("anna", w.change("anna", "", func(k *ical.Component) {
			k.Del("SEQUENCE")
			if c.wrote != "" {
				k.Set("SEQUENCE", c.wrote)
			}
			if c.moves {
				k.Set("DTSTART", "20260306T090000Z")
			}
		}))
		if got := w.copies["anna"].Child("VEVENT").Value("SEQUENCE"); got != c.want {
			t.Errorf("%q, written as %q, moves %v: SEQUENCE %q, want %q", c.before, c.wrote, c.moves, got, c.want)
		}
	}
}

func TestRFC5546_4_2_5_DelegateAnEvent(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260305T090000Z", "SUMMARY:Conference"))
	w.settle()
	send := w.change("ben", "", func(c *ical.Component) {
		a := attendee(c, sameAs(mail("ben")))
		a.SetParam("PARTSTAT", "DELEGATED")
		a.SetParam("DELEGATED-TO", mail("dora"))
		c.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "DELEGATED-FROM", Values: []string{mail("ben")}}}, Value: mail("dora")})
	})
	p := w.party("ben")
	p.Forwards = true
	ch, err := p.Attend(w.copies["ben"], send, true)
	if err != nil || len(ch.Messages) != 2 || say(ch.Messages[1]) != "REQUEST ben>dora all" {
		t.Fatalf("to an organizer elsewhere: %v %v", err, ch.Messages)
	}
	if r := w.party("dora").Receive(nil, Message{Calendar: ch.Messages[1].Calendar, From: mail("ben")}); r.Reason != Invited {
		t.Errorf("by who sends her: %v", r.Reason)
	}
	if r := w.party("dora").Receive(nil, Message{Calendar: ch.Messages[1].Calendar, From: mail("carl")}); r.Reason != NotOrganizer {
		t.Errorf("by somebody else: %v", r.Reason)
	}
	equal(t, "sent", w.attend("ben", send), []string{"REPLY ben>anna all=DELEGATED"})
	equal(t, "became", w.settle(), []string{
		"REPLY ben>anna all=DELEGATED: delegated",
		"REQUEST anna>ben all (answers): answers-updated",
		"REQUEST anna>carl all (answers): answers-updated",
		"REQUEST anna>dora all: invited",
	})
	equal(t, "the delegate answers", w.attend("dora", w.change("dora", "", w.partstat("dora", "ACCEPTED"))), []string{"REPLY dora>anna all=ACCEPTED"})
	w.settle()
	for _, id := range []string{"anna", "ben", "carl", "dora"} {
		if got := w.answers(id, ""); got != "ben=DELEGATED carl=NEEDS-ACTION dora=ACCEPTED" {
			t.Errorf("%s has %s", id, got)
		}
	}
}

func TestRFC5546_4_2_9_CancelAGroupEvent(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260305T090000Z", "SUMMARY:Conference"))
	w.settle()
	equal(t, "sent", w.organize("anna", nil), []string{"CANCEL anna>ben all", "CANCEL anna>carl all"})
	w.settle()
	if got := w.instances("ben"); len(got) > 0 || w.copies["ben"].Child("VEVENT").Value("STATUS") != "CANCELLED" {
		t.Errorf("ben has %q\n%s", got, text(w.copies["ben"]))
	}
	equal(t, "who deletes what is off declines nothing", w.attend("ben", nil), nil)
}

func TestRFC5546_4_2_10_RemovingAttendees(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260305T090000Z", "SUMMARY:Conference"))
	w.settle()
	equal(t, "sent", w.organize("anna", w.change("anna", "", func(c *ical.Component) {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("ben"))(p.Value) })
	})), []string{"CANCEL anna>ben all", "REQUEST anna>carl all"})
	w.settle()
	if got := w.answers("carl", ""); got != "carl=NEEDS-ACTION" {
		t.Errorf("carl has %s", got)
	}
	equal(t, "invited again", w.organize("anna", w.change("anna", "", func(c *ical.Component) {
		c.Add(ical.Property{Name: "ATTENDEE", Value: mail("ben")})
	})), []string{"REQUEST anna>carl all", "REQUEST anna>ben all"})
	w.settle()
	equal(t, "ben has", w.instances("ben"), []string{"0305T0900 Conference"})
}

func TestRFC5546_4_4_1_RecurringEventSpanningTimeZones(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, "DTSTART;TZID=America/Los_Angeles:20260305T133000", "DTEND;TZID=America/Los_Angeles:20260305T143000",
		"RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:IETF Calendaring Working Group Meeting"))
	w.settle()
	equal(t, "ben has", w.instances("ben"), w.instances("anna"))
}

func TestRFC5546_4_4_2_ModifyARecurringInstance(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	w.settle()
	equal(t, "sent", w.organize("anna", w.change("anna", "20260312T090000Z", func(c *ical.Component) {
		c.Set("DTSTART", "20260312T140000Z")
		c.Set("DTEND", "20260312T150000Z")
	})), []string{"REQUEST anna>ben 20260312T090000Z"})
	w.settle()
	equal(t, "ben has", w.instances("ben"), []string{"0305T0900 Jour fixe", "0312T1400 Jour fixe", "0319T0900 Jour fixe", "0326T0900 Jour fixe"})
	if got := w.answers("ben", "20260312T090000Z"); got != "ben=NEEDS-ACTION" {
		t.Errorf("of the instance that was moved: %s", got)
	}
	if got := w.answers("ben", ""); got != "ben=ACCEPTED" {
		t.Errorf("of the series: %s", got)
	}
}

func TestRFC5546_4_4_3_CancelAnInstance(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	w.settle()
	equal(t, "sent", w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.Set("EXDATE", "20260312T090000Z") })),
		[]string{"CANCEL anna>ben 20260312T090000Z", "REQUEST anna>ben all (told)"})
	w.settle()
	equal(t, "ben has", w.instances("ben"), []string{"0305T0900 Jour fixe", "0319T0900 Jour fixe", "0326T0900 Jour fixe"})
	if got := w.answers("ben", ""); got != "ben=ACCEPTED" {
		t.Errorf("ben is asked again: %s", got)
	}
}

func TestRFC5546_4_4_4_CancelRecurringEvent(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.organize("anna", nil)
	w.settle()
	if got := w.instances("ben"); len(got) > 0 {
		t.Errorf("ben has %q", got)
	}
}

func TestRFC5546_4_4_5_ChangeAllFutureInstances(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	msg := object(t, "VEVENT", append([]string{"RECURRENCE-ID;RANGE=THISANDFUTURE:20260319T090000Z", "DTSTART:20260319T120000Z", "DTEND:20260319T130000Z", "SUMMARY:Later", "SEQUENCE:1"}, invitees("ben")...)...)
	msg.Set("METHOD", "REQUEST")
	r := w.party("ben").Receive(w.copies["ben"], Message{Calendar: msg, From: mail("anna")})
	if r.Reason != Updated {
		t.Fatal(r.Reason, r.Detail)
	}
	w.copies["ben"] = r.Object
	equal(t, "ben has", w.instances("ben"), []string{"0305T0900 Jour fixe", "0312T0900 Jour fixe", "0319T1200 Later", "0326T1200 Later"})
	msg = object(t, "VEVENT", append([]string{"RECURRENCE-ID;RANGE=THISANDFUTURE:20260312T090000Z", "SEQUENCE:2", "STATUS:CANCELLED"}, invitees("ben")...)...)
	msg.Set("METHOD", "CANCEL")
	r = w.party("ben").Receive(w.copies["ben"], Message{Calendar: msg, From: mail("anna")})
	if r.Reason != Cancelled {
		t.Fatal(r.Reason, r.Detail)
	}
	w.copies["ben"] = r.Object
	equal(t, "ben has then", w.instances("ben"), []string{"0305T0900 Jour fixe"})
}

func TestRFC5546_4_4_6_AddANewInstance(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	msg := object(t, "VEVENT", append([]string{"DTSTART:20260307T090000Z", "DTEND:20260307T110000Z", "SUMMARY:One more", "SEQUENCE:4"}, invitees("ben")...)...)
	msg.Set("METHOD", "ADD")
	for i, want := range []Reason{Updated, OlderRevision} {
		if i == 1 {
			msg.Child("VEVENT").Set("SEQUENCE", "3")
		}
		r := w.party("ben").Receive(w.copies["ben"], Message{Calendar: msg, From: mail("anna")})
		if r.Reason != want {
			t.Fatal(r.Reason, r.Detail)
		}
		if r.Changed {
			w.copies["ben"] = r.Object
		}
	}
	equal(t, "ben has", w.instances("ben"), []string{"0305T0900 Jour fixe", "0307T0900 One more", "0312T0900 Jour fixe", "0319T0900 Jour fixe", "0326T0900 Jour fixe"})
	if r := w.party("carl").Receive(nil, Message{Calendar: msg}); r.Reason != UnknownMeeting {
		t.Errorf("an ADD to what is not there: %v", r.Reason)
	}
}

func TestRFC5546_4_4_8_Counter(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	msg := w.copies["ben"].Clone()
	msg.Set("METHOD", "COUNTER")
	msg.Child("VEVENT").Set("DTSTART", "20260305T130000Z")
	if r := w.party("anna").Receive(w.copies["anna"], Message{Calendar: msg, From: mail("ben")}); r.Reason != Proposed || r.Changed {
		t.Errorf("%v, changed %v", r.Reason, r.Changed)
	}
	msg.Set("METHOD", "DECLINECOUNTER")
	if r := w.party("ben").Receive(w.copies["ben"], Message{Calendar: msg, From: mail("anna")}); r.Reason != ProposalDeclined || r.Changed {
		t.Errorf("%v, changed %v", r.Reason, r.Changed)
	}
}

func TestRFC5546_4_6_2_Refresh(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	msg := object(t, "VEVENT", "ATTENDEE:"+mail("ben"), "ORGANIZER:"+mail("anna"))
	msg.Set("METHOD", "REFRESH")
	r := w.party("anna").Receive(w.copies["anna"], Message{Calendar: msg, From: mail("ben")})
	if r.Reason != Resent || r.Message == nil || say(*r.Message) != "REQUEST anna>ben all" {
		t.Fatalf("%v %v", r.Reason, r.Message)
	}
	msg.Child("VEVENT").Set("ATTENDEE", mail("emil"))
	if r := w.party("anna").Receive(w.copies["anna"], Message{Calendar: msg, From: mail("emil")}); r.Reason != NotInvited || r.Message != nil {
		t.Errorf("a stranger asks: %v", r.Reason)
	}
}

// A reply that says nothing but what went wrong leaves the answer that was given.
func TestRFC5546_4_4_10_ErrorReply(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	w.settle()
	msg := object(t, "VEVENT", "ATTENDEE:"+mail("ben"), "ORGANIZER:"+mail("anna"), "REQUEST-STATUS:3.0;Invalid Property Name;FOO")
	msg.Set("METHOD", "REPLY")
	msg.Child("VEVENT").Set("DTSTAMP", "20290101T000000Z")
	r := w.party("anna").Receive(w.copies["anna"], Message{Calendar: msg, From: mail("ben")})
	if r.Reason != Answered || len(r.Answers) != 1 || r.Answers[0].Was != r.Answers[0].Is {
		t.Fatalf("%v, %+v", r.Reason, r.Answers)
	}
	if a := attendee(r.Object.Child("VEVENT"), sameAs(mail("ben"))); a.Param("PARTSTAT") != "ACCEPTED" || a.Param("SCHEDULE-STATUS") != "3.0" {
		t.Errorf("the organizer has %v", a.Params)
	}
}

// How far an attendee is with a task is told, as often as it changes.
func TestRFC5546_4_5_4_PercentComplete(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", object(t, "VTODO", append([]string{"DTSTART:20260305T090000Z", "DUE:20260306T090000Z", "SUMMARY:x"}, invitees("ben")...)...))
	w.settle()
	for _, percent := range []string{"25", "75", "75"} {
		next := w.copies["ben"].Clone()
		next.Child("VTODO").Set("PERCENT-COMPLETE", percent)
		w.partstat("ben", "IN-PROCESS")(next.Child("VTODO"))
		want := []string{"REPLY ben>anna all=IN-PROCESS"}
		if w.copies["ben"].Child("VTODO").Value("PERCENT-COMPLETE") == percent {
			want = nil
		}
		equal(t, "sent at "+percent, w.attend("ben", next), want)
		w.settle()
		if got := w.copies["anna"].Child("VTODO").Value("PERCENT-COMPLETE"); got != percent {
			t.Errorf("the organizer has %s, want %s", got, percent)
		}
	}
}

// Of several attendees each tells of his own part of a task; what that is of the whole
// the organizer says, but for the one who alone is left to do it.
func TestRFC5546_4_5_6_PartsOfATask(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", object(t, "VTODO", append([]string{"DTSTART:20260305T090000Z", "DUE:20260306T090000Z", "SUMMARY:x", "PERCENT-COMPLETE:10"}, invitees("ben", "carl")...)...))
	w.settle()
	answer := func(who, partstat, percent string, more ...string) {
		next := w.copies[who].Clone()
		next.Child("VTODO").Set("PERCENT-COMPLETE", percent)
		for i := 0; i < len(more); i += 2 {
			next.Child("VTODO").Set(more[i], more[i+1])
		}
		w.partstat(who, partstat)(next.Child("VTODO"))
		w.attend(who, next)
		w.settle()
	}
	for _, c := range []struct{ who, partstat, percent, whole string }{
		{"ben", "IN-PROCESS", "75", "10"},
		{"ben", "COMPLETED", "100", "10"},
		{"carl", "IN-PROCESS", "5", "10"},
		{"ben", "DECLINED", "100", "10"},
		{"carl", "IN-PROCESS", "30", "30"},
	} {
		answer(c.who, c.partstat, c.percent, "COMPLETED", "20260305T100000Z")
		task := w.copies["anna"].Child("VTODO")
		if got := task.Value("PERCENT-COMPLETE"); got != c.whole || task.Prop("COMPLETED") != nil {
			t.Errorf("%s is %s with %s: the organizer has %s, want %s", c.who, c.partstat, c.percent, got, c.whole)
		}
		if a := attendee(task, sameAs(mail(c.who))); a.Param("PARTSTAT") != c.partstat {
			t.Errorf("%s is %s to the organizer, not %s", c.who, a.Param("PARTSTAT"), c.partstat)
		}
	}
}

// RFC 6638 §3.2.6: who is invited to one instance sees that one; who is left out
// of one sees the others.
func TestRFC6638_3_2_6_InstancesOfEach(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	equal(t, "one more for one", w.organize("anna", w.change("anna", "20260312T090000Z", func(c *ical.Component) {
		c.Add(ical.Property{Name: "ATTENDEE", Value: mail("carl")})
	})), []string{"REQUEST anna>ben 20260312T090000Z", "REQUEST anna>carl 20260312T090000Z"})
	w.settle()
	equal(t, "carl has", w.instances("carl"), []string{"0312T0900 Jour fixe"})
	if strings.Contains(text(w.copies["carl"]), "RRULE") {
		t.Errorf("carl sees the series\n%s", text(w.copies["carl"]))
	}
	equal(t, "one less for one", w.organize("anna", w.change("anna", "20260319T090000Z", func(c *ical.Component) {
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("ben"))(p.Value) })
	})), []string{"CANCEL anna>ben 20260319T090000Z", "REQUEST anna>ben all 20260312T090000Z (told)"})
	w.settle()
	equal(t, "ben has", w.instances("ben"), []string{"0305T0900 Jour fixe", "0312T0900 Jour fixe", "0326T0900 Jour fixe"})
	equal(t, "nobody is told of what he does not see", w.organize("anna", w.change("anna", "20260319T090000Z", func(c *ical.Component) { c.Set("SUMMARY", "Alone") })), nil)
}

// RFC 6638 §3.2.2.3: to leave an instance out is to decline it.
func TestRFC6638_3_2_2_3_LeaveOut(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	w.settle()
	equal(t, "sent", w.attend("ben", w.change("ben", "", func(c *ical.Component) { c.Set("EXDATE", "20260312T090000Z") })),
		[]string{"REPLY ben>anna 20260312T090000Z=DECLINED"})
	w.settle()
	if got := w.answers("anna", "20260312T090000Z"); got != "ben=DECLINED" {
		t.Errorf("anna has %s", got)
	}
	w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.Set("LOCATION", "Room 2") }))
	w.settle()
	equal(t, "it stays out", w.instances("ben"), []string{"0305T0900 Jour fixe", "0319T0900 Jour fixe", "0326T0900 Jour fixe"})
}

// RFC 6638 §3.2.2.1: what an attendee may change, and what he may not.
func TestRFC6638_3_2_2_1_AllowedChanges(t *testing.T) {
	at := func(f func(c *ical.Component)) func(c *ical.Component) { return f }
	for _, c := range []struct {
		what   string
		f      func(c *ical.Component)
		sent   int
		denied bool
		kept   bool // in the copy
	}{
		{"his answer", at(func(c *ical.Component) { attendee(c, sameAs(mail("ben"))).SetParam("PARTSTAT", "TENTATIVE") }), 1, false, true},
		{"TRANSP", at(func(c *ical.Component) { c.Set("TRANSP", "TRANSPARENT") }), 0, false, true},
		{"an alarm", at(func(c *ical.Component) { c.AddChild(ical.New("VALARM")) }), 0, false, true},
		{"categories", at(func(c *ical.Component) { c.Set("CATEGORIES", "Work") }), 0, false, true},
		{"a private class", at(func(c *ical.Component) { c.Set("CLASS", "PRIVATE") }), 0, false, true},
		{"X- properties", at(func(c *ical.Component) { c.Set("X-APPLE-TRAVEL", "1") }), 0, false, true},
		{"blanks in the text", at(func(c *ical.Component) { c.SetText("SUMMARY", "Jour  fixe ") }), 0, false, false},
		{"CN of others", at(func(c *ical.Component) { attendee(c, sameAs(mail("carl"))).SetParam("CN", "C") }), 0, false, false},
		{"the answer of another", at(func(c *ical.Component) { attendee(c, sameAs(mail("carl"))).SetParam("PARTSTAT", "DECLINED") }), 0, false, false},
		{"SEQUENCE", at(func(c *ical.Component) { c.Set("SEQUENCE", "9") }), 0, false, false},
		{"the start", at(func(c *ical.Component) { c.Set("DTSTART", "20260305T080000Z") }), 0, true, false},
		{"the end", at(func(c *ical.Component) { c.Set("DTEND", "20260305T110000Z") }), 0, true, false},
		{"the rule", at(func(c *ical.Component) { c.Set("RRULE", "FREQ=WEEKLY;COUNT=5") }), 0, true, false},
		{"the end of the series", at(func(c *ical.Component) { c.Set("RRULE", "FREQ=WEEKLY;COUNT=3") }), 0, true, false},
		{"the summary", at(func(c *ical.Component) { c.Set("SUMMARY", "Other") }), 0, true, false},
		{"the place", at(func(c *ical.Component) { c.Set("LOCATION", "Mars") }), 0, true, false},
		{"the organizer", at(func(c *ical.Component) { c.Set("ORGANIZER", mail("carl")) }), 0, true, false},
		{"a guest of his own", at(func(c *ical.Component) { c.Add(ical.Property{Name: "ATTENDEE", Value: mail("emil")}) }), 0, true, false},
		{"himself off the list", at(func(c *ical.Component) {
			c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "ATTENDEE" && sameAs(mail("ben"))(p.Value) })
		}), 0, true, false},
	} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben", "carl"}, weekly...))
		w.settle()
		next := w.change("ben", "", c.f)
		ch, err := w.party("ben").Attend(w.copies["ben"], next, true)
		if c.denied {
			if calendar.KindOf(err) != calendar.NotOrganizer {
				t.Errorf("%s: %v, want an error of kind NotOrganizer", c.what, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.what, err)
			continue
		}
		if len(ch.Messages) != c.sent {
			t.Errorf("%s: %d messages, want %d", c.what, len(ch.Messages), c.sent)
		}
		before, after := public(w.copies["ben"].Child("VEVENT")), public(ch.Object.Child("VEVENT"))
		before.Children, after.Children = w.copies["ben"].Child("VEVENT").Children, ch.Object.Child("VEVENT").Children
		if kept := !ical.Equal(before, after); kept != c.kept {
			t.Errorf("%s: kept %v, want %v\n%s", c.what, kept, c.kept, ical.Diff(before, after))
		}
	}
}

// What is an attendee's own survives every update.
func TestOwnThingsStay(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, append(slices.Clone(weekly), "CATEGORIES:Anna's", "X-HER-OWN:1", "COLOR:red")...))
	w.settle()
	w.attend("ben", w.change("ben", "", func(c *ical.Component) {
		w.partstat("ben", "ACCEPTED")(c)
		c.Set("TRANSP", "TRANSPARENT")
		c.Set("CATEGORIES", "Mine")
		c.Set("COLOR", "blue")
		c.Set("CLASS", "PRIVATE")
		c.Set("X-MINE", "2")
		a := ical.New("VALARM")
		a.Set("TRIGGER", "-PT9M")
		c.AddChild(a)
	}))
	w.settle()
	for range 2 {
		w.organize("anna", w.change("anna", "", func(c *ical.Component) {
			c.Set("DTSTART", "20260305T080000Z")
			c.Set("SUMMARY", c.Value("SUMMARY")+"!")
			c.Set("X-HER-OWN", "3")
			a := ical.New("VALARM")
			a.Set("TRIGGER", "-PT1M")
			c.AddChild(a)
		}))
		w.settle()
	}
	got := w.copies["ben"].Child("VEVENT")
	for name, want := range map[string]string{"TRANSP": "TRANSPARENT", "CATEGORIES": "Mine", "COLOR": "blue", "CLASS": "PRIVATE", "X-MINE": "2", "X-HER-OWN": "3", "SUMMARY": "Jour fixe!!"} {
		if got.Value(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Value(name), want)
		}
	}
	if len(got.Children) != 1 || got.Children[0].Value("TRIGGER") != "-PT9M" {
		t.Errorf("alarms: %s", text(w.copies["ben"]))
	}
}

// Nothing of a message tells what is the organizer's own.
func TestNothingPrivateIsSent(t *testing.T) {
	w := newWorld(t)
	o := meet(t, []string{"ben"}, append(slices.Clone(weekly), "X-CALENDARSERVER-PRIVATE-COMMENT:secret", "X-MOZ-LASTACK:20260301T000000Z", "X-MOZ-SNOOZE-TIME-1:x")...)
	o.Child("VEVENT").AddChild(ical.New("VALARM"))
	a := attendee(o.Child("VEVENT"), sameAs(mail("ben")))
	for _, p := range []string{"SCHEDULE-AGENT", "X-NSCP-ATTENDEE-GSE-STATUS"} {
		a.SetParam(p, "SERVER")
	}
	ch, err := w.party("anna").Organize(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	got := text(ch.Messages[0].Calendar)
	for _, bad := range []string{"secret", "VALARM", "X-MOZ", "SCHEDULE-", "GSE"} {
		if strings.Contains(got, bad) {
			t.Errorf("the message says %s\n%s", bad, got)
		}
	}
}

// RFC 6638 §7.1: who is told by the server, by every pair of SCHEDULE-AGENTs.
func TestRFC6638_3_2_1_2_ScheduleAgents(t *testing.T) {
	table := map[[2]string]string{
		{"", "SERVER"}: "REQUEST", {"SERVER", ""}: "CANCEL",
		{"SERVER", "SERVER"}: "REQUEST", {"SERVER", "CLIENT"}: "CANCEL", {"SERVER", "NONE"}: "CANCEL",
		{"CLIENT", "SERVER"}: "REQUEST", {"NONE", "SERVER"}: "REQUEST",
	}
	states := []string{"", "SERVER", "CLIENT", "NONE"}
	with := func(agent, summary string) *ical.Component {
		c := meet(t, []string{"carl"}, "DTSTART:20260305T090000Z", "SUMMARY:"+summary)
		if agent != "" {
			c.Child("VEVENT").Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "SCHEDULE-AGENT", Values: []string{agent}}}, Value: mail("ben")})
		}
		return c
	}
	for _, from := range states {
		for _, to := range states {
			ch, err := newWorld(t).party("anna").Organize(with(from, "a"), with(to, "b"))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, m := range ch.Messages {
				if slices.ContainsFunc(m.To, sameAs(mail("ben"))) {
					got += string(m.Method)
				}
			}
			if want := table[[2]string{from, to}]; got != want {
				t.Errorf("%q to %q: %q, want %q", from, to, got, want)
			}
		}
	}
}

// RFC 6638 §7.2: a message is sent although nothing changed.
func TestRFC6638_7_2_ForceSend(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, weekly...))
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "DECLINED")))
	w.settle()
	equal(t, "sent", w.organize("anna", w.change("anna", "", func(c *ical.Component) {
		a := attendee(c, sameAs(mail("ben")))
		a.SetParam("SCHEDULE-FORCE-SEND", "REQUEST")
		a.SetParam("PARTSTAT", "NEEDS-ACTION")
	}))[:1], []string{"REQUEST anna>ben all"})
	if strings.Contains(text(w.copies["anna"]), "FORCE-SEND") {
		t.Error("SCHEDULE-FORCE-SEND is still there")
	}
	w.settle()
	if got := w.answers("ben", ""); !strings.HasPrefix(got, "ben=NEEDS-ACTION") {
		t.Errorf("he is not asked again: %s", got)
	}
	equal(t, "forced reply", w.attend("ben", w.change("ben", "", func(c *ical.Component) { c.Prop("ORGANIZER").SetParam("SCHEDULE-FORCE-SEND", "REPLY") })),
		[]string{"REPLY ben>anna all=NEEDS-ACTION"})
}

// What arrives in the wrong order, from the wrong person, or for the wrong
// meeting changes nothing, and says why.
func TestReceiveRefuses(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, append(slices.Clone(weekly), "SEQUENCE:2")...))
	w.settle()
	msg := func(method string, lines ...string) *ical.Component {
		c := object(t, "VEVENT", lines...)
		c.Set("METHOD", method)
		return c
	}
	org, ben := "ORGANIZER:"+mail("anna"), "ATTENDEE;PARTSTAT=ACCEPTED:"+mail("ben")
	for _, c := range []struct {
		what string
		to   string
		msg  *ical.Component
		from string
		want Reason
	}{
		{"a request to somebody else", "carl", msg("REQUEST", org, ben, "DTSTART:20260305T090000Z"), mail("anna"), NotAddressed},
		{"a request by a third person", "ben", msg("REQUEST", org, ben, "DTSTART:20260305T090000Z", "SEQUENCE:3"), mail("carl"), NotOrganizer},
		{"a request of another organizer", "ben", msg("REQUEST", "ORGANIZER:"+mail("carl"), ben, "DTSTART:20260305T090000Z", "SEQUENCE:3"), mail("carl"), NotOrganizer},
		{"a request to the organizer", "anna", msg("REQUEST", org, ben, "DTSTART:20260305T090000Z"), mail("anna"), NotOrganizer},
		{"a request without organizer", "ben", msg("REQUEST", ben, "DTSTART:20260305T090000Z"), "", Unreadable},
		{"an older request", "ben", msg("REQUEST", org, ben, "DTSTART:20260305T090000Z", "SEQUENCE:1"), mail("anna"), OlderRevision},
		{"a cancel by a third person", "ben", msg("CANCEL", org, ben, "SEQUENCE:3"), mail("carl"), NotOrganizer},
		{"a cancel of another organizer", "ben", msg("CANCEL", "ORGANIZER:"+mail("carl"), ben, "SEQUENCE:3"), mail("carl"), NotOrganizer},
		{"an older cancel", "ben", msg("CANCEL", org, ben, "SEQUENCE:1"), mail("anna"), OlderRevision},
		{"a cancel before its request", "carl", msg("CANCEL", org, ben, "SEQUENCE:3"), mail("anna"), UnknownMeeting},
		{"a cancel of an instance that is not there", "ben", msg("CANCEL", org, ben, "RECURRENCE-ID:20260306T090000Z", "SEQUENCE:3"), mail("anna"), Unchanged},
		{"a reply by a stranger", "anna", msg("REPLY", org, "ATTENDEE;PARTSTAT=ACCEPTED:"+mail("emil"), "SEQUENCE:2"), mail("emil"), NotInvited},
		{"a reply in the name of another", "anna", msg("REPLY", org, ben, "SEQUENCE:2"), mail("carl"), NotInvited},
		{"a reply without attendee", "anna", msg("REPLY", org, "SEQUENCE:2"), mail("ben"), NotInvited},
		{"a reply to who does not organize", "ben", msg("REPLY", org, ben, "SEQUENCE:2"), mail("ben"), NotOrganizer},
		{"a reply to nothing", "carl", msg("REPLY", org, ben, "SEQUENCE:2"), mail("ben"), UnknownMeeting},
		{"a reply for an instance that is not there", "anna", msg("REPLY", org, ben, "RECURRENCE-ID:20260306T090000Z"), mail("ben"), UnknownInstance},
		{"no method", "ben", object(t, "VEVENT", org, ben, "DTSTART:20260305T090000Z"), mail("anna"), Unreadable},
	} {
		before := text(w.copies[c.to])
		r := w.party(c.to).Receive(w.copies[c.to], Message{Calendar: c.msg, From: c.from})
		if r.Reason != c.want || r.Changed || text(w.copies[c.to]) != before {
			t.Errorf("%s: %v (%s), changed %v; want %v", c.what, r.Reason, r.Detail, r.Changed, c.want)
		}
	}
}

// Replies as other programs write them: RECURRENCE-ID as a moment in another
// zone, addresses by an alias and in capitals, no SEQUENCE, an older DTSTAMP.
func TestRepliesAsTheyAreWritten(t *testing.T) {
	for _, c := range []struct {
		what, series, reply, rid, want string
		reason                         Reason
	}{
		{"UTC for a zone", "DTSTART;TZID=Europe/Berlin:20260305T090000", "RECURRENCE-ID:20260312T080000Z", "20260312T080000Z", "ben=DECLINED", Answered},
		{"another zone", "DTSTART:20260305T090000Z", "RECURRENCE-ID;TZID=America/New_York:20260312T050000", "20260312T090000Z", "ben=DECLINED", Answered},
		{"midnight for a date", "DTSTART;VALUE=DATE:20260305", "RECURRENCE-ID:20260312T000000Z", "20260312", "ben=DECLINED", Answered},
		{"a date for a time", "DTSTART:20260305T090000Z", "RECURRENCE-ID;VALUE=DATE:20260312", "20260312T090000Z", "ben=DECLINED", Answered},
		{"no SEQUENCE", "DTSTART:20260305T090000Z\nSEQUENCE:4", "X-A:1", "", "ben=DECLINED", Answered},
		{"a low SEQUENCE, the time unchanged", "DTSTART:20260305T090000Z\nSEQUENCE:4", "SEQUENCE:1", "", "ben=DECLINED", Answered},
	} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben"}, c.series, "RRULE:FREQ=WEEKLY;COUNT=3", "SUMMARY:x"))
		for _, by := range []string{"mailto:ben@example.com", "MAILTO:Ben@EXAMPLE.com"} {
			msg := object(t, "VEVENT", c.reply, "ATTENDEE;PARTSTAT=declined:"+by, "STATUS:CANCELLED", "SUMMARY:Declined: x", "DTSTART:20300101T000000Z")
			msg.Set("METHOD", "REPLY")
			r := w.party("anna").Receive(w.copies["anna"], Message{Calendar: msg, From: by})
			if r.Reason != c.reason {
				t.Errorf("%s: %v, want %v", c.what, r.Reason, c.reason)
				continue
			}
			next := newWorld(t)
			next.copies["anna"] = r.Object
			if got := next.answers("anna", c.rid); got != c.want {
				t.Errorf("%s: anna has %s, want %s", c.what, got, c.want)
			}
			if got := text(r.Object); strings.Contains(got, "CANCELLED") || strings.Contains(got, "Declined:") || strings.Contains(got, "2030") {
				t.Errorf("%s: more than the answer was taken\n%s", c.what, got)
			}
		}
	}
}

// Replies that overtake each other: the later one counts. RFC 5546 §2.1.5.
func TestRFC5546_2_1_5_RepliesOutOfOrder(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, weekly...))
	at := func(partstat, stamp string) Message {
		m := object(t, "VEVENT", "ATTENDEE;PARTSTAT="+partstat+":"+mail("ben"), "SEQUENCE:0")
		m.Child("VEVENT").Set("DTSTAMP", stamp)
		m.Set("METHOD", "REPLY")
		return Message{Calendar: m, From: mail("ben")}
	}
	late, early := at("DECLINED", "20260301T100000Z"), at("ACCEPTED", "20260301T090000Z")
	for _, c := range []struct {
		m    Message
		want Reason
	}{{late, Answered}, {early, OlderRevision}, {late, Unchanged}} {
		r := w.party("anna").Receive(w.copies["anna"], c.m)
		if r.Reason != c.want {
			t.Fatalf("%v, want %v", r.Reason, c.want)
		}
		if r.Changed {
			w.copies["anna"] = r.Object
		}
	}
	if got := w.answers("anna", ""); got != "ben=DECLINED" {
		t.Error(got)
	}
}

// An organizer who writes an old copy loses no answer. RFC 6638 §3.2.10.
func TestRFC6638_3_2_10_MergesAnswers(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, weekly...))
	old := w.copies["anna"].Clone()
	w.settle()
	w.attend("ben", w.change("ben", "", w.partstat("ben", "ACCEPTED")))
	w.attend("carl", w.change("carl", "20260312T090000Z", w.partstat("carl", "DECLINED")))
	w.settle()
	old.Child("VEVENT").Set("LOCATION", "Room")
	p := w.party("anna")
	p.Stale = true
	ch, err := p.Organize(w.copies["anna"], old)
	if err != nil {
		t.Fatal(err)
	}
	w.copies["anna"] = ch.Object
	if got := w.answers("anna", ""); got != "ben=ACCEPTED carl=NEEDS-ACTION" {
		t.Errorf("of the series: %s", got)
	}
	if got := w.answers("anna", "20260312T090000Z"); !strings.Contains(got, "carl=DECLINED") {
		t.Errorf("of the instance: %s", got)
	}
	if c := w.copies["anna"]; len(c.Children) != 2 || c.Children[1].Value("LOCATION") != "Room" {
		t.Errorf("the exception says what the series says\n%s", text(c))
	}
}

// An organizer cannot answer for others.
func TestRFC6638_3_2_1_AnswersAreTheirs(t *testing.T) {
	w := newWorld(t)
	o := meet(t, []string{"ben"}, weekly...)
	attendee(o.Child("VEVENT"), sameAs(mail("ben"))).SetParam("PARTSTAT", "ACCEPTED")
	w.organize("anna", o)
	w.settle()
	for _, id := range []string{"anna", "ben"} {
		if got := w.answers(id, ""); got != "ben=NEEDS-ACTION" {
			t.Errorf("%s has %s", id, got)
		}
	}
}

// The codes and sentences of reasons are there, and different.
func TestReasons(t *testing.T) {
	seen := map[string]bool{}
	for r := Invited; r < numReasons; r++ {
		if r.String() == "" || r.Sentence() == "" || seen[r.String()] || !strings.HasSuffix(r.Sentence(), ".") {
			t.Errorf("reason %d: %q %q", r, r.String(), r.Sentence())
		}
		seen[r.String()] = true
	}
}

// What an invitation of a hundred people costs before it is stored.
func BenchmarkOrganize(b *testing.B) {
	with := make([]string, 100)
	for i := range with {
		with[i] = "p" + strconv.Itoa(i)
	}
	o := meet(b, with, weekly...)
	p := newWorld(b).party("anna")
	for b.Loop() {
		if _, err := p.Organize(nil, o); err != nil {
			b.Fatal(err)
		}
	}
}

// TestTheOrganizerKeepsHisAddress: what he writes by another address of his own
// goes out under the one by which he has invited.
func TestTheOrganizerKeepsHisAddress(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260305T090000Z", "DURATION:PT1H", "SUMMARY:Conference"))
	w.settle()
	next := w.copies["anna"].Clone()
	ev := next.Child("VEVENT")
	ev.Set("SUMMARY", "Conference of all")
	ev.Prop("ORGANIZER").Value = "mailto:a@alias.example.com"
	equal(t, "sent", w.organize("anna", next), []string{"REQUEST anna>ben all"})
	equal(t, "became", w.settle(), []string{"REQUEST anna>ben all: updated"})
	equal(t, "the address", []string{w.copies["ben"].Child("VEVENT").Prop("ORGANIZER").Value}, []string{mail("anna")})
}
