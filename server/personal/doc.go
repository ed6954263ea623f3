// Package personal tells what an object of a shared calendar is to each of its
// users: his alarms, whether it takes his time, and what his program noted about
// the alarms are his own, the rest is everybody's (Apple's caldav-sharing 5.5.4).
//
// What is everybody's, with what the owner has for himself, is the object as it is
// stored: the base. What another user has is a part beside it, a VCALENDAR with
// one component for each that he has something of his own for: RECURRENCE-ID,
// TRANSP where it is another than the owner's, notes and VALARMs. One without
// RECURRENCE-ID is for the series and for all exceptions that have none of their
// own. View puts the two together for him, Fold takes them apart again.
package personal
