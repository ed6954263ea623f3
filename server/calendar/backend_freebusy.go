package calendar

import "time"

// FreeBusyRequest asks for busy time. A target is a calendar, or a person when
// Home is set: those calendars of his home that count for free/busy, and when he
// can be met at all. Somebody without a home is free if the directory knows him.
type FreeBusyRequest struct {
	Targets []FreeBusyTarget
	Window  Window
	Ignore  string // UID left out, Apple's X-CALENDARSERVER-MASK-UID
	// Organizer, unless empty, is whose meeting that must be: of this address, or
	// without one in a calendar of the actor's.
	Organizer string
	// Describe wants the calendars of the targets described; what may not be
	// seen at all is not told of either. A home may have none that may be seen.
	Describe bool
}

// FreeBusyTarget names whose busy time is wanted.
type FreeBusyTarget struct {
	Calendar ID
	Home     bool
}

// FreeBusyResult is the answer for one target, in order.
type FreeBusyResult struct {
	Target FreeBusyTarget
	Busy   []Busy
	Err    error

	Calendar *Calendar // asked for
}

// Busy is a merged busy period. Type is BUSY, BUSY-TENTATIVE or
// BUSY-UNAVAILABLE (RFC 5545 §3.2.9).
type Busy struct {
	Start, End time.Time
	Type       string
}
