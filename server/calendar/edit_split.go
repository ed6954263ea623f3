package calendar

import (
	"context"
	"slices"
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// How many instances an edit of "this and the future" or "this and the past"
// changes one by one. Beyond the first number the series is split in two; one
// that cannot be, up to the second.
const (
	maxSplit   = 400
	maxSingled = 5000
)

// some lists the instances that a scope means; none when they are all. more:
// they are too many to be told apart.
func (s *series) some(e *editor, it *EditItem, most int) (list []recur.Instance, more bool, err error) {
	first, ok := s.rid(e, it.RID)
	if !ok {
		return nil, false, failMsg(NotFound, "", e.op, e.ref, "there is no such instance")
	}
	pivot := s.clock.civil(first.RecurrenceID)
	others := false
	for in, err := range s.set.Between(context.Background(), time.Time{}, time.Time{}, e.float, recur.Budget{MaxInstances: 20_000, MaxSteps: 100_000}) {
		if err != nil {
			if it.Scope == ThisAndPrior && others {
				break // nothing earlier comes later
			}
			return nil, true, nil
		}
		at := s.clock.civil(in.RecurrenceID)
		if it.Scope == ThisAndFuture && at.Before(pivot) || it.Scope == ThisAndPrior && at.After(pivot) {
			others = true
			continue
		}
		if list = append(list, in); len(list) > most {
			return nil, true, nil
		}
	}
	if !others {
		list = nil
	}
	return list, false, nil
}

// storeSome changes instances from or up to one of them: one by one, or the
// part of the series that they are.
func (e *editor) storeSome(s *series, it *EditItem) (*ical.Component, error) {
	list, more, err := s.some(e, it, maxSplit)
	if err != nil {
		return nil, err
	}
	if more {
		next, done, err := e.storePart(s, it)
		if done || err != nil {
			return next, err
		}
		if list, more, err = s.some(e, it, maxSingled); err == nil && more {
			err = failMsg(TooLarge, "", e.op, e.ref, "more than %d instances", maxSingled)
		}
		if err != nil {
			return nil, err
		}
	}
	if list == nil {
		return e.storeSeries(s, it)
	}
	for _, in := range list {
		c := s.override(in.RecurrenceID)
		if c == nil {
			c = s.split(e, in)
			s.cal.AddChild(c)
		}
		if err := e.change(s, c, it); err != nil {
			return nil, err
		}
	}
	return s.cal, e.finish(s.cal, false)
}

// storePart splits a series at an instance and changes one of the parts. The
// earlier one stays the object, the later one becomes another, e.rest. It does
// not where that could not be done exactly, or where it is not this calendar's
// owner who says what belongs together.
func (e *editor) storePart(s *series, it *EditItem) (next *ical.Component, done bool, err error) {
	if s.master == nil || it.Role == AsAttendee || it.Role == OwnCopy {
		return nil, false, nil
	}
	if org := s.master.Prop("ORGANIZER"); org != nil && !e.isMe(org.Value) {
		return nil, false, nil
	}
	at, ok, whole := e.cut(s, it)
	if whole {
		next, err = e.storeSeries(s, it)
		return next, true, err
	}
	if !ok {
		return nil, false, nil
	}
	later, ok, err := e.tail(s.cal.Clone(), at, newUID())
	if !ok || err != nil {
		return nil, false, err
	}
	earlier, err := e.truncate(s, at)
	if err != nil || earlier == nil {
		return nil, false, err
	}
	changed := earlier
	if it.Scope == ThisAndFuture {
		changed = later
	}
	t, err := e.open(changed)
	if err != nil {
		return nil, false, err
	}
	for _, c := range t.comps {
		if err := e.change(t, c, it); err != nil {
			return nil, false, err
		}
	}
	if err := e.finish(changed, false); err != nil {
		return nil, false, err
	}
	e.rest = append(e.rest, later)
	return earlier, true, nil
}

// cut finds the first instance of the later part. ok is false if the rule
// could not go on from there as it does now: it has to be the only one, and
// the instance one of its own. whole: nothing is on one side.
func (e *editor) cut(s *series, it *EditItem) (at recur.Instance, ok, whole bool) {
	in, found := s.rid(e, it.RID)
	if !found || s.master == nil || s.master.Count("RRULE") != 1 || s.master.Count("EXRULE") != 0 {
		return at, false, false
	}
	for _, c := range s.comps {
		if p := c.Prop("RECURRENCE-ID"); p != nil && p.HasParam("RANGE") {
			return at, false, false
		}
	}
	rule := s.rule()
	if rule == nil {
		return at, false, false
	}
	pivot := s.clock.civil(in.RecurrenceID)
	from := s.clock.instant(in.RecurrenceID)
	for in, err := range rule.Between(context.Background(), from, time.Time{}, e.float, recur.Budget{MaxInstances: 1000, MaxSteps: 100_000}) {
		if err != nil {
			return at, false, false
		}
		switch was := s.clock.civil(in.RecurrenceID); {
		case was.Before(pivot), it.Scope == ThisAndPrior && was.Equal(pivot):
			continue
		case it.Scope == ThisAndFuture && !was.Equal(pivot):
			return at, false, false
		case it.Scope == ThisAndFuture && was.Equal(s.clock.civil(moment(s.master, "DTSTART"))):
			return in, true, true
		}
		return in, true, false
	}
	return at, false, it.Scope == ThisAndPrior && s.master.Prop("RDATE") == nil
}

// rule is what the rule of the master yields, without further dates and
// exceptions; nil if it cannot be told.
func (s *series) rule() *recur.Set {
	c := s.master.Clone()
	for _, name := range []string{"RDATE", "EXDATE"} {
		c.Del(name)
	}
	c.Children = nil
	set, err := recur.Compile([]*ical.Component{c}, s.zones)
	if err != nil {
		return nil
	}
	return set
}

// tail is the part of a series that begins with an instance of its rule. With
// a uid it is another series. ok is false if its length cannot be told.
func (e *editor) tail(cal *ical.Component, at recur.Instance, uid string) (next *ical.Component, ok bool, err error) {
	s, err := e.open(cal)
	if err != nil {
		return nil, false, err
	}
	pivot := s.clock.civil(at.RecurrenceID)
	earlier := func(d ical.DateTime) bool { return s.clock.civil(d).Before(pivot) }
	before := s.master.Clone()
	at.Comp = s.master
	first := s.split(e, at)
	passed := 0
	if rule := s.rule(); rule != nil && strings.Contains(strings.ToUpper(s.master.Value("RRULE")), "COUNT") {
		for in, err := range rule.Between(context.Background(), time.Time{}, s.clock.instant(at.RecurrenceID), e.float, recur.Budget{MaxInstances: 100_000, MaxSteps: 1_000_000}) {
			if err != nil {
				return nil, false, nil
			}
			if earlier(in.RecurrenceID) {
				passed++
			}
		}
	}
	var keep []ical.Property
	for _, p := range s.master.Props {
		switch p.Name {
		case "DTSTART", "DTEND", "DUE":
			p = *first.Prop(p.Name)
		case "RRULE":
			r, err := recur.ParseRule(p.Value)
			if err != nil || r.Count > 0 && r.Count <= passed {
				return nil, false, nil
			}
			if r.Count > 0 {
				r.Count -= passed
				p.Value = r.String()
			}
		case "RDATE", "EXDATE":
			list, err := p.DateTimes()
			if err != nil || strings.EqualFold(p.Param("VALUE"), "PERIOD") {
				break
			}
			if list = slices.DeleteFunc(list, earlier); len(list) == 0 {
				continue
			}
			p = p.Clone()
			setDates(&p, list)
		}
		keep = append(keep, p)
	}
	s.master.Props = keep
	cal.Children = slices.DeleteFunc(cal.Children, func(c *ical.Component) bool {
		return c.Name != "VTIMEZONE" && c.Prop("RECURRENCE-ID") != nil && earlier(moment(c, "RECURRENCE-ID"))
	})
	if uid != "" {
		for _, c := range components(cal) {
			c.SetText("UID", uid)
		}
		s.master.Set("SEQUENCE", "0")
		e.stamp(s.master, nil, &Patch{})
	} else {
		e.stamp(s.master, before, &Patch{})
	}
	next, err = e.left(cal)
	return next, err == nil && next != nil, err
}

// removePrior deletes the instances up to one of them.
func (e *editor) removePrior(s *series, it *EditItem) (*ical.Component, error) {
	list, more, err := s.some(e, it, maxSplit)
	if err != nil || !more && list == nil {
		return nil, err
	}
	if !more {
		return e.without(s, list)
	}
	at, ok, whole := e.cut(s, it)
	if whole {
		return nil, nil
	}
	if ok {
		if next, ok, err := e.tail(s.cal.Clone(), at, ""); ok || err != nil {
			return next, err
		}
	}
	if list, more, err = s.some(e, it, maxSingled); err == nil && more {
		err = failMsg(TooLarge, "", e.op, e.ref, "more than %d instances", maxSingled)
	}
	if err != nil || list == nil {
		return nil, err
	}
	return e.without(s, list)
}
