package booking

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
)

// maxInstances is how many instances of a series are looked at. One that goes on
// after that is taken only if it is free for sure for so long from now.
const (
	maxInstances = 10_000
	foresight    = 2 * 365 * 24 * time.Hour
)

// Request is what a REQUEST has made of a resource's copy of a meeting.
type Request struct {
	Object   *ical.Component // the copy as it is now
	Before   *ical.Component // as it was, nil if it is new
	Room     calendar.Person
	By       Booker
	Floating recur.Zone // in which the resource reads floating time, UTC if it is nil
	Now      time.Time
}

// Case is a request that was read.
type Case struct {
	policy  Policy
	req     Request
	set     *recur.Set
	comps   []*ical.Component // that ask the resource for something
	insts   []inst
	more    map[*ical.Component]bool // has instances after those that were looked at
	late    bool                     // those that were looked at do not reach far enough
	people  map[*ical.Component]int  // who come, where that counts
	grown   map[*ical.Component]bool // more of them than there is room for, and than came before
	answers map[*ical.Component]string
}

// inst is an instance that may have to be decided.
type inst struct {
	recur.Instance
	settled bool // it was answered before, and takes place when it did
}

// Open reads a request. Its errors are of kind Invalid.
func Open(p Policy, req Request) (*Case, error) {
	c := &Case{policy: p, req: req, more: map[*ical.Component]bool{}, people: map[*ical.Component]int{}, grown: map[*ical.Component]bool{},
		answers: map[*ical.Component]string{}}
	comps, err := object.Components(req.Object)
	if err != nil {
		return nil, &calendar.Error{Kind: calendar.Invalid, Op: "decide", Err: err}
	}
	if comps[0].Name != "VEVENT" { // no place is booked for tasks
		return c, nil
	}
	if c.set, err = recur.Compile(comps, recur.ZonesOf(req.Object)); err != nil {
		return nil, &calendar.Error{Kind: calendar.Invalid, Op: "decide", Err: err}
	}
	for _, k := range comps {
		o := k.Prop("ORGANIZER")
		if line := c.line(k); line != nil && k.Word("STATUS") != "CANCELLED" && (o == nil || !req.Room.HasAddress(o.Value)) {
			c.comps = append(c.comps, k)
			c.answers[k] = answer(line)
		}
	}
	before, most := c.before()
	if p.Capacity > 0 {
		for _, k := range c.comps {
			c.people[k] = people(k, req.Room.HasAddress)
			c.grown[k] = c.people[k] > p.Capacity && c.people[k] > most
		}
	}
	insts, more, err := instances(c.set, req)
	if err != nil {
		return nil, &calendar.Error{Kind: calendar.Invalid, Op: "decide", Err: err}
	}
	for _, in := range insts {
		now, asked := c.answers[in.Comp]
		if !asked {
			continue
		}
		was := before[slot{in.Start.Unix(), in.End.Unix()}]
		c.insts = append(c.insts, inst{in, now != "NEEDS-ACTION" && now == was})
	}
	if more {
		for _, k := range c.comps {
			c.more[k] = k.Prop("RECURRENCE-ID") == nil || k.Prop("RECURRENCE-ID").ParamIs("RANGE", "THISANDFUTURE")
		}
		c.late = len(insts) == 0 || insts[len(insts)-1].Start.Before(req.Now.Add(foresight))
	}
	return c, nil
}

// slot is when an instance takes place.
type slot struct{ start, end int64 }

// before is what the resource answered for which time, and how many people came
// at most.
func (c *Case) before() (answers map[slot]string, most int) {
	answers = map[slot]string{}
	if c.req.Before == nil {
		return answers, 0
	}
	comps, err := object.Components(c.req.Before)
	if err != nil {
		return answers, 0
	}
	set, err := recur.Compile(comps, recur.ZonesOf(c.req.Before))
	if err != nil {
		return answers, 0
	}
	said := map[*ical.Component]string{}
	for _, k := range comps {
		if line := c.line(k); line != nil && k.Word("STATUS") != "CANCELLED" {
			said[k] = answer(line)
			if c.policy.Capacity > 0 {
				most = max(most, people(k, c.req.Room.HasAddress))
			}
		}
	}
	insts, _, err := instances(set, c.req)
	if err != nil {
		return answers, most
	}
	for _, in := range insts {
		if s := said[in.Comp]; s != "" {
			answers[slot{in.Start.Unix(), in.End.Unix()}] = s
		}
	}
	return answers, most
}

// instances are those of a series, and whether there are more. Where there are
// too many, those that are over do not count.
func instances(set *recur.Set, req Request) (list []recur.Instance, more bool, err error) {
	if list, more, err = instancesFrom(set, req.Floating, time.Time{}); err == nil && more && (len(list) == 0 || list[0].Start.Before(req.Now)) {
		return instancesFrom(set, req.Floating, req.Now)
	}
	return list, more, err
}

func instancesFrom(set *recur.Set, floating recur.Zone, from time.Time) (list []recur.Instance, more bool, err error) {
	budget := recur.Budget{MaxInstances: maxInstances + 1, MaxSteps: 20 * maxInstances}
	for in, err := range set.Between(context.Background(), from, time.Time{}, floating, budget) {
		if errors.Is(err, recur.ErrBudget) {
			return list, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		if len(list) == maxInstances {
			return list, true, nil
		}
		list = append(list, in)
	}
	return list, false, nil
}

// line is the resource's own in a component.
func (c *Case) line(k *ical.Component) *ical.Property {
	for a := range k.All("ATTENDEE") {
		if c.req.Room.HasAddress(a.Value) {
			return a
		}
	}
	return nil
}

func answer(line *ical.Property) string {
	if line.ParamIs("PARTSTAT", "") {
		return "NEEDS-ACTION"
	}
	return strings.ToUpper(line.Param("PARTSTAT"))
}

// Range is the time of which Decide has to know what others have; ok is false
// if there is none: what may be booked twice is free for everybody.
func (c *Case) Range() (from, to time.Time, ok bool) {
	if !c.policy.NoDoubles {
		return from, to, false
	}
	for _, in := range c.insts {
		if in.settled || !in.End.After(in.Start) {
			continue
		}
		if !ok || in.Start.Before(from) {
			from = in.Start
		}
		if !ok || in.End.After(to) {
			to = in.End
		}
		ok = true
	}
	return from, to, ok
}

// Asked are times in which all instances lie that are to be decided, each of a
// year at most or of one instance, in order.
func (c *Case) Asked() (list []Span) {
	var all []Span
	for _, in := range c.insts {
		if s := (Span{in.Start.Unix(), in.End.Unix()}); c.decides(in) && s.End > s.Start {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.Start, b.Start) })
	for _, s := range all {
		if n := len(list); n > 0 && s.End <= list[n-1].Start+year {
			list[n-1].End = max(list[n-1].End, s.End)
			continue
		}
		list = append(list, s)
	}
	return list
}

// year in seconds is how much of a calendar of hours is looked at in one piece.
const year = 366 * 24 * 3600
