// Package imip reads mail that may speak of meetings: RFC 6047. Of the octets of
// a mail it makes a Mail, which is a scheduling message, a returned or an
// automatic one, or nothing for us. It is pure: it takes values and gives values,
// stores nothing and asks nobody. What a message may do to somebody's calendars
// is decided by server/admission, for which Mail.Arrivals makes what it needs.
//
// Mails are written by strangers. The walker is our own, reads them as they come
// in one pass, keeps only what may be calendar data, and has limits for all that
// can be multiplied: octets, headers, parts, how deep they nest. What exceeds one
// ends the reading with a Refusal, whose code is one of docs/why.md.
//
// It reads leniently what programs that are in use write, and names what it does
// not read. Whether a mail is what it says to be is another question: see
// Authentication.
package imip

import (
	"fmt"

	"factotum/server/admission"
)

// Limits bound what a mail may cost. A field that is zero or negative takes its
// value from DefaultLimits.
type Limits struct {
	Mail     int // octets of the whole
	Header   int // octets of all headers in it
	Calendar int // octets of one iCalendar text, decoded
	Kept     int // octets of all parts that are looked into, as they came
	Parts    int // in all
	Depth    int // parts within parts; the mail itself is the first
	Messages int // scheduling messages of one mail: UIDs
}

// DefaultLimits suit mail from the outside.
var DefaultLimits = Limits{
	Mail:     64 << 20,
	Header:   1 << 20,
	Calendar: 4 << 20,
	Kept:     12 << 20,
	Parts:    1000,
	Depth:    30,
	Messages: 100,
}

func (l Limits) orDefault() Limits {
	or := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	or(&l.Mail, DefaultLimits.Mail)
	or(&l.Header, DefaultLimits.Header)
	or(&l.Calendar, DefaultLimits.Calendar)
	or(&l.Kept, DefaultLimits.Kept)
	or(&l.Parts, DefaultLimits.Parts)
	or(&l.Depth, DefaultLimits.Depth)
	or(&l.Messages, DefaultLimits.Messages)
	return l
}

// Refusal says why a mail, or a part of it, is not read. As an error it is final:
// to try again would find the same.
type Refusal struct {
	Reason string // a code of docs/why.md
	Detail string // what to mend; it quotes nothing of the mail
	Part   Part   // zero: the mail
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Detail
}

func refuse(reason admission.Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason.String(), Detail: fmt.Sprintf(format, args...)}
}
