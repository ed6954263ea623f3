package match

import (
	"context"
	"errors"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
	"factotum/server/zone"
)

// Form is a DataRequest made ready: how calendar data is wanted. RFC 4791 §9.6.
type Form struct {
	req  calendar.DataRequest
	zone recur.Zone
}

// NewForm checks what is wanted.
func NewForm(req calendar.DataRequest) (*Form, error) {
	for _, w := range []*calendar.Window{req.Expand, req.LimitRecur, req.LimitBusy} {
		if w != nil && (w.From.IsZero() || w.To.IsZero() || !w.To.After(w.From)) {
			return nil, calendar.Errorf(calendar.Invalid, calendar.ValidFilter, "expand and limit-* need a start and a later end")
		}
	}
	f := &Form{req: req}
	if req.Timezone != "" {
		if f.zone = zone.OfText(req.Timezone); f.zone == nil {
			z, ok := recur.LoadZone(req.Timezone)
			if !ok {
				return nil, calendar.Errorf(calendar.Invalid, calendar.ValidTimezone, "the time zone of the request is not a VTIMEZONE or a known name")
			}
			f.zone = z
		}
	}
	return f, nil
}

// Zone is the one in which the request wants floating time read, or nil. RFC
// 4791 §9.8.
func (f *Form) Zone() recur.Zone { return f.zone }

// NoData tells that objects are wanted without their text.
func (f *Form) NoData() bool { return f.req.None }

// AsStored tells that the text is wanted as it is.
func (f *Form) AsStored() bool {
	return f.req.Expand == nil && f.req.LimitRecur == nil && f.req.LimitBusy == nil && f.req.Comp == nil
}

// Of appends an object, parsed and compiled, as text in the form that was asked
// for: expanded, with the recurrence set or the busy time limited, with the
// parts that are wanted. RFC 4791 §9.6.1, §9.6.5, §9.6.6, §9.6.7. More instances
// than so many, or of more text than maxExpanded, are TooMany.
func (f *Form) Of(ctx context.Context, dst []byte, stored *ical.Component, set *recur.Set, floating recur.Zone, instances int) ([]byte, error) {
	if f.req.Expand != nil {
		return f.expanded(ctx, dst, stored, set, floating, instances)
	}
	cal := &ical.Component{Name: stored.Name, Props: stored.Props, Children: stored.Children}
	if w := f.req.LimitRecur; w != nil {
		comps, err := set.LimitRecurrenceSet(ctx, w.From, w.To, floating, recur.Budget{MaxInstances: instances, MaxSteps: maxSteps})
		if unlessSpent(err) != nil {
			return nil, err
		}
		cal.Children = append(slices.Collect(stored.ChildrenOf("VTIMEZONE")), comps...)
	}
	if w := f.req.LimitBusy; w != nil {
		cal = cal.Clone()
		limitFreeBusy(cal, *w)
	}
	if f.req.Comp != nil {
		cal = choose(cal, f.req.Comp)
	}
	return cal.Append(dst), nil
}

// maxExpanded is how much text the instances of one object make, in octets: an
// event with ten thousand alarms is expanded for a month.
const maxExpanded = 32 << 20

func (f *Form) expanded(ctx context.Context, dst []byte, stored *ical.Component, set *recur.Set, floating recur.Zone, instances int) ([]byte, error) {
	cal := &ical.Component{Name: stored.Name, Props: stored.Props}
	var pick func(*ical.Component) *ical.Component
	if sel := f.req.Comp; sel != nil {
		cal = choose(cal, sel)
		pick = func(c *ical.Component) *ical.Component { return part(c, sel) }
	}
	const end = "END:VCALENDAR\r\n"
	dst = cal.Append(dst)
	budget := recur.Budget{MaxInstances: instances, MaxSteps: maxSteps, MaxBytes: maxExpanded}
	text, err := set.AppendExpanded(ctx, dst[:len(dst)-len(end)], f.req.Expand.From, f.req.Expand.To, floating, budget, pick)
	if errors.Is(err, recur.ErrBudget) {
		return nil, calendar.Errorf(calendar.TooMany, calendar.MaxInstances, "more than %d instances in the range, or %d octets of them", instances, maxExpanded)
	}
	return append(text, end...), err
}

// limitFreeBusy drops FREEBUSY periods outside the window. RFC 4791 §9.6.7.
func limitFreeBusy(cal *ical.Component, w calendar.Window) {
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

// choose copies what partial retrieval asks for; properties are shared with the
// original. RFC 4791 §9.6.1.
func choose(c *ical.Component, sel *calendar.CompSelect) *ical.Component {
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
		if k = part(k, sel); k != nil {
			out.Children = append(out.Children, k)
		}
	}
	return out
}

// part is what partial retrieval asks for of one of the components inside, nil
// for none of it.
func part(c *ical.Component, sel *calendar.CompSelect) *ical.Component {
	if sel.AllComps {
		return c
	}
	for i := range sel.Comps {
		if strings.EqualFold(sel.Comps[i].Name, c.Name) {
			return choose(c, &sel.Comps[i])
		}
	}
	return nil
}
