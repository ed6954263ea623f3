package admission

import (
	"strings"
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
	RefuseAll // it comes to nothing
)

// looseness is how much of what is unsolicited comes into the calendar.
func (u Unsolicited) looseness() int {
	return [...]int{HoldAll: 1, AddKnown: 2, AddAll: 3, RefuseAll: 0}[u]
}

// ParseUnsolicited reads what a user or administrator chose: "refuse", "hold", "known"
// or "add".
func ParseUnsolicited(s string) (u Unsolicited, ok bool) {
	switch strings.ToLower(s) {
	case "refuse":
		return RefuseAll, true
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

	RefuseUnproven bool // else it is held

	Allowed bool // the recipient lets Sender in
	Never   bool // he wants nothing of him

	// Strict lets nobody have looser rules than the site: Over.
	Strict bool

	// Relays are domains that may speak for others if they signed a mail whose From is
	// theirs: services that send answers and invitations in the names of their users.
	// "relay/domain" is one that writes a From of another domain. RFC 7489 §3.1.
	Relays []string
}

// Over are the rules of a site with what a user's preferences say over them.
func (r Rules) Over(prefs map[string]string, sender string) Rules {
	if u, ok := ParseUnsolicited(prefs[calendar.InvitationsPref]); ok && (!r.Strict || u.looseness() < r.Unsolicited.looseness()) {
		r.Unsolicited = u
	}
	switch strings.ToLower(prefs[calendar.UnprovenPref]) {
	case "believe":
		r.BelieveUnproven = r.BelieveUnproven || !r.Strict
	case "hold":
		r.BelieveUnproven = false
	case "refuse":
		r.BelieveUnproven, r.RefuseUnproven = false, true
	}
	r.Never = calendar.Lists(prefs, calendar.NeverPref, sender)
	r.Allowed = !r.Strict && calendar.Lists(prefs, calendar.AllowedPref, sender)
	return r
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
