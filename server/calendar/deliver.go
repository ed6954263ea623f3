package calendar

import "time"

// DeliverRequest brings scheduling messages to people of this site: an iTIP
// message is applied to what each of them has. RFC 5546, RFC 6638 §4.
type DeliverRequest struct {
	// ID names the message for ever: who has applied it to somebody's calendars
	// does not do so again.
	ID   string
	From string      // the calendar user address that it comes from; "" of an Arrival
	To   []Recipient // each once
	Data []byte      // a VCALENDAR with METHOD
	// Inconsequential: only others' answers are new. RFC 6638 §3.2.10.
	Inconsequential bool
	// Arrival tells that it came from outside, by mail, and what is known of that;
	// nil: it is of this site, and From is true.
	Arrival *Arrival
}

// Arrival is what is known of a mail that brought a message. RFC 6047 §2.
type Arrival struct {
	Sender    string    // the mail address in From, "" if it has none, or several
	Proof     Proof     // of Sender
	SignedBy  []string  // domains whose signatures are good, and cover From: RFC 6376 §6.1
	Date      time.Time // of the mail, zero if it has none
	Differs   bool      // the mail asks for something else than its calendar data
	Forwarded bool      // the message stood in a mail within the mail
	Spam      bool      // the mail system says so

	// Unread is why the mail has no message that can be applied, a code of
	// docs/why.md. It is for the journal, with Detail; Data is empty then.
	Unread, Detail string

	// Returned is set where it is Unread since it tells that a mail came back.
	Returned *Returned
}

// Returned is what a delivery status says of one recipient: RFC 3464 §2.3.
type Returned struct {
	MessageID string // of the mail that was sent
	Recipient string // his mail address
	Status    string // RFC 3463, "" if it is not known
	Detail    string // what the other side said
	// Tell has the owner told by mail: the report did not come to him.
	Tell bool
}

// Proof is how sure it is that a mail comes from its From address.
type Proof uint8

// The degrees of proof. Their numbers are part of DWP.
const (
	Unproven Proof = iota // nobody who is believed says anything
	Proven                // DMARC passed, or SPF or DKIM of the very domain
	Disowned              // the domain disowns it
)

func (p Proof) String() string { return [...]string{"unproven", "proven", "failed"}[min(p, Disowned)] }

// Recipient is one to whom a message is brought.
type Recipient struct {
	Address string // as the message has it
	Owner   Owner  // whose calendars those are
}

// DeliverResult tells what became of it at one recipient, in order.
type DeliverResult struct {
	Status string // SCHEDULE-STATUS: RFC 6638 §3.2.9
	Reason string // a code of docs/why.md
	Detail string
	Err    error // it is not known, or not yet: to be tried again
}

// ViaDelivery is the Actor.Via of who delivers messages for somebody.
const ViaDelivery = "itip"

// ViaMail is the Actor.Via of messages that come from outside, by mail.
const ViaMail = "mail"

// ViaRezone is the Actor.Via of the repair of hours after a change of the zone database.
const ViaRezone = "csdst"

// The values of SCHEDULE-STATUS that the server gives, RFC 6638 §3.2.9.
const (
	StatusPending     = "1.0" // on its way; or held until the recipient decides
	StatusSent        = "1.1" // given to another system, which does not tell more
	StatusDelivered   = "1.2"
	StatusUnknownUser = "3.7" // not a calendar user
	StatusNoRights    = "3.8" // the sender may not schedule with him
	StatusNoService   = "5.1" // it is not known how to reach him
	StatusRejected    = "5.2" // it was tried, and refused
)

// Reasons of delivery: codes of docs/why.md.
const (
	ReasonQueued      = "queued"
	ReasonDelivered   = "delivered"
	ReasonUnknownUser = "unknown-user"
	ReasonDisabled    = "disabled-user"
	ReasonNoRights    = "no-rights"
	ReasonOutside     = "outside"
	ReasonDelayed     = "delayed"
	ReasonGivenUp     = "given-up"
	ReasonUnsure      = "unsure"
	ReasonNotStored   = "not-stored"
	ReasonNoCalendar  = "no-calendar"
	ReasonDropped     = "dropped"
	ReasonMailed      = "mailed"
	ReasonLate        = "late"
	ReasonReturned    = "returned"
	ReasonWithdrawn   = "withdrawn"
	ReasonPast        = "past"
)
