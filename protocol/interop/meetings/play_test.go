package meetings

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/protocol/caldav"
	"factotum/protocol/sitetest"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/ical"
	"factotum/server/why"
)

// A to E of RFC 5546. A, C and E are on one host, B, D and the room on the other
// where there are two.
const a, b, c, d, e, room = "anna", "olga", "carl", "rosa", "emil", "room1"

// story is what happens to a meeting, by the sections that it tells of.
type story struct {
	sections string
	tell     func(p *play)
}

// mix is by what protocol the organizer, and by which the attendees reach their
// calendars.
type mix struct{ organizer, attendees string }

var mixes = []mix{{"caldav", "caldav"}, {"wcap", "wcap"}, {"wcap", "caldav"}, {"caldav", "wcap"}}

// play is a story that is told.
type play struct {
	testing.TB
	*stage
	mix  mix
	uid  string
	into string // whose calendar new meetings go to; "" is one's own
}

// stage is a site with both fronts, and a hand for each protocol.
type stage struct {
	be     calendar.Backend
	people calendartest.People
	clock  *sitetest.Clock
	settle func()
	hands  map[string]hand
	sent   int
}

// fields are properties, as iCalendar spells their values. TZID is the zone of the
// times that are not in UTC.
type fields map[string]string

// hand is how somebody says a thing by a protocol. What is refused is an error.
// rid is an instance, or "" for the whole.
type hand interface {
	create(p *play, who, kind string, f fields, guests []string) error
	change(p *play, who, rid string, f fields, guests []string) error
	uninvite(p *play, who, gone string) error
	answer(p *play, who, rid, partstat string, f fields) error
	delegate(p *play, who, to string) error
	callOff(p *play, who, rid string) error
	remove(p *play, who string) error
	busy(p *play, who string, whom []string, from, to string) (map[string]string, error)
	read(p *play, who, kind string) ([]*ical.Component, error) // every instance
}

// TestRFC5546_4_Stories: every story with each mix of protocols, on each kind of
// site: in the short run a story has another mix on each.
func TestRFC5546_4_Stories(t *testing.T) {
	long := os.Getenv("FACTOTUM_LONG") != ""
	stories := slices.Concat(published, group, recurring, tasks, appendixB)
	for v, site := range []struct {
		name  string
		opt   sitetest.Options
		hosts bool
	}{
		{"sqlite", sitetest.Options{}, false}, {"postgres", sitetest.Options{Engine: sitetest.Postgres}, false},
		{"sqlite-hosts", sitetest.Options{}, true}, {"postgres-hosts", sitetest.Options{Engine: sitetest.Postgres}, true},
	} {
		t.Run(site.name, func(t *testing.T) {
			if raceFactor > 1 && site.name != "sqlite-hosts" {
				t.Skip("without the race detector")
			}
			t.Parallel()
			st := newStage(t, site.opt, site.hosts)
			for i, s := range stories {
				for m, mix := range mixes {
					if !long && m != (i+v)%len(mixes) {
						continue
					}
					t.Run(fmt.Sprintf("%s/%s-%s", s.sections, mix.organizer, mix.attendees), func(t *testing.T) {
						s.tell(&play{TB: t, stage: st, mix: mix, uid: fmt.Sprintf("s%dm%d", i, m)})
					})
				}
			}
		})
	}
}

// TestRFC5546_4_Complete: there is a story for every section with an example.
func TestRFC5546_4_Complete(t *testing.T) {
	told := map[string]bool{}
	for _, s := range slices.Concat(published, group, recurring, tasks, appendixB) {
		for section := range strings.FieldsSeq(s.sections) {
			told[section] = true
		}
	}
	for section, n := range map[string]int{"4.1.": 5, "4.2.": 11, "4.3.": 3, "4.4.": 10, "4.5.": 6, "4.5.7.": 2, "4.7.": 2, "B.": 8} {
		for i := range n {
			if name := fmt.Sprint(section, i+1); !told[name] {
				t.Errorf("nobody tells of %s", name)
			}
		}
	}
	if !told["4.6"] {
		t.Error("nobody tells of journals")
	}
}

// mostMembers is calstore.group.attendee.maxsize.
const mostMembers = 3

func newStage(t *testing.T, opt sitetest.Options, hosts bool) *stage {
	people := sitetest.Staff()
	maps.Copy(people, calendartest.NewPeople(b, d, e))
	olga := people[b]
	olga.Mails = append(olga.Mails, "o.alias@example.com")
	people[b] = olga
	people["throng"] = calendar.Person{ID: "throng", Kind: calendar.Group, Name: "Throng", Mails: []string{"throng@example.com"}, Active: true}
	for n := range mostMembers + 1 {
		id := fmt.Sprint("member", n)
		people[id] = calendar.Person{ID: id, Kind: calendar.Individual, Name: id, Mails: []string{id + "@example.com"}, Active: true, Groups: []string{"throng"}}
	}
	opt.Model.Groups.Most = mostMembers
	opt.People, opt.Clock, opt.Scheduling = people, &sitetest.Clock{}, true
	st := &stage{people: people, clock: opt.Clock}
	base := st.open(t, opt, hosts)
	base.People = people
	st.fronts(base, people, base.Login)
	for _, id := range []string{a, b, c, d, e} {
		if _, err := st.be.Home(t.Context(), people.Actor(id), calendar.HomeRequest{Owner: calendar.Owner(id)}); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// open builds the site.
func (st *stage) open(t *testing.T, opt sitetest.Options, hosts bool) *sitetest.Site {
	base := (*sitetest.Site)(nil)
	settle, failed := func() {}, func() bool { return false }
	if hosts {
		h := sitetest.NewHosts(t, opt)
		base, settle, failed = h.Site, h.Settle, func() bool { return h.Site.Failed() || h.Second.Failed() }
	} else {
		base = sitetest.New(t, opt)
		settle, failed = base.Settle, base.Failed
	}
	st.settle = func() {
		settle()
		for range 3 {
			if !failed() { // on a busy machine something may have taken too long
				break
			}
			st.clock.Add(30 * time.Second)
			settle()
		}
	}
	st.be = base.Backend
	return base
}

// fronts opens both fronts on it.
func (st *stage) fronts(base *sitetest.Site, people calendar.People, login func(context.Context, string, string, netip.Addr) (calendar.Person, error)) {
	dav := caldav.New(caldav.Options{Backend: st.be, People: people, Login: login, Now: base.Now})
	sun := wcap.New(wcap.Options{Backend: st.be, People: people, Login: login, Now: base.Now, Sessions: base.Sessions,
		Settings: wcap.Settings{DefaultTZID: "Europe/Berlin", Admins: []string{"root"}}})
	st.hands = map[string]hand{"caldav": &davHand{dav}, "wcap": &wcapHand{sun, sitetest.SessionIDs{}}}
}

// hand is that of somebody in this story.
func (p *play) hand(who string) hand {
	if who == a {
		return p.hands[p.mix.organizer]
	}
	return p.hands[p.mix.attendees]
}

// may does something, and waits for what follows from it. The next thing is a
// second later.
func (p *play) may(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
	p.settled()
}

// mayNot is something that is refused.
func (p *play) mayNot(what string, err error) {
	p.Helper()
	if err == nil {
		p.Errorf("%s: it was not refused", what)
	}
	p.settled()
}

func (p *play) settled() {
	p.Helper()
	p.settle()
	p.clock.Add(3 * time.Second) // answers are collected for a while
	p.settle()
}

// request is a meeting of A's.
func (p *play) request(kind string, f fields, guests ...string) {
	p.Helper()
	p.may(p.hand(a).create(p, a, kind, f, guests))
}

func (p *play) change(rid string, f fields, guests ...string) {
	p.Helper()
	p.may(p.hand(a).change(p, a, rid, f, guests))
}

func (p *play) answer(who, rid, partstat string) {
	p.Helper()
	p.may(p.hand(who).answer(p, who, rid, partstat, nil))
}

// instances are what somebody's calendar shows: "0701T2000 Conference", with
// CANCELLED behind what is off.
func (p *play) instances(who string, want ...string) {
	p.Helper()
	p.has(who, want, func(c *ical.Component) string {
		at := cmp.Or(c.Value("DTSTART"), c.Value("DUE"))
		out := at[4:min(len(at), 13)] + " " + c.Text("SUMMARY")
		if c.Word("STATUS") == "CANCELLED" {
			out += " CANCELLED"
		}
		return out
	})
}

// shows checks a property of what somebody's calendar shows, instance by instance.
func (p *play) shows(who, name string, want ...string) {
	p.Helper()
	p.has(who, want, func(c *ical.Component) string { return c.Text(name) })
}

// answers checks what each copy has of attendees: "carl=DECLINED olga=ACCEPTED".
func (p *play) answers(want string, at ...string) {
	p.Helper()
	for _, who := range at {
		p.answersOf(who, "", want)
	}
}

// answersOf is of one instance, by its start "19970701T200000Z", or of the first.
func (p *play) answersOf(who, start, want string) {
	p.Helper()
	for _, c := range p.components(who) {
		if start != "" && c.Value("DTSTART") != start {
			continue
		}
		var got []string
		for l := range c.All("ATTENDEE") {
			if id := idOf(l.Value); id != a {
				got = append(got, id+"="+cmp.Or(l.Param("PARTSTAT"), "NEEDS-ACTION"))
			}
		}
		slices.Sort(got)
		if g := strings.Join(got, " "); g != want {
			p.Errorf("%s has at %q the answers %s, want %s", who, start, g, want)
		}
		return
	}
	p.Errorf("%s has nothing at %q", who, start)
}

func (p *play) has(who string, want []string, say func(c *ical.Component) string) {
	p.Helper()
	var got []string
	for _, c := range p.components(who) {
		got = append(got, say(c))
	}
	if !slices.Equal(got, want) {
		p.Errorf("%s's calendar shows %q, want %q", who, got, want)
	}
}

// components are all instances of the story that somebody's protocol shows him,
// in the order of their starts.
func (p *play) components(who string) (found []*ical.Component) {
	p.Helper()
	for _, kind := range []string{"VEVENT", "VTODO"} {
		all, err := p.hand(who).read(p, who, kind)
		if err != nil {
			p.Fatal(err)
		}
		for _, c := range all {
			if c.Value("UID") == p.uid {
				found = append(found, c)
			}
		}
	}
	slices.SortStableFunc(found, func(x, y *ical.Component) int { return cmp.Compare(x.Value("DTSTART"), y.Value("DTSTART")) })
	return found
}

// deliver brings a message of another calendar system to somebody, and checks what
// becomes of it; his journal says the same.
func (p *play) deliver(method, kind, from, to, reason string, lines ...string) {
	p.Helper()
	p.clock.Add(time.Second)
	p.sent++
	p.bring(fmt.Sprint("sent/", p.sent), from, to, reason, "BEGIN:VCALENDAR\r\nMETHOD:"+method+"\r\nVERSION:2.0\r\nPRODID:-//Example/ExampleCalendarClient//EN\r\n"+
		component(kind, p.uid, p.clock.Now(), lines...)+"END:VCALENDAR\r\n")
}

// bring delivers a text under a name.
func (p *play) bring(id, from, to, reason, text string) {
	p.Helper()
	res, err := p.be.Deliver(p.Context(), p.people.Actor(from), calendar.DeliverRequest{ID: id, From: mailto(from),
		To: []calendar.Recipient{{Address: mailto(to), Owner: calendar.Owner(to)}}, Data: []byte(text)})
	if err != nil || res[0].Err != nil {
		p.Fatal(err, res)
	}
	if res[0].Reason != reason {
		p.Errorf("from %s to %s: %s (%s), want %s\n%s", from, to, res[0].Reason, res[0].Detail, reason, text)
	}
	told, err := p.be.Why(p.Context(), p.people.Actor(to), calendar.WhyRequest{Owner: calendar.Owner(to), Query: calendar.TraceQuery{Message: id}})
	if err != nil || len(told.Traces) != 1 || told.Traces[0].Reason != reason || why.Sentence(reason) == "" {
		p.Errorf("%s's journal has %+v, %v", to, told.Traces, err)
	}
	p.settled()
}

// component is one of some lines.
func component(kind, uid string, stamp time.Time, lines ...string) string {
	all := append([]string{"BEGIN:" + kind, "UID:" + uid, "DTSTAMP:" + stamp.Format("20060102T150405Z")}, lines...)
	return strings.Join(append(all, "END:"+kind, ""), "\r\n")
}

func mailto(id string) string { return "mailto:" + id + "@example.com" }

// idOf is who has an address, as either protocol spells it.
func idOf(address string) string {
	id, _, _ := strings.Cut(strings.TrimPrefix(strings.ToLower(address), "mailto:"), "@")
	return id
}

// guest takes "emil;ROLE=CHAIR" apart.
func guest(line string) (id string, params []ical.Param) {
	fields := strings.Split(line, ";")
	for _, f := range fields[1:] {
		name, value, _ := strings.Cut(f, "=")
		params = append(params, ical.Param{Name: name, Values: []string{value}})
	}
	if !strings.Contains(line, "PARTSTAT=") {
		params = append(params, ical.Param{Name: "PARTSTAT", Values: []string{"NEEDS-ACTION"}})
	}
	if !strings.Contains(line, "RSVP=") {
		params = append(params, ical.Param{Name: "RSVP", Values: []string{"TRUE"}})
	}
	return fields[0], params
}

// lose takes somebody's copy from him without a word.
func (p *play) lose(who string) {
	p.Helper()
	var ref calendar.Ref
	actor := p.people.Actor(who)
	err := p.be.Objects(p.Context(), actor, calendar.ObjectsRequest{Calendar: calendar.ID(who), UIDs: []string{p.uid}}, func(r calendar.ObjectResult) error {
		ref = r.Ref
		return r.Err
	})
	if err == nil {
		err = p.be.DeleteObject(p.Context(), actor, calendar.DeleteRequest{Ref: ref, NoReply: true})
	}
	p.may(err)
}
