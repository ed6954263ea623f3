package crash

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/ical"
)

// meetingUsers organize meetings and attend each other's.
const meetingUsers = 6

// agreed is what an organizer has made of a meeting: each write has a number of
// its own in the summary, and each time that it is moved to is new.
type agreed struct {
	version int // 0 = it is not there
	start   int // minutes after a day
	with    []int
}

func (a agreed) summary() string { return fmt.Sprint("version ", a.version) }

func stamp(minute int) string {
	return time.Date(2030, 1, 7, 8, minute, 0, 0, time.UTC).Format("20060102T150405Z")
}

// versionOf is the number in a copy's summary; 0 for no copy.
func versionOf(c *copied) int {
	if c == nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimPrefix(c.event().Text("SUMMARY"), "version "))
	if err != nil {
		return -1
	}
	return n
}

// said is an answer that an attendee gave, and to which time.
type said struct{ partStat, start string }

// meeting is one line of the ledger. Its organizer alone writes what is agreed.
type meeting struct {
	uid       string
	organizer int

	mu    sync.Mutex
	acked agreed
	open  []agreed       // sent upon acked and not answered: each may have been done or not
	sure  map[int]bool   // who was invited by an acknowledged write
	maybe map[int]bool   // who was invited by any
	gone  map[int]bool   // attendees who may have deleted their copies
	story []string       // what was asked for, and what came of it
	late  map[int]bool   // whose unanswered write may still be on its way: what he said is not known until all is quiet
	said  map[int][]said // the last acknowledged answer, and later ones that may have been stored; none: not known
}

// tell adds to the story.
func (m *meeting) tell(user, format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.story = append(m.story, time.Now().UTC().Format("15:04:05.000000 ")+user+" "+fmt.Sprintf(format, args...))
}

func (m *meeting) name() string { return m.uid + ".ics" }

// settle notes that a write was acknowledged, or was found to be what is there.
func (m *meeting) settle(a agreed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acked, m.open = a, nil
	for _, n := range a.with {
		m.sure[n] = true
	}
}

// send notes that a write is about to be sent.
func (m *meeting) send(a agreed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = append(m.open, a)
	for _, n := range a.with {
		m.maybe[n] = true
	}
}

// taken notes that a write was refused.
func (m *meeting) takeBack() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open = m.open[:len(m.open)-1]
}

// protocol is how somebody organizes.
type protocol interface {
	// look reads a meeting; nil if it is not there.
	look(m *meeting) (*copied, error)
	create(m *meeting, to agreed) error
	change(m *meeting, from *copied, was, to agreed) error
	cancel(m *meeting, from *copied) error
}

func userName(n int) string { return fmt.Sprint("user", n) }

func address(n int) string { return "mailto:" + userName(n) + "@example.com" }

// byCalDAV organizes by CalDAV.
type byCalDAV struct {
	*client
	me  int
	tag string // of what was read last
}

func (p *byCalDAV) look(m *meeting) (c *copied, err error) {
	c, p.tag, err = p.read(m.name())
	return c, err
}

func (p *byCalDAV) create(m *meeting, to agreed) error {
	lines := []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//factotum//crash//EN", "BEGIN:VEVENT", "UID:" + m.uid, "DTSTAMP:20260101T000000Z",
		"DTSTART:" + stamp(to.start), "DTEND:" + stamp(to.start+1), "SUMMARY:" + to.summary(), "ORGANIZER:" + address(p.me), "ATTENDEE;PARTSTAT=ACCEPTED:" + address(p.me)}
	for _, n := range to.with {
		lines = append(lines, "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:"+address(n))
	}
	a, err := p.put(m.name(), strings.Join(append(lines, "END:VEVENT", "END:VCALENDAR", ""), "\r\n"), "If-None-Match", "*")
	return judged("PUT", a, err)
}

func (p *byCalDAV) change(m *meeting, from *copied, was, to agreed) error {
	e := from.event()
	e.SetText("SUMMARY", to.summary())
	e.Set("DTSTART", stamp(to.start))
	e.Set("DTEND", stamp(to.start+1))
	for _, n := range to.with {
		if !slices.Contains(was.with, n) {
			e.Add(ical.Property{Name: "ATTENDEE", Params: []ical.Param{{Name: "RSVP", Values: []string{"TRUE"}}}, Value: address(n)})
		}
	}
	e.Props = slices.DeleteFunc(e.Props, func(l ical.Property) bool {
		return l.Name == "ATTENDEE" && slices.ContainsFunc(was.with, func(n int) bool { return strings.EqualFold(l.Value, address(n)) && !slices.Contains(to.with, n) })
	})
	a, err := p.put(m.name(), string(from.cal.Bytes()), "If-Schedule-Tag-Match", p.tag)
	return judged("PUT", a, err)
}

func (p *byCalDAV) cancel(m *meeting, _ *copied) error {
	a, err := p.do("DELETE", p.collection()+m.name(), "", "If-Schedule-Tag-Match", p.tag)
	return judged("DELETE", a, err)
}

// byWCAP organizes by WCAP.
type byWCAP struct {
	*wcapClient
	me int
}

func (p *byWCAP) look(m *meeting) (*copied, error) { return p.read(m.uid) }

func (p *byWCAP) store(m *meeting, params ...string) error {
	_, err := p.call("storeevents", append(params, "calid", p.user, "uid", m.uid, "method", "2")...)
	return err
}

func (p *byWCAP) create(m *meeting, to agreed) error {
	attendees := "PARTSTAT=ACCEPTED^" + userName(p.me)
	for _, n := range to.with {
		attendees += ";PARTSTAT=NEEDS-ACTION^RSVP=TRUE^" + address(n)
	}
	return p.store(m, "storetype", "1", "dtstart", stamp(to.start), "dtend", stamp(to.start+1), "summary", to.summary(), "attendees", attendees)
}

func (p *byWCAP) change(m *meeting, _ *copied, was, to agreed) error {
	params := []string{"storetype", "2", "mod", "4", "summary", to.summary()}
	if to.start != was.start {
		params = append(params, "dtstart", stamp(to.start), "dtend", stamp(to.start+1))
	}
	var attendees []string
	for _, n := range to.with {
		if !slices.Contains(was.with, n) {
			attendees = append(attendees, "PARTSTAT=NEEDS-ACTION^RSVP=TRUE^"+address(n))
		}
	}
	for _, n := range was.with {
		if !slices.Contains(to.with, n) {
			attendees = append(attendees, "PARTSTAT=X-NSCP-WCAP-ATTENDEE-DELETE^"+address(n))
		}
	}
	if attendees != nil {
		params = append(params, "attendees", strings.Join(attendees, ";"))
	}
	return p.store(m, params...)
}

func (p *byWCAP) cancel(m *meeting, _ *copied) error {
	_, err := p.call("deleteevents_by_id", "calid", p.user, "uid", m.uid, "mod", "4", "rid", "0", "notify", "1")
	return err
}

// organizer is somebody who organizes all the time, by one protocol.
type organizer struct {
	protocol
	load *meetings
	me   int
	rng  *rand.Rand
	mine []*meeting
}

// meetings is people who organize and attend.
type meetings struct {
	organizers []*organizer
	attendees  []*attendee
	number     atomic.Int64 // of versions and of times
	acks       atomic.Int64
	apart      bool // the front end is a process of its own: what it had sent on may be done after its end
	stop       chan struct{}
	group      sync.WaitGroup

	mu    sync.Mutex
	all   []*meeting // those that have an end, too, until they are verified
	wrong []error
}

func (l *meetings) failf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) < 10 {
		l.wrong = append(l.wrong, fmt.Errorf(format, args...))
	}
}

func (l *meetings) next() int { return int(l.number.Add(1)) }

// newMeetings prepares six people; wcap says that every other one organizes, and
// some answer, by WCAP.
func newMeetings(address string, wcap bool) *meetings {
	l := &meetings{}
	seed := uint64(time.Now().UnixNano())
	for n := range meetingUsers {
		o := &organizer{load: l, me: n, rng: rand.New(rand.NewPCG(seed, uint64(n))), protocol: &byCalDAV{client: newClient(address, userName(n)), me: n}}
		a := &attendee{load: l, me: n, rng: rand.New(rand.NewPCG(seed+1, uint64(n))), client: newClient(address, userName(n))}
		if wcap {
			a.wcap = newWCAPClient(address, userName(n))
			if n%4 >= 2 {
				o.protocol = &byWCAP{newWCAPClient(address, userName(n)), n}
			}
		}
		l.organizers = append(l.organizers, o)
		l.attendees = append(l.attendees, a)
	}
	return l
}

func (l *meetings) start() {
	l.stop = make(chan struct{})
	each := func(step func() bool) {
		l.group.Go(func() {
			for {
				select {
				case <-l.stop:
					return
				default:
				}
				if !step() {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	for _, o := range l.organizers {
		each(o.step)
	}
	for _, a := range l.attendees {
		each(a.step)
	}
}

func (l *meetings) finish() {
	close(l.stop)
	l.group.Wait()
}

// await waits until n more writes are acknowledged.
func (l *meetings) await(t testing.TB, n int64) {
	t.Helper()
	n += l.acks.Load()
	eventually(t, "writes of meetings to be acknowledged", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, err := range l.wrong {
			t.Error(err)
		}
		if len(l.wrong) > 0 {
			t.FailNow()
		}
		if have := l.acks.Load(); have < n {
			return fmt.Errorf("%d acknowledged, want %d", have, n)
		}
		return nil
	})
}

// meetingsEach is how many meetings an organizer has at once.
const meetingsEach = 3

// step does something to one meeting; false if the server does not answer.
func (o *organizer) step() bool {
	if len(o.mine) < meetingsEach {
		return o.begin()
	}
	m := o.mine[o.rng.IntN(len(o.mine))]
	from, err := o.learn(m)
	if err != nil {
		return false
	}
	if m.acked.version == 0 {
		o.mine = slices.DeleteFunc(o.mine, func(x *meeting) bool { return x == m })
		return true
	}
	was, to := m.acked, m.acked
	to.version, to.with = o.load.next(), slices.Clone(was.with)
	switch n := o.rng.IntN(10); {
	case n < 3: // a new summary
	case n < 6:
		to.start = to.version
	case n < 8 && len(to.with) > 1:
		i := o.rng.IntN(len(to.with))
		to.with = slices.Delete(to.with, i, i+1)
	case n < 9:
		if n := o.rng.IntN(meetingUsers); n != o.me && !m.maybe[n] { // nobody is invited anew: his answers could not be told apart
			to.with = append(to.with, n)
		}
	default:
		return o.write(m, agreed{}, func() error { return o.cancel(m, from) })
	}
	return o.write(m, to, func() error { return o.change(m, from, was, to) })
}

// begin makes a meeting.
func (o *organizer) begin() bool {
	n := o.load.next()
	to := agreed{version: n, start: n}
	for n := range meetingUsers {
		if n != o.me && o.rng.IntN(2) == 0 || len(to.with) == 0 && n == (o.me+1)%meetingUsers {
			to.with = append(to.with, n)
		}
	}
	m := &meeting{uid: fmt.Sprintf("m%d-%d", o.me, n), organizer: o.me, sure: map[int]bool{}, maybe: map[int]bool{}, gone: map[int]bool{}, late: map[int]bool{}, said: map[int][]said{}}
	o.mine = append(o.mine, m)
	o.load.mu.Lock()
	o.load.all = append(o.load.all, m)
	o.load.mu.Unlock()
	return o.write(m, to, func() error { return o.create(m, to) })
}

// write sends a write and notes what came of it.
func (o *organizer) write(m *meeting, to agreed, send func() error) bool {
	m.send(to)
	err := send()
	m.tell(userName(o.me), "makes it %+v: %v", to, err)
	switch {
	case err == nil:
		m.settle(to)
		o.load.acks.Add(1)
	case away(err):
		return false
	case errors.Is(err, errStale) && len(m.open) > 1: // by an earlier write that nobody answered
		m.takeBack()
	default:
		o.load.failf("%s: write %+v upon %+v: %w", m.uid, to, m.acked, err)
		m.takeBack()
	}
	return true
}

// learn reads what a meeting is: acknowledged, or one of what is open.
func (o *organizer) learn(m *meeting) (*copied, error) {
	c, err := o.look(m)
	if err != nil {
		if !away(err) {
			o.load.failf("read %s: %w", m.uid, err)
		}
		return nil, err
	}
	n := versionOf(c)
	if n == m.acked.version {
		return c, nil
	}
	for _, a := range m.open {
		if a.version == n {
			m.settle(a)
			return c, nil
		}
	}
	o.load.failf("%s: version %d is there, neither the acknowledged one nor an open one: %+v, %+v", m.uid, n, m.acked, m.open)
	m.settle(agreed{version: n})
	return c, nil
}

// attendee is somebody who answers invitations all the time.
type attendee struct {
	load *meetings
	me   int
	rng  *rand.Rand
	*client
	wcap *wcapClient // nil: CalDAV only
}

// step answers one invitation; false if the server does not answer, or there is
// nothing to answer.
func (a *attendee) step() bool {
	a.load.mu.Lock()
	if len(a.load.all) == 0 {
		a.load.mu.Unlock()
		return false
	}
	m := a.load.all[a.rng.IntN(len(a.load.all))]
	a.load.mu.Unlock()
	m.mu.Lock()
	invited := m.maybe[a.me]
	m.mu.Unlock()
	if !invited {
		return false
	}
	found, err := a.query(a.collection(), m.uid)
	if err != nil || len(found) == 0 {
		if err != nil && !away(err) {
			a.load.failf("%s looks for %s: %w", a.user, m.uid, err)
		}
		return false
	}
	c, tag, err := a.client.read(found[0].name)
	if err != nil || c == nil {
		return false
	}
	switch n := a.rng.IntN(20); {
	case c.cancelled() || n == 0:
		return a.drop(m, c, tag)
	case a.wcap != nil && n < 8:
		return a.answerByWCAP(m)
	}
	return a.answer(m, c, tag)
}

func (a *attendee) choose() string {
	return []string{"ACCEPTED", "DECLINED", "TENTATIVE"}[a.rng.IntN(3)]
}

// drop deletes the copy, which declines what is not called off.
func (a *attendee) drop(m *meeting, c *copied, tag string) bool {
	m.mu.Lock()
	m.gone[a.me], m.said[a.me] = true, nil
	m.mu.Unlock()
	res, err := a.do("DELETE", a.collection()+c.name, "", "If-Schedule-Tag-Match", tag)
	return a.sent(m, "DELETE", judged("DELETE", res, err))
}

func (a *attendee) answer(m *meeting, c *copied, tag string) bool {
	me := c.line("ATTENDEE", a.user)
	if me == nil {
		a.load.failf("%s has a copy of %s to which he is not invited:\n%s", a.user, m.uid, c.text)
		return true
	}
	now := said{a.choose(), c.event().Value("DTSTART")}
	me.SetParam("PARTSTAT", now.partStat)
	a.note(m, now, false)
	m.tell(a.user, "is about to say %v upon %s, tag %s", now, c.partStat(a.user), tag)
	res, err := a.put(c.name, string(c.cal.Bytes()), "If-Schedule-Tag-Match", tag)
	if err = judged("PUT", res, err); err == nil {
		a.note(m, now, true)
	}
	return a.sent(m, "PUT", err)
}

// note keeps an answer: that it is about to be sent, or that it was acknowledged.
func (a *attendee) note(m *meeting, now said, acked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch list := m.said[a.me]; {
	case m.late[a.me]:
	case acked:
		m.said[a.me] = []said{now}
	case len(list) > 0:
		m.said[a.me] = append(list, now)
	}
}

// answerByWCAP answers for the time that the answer shows: nobody knows which it
// is where that does not come.
func (a *attendee) answerByWCAP(m *meeting) bool {
	partStat := a.choose()
	m.mu.Lock()
	m.said[a.me] = nil
	m.mu.Unlock()
	m.tell(a.user, "is about to say %s", partStat)
	text, err := a.wcap.call("storeevents", "calid", a.user, "uid", m.uid, "method", "4", "mod", "4", "attendees", "PARTSTAT="+partStat+"^"+address(a.me), "fetch", "1")
	if e := (*wcapError)(nil); errors.As(err, &e) && (e.errno == 59 || e.errno == 14) {
		err = errStale // called off, or taken away, meanwhile
	}
	if err == nil {
		c, err := components(text)
		if err != nil {
			a.load.failf("%s answers %s: %w", a.user, m.uid, err)
			return true
		}
		a.note(m, said{partStat, c.event().Value("DTSTART")}, true)
	}
	return a.sent(m, "storeevents", err)
}

func (a *attendee) sent(m *meeting, what string, err error) bool {
	m.tell(a.user, "%s: %v", what, err)
	switch {
	case err == nil:
		a.load.acks.Add(1)
	case away(err):
		m.mu.Lock()
		defer m.mu.Unlock()
		m.late[a.me], m.said[a.me] = a.load.apart, nil
		return false
	case errors.Is(err, errStale):
	default:
		if refused := (*statusError)(nil); errors.As(err, &refused) && refused.status == 404 {
			return true // an unanswered deletion of his was done after all
		}
		a.load.failf("%s: %s %s: %w", a.user, what, m.uid, err)
	}
	return true
}
