package service

import (
	"context"
	"slices"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/itip"
	"factotum/server/object"
)

// An object that is copied or moved to another owner is read here, stored
// there and, for a move, deleted here: no transaction spans two owners. The
// Router calls the three in turn. What is refused is refused as within one
// home, and as much of it as possible before anything is written.

// moveOp is what errors of a copy or move call it, and what the outcome of a
// move is kept under where it began.
func moveOp(move bool) string {
	if move {
		return "move object"
	}
	return "copy object"
}

// bindMove is bind for what CopyOut and the deletion at the end of a move have
// in common.
func bindMove(ctx context.Context, who calendar.Actor, from, to calendar.Ref) context.Context {
	return bind(ctx, who, from, to)
}

// CopyOut reads what a copy or move to another owner takes along.
func (s *Service) CopyOut(ctx context.Context, who calendar.Actor, req calendar.CopyRequest) (calendar.Parcel, error) {
	op, owner := moveOp(req.Move), req.From.Calendar.Owner()
	if req.Move {
		done, err := s.moved(bindMove(ctx, who, req.From, req.To), op, owner)
		if err != nil {
			return calendar.Parcel{}, err
		}
		if done != nil { // whatever is there now
			return calendar.Parcel{Done: done}, nil
		}
	}
	return s.copyOut(ctx, who, op, req)
}

// moved returns the outcome of a move that has ended under the request token.
func (s *Service) moved(ctx context.Context, op string, owner calendar.Owner) (*calendar.CopyResult, error) {
	key := onceKey(ctx, op)
	if key == "" {
		return nil, nil
	}
	var res calendar.CopyResult
	ended := false
	err := s.store.View(ctx, owner, func(tx calendar.ReadTx) (err error) {
		ended, err = recall(tx, key, &res)
		return err
	})
	if err != nil || !ended {
		return nil, wrap(op, string(owner), err)
	}
	return &res, nil
}

func (s *Service) copyOut(ctx context.Context, who calendar.Actor, op string, req calendar.CopyRequest) (p calendar.Parcel, err error) {
	from := req.From
	if from.Calendar.Owner() == req.To.Calendar.Owner() {
		return p, calendar.Failf(calendar.Unsupported, "", op, from.String(), "source and destination are of one owner")
	}
	if err := s.checkObjectName(op, req.To); err != nil {
		return p, err
	}
	err = s.readCalendar(ctx, who, op, from.Calendar, toLeave(req.Move), func(v cache.View, cal *cache.Calendar, r calendar.Rights) error {
		if req.Move && s.opt.ReadOnly { // or a copy would remain
			return calendar.Failf(calendar.ReadOnly, "", op, string(from.Calendar.Owner()), "the calendar store is in read-only mode")
		}
		return v.Tx(ctx, cal, func(tx calendar.ReadTx) error {
			p = calendar.Parcel{}
			row, exists, err := tx.Object(cal.Row.ID, from.Name, true)
			if err != nil {
				return err
			}
			src := &row
			if !exists {
				src = nil
			}
			if err := leaves(op, &req, src, s.hides(row.Private, r, who, cal)); err != nil {
				return err
			}
			props, err := tx.Props(cal.Row.ID, from.Name)
			if err != nil {
				return err
			}
			p.Object = *s.shown(cal, &cache.Object{Object: cache.ObjectOf(&row, cal.ID, props)}, r, who).Object
			if p.Object.Personal = nil; !row.Attached {
				return nil
			}
			p.Files, err = filesOf(tx, op, from, cal.Row.ID)
			return err
		})
	})
	if err == nil && req.Move && p.Object.ScheduleTag != 0 {
		err = s.staysHere(ctx, op, from.Calendar.Owner(), &p.Object)
	}
	if err != nil { // a state that moved on may have been read before this refused
		return calendar.Parcel{}, wrap(op, from.String(), err)
	}
	return p, nil
}

// staysHere refuses to move a meeting that the server speaks for to somebody else:
// the others would go on to write to one who has it no more. RFC 6638 §§3.2.4.3,
// 3.2.4.4.
func (s *Service) staysHere(ctx context.Context, op string, owner calendar.Owner, o *calendar.Object) error {
	me, err := s.ownerEntry(ctx, op, owner)
	if err != nil || me.ID == "" {
		return err
	}
	cal, err := textOf(&calendar.ObjectRow{Data: o.Data})
	party := itip.Party{Owner: *me}
	switch {
	case err != nil || !party.Served(cal):
		return nil // what cannot be read invites nobody
	case me.HasAddress(organizerOf(cal).Value):
		return calendar.Failf(calendar.Denied, calendar.OrganizerChange, op, string(owner), "a meeting stays with its organizer; cancel it, and let the other one invite anew")
	}
	return calendar.Failf(calendar.NotOrganizer, "", op, string(owner), "who is invited to a meeting cannot give it to somebody else; copy it, or decline it")
}

// filesOf reads the files of an object.
func filesOf(tx calendar.ReadTx, op string, ref calendar.Ref, cal int64) (files []calendar.Attachment, err error) {
	rows, err := tx.Attachments(cal, ref.Name)
	if err != nil {
		return nil, err
	}
	var sum int64
	for _, a := range rows {
		if sum += a.Size; sum > calendar.MaxParcel {
			return nil, calendar.Failf(calendar.TooLarge, calendar.MaxResourceSize, op, ref.String(), "its attachments are larger than %d octets: too much to go to another owner", calendar.MaxParcel)
		}
		row, ok, err := tx.Attachment(cal, ref.Name, a.ID)
		if err != nil {
			return nil, err
		}
		if ok {
			files = append(files, calendar.Attachment{ID: row.ID, ClientID: row.ClientID, Name: row.File, Type: row.Type, Modified: row.Created, Data: row.Data})
		}
	}
	return files, nil
}

// CopyIn stores what CopyOut read. Files come under their ids, and the
// addresses in the text become those of their new owner.
func (s *Service) CopyIn(ctx context.Context, who calendar.Actor, req calendar.CopyInRequest) (calendar.CopyResult, error) {
	ctx = bind(ctx, who, req)
	op := moveOp(req.Copy.Move)
	res, err := s.copyIn(ctx, who, op, req)
	err = s.unlessDone(ctx, op, req.Copy.To.Calendar.Owner(), &res, err)
	return res, err
}

func (s *Service) copyIn(ctx context.Context, who calendar.Actor, op string, req calendar.CopyInRequest) (res calendar.CopyResult, err error) {
	from, to, o := req.Copy.From, req.Copy.To, &req.Parcel.Object
	owner := to.Calendar.Owner()
	if from.Calendar.Owner() == owner {
		return res, calendar.Failf(calendar.Unsupported, "", op, to.String(), "source and destination are of one owner")
	}
	if err := s.checkObjectName(op, to); err != nil {
		return res, err
	}
	m, _, err := s.look(ctx, who, op, to.Calendar, toWrite)
	if err != nil {
		return res, destination(op, to.Calendar, err)
	}
	files := make([]calendar.AttachmentRow, 0, len(req.Parcel.Files))
	ids := make([]string, 0, len(req.Parcel.Files))
	for _, a := range req.Parcel.Files {
		files = append(files, calendar.AttachmentRow{ID: a.ID, ClientID: a.ClientID, File: a.Name, Type: a.Type, Size: int64(len(a.Data)), Data: a.Data})
		ids = append(ids, a.ID)
	}
	obj, err := object.Parse(s.rulesOf(ctx, m), object.Readdress(o.Data, from.Calendar.Owner(), owner, ids), o.ContentType)
	if err != nil {
		return res, wrap(op, string(to.Calendar), err)
	}
	obj.Files = files
	err = s.write(ctx, who, op, owner, &res, func(w *writer) error {
		res = calendar.CopyResult{}
		p, err := w.enterDestination(to.Calendar)
		if err != nil {
			return err
		}
		dest, err := w.room(p, nil, &req.Copy, &res)
		if err != nil {
			return err
		}
		if err := w.only(p, obj); err != nil {
			return err
		}
		obj, how, err := w.fold(p, to.Name, obj, dest)
		if err != nil {
			return err
		}
		props := slices.Clone(o.Props)
		how.props = &props
		if req.Copy.Move {
			how.from = &from
		}
		res.Object, err = w.store(p, to.Name, obj, dest, how)
		return err
	})
	return res, err
}

// moveOut deletes what was moved to another owner, and keeps with the request
// token that the move has ended, and how.
func (s *Service) moveOut(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) error {
	op, owner := moveOp(true), req.Ref.Calendar.Owner()
	ctx = bindMove(ctx, who, req.Ref, req.MovedTo.To)
	res := req.MovedTo.Result
	_, _, err := s.look(ctx, who, op, req.Ref.Calendar, toDelete)
	if err == nil {
		err = s.write(ctx, who, op, owner, &res, func(w *writer) error { return w.delete(req) })
	}
	return s.unlessDone(ctx, op, owner, &res, err)
}
