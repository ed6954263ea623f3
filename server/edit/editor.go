package edit

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

// prodID marks objects that this server wrote.
const prodID = "-//Factotum//Calendar//EN"

// Editor is all that there is to know besides the object and what is to become
// of it. One Editor does for all items of a request: it never changes, so that
// no item leaves anything behind for the next. Its errors have neither Op nor
// Ref.
type Editor struct {
	// Component is the name of what is edited: VEVENT or VTODO. An object of
	// another kind is not found. For deletions "" is any.
	Component string
	// Owner is whose calendar it is. He is the organizer of what others are
	// invited to, and the attendee that answers are of. A resource or room has
	// rules of its own.
	Owner calendar.Person
	// SentBy is the mail address of who acts for the owner, "" if he does himself.
	SentBy string
	// Floating is the zone that floating time is read in.
	Floating recur.Zone
	// Now is the time of the edit.
	Now time.Time
	// RecurrenceBound is the COUNT that a new rule without end gets, 0 for none.
	// WCAP §6.3.
	RecurrenceBound int
}

// Store makes or changes an object as an item says, and returns what it is
// then. cal is the object, or nil if there is none; it stays as it was.
//
// uid names the object that comes into being: the new one where cal is nil, else
// the later part of a series that has to be divided, which is an object of its
// own then, and nil otherwise.
func (e *Editor) Store(cal *ical.Component, uid string, it *calendar.EditItem) (next, later *ical.Component, err error) {
	if len(it.Detach) > 0 && cal != nil {
		one := *it
		one.Patch.Props = append(slices.Clone(it.Patch.Props), calendar.PropEdit{Name: "ATTACH", Append: true, Remove: it.Detach})
		it = &one
	}
	if cal == nil {
		next, err = e.create(uid, it)
	} else {
		next, later, err = e.modify(cal.Clone(), uid, it)
	}
	if err != nil {
		return nil, nil, err
	}
	if it.Scope == calendar.WholeSeries && len(it.Detach) > 0 {
		for _, c := range components(next) { // overrides name the files too
			detach(c, it.Detach)
		}
	}
	return next, later, nil
}

// modify is Store for an object that is there.
func (e *Editor) modify(cal *ical.Component, uid string, it *calendar.EditItem) (next, later *ical.Component, err error) {
	s, err := e.open(cal)
	if err != nil {
		return nil, nil, err
	}
	if s.comps[0].Name != e.Component {
		return nil, nil, notFound("the component is a %s", s.comps[0].Name)
	}
	if err := e.allowed(s.comps[0], it); err != nil {
		return nil, nil, err
	}
	one := !it.RID.IsZero() && it.Scope != calendar.WholeSeries && (s.recurs() || s.master == nil)
	switch {
	case one && it.Scope == calendar.ThisInstance:
		next, err = e.storeInstance(s, it)
		return next, nil, err
	case one && !retimes(&it.Patch):
		return e.storeScope(s, uid, it)
	case !it.RID.IsZero() && it.Scope == calendar.ThisInstance:
		if _, ok := s.instance(it.RID); !ok {
			return nil, nil, errNoInstance
		}
	}
	next, err = e.storeSeries(s, s.fromStart(it))
	return next, nil, err
}

// retimes tells whether a patch says when something takes place. From or up to
// an instance, that is said of the series as a whole.
func retimes(p *calendar.Patch) bool {
	return p.Start != nil || p.End != nil || p.Due != nil || p.Duration != nil || p.RRules != nil || p.RDates != nil || p.ExRules != nil || p.ExDates != nil
}

// invalid refuses what an item asks for.
func invalid(reason calendar.Reason, format string, args ...any) error {
	return calendar.Errorf(calendar.Invalid, reason, format, args...)
}

func notFound(format string, args ...any) error {
	return calendar.Errorf(calendar.NotFound, "", format, args...)
}

var errNoInstance = notFound("there is no such instance")

// isOwner reports whether an address is the calendar owner's. Where nobody knows
// his addresses, every address may be.
func (e *Editor) isOwner(address string) bool {
	return len(e.Owner.Mails) == 0 || e.Owner.HasAddress(address)
}

// forResource tells whether the calendar is that of a resource or room.
func (e *Editor) forResource() bool {
	return e.Owner.Kind == calendar.Resource || e.Owner.Kind == calendar.Room
}

// allowed refuses what only the organizer may do. RFC 5546 §1.4, WCAP §7.5.
func (e *Editor) allowed(c *ical.Component, it *calendar.EditItem) error {
	if it.Role == calendar.AsAttendee || it.Role == calendar.OwnCopy {
		return nil
	}
	org := c.Prop("ORGANIZER")
	if org == nil || e.isOwner(org.Value) {
		return nil
	}
	reason := calendar.Reason("")
	if it.Role == calendar.AsOrganizer {
		reason = calendar.RequestOnModify
	}
	return calendar.Errorf(calendar.NotOrganizer, reason, "only the organizer may do this")
}

// create makes a new object.
func (e *Editor) create(uid string, it *calendar.EditItem) (*ical.Component, error) {
	p := &it.Patch
	if it.Role == calendar.AsAttendee {
		return nil, notFound("there is no invitation to answer")
	}
	if e.Component == "VEVENT" && (p.Start == nil || p.Start.IsZero()) {
		return nil, invalid("", "an event needs a start")
	}
	cal := ical.NewCalendar(prodID)
	c := &ical.Component{Name: strings.ToUpper(e.Component), Props: make([]ical.Property, 0, 12+len(p.Props))}
	c.SetText("UID", uid)
	cal.AddChild(c)
	now := ical.FromCivil(e.Now.UTC(), ical.UTC, "")
	c.SetDateTime("DTSTAMP", now)
	c.SetDateTime("CREATED", now)
	c.Set("SEQUENCE", "0")
	if p.AllDay != nil && *p.AllDay && !e.forResource() && e.Component == "VEVENT" {
		c.Set("TRANSP", "TRANSPARENT") // unless the patch says otherwise; WCAP §7.7
	}
	foreign := false
	for i := range p.Props {
		x := &p.Props[i]
		foreign = foreign || strings.EqualFold(x.Name, "ORGANIZER") && len(x.Props) > 0 && !e.isOwner(x.Props[0].Value)
	}
	err := e.times(cal, c, p)
	if err == nil {
		err = e.rules(cal, c, p)
	}
	for i := range p.Props {
		if err == nil {
			err = e.prop(c, &p.Props[i])
		}
	}
	if err != nil {
		return nil, err
	}
	if foreign && c.Prop("ATTENDEE") != nil && it.Role != calendar.OwnCopy {
		return nil, calendar.Errorf(calendar.NotOrganizer, "", "only the organizer may do this")
	}
	e.organizer(c, p)
	if it.Role != calendar.OwnCopy {
		e.invite(c, it.Role, nil)
		e.sentBy(c)
	}
	for i := range p.Alarms {
		e.alarm(cal, c, &p.Alarms[i])
	}
	if it.Role == calendar.AsCanceler {
		c.Set("STATUS", "CANCELLED")
	}
	e.stamp(c, nil, p)
	if !it.RID.IsZero() && it.Scope == calendar.ThisInstance {
		k, ok := clockOf(c, recur.ZonesOf(cal), e.Floating)
		if !ok {
			return nil, invalid("", "an instance needs a start")
		}
		c.SetDateTime("RECURRENCE-ID", k.keep(it.RID))
	}
	return cal, e.finish(cal, false)
}

// change applies the patch as the role has it.
func (e *Editor) change(s *series, c *ical.Component, it *calendar.EditItem) error {
	switch it.Role {
	case calendar.AsAttendee:
		return e.reply(s, c, it)
	case calendar.AsCanceler:
		before := c.Clone()
		if err := e.apply(s.cal, c, &it.Patch); err != nil {
			return err
		}
		c.Set("STATUS", "CANCELLED")
		e.sentBy(c)
		if before.Word("STATUS") != "CANCELLED" {
			e.stamp(c, before, &it.Patch)
		}
		return nil
	}
	had := addresses(c)
	if err := e.apply(s.cal, c, &it.Patch); err != nil {
		return err
	}
	if it.Role != calendar.OwnCopy {
		e.invite(c, it.Role, had)
		e.sentBy(c)
	}
	return nil
}

// reply sets the owner's own PARTSTAT, and alarms, which are his alone.
func (e *Editor) reply(s *series, c *ical.Component, it *calendar.EditItem) error {
	mine := calendar.PropEdit{Name: "ATTENDEE", Append: true}
	for i := range it.Patch.Props {
		x := &it.Patch.Props[i]
		if !strings.EqualFold(x.Name, "ATTENDEE") {
			if c.Name == "VTODO" && (strings.EqualFold(x.Name, "PERCENT-COMPLETE") || strings.EqualFold(x.Name, "COMPLETED")) {
				if err := e.prop(c, x); err != nil { // how far he is: RFC 5546 §4.5.4
					return err
				}
			}
			continue
		}
		for _, p := range x.Props {
			if e.isOwner(p.Value) {
				mine.Props = append(mine.Props, p)
			}
		}
	}
	if len(mine.Props) == 0 {
		return invalid("", "the answer is not one of this calendar's owner")
	}
	said := e.answer(c)
	if err := e.attendees(c, &mine); err != nil {
		return err
	}
	for i := range c.Props {
		if p := &c.Props[i]; p.Name == "ATTENDEE" && e.isOwner(p.Value) {
			q := p.Clone()
			e.acts(&q)
			*p = q
		}
	}
	if said != "" && said == e.answer(c) {
		e.again(c)
	}
	for i := range it.Patch.Alarms {
		e.alarm(s.cal, c, &it.Patch.Alarms[i])
	}
	now := ical.FromCivil(e.Now.UTC(), ical.UTC, "")
	c.SetDateTime("DTSTAMP", now)
	c.SetDateTime("LAST-MODIFIED", now)
	return nil
}

// storeSeries changes the master, and where the instances are if its times
// change. Overrides are what they are; an answer is for them too.
func (e *Editor) storeSeries(s *series, it *calendar.EditItem) (*ical.Component, error) {
	p := &it.Patch
	if s.master == nil || it.Role == calendar.AsAttendee || it.Role == calendar.AsCanceler {
		if s.master == nil && p.Start != nil && it.Role != calendar.AsAttendee && (p.RRules != nil || it.Mode != calendar.EditModify) {
			return e.adopt(s, it)
		}
		for _, c := range s.comps {
			if err := e.change(s, c, it); err != nil {
				return nil, err
			}
		}
		return s.cal, e.finish(s.cal, false)
	}
	before, oldStart := s.master.Clone(), moment(s.master, "DTSTART")
	oldRules := slices.Concat(ruleTexts(s.master, "RRULE"), ruleTexts(s.master, "EXRULE"), dateTexts(s.master, "RDATE"))
	if err := e.times(s.cal, s.master, p); err != nil {
		return nil, err
	}
	now, _ := clockOf(s.master, s.zones, e.Floating)
	start := moment(s.master, "DTSTART")
	moved := !start.IsZero() && !oldStart.IsZero() && start != oldStart
	if moved && s.recurs() {
		s.shift(now, start.Civil().Sub(s.clock.civil(oldStart)))
	}
	others := *p
	others.Start, others.End, others.Due, others.Duration, others.AllDay = nil, nil, nil, nil, nil
	sequence := s.master.Value("SEQUENCE")
	if err := e.change(s, s.master, &calendar.EditItem{Role: it.Role, Patch: others}); err != nil {
		return nil, err
	}
	if s.master.Value("SEQUENCE") == sequence && consequential(before) != consequential(s.master) {
		e.stamp(s.master, before, p)
	}
	changed := moved || !slices.Equal(oldRules, slices.Concat(ruleTexts(s.master, "RRULE"), ruleTexts(s.master, "EXRULE"), dateTexts(s.master, "RDATE")))
	return s.cal, e.finish(s.cal, changed)
}

// adopt makes a master for overrides that came before it.
func (e *Editor) adopt(s *series, it *calendar.EditItem) (*ical.Component, error) {
	made, err := e.create(s.comps[0].Text("UID"), &calendar.EditItem{Role: it.Role, Patch: it.Patch})
	if err != nil {
		return nil, err
	}
	s.cal.AddChild(components(made)...)
	for z := range made.ChildrenOf("VTIMEZONE") {
		s.cal.AddChild(z)
	}
	return s.cal, e.finish(s.cal, true)
}

func dateTexts(c *ical.Component, name string) (out []string) {
	for p := range c.All(name) {
		out = append(out, p.TZID()+":"+p.Value)
	}
	return out
}

// storeInstance changes one instance, which becomes an override.
func (e *Editor) storeInstance(s *series, it *calendar.EditItem) (*ical.Component, error) {
	in, ok := s.instance(it.RID)
	if !ok {
		if s.master == nil && it.Role != calendar.AsAttendee && it.Patch.Start != nil { // one more without a master
			made, err := e.create(s.comps[0].Text("UID"), it)
			if err != nil {
				return nil, err
			}
			s.cal.AddChild(components(made)...)
			return s.cal, e.finish(s.cal, false)
		}
		return nil, errNoInstance
	}
	c := s.override(in.RecurrenceID)
	fresh := c == nil
	if fresh {
		c = s.newOverride(in)
	}
	p := &it.Patch
	if p.RRules != nil || p.RDates != nil || p.ExRules != nil || p.ExDates != nil {
		q := *p // an instance has no rules: clients send empty ones along
		q.RRules, q.RDates, q.ExRules, q.ExDates = nil, nil, nil, nil
		one := *it
		one.Patch = q
		it = &one
	}
	was := c.Clone()
	if err := e.change(s, c, it); err != nil {
		return nil, err
	}
	if it.Role == calendar.AsPublisher || it.Role == calendar.AsOrganizer || it.Role == calendar.AsBefore {
		if s.master != nil {
			for _, name := range []string{"CLASS", "TRANSP"} {
				if a, b := c.Word(name), was.Word(name); cmp.Or(a, defaults[name]) != cmp.Or(b, defaults[name]) {
					return nil, invalid(calendar.RecurPrivacy, "%s is one for the whole series", name)
				}
			}
		}
		k, ok := clockOf(c, s.zones, e.Floating)
		if d := moment(c, "DTSTART"); ok && !d.IsZero() {
			old := moment(was, "DTSTART")
			if err := s.checkNeighbours(in.RecurrenceID, k.instant(old), k.instant(d)); err != nil {
				return nil, err
			}
		}
	}
	if fresh {
		s.cal.AddChild(c)
	}
	return s.cal, e.finish(s.cal, false)
}

// defaults are the values that a property has when it is not there.
var defaults = map[string]string{"CLASS": "PUBLIC", "TRANSP": "OPAQUE"}

// Remove deletes the instances that an item means and returns what is left, nil
// if nothing is. cal stays as it was.
func (e *Editor) Remove(cal *ical.Component, it *calendar.EditItem) (*ical.Component, error) {
	s, err := e.open(cal.Clone())
	if err != nil {
		return nil, err
	}
	if e.Component != "" && s.comps[0].Name != e.Component {
		return nil, notFound("the component is a %s", s.comps[0].Name)
	}
	if it.RID.IsZero() || it.Scope == calendar.WholeSeries {
		return nil, nil
	}
	in, ok := s.instance(it.RID)
	if !ok {
		return nil, errNoInstance
	}
	if !s.recurs() {
		return nil, nil
	}
	switch it.Scope {
	case calendar.ThisInstance:
		return e.exclude(s, []recur.Instance{in})
	case calendar.ThisAndFuture:
		return e.earlierPart(s, in)
	}
	return e.removePrior(s, it)
}

// RemoveWithin deletes the instances, at most limit, that lie completely in a
// window, and returns what is left, nil if nothing is; hit tells whether there
// were any. cal stays as it was. WCAP §9.4.
func (e *Editor) RemoveWithin(ctx context.Context, cal *ical.Component, win calendar.Window, limit int) (next *ical.Component, hit bool, err error) {
	s, err := e.open(cal.Clone())
	if err != nil {
		return nil, false, nil // stored before a rule was added: left alone
	}
	var gone []recur.Instance
	for in, err := range s.set.Between(ctx, win.From, win.To, e.Floating, recur.Budget{MaxInstances: limit, MaxSteps: 100_000}) {
		if errors.Is(err, recur.ErrBudget) {
			break
		}
		if err != nil {
			return nil, false, err
		}
		if !object.Dated(in.Comp) || in.Start.IsZero() && in.End.IsZero() || in.Start.Before(win.From) || !win.To.IsZero() && in.End.After(win.To) {
			continue
		}
		gone = append(gone, in)
	}
	if len(gone) == 0 || !s.recurs() {
		return nil, len(gone) > 0, nil
	}
	next, err = e.exclude(s, gone)
	return next, err == nil, err
}

// exclude takes instances out of a series; the last one takes it along.
func (e *Editor) exclude(s *series, list []recur.Instance) (*ical.Component, error) {
	gone := map[time.Time]bool{}
	for _, in := range list {
		gone[s.clock.civil(in.RecurrenceID)] = true
	}
	s.cal.Children = slices.DeleteFunc(s.cal.Children, func(c *ical.Component) bool {
		if c.Name == "VTIMEZONE" || c.Prop("RECURRENCE-ID") == nil {
			return false
		}
		return gone[s.clock.civil(moment(c, "RECURRENCE-ID"))]
	})
	if s.master != nil {
		before := s.master.Clone()
		for _, in := range list {
			q := ical.Property{Name: "EXDATE"}
			q.SetDateTime(s.clock.keep(in.RecurrenceID))
			s.master.Add(q)
		}
		e.stamp(s.master, before, &calendar.Patch{})
	}
	return e.remainder(s.cal)
}

// earlierPart ends a series before an instance.
func (e *Editor) earlierPart(s *series, in recur.Instance) (*ical.Component, error) {
	pivot := s.clock.civil(in.RecurrenceID)
	later := func(d ical.DateTime) bool { return !s.clock.civil(d).Before(pivot) }
	s.cal.Children = slices.DeleteFunc(s.cal.Children, func(c *ical.Component) bool {
		return c.Name != "VTIMEZONE" && c.Prop("RECURRENCE-ID") != nil && later(moment(c, "RECURRENCE-ID"))
	})
	if s.master != nil {
		if later(moment(s.master, "DTSTART")) {
			return nil, nil
		}
		before := s.master.Clone()
		step := time.Second
		if s.clock.kind == ical.Date {
			step = 24 * time.Hour
		}
		until := untilOf(s.clock, s.clock.of(pivot.Add(-step)))
		var keep []ical.Property
		for _, p := range s.master.Props {
			switch p.Name {
			case "RRULE":
				if r, err := recur.ParseRule(p.Value); err == nil {
					if !r.HasUntil && s.reaches(&p, pivot) || r.HasUntil && later(r.Until) {
						r.Count, r.HasUntil, r.Until = 0, true, until
					}
					p.Value = r.String()
				}
			case "RDATE", "EXDATE":
				if p = p.Clone(); !dropDates(&p, later) {
					continue
				}
			}
			keep = append(keep, p)
		}
		s.master.Props = keep
		e.stamp(s.master, before, &calendar.Patch{})
	}
	return e.remainder(s.cal)
}

// remainder finishes an object that lost instances: nil when it has no more.
func (e *Editor) remainder(cal *ical.Component) (*ical.Component, error) {
	comps := components(cal)
	if len(comps) == 0 {
		return nil, nil
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	if err != nil {
		return nil, invalid(calendar.ValidCalendarData, "%v", err)
	}
	for _, err := range set.Between(context.Background(), time.Time{}, time.Time{}, e.Floating, recur.Budget{MaxInstances: 1}) {
		if err == nil || errors.Is(err, recur.ErrBudget) {
			return cal, e.finish(cal, false)
		}
		return nil, invalid(calendar.ValidCalendarData, "%v", err)
	}
	return nil, nil
}
