package wcap

import (
	"errors"
	"strconv"

	"factotum/server/calendar"
)

// Errno is the value of X-NSCP-WCAP-ERRNO. WCAP §8.2.
type Errno int

// The error numbers that this server sends.
const (
	LogoutOK                   Errno = -1
	OK                         Errno = 0
	LoginFailed                Errno = 1
	DeleteEventsFailed         Errno = 6
	SetCalpropsFailed          Errno = 8
	FetchEventsFailed          Errno = 9
	CreateCalendarFailed       Errno = 10
	DeleteCalendarFailed       Errno = 11
	FetchByRangeFailed         Errno = 13
	StoreEventsFailed          Errno = 14
	StoreTodosFailed           Errno = 15
	DeleteTodosFailed          Errno = 16
	FetchTodosFailed           Errno = 17
	BadTZID                    Errno = 18
	SearchCalpropsFailed       Errno = 19
	GetCalpropsFailed          Errno = 20
	DeleteComponentsFailed     Errno = 21
	DeleteEventsByRangeFailed  Errno = 22
	DeleteTodosByRangeFailed   Errno = 23
	GetAllTimezonesFailed      Errno = 24
	CalendarExists             Errno = 25
	SetUserprefsFailed         Errno = 26
	AccessDenied               Errno = 28
	NoSuchCalendar             Errno = 29
	IllegalCalid               Errno = 30
	CalendarDisabled           Errno = 34
	ImportFailed               Errno = 35
	FetchByLastModFailed       Errno = 36
	CalidMissing               Errno = 38
	GetFreebusyFailed          Errno = 39
	DoubleBooked               Errno = 40
	FetchByAlarmRangeFailed    Errno = 41
	FetchByAttendeeErrorFailed Errno = 42
	UserprefsAccessDenied      Errno = 44
	NotOrganizer               Errno = 45
	InsufficientParameters     Errno = 46
	MustBeOwner                Errno = 47
	BadCommand                 Errno = 52
	ExportFailed               Errno = 53
	GettimeFailed              Errno = 55
	FetchDeletedFailed         Errno = 56
	NoSuchFormat               Errno = 58
	ComponentNotFound          Errno = 59
	BadArguments               Errno = 60
	GetUserprefsFailed         Errno = 61
	ModifyNoEvent              Errno = 62
	CreateExists               Errno = 63
	ListFailed                 Errno = 71
	ListSubscribedFailed       Errno = 72
	SubscribeFailed            Errno = 73
	UnsubscribeFailed          Errno = 74
	AnonymousNotAllowed        Errno = 75
	ListAccessDenied           Errno = 76
	BadImportArguments         Errno = 77
	ReadOnlyDatabase           Errno = 78
	RecurringNotFound          Errno = 81
	AttachmentNotFound         Errno = 87
	TryLater                   Errno = 11000
	CannotConnect              Errno = 11001
	CannotResolve              Errno = 11002
)

// Error makes an Errno an error: a command returns it to be answered with it.
func (e Errno) Error() string { return "wcap errno " + strconv.Itoa(int(e)) }

// ofKind answers each calendar.Kind. 0 stands for the command's own errno.
var ofKind = map[calendar.Kind]Errno{
	calendar.Internal:     0,
	calendar.NoCalendar:   NoSuchCalendar,
	calendar.NotFound:     ComponentNotFound,
	calendar.Denied:       AccessDenied,
	calendar.Exists:       CreateExists,
	calendar.UIDConflict:  CreateExists,
	calendar.Stale:        0,
	calendar.Invalid:      0,
	calendar.Unsupported:  0,
	calendar.TooLarge:     0,
	calendar.NotOrganizer: NotOrganizer,
	calendar.DoubleBooked: DoubleBooked,
	calendar.OverQuota:    0,
	calendar.ReadOnly:     ReadOnlyDatabase,
	calendar.BadSyncToken: 0,
	calendar.TooMany:      0,
	calendar.Unavailable:  CannotConnect,
	calendar.NoBackend:    CannotResolve,
	calendar.LoginFailed:  LoginFailed,
	calendar.Canceled:     0,
	calendar.MustWait:     TryLater,
}

// errnoOf translates a failure into the errno of a command whose own is own.
func errnoOf(err error, own Errno) Errno {
	var e Errno
	if errors.As(err, &e) {
		return e
	}
	kind := calendar.KindOf(err)
	if kind == calendar.NoCalendar && calendar.ReasonOf(err) == calendar.Hidden {
		// Sun tells a calendar that one may not see from one that is not
		// there; clients ask for free/busy after 28 and give up after 29.
		return AccessDenied
	}
	if n := ofReason[calendar.ReasonOf(err)]; n != 0 {
		return n
	}
	if n := ofKind[kind]; n != 0 {
		return n
	}
	if own == LoginFailed && (kind == calendar.Internal || kind == calendar.Canceled || kind == calendar.OverQuota) {
		return CannotConnect // a failure of the server's is no wrong password
	}
	return own
}
