package service

import (
	"context"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/match"
)

// present gives an object the form asked for and hides what who may not see.
func (s *Service) present(ctx context.Context, of *cache.Calendar, known *cache.Object, r calendar.Rights, who calendar.Actor, form *match.Form) (*calendar.Object, error) {
	if form.NoData() {
		return s.meta(of, known, r, who), nil
	}
	known = s.shown(of, known, r, who)
	o := known.Object
	if form.AsStored() || o.Component == "" {
		return o, nil
	}
	parsed, err := known.Parsed()
	if err != nil {
		return o, nil // stored before a rule was added: give what there is
	}
	text, err := form.Of(ctx, make([]byte, 0, len(o.Data)), parsed.Cal, parsed.Set, s.floatingOf(form, of), s.opt.Limits.Instances)
	if err != nil {
		return nil, wrap("retrieve", refOf(o.Calendar, o.Name), err)
	}
	out := *o
	out.Data = text
	known.Keep(parsed)
	return &out, nil
}

// meta is an object without its text, as who may see it.
func (s *Service) meta(of *cache.Calendar, known *cache.Object, r calendar.Rights, who calendar.Actor) *calendar.Object {
	out := known.Meta()
	if s.hides(out.Class, r, who, of) {
		out = match.Mask(out)
	}
	return out
}
