package service

import (
	"context"
	"slices"

	"factotum/server/calendar"
)

// BringNote does a job of kind calendar.JobShare by the back end of whom it is
// for: the Router's. It may run again: the note is taken once. One for somebody
// who is not there any more is done.
func BringNote(be Notifier) func(ctx context.Context, job calendar.Job) error {
	return func(ctx context.Context, job calendar.Job) error {
		note, err := calendar.ParseNote(job)
		if err != nil {
			return err
		}
		err = be.Notify(calendar.WithToken(ctx, "note "+note.ID), calendar.Actor{Admin: true, Via: "share"}, calendar.NotifyRequest{Note: note})
		if calendar.KindOf(err) == calendar.NoCalendar {
			return nil
		}
		return err
	}
}

// Notify takes a note of somebody else's sharing. Only the server itself brings
// one. Apple's caldav-sharing 5.3.2, 5.4.1.
func (s *Service) Notify(ctx context.Context, who calendar.Actor, req calendar.NotifyRequest) error {
	ctx = bind(ctx, who, req)
	const op = "notify"
	n := req.Note
	if !who.Admin {
		return calendar.Fail(calendar.Denied, op, string(n.To))
	}
	if err := s.known(ctx, op, n.To); err != nil {
		return err
	}
	if n.Kind == calendar.NoteFollow {
		return s.followed(ctx, op, n)
	}
	return s.write(ctx, who, op, n.To, nil, func(w *writer) error {
		before, err := w.Prefs()
		if err != nil {
			return err
		}
		after := map[string]string{}
		for k, v := range before {
			after[k] = v
		}
		switch n.Kind {
		case calendar.NoteInvite:
			w.invited(after, n)
		case calendar.NoteReply:
			if news, err := w.replied(n); err != nil || !news {
				return err
			}
			notes := calendar.NotesOf(after)
			notes.List = append(notes.List, n)
			calendar.KeepNotes(after, notes)
		case calendar.NoteProxy:
			p := calendar.ProxiesOf(after)
			p.For(n.From, n.Access)
			calendar.KeepProxies(after, p)
		default:
			return calendar.Failf(calendar.Unsupported, "", op, string(n.To), "this back end does not know such a notification")
		}
		return w.setPrefs(after, nil)
	})
}

// invited notes an invitation, a change of one, or its end. Each takes the place
// of the one before.
func (w *writer) invited(prefs map[string]string, n calendar.Note) {
	notes := calendar.NotesOf(prefs)
	pending, waits := notes.Invitation(n.Calendar)
	notes.Drop(func(o calendar.Note) bool { return o.Kind == calendar.NoteInvite && o.Calendar == n.Calendar })
	share, subscribed := calendar.Share{}, false
	for _, s := range calendar.Shares(w.owner, prefs) {
		if s.ID == n.Calendar {
			share, subscribed = s, true
		}
	}
	switch {
	case n.Status == calendar.InviteDeleted && !subscribed && waits && pending.UID == n.UID:
		// It was never answered: then there is nothing to tell.
	case n.Status == calendar.InviteDeleted:
		if subscribed && share.Invite == n.UID { // else it is on his list for other reasons
			w.withdrawn = n.UID
			unsubscribe(prefs, n.Calendar)
		}
		notes.List = append(notes.List, n)
	case subscribed:
		if share.Invite != n.UID {
			share.Invite = n.UID
			calendar.KeepShare(prefs, share)
			w.reply(n.Calendar, n.UID, calendar.InviteAccepted, share.Name)
			break
		}
		n.Status = calendar.InviteAccepted
		notes.List = append(notes.List, n)
	default:
		n.Status = calendar.InviteNoResponse
		notes.List = append(notes.List, n)
	}
	calendar.KeepNotes(prefs, notes)
}

func unsubscribe(prefs map[string]string, id calendar.ID) {
	list := calendar.Subscriptions(prefs, calendar.Person{})
	prefs[calendar.SubscribedPref] = joined(slices.DeleteFunc(list, func(s calendar.Subscription) bool {
		return calendar.NewID(s.ID().Owner(), s.ID().Name()) == id
	}))
}

// replied notes at the calendar how an invitee answered; it is news if he had
// not answered so before, and is still invited.
func (w *writer) replied(n calendar.Note) (news bool, err error) {
	p, err := w.enter(n.Calendar, nil)
	if err != nil {
		if calendar.KindOf(err) == calendar.NoCalendar {
			return false, nil
		}
		return false, err
	}
	props, err := w.Props(p.row.ID, "")
	if err != nil {
		return false, err
	}
	list, _ := calendar.Invitees(props)
	at := slices.IndexFunc(list, func(v calendar.Invitee) bool { return v.User == n.From && v.UID == n.UID })
	if at < 0 || list[at].Status == n.Status {
		return false, nil
	}
	list[at].Status = n.Status
	if n.Summary != "" {
		list[at].Summary = n.Summary
	}
	return true, w.changeCalendar(p, p.row, false, []calendar.PropChange{calendar.KeepInvitees(list)})
}
