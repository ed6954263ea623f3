package service

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// whyLimit is how many traces one answer has.
const whyLimit = 500

// toActFor is what who acts on somebody's behalf may do in his calendar.
const toActFor = acl.Read | acl.Write | acl.Invite | acl.Reply | acl.Cancel

// Why reads an owner's journal. It is his own, of the co-owners of his default
// calendar, and of those who may invite, answer and cancel for him there; these
// see no details of meetings that are not public. Nobody else's business it is,
// whatever calendars he reads.
func (s *Service) Why(ctx context.Context, who calendar.Actor, req calendar.WhyRequest) (calendar.WhyAnswer, error) {
	const op = "read the journal"
	var res calendar.WhyAnswer
	q := req.Query
	if q.Limit <= 0 || q.Limit > whyLimit {
		q.Limit = whyLimit
	}
	want := q.Limit
	q.Limit++
	err := s.store.View(ctx, req.Owner, func(tx calendar.ReadTx) error {
		res = calendar.WhyAnswer{}
		masked, err := s.mayAskWhy(tx, who, op, req.Owner)
		if err != nil {
			return err
		}
		err = tx.Traces(q, func(t *calendar.Trace) error {
			if res.More = len(res.Traces) == want; !res.More {
				res.Traces = append(res.Traces, *t)
			}
			return nil
		})
		if err != nil || !masked {
			return err
		}
		return maskTraces(tx, res.Traces)
	})
	return res, wrap(op, string(req.Owner), err)
}

// mayAskWhy is the rule of who reads a journal, and whether details are hidden
// from him.
func (s *Service) mayAskWhy(tx calendar.ReadTx, who calendar.Actor, op string, owner calendar.Owner) (masked bool, err error) {
	if s.administers(who, owner) {
		return false, nil
	}
	if who.User != "" && strings.EqualFold(who.User, string(owner)) {
		row, _, err := tx.Home()
		if err == nil && claimOn(who, owner, row.Entry) == foreign {
			err = s.inherited(owner)
		}
		return false, err
	}
	denied := calendar.Failf(calendar.Denied, "", op, string(owner), "the journal of another is read by those who schedule for him")
	row, ok, err := tx.Calendar(calendar.DefaultName)
	if err != nil || !ok || who.User == "" {
		return false, cmp.Or(err, denied)
	}
	owners := strings.Fields(row.CoOwners)
	r, err := s.admit(who, op, calendar.NewID(owner, row.Name), &row, owners, nil)
	if err != nil {
		return false, denied // what there is he is not told
	}
	masked = s.masksFrom(who, owner, r, owners)
	co := slices.ContainsFunc(owners, func(o string) bool { return strings.EqualFold(o, who.User) })
	if !co && !r.Components.Has(toActFor) {
		return false, denied
	}
	return masked, nil
}

// maskTraces takes what a meeting says from the traces of those that are not
// known to be public.
func maskTraces(tx calendar.ReadTx, list []calendar.Trace) error {
	cals, err := tx.Calendars()
	if err != nil {
		return err
	}
	public := map[string]bool{"": false}
	for i := range list {
		uid := list[i].UID
		shown, known := public[uid]
		if !known {
			if shown, err = isPublic(tx, cals, uid); err != nil {
				return err
			}
			public[uid] = shown
		}
		if !shown {
			list[i].Summary, list[i].Detail = "", ""
		}
	}
	return nil
}

// isPublic reports whether a UID is there, and public wherever it is.
func isPublic(tx calendar.ReadTx, cals []calendar.CalendarRow, uid string) (shown bool, err error) {
	for _, c := range cals {
		row, ok, err := tx.ObjectByUID(c.ID, uid, false)
		if err != nil || ok && row.Private != 0 {
			return false, err
		}
		shown = shown || ok
	}
	return shown, nil
}

// readTroubles reads from the journal of the owner at hand which messages failed
// or were delayed, if it is told to who asks. A notice to the sender himself, of what
// became of another message, is none of them.
func (l *lookUp) readTroubles(ctx context.Context) error {
	owner := l.id.Owner()
	if l.troubles != nil && l.troublesOf == owner {
		return nil
	}
	to := calendar.AddressKey(l.req.Attendee)
	err := l.s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		l.troubles, l.troublesOf = map[string]*calendar.Trace{}, owner
		masked, err := l.s.mayAskWhy(tx, l.who, "read the journal", owner)
		if err != nil {
			if calendar.KindOf(err) == calendar.Denied {
				return nil
			}
			return err
		}
		var list []calendar.Trace
		seen := map[string]bool{}
		err = tx.Traces(calendar.TraceQuery{Address: l.req.Attendee}, func(t *calendar.Trace) error {
			failed := t.Step == calendar.TraceFailed || t.Step == calendar.TraceDelayed
			if !failed || seen[t.UID] || to != "" && !t.SentTo(to) || t.SentTo(calendar.AddressKey(t.From)) {
				return nil
			}
			seen[t.UID] = true
			list = append(list, *t)
			return nil
		})
		if err == nil && masked {
			err = maskTraces(tx, list)
		}
		for i := range list {
			l.troubles[list[i].UID] = &list[i]
		}
		return err
	})
	return wrap("read the journal", string(owner), err)
}
