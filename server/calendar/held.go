package calendar

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"factotum/server/ical"
)

// What an item of an inbox says of itself whose message came by mail and is held: why,
// the mail address in From, and the name of the message in the journal.
const (
	HeldReason  = "X-FACTOTUM-HELD"
	HeldSender  = "X-FACTOTUM-SENDER"
	HeldMessage = "X-FACTOTUM-MESSAGE"
)

// Held is a message that came by mail and changes nothing until its recipient decides.
type Held struct {
	Name    string // of the item in his inbox
	Reason  string // a code of docs/why.md
	Sender  string // a mail address, "" if it is not known
	Message string // as the journal calls it
	Method  string
	UID     string
	Summary string
	Came    time.Time
	Data    []byte // the item
}

// HeldItem reads an item of an inbox; ok is false if it is none that is held.
func HeldItem(name string, data []byte, came time.Time) (h Held, ok bool) {
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil || cal.Value(HeldReason) == "" {
		return h, false
	}
	h = Held{Name: name, Reason: cal.Value(HeldReason), Sender: cal.Value(HeldSender), Message: cal.Value(HeldMessage), Method: cal.Word("METHOD"), Came: came, Data: data}
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		if h.UID == "" {
			h.UID = strings.TrimSpace(c.Text("UID"))
		}
		if h.Summary == "" {
			h.Summary = cutText(c.Text("SUMMARY"), traceText)
		}
	}
	return h, true
}

// SortHeld puts what is held in order, the oldest first.
func SortHeld(list []Held) {
	slices.SortFunc(list, func(a, b Held) int { return cmp.Or(a.Came.Compare(b.Came), cmp.Compare(a.Name, b.Name)) })
}

// DecideRequest says what is to become of a message that is held.
type DecideRequest struct {
	Ref    Ref // the item, in an inbox
	Accept bool
	// Remember has the sender's address let in from now on, or kept out.
	Remember bool
}

// Decided is what became of it.
type Decided struct {
	Applied bool
	Reason  string // a code of docs/why.md
	Detail  string
}
