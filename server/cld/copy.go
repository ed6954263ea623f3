package cld

import (
	"context"

	"factotum/server/calendar"
)

// CopyObject implements calendar.Backend, also between owners, whose data may
// be on different hosts: there is no transaction over both ends. The object is
// read at its own, stored at the other and, for a move, deleted when that is
// durable. If something fails between, a copy remains in both places; nothing
// is lost. A source that changed meanwhile is not deleted: it is moved as it is
// then, if it may be still, and else all is as it was (unmove).
//
// Under a request token it may be repeated: what was done is not done again,
// and what was not is. The end of a move is kept where it began.
func (r *Router) CopyObject(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.CopyResult, error) {
	if req.From.Calendar.Owner() == req.To.Calendar.Owner() {
		var res calendar.CopyResult
		err := r.askOnce(ctx, req.From.Calendar.Owner(), func(ctx context.Context, be calendar.Backend) (err error) {
			res, err = be.CopyObject(ctx, who, req)
			return err
		})
		return res, err
	}
	for _, end := range []calendar.Ref{req.From, req.To} { // before anything is read
		if _, err := r.of(ctx, end.Calendar.Owner()); err != nil {
			return calendar.CopyResult{}, err
		}
	}
	parcel, err := r.CopyOut(ctx, who, req)
	switch {
	case err != nil:
		return calendar.CopyResult{}, r.refusedBy(ctx, who, req, err)
	case parcel.Done != nil:
		return *parcel.Done, nil
	}
	was, err := r.replaced(ctx, who, req)
	if err != nil {
		return calendar.CopyResult{}, err
	}
	res, err := r.CopyIn(ctx, who, calendar.CopyInRequest{Copy: req, Parcel: parcel})
	if err != nil || !req.Move {
		return res, err
	}
	for tries := 1; ; tries++ {
		err = r.DeleteObject(ctx, who, calendar.DeleteRequest{
			Ref: req.From, Precond: calendar.Precond{IfMatch: []string{parcel.Object.ETag()}}, MovedTo: &calendar.Moved{To: req.To, Result: res},
		})
		if err == nil || !refuses(err) {
			return res, err
		}
		if tries < maxMoves {
			parcel, err = r.CopyOut(ctx, who, req)
		}
		switch {
		case err == nil && parcel.Done != nil:
			return *parcel.Done, nil
		case err != nil && refuses(err):
			return calendar.CopyResult{}, r.unmove(ctx, who, req, was, res, err)
		case err != nil:
			return calendar.CopyResult{}, err
		}
		again := req
		again.Overwrite, again.IfDest = true, calendar.Precond{IfMatch: []string{res.Object.ETag()}}
		next, err := r.CopyIn(ctx, who, calendar.CopyInRequest{Copy: again, Parcel: parcel})
		if err != nil { // somebody has the copy in his hands already
			return calendar.CopyResult{}, err
		}
		next.Replaced = res.Replaced
		res = next
	}
}

// maxMoves is how often an object is moved that is written meanwhile.
const maxMoves = 4

// refuses tells of a failure that nothing was done, and why: it is not the way
// there, or the back end, that failed.
func refuses(err error) bool {
	switch calendar.KindOf(err) {
	case calendar.Stale, calendar.NotFound, calendar.NoCalendar, calendar.Denied, calendar.NotOrganizer, calendar.ReadOnly, calendar.TooLarge:
		return true
	}
	return false
}

// replaced is what a move will replace, so that it can come back, or nil. Who may not
// read it cannot give it back, and replaces nothing.
func (r *Router) replaced(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (*calendar.Parcel, error) {
	if !req.Move || !req.Overwrite {
		return nil, nil
	}
	was, err := r.CopyOut(ctx, who, calendar.CopyRequest{From: req.To, To: req.From})
	if err == nil {
		return &was, nil
	}
	switch calendar.KindOf(err) {
	case calendar.NotFound, calendar.NoCalendar: // CopyIn says what of that matters
		return nil, nil
	case calendar.Denied, calendar.TooLarge:
		return nil, calendar.Failf(calendar.KindOf(err), calendar.ReasonOf(err), "move object", req.To.String(),
			"what stands there could not come back if the move failed: delete it first, or copy and delete (%s)", calendar.MessageOf(err))
	}
	return nil, err
}

// unmove takes the copy of a move away whose end was refused, gives back what it
// replaced, and returns why it was refused. The copy stays where somebody wrote it
// meanwhile, or the actor may not delete it.
func (r *Router) unmove(ctx context.Context, who calendar.Actor, req calendar.CopyRequest, was *calendar.Parcel, made calendar.CopyResult, refused error) error {
	mine := calendar.Precond{IfMatch: []string{made.Object.ETag()}}
	var err error
	switch {
	case !made.Replaced:
		err = r.DeleteObject(ctx, who, calendar.DeleteRequest{Ref: req.To, Precond: mine, MovedTo: &calendar.Moved{To: req.From}})
	case was != nil:
		back := calendar.CopyRequest{From: req.From, To: req.To, Overwrite: true, IfDest: mine}
		_, err = r.CopyIn(ctx, who, calendar.CopyInRequest{Copy: back, Parcel: *was})
	}
	if err != nil && !refuses(err) {
		return err // it is not known what stands there
	}
	return refused
}

// refusedBy is the refusal of a source, unless there is no destination: that
// comes first, as within one home.
func (r *Router) refusedBy(ctx context.Context, who calendar.Actor, req calendar.CopyRequest, refused error) error {
	switch calendar.KindOf(refused) {
	case calendar.NoCalendar, calendar.NotFound, calendar.Denied, calendar.Stale:
		if _, err := r.Calendar(ctx, who, req.To.Calendar); calendar.KindOf(err) == calendar.NoCalendar {
			return calendar.Failf(calendar.Stale, calendar.NoDestination, "copy object", string(req.To.Calendar), "the collection of the destination does not exist")
		}
	}
	return refused
}
