package calendar

import (
	"context"
	"errors"
	"slices"
	"strings"

	"factotum/server/ical"
	"factotum/server/recur"
)

// shape is a prepared DataRequest.
type shape struct {
	req   DataRequest
	zone  recur.Zone // of the request, or nil
	plain bool       // the stored text as it is
}

func (s *Service) newShape(req DataRequest) (*shape, error) {
	sh := &shape{req: req}
	for _, w := range []*Window{req.Expand, req.LimitRecur, req.LimitBusy} {
		if w == nil {
			continue
		}
		if w.From.IsZero() || w.To.IsZero() || !w.To.After(w.From) {
			return nil, failMsg(Invalid, ValidFilter, "retrieve", "", "expand and limit-* need a start and a later end")
		}
	}
	if req.Timezone != "" {
		if sh.zone = zoneOfText(req.Timezone); sh.zone == nil {
			z, ok := recur.LoadZone(req.Timezone)
			if !ok {
				return nil, failMsg(Invalid, ValidTimezone, "retrieve", "", "the time zone of the request is not a VTIMEZONE or a known name")
			}
			sh.zone = z
		}
	}
	sh.plain = req.Expand == nil && req.LimitRecur == nil && req.LimitBusy == nil && req.Comp == nil
	return sh, nil
}

// present gives an object the form asked for and hides what who may not see.
func (s *Service) present(ctx context.Context, m *calMeta, o *Object, r Rights, who Actor, sh *shape) (*Object, error) {
	masked := s.masks(o.class, r, who, m)
	if sh.req.None {
		out := o.meta()
		if masked {
			out = s.mask(out)
		}
		return out, nil
	}
	if masked {
		o = s.mask(o)
	}
	if sh.plain || o.Component == "" {
		return o, nil
	}
	out := *o
	out.memo = nil
	only := sh.req.Expand != nil && sh.zone == nil && sh.req.LimitBusy == nil && sh.req.Comp == nil && !masked
	if only {
		if out.Data = o.expanded(sh.req.Expand); out.Data != nil {
			return &out, nil
		}
	}
	known, err := s.compiled(o)
	if err != nil {
		return o, nil // stored before a rule was added: give what there is
	}
	cal := &ical.Component{Name: known.cal.Name, Props: known.cal.Props, Children: known.cal.Children}
	set := known.set
	float := s.floating(sh, m)
	budget := recur.Budget{MaxInstances: s.opt.Limits.Instances, MaxSteps: 200_000}
	switch {
	case sh.req.Expand != nil:
		comps, err := set.ExpandComponents(ctx, sh.req.Expand.From, sh.req.Expand.To, float, budget)
		if errors.Is(err, recur.ErrBudget) {
			return nil, failMsg(TooMany, MaxInstances, "expand", refString(Ref{o.Calendar, o.Name}), "more than %d instances in the range", s.opt.Limits.Instances)
		}
		if err != nil {
			return nil, wrap("expand", refString(Ref{o.Calendar, o.Name}), err)
		}
		cal.Children = comps
	case sh.req.LimitRecur != nil:
		comps, err := set.LimitRecurrenceSet(ctx, sh.req.LimitRecur.From, sh.req.LimitRecur.To, float, budget)
		if err != nil && !errors.Is(err, recur.ErrBudget) {
			return nil, wrap("limit recurrence set", refString(Ref{o.Calendar, o.Name}), err)
		}
		var zones []*ical.Component
		for z := range cal.ChildrenOf("VTIMEZONE") {
			zones = append(zones, z)
		}
		cal.Children = append(zones, comps...)
	}
	if w := sh.req.LimitBusy; w != nil {
		cal = cal.Clone()
		limitBusy(cal, *w, float)
	}
	if sh.req.Comp != nil {
		cal = selectComp(cal, sh.req.Comp)
	}
	out.Data = cal.Append(make([]byte, 0, len(o.Data)))
	if only {
		o.keepExpanded(ctx, sh.req.Expand, set, float, out.Data)
	}
	if !only || set.Recurring() { // what does not recur is not asked for in another form
		o.keepCompiled(known)
	}
	return &out, nil
}

// limitBusy drops FREEBUSY periods outside the window. RFC 4791 §9.6.7.
func limitBusy(cal *ical.Component, w Window, float recur.Zone) {
	for _, c := range cal.Children {
		if c.Name != "VFREEBUSY" {
			continue
		}
		for i := range c.Props {
			p := &c.Props[i]
			if p.Name != "FREEBUSY" {
				continue
			}
			ps, err := p.Periods()
			if err != nil {
				continue
			}
			var keep []string
			for _, x := range ps {
				start := x.Start.Civil()
				end := x.End.Civil()
				if x.HasDur {
					end = start.AddDate(0, 0, x.Dur.NominalDays()).Add(x.Dur.Exact())
				}
				if start.Before(w.To) && end.After(w.From) {
					keep = append(keep, x.String())
				}
			}
			p.Value = strings.Join(keep, ",")
		}
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return p.Name == "FREEBUSY" && p.Value == "" })
	}
}

// selectComp copies what partial retrieval asks for. RFC 4791 §9.6.1.
func selectComp(c *ical.Component, sel *CompSelect) *ical.Component {
	out := &ical.Component{Name: c.Name}
	for _, p := range c.Props {
		if sel.AllProps {
			out.Props = append(out.Props, p)
			continue
		}
		for _, want := range sel.Props {
			if strings.EqualFold(want.Name, p.Name) {
				q := p
				if want.NoValue {
					q.Value = ""
				}
				out.Props = append(out.Props, q)
				break
			}
		}
	}
	for _, k := range c.Children {
		if sel.AllComps {
			out.Children = append(out.Children, k)
			continue
		}
		for i := range sel.Comps {
			if strings.EqualFold(sel.Comps[i].Name, k.Name) {
				out.Children = append(out.Children, selectComp(k, &sel.Comps[i]))
				break
			}
		}
	}
	return out
}

// shown are the properties of a private component that others may see: when,
// and that it is private. WCAP "privacy on read".
var shown = map[string]bool{
	"UID": true, "DTSTAMP": true, "DTSTART": true, "DTEND": true, "DUE": true, "DURATION": true, "CLASS": true,
	"TRANSP": true, "RECURRENCE-ID": true, "RRULE": true, "RDATE": true, "EXDATE": true, "EXRULE": true,
	"SEQUENCE": true, "STATUS": true, "CREATED": true, "LAST-MODIFIED": true,
}

// mask returns the object without the details of its private components. Its
// size is that of the text that is shown, 0 where none is.
func (s *Service) mask(o *Object) *Object {
	out := *o
	out.Masked, out.Size, out.ScheduleTag, out.Props, out.memo = true, 0, 0, nil, nil
	if o.Data == nil {
		return &out
	}
	out.Data = nil
	cal, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return &out
	}
	cal.Props = slices.DeleteFunc(cal.Props, func(p ical.Property) bool { return p.Name != "VERSION" && p.Name != "PRODID" && p.Name != "CALSCALE" })
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		c.Props = slices.DeleteFunc(c.Props, func(p ical.Property) bool { return !shown[p.Name] })
		c.Children = nil
	}
	out.Data = cal.Append(nil)
	out.Size = len(out.Data)
	return &out
}
