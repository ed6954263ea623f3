package itip

import (
	"encoding/binary"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// view is what one attendee sees of a meeting: the components that invite him,
// and with an EXDATE in the master for each instance that does not, or is off.
// They stand as they are stored, with what is the organizer's own: what is sent
// of them, clones and public make. RFC 6638 §3.2.6.
type view struct {
	of     *meeting
	keys   []key // of components, in the order in which they stand
	master *ical.Component
	parts  []seen       // what of the meeting's overrides
	forced map[key]bool // the client wants a message sent all the same: RFC 6638 §7.2
}

// seen tells whether somebody sees an override.
type seen uint8

const (
	unseen seen = iota // he sees the series, if he is invited to it
	visible
	missing // it is left out of the series that he sees
)

// roll finds the attendees of a meeting by what AddressKey makes of them.
type roll struct {
	m      *meeting
	keys   []key
	seats  map[string][]seat
	people []string // in the order in which they stand
}

// seat is somebody's line in a component.
type seat struct {
	at   int // among the keys of the meeting
	line *ical.Property
}

func (m *meeting) roll() roll {
	r := roll{m: m, keys: m.keys(), seats: map[string][]seat{}}
	i := 0
	for _, c := range m.all() {
		for _, g := range guests(c).list {
			seats := r.seats[g.who]
			if seats == nil {
				r.people = append(r.people, g.who)
			}
			r.seats[g.who] = append(seats, seat{i, g.line})
		}
		i++
	}
	return r
}

// series reports whether somebody is invited to the series, and so sees all of
// its exceptions, or learns that he does not.
func (r roll) series(who string) bool {
	seats := r.seats[who]
	return len(seats) > 0 && r.keys[seats[0].at] == entire
}

// extent is how many components it takes to make somebody's view.
func (r roll) extent(who string) int {
	if r.series(who) {
		return len(r.keys)
	}
	return len(r.seats[who])
}

// view is that of somebody.
func (r roll) view(who string) *view {
	seats, m := r.seats[who], r.m
	overrides := len(r.keys) - len(m.order) // where they begin among the keys
	v := &view{of: m, keys: make([]key, 0, len(seats)), parts: make([]seen, len(m.order))}
	show := func(s seat) {
		if !byServer(s.line) {
			return // the server speaks of nothing else
		}
		k := r.keys[s.at]
		if v.keys = append(v.keys, k); k == entire {
			v.master = m.master
		} else {
			v.parts[s.at-overrides] = visible
		}
		if s.line.ParamIs(forceParam, "REQUEST") {
			if v.forced == nil {
				v.forced = map[key]bool{}
			}
			v.forced[k] = true
		}
	}
	if !r.series(who) {
		for _, s := range seats {
			show(s)
		}
		return v
	}
	var master *ical.Component
	i := 0
	for k, c := range m.all() {
		here := len(seats) > 0 && seats[0].at == i
		if here && (k == entire || !m.isOff(k)) {
			show(seats[0])
		} else {
			v.parts[i-overrides] = missing
			if master == nil {
				master = m.master.Clone()
			}
			rid := c.Prop("RECURRENCE-ID").Clone()
			rid.DelParam("RANGE")
			rid.Name = "EXDATE"
			master.Add(rid)
		}
		if here {
			seats = seats[1:]
		}
		i++
	}
	if master != nil && v.master != nil {
		v.master = master
	}
	return v
}

// component is one of those that the view has, nil if it has no such.
func (v *view) component(k key) *ical.Component {
	if k == entire {
		return v.master
	}
	if i, ok := v.of.at[k]; ok && v.parts[i] == visible {
		return v.of.parts[i]
	}
	return nil
}

// sign writes what tells somebody's view of the meeting from others'.
func (r roll) sign(b []byte, who string) []byte {
	for _, s := range r.seats[who] {
		flag := byte('s')
		switch {
		case !byServer(s.line):
			flag = 'c'
		case s.line.ParamIs(forceParam, "REQUEST"):
			flag = 'f'
		}
		b = append(binary.AppendUvarint(b, uint64(s.at)), flag)
	}
	return append(b, '/')
}

// guestList are the attendees of a component by what AddressKey makes of them:
// of two lines of one address the first. The lines are good until properties are
// added or deleted.
type guestList struct {
	list []guest
	at   map[string]*ical.Property // where they are many
}

type guest struct {
	who  string
	line *ical.Property
}

// fewGuests are found sooner one by one than in a map, which costs more to make.
const fewGuests = 16

// guests lists the attendees of a component, none of nil.
func guests(c *ical.Component) (g guestList) {
	if c == nil {
		return g
	}
	n := c.Count("ATTENDEE")
	if n == 0 {
		return g
	}
	if n > fewGuests {
		g.at = make(map[string]*ical.Property, n)
	}
	g.list = make([]guest, 0, n)
	for a := range c.All("ATTENDEE") {
		who := calendar.AddressKey(a.Value)
		if g.line(who) != nil {
			continue
		}
		g.list = append(g.list, guest{who, a})
		if g.at != nil {
			g.at[who] = a
		}
	}
	return g
}

// line is somebody's, nil if he is not among them.
func (g guestList) line(who string) *ical.Property {
	if g.at != nil {
		return g.at[who]
	}
	for i := range g.list {
		if g.list[i].who == who {
			return g.list[i].line
		}
	}
	return nil
}

func (v *view) empty() bool { return len(v.keys) == 0 }

// clones are components of the view by their keys, which are in the order in
// which they stand: each a copy of its own as it is sent in a REQUEST.
func (v *view) clones(p *Party, keys []key) []*ical.Component {
	out := make([]*ical.Component, len(keys))
	for i, k := range keys {
		out[i] = public(v.component(k))
		p.ask(out[i], v.of.component(k), v.of)
	}
	return out
}

// sees reports whether the attendee is invited to an instance.
func (v *view) sees(k key) bool {
	if i, ok := v.of.at[k]; ok && v.parts[i] != unseen {
		return v.parts[i] == visible
	}
	return v.master != nil
}

// personal are properties that say something about one user's copy alone: when
// he was reminded, what his program noted. They are sent to nobody.
var personal = map[string]bool{
	"X-MOZ-LASTACK": true, "X-MOZ-GENERATION": true, "X-MOZ-SEND-INVITATIONS": true, "X-MOZ-SEND-INVITATIONS-UNDISCLOSED": true,
	"X-LIC-ERROR": true, "X-APPLE-DEFAULT-ALARM": true, "X-APPLE-NEEDS-REPLY": true, "X-EVOLUTION-ALARM-UID": true,
	"X-CALENDARSERVER-PRIVATE-COMMENT": true, "X-CALENDARSERVER-ATTENDEE-COMMENT": true,
	"ACKNOWLEDGED": true, "X-FACTOTUM-LEFT-OUT": true,
}

func isPersonal(name string) bool {
	return personal[name] || strings.HasPrefix(name, "X-MOZ-SNOOZE-TIME")
}

// hidden are parameters of lines about people, and of EXDATE, that the server
// keeps for itself.
var hidden = []string{agentParam, statusParam, forceParam, revisionParam, gseParam}

func hides(p *ical.Property) bool {
	return p.Name == "ATTENDEE" || p.Name == "ORGANIZER" || p.Name == "EXDATE"
}

// public is a copy of what an organizer tells others: without his alarms, his
// program's notes and the notes of the server.
func public(c *ical.Component) *ical.Component {
	out := &ical.Component{Name: c.Name, Props: make([]ical.Property, 0, len(c.Props)+1)} // one more: see ask
	for i := range c.Props {
		if !isPersonal(c.Props[i].Name) {
			out.Props = append(out.Props, told(&c.Props[i]))
		}
	}
	for _, k := range c.Children {
		if k.Name != "VALARM" {
			out.AddChild(k.Clone())
		}
	}
	return out
}

// told is a copy of a line as others see it.
func told(p *ical.Property) ical.Property {
	out := p.Clone()
	hide(&out)
	return out
}

func hide(p *ical.Property) {
	if hides(p) {
		p.KeepParams(func(name string) bool { return !slices.Contains(hidden, name) })
	}
}
