package calendar

import (
	"slices"
	"time"
	"unicode/utf8"
)

// Trace is one step in the life of a scheduling message, or an automatic
// decision, in the journal of the person at whose side it happened. Together
// they answer where an invitation is, and why: cal why.
type Trace struct {
	Owner Owner // whose journal it stands in
	ID    int64 // unique in his journal and growing with time; the store's key
	When  time.Time

	Message string // what the message is called from its queueing to its end: the JobID of its delivery
	Method  string // REQUEST, REPLY, CANCEL …, "" for a decision about no message
	UID     string
	Summary string // of the meeting, cut

	From string   // calendar user addresses
	To   []string // those for whom the step is the same

	Step   TraceStep
	Reason string // a code of docs/why.md that never changes: of itip.Reason, of a status of delivery, of a decision
	Status string // SCHEDULE-STATUS that the organizer's or attendee's object then shows, RFC 6638 §3.2.9; "" = none
	Detail string // a sentence where the code alone does not tell

	By  UserID // who caused it, "" for the server itself
	Via string // the protocol or tool by which he did
}

// TraceStep says how far a message has come.
type TraceStep uint8

// The steps. Their numbers are stored and part of DWP.
const (
	TraceQueued    TraceStep = iota + 1 // stored with the change that it follows from
	TraceDelivered                      // the other side has it
	TraceDelayed                        // an attempt failed, another follows
	TraceFailed                         // it was given up, or there is nobody to bring it to
	TraceApplied                        // the recipient's object is another now
	TraceIgnored                        // it changes nothing: an older revision, known already
	TraceRefused                        // it may not change anything: not invited, not the organizer
	TraceDecided                        // the server decided for somebody: a room accepted, say
	TraceHeld                           // it came from outside, and the recipient decides
	numTraceSteps
)

var traceSteps = [numTraceSteps]string{"", "queued", "delivered", "delayed", "failed", "applied", "ignored", "refused", "decided", "held"}

func (s TraceStep) String() string {
	if s < numTraceSteps {
		return traceSteps[s]
	}
	return "unknown"
}

// TraceQuery asks for traces of a journal. What is empty asks for nothing.
type TraceQuery struct {
	UID     string
	Address string // of the sender or of one of the recipients
	Message string
	Since   time.Time // from then on
	Until   time.Time // before that

	OldestFirst bool  // else the newest are first
	After       int64 // an id, the last of the page before
	Limit       int   // 0 = all
}

// Matcher tells which traces are asked for, apart from their order and number.
func (q *TraceQuery) Matcher() func(*Trace) bool {
	key := AddressKey(q.Address)
	return func(t *Trace) bool {
		return (q.UID == "" || t.UID == q.UID) &&
			(q.Message == "" || t.Message == q.Message) &&
			(q.Since.IsZero() || !t.When.Before(q.Since)) &&
			(q.Until.IsZero() || t.When.Before(q.Until)) &&
			(key == "" || t.About(key))
	}
}

// About reports whether the trace is of a message from or to an address, which
// is given as AddressKey spells it.
func (t *Trace) About(key string) bool {
	return AddressKey(t.From) == key || t.SentTo(key)
}

// SentTo reports whether the trace is of a message to an address, which is given
// as AddressKey spells it.
func (t *Trace) SentTo(key string) bool {
	return slices.ContainsFunc(t.To, func(a string) bool { return AddressKey(a) == key })
}

// Bounds of one trace.
const (
	TraceRecipients = 100 // in its To
	traceText       = 200 // octets of its Summary
	traceDetail     = 500 // octets of its Detail
	traceName       = 400 // octets of an address
)

// Cut shortens texts to what a journal keeps of them.
func (t *Trace) Cut() {
	t.Summary, t.Detail = cutText(t.Summary, traceText), cutText(t.Detail, traceDetail)
	t.From = cutText(t.From, traceName)
	if slices.ContainsFunc(t.To, func(a string) bool { return len(a) > traceName }) {
		t.To = slices.Clone(t.To)
		for i := range t.To {
			t.To[i] = cutText(t.To[i], traceName)
		}
	}
}

// Parts are traces of the same step that are within the bounds, each of some of
// the recipients.
func (t *Trace) Parts() (parts []Trace) {
	t.Cut()
	for to := t.To; ; {
		part := *t
		n := min(len(to), TraceRecipients)
		part.To, to = to[:n], to[n:]
		if parts = append(parts, part); len(to) == 0 {
			return parts
		}
	}
}

// cutText is the beginning of a text, whole characters of it.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
