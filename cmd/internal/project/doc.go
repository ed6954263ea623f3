// Package project checks the source tree itself: which package may import
// which, that the pages made from the sources are current, that the files for
// containers are well-formed. It has no code besides its tests and the
// generator of docs/specs.md (make specs).
package project
