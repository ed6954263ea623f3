package calendar

// DeliverRequest brings scheduling messages to people of this site: an iTIP
// message is applied to what each of them has. RFC 5546, RFC 6638 §4.
type DeliverRequest struct {
	// ID names the message for ever: who has applied it to somebody's calendars
	// does not do so again.
	ID   string
	From string      // the calendar user address that it comes from
	To   []Recipient // each once
	Data []byte      // a VCALENDAR with METHOD
	// Inconsequential: only others' answers are new. RFC 6638 §3.2.10.
	Inconsequential bool
}

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

// The values of SCHEDULE-STATUS that the server gives, RFC 6638 §3.2.9.
const (
	StatusPending     = "1.0" // on its way
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
	ReasonNotStored   = "not-stored"
	ReasonNoCalendar  = "no-calendar"
	ReasonDropped     = "dropped"
	ReasonMailed      = "mailed"
	ReasonLate        = "late"
	ReasonReturned    = "returned"
	ReasonWithdrawn   = "withdrawn"
	ReasonPast        = "past"
)
