// Package object is what RFC 4791 §4.1 calls a calendar object resource: its
// text read and judged, the rows of the time index that follow from it, the
// attachments that it names, and a calendar file taken apart into such objects.
// It is pure: values in, values and errors out; the errors have neither Op nor
// Ref.
package object
