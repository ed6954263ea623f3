// Package itip is RFC 5546: which messages follow from a change of a scheduling
// object resource, and what a message does to the object that somebody has. It
// is pure: a Party is all that it knows, the time among it, and objects that it
// is given stay as they were.
//
// An organizer's change goes through Organize, an attendee's through Attend.
// Both return the object as it is to be stored, for the server has a part in it
// (RFC 6638 §3.2), and a Message for each who has to learn of it. What somebody
// receives goes through Receive, which says what became of it by a Reason that a
// person can be told.
//
// Whoever is invited has a view of the object: the instances that he is invited
// to, without what is the organizer's own. Messages follow from how somebody's
// view differs from what it was, so that nobody learns of a change that he does
// not see, and nobody sees an instance that he is not invited to. RFC 6638 §3.2.6.
package itip
