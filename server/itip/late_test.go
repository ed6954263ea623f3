package itip

import (
	"testing"

	"factotum/server/ical"
)

// A copy of a message that comes when newer ones were here changes nothing,
// whatever they were about: an instance before the series that has no exception
// for it any more, the series before an instance.
func TestAMessageThatComesAgain(t *testing.T) {
	series := []string{"DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"}
	summary := func(c *ical.Component) { c.SetText("SUMMARY", "b") }
	for name, test := range map[string]func(w *world) (old Message){
		"an instance, after the series": func(w *world) Message {
			w.organize("anna", w.change("anna", "20260303T100000Z", summary))
			old := w.queue[0]
			w.organize("anna", meet(t, []string{"ben"}, "DTSTART:20260302T101500Z", "DTEND:20260302T111500Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
			return old
		},
		"the series, after an instance": func(w *world) Message {
			w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.SetText("LOCATION", "Room") }))
			old := w.queue[0]
			w.organize("anna", w.change("anna", "20260303T100000Z", summary))
			return old
		},
	} {
		w := newWorld(t)
		w.organize("anna", meet(t, []string{"ben"}, series...))
		w.settle()
		old := test(w)
		w.settle()
		want := w.instances("ben")
		w.queue = append(w.queue, old)
		w.settle()
		equal(t, name, w.instances("ben"), want)
		equal(t, name+", as the organizer has it", want, w.instances("anna"))
	}
}
