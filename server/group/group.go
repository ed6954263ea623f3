// Package group says who is invited with a group of the directory: RFC 5545
// §3.2.11, ldap.md §5.6. It is pure but for the questions that it asks
// calendar.People, so it is asked before the transaction of a write.
//
// An attendee that is a group stays one (CUTYPE=GROUP), for the group's own
// calendar has the meeting too. Its members, and those of the groups in it,
// stand beside it as attendees who name it in MEMBER. Who stands there without
// MEMBER was invited himself: he stays when the group goes. A group that is
// there by the MEMBER of another one is not expanded once more, so that there
// is one answer to who is there by whom.
//
// Later writes keep to this: who has joined the group is added, who has left it
// goes, and so does everybody who is there by a group that is not invited any
// more. Whom the organizer takes out while others of the group stay is left out
// from then on (leftOutProp). What is over stays as it was.
package group

import (
	"context"
	"errors"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// Rules are how groups are invited, and whom to ask about them.
type Rules struct {
	People    calendar.People
	Never     bool // group.invite.expand="no": groups are invited without their members
	Most      int  // calstore.group.attendee.maxsize: the most members of a group that is expanded; 0 is any, -1 is as Never. Its domain may say otherwise
	Attendees int  // factotum.limit.attendees: the most attendees of a component
	Octets    int  // factotum.limit.objectsize: the most octets that the members may add
	Keep      bool // factotum.group.follow="no": who was invited with a group stays, whoever joins or leaves it
	Now       time.Time
	Floating  recur.Zone // of times without a zone; nil is UTC
}

// leftOutProp names somebody who is not invited though he is a member of the
// groups in its MEMBER: the organizer took him out. Nobody else is sent it.
const leftOutProp = "X-FACTOTUM-LEFT-OUT"

// The parameters that are read and written here. RFC 5545 §3.2, WCAP §7.1.
const (
	memberParam = "MEMBER"
	expandParam = "X-S1CS-EXPAND"
	agentParam  = "SCHEDULE-AGENT"
)

// Expand gives an organizer's object the members of the groups that are invited
// to it. before is what is stored, nil for nothing, and after what he wants to
// store; both stay as they are, and after comes back where nothing is to be
// done. A write without groups costs a look at the addresses that are new.
//
// A group with more members than allowed is refused (TooLarge, MaxAttendees)
// when it is invited; one that has grown since stays as it was.
func (r *Rules) Expand(ctx context.Context, organizer calendar.Person, before, after *ical.Component) (*ical.Component, error) {
	if after == nil || r.People == nil {
		return after, nil
	}
	x := &expansion{Rules: r, organizer: organizer, before: before, after: after, groups: map[string]*invited{}}
	if found, err := x.look(ctx); err != nil || !found {
		return after, err
	}
	x.after = after.Clone()
	stored := storedOf(before, after)
	for _, c := range x.after.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		if err := x.component(ctx, c, stored.of(c)); err != nil {
			return nil, err
		}
	}
	return x.after, nil
}

// Invited reports whether groups are invited to an object.
func Invited(cal *ical.Component) bool {
	if cal == nil {
		return false
	}
	for _, c := range cal.Children {
		for a := range c.All("ATTENDEE") {
			if isGroup(a) {
				return true
			}
		}
	}
	return false
}

func isGroup(a *ical.Property) bool { return a.ParamIs("CUTYPE", "GROUP") }

// expansion is one call of Expand.
type expansion struct {
	*Rules
	organizer     calendar.Person
	before, after *ical.Component
	added         int                 // octets
	groups        map[string]*invited // by the PersonKey of the address that the object has; nil is nobody of ours, or no group
}

// invited is a group that the object names.
type invited struct {
	calendar.Person
	asked   bool
	most    int // that one may ask for, and what says so
	param   string
	more    bool // there are more
	members []calendar.Person
	place   map[string]int // of a member, by each of his PersonKeys
}

// look finds the groups that are invited now, and reports whether there are any
// to look after, now or before.
func (x *expansion) look(ctx context.Context) (found bool, err error) {
	had := map[string]bool{} // whether it was a group, of each address of before
	if x.before != nil {
		for _, c := range x.before.Children {
			for a := range c.All("ATTENDEE") {
				k := calendar.PersonKey(a.Value)
				had[k] = had[k] || isGroup(a)
				found = found || isGroup(a)
			}
		}
	}
	for _, c := range x.after.Children {
		for a := range c.All("ATTENDEE") {
			k := calendar.PersonKey(a.Value)
			was, known := had[k]
			if _, asked := x.groups[k]; asked || k == "" || known && !was && !isGroup(a) {
				continue
			}
			x.groups[k] = nil
			if x.organizer.HasAddress(a.Value) {
				continue
			}
			p, err := calendar.ByAddress(ctx, x.People, a.Value)
			switch {
			case errors.Is(err, calendar.NotFound):
			case err != nil:
				return false, err
			case p.Kind == calendar.Group && p.Active:
				x.groups[k] = &invited{Person: p}
				found = true
			}
		}
	}
	return found, nil
}

// ask finds the members of a group, once.
func (x *expansion) ask(ctx context.Context, g *invited) error {
	if g.asked {
		return nil
	}
	g.asked = true
	most, param := x.limit(g.Person)
	if g.most, g.param = x.Attendees, "factotum.limit.attendees"; most > 0 && (most < g.most || g.most <= 0) {
		g.most, g.param = most, param
	}
	var err error
	g.members, g.more, err = x.People.Members(ctx, g.ID, true, g.most)
	if err != nil && !errors.Is(err, calendar.NotFound) {
		return err
	}
	g.place = make(map[string]int, 2*len(g.members))
	for i, m := range g.members {
		if m.Gone {
			continue
		}
		if m.ID != "" {
			g.place[m.ID] = i
		}
		for _, mail := range m.Mails {
			if _, taken := g.place[mail]; !taken {
				g.place[mail] = i
			}
		}
	}
	return nil
}

// limit is how many members a group may have that is expanded, and what says so.
func (r *Rules) limit(g calendar.Person) (most int, param string) {
	if g.Most != 0 {
		return g.Most, "groupMaxSize of its domain"
	}
	return r.Most, "calstore.group.attendee.maxsize"
}

// alone reports whether a group is invited without its members.
func (r *Rules) alone(g calendar.Person) bool {
	most, _ := r.limit(g)
	return r.Never || most < 0
}

// has reports whether a calendar user address is a member's.
func (g *invited) has(address string) bool {
	_, ok := g.place[calendar.PersonKey(address)]
	return ok
}

// tooLarge is the refusal.
func (g *invited) tooLarge() error {
	return calendar.Errorf(calendar.TooLarge, calendar.MaxAttendees,
		"the group %s has more than %d members, and no more are invited at once (%s): invite smaller groups, or some of its members", g.ID, g.most, g.param)
}

// over reports whether nothing of a component is still to come: of an
// override, or of a whole series.
func (x *expansion) over(c *ical.Component) bool {
	comps := []*ical.Component{c}
	if c.Prop("RECURRENCE-ID") == nil {
		comps = comps[:0]
		for _, k := range x.after.Children {
			if k.Name == c.Name {
				comps = append(comps, k)
			}
		}
	}
	set, err := recur.Compile(comps, recur.ZonesOf(x.after))
	if err != nil {
		return false
	}
	float := x.Floating
	if float == nil {
		float = recur.UTC
	}
	_, last, endless := set.Span(float)
	return !endless && !last.After(x.Now)
}
