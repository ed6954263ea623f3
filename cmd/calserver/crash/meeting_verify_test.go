package crash

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/itip"
)

// backEnd is a process that has calendars, as tools see it.
type backEnd struct {
	reach   func(t testing.TB) (be calendar.Backend, leave func())
	waiting func(t testing.TB) string // messages that are not delivered yet, in words
	users   []int
	read    map[calendar.Owner]int64 // how far the journals are read
}

// quiet waits until nothing is on its way: not once around either, for an answer may
// come to a back end after it was asked, and leave another before that is.
func quiet(t testing.TB, backEnds []*backEnd) {
	t.Helper()
	began := time.Now()
	last := ""
	eventually(t, "messages to be delivered", func() error {
		for range len(backEnds) {
			for _, b := range backEnds {
				if list := b.waiting(t); list != "" {
					last = list
					return errors.New(list)
				}
			}
		}
		return nil
	})
	if d := time.Since(began); d > 5*time.Second {
		t.Logf("all is delivered after %v, at last %s", d, last)
	}
}

// verify compares everybody's copies with what the organizers have, that with
// what was acknowledged, and the journals with both. The load is finished, and
// the server up.
func (l *meetings) verify(t testing.TB, backEnds []*backEnd) {
	t.Helper()
	for _, o := range l.organizers {
		for _, m := range o.mine {
			eventually(t, "the organizer's meetings to be read", func() error { _, err := o.learn(m); return err })
		}
		o.mine = slices.DeleteFunc(o.mine, func(m *meeting) bool { return m.acked.version == 0 })
	}
	quiet(t, backEnds)
	for _, err := range l.wrong {
		t.Error(err)
	}
	l.wrong = nil
	calendars := make([]map[string]*copied, meetingUsers)
	for n, a := range l.attendees {
		calendars[n] = a.everything(t)
	}
	for _, m := range l.all {
		if !l.compare(t, m, calendars) {
			t.Logf("what is known of %s:\n%s", m.uid, traces(t, backEnds, m))
		}
	}
	journals(t, backEnds)
	if t.Failed() {
		return
	}
	for _, m := range l.all {
		clear(m.late)
	}
	for n, a := range l.attendees {
		for _, uid := range a.tidy(t) {
			for _, m := range l.all {
				if m.uid == uid {
					m.gone[n] = true
				}
			}
		}
	}
	l.all = slices.DeleteFunc(l.all, func(m *meeting) bool { return m.acked.version == 0 })
}

// everything reads somebody's calendar, in which each UID is once, and looks at
// his inbox, in which each request is once.
func (a *attendee) everything(t testing.TB) map[string]*copied {
	t.Helper()
	list := a.all(t, a.collection())
	found := map[string]*copied{}
	for i := range list {
		uid := list[i].event().Value("UID")
		if found[uid] != nil {
			t.Errorf("%s has %s twice", a.user, uid)
		}
		found[uid] = &list[i]
	}
	items := a.all(t, "/dav/calendars/"+a.user+"/inbox/")
	seen := map[string]bool{}
	for i := range items {
		what := items[i].cal.Word("METHOD") + " " + items[i].event().Value("UID") + " " + senderOf(&items[i])
		if seen[what] {
			t.Errorf("%s has two items in his inbox: %s", a.user, what)
		}
		seen[what] = true
	}
	return found
}

// all reads a collection, from a server that may be slow after its start.
func (a *attendee) all(t testing.TB, collection string) (found []copied) {
	t.Helper()
	eventually(t, collection+" to be read", func() (err error) {
		found, err = a.query(collection, "")
		return err
	})
	return found
}

// senderOf tells apart what may be in an inbox beside each other: replies are of
// their attendees.
func senderOf(c *copied) string {
	if c.cal.Word("METHOD") != "REPLY" {
		return ""
	}
	return c.event().Value("ATTENDEE")
}

// tidy deletes what was called off, and tells its UIDs.
func (a *attendee) tidy(t testing.TB) (uids []string) {
	t.Helper()
	for uid, c := range a.everything(t) {
		if c.cancelled() {
			if res, err := a.do("DELETE", a.collection()+c.name, ""); err != nil || !res.ok() {
				t.Errorf("%s deletes what was called off: %v, status %d", a.user, err, res.status)
			}
			uids = append(uids, uid)
		}
	}
	return uids
}

// traces is all that journals have of a meeting, among what people asked for.
func traces(t testing.TB, backEnds []*backEnd, m *meeting) string {
	t.Helper()
	lines := slices.Clone(m.story)
	for _, b := range backEnds {
		be, leave := b.reach(t)
		for _, n := range b.users {
			res, err := be.Why(context.Background(), calendar.Actor{User: "calmaster", Admin: true}, calendar.WhyRequest{Owner: calendar.Owner(userName(n)), Query: calendar.TraceQuery{UID: m.uid}})
			if err != nil {
				t.Fatal(err)
			}
			for _, tr := range res.Traces {
				lines = append(lines, fmt.Sprint(tr.When.Format("15:04:05.000000 "), tr.Owner, " ", tr.Step, " ", tr.Method, " ", tr.Message, " ", tr.Reason, " ", tr.From, " to ", tr.To, " ", tr.Summary, " ", tr.Via, " ", tr.Detail))
			}
		}
		leave()
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// compare looks at one meeting in all calendars; false if something is wrong.
func (l *meetings) compare(t testing.TB, m *meeting, calendars []map[string]*copied) (right bool) {
	t.Helper()
	right = true
	hers := calendars[m.organizer][m.uid]
	if n := versionOf(hers); n != m.acked.version {
		t.Errorf("%s: the organizer has version %d, want %+v", m.uid, n, m.acked)
		return false
	}
	for n := range meetingUsers {
		if n == m.organizer {
			continue
		}
		his := calendars[n][m.uid]
		fail := func(format string, args ...any) {
			t.Helper()
			right = false
			t.Errorf("%s, %s: %s\nacknowledged %+v, said %v, sure %v, maybe %v, gone %v\norganizer\n%s\nattendee\n%s", m.uid, userName(n), fmt.Sprintf(format, args...),
				m.acked, m.said[n], m.sure[n], m.maybe[n], m.gone[n], textOf(hers), textOf(his))
		}
		switch invited := slices.Contains(m.acked.with, n); {
		case !invited && his == nil:
			if m.sure[n] && !m.gone[n] {
				fail("the invitation was lost, or its end")
			}
		case !invited:
			if !his.cancelled() {
				fail("he was not told of the end")
			}
		case his == nil:
			if !m.gone[n] || hers.partStat(userName(n)) != "DECLINED" {
				fail("the invitation was lost")
			}
		default:
			l.compareCopies(m, n, hers, his, fail)
		}
	}
	return right
}

func textOf(c *copied) string {
	if c == nil {
		return "(nothing)"
	}
	return string(c.text)
}

// compareCopies looks at the copies of organizer and attendee.
func (l *meetings) compareCopies(m *meeting, n int, hers, his *copied, fail func(format string, args ...any)) {
	user := userName(n)
	for _, name := range []string{"SUMMARY", "DTSTART", "DTEND", "SEQUENCE"} {
		if h, w := his.event().Value(name), hers.event().Value(name); h != w {
			fail("%s is %q, the organizer's %q", name, h, w)
		}
	}
	if his.cancelled() {
		fail("called off")
	}
	if line := hers.line("ATTENDEE", user); line == nil || !line.ParamIs("SCHEDULE-STATUS", calendar.StatusDelivered) && !line.ParamIs("SCHEDULE-STATUS", "2.0") { // after an answer
		fail("the organizer's SCHEDULE-STATUS is wrong")
	}
	if line := his.line("ORGANIZER", userName(m.organizer)); line == nil || line.Param("SCHEDULE-STATUS") != "" && line.Param("SCHEDULE-STATUS") != calendar.StatusDelivered {
		fail("the attendee's SCHEDULE-STATUS is wrong")
	}
	for _, other := range m.acked.with {
		if h, w := his.partStat(userName(other)), hers.partStat(userName(other)); h != w {
			fail("of %s he sees %s, the organizer %s", userName(other), h, w)
		}
	}
	answer := said{hers.partStat(user), hers.event().Value("DTSTART")}
	for i, s := range m.said[n] {
		if s.start != answer.start {
			return // moved since, or when it was open whether it was
		}
		if s == answer {
			return
		}
		if i == len(m.said[n])-1 {
			fail("the organizer has %s", answer.partStat)
		}
	}
}

// passage is a message on its way to one recipient.
type passage struct{ message, to string }

// journals reads what is new in everybody's journal: each message that was stored
// has been brought once, and taken in once.
func journals(t testing.TB, backEnds []*backEnd) {
	t.Helper()
	queued, ended, taken := map[passage]int{}, map[passage]int{}, map[passage]int{}
	for _, b := range backEnds {
		be, leave := b.reach(t)
		for _, n := range b.users {
			for _, tr := range b.news(t, be, calendar.Owner(userName(n))) {
				for _, to := range tr.To {
					switch p := (passage{tr.Message, calendar.AddressKey(to)}); tr.Step {
					case calendar.TraceQueued:
						queued[p]++
					case calendar.TraceDelivered:
						ended[p]++
					case calendar.TraceApplied, calendar.TraceIgnored:
						taken[p]++
					case calendar.TraceDelayed:
					case calendar.TraceFailed, calendar.TraceRefused:
						if tr.Reason != itip.NotInvited.String() { // an answer that met the end of the invitation
							t.Errorf("%s to %s: %s %s %s", tr.Message, to, tr.Step, tr.Reason, tr.Detail)
						}
						if tr.Step == calendar.TraceFailed {
							ended[p]++
						} else {
							taken[p]++
						}
					default:
						t.Errorf("%s to %s: %s %s %s", tr.Message, to, tr.Step, tr.Reason, tr.Detail)
					}
				}
			}
		}
		leave()
	}
	for p, n := range queued {
		if n != 1 || ended[p] != 1 || taken[p] != 1 {
			t.Errorf("%s to %s was queued %d times, delivered %d times, taken in %d times", p.message, p.to, n, ended[p], taken[p])
		}
	}
	for p := range taken {
		if queued[p] == 0 {
			t.Errorf("%s to %s was never queued", p.message, p.to)
		}
	}
}

// news is what a journal has got since it was read last.
func (b *backEnd) news(t testing.TB, be calendar.Backend, owner calendar.Owner) (all []calendar.Trace) {
	t.Helper()
	for {
		var res calendar.WhyAnswer
		eventually(t, "the journal of "+string(owner), func() (err error) {
			res, err = be.Why(context.Background(), calendar.Actor{User: "calmaster", Admin: true}, calendar.WhyRequest{Owner: owner,
				Query: calendar.TraceQuery{OldestFirst: true, After: b.read[owner]}})
			return err
		})
		all = append(all, res.Traces...)
		if len(all) > 0 {
			b.read[owner] = all[len(all)-1].ID
		}
		if !res.More {
			return all
		}
	}
}
