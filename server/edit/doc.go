// Package edit changes the text of one calendar object: a component, one
// instance of a series, this and the future, this and the past. WCAP §6, §9.
//
// It is pure: what an Editor is given, the time and new UIDs among it, is all
// that it knows. Objects that it is given stay as they were.
//
// A series is its master, with rules and dates, and overrides of instances,
// which RECURRENCE-IDs tell apart. An edit of one instance makes an override; one
// of this and the future or past makes several, or divides a long series in two.
package edit
