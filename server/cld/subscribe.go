package cld

import (
	"context"
	"slices"

	"factotum/server/calendar"
)

// Subscribe implements calendar.Backend: calendars of others than the user are
// asked about where they are. One that is not there may be subscribed to, as it
// may come, or be one that somebody takes out of the list.
func (r *Router) Subscribe(ctx context.Context, who calendar.Actor, req calendar.SubscribeRequest) (res calendar.Subscribed, err error) {
	ask := calendar.CalendarsRequest{Properties: true}
	var places []int
	for i, item := range req.Add {
		if id := item.ID(); id.Owner() != req.Owner {
			ask.IDs, places = append(ask.IDs, id), append(places, i)
		}
	}
	if len(places) > 0 {
		found, err := r.Calendars(ctx, who, ask)
		if err != nil {
			return calendar.Subscribed{}, err
		}
		req.Add = slices.Clone(req.Add)
		for i, res := range found {
			id, name := ask.IDs[i], ""
			switch {
			case res.Err == nil && res.Calendar.Kind.Rules().Objects:
				name = res.Calendar.DisplayName
			case res.Err != nil && (calendar.KindOf(res.Err) != calendar.NoCalendar || calendar.ReasonOf(res.Err) == calendar.Hidden):
				return calendar.Subscribed{}, res.Err
			}
			req.Add[places[i]] = calendar.NewSubscription(id, name)
		}
	}
	err = r.askOnce(ctx, req.Owner, func(ctx context.Context, be calendar.Backend) (err error) {
		res, err = be.Subscribe(ctx, who, req)
		return err
	})
	return res, err
}
