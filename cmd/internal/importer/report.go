package importer

import (
	"fmt"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
)

// What becomes of an item of an import.
const (
	Created   = "created"
	Replaced  = "replaced"
	Unchanged = "unchanged"
	Refused   = "refused"
)

// Item is one object of an import: what it was and what became of it.
type Item struct {
	File    string `json:"file"`
	Line    int    `json:"line"`             // where it begins
	Number  int    `json:"number,omitempty"` // of its first component in the file; 0 is the file or calendar itself
	UID     string `json:"uid,omitempty"`
	Name    string `json:"name,omitempty"` // resource name it is stored under
	Size    int    `json:"size,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // of the text sent to the store
	Outcome string `json:"outcome"`
	Kind    string `json:"kind,omitempty"`   // of a refusal
	Reason  string `json:"reason,omitempty"` // of a refusal
	Mended  string `json:"mended,omitempty"` // what had to be, before it could be stored
	Ended   bool   `json:"-"`                // the refusal is of the whole import, which ends with it
}

// Report sums up an import.
type Report struct {
	Calendar  calendar.ID `json:"calendar"`
	Files     int         `json:"files"`
	Created   int         `json:"created"`
	Replaced  int         `json:"replaced"`
	Unchanged int         `json:"unchanged"`
	Refused   int         `json:"refused"`
	Items     []Item      `json:"items"`
}

// Stored counts what is in the calendar now.
func (r *Report) Stored() int { return r.Created + r.Replaced + r.Unchanged }

// String is the line of a report: place, item, outcome, reason.
func (it *Item) String() string {
	s := it.File
	if it.Line > 0 {
		s += fmt.Sprintf(":%d", it.Line)
	}
	s += ": "
	if it.Number > 0 {
		s += fmt.Sprintf("item %d", it.Number)
		if it.UID != "" {
			s += " (UID " + plain.Text(it.UID) + ")"
		}
		s += " "
	}
	s += it.Outcome
	if it.Reason != "" {
		s += ": " + it.Reason
	}
	return s
}
