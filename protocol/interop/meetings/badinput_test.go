package meetings

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/observe/costtest"
	"factotum/server/why"
)

// TestBadInput: what may not change a meeting, does not, whichever protocol says
// it; where a message was sent, the journal of the one to whom it came says why.
func TestBadInput(t *testing.T) {
	for _, hosts := range []bool{false, true} {
		t.Run(map[bool]string{false: "one-process", true: "two-hosts"}[hosts], func(t *testing.T) {
			st := newStage(t, sitetest.Options{}, hosts)
			for i, s := range badInput {
				for _, protocol := range []string{"caldav", "wcap"} {
					t.Run(s.sections+"/"+protocol, func(t *testing.T) {
						s.tell(&play{TB: t, stage: st, mix: mix{protocol, protocol}, uid: fmt.Sprint("bad-", i, protocol)})
					})
				}
			}
		})
	}
}

// copies are what everybody's calendar shows of the story.
func (p *play) copies() map[string]string {
	p.Helper()
	out := map[string]string{}
	for _, who := range []string{a, b, c, d, e} {
		for _, one := range p.components(who) {
			out[who] += string(one.Bytes())
		}
	}
	return out
}

// changesNothing does something, after which all copies are what they were, but
// for those of some.
func (p *play) changesNothing(do func(), but ...string) {
	p.Helper()
	before := p.copies()
	do()
	after := p.copies()
	for _, who := range but {
		delete(before, who)
		delete(after, who)
	}
	if !maps.Equal(before, after) {
		p.Errorf("it was\n%v\nand is\n%v", before, after)
	}
}

// why checks that somebody's journal has a step of the story for a reason, in
// words too.
func (p *play) why(owner, reason string) {
	p.Helper()
	told, err := p.be.Why(p.Context(), p.people.Actor(owner), calendar.WhyRequest{Owner: calendar.Owner(owner), Query: calendar.TraceQuery{UID: p.uid}})
	if err != nil {
		p.Fatal(err)
	}
	for _, tr := range told.Traces {
		if tr.Reason == reason {
			if why.Of(&tr) == "" || tr.Step != calendar.TraceRefused && tr.Step != calendar.TraceIgnored && tr.Step != calendar.TraceFailed {
				p.Errorf("%s is told %q, %s", owner, why.Of(&tr), tr.Step)
			}
			return
		}
	}
	p.Errorf("%s's journal does not have %s: %+v", owner, reason, told.Traces)
}

// forge stores an object of the story's UID in somebody's own calendar, whatever
// anybody has sent him.
func (p *play) forge(who, organizer, partstat string, guests ...string) {
	p.Helper()
	if h, ok := p.hand(who).(*davHand); ok {
		lines := []string{"DTSTART:19970701T200000Z", "DURATION:PT1H", "SUMMARY:Forged", "ORGANIZER:" + mailto(organizer)}
		for _, g := range guests {
			lines = append(lines, "ATTENDEE;PARTSTAT="+partstat+":"+mailto(g))
		}
		_, err := h.send(who, "PUT", calendarOf(who)+p.uid+".ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"+component("VEVENT", p.uid, p.clock.Now(), lines...)+"END:VCALENDAR\r\n", 201)
		p.may(err)
		return
	}
	h := p.hand(who).(*wcapHand)
	q := "calid=" + who + "&uid=" + p.uid + "&dtstart=19970701T200000Z&duration=PT1H&summary=Forged"
	if organizer == who {
		_, err := h.ask(p, who, "storeevents", q+"&method=2&attendees="+strings.Join(guests, ";"))
		p.may(err)
		return
	}
	_, err := h.ask(p, who, "storeevents", q+"&method=256&orgEmail="+url.QueryEscape(mailto(organizer))+"&attendees=PARTSTAT=NEEDS-ACTION^"+who)
	p.may(err)
	_, err = h.ask(p, who, "storeevents", "calid="+who+"&uid="+p.uid+"&method=4&attendees=PARTSTAT="+partstat+"^"+who)
	p.may(err)
}

// lines stores a meeting whose attendees are spelled by whoever knows how.
func (p *play) lines(dav []string, wcap string) error {
	p.Helper()
	if h, ok := p.hand(a).(*davHand); ok {
		lines := append([]string{"DTSTART:19970701T200000Z", "DURATION:PT1H", "SUMMARY:Conference", "ORGANIZER:" + mailto(a)}, dav...)
		_, err := h.send(a, "PUT", calendarOf(a)+p.uid+".ics", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n"+component("VEVENT", p.uid, p.clock.Now(), lines...)+"END:VCALENDAR\r\n", 201)
		return err
	}
	body := "calid=anna&uid=" + p.uid + "&dtstart=19970701T200000Z&duration=PT1H&summary=Conference&method=2&attendees=" + wcap
	h := p.hand(a).(*wcapHand)
	r := httptest.NewRequest("POST", "/storeevents.wcap?id="+h.ids.Of(p, h.front, a), strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.front.ServeHTTP(w, r)
	if !strings.Contains(w.Body.String(), "X-NSCP-WCAP-ERRNO:0\r\n") {
		return fmt.Errorf("%.500s", w.Body)
	}
	return nil
}

// costs does something for no more than 250 ms of CPU and 64 MB.
func (p *play) costs(do func()) {
	p.Helper()
	runtime.GC() // what there was before is nothing of its
	if took, ok := costtest.Within(costtest.Cost{CPU: raceFactor * 250 * time.Millisecond, Memory: raceFactor * 64 << 20}, 1, do); !ok {
		p.Error(took)
	}
}

var badInput = []story{
	{"a REPLY from who is not invited", func(p *play) {
		p.request("VEVENT", conference, b)
		p.changesNothing(func() { p.forge(e, a, "ACCEPTED", e) }, e)
		p.why(a, "not-invited")
	}},
	{"a REQUEST that changes ORGANIZER", func(p *play) {
		p.request("VEVENT", conference, b, c)
		p.changesNothing(func() {
			p.mayNot("A gives it away", p.organizedBy(a, d))
			p.mayNot("B takes it", p.organizedBy(b, b))
			p.deliver("REQUEST", "VEVENT", d, b, "not-organizer", "ORGANIZER:"+mailto(d), "ATTENDEE:"+mailto(b), "DTSTART:19970701T200000Z", "SEQUENCE:9")
		})
	}},
	{"a CANCEL by a third person", func(p *play) {
		p.request("VEVENT", conference, b)
		p.changesNothing(func() {
			p.forge(e, e, "NEEDS-ACTION", b)
			p.may(p.hand(e).callOff(p, e, ""))
			p.may(p.hand(e).remove(p, e))
		}, e)
		p.why(b, "not-organizer")
	}},
	{"an older SEQUENCE", func(p *play) {
		p.request("VEVENT", conference, b)
		p.change("", fields{"DTSTART": "19970701T180000Z", "DTEND": "19970701T190000Z"})
		p.shows(b, "SEQUENCE", "1")
		p.change("", fields{"DTSTART": "19970701T160000Z", "DTEND": "19970701T170000Z", "SEQUENCE": "0"}) // a program that sets it back
		p.shows(b, "SEQUENCE", "2")
		p.instances(b, "0701T1600 Conference")
		p.changesNothing(func() {
			p.deliver("REQUEST", "VEVENT", a, b, "older-revision", organizerA, "ATTENDEE:"+mailto(b), "DTSTART:19970701T200000Z", "SEQUENCE:1")
			p.deliver("CANCEL", "VEVENT", a, b, "older-revision", organizerA, "ATTENDEE:"+mailto(b), "SEQUENCE:1")
		})
	}},
	{"a message that is replayed", func(p *play) {
		p.request("VEVENT", conference, b)
		text := func(method, line string) string {
			return "BEGIN:VCALENDAR\r\nMETHOD:" + method + "\r\nVERSION:2.0\r\nPRODID:x\r\n" + component("VEVENT", p.uid, p.clock.Now(), organizerA, line, "DTSTART:19970701T200000Z", "DTEND:19970701T210000Z", "SUMMARY:Conference") + "END:VCALENDAR\r\n"
		}
		request, reply := text("REQUEST", "ATTENDEE:"+mailto(b)), text("REPLY", "ATTENDEE;PARTSTAT=TENTATIVE:"+mailto(b))
		p.bring("one/"+p.uid, a, b, "updated", request)
		p.bring("reply/"+p.uid, b, a, "answered", reply)
		p.changesNothing(func() {
			p.bring("one/"+p.uid, a, b, "updated", request) // was taken already
			p.bring("reply/"+p.uid, b, a, "answered", reply)
			p.bring("again/"+p.uid, b, a, "unchanged", reply)
		})
		p.change("", fields{"DTSTART": "19970701T180000Z", "DTEND": "19970701T190000Z"})
		p.answer(b, "", "ACCEPTED")
		p.changesNothing(func() {
			p.bring("late/"+p.uid, a, b, "older-revision", request)
			p.bring("later/"+p.uid, b, a, "older-revision", reply)
		})
	}},
	{"an attendee without an address, one with two", func(p *play) {
		err := p.lines([]string{"ATTENDEE:", "ATTENDEE:mailto:", "ATTENDEE;CN=No", "ATTENDEE:" + mailto(c) + "," + mailto(d), "ATTENDEE;RSVP=TRUE:" + mailto(b)},
			"PARTSTAT=NEEDS-ACTION^;PARTSTAT=NEEDS-ACTION^mailto%3A;PARTSTAT=NEEDS-ACTION^mailto%3Acarl%40example.com%2Cmailto%3Arosa%40example.com;PARTSTAT=NEEDS-ACTION^olga")
		p.settled()
		p.instances(c)
		p.instances(d)
		if err == nil {
			p.instances(b, "0701T2000 Conference")
		} else {
			p.instances(a)
			p.instances(b)
		}
	}},
	{"MAILTO in upper case", func(p *play) {
		p.may(p.lines([]string{"ATTENDEE;RSVP=TRUE:MAILTO:OLGA@EXAMPLE.COM"}, "RSVP=TRUE^MAILTO%3AOLGA%40EXAMPLE.COM"))
		p.instances(b, "0701T2000 Conference")
		p.answer(b, "", "ACCEPTED")
		if l := p.components(a)[0].Prop("ATTENDEE"); l.Param("PARTSTAT") != "ACCEPTED" {
			p.Errorf("A has %s %v", l.Value, l.Params)
		}
	}},
	{"the organizer as attendee with NEEDS-ACTION", func(p *play) {
		p.may(p.lines([]string{"ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:" + mailto(a), "ATTENDEE;RSVP=TRUE:" + mailto(b)}, "PARTSTAT=NEEDS-ACTION^RSVP=TRUE^anna;RSVP=TRUE^olga"))
		p.instances(a, "0701T2000 Conference")
		p.answer(b, "", "ACCEPTED")
		p.answers("olga=ACCEPTED", a, b)
		told, err := p.be.Why(p.Context(), p.people.Actor(a), calendar.WhyRequest{Owner: a, Query: calendar.TraceQuery{UID: p.uid}})
		if err != nil || slices.ContainsFunc(told.Traces, func(tr calendar.Trace) bool { return tr.From == mailto(a) && slices.Contains(tr.To, mailto(a)) }) {
			p.Errorf("A wrote to herself: %+v, %v", told.Traces, err)
		}
	}},
	{"an alias of the invited address", func(p *play) {
		p.may(p.lines([]string{"ATTENDEE;RSVP=TRUE:mailto:o.alias@example.com"}, "RSVP=TRUE^mailto%3Ao.alias%40example.com"))
		p.instances(b, "0701T2000 Conference")
		p.deliver("REPLY", "VEVENT", b, a, "not-invited", organizerA, "ATTENDEE;PARTSTAT=DECLINED:mailto:carl@example.com", "SEQUENCE:0")
		if h, ok := p.hand(b).(*wcapHand); ok { // he is known by his calid
			p.may(h.answer(p, b, "", "ACCEPTED", nil))
		} else {
			p.may(p.hand(b).(*davHand).write(p, b, func(cal *ical.Component) { line(master(cal), "o.alias").SetParam("PARTSTAT", "ACCEPTED") }))
		}
		for _, who := range []string{a, b} {
			l := p.components(who)[0].Prop("ATTENDEE")
			if n := p.components(who)[0].Count("ATTENDEE"); l.Param("PARTSTAT") != "ACCEPTED" || n != 1 && p.mix.organizer == "caldav" {
				p.Errorf("%s has %d attendees, %s %v", who, n, l.Value, l.Params)
			}
		}
	}},
	{"a group that is too large", func(p *play) {
		var err error
		p.costs(func() {
			err = p.lines([]string{"ATTENDEE;CUTYPE=GROUP;RSVP=TRUE:mailto:throng@example.com", "ATTENDEE;RSVP=TRUE:" + mailto(b)}, "RSVP=TRUE^throng;RSVP=TRUE^olga")
		})
		p.mayNot("a group of too many", err)
		if says := map[string]string{"caldav": "calstore.group.attendee.maxsize", "wcap": "ERRNO:43"}[p.mix.organizer]; err != nil && !strings.Contains(err.Error(), says) {
			p.Error(err)
		}
		p.instances(a)
		p.instances(b)
	}},
	{"10,000 attendees", func(p *play) {
		crowd := func(n int) (dav []string, wcap string) {
			for i := range n {
				dav = append(dav, fmt.Sprintf("ATTENDEE;CN=P%d:mailto:p%[1]d@elsewhere.example", i))
			}
			return dav, "mailto%3Ap" + strings.Join(numbers(n), "%40elsewhere.example;mailto%3Ap") + "%40elsewhere.example"
		}
		most, says := 10_000, "max-attendees-per-instance" // factotum.limit.attendees
		if p.mix.organizer == "wcap" {
			most, says = 2_000, "ERRNO:43" // of one request: each address is looked up
		}
		dav, wcap := crowd(most + 1)
		var err error
		p.costs(func() { err = p.lines(dav, wcap) })
		p.mayNot("one too many", err)
		if err != nil && !strings.Contains(err.Error(), says) {
			p.Error(err)
		}
		p.instances(a)
		dav, wcap = crowd(most - 1) // beside the organizer
		p.costs(func() { err = p.lines(dav, wcap) })
		p.may(err)
		p.instances(a, "0701T2000 Conference")
	}},
}

// numbers are 0 to n-1.
func numbers(n int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint(i))
	}
	return out
}

// organizedBy writes that somebody else organizes the meeting.
func (p *play) organizedBy(who, organizer string) error {
	if h, ok := p.hand(who).(*davHand); ok {
		return h.change(p, who, "", fields{"ORGANIZER": mailto(organizer)}, nil)
	}
	_, err := p.hand(who).(*wcapHand).ask(p, who, "storeevents", "calid="+who+"&uid="+p.uid+"&method=2&orgCalid="+organizer)
	return err
}
