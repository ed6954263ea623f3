// Package interop holds the tests that need both fronts at once: what is
// written over WCAP is read over CalDAV, and back, without loss.
package interop
