// Package session keeps the log-ins of WCAP: an id of 130 random bits stands
// for a user until it was not used for a while, was used long enough, or was
// ended by logout.
//
// Sessions are files in one directory (service.http.sessiondir.path), as Sun's
// session database was. The alternative, a signed id that says it all, was
// weighed and left: ending it, its idle time and a cap per user need state
// anyway, and it would be longer than the ids that clients know. What a file
// gives: a session survives a restart of the front end; processes of one host
// share the directory; front ends on several hosts share it where it is on a
// common file system, and otherwise the balancer keeps a client on one host
// (a client that lands elsewhere gets errno 1 and logs in again by itself).
// Ending a session removes its file, which every front end sees at its next
// look: each use asks the file system, and nobody trusts his memory alone.
//
// A file is named by a hash of the id, so who can read the directory (or a
// backup of it) cannot use what he finds. Its modification time is when the
// session was last used. The directory has mode 0700, and its files 0600.
//
// An ID is a secret: its String and its log value are redacted.
package session
