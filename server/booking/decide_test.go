package booking

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

var (
	now  = time.Date(2026, 9, 1, 8, 0, 0, 0, time.UTC)
	room = calendar.Person{ID: "room1", Kind: calendar.Room, Mails: []string{"room1@example.com"}, Owner: "carla", CoOwners: []calendar.UserID{"dora"}}
	anna = Booker{Person: calendar.Person{ID: "anna", Domain: "example.com", Mails: []string{"anna@example.com"}, Groups: []string{"staff", "staff@example.com"}}, Address: "mailto:anna@example.com"}
)

const me = "ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION:mailto:room1@example.com"

// parse makes an object of components; each is a list of lines.
func parse(t testing.TB, events ...[]string) *ical.Component {
	t.Helper()
	var b strings.Builder
	b.WriteString("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\n")
	for _, lines := range events {
		b.WriteString("BEGIN:VEVENT\r\nUID:m1\r\nDTSTAMP:20260901T080000Z\r\nORGANIZER:mailto:anna@example.com\r\n")
		for _, l := range lines {
			b.WriteString(l + "\r\n")
		}
		b.WriteString("END:VEVENT\r\n")
	}
	b.WriteString("END:VCALENDAR\r\n")
	cal, err := ical.Parse([]byte(b.String()), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return cal
}

func at(s string) time.Time {
	at, err := time.Parse("20060102T1504", s)
	if err != nil {
		panic(err)
	}
	return at
}

func span(from, to string) Span { return Span{at(from).Unix(), at(to).Unix()} }

// say spells a decision: each component's answer, then the exceptions.
func say(d Decision) string {
	var out []string
	tell := func(o Outcome) string {
		s := o.PartStat + " " + o.Reason.String()
		if !o.Holds && o.PartStat == "NEEDS-ACTION" {
			s += " free"
		}
		return s
	}
	for _, a := range d.Answers {
		name := "series"
		if rid := a.Of.Prop("RECURRENCE-ID"); rid != nil {
			name = rid.Value
		}
		out = append(out, name+": "+tell(a.Outcome))
	}
	for _, e := range d.Exceptions {
		out = append(out, "but "+e.Instance.RecurrenceID.String()+": "+tell(e.Outcome))
	}
	return strings.Join(out, "\n")
}

func TestDecide(t *testing.T) {
	auto := Policy{AutoAccept: true, NoDoubles: true}
	with := func(change func(p *Policy)) Policy {
		p := auto
		change(&p)
		return p
	}
	single := []string{"DTSTART:20260902T090000Z", "DTEND:20260902T100000Z", me}
	weekly := []string{"DTSTART:20260902T090000Z", "DTEND:20260902T100000Z", "RRULE:FREQ=WEEKLY;COUNT=4", me}
	accepted := []string{"DTSTART:20260902T090000Z", "DTEND:20260902T100000Z", strings.Replace(me, "ATTENDEE", "ATTENDEE;PARTSTAT=ACCEPTED", 1)}
	taken := []Span{span("20260909T0930", "20260909T1030")}
	for _, c := range []struct {
		name   string
		policy Policy
		now    [][]string
		before [][]string
		by     Booker
		busy   []Span
		closed []Span
		want   string
	}{
		{name: "free", policy: auto, now: [][]string{single}, busy: taken, want: "series: ACCEPTED room-free"},
		{name: "taken", policy: auto, now: [][]string{single}, busy: []Span{span("20260902T0959", "20260902T1200")}, want: "series: DECLINED double-booked"},
		{name: "one ends as the other begins", policy: auto, now: [][]string{single},
			busy: []Span{span("20260902T0800", "20260902T0900"), span("20260902T1000", "20260902T1100")}, want: "series: ACCEPTED room-free"},
		{name: "a moment takes no time", policy: auto, now: [][]string{{"DTSTART:20260902T093000Z", me}},
			busy: []Span{span("20260902T0900", "20260902T1000")}, want: "series: ACCEPTED room-free"},
		{name: "what others have for a moment neither", policy: auto, now: [][]string{single},
			busy: []Span{span("20260902T0930", "20260902T0930")}, want: "series: ACCEPTED room-free"},
		{name: "transparent for its organizer", policy: auto, now: [][]string{append([]string{"TRANSP:TRANSPARENT"}, single...)},
			busy: []Span{span("20260902T0930", "20260902T1000")}, want: "series: DECLINED double-booked"},
		{name: "booked twice", policy: with(func(p *Policy) { p.NoDoubles = false }), now: [][]string{single},
			busy: []Span{span("20260902T0930", "20260902T1000")}, want: "series: ACCEPTED double-booking-allowed"},
		{name: "delegates", policy: with(func(p *Policy) { p.AutoAccept = false }), now: [][]string{single}, want: "series: NEEDS-ACTION left-to-delegates"},
		{name: "delegates are not asked for what cannot be", policy: with(func(p *Policy) { p.AutoAccept = false }), now: [][]string{single},
			busy: []Span{span("20260902T0930", "20260902T1000")}, want: "series: DECLINED double-booked"},
		{name: "out of hours", policy: auto, now: [][]string{single}, closed: []Span{span("20260902T0000", "20260902T0930")}, want: "series: DECLINED outside-hours"},
		{name: "within hours", policy: auto, now: [][]string{single}, closed: []Span{span("20260902T0000", "20260902T0900"), span("20260902T1000", "20260903T0000")},
			want: "series: ACCEPTED room-free"},
		{name: "out of hours, where time may be booked twice", policy: with(func(p *Policy) { p.NoDoubles = false }), now: [][]string{single},
			closed: []Span{span("20260902T0930", "20260902T0945")}, want: "series: DECLINED outside-hours"},
		{name: "a holiday in a series that may clash", policy: with(func(p *Policy) { p.Series = calendar.SeriesAccept }), now: [][]string{weekly}, closed: taken,
			want: "series: DECLINED outside-hours"},
		{name: "a holiday in a series, but for it", policy: with(func(p *Policy) { p.Series = calendar.SeriesExcept }), now: [][]string{weekly}, closed: taken,
			want: "series: ACCEPTED room-free\nbut 20260909T090000Z: DECLINED outside-hours"},
		{name: "what was accepted before the hours changed", policy: auto, now: [][]string{accepted}, before: [][]string{accepted}, closed: []Span{span("20260901T0000", "20260930T0000")},
			want: "series: ACCEPTED kept"},
		{name: "called off", policy: auto, now: [][]string{append([]string{"STATUS:CANCELLED"}, single...)}, want: ""},
		{name: "not invited to this one", policy: auto, now: [][]string{{"DTSTART:20260902T090000Z", "ATTENDEE:mailto:ben@example.com"}}, want: ""},

		{name: "series, declined as a whole", policy: auto, now: [][]string{weekly}, busy: taken, want: "series: DECLINED double-booked"},
		{name: "series, but for the clash", policy: with(func(p *Policy) { p.Series = calendar.SeriesExcept }), now: [][]string{weekly}, busy: taken,
			want: "series: ACCEPTED room-free\nbut 20260909T090000Z: DECLINED double-booked"},
		{name: "series, though it clashes", policy: with(func(p *Policy) { p.Series = calendar.SeriesAccept }), now: [][]string{weekly}, busy: taken,
			want: "series: ACCEPTED room-free"},
		{name: "series, owners are asked", policy: with(func(p *Policy) { p.Series = calendar.SeriesAsk }), now: [][]string{weekly}, busy: taken,
			want: "series: NEEDS-ACTION left-to-delegates free"},
		{name: "series of which nothing is free", policy: with(func(p *Policy) { p.Series = calendar.SeriesAsk }), now: [][]string{weekly},
			busy: []Span{span("20260901T0000", "20261001T0000")}, want: "series: DECLINED double-booked"},
		{name: "endless series, but for the clash", policy: with(func(p *Policy) { p.Series = calendar.SeriesExcept }),
			now: [][]string{{"DTSTART:20260902T090000Z", "DTEND:20260902T100000Z", "RRULE:FREQ=WEEKLY", me}}, busy: taken,
			want: "series: ACCEPTED room-free\nbut 20260909T090000Z: DECLINED double-booked"},
		{name: "an override goes with the series", policy: auto, now: [][]string{weekly,
			{"RECURRENCE-ID:20260916T090000Z", "DTSTART:20260916T150000Z", "DTEND:20260916T160000Z", me}},
			busy: []Span{span("20260916T1500", "20260916T1600")}, want: "series: DECLINED double-booked\n20260916T090000Z: DECLINED double-booked"},
		{name: "an override that clashes alone", policy: with(func(p *Policy) { p.Series = calendar.SeriesExcept }), now: [][]string{weekly,
			{"RECURRENCE-ID:20260916T090000Z", "DTSTART:20260916T150000Z", "DTEND:20260916T160000Z", me}},
			busy: []Span{span("20260916T1500", "20260916T1600")}, want: "series: ACCEPTED room-free\n20260916T090000Z: DECLINED double-booked"},
		{name: "an override that leaves the clash", policy: auto, now: [][]string{weekly,
			{"RECURRENCE-ID:20260909T090000Z", "DTSTART:20260909T150000Z", "DTEND:20260909T160000Z", me}},
			busy: taken, want: "series: ACCEPTED room-free\n20260909T090000Z: ACCEPTED room-free"},
		{name: "instances alone", policy: with(func(p *Policy) { p.Series = calendar.SeriesExcept }), now: [][]string{
			{"RECURRENCE-ID:20260909T090000Z", "DTSTART:20260909T090000Z", "DTEND:20260909T100000Z", me},
			{"RECURRENCE-ID:20260916T090000Z", "DTSTART:20260916T090000Z", "DTEND:20260916T100000Z", me}},
			busy: taken, want: "20260909T090000Z: DECLINED double-booked\n20260916T090000Z: ACCEPTED room-free"},

		{name: "too far ahead", policy: with(func(p *Policy) { p.Ahead = 24 * time.Hour }), now: [][]string{single}, want: "series: DECLINED too-far-ahead"},
		{name: "within the window", policy: with(func(p *Policy) { p.Ahead = 25 * time.Hour }), now: [][]string{single}, want: "series: ACCEPTED room-free"},
		{name: "a series that leaves the window", policy: with(func(p *Policy) { p.Ahead = 10 * 24 * time.Hour }), now: [][]string{weekly}, want: "series: DECLINED too-far-ahead"},
		{name: "an endless series within its window", policy: with(func(p *Policy) { p.Ahead, p.Series = 10*24*time.Hour, calendar.SeriesExcept }),
			now:  [][]string{{"DTSTART:20260902T090000Z", "DTEND:20260902T100000Z", "RRULE:FREQ=WEEKLY", me}},
			want: "series: DECLINED too-far-ahead\nbut 20260902T090000Z: ACCEPTED room-free\nbut 20260909T090000Z: ACCEPTED room-free"},
		{name: "too long", policy: with(func(p *Policy) { p.Longest = 59 * time.Minute }), now: [][]string{single}, want: "series: DECLINED too-long"},
		{name: "long enough", policy: with(func(p *Policy) { p.Longest = time.Hour }), now: [][]string{single}, want: "series: ACCEPTED room-free"},
		{name: "one instance is too long", policy: with(func(p *Policy) { p.Longest, p.Series = time.Hour, calendar.SeriesExcept }), now: [][]string{weekly,
			{"RECURRENCE-ID:20260909T090000Z", "DTSTART:20260909T090000Z", "DTEND:20260909T110000Z", me}},
			want: "series: ACCEPTED room-free\n20260909T090000Z: DECLINED too-long"},
		{name: "a series that clashes and is too long", policy: with(func(p *Policy) { p.Longest, p.Series = time.Hour, calendar.SeriesAccept }), now: [][]string{weekly,
			{"RECURRENCE-ID:20260916T090000Z", "DTSTART:20260916T090000Z", "DTEND:20260916T110000Z", me}}, busy: taken,
			want: "series: DECLINED double-booked\n20260916T090000Z: DECLINED double-booked"},
		{name: "every minute for ever", policy: auto, now: [][]string{{"DTSTART:20260902T090000Z", "DURATION:PT30S", "RRULE:FREQ=MINUTELY", me}},
			want: "series: DECLINED too-many-instances"},
		{name: "every minute for ever, where others do not count", policy: with(func(p *Policy) { p.NoDoubles = false }),
			now: [][]string{{"DTSTART:20260902T090000Z", "DURATION:PT30S", "RRULE:FREQ=MINUTELY", me}}, want: "series: ACCEPTED double-booking-allowed"},

		{name: "members of a group", policy: with(func(p *Policy) { p.Who = []string{"ben", "Staff"} }), now: [][]string{single}, want: "series: ACCEPTED room-free"},
		{name: "another domain", policy: with(func(p *Policy) { p.Who = []string{"@other.example"} }), now: [][]string{single}, want: "series: DECLINED may-not-book"},
		{name: "an address from outside", policy: with(func(p *Policy) { p.Who = []string{"@partner.example"} }), now: [][]string{single},
			by: Booker{Address: "MAILTO:Zoe@Partner.Example"}, want: "series: ACCEPTED room-free"},
		{name: "a domain that only looks alike", policy: with(func(p *Policy) { p.Who = []string{"@partner.example"} }), now: [][]string{single},
			by: Booker{Address: "mailto:zoe@notpartner.example"}, want: "series: DECLINED may-not-book"},
		{name: "everybody", policy: with(func(p *Policy) { p.Who = []string{"@"} }), now: [][]string{single}, by: Booker{Address: "mailto:x@y.example"}, want: "series: ACCEPTED room-free"},
		{name: "its owner", policy: with(func(p *Policy) { p.Who, p.Owners = []string{"ben"}, []calendar.UserID{"carla", "dora"} }), now: [][]string{single},
			by: Booker{Person: calendar.Person{ID: "Dora"}, Address: "mailto:dora@example.com"}, want: "series: ACCEPTED room-free"},

		{name: "room for two", policy: with(func(p *Policy) { p.Capacity = 2 }), now: [][]string{append([]string{
			"ATTENDEE:mailto:anna@example.com", "ATTENDEE:mailto:ben@example.com", "ATTENDEE;PARTSTAT=DECLINED:mailto:no@example.com",
			"ATTENDEE;ROLE=NON-PARTICIPANT:mailto:boss@example.com", "ATTENDEE;CUTYPE=RESOURCE:mailto:beamer@example.com", "ATTENDEE:mailto:BEN@example.com"}, single...)},
			want: "series: ACCEPTED room-free"},
		{name: "one too many", policy: with(func(p *Policy) { p.Capacity = 1 }), now: [][]string{append([]string{
			"ATTENDEE:mailto:anna@example.com", "ATTENDEE:mailto:ben@example.com"}, single...)}, want: "series: DECLINED too-many-people"},
		{name: "a group and its members", policy: with(func(p *Policy) { p.Capacity = 2 }), now: [][]string{append([]string{
			"ATTENDEE;CUTYPE=GROUP:mailto:staff@example.com", `ATTENDEE;MEMBER="mailto:staff@example.com":mailto:anna@example.com`,
			`ATTENDEE;MEMBER="mailto:staff@example.com":mailto:ben@example.com`}, single...)}, want: "series: ACCEPTED room-free"},

		{name: "what was accepted stays so", policy: with(func(p *Policy) { p.Longest = time.Minute }),
			before: [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1)}},
			now:    [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1), "SUMMARY:New title"}}, want: "series: ACCEPTED kept"},
		{name: "what an owner declined stays so", policy: auto,
			before: [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "DECLINED", 1)}},
			now:    [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "DECLINED", 1)}}, want: "series: DECLINED kept"},
		{name: "who sends an answer along has none", policy: auto, now: [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1)}},
			busy: []Span{span("20260902T0930", "20260902T1000")}, want: "series: DECLINED double-booked"},
		{name: "moved under an old answer", policy: auto,
			before: [][]string{{"DTSTART:20260902T070000Z", "DTEND:20260902T080000Z", strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1)}},
			now:    [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1)}},
			busy:   []Span{span("20260902T0930", "20260902T1000")}, want: "series: DECLINED double-booked"},
		{name: "a series made longer under an old answer", policy: with(func(p *Policy) { p.Series = calendar.SeriesExcept }),
			before: [][]string{{weekly[0], weekly[1], "RRULE:FREQ=WEEKLY;COUNT=2", strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1)}},
			now:    [][]string{{weekly[0], weekly[1], weekly[2], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1)}},
			busy:   []Span{span("20260916T0930", "20260916T1000")}, want: "series: ACCEPTED kept\nbut 20260916T090000Z: DECLINED double-booked"},
		{name: "more come than before", policy: with(func(p *Policy) { p.Capacity = 1 }),
			before: [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1), "ATTENDEE:mailto:a@example.com"}},
			now:    [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1), "ATTENDEE:mailto:a@example.com", "ATTENDEE:mailto:b@example.com"}},
			want:   "series: DECLINED too-many-people"},
		{name: "as many come as an owner took", policy: with(func(p *Policy) { p.Capacity = 1 }),
			before: [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1), "ATTENDEE:mailto:a@example.com", "ATTENDEE:mailto:b@example.com"}},
			now:    [][]string{{single[0], single[1], strings.Replace(me, "NEEDS-ACTION", "ACCEPTED", 1), "ATTENDEE:mailto:a@example.com", "ATTENDEE:mailto:c@example.com"}},
			want:   "series: ACCEPTED kept"},
	} {
		t.Run(c.name, func(t *testing.T) {
			by := c.by
			if by.Address == "" {
				by = anna
			}
			req := Request{Object: parse(t, c.now...), Room: room, By: by, Now: now}
			if c.before != nil {
				req.Before = parse(t, c.before...)
			}
			k, err := Open(c.policy, req)
			if err != nil {
				t.Fatal(err)
			}
			if got := say(k.Decide(c.busy, c.closed)); got != c.want {
				t.Errorf("decided\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// A room that organizes a meeting itself does not ask itself.
func TestOwnMeetingsAreNotDecided(t *testing.T) {
	cal := parse(t, []string{"DTSTART:20260902T090000Z", me})
	cal.Children[0].Prop("ORGANIZER").Value = "mailto:ROOM1@example.com"
	k, err := Open(Policy{AutoAccept: true, NoDoubles: true}, Request{Object: cal, Room: room, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if d := k.Decide(nil, nil); len(d.Answers) != 0 {
		t.Errorf("decided %s", say(d))
	}
}

func TestTasksAreNotDecided(t *testing.T) {
	cal := parse(t, []string{"DTSTART:20260902T090000Z", me})
	cal.Children[0].Name = "VTODO"
	k, err := Open(Policy{AutoAccept: true, NoDoubles: true}, Request{Object: cal, Room: room, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok := k.Range(); ok || len(k.Decide(nil, nil).Answers) != 0 {
		t.Error("a task was decided")
	}
}

// All-day events are those of the zone in which the resource is.
func TestAllDayInTheZoneOfTheResource(t *testing.T) {
	cal := parse(t, []string{"DTSTART;VALUE=DATE:20260902", me})
	for zone, want := range map[string]string{"": "series: ACCEPTED room-free", "+2": "series: DECLINED double-booked"} {
		req := Request{Object: cal, Room: room, By: anna, Now: now}
		if zone != "" {
			req.Floating = fixed(2 * time.Hour)
		}
		k, err := Open(Policy{AutoAccept: true, NoDoubles: true}, req)
		if err != nil {
			t.Fatal(err)
		}
		if got := say(k.Decide([]Span{span("20260901T2230", "20260901T2300")}, nil)); got != want {
			t.Errorf("zone %q: %s, want %s", zone, got, want)
		}
	}
}

type fixed time.Duration

func (z fixed) ToUTC(civil time.Time) time.Time { return civil.Add(-time.Duration(z)) }
func (z fixed) FromUTC(t time.Time) time.Time   { return t.Add(time.Duration(z)) }
func (z fixed) Name() string                    { return "fixed" }

// The codes are stored and documented: one that changes is another reason.
func TestReasonsNeverChange(t *testing.T) {
	want := "kept room-free double-booking-allowed clash-accepted left-to-delegates | double-booked too-far-ahead too-long too-many-people may-not-book too-many-instances too-many-clashes outside-hours"
	var good, bad []string
	for _, r := range Reasons() {
		if r.Declines() {
			bad = append(bad, r.String())
		} else {
			good = append(good, r.String())
		}
		if !strings.HasSuffix(r.Sentence(), ".") {
			t.Errorf("%s has no sentence", r)
		}
	}
	if got := strings.Join(good, " ") + " | " + strings.Join(bad, " "); got != want {
		t.Errorf("reasons %s\nwant    %s", got, want)
	}
}

// The hours of what is to be decided are asked for in pieces of a year.
func TestAskedInPieces(t *testing.T) {
	for rule, want := range map[string]int{"": 1, "RRULE:FREQ=WEEKLY;COUNT=4": 1, "RRULE:FREQ=WEEKLY;COUNT=157": 3, "RRULE:FREQ=YEARLY;COUNT=3": 2, "RRULE:FREQ=DAILY;COUNT=10000": 28} {
		k, err := Open(Policy{AutoAccept: true}, Request{Object: parse(t, []string{"DTSTART:20260902T090000Z", "DURATION:PT1H", rule, me}), Room: room, By: anna, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		asked := k.Asked()
		if len(asked) != want || asked[0].Start != at("20260902T0900").Unix() || asked[len(asked)-1].End != k.insts[len(k.insts)-1].End.Unix() {
			t.Errorf("%s: %d pieces", rule, len(asked))
		}
	}
}

// What a person is told has the figures of his case.
func TestSentencesHaveFigures(t *testing.T) {
	long := []string{"DTSTART:20260902T090000Z", "DTEND:20260902T120000Z", me, "ATTENDEE:mailto:a@example.com", "ATTENDEE:mailto:b@example.com"}
	for want, p := range map[string]Policy{
		"The time is taken already, on 2026-09-02 09:00 (UTC).": {NoDoubles: true},
		"It can be booked for 120 minutes at a time.":           {Booking: calendar.Booking{Longest: 2 * time.Hour}},
		"It can be booked until 2026-09-02 so far.":             {Booking: calendar.Booking{Ahead: 24 * time.Hour}},
		"2 people come, and there is room for 1.":               {Booking: calendar.Booking{Capacity: 1}},
		"Who organizes the meeting may not book the resource.":  {Booking: calendar.Booking{Who: []string{"ben"}}},
		"It may be booked more than once at a time.":            {AutoAccept: true},
		"The owners of the resource decide.":                    {},
	} {
		k, err := Open(p, Request{Object: parse(t, long), Room: room, By: anna, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		if got := k.Decide([]Span{span("20260902T1000", "20260902T1100")}, nil).Tally[0].Sentence; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
}

// So many instances that all would be overrides are not left out of a series.
func TestTooManyClashes(t *testing.T) {
	daily := []string{"DTSTART:20260902T090000Z", "DTEND:20260902T100000Z", "RRULE:FREQ=DAILY;COUNT=2000", me}
	var busy []Span
	for i := range maxExceptions + 1 {
		start := at("20260902T0930").AddDate(0, 0, 2*i)
		busy = append(busy, Span{start.Unix(), start.Add(time.Hour).Unix()})
	}
	p := Policy{AutoAccept: true, NoDoubles: true, Booking: calendar.Booking{Series: calendar.SeriesExcept}}
	k, err := Open(p, Request{Object: parse(t, daily), Room: room, By: anna, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	if d := k.Decide(busy[1:], nil); len(d.Exceptions) != maxExceptions || d.Answers[0].PartStat != "ACCEPTED" {
		t.Errorf("%s with %d exceptions, want ACCEPTED with %d", d.Answers[0].PartStat, len(d.Exceptions), maxExceptions)
	}
	d := k.Decide(busy, nil)
	if got, want := say(d), "series: DECLINED too-many-clashes"; got != want {
		t.Errorf("decided\n%s\nwant\n%s", got, want)
	}
	if got, want := fmt.Sprint(d.Tally[0].Reason, d.Tally[0].Instances), "too-many-clashes 2000"; got != want {
		t.Errorf("counted %s, want %s", got, want)
	}
}
