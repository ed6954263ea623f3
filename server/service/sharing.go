package service

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// Sharing over CalDAV writes nothing but the list of rights, what became of the
// invitations, and the notes that tell the other side. A note is a job of the
// change that it tells of: it is there if and only if the change is.

// inform has the next change of the transaction bring a note.
func (w *writer) inform(n calendar.Note) {
	n.From, n.When = string(w.owner), w.now
	w.notes = append(w.notes, n)
}

// noteJobs are the jobs of the notes that wait.
func (w *writer) noteJobs() (jobs []calendar.Job, err error) {
	for i := range w.notes {
		job, err := w.notes[i].Job()
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job)
	}
	w.notes = nil
	return jobs, nil
}

// Share shares a calendar with others, or ends that. Who may change its list of
// rights may. Apple's caldav-sharing 5.3.
func (s *Service) Share(ctx context.Context, who calendar.Actor, req calendar.ShareRequest) error {
	ctx = bind(ctx, who, req)
	const op = "share"
	id := req.Calendar
	mayShare := func(r calendar.Rights) bool { return r.Properties.Has(acl.SelfAdmin) }
	for i := range req.Set {
		switch u := req.Set[i].User; {
		case u == string(id.Owner()):
			return calendar.Failf(calendar.Invalid, "", op, string(id), "a calendar is not shared with its owner")
		case !acl.CanName(u):
			return calendar.Failf(calendar.Invalid, "", op, string(id), "no list of rights can name %q", u)
		}
		if err := s.knownTo(ctx, who, op, calendar.Owner(req.Set[i].User)); err != nil {
			return err
		}
	}
	return s.write(ctx, who, op, id.Owner(), nil, func(w *writer) error {
		p, err := w.enter(id, mayShare)
		if err != nil {
			return err
		}
		if p.row.Kind != calendar.CalendarCollection {
			return calendar.Failf(calendar.Unsupported, "", op, string(id), "calendars are shared, nothing else")
		}
		props, err := w.Props(p.row.ID, "")
		if err != nil {
			return err
		}
		invitees, _ := calendar.Invitees(props)
		row := p.row
		for _, set := range req.Set {
			invitees = w.invite(&row, invitees, set)
		}
		for _, user := range req.Remove {
			invitees = w.uninvite(&row, invitees, user)
		}
		row.ACL = row.ACL.WithOwner(s.opt.OwnerACL)
		if len(row.ACL) > acl.MaxEntries || len(row.ACL.String()) > acl.MaxLength {
			return calendar.Failf(calendar.TooMany, "", op, string(id), "the list of rights has more than %d entries", acl.MaxEntries)
		}
		keep := calendar.KeepInvitees(invitees)
		if len(keep.Prop.Value) > s.opt.Limits.PropSize {
			return calendar.Failf(calendar.TooMany, "", op, string(id), "the calendar is shared with too many")
		}
		return w.changeCalendar(p, row, false, []calendar.PropChange{keep})
	})
}

// invite gives one his rights, and tells him if that is news.
func (w *writer) invite(row *calendar.CalendarRow, list []calendar.Invitee, set calendar.ShareSet) []calendar.Invitee {
	access := acl.ShareRead
	if set.Write {
		access = acl.ShareWrite
	}
	at := slices.IndexFunc(list, func(v calendar.Invitee) bool { return v.User == set.User })
	news := at < 0
	if news {
		at, list = len(list), append(list, calendar.Invitee{User: set.User, UID: strconv.FormatInt(w.s.newID(), 36)})
	}
	v := &list[at]
	if set.Name != "" {
		v.Name = oneLine(set.Name)
	}
	if set.Summary != "" && v.Status != calendar.InviteAccepted { // who accepted has his own name for it
		v.Summary = oneLine(set.Summary)
	}
	before := row.ACL.String()
	row.ACL = row.ACL.Share(set.User, access).WithOwner(w.s.opt.OwnerACL)
	if news || row.ACL.String() != before {
		summary := set.Summary
		if summary == "" {
			summary = row.DisplayName
		}
		w.inform(calendar.Note{To: calendar.Owner(set.User), Kind: calendar.NoteInvite, Calendar: calendar.NewID(w.owner, row.Name),
			UID: v.UID, Status: v.Status, Access: access, Summary: oneLine(summary)})
	}
	return list
}

// uninvite takes them away.
func (w *writer) uninvite(row *calendar.CalendarRow, list []calendar.Invitee, user calendar.UserID) []calendar.Invitee {
	row.ACL = row.ACL.Share(user, acl.NoAccess)
	at := slices.IndexFunc(list, func(v calendar.Invitee) bool { return v.User == user })
	if at < 0 {
		return list
	}
	w.inform(calendar.Note{To: calendar.Owner(user), Kind: calendar.NoteInvite, Calendar: calendar.NewID(w.owner, row.Name),
		UID: list[at].UID, Status: calendar.InviteDeleted, Summary: row.DisplayName})
	return slices.Delete(list, at, at+1)
}

// unshare tells all with whom a calendar was shared that it goes.
func (w *writer) unshare(row *calendar.CalendarRow, props []calendar.DeadProp) {
	list, _ := calendar.Invitees(props)
	for _, v := range slices.Clone(list) {
		list = w.uninvite(row, list, v.User)
	}
}

// invitees are those of a calendar as somebody is told of them: all to whom its
// list is shown by right, himself to a sharee.
func (s *Service) invitees(list []calendar.Invitee, id calendar.ID, rights acl.List, coOwners []string, who calendar.Actor, r calendar.Rights) (out []calendar.Invitee) {
	for _, v := range list {
		if !r.Owner && !r.Properties.Has(acl.SelfAdmin) && !strings.EqualFold(v.User, who.User) {
			continue
		}
		of := s.rights(calendar.Actor{User: v.User}, id.Owner(), coOwners, rights)
		v.Access = acl.AccessOf(of.Components, of.Properties)
		out = append(out, v)
	}
	return out
}

// answerInvites compares a user's list of subscriptions with what it was: one
// that came and to which he was invited he has accepted, one that went and that
// he had accepted he declines, whatever protocol he did it by.
func (w *writer) answerInvites(before, after map[string]string) {
	notes := calendar.NotesOf(after)
	was, is := calendar.Shares(w.owner, before), calendar.Shares(w.owner, after)
	has := func(list []calendar.Share, id calendar.ID) bool {
		return slices.ContainsFunc(list, func(s calendar.Share) bool { return s.ID == id })
	}
	for _, s := range is {
		note, invited := notes.Invitation(s.ID)
		if has(was, s.ID) || !invited {
			continue
		}
		s.Invite = note.UID
		calendar.KeepShare(after, s)
		notes.Drop(func(n calendar.Note) bool { return n.ID == note.ID })
		calendar.KeepNotes(after, notes)
		w.reply(s.ID, note.UID, calendar.InviteAccepted, s.Name)
	}
	for _, s := range was {
		if s.Invite != "" && !has(is, s.ID) && s.Invite != w.withdrawn {
			w.reply(s.ID, s.Invite, calendar.InviteDeclined, "")
		}
	}
}

func (w *writer) reply(id calendar.ID, uid string, status calendar.InviteStatus, summary string) {
	w.inform(calendar.Note{To: id.Owner(), Kind: calendar.NoteReply, Calendar: id, UID: uid, Status: status, Summary: summary})
}

// decline answers invitations that were not accepted.
func (w *writer) decline(prefs map[string]string, ids []calendar.ID) {
	notes := calendar.NotesOf(prefs)
	for _, id := range ids {
		note, ok := notes.Invitation(id)
		if !ok {
			continue
		}
		notes.Drop(func(n calendar.Note) bool { return n.ID == note.ID })
		calendar.KeepNotes(prefs, notes)
		w.reply(id, note.UID, calendar.InviteDeclined, "")
	}
}

// dropNotes takes notifications away that the user has seen.
func dropNotes(op string, prefs map[string]string, ids []string) error {
	notes := calendar.NotesOf(prefs)
	for _, id := range ids {
		if !notes.Drop(func(n calendar.Note) bool { return n.ID == id }) {
			return calendar.Fail(calendar.NotFound, op, id)
		}
		calendar.KeepNotes(prefs, notes)
	}
	return nil
}
