// Package why tells people the codes of docs/why.md: those of delivery, of
// received messages, of mail, and of what rooms and resources answer.
package why

import (
	"strings"
	"sync"

	"factotum/server/admission"
	"factotum/server/booking"
	"factotum/server/calendar"
	"factotum/server/itip"
)

// sentences are those of packages that decide, by code.
var sentences = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for _, r := range itip.Reasons() {
		m[r.String()] = r.Sentence()
	}
	for _, r := range booking.Reasons() {
		m[r.String()] = r.Sentence()
	}
	for _, r := range admission.Reasons() {
		m[r.String()] = r.Sentence()
	}
	return m
})

// Sentence is a code in words, "" if this release does not know it.
func Sentence(code string) string {
	if s := calendar.DeliveryReason(code); s != "" {
		return s
	}
	return sentences()[code]
}

// Of is why a step was taken, in words: of its code, and what was noted of it,
// which may say the same with its figures.
func Of(t *calendar.Trace) string {
	s := Sentence(t.Reason)
	if s != "" && strings.Contains(t.Detail, strings.TrimSuffix(s, ".")) {
		return t.Detail
	}
	return strings.TrimSpace(s + " " + t.Detail)
}
