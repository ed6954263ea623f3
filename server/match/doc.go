// Package match decides what a question shows of an object: whether it passes
// a filter (RFC 4791 §9.7), which part of it is wanted (§9.6), what its reader
// may not see, and in which zone floating time is read (§9.8). It is pure.
package match
