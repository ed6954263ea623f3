// Package calendar is the vocabulary of the calendar server: what a calendar, a
// calendar object resource and a user's home are, how failures are told, and
// the two interfaces that bound the model.
//
// Backend is what the protocol fronts (CalDAV, WCAP) and the tools call: about
// twenty use cases, one call each. It is answered by service.Service (this
// process owns the store), by the DWP client (another host owns it) and by the
// CLD router (one of several hosts owns it); all pass the suite in
// calendartest. Store is what the model needs of a database: transactions over
// the calendars of one owner.
//
// Callers keep three rules: arguments are values that nobody changes
// afterwards; bytes handed out (Object.Data) are shared and read-only; the
// Actor says truthfully who asks, since the front ends authenticate.
package calendar
