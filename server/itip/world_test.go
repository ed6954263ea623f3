package itip

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// world is people with one meeting, and the messages between them.
type world struct {
	t      testing.TB
	now    time.Time
	people map[string]calendar.Person
	copies map[string]*ical.Component
	queue  []Message
	log    []string // method, sender, recipient, components
	last   Receipt
}

func newWorld(t testing.TB) *world {
	w := &world{t: t, now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), people: map[string]calendar.Person{}, copies: map[string]*ical.Component{}}
	for _, id := range []string{"anna", "ben", "carl", "dora", "emil"} {
		w.people[id] = calendar.Person{ID: id, Mails: []string{id + "@example.com", id[:1] + "@alias.example.com"}}
	}
	return w
}

func mail(id string) string { return "mailto:" + id + "@example.com" }

func (w *world) party(id string) *Party {
	w.now = w.now.Add(time.Second)
	return &Party{Owner: w.people[id], Now: w.now}
}

func who(address string) string {
	id, _, _ := strings.Cut(calendar.AddressKey(address), "@")
	return id
}

// say names a message for tables: "REQUEST anna>ben master 20260303".
func say(m Message) string {
	var parts []string
	for _, c := range m.Calendar.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		part := "all"
		if p := c.Prop("RECURRENCE-ID"); p != nil {
			part = p.Value
		}
		if m.Method == Reply {
			part += "=" + answer(c.Prop("ATTENDEE"))
		}
		parts = append(parts, part)
	}
	if m.Inconsequential {
		parts = append(parts, "(answers)")
	}
	if m.Told {
		parts = append(parts, "(told)")
	}
	return fmt.Sprintf("%s %s>%s %s", m.Method, who(m.From), who(m.To[0]), strings.Join(parts, " "))
}

// organize writes an organizer's object, nil to delete it.
func (w *world) organize(id string, next *ical.Component) []string {
	w.t.Helper()
	ch, err := w.party(id).Organize(w.copies[id], next)
	if err != nil {
		w.t.Fatalf("organize: %v\n%s", err, text(next))
	}
	return w.wrote(id, ch)
}

// attend writes an attendee's object, nil to delete it.
func (w *world) attend(id string, next *ical.Component) []string {
	w.t.Helper()
	ch, err := w.party(id).Attend(w.copies[id], next, true)
	if err != nil {
		w.t.Fatalf("attend: %v\nbefore\n%s\nafter\n%s", err, text(w.copies[id]), text(next))
	}
	return w.wrote(id, ch)
}

func (w *world) wrote(id string, ch Change) (said []string) {
	w.copies[id] = ch.Object
	for _, m := range w.post(ch.Messages) {
		said = append(said, say(m))
	}
	return said
}

// post queues messages, one for each who gets it.
func (w *world) post(ms []Message) (out []Message) {
	for _, m := range ms {
		for _, to := range m.To {
			m.To = []string{to}
			out = append(out, m)
		}
	}
	w.queue = append(w.queue, out...)
	return out
}

// next delivers the first message of the queue, and what it leads to.
func (w *world) next(dup bool) {
	w.t.Helper()
	m := w.queue[0]
	w.queue = w.queue[1:]
	id := who(m.To[0])
	before := w.copies[id]
	parsed, err := ical.Parse(m.Calendar.Bytes(), ical.Limits{})
	if err != nil {
		w.t.Fatalf("%s cannot be read: %v\n%s", say(m), err, m.Calendar.Bytes())
	}
	m.Calendar = parsed
	r := w.party(id).Receive(before, m)
	w.last = r
	w.log = append(w.log, say(m)+": "+r.Reason.String())
	if r.Reason == Unreadable {
		w.t.Fatalf("%s: %s\n%s", say(m), r.Detail, m.Calendar.Bytes())
	}
	if r.Changed {
		w.copies[id] = r.Object
		if len(r.Answers) > 0 {
			more, err := w.party(id).Tell(before, r.Object)
			if err != nil {
				w.t.Fatal(err)
			}
			w.post(more)
		}
	}
	if r.Message != nil {
		w.post([]Message{*r.Message})
	}
	if dup {
		again := w.party(id).Receive(w.copies[id], m)
		if again.Changed && !ical.Equal(settled(again.Object), settled(w.copies[id])) {
			w.t.Fatalf("%s: the second time it changed again (%s)\n%s", say(m), again.Reason, ical.Diff(w.copies[id], again.Object))
		}
	}
}

// settled is an object without what every write of it touches.
func settled(c *ical.Component) *ical.Component {
	out := c.Clone()
	for _, k := range out.Children {
		k.Del("DTSTAMP")
	}
	return out
}

func (w *world) settle() []string {
	w.t.Helper()
	w.log = nil
	for n := 0; len(w.queue) > 0; n++ {
		if n > 1000 {
			w.t.Fatalf("messages without end: %q", w.log[len(w.log)-10:])
		}
		w.next(false)
	}
	return w.log
}

// object makes an object of lines; a line that is empty begins another component.
func object(t testing.TB, comp string, lines ...string) *ical.Component {
	t.Helper()
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n"
	for _, part := range strings.Split(strings.Join(lines, "\n"), "\n\n") {
		name := comp
		text += "BEGIN:" + name + "\r\nUID:m1\r\nDTSTAMP:20260101T000000Z\r\n" + strings.ReplaceAll(part, "\n", "\r\n") + "\r\nEND:" + name + "\r\n"
	}
	c, err := ical.Parse([]byte(text+"END:VCALENDAR\r\n"), ical.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// meet is a meeting of anna's with others.
func meet(t testing.TB, with []string, lines ...string) *ical.Component {
	return object(t, "VEVENT", append(lines, invitees(with...)...)...)
}

func invitees(with ...string) []string {
	out := []string{"ORGANIZER;CN=Anna:" + mail("anna"), "ATTENDEE;PARTSTAT=ACCEPTED:" + mail("anna")}
	for _, id := range with {
		out = append(out, "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:"+mail(id))
	}
	return out
}

func text(c *ical.Component) string {
	if c == nil {
		return "(nothing)"
	}
	return string(c.Bytes())
}

// change is a copy of somebody's object with its master, or the override of an
// instance, changed.
func (w *world) change(id, rid string, f func(c *ical.Component)) *ical.Component {
	w.t.Helper()
	next := w.copies[id].Clone()
	m, err := (&Party{Owner: w.people[id]}).open(next)
	if err != nil {
		w.t.Fatal(err)
	}
	if rid == "" {
		f(m.head())
		return next
	}
	d, err := ical.ParseDateTime(rid, "", len(rid) == 8)
	if err != nil {
		w.t.Fatal(err)
	}
	k := m.keyOf(d, m.zones)
	c := m.override(k)
	if c == nil {
		in, ok := m.instance(d)
		if !ok {
			w.t.Fatalf("no instance %s in\n%s", rid, text(next))
		}
		c = m.except(in)
	} else {
		c = c.Clone()
	}
	f(c)
	m.put(k, c)
	return next
}

// partstat sets what somebody answers.
func (w *world) partstat(id, to string) func(*ical.Component) {
	return func(c *ical.Component) {
		if a := attendee(c, w.people[id].HasAddress); a != nil {
			a.SetParam("PARTSTAT", to)
		}
	}
}

// answers lists what somebody's copy says of the answers of others: "ben=ACCEPTED".
func (w *world) answers(id, rid string) string {
	w.t.Helper()
	m, err := (&Party{Owner: w.people[id]}).open(w.copies[id])
	if err != nil || m.empty() {
		return "none"
	}
	k := entire
	if rid != "" {
		d, _ := ical.ParseDateTime(rid, "", len(rid) == 8)
		k = m.keyOf(d, m.zones)
	}
	c := m.component(k)
	if c == nil {
		return "none"
	}
	var out []string
	for a := range c.All("ATTENDEE") {
		if w.people["anna"].HasAddress(a.Value) {
			continue
		}
		out = append(out, who(a.Value)+"="+answer(a))
	}
	return strings.Join(out, " ")
}

// instances lists when somebody's copy takes place, and what it is then.
func (w *world) instances(id string) []string {
	w.t.Helper()
	if w.copies[id] == nil {
		return nil
	}
	return shown(w.t, w.copies[id], nil)
}

// shown lists the instances of an object: those that are off left out, and
// those that a test does not want.
func shown(t testing.TB, cal *ical.Component, want func(*ical.Component) bool) (out []string) {
	t.Helper()
	m, err := (&Party{}).open(cal)
	if err != nil {
		t.Fatalf("%v\n%s", err, text(cal))
	}
	for in, err := range m.compiled().Between(t.Context(), time.Time{}, time.Time{}, nil, recur.Budget{MaxInstances: 200}) {
		if err != nil {
			t.Fatal(err)
		}
		if in.Comp.Word("STATUS") != "CANCELLED" && (want == nil || want(in.Comp)) {
			out = append(out, in.Start.Format("0102T1504")+" "+in.Comp.Text("SUMMARY"))
		}
	}
	slices.Sort(out)
	return out
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got  %q\n want %q", what, got, want)
	}
}

var noLimit = recur.Budget{MaxInstances: 1000}
