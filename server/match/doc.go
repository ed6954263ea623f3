// Package match decides what a question shows of an object: whether it passes
// a filter, which part of it is wanted, what its reader may not see, and in
// which zone floating time is read. It is pure. RFC 4791 §9.6, §9.7, §9.8.
package match
