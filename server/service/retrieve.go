package service

import (
	"context"
	"errors"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/match"
	"factotum/server/recur"
	"factotum/server/zone"
)

// shape is a prepared DataRequest.
type shape struct {
	req   calendar.DataRequest
	zone  recur.Zone // of the request, or nil
	plain bool       // the stored text as it is
}

func (s *Service) newShape(req calendar.DataRequest) (*shape, error) {
	sh := &shape{req: req}
	for _, w := range []*calendar.Window{req.Expand, req.LimitRecur, req.LimitBusy} {
		if w == nil {
			continue
		}
		if w.From.IsZero() || w.To.IsZero() || !w.To.After(w.From) {
			return nil, calendar.Failf(calendar.Invalid, calendar.ValidFilter, "retrieve", "", "expand and limit-* need a start and a later end")
		}
	}
	if req.Timezone != "" {
		if sh.zone = zone.OfText(req.Timezone); sh.zone == nil {
			z, ok := recur.LoadZone(req.Timezone)
			if !ok {
				return nil, calendar.Failf(calendar.Invalid, calendar.ValidTimezone, "retrieve", "", "the time zone of the request is not a VTIMEZONE or a known name")
			}
			sh.zone = z
		}
	}
	sh.plain = req.Expand == nil && req.LimitRecur == nil && req.LimitBusy == nil && req.Comp == nil
	return sh, nil
}

// present gives an object the form asked for and hides what who may not see.
func (s *Service) present(ctx context.Context, of *cache.Calendar, known *cache.Object, r calendar.Rights, who calendar.Actor, sh *shape) (*calendar.Object, error) {
	o := known.Object
	masked := s.hides(o.Class, r, who, of)
	if sh.req.None {
		out := o.Meta()
		if masked {
			out = match.Mask(out)
		}
		return out, nil
	}
	if masked {
		o = match.Mask(o)
		known = &cache.Object{Object: o}
	}
	if sh.plain || o.Component == "" {
		return o, nil
	}
	parsed, err := known.Parsed()
	if err != nil {
		return o, nil // stored before a rule was added: give what there is
	}
	cal := &ical.Component{Name: parsed.Cal.Name, Props: parsed.Cal.Props, Children: parsed.Cal.Children}
	set := parsed.Set
	float := s.floatingOf(sh, of)
	budget := recur.Budget{MaxInstances: s.opt.Limits.Instances, MaxSteps: 200_000}
	switch {
	case sh.req.Expand != nil:
		comps, err := set.ExpandComponents(ctx, sh.req.Expand.From, sh.req.Expand.To, float, budget)
		if errors.Is(err, recur.ErrBudget) {
			return nil, calendar.Failf(calendar.TooMany, calendar.MaxInstances, "expand", refOf(o.Calendar, o.Name), "more than %d instances in the range", s.opt.Limits.Instances)
		}
		if err != nil {
			return nil, wrap("expand", refOf(o.Calendar, o.Name), err)
		}
		cal.Children = comps
	case sh.req.LimitRecur != nil:
		comps, err := set.LimitRecurrenceSet(ctx, sh.req.LimitRecur.From, sh.req.LimitRecur.To, float, budget)
		if err != nil && !errors.Is(err, recur.ErrBudget) {
			return nil, wrap("limit recurrence set", refOf(o.Calendar, o.Name), err)
		}
		var zones []*ical.Component
		for z := range cal.ChildrenOf("VTIMEZONE") {
			zones = append(zones, z)
		}
		cal.Children = append(zones, comps...)
	}
	if w := sh.req.LimitBusy; w != nil {
		cal = cal.Clone()
		match.LimitFreeBusy(cal, *w)
	}
	if sh.req.Comp != nil {
		cal = match.Select(cal, sh.req.Comp)
	}
	out := *o
	out.Data = cal.Append(make([]byte, 0, len(o.Data)))
	known.Keep(parsed)
	return &out, nil
}
