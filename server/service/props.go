package service

import (
	"context"

	"factotum/server/calendar"
)

// PatchProps changes dead properties of an object, all or none.
func (s *Service) PatchProps(ctx context.Context, who calendar.Actor, ref calendar.Ref, changes []calendar.PropChange) error {
	const op = "change properties"
	ctx = bind(ctx, who, ref, changes)
	return s.unlessDone(ctx, op, ref.Calendar.Owner(), nil, s.patchProps(ctx, who, op, ref, changes))
}

func (s *Service) patchProps(ctx context.Context, who calendar.Actor, op string, ref calendar.Ref, changes []calendar.PropChange) error {
	if _, _, err := s.look(ctx, who, op, ref.Calendar, toWrite); err != nil {
		return err
	}
	if err := s.checkProps(op, &calendar.UpdateCalendarRequest{ID: ref.Calendar, Props: changes}); err != nil {
		return err
	}
	return s.write(ctx, who, op, ref.Calendar.Owner(), nil, func(w *writer) error {
		p, err := w.enter(ref.Calendar, toWrite)
		if err != nil {
			return err
		}
		o, err := w.object(p, ref.Name)
		if err != nil {
			return err
		}
		if o == nil {
			return calendar.Fail(calendar.NotFound, op, ref.String())
		}
		if p.hides(o) {
			return calendar.Failf(calendar.Denied, "", op, ref.String(), "a private object is changed by its owners only")
		}
		return w.changeObjectProps(p, *o, changes)
	})
}
