package edit

import (
	"context"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// How many instances an edit of "this and the future" or "this and the past"
// changes one by one, each by an override or EXDATE. Beyond the first number the
// series is divided in two; one that cannot be, up to the second.
const (
	maxOverrides = 400
	maxUndivided = 5000
)

// inScope lists the instances that a scope means; none when they are all. more:
// they are too many to be told apart.
func (s *series) inScope(it *calendar.EditItem, most int) (list []recur.Instance, more bool, err error) {
	first, ok := s.instance(it.RID)
	if !ok {
		return nil, false, errNoInstance
	}
	pivot := s.clock.civil(first.RecurrenceID)
	others := false
	for in, err := range s.set.Between(context.Background(), time.Time{}, time.Time{}, s.clock.floating, recur.Budget{MaxInstances: 20_000, MaxSteps: 100_000}) {
		if err != nil {
			if it.Scope == calendar.ThisAndPrior && others {
				break // nothing earlier comes later
			}
			return nil, true, nil
		}
		at := s.clock.civil(in.RecurrenceID)
		if it.Scope == calendar.ThisAndFuture && at.Before(pivot) || it.Scope == calendar.ThisAndPrior && at.After(pivot) {
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

// storeScope changes instances from or up to one of them: one by one, or the
// part of the series that they are.
func (e *Editor) storeScope(s *series, uid string, it *calendar.EditItem) (next, later *ical.Component, err error) {
	list, more, err := s.inScope(it, maxOverrides)
	if err != nil {
		return nil, nil, err
	}
	if more {
		next, later, done, err := e.storeDivided(s, uid, it)
		if done || err != nil {
			return next, later, err
		}
		if list, more, err = s.inScope(it, maxUndivided); err == nil && more {
			err = calendar.Errorf(calendar.TooLarge, "", "more than %d instances", maxUndivided)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if list == nil {
		next, err = e.storeSeries(s, it)
		return next, nil, err
	}
	for _, in := range list {
		c := s.override(in.RecurrenceID)
		if c == nil {
			c = s.newOverride(in)
			s.cal.AddChild(c)
		}
		if err := e.change(s, c, it); err != nil {
			return nil, nil, err
		}
	}
	return s.cal, nil, e.finish(s.cal, false)
}

// storeDivided divides a series at an instance and changes one of the parts. The
// earlier one stays the object, the later one becomes another. It does not where
// that could not be done exactly, or where it is not this calendar's owner who
// says what belongs together.
func (e *Editor) storeDivided(s *series, uid string, it *calendar.EditItem) (next, later *ical.Component, done bool, err error) {
	if s.master == nil || it.Role == calendar.AsAttendee || it.Role == calendar.OwnCopy {
		return nil, nil, false, nil
	}
	if org := s.master.Prop("ORGANIZER"); org != nil && !e.isOwner(org.Value) {
		return nil, nil, false, nil
	}
	at, ok, whole := s.divider(it)
	if whole {
		next, err = e.storeSeries(s, it)
		return next, nil, true, err
	}
	if !ok {
		return nil, nil, false, nil
	}
	later, ok, err = e.laterPart(s.cal.Clone(), at, uid)
	if !ok || err != nil {
		return nil, nil, false, err
	}
	first, err := e.open(s.cal.Clone()) // s is still needed if this comes to nothing
	if err != nil {
		return nil, nil, false, err
	}
	earlier, err := e.earlierPart(first, at)
	if err != nil {
		return nil, nil, false, err
	}
	if earlier == nil { // what was before is excluded
		next, err = e.storeSeries(s, it)
		return next, nil, true, err
	}
	changed := earlier
	if it.Scope == calendar.ThisAndFuture {
		changed = later
	}
	t, err := e.open(changed)
	if err != nil {
		return nil, nil, false, err
	}
	for _, c := range t.comps {
		if err := e.change(t, c, it); err != nil {
			return nil, nil, false, err
		}
	}
	if err := e.finish(changed, false); err != nil {
		return nil, nil, false, err
	}
	return earlier, later, true, nil
}

// divider finds the first instance of the later part. ok is false if the rule
// could not go on from there as it does now: it has to be the only one, and
// the instance one of its own. whole: nothing is on one side.
func (s *series) divider(it *calendar.EditItem) (at recur.Instance, ok, whole bool) {
	in, found := s.instance(it.RID)
	if !found || s.master == nil || s.master.Count("RRULE") != 1 || s.master.Count("EXRULE") != 0 {
		return at, false, false
	}
	for _, c := range s.comps {
		if p := c.Prop("RECURRENCE-ID"); p != nil && p.HasParam("RANGE") {
			return at, false, false
		}
	}
	rule := s.ruleAlone(s.master.Prop("RRULE"))
	if rule == nil {
		return at, false, false
	}
	pivot := s.clock.civil(in.RecurrenceID)
	from := s.clock.instant(in.RecurrenceID)
	for in, err := range rule.Between(context.Background(), from, time.Time{}, s.clock.floating, recur.Budget{MaxInstances: 1000, MaxSteps: 100_000}) {
		if err != nil {
			return at, false, false
		}
		switch was := s.clock.civil(in.RecurrenceID); {
		case was.Before(pivot), it.Scope == calendar.ThisAndPrior && was.Equal(pivot):
			continue
		case it.Scope == calendar.ThisAndFuture && !was.Equal(pivot):
			return at, false, false
		case it.Scope == calendar.ThisAndFuture && was.Equal(s.clock.civil(moment(s.master, "DTSTART"))):
			return in, true, true
		}
		return in, true, false
	}
	return at, false, it.Scope == calendar.ThisAndPrior && s.master.Prop("RDATE") == nil
}

// ruleAlone is what a rule of the master yields, without the other rules, further
// dates and exceptions; nil if it cannot be told.
func (s *series) ruleAlone(rule *ical.Property) *recur.Set {
	if rule == nil {
		return nil
	}
	c := &ical.Component{Name: s.master.Name, Props: slices.Clone(s.master.Props)}
	for _, name := range []string{"RRULE", "EXRULE", "RDATE", "EXDATE"} {
		c.Del(name)
	}
	c.Add(*rule)
	set, err := recur.Compile([]*ical.Component{c}, s.zones)
	if err != nil {
		return nil
	}
	return set
}

// reaches tells whether a rule yields an instance at a moment of the clock or
// after it.
func (s *series) reaches(rule *ical.Property, pivot time.Time) bool {
	set := s.ruleAlone(rule)
	if set == nil {
		return true
	}
	for in, err := range set.Between(context.Background(), s.clock.instant(s.clock.of(pivot)), time.Time{}, s.clock.floating, recur.Budget{MaxInstances: 1000, MaxSteps: 100_000}) {
		if err != nil || !s.clock.civil(in.RecurrenceID).Before(pivot) {
			return true
		}
	}
	return false
}

// laterPart is the part of a series that begins with an instance of its rule.
// With a uid it is another series. ok is false if its length cannot be told.
func (e *Editor) laterPart(cal *ical.Component, at recur.Instance, uid string) (next *ical.Component, ok bool, err error) {
	s, err := e.open(cal)
	if err != nil {
		return nil, false, err
	}
	pivot := s.clock.civil(at.RecurrenceID)
	earlier := func(d ical.DateTime) bool { return s.clock.civil(d).Before(pivot) }
	before := s.master.Clone()
	at.Comp = s.master
	first := s.newOverride(at)
	passed := 0
	if rule := s.ruleAlone(s.master.Prop("RRULE")); rule != nil && strings.Contains(strings.ToUpper(s.master.Value("RRULE")), "COUNT") {
		for in, err := range rule.Between(context.Background(), time.Time{}, s.clock.instant(at.RecurrenceID), e.Floating, recur.Budget{MaxInstances: 100_000, MaxSteps: 1_000_000}) {
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
			q := first.Prop(p.Name)
			if q == nil {
				q = first.Prop("DURATION") // in place of an end
			}
			p = *q
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
			if p = p.Clone(); !dropDates(&p, earlier) {
				continue
			}
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
		e.stamp(s.master, nil, &calendar.Patch{})
	} else {
		e.stamp(s.master, before, &calendar.Patch{})
	}
	next, err = e.remainder(cal)
	return next, err == nil && next != nil, err
}

// removePrior deletes the instances up to one of them.
func (e *Editor) removePrior(s *series, it *calendar.EditItem) (*ical.Component, error) {
	list, more, err := s.inScope(it, maxOverrides)
	if err != nil || !more && list == nil {
		return nil, err
	}
	if !more {
		return e.exclude(s, list)
	}
	at, ok, whole := s.divider(it)
	if whole {
		return nil, nil
	}
	if ok {
		if next, ok, err := e.laterPart(s.cal.Clone(), at, ""); ok || err != nil {
			return next, err
		}
	}
	if list, more, err = s.inScope(it, maxUndivided); err == nil && more {
		err = calendar.Errorf(calendar.TooLarge, "", "more than %d instances", maxUndivided)
	}
	if err != nil || list == nil {
		return nil, err
	}
	return e.exclude(s, list)
}
