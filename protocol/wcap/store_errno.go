package wcap

import "factotum/server/calendar"

// Errnos of the store commands. WCAP §8.2.
const (
	GroupClipped      Errno = 43
	RecurSkip         Errno = 65
	RecurSameDay      Errno = 66
	BadOrganizer      Errno = 67
	RecurPrivacy      Errno = 68
	AttendeeRequest   Errno = 79
	TranspNotAllowed  Errno = 80
	BadMIME           Errno = 82
	MissingBoundary   Errno = 83
	InvalidAttachment Errno = 84
	AttachDeleted     Errno = 85
	AttachSomeDeleted Errno = 86
)

// ofReason answers the reasons that WCAP has a number for; the others are
// answered by their kind.
var ofReason = map[calendar.Reason]Errno{
	calendar.MaxAttendees: GroupClipped,
	calendar.RecurSkip:    RecurSkip,
	calendar.RecurSameDay: RecurSameDay,
	calendar.RecurPrivacy: RecurPrivacy,
	calendar.OwnerNeeded:  MustBeOwner,

	calendar.OrganizerChange:  NotOrganizer,
	calendar.SameOrganizer:    NotOrganizer,
	calendar.UniqueScheduling: CreateExists,

	calendar.RequestOnModify: AttendeeRequest,
	calendar.TranspResource:  TranspNotAllowed,
	calendar.AttachmentGone:  AttachmentNotFound,
	calendar.Disabled:        CalendarDisabled,
	calendar.DiskFull:        ReadOnlyDatabase,

	calendar.DefaultCalendarNeeded: DeleteCalendarFailed,
}
