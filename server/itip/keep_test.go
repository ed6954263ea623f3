package itip

import (
	"strings"
	"testing"

	"factotum/server/ical"
)

// What is the attendee's own stands anywhere in what the organizer's program
// writes, before the attendees too: his answer stays his, and nobody gets another
// one by it.
func TestAnUpdateKeepsLinesApart(t *testing.T) {
	for _, front := range [][]string{
		{"CREATED:20260101T000000Z", "TRANSP:TRANSPARENT"},
		{"CLASS:PRIVATE", "CREATED:20260101T000000Z", "LAST-MODIFIED:20260101T000000Z", "COLOR:red", "CATEGORIES:a"},
	} {
		w := newWorld(t)
		lines := append(front, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "SUMMARY:a")
		w.organize("anna", meet(t, []string{"ben", "carl", "dora", "emil"}, lines...))
		w.settle()
		w.attend("ben", w.change("ben", "", w.partstat("ben", "DECLINED")))
		next := w.change("anna", "", func(c *ical.Component) { c.SetText("SUMMARY", "b") }) // it crosses his answer
		w.organize("anna", next)
		w.queue[0], w.queue[1] = w.queue[1], w.queue[0]
		w.settle()
		for id, want := range map[string]string{"anna": "ben=DECLINED carl=NEEDS-ACTION dora=NEEDS-ACTION emil=NEEDS-ACTION",
			"ben": "ben=DECLINED carl=NEEDS-ACTION dora=NEEDS-ACTION emil=NEEDS-ACTION"} {
			if got := w.answers(id, ""); got != want {
				t.Errorf("%s has %q, want %q", id, got, want)
			}
		}
		c := w.copies["ben"].Child("VEVENT")
		if got, want := c.Value("CLASS"), w.copies["anna"].Child("VEVENT").Value("CLASS"); got != want || c.Count("CLASS") > 1 {
			t.Errorf("class %q, want %q", got, want)
		}
		for _, name := range []string{"SUMMARY", "DTSTART", "UID", "ORGANIZER"} {
			if c.Count(name) != 1 {
				t.Errorf("%d of %s\n%s", c.Count(name), name, strings.ReplaceAll(string(c.Bytes()), "\r", ""))
			}
		}
	}
}

// An instance that an attendee has answered, and that counts otherwise in his
// calendar than the series, stays so when the organizer's series comes that has
// heard of neither: a room that has accepted all but one instance.
func TestTheSeriesKeepsAnInstanceOfOnesOwn(t *testing.T) {
	w := newWorld(t)
	w.organize("anna", meet(t, []string{"ben", "carl"}, "DTSTART:20260302T100000Z", "DTEND:20260302T110000Z", "RRULE:FREQ=DAILY;COUNT=3", "SUMMARY:a"))
	w.settle()
	const rid = "20260303T100000Z"
	w.attend("ben", w.change("ben", rid, func(c *ical.Component) {
		w.partstat("ben", "DECLINED")(c)
		c.Set("TRANSP", "TRANSPARENT")
		c.Set("CATEGORIES", "Free")
	}))
	reply := w.queue
	w.queue = nil
	w.organize("anna", w.change("anna", "", func(c *ical.Component) { c.SetText("SUMMARY", "b") }))
	w.settle()
	w.queue = reply
	w.settle()
	for _, id := range []string{"anna", "ben"} {
		if got, want := w.answers(id, rid), "ben=DECLINED carl=NEEDS-ACTION"; got != want {
			t.Errorf("%s has %q, want %q", id, got, want)
		}
	}
	m, err := (&Party{}).open(w.copies["ben"])
	if err != nil {
		t.Fatal(err)
	}
	d, _ := ical.ParseDateTime(rid, "", false)
	if c := m.component(m.keyOf(d, m.zones)); c.Value("TRANSP") != "TRANSPARENT" || c.Value("CATEGORIES") != "Free" || c.Text("SUMMARY") != "b" {
		t.Errorf("his instance is\n%s", c.Bytes())
	}
}
