// Package meetings tells the stories of RFC 5546 §4 and RFC 6638 appendix B by
// people of whom each has a protocol of his own: all by CalDAV, all by WCAP, and
// organizers and attendees by different ones, on both engines, in one process and
// with organizer and attendees on different back ends. All that it has is in its
// tests: a story says what is done, a hand how a protocol says it, and what
// somebody has is what his own protocol shows him.
package meetings
