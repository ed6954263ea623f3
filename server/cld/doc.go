// Package cld is the calendar lookup database: which back end holds the
// calendars of an owner (Locator), and a calendar.Backend that passes each
// call to that back end (Router). All calendars of one owner are on one back
// end.
//
// Batches over several owners are dealt to their back ends, asked at the same
// time, and put together in the order asked for; a back end that is down fails
// its own items only.
package cld
