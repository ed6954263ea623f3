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
	of         *meeting
	keys       []key // of components, in the order in which they stand
	components map[key]*ical.Component
	missing    map[key]bool // instances of the series that he is left out of
	forced     map[key]bool // the client wants a message sent all the same: RFC 6638 §7.2
}

// roll finds the attendees of a meeting by what AddressKey makes of them.
type roll struct {
	m     *meeting
	keys  []key
	seats map[string][]seat
}

// seat is somebody's line in a component.
type seat struct {
	at   int // among the keys of the meeting
	line *ical.Property
}

func (m *meeting) roll() roll {
	r := roll{m: m, keys: m.keys(), seats: map[string][]seat{}}
	for i, k := range r.keys {
		for _, g := range guests(m.component(k)).list {
			r.seats[g.who] = append(r.seats[g.who], seat{i, g.line})
		}
	}
	return r
}

// series reports whether somebody is invited to the series, and so sees all of
// its exceptions, or learns that he does not.
func (r roll) series(who string) bool {
	seats := r.seats[who]
	return len(seats) > 0 && r.keys[seats[0].at] == ""
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
	v := &view{of: m, components: make(map[key]*ical.Component, len(seats)), missing: map[key]bool{}, forced: map[key]bool{}}
	show := func(s seat) {
		if !byServer(s.line) {
			return // the server speaks of nothing else
		}
		k := r.keys[s.at]
		v.keys = append(v.keys, k)
		v.components[k] = m.component(k)
		if s.line.ParamIs(forceParam, "REQUEST") {
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
	for i, k := range r.keys {
		c := m.component(k)
		here := len(seats) > 0 && seats[0].at == i
		if here && (k == "" || !m.isOff(k)) {
			show(seats[0])
		} else {
			v.missing[k] = true
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
	}
	if master != nil && v.components[""] != nil {
		v.components[""] = master
	}
	return v
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

func (v *view) empty() bool { return len(v.components) == 0 }

// clones are components of the view by their keys, which are in the order in
// which they stand: each a copy of its own as it is sent.
func (v *view) clones(keys []key) (out []*ical.Component) {
	for _, k := range keys {
		out = append(out, public(v.components[k]))
	}
	return out
}

// sees reports whether the attendee is invited to an instance.
func (v *view) sees(k key) bool {
	return v.components[k] != nil || !v.missing[k] && v.components[""] != nil
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
	out := c.Clone()
	out.Children = slices.DeleteFunc(out.Children, func(k *ical.Component) bool { return k.Name == "VALARM" })
	out.Props = slices.DeleteFunc(out.Props, func(p ical.Property) bool { return isPersonal(p.Name) })
	for i := range out.Props {
		hide(&out.Props[i])
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
