package group

import (
	"context"
	"slices"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// list are the attendees of one component while they are worked on.
type list struct {
	*expansion
	c, was *ical.Component // was: as it is stored, nil if it is new
	lines  []*line
	at     map[string]*line          // by PersonKey
	old    map[string]*ical.Property // of was
	roots  []*root                   // the groups that stand there for themselves
	gone   []string                  // the PersonKeys of groups that were invited, and are not
	out    []leftOut
}

type line struct {
	ical.Property
	key     string
	old     *ical.Property // of was
	removed bool
}

// size is how long a line is at least, in octets.
func (n *line) size() int {
	size := len(n.Name) + len(n.Value) + 3
	for _, p := range n.Params {
		size += len(p.Name) + 2
		for _, v := range p.Values {
			size += len(v)
		}
	}
	return size
}

// root is a group that is invited for itself, not by being in another one.
type root struct {
	*invited
	line  *line
	fresh bool // it was not invited before
	still bool // those who are there with it stay as they are
	some  bool // somebody who was there by the group still is
}

// leftOut is somebody whom the organizer took out of a group.
type leftOut struct {
	group *root
	who   string // his address
}

// component invites the members of the groups of one component.
func (x *expansion) component(ctx context.Context, c, was *ical.Component) error {
	l := &list{expansion: x, c: c, was: was, at: map[string]*line{}, old: map[string]*ical.Property{}}
	if was != nil {
		for a := range was.All("ATTENDEE") {
			l.old[calendar.PersonKey(a.Value)] = a
		}
	}
	for a := range c.All("ATTENDEE") {
		k := calendar.PersonKey(a.Value)
		n := &line{Property: *a, key: k, old: l.old[k]}
		if n.old != nil && n.old.HasParam(memberParam) && !n.HasParam(memberParam) { // programs lose it
			n.SetParam(memberParam, n.old.ParamValues(memberParam)...)
		}
		l.lines = append(l.lines, n)
		if l.at[k] == nil {
			l.at[k] = n
		}
	}
	if err := l.findRoots(ctx); err != nil {
		return err
	}
	if len(l.roots) == 0 && len(l.gone) == 0 {
		return nil
	}
	l.leftBefore()
	for _, n := range l.lines {
		l.settle(n)
	}
	for _, g := range l.roots {
		l.invite(g)
	}
	return l.write()
}

// findRoots finds the groups that are invited for themselves, and those that
// were and are not.
func (l *list) findRoots(ctx context.Context) error {
	var here []*root
	for _, n := range l.lines {
		if g := l.groups[n.key]; g != nil && !slices.ContainsFunc(here, func(o *root) bool { return o.ID == g.ID }) {
			here = append(here, &root{invited: g, line: n})
		}
	}
	for _, g := range here {
		g.line.SetParam("CUTYPE", "GROUP")
		if g.line.Param("CN") == "" {
			g.line.SetParam("CN", g.Name)
		}
		if g.line.Param("PARTSTAT") == "" {
			g.line.SetParam("PARTSTAT", "NEEDS-ACTION")
		}
		in := slices.ContainsFunc(g.line.ParamValues(memberParam), func(v string) bool {
			return slices.ContainsFunc(here, func(o *root) bool { return o != g && o.HasAddress(v) && !o.line.HasParam(memberParam) })
		})
		if !in {
			l.roots = append(l.roots, g)
		}
	}
	for k, a := range l.old {
		if isGroup(a) && l.at[k] == nil && !slices.ContainsFunc(here, func(o *root) bool { return o.HasAddress(a.Value) }) {
			l.gone = append(l.gone, k)
		}
	}
	over := len(l.roots) > 0 && l.over(l.c)
	for _, g := range l.roots {
		if err := l.prepare(ctx, g, over); err != nil {
			return err
		}
	}
	return nil
}

// prepare decides what is to become of a group's members, and finds them.
func (l *list) prepare(ctx context.Context, g *root, over bool) error {
	g.fresh = true
	for k, a := range l.old {
		if isGroup(a) && (k == g.line.key || g.HasAddress(a.Value)) {
			g.fresh = false
		}
	}
	for _, n := range l.lines {
		g.some = g.some || n.old != nil && names(n.old, g.HasAddress)
	}
	switch {
	case l.alone(g.Person), g.line.ParamIs(expandParam, "FALSE"), g.line.ParamIs(agentParam, "CLIENT"):
		// The group alone is invited, and nobody answers for it. ldap.md §5.6.
		g.still = true
		if g.fresh {
			g.line.SetParam("RSVP", "FALSE")
		}
	case !g.fresh && (l.Keep || over):
		g.still = true
	default:
		if err := l.ask(ctx, g.invited); err != nil {
			return err
		}
		if g.more && g.fresh {
			return g.tooLarge()
		}
		g.still = g.more
	}
	return nil
}

// names reports whether a line names a group in MEMBER.
func names(a *ical.Property, is func(string) bool) bool {
	return slices.ContainsFunc(a.ParamValues(memberParam), is)
}

// leftBefore reads whom the organizer left out earlier: a program that does not
// know the property may have dropped it.
func (l *list) leftBefore() {
	for _, c := range []*ical.Component{l.c, l.was} {
		if c == nil {
			continue
		}
		for p := range c.All(leftOutProp) {
			for _, g := range l.roots {
				if names(p, g.HasAddress) {
					l.leaveOut(g, p.Value)
				}
			}
		}
	}
}

func (l *list) leaveOut(g *root, who string) {
	if !l.isLeftOut(g, who) {
		l.out = append(l.out, leftOut{g, who})
	}
}

func (l *list) isLeftOut(g *root, who string) bool {
	k := calendar.PersonKey(who)
	return slices.ContainsFunc(l.out, func(o leftOut) bool { return o.group == g && calendar.PersonKey(o.who) == k })
}

// settle takes groups out of somebody's MEMBER that he is not in any more, or
// that are not invited any more, and him where that was all that he was there
// by. A list of which nothing is known here is the client's own.
func (l *list) settle(n *line) {
	var keep []string
	lost, was := false, n.ParamValues(memberParam)
	for _, v := range was {
		k := calendar.PersonKey(v)
		i := slices.IndexFunc(l.roots, func(g *root) bool { return g.HasAddress(v) })
		switch {
		case i >= 0 && (l.roots[i].still || l.roots[i].has(n.Value)):
			keep = append(keep, v)
		case i >= 0:
			lost = lost || n.old != nil && names(n.old, l.roots[i].HasAddress)
		case slices.Contains(l.gone, k):
			lost = true
		default:
			keep = append(keep, v)
		}
	}
	switch {
	case len(keep) == len(was):
	case len(keep) == 0 && lost:
		n.removed = true
	default:
		n.SetParam(memberParam, keep...)
	}
}

// invite adds the members of a group who are not invited yet.
func (l *list) invite(g *root) {
	if g.still {
		return
	}
	for i := range g.members {
		m := &g.members[i]
		if m.Gone || l.isOrganizer(m) {
			continue
		}
		n, old := l.find(m)
		if n != nil {
			l.keep(n, g)
			continue
		}
		address := m.Address()
		if old != nil {
			address = old.Value
			// The organizer took him out; but who names the group alone takes out nobody.
			if !g.fresh && (!old.HasParam(memberParam) || names(old, g.HasAddress) && g.some) {
				l.leaveOut(g, address)
			}
		}
		if address == "" || l.isLeftOut(g, address) {
			continue
		}
		l.add(m, g, address, old)
	}
}

// keep has somebody on the list who is in a group: if he is there by others, by
// this one too, and whoever sends him what he gets goes on doing so.
func (l *list) keep(n *line, g *root) {
	if !n.HasParam(memberParam) {
		return
	}
	if !names(&n.Property, g.HasAddress) {
		n.SetParam(memberParam, append(slices.Clone(n.ParamValues(memberParam)), g.line.Value)...)
	}
	if old := g.line.old; old != nil && old.Param(agentParam) != g.line.Param(agentParam) && n.Param(agentParam) == old.Param(agentParam) {
		n.SetParam(agentParam, g.line.ParamValues(agentParam)...)
	}
}

// add puts a member on the list.
func (l *list) add(m *calendar.Person, g *root, address string, old *ical.Property) {
	n := &line{key: calendar.PersonKey(address), old: old}
	if old != nil && old.HasParam(memberParam) { // a program that knows the group only: his answer stays
		n.Property = old.Clone()
	} else {
		n.Name, n.Value = "ATTENDEE", address
		n.SetParam("CN", m.Name)
		n.SetParam("CUTYPE", string(m.Kind))
		n.SetParam("ROLE", role(&g.line.Property))
		n.SetParam("PARTSTAT", "NEEDS-ACTION")
		n.SetParam("RSVP", "TRUE")
	}
	n.SetParam(memberParam, g.line.Value)
	if agent := g.line.Param(agentParam); agent != "" {
		n.SetParam(agentParam, agent)
	}
	l.added += n.size()
	l.lines = append(l.lines, n)
	for _, k := range keys(m) {
		if l.at[k] == nil || l.at[k].removed {
			l.at[k] = n
		}
	}
}

// role is that of a group's members: its own, but a meeting has one chair.
func role(group *ical.Property) string {
	if r := group.Param("ROLE"); r != "" && !group.ParamIs("ROLE", "CHAIR") {
		return r
	}
	return "REQ-PARTICIPANT"
}

// keys are the PersonKeys of somebody.
func keys(m *calendar.Person) []string {
	out := slices.Clip(m.Mails)
	if m.ID != "" {
		out = append(out, m.ID)
	}
	return out
}

// find is the line of a member, and the one that he had.
func (l *list) find(m *calendar.Person) (n *line, old *ical.Property) {
	for _, k := range keys(m) {
		if at := l.at[k]; n == nil && at != nil && !at.removed {
			n = at
		}
		if old == nil {
			old = l.old[k]
		}
	}
	return n, old
}

func (l *list) isOrganizer(m *calendar.Person) bool {
	return m.ID != "" && m.ID == l.organizer.ID || slices.ContainsFunc(m.Mails, l.organizer.HasAddress)
}

// write gives the component its attendees, the new ones behind the others, and
// notes who is left out.
func (l *list) write() error {
	n, last := 0, -1
	for _, a := range l.lines {
		if !a.removed {
			n++
		}
	}
	if n > l.Attendees && l.Attendees > 0 && n > l.c.Count("ATTENDEE") {
		return calendar.Errorf(calendar.TooLarge, calendar.MaxAttendees,
			"with the members of the groups %d people are invited, and at most %d may be (factotum.limit.attendees): invite smaller groups, or some of their members", n, l.Attendees)
	}
	if l.added > l.Octets && l.Octets > 0 {
		return calendar.Errorf(calendar.TooLarge, calendar.MaxResourceSize,
			"with the members of the groups in each of its instances this is longer than %d octets (factotum.limit.objectsize): invite smaller groups", l.Octets)
	}
	for i := range l.c.Props {
		if l.c.Props[i].Name == "ATTENDEE" {
			last = i
		}
	}
	props := make([]ical.Property, 0, len(l.c.Props)+len(l.lines))
	next := 0
	take := func() {
		if !l.lines[next].removed {
			props = append(props, l.lines[next].Property)
		}
		next++
	}
	for i := range l.c.Props {
		switch p := &l.c.Props[i]; p.Name {
		case "ATTENDEE":
			if take(); i == last {
				for next < len(l.lines) {
					take()
				}
			}
		case leftOutProp:
		default:
			props = append(props, *p)
		}
	}
	l.c.Props = props
	for _, o := range l.out {
		if at := l.at[calendar.PersonKey(o.who)]; at != nil && !at.removed || !o.group.still && !o.group.has(o.who) {
			continue // he is invited for himself, or not in the group any more
		}
		p := ical.Property{Name: leftOutProp, Value: o.who}
		p.SetParam(memberParam, o.group.line.Value)
		l.c.Add(p)
	}
	return nil
}
