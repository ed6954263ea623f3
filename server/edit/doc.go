// Package edit changes the text of one calendar object: a component, one
// instance of a series, this and the future, this and the past. WCAP §6, §9.
//
// It is pure. An Editor is what there is to know besides the object and the
// item; it never changes, so that no item leaves anything behind for the next.
package edit
