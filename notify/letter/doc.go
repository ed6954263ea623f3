// Package letter is Sun's language of mail templates, the .fmt files, and what
// makes a mail of one: notifications.md §2.
//
// Parse takes a file apart into a Template, once: its subject, its MIME parts,
// and for each part what is printed one after another. Template.Render merges an
// Input into it: what the mail is about, and who reads it. The mail that comes
// out has CRLF at its line ends and nothing but ASCII, so that any mail server
// takes it.
//
// A value never makes a line of its own where lines mean something. Every value
// is made harmless when it is read (see clean), and then printed as its place
// wants it: on one line in the subject and where a template has one value to a
// line; escaped in HTML; as a property of its own, by package ical, in iCalendar.
// In MIME lines there are no values of the component at all. The boundary is
// chosen after the parts are made, and is in none of them.
//
// Codes of ours, beside Sun's, are those of which codes.go says so. docs/admin.md
// describes the language for those who write templates.
//
// The package is pure: it asks neither the system nor the clock. Package
// letterfile finds the files.
package letter
