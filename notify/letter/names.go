package letter

import "factotum/server/ical"

// Name is what a mail is: the key of calmail.<name>.fname, which names the file of
// its template. notifications.md §3.
type Name string

// The mails to people elsewhere, by iTIP.
const (
	EventPublish Name = "imipeventpublish"
	EventCancel  Name = "imipeventcancel"
	EventReply   Name = "imipeventreply"
	EventRequest Name = "imipeventrequest"
	TodoPublish  Name = "imiptodopublish"
	TodoCancel   Name = "imiptodocancel"
	TodoReply    Name = "imiptodoreply"
	TodoRequest  Name = "imiptodorequest"
)

// Reminders, and notices to people of this site. Those of a series and of one date
// of it have names of their own.
const (
	EventReminder           Name = "eventreminder"
	TodoReminder            Name = "todoreminder"
	InvitationNotice        Name = "imipeventnotification"
	InvitationNoticeRecur   Name = "imipeventnotificationrecur"
	CancellationNotice      Name = "imipeventcancelnotification"
	CancellationNoticeRecur Name = "imipeventcancelnotificationrecur"
	AcceptNotice            Name = "imipeventacceptnotification"
	DeclineNotice           Name = "imipeventdeclinenotification"
	TentativeNotice         Name = "imipeventtentativeacceptnotification"
	AcceptNoticeRecur       Name = "imipeventacceptnotificationrecur"
	DeclineNoticeRecur      Name = "imipeventdeclinenotificationrecur"
	TentativeNoticeRecur    Name = "imipeventtentativeacceptnotificationrecur"
	// HeldNotice tells of what came by mail and waits for a decision: SUMMARY is how
	// many messages, and DESCRIPTION one on each line.
	HeldNotice Name = "heldnotification"
	// DelayedNotice and ReturnedNotice tell a sender of a mail that is late, or was
	// given up: %o is whom it did not reach, %j what the mail system says.
	DelayedNotice  Name = "delayednotification"
	ReturnedNotice Name = "returnednotification"
	// HookNotice tells of a webhook that was switched off: SUMMARY is its host, UID its
	// id, DTSTART when it failed for the first time, and %j how it failed at last.
	HookNotice Name = "hookoffnotification"
	// RezonedNotice tells of events that have other hours since the zone database has:
	// SUMMARY is how many, and DESCRIPTION one on each line.
	RezonedNotice Name = "rezonednotification"
)

// Names lists them all.
func Names() []Name {
	return []Name{EventPublish, EventCancel, EventReply, EventRequest, EventReminder, InvitationNotice, InvitationNoticeRecur, CancellationNotice,
		CancellationNoticeRecur, AcceptNotice, DeclineNotice, TentativeNotice, AcceptNoticeRecur, DeclineNoticeRecur, TentativeNoticeRecur,
		TodoPublish, TodoCancel, TodoReply, TodoRequest, TodoReminder, HeldNotice, DelayedNotice,
		ReturnedNotice, HookNotice, RezonedNotice}
}

// ByMethod is the mail that brings a scheduling message to people elsewhere.
// Attendees' messages go as answers, the organizer's as requests, but those that
// call something off or announce it.
func ByMethod(method string, task bool) Name {
	name, taskName := EventRequest, TodoRequest
	switch method {
	case "PUBLISH":
		name, taskName = EventPublish, TodoPublish
	case "CANCEL":
		name, taskName = EventCancel, TodoCancel
	case "REPLY", "COUNTER", "REFRESH":
		name, taskName = EventReply, TodoReply
	}
	if task {
		return taskName
	}
	return name
}

// ByAnswer is the notice of an answer for the organizer; ok is false where there is
// none, as for NEEDS-ACTION and DELEGATED. An answer for one date of a series is of
// the series. notifications.md §5.
func ByAnswer(partStat string, recurs bool) (name Name, ok bool) {
	switch partStat {
	case "ACCEPTED":
		name, ok = AcceptNotice, true
	case "DECLINED":
		name, ok = DeclineNotice, true
	case "TENTATIVE":
		name, ok = TentativeNotice, true
	}
	if ok && recurs {
		name += "recur"
	}
	return name, ok
}

// ForGuest is the notice for somebody of this site who is invited, or whose
// invitation is called off.
func ForGuest(cancelled, recurs bool) Name {
	name := InvitationNotice
	if cancelled {
		name = CancellationNotice
	}
	if recurs {
		name += "recur"
	}
	return name
}

// Recurs reports whether a component is a series or one date of it.
func Recurs(c *ical.Component) bool {
	return c.Prop("RRULE") != nil || c.Prop("RDATE") != nil || c.Prop("RECURRENCE-ID") != nil
}

// Tells is the METHOD, and the answer, of what a mail tells of: for previews, and
// for input that does not say.
func (n Name) Tells() (method, partStat string) {
	switch n {
	case EventPublish, TodoPublish:
		return "PUBLISH", ""
	case EventCancel, TodoCancel, CancellationNotice, CancellationNoticeRecur:
		return "CANCEL", ""
	case EventReply, TodoReply:
		return "REPLY", ""
	case AcceptNotice, AcceptNoticeRecur:
		return "REPLY", "ACCEPTED"
	case DeclineNotice, DeclineNoticeRecur:
		return "REPLY", "DECLINED"
	case TentativeNotice, TentativeNoticeRecur:
		return "REPLY", "TENTATIVE"
	case EventReminder, TodoReminder, HeldNotice, DelayedNotice, ReturnedNotice, HookNotice, RezonedNotice:
		return "", ""
	}
	return "REQUEST", ""
}
