package calendar

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong in words every protocol can translate.
// It is an error itself: errors.Is(err, calendar.NotFound).
type Kind uint8

// The kinds of failure. Each protocol has one table that answers them all.
const (
	Internal     Kind = iota // our fault; the cause is logged
	NoCalendar               // the calendar (or its owner) does not exist
	NotFound                 // the object, instance or property does not exist
	Denied                   // the actor may see it, but not do this
	Exists                   // a resource of that name exists already
	UIDConflict              // another object of the calendar has this UID: RFC 4791 §5.3.2.1
	Stale                    // If-Match, If-None-Match or Schedule-Tag did not hold
	Invalid                  // the data is not what it must be
	Unsupported              // valid, but this calendar does not take it (component, method, media type)
	TooLarge                 // object bytes, attendees, instances or dates beyond a limit
	NotOrganizer             // only the organizer may do this
	DoubleBooked             // the calendar refuses overlapping busy time
	OverQuota                // no room left: quota or disk
	ReadOnly                 // the store is in read-only mode
	BadSyncToken             // unknown, foreign or expired sync token: RFC 6578 §3.2
	TooMany                  // the answer is larger than allowed: RFC 4791 §7.8 number-of-matches-within-limits
	Unavailable              // the back end does not answer now; try again
	NoBackend                // no back end is configured for this owner
	LoginFailed              // wrong user or password, or account not active
	Canceled                 // the caller went away or its deadline passed
	MustWait                 // too much of it for now, such as failed log-ins: not looked at before Error.After is over
	numKinds
)

var kindNames = [numKinds]string{
	"internal", "no-calendar", "not-found", "denied", "exists", "uid-conflict", "stale", "invalid",
	"unsupported", "too-large", "not-organizer", "double-booked", "over-quota", "read-only",
	"bad-sync-token", "too-many", "unavailable", "no-backend", "login-failed", "canceled", "must-wait",
}

func (k Kind) String() string {
	if k < numKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

func (k Kind) Error() string { return k.String() }

// Kinds lists every kind; tests walk it to find tables with a hole.
func Kinds() []Kind {
	out := make([]Kind, numKinds)
	for i := range out {
		out[i] = Kind(i)
	}
	return out
}

// KindNamed returns the kind with that String, or Internal.
func KindNamed(s string) Kind {
	for i, n := range kindNames {
		if n == s {
			return Kind(i)
		}
	}
	return Internal
}

// Reason refines a Kind where a protocol has a word of its own for it; it is
// the local name of an RFC 4791 precondition ("valid-calendar-data",
// "max-resource-size", …) and empty where the Kind says enough.
type Reason string

// The reasons that CalDAV tells apart. RFC 4791 §§1.3, 5.3.2.1, 7.8, 7.10.
const (
	ValidCalendarData      Reason = "valid-calendar-data"
	ValidCalendarObject    Reason = "valid-calendar-object-resource"
	SupportedCalendarData  Reason = "supported-calendar-data"
	SupportedRScale        Reason = "supported-rscale" // RFC 7529 §10
	SupportedComponent     Reason = "supported-calendar-component"
	MaxResourceSize        Reason = "max-resource-size"
	MinDateTime            Reason = "min-date-time"
	MaxDateTime            Reason = "max-date-time"
	MaxInstances           Reason = "max-instances"
	MaxAttendees           Reason = "max-attendees-per-instance"
	ValidFilter            Reason = "valid-filter"
	SupportedFilter        Reason = "supported-filter"
	SupportedCollation     Reason = "supported-collation"
	ValidTimezone          Reason = "valid-timezone"
	CollectionLocationOK   Reason = "calendar-collection-location-ok"
	DefaultCalendarNeeded  Reason = "default-calendar-needed"
	ValidDefaultCalendar   Reason = "valid-schedule-default-calendar-URL" // RFC 6638 §4.3.1.2
	ValidSchedulingMessage Reason = "valid-scheduling-message"            // RFC 6638 §5.2.1
	LockTokenMatches       Reason = "lock-token-matches"
	UniqueScheduling       Reason = "unique-scheduling-object-resource" // RFC 6638 §3.2.4.1
	SameOrganizer          Reason = "same-organizer-in-all-components"  // RFC 6638 §3.2.4.2
	InvalidSubscription    Reason = "invalid-subscription"              // WebDAV-Push, Subscription Registration
	PushNotAvailable       Reason = "push-not-available"
	NoSupportedTrigger     Reason = "no-supported-trigger"
	OrganizerChange        Reason = "allowed-organizer-scheduling-object-change" // RFC 6638 §3.2.4.3

	// SendInvite and SendReply go with Denied: privileges on the owner's outbox that
	// are missing. RFC 6638 §6.2.
	SendInvite Reason = "schedule-send-invite"
	SendReply  Reason = "schedule-send-reply"

	// NoDestination and Overwrite go with Stale when something is copied or
	// moved: there is no collection for it, or something stands there already.
	// RFC 4918 §9.8.5.
	NoDestination Reason = "destination"
	Overwrite     Reason = "overwrite"

	// Hidden goes with NoCalendar: it is there, but the actor may not know.
	// CalDAV keeps it secret; WCAP tells 28 from 29, as Sun's server did.
	Hidden Reason = "hidden"

	// DiskFull goes with OverQuota: it is the server that has no room, whoever
	// asks. RFC 4331 §6.
	DiskFull Reason = "sufficient-disk-space"

	// Damaged goes with Internal: the store's own files are.
	Damaged Reason = "damaged-store"

	// Disabled goes with Denied: the administrator has switched the calendar
	// off. WCAP errno 34.
	Disabled Reason = "calendar-disabled"
	// Inherited goes with Denied: the calendars are those of an earlier user of
	// the name.
	Inherited Reason = "earlier-user"

	// HomeMoved goes with Unavailable: the home is on another back end now, whose name
	// is in Error.Host, and Error.Ref has the owner.
	HomeMoved Reason = "moved"
)

// Error is how the model reports a failure.
type Error struct {
	Kind   Kind
	Reason Reason
	Op     string // "put object"
	Ref    string // calid, calid/name or UID: what the caller may be shown
	Msg    string // a sentence for the caller: what is wrong and what to mend
	Err    error  // the cause: logged, never sent

	After time.Duration // when to try again, if that is known; see RetryAfter
	Host  string        // with the reason HomeMoved: the back end to ask instead
}

func (e *Error) Error() string {
	s := e.Op
	if s != "" {
		s += ": "
	}
	s += e.Kind.String()
	if e.Ref != "" {
		s += " " + e.Ref
	}
	if e.Msg != "" {
		s += ": " + e.Msg
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, calendar.NotFound) true for an Error of that kind.
func (e *Error) Is(target error) bool { k, ok := target.(Kind); return ok && k == e.Kind }

// KindOf classifies any error: nil has no kind and must not be asked about.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	switch {
	case errors.As(err, &k):
		return k
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Canceled
	}
	return Internal
}

// ReasonOf returns the Reason of the nearest Error in the chain.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ""
}

// MessageOf returns the sentence meant for the caller, or "".
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Msg
	}
	return ""
}

// MovedTo returns the owner and the back end that an Error of the reason HomeMoved tells
// of; host is "" for any other error.
func MovedTo(err error) (owner Owner, host string) {
	var e *Error
	if errors.As(err, &e) && e.Reason == HomeMoved {
		return Owner(e.Ref), e.Host
	}
	return "", ""
}

// RetryAfter tells when to try again in whole seconds, at least one, as the
// header of that name wants it; ok is false where the error does not say.
func RetryAfter(err error) (seconds int64, ok bool) {
	var e *Error
	if !errors.As(err, &e) || e.After <= 0 {
		return 0, false
	}
	return int64((e.After + time.Second - 1) / time.Second), true
}

// Fail makes an Error that its Kind explains.
func Fail(k Kind, op, ref string) error { return &Error{Kind: k, Op: op, Ref: ref} }

// Failf makes an Error with a Reason and a sentence for the caller.
func Failf(k Kind, r Reason, op, ref, format string, args ...any) error {
	return &Error{Kind: k, Reason: r, Op: op, Ref: ref, Msg: fmt.Sprintf(format, args...)}
}

// Errorf makes an Error of a rule, which does not know for what and about what
// it was asked: the use case fills in Op and Ref.
func Errorf(k Kind, r Reason, format string, args ...any) error {
	return Failf(k, r, "", "", format, args...)
}
