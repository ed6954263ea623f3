// Package plain puts what the tools say into plain words: errors for the one
// at the keyboard, and text from files that is safe for a terminal.
package plain

import (
	"errors"
	"strings"

	"factotum/server/calendar"
)

// Error spells an error.
func Error(err error) string {
	var e *calendar.Error
	if !errors.As(err, &e) {
		return err.Error()
	}
	s := e.Msg
	if s == "" {
		s = Kind(e.Kind)
	}
	if e.Ref != "" {
		s = e.Ref + ": " + s
	}
	if e.Err != nil && (e.Kind == calendar.Internal || e.Kind == calendar.Unavailable) {
		s += ": " + e.Err.Error()
	}
	return s
}

// Kind says what a Kind means where the error itself does not.
func Kind(k calendar.Kind) string {
	switch k {
	case calendar.NoCalendar:
		return "there is no such calendar"
	case calendar.NotFound:
		return "there is no such entry"
	case calendar.Exists:
		return "it exists already"
	case calendar.UIDConflict:
		return "another object of the calendar has the same UID"
	case calendar.ReadOnly:
		return "the calendar store is in read-only mode"
	case calendar.Unavailable:
		return "the server does not answer"
	}
	return k.String()
}

// Reason is what an error says beside its place, which a report has.
func Reason(err error) string {
	if msg := calendar.MessageOf(err); msg != "" {
		return msg
	}
	return Kind(calendar.KindOf(err))
}

// Text makes text from a file safe for a terminal.
func Text(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0xFFFD {
			return '?'
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 120 {
		s = string(r[:120]) + "..."
	}
	return s
}

// Plural picks the word for a number.
func Plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
