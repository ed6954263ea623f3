package admission

import (
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
)

// Proof is how sure it is that a mail comes from its From address.
type Proof = calendar.Proof

// The degrees of proof.
const (
	Unproven = calendar.Unproven
	Proven   = calendar.Proven
	Failed   = calendar.Disowned
)

// Arrival is a message that came by mail: RFC 6047 §2.
type Arrival struct {
	Calendar  *ical.Component // components of one UID, with METHOD
	Sender    string          // the mail address in From
	Proof     Proof           // of Sender
	SignedBy  []string        // domains whose signatures are good: RFC 6376 §6.1
	Date      time.Time       // of the mail, zero if it has none
	Differs   bool            // the mail asks for something else than Calendar
	Forwarded bool            // it stood in a mail within the mail
	Spam      bool            // the mail system says so
}

// Unsolicited is what becomes of an invitation from somebody who has not organized
// anything that the recipient has.
type Unsolicited uint8

// What can become of it.
const (
	HoldAll  Unsolicited = iota // the user decides
	AddKnown                    // of people whom he knows it is added
	AddAll
)

// ParseUnsolicited reads what a user or administrator chose: "hold", "known" or
// "add".
func ParseUnsolicited(s string) (u Unsolicited, ok bool) {
	switch s {
	case "hold":
		return HoldAll, true
	case "known":
		return AddKnown, true
	case "add":
		return AddAll, true
	}
	return HoldAll, false
}

// Rules are what a site and a user decided beforehand. The zero Rules trust nobody
// who is not proven.
type Rules struct {
	Unsolicited Unsolicited
	Known       bool // the recipient knows Sender: he has met him, or written to him

	// BelieveUnproven takes From as true where nothing is said against it, as mail
	// programs do: for sites whose mail system does not tell.
	BelieveUnproven bool

	// Relays are domains that may speak for others if they signed a mail: services
	// that send answers and invitations in the names of their users.
	Relays []string
}

// Action is what becomes of a message.
type Action uint8

// The actions.
const (
	Ignore Action = iota // nothing follows from it
	Hold                 // the recipient decides
	Apply                // as Message and Receipt say
)

func (a Action) String() string { return [...]string{"ignore", "hold", "apply"}[min(a, Apply)] }

// Decision is what becomes of a message, and why.
type Decision struct {
	Action  Action
	Reason  string // a code of docs/why.md
	Detail  string // what is to be added to its sentence, or ""
	Method  itip.Method
	Message itip.Message // as it is to be applied, now or when the recipient says so
	Receipt itip.Receipt // what it does, of Apply
}
