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

// components are those of the object besides its zones.
func components(cal *ical.Component) []*ical.Component {
	var out []*ical.Component
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" {
			out = append(out, c)
		}
	}
	return out
}

func masterOf(comps []*ical.Component) *ical.Component {
	for _, c := range comps {
		if c.Prop("RECURRENCE-ID") == nil {
			return c
		}
	}
	return nil
}

// series is an object taken apart for an edit.
type series struct {
	cal    *ical.Component
	comps  []*ical.Component
	master *ical.Component // nil when there are overrides only
	zones  *recur.Zones
	clock  *clock // of the master, or of the first override's RECURRENCE-ID
	set    *recur.Set
}

func (e *Editor) open(cal *ical.Component) (*series, error) {
	s := &series{cal: cal, comps: components(cal), zones: recur.ZonesOf(cal)}
	s.master = masterOf(s.comps)
	base := s.master
	if base == nil {
		p := s.comps[0].Prop("RECURRENCE-ID")
		base = &ical.Component{Name: "X", Props: []ical.Property{*p}}
	}
	s.clock, _ = clockOf(base, s.zones, e.Floating)
	var err error
	if s.set, err = recur.Compile(s.comps, s.zones); err != nil {
		return nil, invalid(calendar.ValidCalendarData, "%v", err)
	}
	return s, nil
}

// instance finds the one that a moment names, its original start. Clients that
// know no dates name days of an all-day series by their midnight in some zone.
// WCAP §5.
func (s *series) instance(rid ical.DateTime) (recur.Instance, bool) {
	tries := []ical.DateTime{s.clock.keep(rid)}
	if s.clock.kind == ical.Date && rid.Kind == ical.UTC {
		tries = append(tries, ical.FromCivil(s.clock.floating.FromUTC(rid.Civil()), ical.Date, ""), ical.FromCivil(rid.Civil(), ical.Date, ""))
		tries[1].Hour, tries[1].Min, tries[1].Sec, tries[2].Hour, tries[2].Min, tries[2].Sec = 0, 0, 0, 0, 0, 0
	}
	for _, d := range tries {
		if in, ok := s.set.InstanceIn(d, s.zones, s.clock.floating); ok {
			return in, true
		}
	}
	return recur.Instance{}, false
}

// override is the component that stands for that instance alone, or nil.
func (s *series) override(rid ical.DateTime) *ical.Component {
	for _, c := range s.comps {
		p := c.Prop("RECURRENCE-ID")
		if p == nil {
			continue
		}
		if d, err := p.DateTime(); err == nil && s.clock.civil(d).Equal(s.clock.civil(rid)) {
			return c
		}
	}
	return nil
}

// recurs reports whether the object has more than one instance to tell apart.
func (s *series) recurs() bool { return s.set.Recurring() }

func (s *series) newOverride(in recur.Instance) *ical.Component {
	return Override(in, s.zones, s.clock.floating)
}

// Override makes an override of an instance out of what it shows; zones are those
// of the object, and floating that in which it is read. RFC 5545 §3.8.4.4.
func Override(in recur.Instance, zones *recur.Zones, floating recur.Zone) *ical.Component {
	src := in.Comp
	c := src.Clone()
	for _, name := range []string{"RRULE", "RDATE", "EXRULE", "EXDATE"} {
		c.Del(name)
	}
	c.SetDateTime("RECURRENCE-ID", in.RecurrenceID)
	at := func(name string, t, stands time.Time) {
		p := c.Prop(name)
		if p == nil {
			return
		}
		k, _ := clockOf(&ical.Component{Name: "X", Props: []ical.Property{{Name: "DTSTART", Params: p.Params, Value: p.Value}}}, zones, floating)
		if in.Floating && k.kind != ical.UTC && k.kind != ical.Zoned {
			p.SetDateTime(k.of(stands)) // its length is by the clock, whatever the zone
			return
		}
		d := k.of(k.zone.FromUTC(t))
		if k.kind == ical.Zoned && !k.instant(d).Equal(t) { // an hour that the clock shows twice, and the second is meant
			if name != "DTSTART" && c.Prop("DTSTART") != nil {
				c.Del(name)
				c.Set("DURATION", ical.DurationOf(in.End.Sub(in.Start)).String())
				return
			}
			d = ical.FromCivil(t, ical.UTC, "")
		}
		p.SetDateTime(d)
	}
	end := "DTEND"
	if c.Name == "VTODO" {
		end = "DUE"
	}
	if start := c.Prop("DTSTART"); in.Period && start != nil && c.Prop(end) == nil {
		c.Del("DURATION") // that of an RDATE which is a period is another
		p := start.Clone()
		p.Name = end
		c.Add(p)
	}
	start, stop := in.Stands()
	at("DTSTART", in.Start, start)
	at(end, in.End, stop)
	return c
}

// checkNeighbours refuses to move an instance over or onto the day of another one,
// as Sun's server did. A series that has several on a day anyway may.
func (s *series) checkNeighbours(rid ical.DateTime, was, is time.Time) error {
	if was.Equal(is) {
		return nil
	}
	lo, hi := was, is
	if is.Before(was) {
		lo, hi = is, was
	}
	day := func(t time.Time) string { return s.clock.zone.FromUTC(t).Format(time.DateOnly) }
	crowded, taken := false, false
	for in, err := range s.set.Between(context.Background(), lo.Add(-36*time.Hour), hi.Add(36*time.Hour), s.clock.floating, recur.Budget{MaxInstances: 5000, MaxSteps: 50_000}) {
		if err != nil {
			break
		}
		if s.clock.civil(in.RecurrenceID).Equal(s.clock.civil(rid)) {
			continue
		}
		switch {
		case in.Start.After(lo) && in.Start.Before(hi), in.Start.Equal(is):
			return invalid(calendar.RecurSkip, "the instance would jump over another one")
		case day(in.Start) == day(was):
			crowded = true
		case day(in.Start) == day(is):
			taken = true
		}
	}
	if taken && !crowded {
		return invalid(calendar.RecurSameDay, "another instance is on that day")
	}
	return nil
}

// shift moves what tells instances apart along with the start of a series:
// exceptions, further dates, the last date, and what the overrides replace.
func (s *series) shift(now *clock, by time.Duration) {
	move := func(d ical.DateTime) ical.DateTime { return now.of(s.clock.civil(d).Add(by)) }
	for i := range s.master.Props {
		p := &s.master.Props[i]
		switch p.Name {
		case "EXDATE", "RDATE":
			if p.ParamIs("VALUE", "PERIOD") {
				movePeriods(p, now, move)
				continue
			}
			if list, err := p.DateTimes(); err == nil && len(list) > 0 {
				for j := range list {
					list[j] = move(list[j])
				}
				setDates(p, list)
			}
		case "RRULE", "EXRULE":
			if r, err := recur.ParseRule(p.Value); err == nil && r.HasUntil {
				until := r.Until
				if until.Kind == ical.Date && s.clock.kind != ical.Date {
					continue
				}
				r.Until = untilOf(now, move(until))
				p.Value = r.String()
			}
		}
	}
	for _, c := range s.comps {
		if p := c.Prop("RECURRENCE-ID"); p != nil {
			if d, err := p.DateTime(); err == nil {
				p.SetDateTime(move(d))
			}
		}
	}
}

// movePeriods moves periods. A start with an end keeps the length that its
// clock shows.
func movePeriods(p *ical.Property, now *clock, move func(ical.DateTime) ical.DateTime) {
	list, err := p.Periods()
	if err != nil || len(list) == 0 {
		return
	}
	for i := range list {
		x := &list[i]
		if now.kind == ical.Date { // no period begins with a date, but its day counts
			long := x.End.Civil().Sub(x.Start.Civil())
			x.Start = ical.FromCivil(move(x.Start).Civil(), ical.Floating, "")
			if !x.HasDur {
				x.End = ical.FromCivil(x.Start.Civil().Add(long), ical.Floating, "")
			}
			continue
		}
		x.Start = move(x.Start)
		if !x.HasDur {
			x.End = move(x.End)
		}
	}
	setPeriods(p, list)
}

// fromStart is an edit of the whole series that was made at one of its
// instances, as the same edit made at its start: times are moved back by what
// lies between the two.
func (s *series) fromStart(it *calendar.EditItem) *calendar.EditItem {
	if it.RID.IsZero() || s.master == nil || !s.recurs() {
		return it
	}
	in, ok := s.instance(it.RID)
	start := moment(s.master, "DTSTART")
	if !ok || start.IsZero() {
		return it
	}
	from, to := s.clock.civil(start), s.clock.civil(in.RecurrenceID)
	back := to.Sub(from)
	if back == 0 {
		return it
	}
	days := int(midnight(to).Sub(midnight(from)) / (24 * time.Hour))
	moved := func(d *ical.DateTime) *ical.DateTime {
		if d == nil || d.IsZero() {
			return d
		}
		var out ical.DateTime
		switch {
		case d.Kind == ical.Date || s.clock.kind == ical.Date:
			out = ical.FromCivil(d.Civil().AddDate(0, 0, -days), d.Kind, d.TZID)
		case d.Kind == ical.UTC:
			out = ical.FromCivil(s.clock.instant(s.clock.of(s.clock.civil(*d).Add(-back))), ical.UTC, "")
		default:
			out = ical.FromCivil(d.Civil().Add(-back), d.Kind, d.TZID)
		}
		return &out
	}
	next := *it
	next.Patch.Start, next.Patch.End, next.Patch.Due = moved(it.Patch.Start), moved(it.Patch.End), moved(it.Patch.Due)
	return &next
}

func midnight(t time.Time) time.Time { return t.Truncate(24 * time.Hour) }

// untilOf is an UNTIL as RFC 5545 §3.3.10 wants it: a date with dates, UTC
// with a zone, else the form of the start.
func untilOf(k *clock, d ical.DateTime) ical.DateTime {
	switch k.kind {
	case ical.Date:
		return ical.FromCivil(k.day(d), ical.Date, "")
	case ical.Floating:
		return k.keep(d)
	}
	if d.Kind == ical.Date { // the whole of the last day counts
		c := d.Civil()
		d = k.of(time.Date(c.Year(), c.Month(), c.Day(), 23, 59, 59, 0, time.UTC))
	}
	return ical.FromCivil(k.instant(d), ical.UTC, "")
}

func setDates(p *ical.Property, list []ical.DateTime) {
	p.SetDateTime(list[0])
	for _, d := range list[1:] {
		p.Value += "," + d.String()
	}
}

// dropDates takes dates or periods out of an RDATE or EXDATE, and tells whether
// it has any left. What cannot be read stays.
func dropDates(p *ical.Property, drop func(ical.DateTime) bool) bool {
	if p.ParamIs("VALUE", "PERIOD") {
		list, err := p.Periods()
		if err != nil {
			return true
		}
		if list = slices.DeleteFunc(list, func(x ical.Period) bool { return drop(x.Start) }); len(list) > 0 {
			setPeriods(p, list)
		}
		return len(list) > 0
	}
	list, err := p.DateTimes()
	if err != nil {
		return true
	}
	if list = slices.DeleteFunc(list, drop); len(list) > 0 {
		setDates(p, list)
	}
	return len(list) > 0
}

func setPeriods(p *ical.Property, list []ical.Period) {
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = list[i].String()
	}
	p.SetDateTime(list[0].Start)
	p.SetParam("VALUE", "PERIOD")
	p.Value = strings.Join(texts, ",")
}

// rules replaces recurrence properties. WCAP §6.3.
func (e *Editor) rules(cal, c *ical.Component, p *calendar.Patch) error {
	if p.RRules == nil && p.ExRules == nil && p.RDates == nil && p.ExDates == nil {
		return nil
	}
	k, _ := clockOf(c, recur.ZonesOf(cal), e.Floating)
	for _, x := range []struct {
		name string
		list *[]string
	}{{"RRULE", p.RRules}, {"EXRULE", p.ExRules}} {
		if x.list == nil {
			continue
		}
		var rules []string
		for _, text := range *x.list {
			r, err := recur.ParseRule(text)
			if err != nil {
				return invalid(calendar.ValidCalendarData, "%s: %v", x.name, err)
			}
			if r.HasUntil {
				r.Until = untilOf(k, r.Until)
			}
			rules = append(rules, r.String())
		}
		if slices.Equal(rules, ruleTexts(c, x.name)) {
			continue // said again, not changed: a rule without end stays one
		}
		c.Del(x.name)
		for _, text := range rules {
			if r, err := recur.ParseRule(text); err == nil && x.name == "RRULE" && e.RecurrenceBound > 0 && r.Count == 0 && !r.HasUntil {
				r.Count = e.RecurrenceBound
				text = r.String()
			}
			c.Add(ical.Property{Name: x.name, Value: text})
		}
	}
	for _, x := range []struct {
		name string
		list *[]ical.DateTime
	}{{"RDATE", p.RDates}, {"EXDATE", p.ExDates}} {
		if x.list == nil {
			continue
		}
		c.Del(x.name)
		seen := map[ical.DateTime]bool{}
		for _, d := range *x.list {
			if d = k.keep(d); !seen[d] {
				seen[d] = true
				q := ical.Property{Name: x.name}
				q.SetDateTime(d)
				c.Add(q)
			}
		}
	}
	return nil
}

func ruleTexts(c *ical.Component, name string) (out []string) {
	for p := range c.All(name) {
		text := p.Value
		if r, err := recur.ParseRule(text); err == nil {
			text = r.String()
		}
		out = append(out, text)
	}
	return out
}

// finish drops overrides of instances that the series no longer has, and zones
// that no time names any more; it defines those that are named.
func (e *Editor) finish(cal *ical.Component, recurrenceChanged bool) error {
	if master := masterOf(components(cal)); recurrenceChanged && master != nil {
		zones := recur.ZonesOf(cal)
		set, err := recur.Compile([]*ical.Component{master}, zones)
		if err != nil {
			return invalid(calendar.ValidCalendarData, "%v", err)
		}
		cal.Children = slices.DeleteFunc(cal.Children, func(c *ical.Component) bool {
			p := c.Prop("RECURRENCE-ID")
			if c.Name == "VTIMEZONE" || p == nil {
				return false
			}
			d, err := p.DateTime()
			if err != nil {
				return true
			}
			_, ok := set.InstanceIn(d, zones, e.Floating)
			return !ok
		})
	}
	return defineZones(cal)
}

// defineZones gives the object a VTIMEZONE for each TZID that it uses and
// drops those that it does not. RFC 5545 §3.2.19.
func defineZones(cal *ical.Component) error {
	used := map[string]time.Time{}
	var order []string
	for _, c := range components(cal) {
		c.Walk(func(x *ical.Component) bool {
			for i := range x.Props {
				id := x.Props[i].TZID()
				if id == "" {
					continue
				}
				from := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
				if d, err := x.Props[i].DateTime(); err == nil {
					from = d.Civil()
				}
				if old, ok := used[id]; !ok {
					order = append(order, id)
					used[id] = from
				} else if from.Before(old) {
					used[id] = from
				}
			}
			return true
		})
	}
	zones := recur.ZonesOf(cal)
	var kept []*ical.Component
	for id := range used {
		if z := zones.Definition(id); z != nil {
			kept = append(kept, z)
			delete(used, id)
		}
	}
	cal.Children = slices.DeleteFunc(cal.Children, func(c *ical.Component) bool {
		return c.Name == "VTIMEZONE" && !slices.Contains(kept, c)
	})
	at := 0
	for _, id := range order {
		from, missing := used[id]
		if !missing {
			continue
		}
		z, err := zoneText(id, from.Year())
		if err != nil {
			continue // RFC 7809 §3.1.3: a zone by its name alone
		}
		cal.Children = slices.Insert(cal.Children, at, z)
		at++
	}
	return nil
}
