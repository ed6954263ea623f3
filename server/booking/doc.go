// Package booking decides what becomes of an invitation of a room or another
// resource: which instances it takes, which it declines and which its owners
// have to decide on. It is pure: it is given what the resource takes (Policy),
// its copy of the meeting as a REQUEST has left it, who organizes it, the time
// that other meetings take and the moment, and answers with an Outcome for each
// component and each instance that differs. ldap.md §6.3.
//
// Open reads the copy, and says by Range which time of others it has to know;
// Decide weighs the rules. What was decided before, and takes place when it did,
// is not decided again: owners may have answered otherwise since.
package booking
