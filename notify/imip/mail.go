package imip

import (
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/itip"
)

// Kind is what a mail is to us.
type Kind uint8

// The kinds of mails.
const (
	Nothing    Kind = iota // nothing for us; Refused tells of what could have been
	Scheduling             // Messages
	Returned               // a delivery status: Report
	Automatic              // a program answered: AutomaticBy
)

func (k Kind) String() string {
	return [...]string{"nothing", "scheduling", "returned", "automatic"}[min(k, Automatic)]
}

// Mail is what a mail says. Its texts are decoded, and fit for one line.
type Mail struct {
	From       []Address // usually one
	Sender     Address
	ReplyTo    []Address
	To, Cc     []Address
	Date       time.Time // zero: none that one can read
	MessageID  string    // without its angles
	InReplyTo  []string
	References []string
	Subject    string
	ListID     string // of the mailing list that it came by
	NullReturn bool   // Return-Path is empty: nobody is to be told of a failure. RFC 5321 §4.5.5

	Kind        Kind
	Messages    []Message
	Report      *Report
	AutomaticBy string    // what told so: "auto-submitted", "subject", "receipt" …
	Refused     []Refusal // what was calendar data, or may hide some, and was not taken
	Spam        string    // the field by which the mail system calls it spam

	froms  int // From fields: more than one are none that can be believed
	header header
}

// Message is a scheduling message: the components of one UID. RFC 6047 §2.
type Message struct {
	Method   itip.Method
	UID      string
	Calendar *ical.Component // with METHOD, and mended: see mend
	Part     Part
	Copies   []Part // that say the same, and were not counted
	// Differs tells that the mail asks for something else than its calendar data, or
	// one copy for something else than another.
	Differs bool
	// Forwarded tells that it stands in a mail within the mail; Origin is the sender
	// of that, by its own word.
	Forwarded bool
	Origin    Address
}

// mostText of what is shown of a mail.
const mostSubject, mostID, mostIDs = 1000, 998, 100

// facts reads what the header of a mail says.
func (m *Mail) facts(h header) {
	m.header = h
	for _, f := range h {
		if f.name == "from" {
			m.froms++
		}
	}
	m.From = addresses(h.get("from"))
	if list := addresses(h.get("sender")); len(list) > 0 {
		m.Sender = list[0]
	}
	m.ReplyTo, m.To, m.Cc = addresses(h.get("reply-to")), addresses(h.get("to")), addresses(h.get("cc"))
	m.Date = dateOf(h.get("date"))
	if ids := idsOf(h.get("message-id")); len(ids) > 0 {
		m.MessageID = ids[0]
	}
	m.InReplyTo, m.References = idsOf(h.get("in-reply-to")), idsOf(h.get("references"))
	m.Subject = clean(decodeWords(h.get("subject")), mostSubject)
	m.ListID = clean(h.get("list-id"), mostID)
	m.NullReturn = strings.ReplaceAll(h.get("return-path"), " ", "") == "<>"
	m.Spam = spamOf(h)
}

// idsOf are the message identifiers of a field. RFC 5322 §3.6.4.
func idsOf(s string) (ids []string) {
	for len(ids) < mostIDs {
		_, rest, ok := strings.Cut(s, "<")
		id, more, closed := strings.Cut(rest, ">")
		if !ok || !closed {
			break
		}
		if id = clean(id, mostID); id != "" {
			ids = append(ids, id)
		}
		s = more
	}
	if s = clean(s, mostID); len(ids) == 0 && strings.Contains(s, "@") && !strings.Contains(s, " ") {
		ids = append(ids, s) // the angles are missing
	}
	return ids
}

// dateOf reads a Date field, zero if it has none. RFC 5322 §3.3, and what is older.
func dateOf(s string) time.Time {
	if len(s) > 100 {
		return time.Time{}
	}
	s, _, _ = strings.Cut(s, "(")
	if _, rest, ok := strings.Cut(s, ","); ok {
		s = rest
	}
	s = strings.Join(strings.Fields(s), " ")
	for _, layout := range []string{
		"2 Jan 2006 15:04:05 -0700", "2 Jan 2006 15:04 -0700", "2 Jan 2006 15:04:05 MST", "2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04 -0700",
		"2 Jan 06 15:04:05 MST", "2 Jan 2006 15:04:05", "Mon Jan 2 15:04:05 2006", time.RFC3339,
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
