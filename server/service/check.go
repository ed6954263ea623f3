package service

import (
	"context"
	"fmt"
	"slices"

	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/object"
)

// Finding is something wrong with what is stored.
type Finding struct {
	Ref    string // calid/name
	Msg    string
	Mended bool // by a rebuild
}

// CheckReport sums up a check or rebuild of the store.
type CheckReport struct {
	Owners, Calendars, Objects int
	Findings                   []Finding
	Rebuilt                    int  // objects whose index rows were written anew
	Damaged                    bool // the store's own files are

	owner *calendar.Person // whose objects are looked at, nil if nobody knows him now
}

func (r *CheckReport) add(one *CheckReport) {
	r.Owners += one.Owners
	r.Calendars += one.Calendars
	r.Objects += one.Objects
	r.Rebuilt += one.Rebuilt
	r.Findings = append(r.Findings, one.Findings...)
}

// Check verifies the engine, then every object of every owner: that its text
// is readable, that what is kept beside it (UID, component, size, class) says
// the same, that the time index is what the text gives, and that its attachments
// are those that the text names. csdb check.
func (s *Service) Check(ctx context.Context, progress func(calendar.Owner)) (CheckReport, error) {
	var rep CheckReport
	if err := s.store.Check(ctx); err != nil {
		rep.Damaged = calendar.ReasonOf(err) == calendar.Damaged
		rep.Findings = append(rep.Findings, Finding{Msg: sentence(err)})
	}
	err := s.eachOwner(ctx, func(o calendar.Owner) error {
		if progress != nil {
			progress(o)
		}
		var one CheckReport
		owner := s.checked(ctx, o)
		err := s.store.View(ctx, o, func(tx calendar.ReadTx) error {
			one = CheckReport{owner: owner}
			return s.checkOwner(ctx, o, tx, &one, nil)
		})
		rep.add(&one)
		if err != nil && ctx.Err() == nil && calendar.KindOf(err) == calendar.Internal { // the others may be well
			rep.Damaged = rep.Damaged || calendar.ReasonOf(err) == calendar.Damaged
			rep.find(string(o), "not all of it can be read: %s", sentence(err))
			err = nil
		}
		return err
	})
	if err != nil && rep.Damaged && ctx.Err() == nil && calendar.KindOf(err) == calendar.Internal {
		rep.find("", "not all owners can be listed: %s", sentence(err))
		err = nil
	}
	return rep, wrap("check", "", err)
}

// sentence is what an error of the store says to an administrator.
func sentence(err error) string {
	if msg := calendar.MessageOf(err); msg != "" {
		return msg
	}
	return err.Error()
}

// Rebuild writes the time index of every object anew from its text, and mends
// what is wrong with its class, with attachments and sums: files that no text names go, copies
// that are missing are made. The texts are not touched. csdb rebuild.
func (s *Service) Rebuild(ctx context.Context, progress func(calendar.Owner)) (CheckReport, error) {
	var rep CheckReport
	err := s.eachOwner(ctx, func(o calendar.Owner) error {
		if progress != nil {
			progress(o)
		}
		var one CheckReport
		owner := s.checked(ctx, o)
		err := s.write(ctx, calendar.Actor{}, "rebuild", o, nil, func(w *writer) error {
			one = CheckReport{owner: owner}
			if err := w.forgetPlanned(); err != nil {
				return err
			}
			return w.mend(func(m mender) error { return s.checkOwner(ctx, o, w, &one, &m) })
		})
		if err == nil {
			rep.add(&one)
		}
		return err
	})
	return rep, wrap("rebuild", "", err)
}

// checked is the owner of what is checked, nil if the directory does not tell of
// him now: then nothing is found in how his answers to invitations are kept.
func (s *Service) checked(ctx context.Context, owner calendar.Owner) *calendar.Person {
	p, err := s.person(ctx, "check", owner)
	if err != nil || s.people == nil {
		return nil
	}
	return &p
}

func (s *Service) eachOwner(ctx context.Context, fn func(calendar.Owner) error) error {
	for after := calendar.Owner(""); ; {
		owners, err := s.store.Owners(ctx, after, 500)
		if err != nil || len(owners) == 0 {
			return err
		}
		for _, o := range owners {
			if err := fn(o); err != nil {
				return err
			}
			after = o
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// checkOwner examines one owner; with a writer it mends what it can.
func (s *Service) checkOwner(ctx context.Context, owner calendar.Owner, tx calendar.ReadTx, rep *CheckReport, w *mender) error {
	rep.Owners++
	home, ok, err := tx.Home()
	if err != nil {
		return err
	}
	rows, err := tx.Calendars()
	if err != nil {
		return err
	}
	files, err := allFiles(tx)
	if err != nil {
		return err
	}
	bytes := files.bytes
	for _, row := range rows {
		rep.Calendars++
		if row.Change > home.Change {
			rep.find(string(calendar.NewID(owner, row.Name)), "change number %d is above the home's %d", row.Change, home.Change)
		}
		m := cache.NewCalendar(owner, row, nil)
		n, err := s.checkCalendar(ctx, tx, m, files, rep, w)
		if err != nil {
			return err
		}
		bytes += n
	}
	if err := files.checkRest(owner, rep, w); err != nil {
		return err
	}
	if ok && bytes != home.Bytes {
		rep.mend(w, string(owner), "the home counts %d octets, its objects and their files have %d", home.Bytes, bytes)
	}
	return nil
}

func (r *CheckReport) find(ref, format string, args ...any) {
	r.Findings = append(r.Findings, Finding{Ref: ref, Msg: fmt.Sprintf(format, args...)})
}

// mend reports what a rebuild mends, or, with a writer, has mended.
func (r *CheckReport) mend(w *mender, ref, format string, args ...any) {
	msg := "; csdb rebuild mends it"
	if w != nil {
		msg = "; mended"
	}
	r.Findings = append(r.Findings, Finding{Ref: ref, Msg: fmt.Sprintf(format, args...) + msg, Mended: w != nil})
}

func (s *Service) checkCalendar(ctx context.Context, tx calendar.ReadTx, m *cache.Calendar, files *ownerFiles, rep *CheckReport, w *mender) (bytes int64, err error) {
	var names []string
	if err := tx.Objects(m.Row.ID, "", false, func(o *calendar.ObjectRow) error { names = append(names, o.Name); return ctx.Err() }); err != nil {
		return 0, err
	}
	uids := map[string]string{}
	for chunk := range slices.Chunk(names, fetchChunk) {
		rows, err := tx.ObjectsByName(m.Row.ID, chunk, true)
		if err != nil {
			return 0, err
		}
		if len(rows) != len(chunk) {
			rep.find(string(m.ID), "%d of %d objects cannot be read back", len(chunk)-len(rows), len(chunk))
		}
		for i := range rows {
			o := &rows[i]
			bytes += int64(o.Size)
			rep.Objects++
			if !m.Row.Kind.Rules().Objects {
				continue
			}
			ref := refOf(m.ID, o.Name)
			if first, dup := uids[o.UID]; dup {
				rep.find(ref, "has the UID of %s", first)
			}
			uids[o.UID] = o.Name
			if err := s.checkObject(tx, m, o, ref, files, rep, w); err != nil {
				return 0, err
			}
		}
	}
	return bytes, nil
}

var classes = [...]string{"public", "private", "confidential"}

func (s *Service) checkObject(tx calendar.ReadTx, m *cache.Calendar, o *calendar.ObjectRow, ref string, files *ownerFiles, rep *CheckReport, w *mender) error {
	if len(o.Data) != o.Size {
		rep.find(ref, "has %d octets, not %d", len(o.Data), o.Size)
	}
	if o.Change > m.Row.Change {
		rep.find(ref, "change number %d is above the calendar's %d", o.Change, m.Row.Change)
	}
	text, comps, set, err := object.Compile(o.Data)
	if err != nil {
		rep.find(ref, "the text cannot be read: %v", err)
		files.skip(m.Row.ID, o.Name)
		return nil
	}
	if uid := object.UID(comps[0]); uid != o.UID {
		was := o.UID
		if w != nil {
			err := w.rename(*o, uid)
			if calendar.KindOf(err) == calendar.UIDConflict {
				rep.find(ref, "it is kept as UID %q, and %q of its text is another object's", was, uid)
				uid = was
			} else if err != nil {
				return err
			}
		}
		if o.UID = uid; uid != was || w == nil {
			rep.mend(w, ref, "it is kept as UID %q, and its text has %q", was, object.UID(comps[0]))
		}
	}
	if class := object.Class(comps); class != o.Private {
		if w != nil {
			if err := w.classify(*o, class); err != nil {
				return err
			}
		}
		rep.mend(w, ref, "it is kept as %s, and its CLASS counts as %s", classes[o.Private%3], classes[class])
		o.Private = class
	}
	if err := files.checkObject(o, object.Attachments(text, m.ID.Owner()), ref, rep, w); err != nil {
		return err
	}
	var me object.Attending
	owned := 0 // bits that depend on who the owner is
	if rep.owner != nil {
		me = object.AttendingAs(comps, *rep.owner)
	} else {
		owned = calendar.OccFree | calendar.OccTentative | calendar.OccUnavailable
	}
	want, err := object.IndexRows(set, comps, me)
	if err != nil {
		rep.find(ref, "the occurrences cannot be worked out: %v", err)
		return nil
	}
	have, err := tx.ObjectOccurrences(m.Row.ID, o.Name)
	if err != nil {
		return err
	}
	if w != nil {
		for i := range want {
			want[i].Name = o.Name
		}
		rep.Rebuilt++
		return w.index(m.Row.ID, o.Name, want)
	}
	order := func(a, b calendar.OccurrenceRow) int {
		if a.Start != b.Start {
			return int(min(max(a.Start-b.Start, -1), 1))
		}
		return a.Flags - b.Flags
	}
	if owned != 0 {
		for _, rows := range [][]calendar.OccurrenceRow{want, have} {
			for i := range rows {
				if rows[i].Flags &^= owned; rows[i].Flags&calendar.OccTail != 0 {
					rows[i].Flags &= 1<<calendar.OccDays - 1
				}
			}
		}
	}
	slices.SortFunc(want, order)
	slices.SortFunc(have, order)
	same := slices.EqualFunc(want, have, func(a, b calendar.OccurrenceRow) bool {
		return a.Start == b.Start && a.End == b.End && a.Flags == b.Flags
	})
	if !same {
		rep.mend(nil, ref, "the time index has %d rows that the text does not give (it gives %d)", len(have), len(want))
	}
	return nil
}
