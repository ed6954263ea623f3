// Package calendar is the model of the calendar server: what a calendar, a
// calendar object resource and a user's home are, what may be done with them
// and by whom.
//
// Two interfaces bound it. Backend is what the protocol fronts (CalDAV, WCAP)
// and the tools call: about twenty use cases, one call each. It is answered by
// Service (this process owns the store), by the DWP client (another host owns
// it) and by the CLD router (one of several hosts owns it); all pass the suite
// in calendartest. Store is what Service needs of a database: transactions
// over the calendars of one owner.
//
// Rules (access control, preconditions, masking of private events, UID
// uniqueness, limits, sync changes, free/busy) live in Service and nowhere
// else. Callers keep three of their own: arguments are values that nobody
// changes afterwards; bytes handed out (Object.Data) are shared and read-only;
// the Actor says truthfully who asks, since the front ends authenticate.
//
// Numbers: each owner has one change counter. A write takes the next number
// and stamps it on the object, its calendar and the home; ETag, CTag and
// sync-token are spelled from it.
package calendar
