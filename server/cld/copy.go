package cld

import (
	"context"
	"errors"
	"slices"

	"factotum/server/calendar"
)

// CopyObject implements calendar.Backend, also between owners, whose data may
// be on different hosts. Then there is no transaction over both ends: the
// object is read, put and, for a move, deleted when the put is durable. If
// something fails between, a copy remains in both places; nothing is lost. A
// source that changed meanwhile is not deleted, and the move is Stale.
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
	return copyAcross(ctx, who, from, to, req)
}

func copyAcross(ctx context.Context, who calendar.Actor, from, to calendar.Backend, req calendar.CopyRequest) (calendar.CopyResult, error) {
	op := "copy object"
	if req.Move {
		op = "move object"
	}
	ref := func(r calendar.Ref) string { return string(r.Calendar) + "/" + r.Name }
	refuse := func(k calendar.Kind, reason calendar.Reason, of calendar.Ref, msg string) (calendar.CopyResult, error) {
		return calendar.CopyResult{}, &calendar.Error{Kind: k, Reason: reason, Op: op, Ref: ref(of), Msg: msg}
	}
	if req.Move { // who may not delete shall not leave a copy behind
		c, err := from.Calendar(ctx, who, req.From.Calendar)
		if err != nil {
			return calendar.CopyResult{}, err
		}
		if !c.Rights.CanDelete() {
			return refuse(calendar.Denied, "", req.From, "your rights on this calendar do not allow this")
		}
	}
	src, err := from.Object(ctx, who, req.From)
	if err != nil {
		return calendar.CopyResult{}, err
	}
	if src.Masked {
		return refuse(calendar.Denied, "", req.From, "a private object is copied by its owners only")
	}
	if !holds(req.Precond, src) {
		return refuse(calendar.Stale, "", req.From, "")
	}
	switch c, err := to.Calendar(ctx, who, req.To.Calendar); {
	case errors.Is(err, calendar.NoCalendar):
		return refuse(calendar.Stale, "destination", req.To, "the collection of the destination does not exist")
	case err != nil:
		return calendar.CopyResult{}, err
	case !c.Rights.CanWrite():
		return refuse(calendar.Denied, "", req.To, "your rights on this calendar do not allow this")
	}
	put := calendar.PutRequest{Ref: req.To, Data: src.Data, ContentType: src.ContentType, Precond: req.IfDest}
	if !req.Overwrite {
		put.Precond.IfNoneMatch = []string{"*"}
	}
	res, err := to.PutObject(ctx, who, put)
	if err != nil {
		if !req.Overwrite && calendar.KindOf(err) == calendar.Stale {
			return refuse(calendar.Stale, "overwrite", req.To, "the destination exists")
		}
		return calendar.CopyResult{}, err
	}
	out := calendar.CopyResult{Replaced: !res.Created, Object: res.Object}
	if changes := propsOf(src, res.Object); len(changes) > 0 {
		if err := to.PatchProps(ctx, who, req.To, changes); err != nil {
			return out, err
		}
	}
	if !req.Move {
		return out, nil
	}
	return out, from.DeleteObject(ctx, who, calendar.DeleteRequest{Ref: req.From, Precond: calendar.Precond{IfMatch: []string{src.ETag()}}})
}

// propsOf makes the dead properties of the new object those of the source.
// RFC 4918 §9.8.2.
func propsOf(src *calendar.Object, now calendar.Object) []calendar.PropChange {
	var changes []calendar.PropChange
	for _, p := range now.Props {
		if !slices.ContainsFunc(src.Props, func(q calendar.DeadProp) bool { return q.Space == p.Space && q.Local == p.Local }) {
			changes = append(changes, calendar.PropChange{Prop: p, Remove: true})
		}
	}
	for _, p := range src.Props {
		changes = append(changes, calendar.PropChange{Prop: p})
	}
	return changes
}

// holds tests conditions on the source, as the Service does in a transaction;
// the delete of a move names the ETag that was read.
func holds(p calendar.Precond, o *calendar.Object) bool {
	tag := o.ETag()
	has := func(list []string) bool { return slices.Contains(list, "*") || slices.Contains(list, tag) }
	switch {
	case len(p.IfMatch) > 0 && !has(p.IfMatch),
		p.IfScheduleTag != "" && p.IfScheduleTag != o.ScheduleTagValue(),
		len(p.IfMatch) == 0 && !p.IfUnmodified.IsZero() && o.Modified.Truncate(1e9).After(p.IfUnmodified),
		has(p.IfNoneMatch):
		return false
	}
	return true
}
