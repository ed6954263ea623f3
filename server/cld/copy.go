package cld

import (
	"context"

	"factotum/server/calendar"
)

// CopyObject implements calendar.Backend, also between owners, whose data may
// be on different hosts: there is no transaction over both ends. The object is
// read at its own, stored at the other and, for a move, deleted when that is
// durable. If something fails between, a copy remains in both places; nothing
// is lost. A source that changed meanwhile is not deleted, and the move is
// Stale.
//
// Under a request token it may be repeated: what was done is not done again,
// and what was not is. The end of a move is kept where it began.
func (r *Router) CopyObject(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.CopyResult, error) {
	from, err := r.of(ctx, req.From.Calendar.Owner())
	if err != nil {
		return calendar.CopyResult{}, err
	}
	if req.From.Calendar.Owner() == req.To.Calendar.Owner() {
		return from.CopyObject(ctx, who, req)
	}
	to, err := r.of(ctx, req.To.Calendar.Owner())
	if err != nil {
		return calendar.CopyResult{}, err
	}
	parcel, err := from.CopyOut(ctx, who, req)
	switch {
	case err != nil:
		return calendar.CopyResult{}, refusedBy(ctx, who, to, req, err)
	case parcel.Done != nil:
		return *parcel.Done, nil
	}
	res, err := to.CopyIn(ctx, who, calendar.CopyInRequest{Copy: req, Parcel: parcel})
	if err != nil || !req.Move {
		return res, err
	}
	return res, from.DeleteObject(ctx, who, calendar.DeleteRequest{
		Ref: req.From, Precond: calendar.Precond{IfMatch: []string{parcel.Object.ETag()}}, MovedTo: &calendar.Moved{To: req.To, Result: res},
	})
}

// refusedBy is the refusal of a source, unless there is no destination: that
// comes first, as within one home.
func refusedBy(ctx context.Context, who calendar.Actor, to calendar.Backend, req calendar.CopyRequest, refused error) error {
	switch calendar.KindOf(refused) {
	case calendar.NoCalendar, calendar.NotFound, calendar.Denied, calendar.Stale:
		if _, err := to.Calendar(ctx, who, req.To.Calendar); calendar.KindOf(err) == calendar.NoCalendar {
			return calendar.Failf(calendar.Stale, calendar.NoDestination, "copy object", string(req.To.Calendar), "the collection of the destination does not exist")
		}
	}
	return refused
}
