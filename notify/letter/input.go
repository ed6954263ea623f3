package letter

import (
	"time"

	"factotum/notify/locale"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
	"factotum/server/zone"
)

// Input is what a mail is about, and for whom it is. Nothing in it is changed.
type Input struct {
	// Message is the scheduling message, or the stored object: a VCALENDAR with its
	// time zones. Only a text/calendar part with %I prints it, as it is, or with
	// %J, without its METHOD.
	Message *ical.Component

	// Text is the text of Message where somebody has it already, nil otherwise.
	Text []byte

	// Component is the one of Message that the mail is about; nil is the master, or
	// the first if there is none.
	Component *ical.Component

	// Instance is the one of a series that a reminder is about, nil for what
	// Component says itself.
	Instance *recur.Instance

	// Method is that of iTIP; "" is the METHOD of Message, and where it has none the
	// mail is a reminder.
	Method string

	// Again tells of a REQUEST whose recipient knows of the event: what he gets is
	// a change, no invitation.
	Again bool

	// Removed tells of a CANCEL to somebody who was taken off the list of those
	// invited: the event takes place without him. RFC 5546 §3.2.5.
	Removed bool

	// Attendee is who answers. Of a zero value it is the only ATTENDEE of a REPLY,
	// COUNTER or REFRESH.
	Attendee Attendee

	Now    time.Time
	Zone   zone.Zone     // of the recipient; nil is UTC
	Manner locale.Manner // how he reads dates; letterfile.Set fills it
}

// For is the input with what a mail of that name tells of, where it does not say so
// itself.
func (in *Input) For(name Name) *Input {
	method, answer := name.Tells()
	out := *in
	if out.method() == "" {
		out.Method = method
	}
	if out.Attendee.PartStat == "" {
		out.Attendee.PartStat = answer
	}
	return &out
}

// Attendee is one who answers an invitation.
type Attendee struct {
	Name     string
	Address  string // with mailto: or without
	PartStat string // in capitals
	Comment  string
}

// Mail is a mail as far as a template makes it: From, To, Date and the like are
// of whoever sends it.
type Mail struct {
	Subject string // one line of text, not encoded: AppendHeader does that
	Header  []byte // MIME-Version and the Content- fields, with their line ends
	Body    []byte // ASCII, with CRLF
}

// Append prints subject, header and body. With raw8 UTF-8 stands in the header as
// it is, otherwise as RFC 2047 says: local.rfc822header.allow8bit.
func (m *Mail) Append(dst []byte, raw8 bool) []byte {
	dst = AppendHeader(dst, "Subject", m.Subject, raw8)
	dst = append(dst, m.Header...)
	dst = append(dst, "\r\n"...)
	return append(dst, m.Body...)
}

// component is the one that the mail is about.
func (in *Input) component() *ical.Component {
	if in.Component != nil || in.Message == nil {
		return in.Component
	}
	var first *ical.Component
	for _, c := range in.Message.Children {
		switch {
		case c.Name == "VTIMEZONE":
			continue
		case c.Prop("RECURRENCE-ID") == nil:
			return c
		case first == nil:
			first = c
		}
	}
	return first
}

// method is that of iTIP, "" of a reminder.
func (in *Input) method() string {
	switch {
	case in.Method != "":
		return in.Method
	case in.Message != nil:
		return in.Message.Word("METHOD")
	}
	return ""
}

// attendee is who answers.
func (in *Input) attendee(c *ical.Component, method string) Attendee {
	a := in.Attendee
	if a.Address == "" && c != nil {
		switch method {
		case "REPLY", "COUNTER", "REFRESH":
			if p := c.Prop("ATTENDEE"); p != nil {
				a.Address = p.Value
			}
		}
	}
	if a.Address == "" || c == nil {
		return a
	}
	key := calendar.AddressKey(a.Address)
	for p := range c.All("ATTENDEE") {
		if calendar.AddressKey(p.Value) != key {
			continue
		}
		if a.Name == "" {
			a.Name = p.Param("CN")
		}
		if a.PartStat == "" {
			a.PartStat = partStat(p)
		}
		break
	}
	if a.Comment == "" && method == "REPLY" {
		a.Comment = c.Text("COMMENT")
	}
	return a
}
