// Package mail makes mails of what a calendar.Mailing is about: iMIP messages
// (RFC 6047) by the site's templates, and notices about mail that could not be
// delivered.
package mail

import (
	"context"
	"fmt"
	"mime"
	netmail "net/mail"
	"slices"
	"strings"
	"time"

	"factotum/notify/letter"
	"factotum/notify/letterfile"
	"factotum/notify/relay"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
	"factotum/server/recur"
	"factotum/server/zone"
)

// Composer makes mails.
type Composer struct {
	Templates *letterfile.Set
	People    interface {
		Person(ctx context.Context, id calendar.UserID) (calendar.Person, error)
		ByMail(ctx context.Context, address string) (calendar.Person, error)
	}
	Model interface {
		// Holds reports whether an owner has an object of a UID in a calendar.
		Holds(ctx context.Context, owner calendar.Owner, uid string) (bool, error)
		// Held lists what came to an owner by mail and waits for his decision.
		Held(ctx context.Context, owner calendar.Owner) ([]calendar.Held, error)
		Prefs(ctx context.Context, who calendar.Actor, owner calendar.Owner) (map[string]string, error)
		Why(ctx context.Context, who calendar.Actor, req calendar.WhyRequest) (calendar.WhyAnswer, error)
	}
	Host      string  // ours, of Message-IDs of who has no mail address
	Envelope  string  // where what cannot be delivered comes back to; "": to whom it is from
	TZID      string  // of who has none
	Raw8      bool    // local.rfc822header.allow8bit
	Past      bool    // what is over is mailed too
	Outside   bool    // people whom the directory does not have are reminded too
	Resources bool    // organizers are told what rooms answer: factotum.reply.resources
	Signer    *Signer // nil does not sign
	Now       func() time.Time
}

// Compose makes the mail of a mailing, or tells by a reason why there is none.
func (c *Composer) Compose(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (out relay.Mail, reason string, err error) {
	switch m.Kind {
	case calendar.MailDelayed, calendar.MailReturned:
		out, err = c.notice(ctx, owner, m)
		return out, "", err
	case calendar.MailHeld:
		return c.held(ctx, owner, m)
	case calendar.MailRezoned:
		out, err = c.rezoned(ctx, owner, m)
		return out, "", err
	case calendar.MailHook:
		out, err = c.hookOff(ctx, owner, m)
		return out, "", err
	case calendar.MailScheduling:
	default:
		return c.news(ctx, owner, m)
	}
	cal, err := ical.Parse(m.Letter.Data, ical.Limits{})
	if err != nil {
		return out, "", fmt.Errorf("read a message: %w", err)
	}
	if !c.Past && over(cal, c.Now()) {
		return out, calendar.ReasonPast, nil
	}
	sender, err := c.person(ctx, m.Letter.From)
	if err != nil {
		return out, "", err
	}
	prefs, err := c.prefs(ctx, owner, sender)
	if err != nil {
		return out, "", err
	}
	complete(cal, m.Letter.From, sender.Name)
	if m.Letter.Method == "REQUEST" {
		ask(cal, m.Letter.To)
	}
	in := letter.Input{Message: cal, Method: m.Letter.Method, Now: c.Now(), Zone: letter.MeetingZone(cal)}
	if in.Zone == nil {
		in.ForReader(sender, prefs, c.TZID)
	}
	switch {
	case m.Letter.Method == "REQUEST":
		in.Again, err = c.knows(ctx, owner, m)
	case m.Letter.Method == "CANCEL" && whole(cal): // it goes on without him
		in.Removed, err = c.Model.Holds(ctx, owner, m.UID)
	}
	if err != nil {
		return out, "", err
	}
	text, err := c.Templates.Render(letter.ByMethod(m.Letter.Method, isTask(cal)), letter.LanguageOf(sender, prefs), &in)
	if err != nil {
		return out, "", err
	}
	from := calendar.MailboxOf(m.Letter.From)
	if from == "" {
		from = sender.Mail()
	}
	h := &header{raw8: c.Raw8}
	h.mailbox("From", nameOf(cal, m.Letter.From, sender.Name), from)
	h.mailbox("To", nameOf(cal, "mailto:"+m.To, ""), m.To)
	h.line("Date", c.Now().UTC().Format(time.RFC1123Z))
	h.ids(c.Host, from, m)
	h.line("Auto-Submitted", "auto-generated")
	h.line("X-Auto-Response-Suppress", "OOF, DR, RN, NRN")
	envelope := from
	if c.Envelope != "" {
		envelope = c.Envelope
	}
	out = relay.Mail{From: envelope, To: m.To, Data: text.Append(h.text, c.Raw8)}
	return out, "", c.Signer.sign(&out, from)
}

// complete makes of a message what people elsewhere are sent: with a VTIMEZONE for
// each TZID (RFC 6047 §2.4), a SEQUENCE, the sender's name, and nothing of the server's
// own.
func complete(cal *ical.Component, from, name string) {
	key := calendar.AddressKey(from)
	itip.Bare(cal)
	cal.Children = (&zone.Merger{Whole: true}).Add(cal)
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		for i := range c.Props {
			p := &c.Props[i]
			if (p.Name == "ORGANIZER" || p.Name == "ATTENDEE") && name != "" && p.Param("CN") == "" && calendar.AddressKey(p.Value) == key {
				p.SetParam("CN", name)
			}
		}
		if c.Prop("SEQUENCE") == nil {
			c.Set("SEQUENCE", "0")
		}
	}
}

// ask says of those who have to answer that they are asked: mail programs offer no
// answer else, though the organizer's wrote nothing of it. RFC 5546 §2.1.4.
func ask(cal *ical.Component, to []string) {
	for _, c := range cal.Children {
		for a := range c.All("ATTENDEE") {
			if !slices.ContainsFunc(to, func(t string) bool { return calendar.AddressKey(t) == calendar.AddressKey(a.Value) }) {
				continue
			}
			if a.Param("PARTSTAT") == "" {
				a.SetParam("PARTSTAT", "NEEDS-ACTION")
			}
			if a.ParamIs("PARTSTAT", "NEEDS-ACTION") && !a.HasParam("RSVP") && !a.ParamIs("ROLE", "NON-PARTICIPANT") {
				a.SetParam("RSVP", "TRUE")
			}
		}
	}
}

// person finds whose address it is; nobody in particular if the directory does not
// know it.
func (c *Composer) person(ctx context.Context, address string) (p calendar.Person, err error) {
	key := calendar.PersonKey(address)
	if strings.Contains(key, "@") {
		p, err = c.People.ByMail(ctx, key)
	} else {
		p, err = c.People.Person(ctx, key)
	}
	if calendar.KindOf(err) == calendar.NotFound {
		return calendar.Person{}, nil
	}
	if err != nil {
		return p, fmt.Errorf("look up a sender: %w", err)
	}
	return p, nil
}

// knows reports whether somebody was sent an invitation to the meeting before.
func (c *Composer) knows(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (bool, error) {
	res, err := c.Model.Why(ctx, calendar.Actor{Admin: true}, calendar.WhyRequest{Owner: owner, Query: calendar.TraceQuery{UID: m.UID, Address: "mailto:" + m.To}})
	if err != nil {
		return false, fmt.Errorf("look whether he was invited before: %w", err)
	}
	for _, t := range res.Traces { // the newest first
		if t.Reason == calendar.ReasonMailed && t.Message != m.Letter.ID {
			return t.Method == "REQUEST", nil
		}
	}
	return false, nil
}

// whole reports whether a message is about all of a meeting.
func whole(cal *ical.Component) bool {
	return !slices.ContainsFunc(cal.Children, func(c *ical.Component) bool { return c.Name != "VTIMEZONE" && c.Prop("RECURRENCE-ID") != nil })
}

// over reports whether nothing of a message is still to come.
func over(cal *ical.Component, now time.Time) bool {
	var comps []*ical.Component
	for _, k := range cal.Children {
		if k.Name != "VTIMEZONE" {
			comps = append(comps, k)
		}
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	if err != nil {
		return false
	}
	_, end, infinite := set.Span(nil)
	return !infinite && !end.IsZero() && end.Before(now)
}

func isTask(cal *ical.Component) bool {
	for _, k := range cal.Children {
		if k.Name == "VTODO" {
			return true
		}
	}
	return false
}

// nameOf is the CN of an address in a message.
func nameOf(cal *ical.Component, address, otherwise string) string {
	key := calendar.AddressKey(address)
	for _, k := range cal.Children {
		for i := range k.Props {
			if p := &k.Props[i]; (p.Name == "ATTENDEE" || p.Name == "ORGANIZER") && calendar.AddressKey(p.Value) == key && p.Param("CN") != "" {
				return p.Param("CN")
			}
		}
	}
	return otherwise
}

// header is the fields of a mail that no template makes.
type header struct {
	raw8 bool
	text []byte
}

func (h *header) line(name, value string) {
	h.text = append(h.text, name+": "+value+"\r\n"...)
}

// mailbox writes a name and an address, whatever is in them, on lines of their own. What
// looks like an encoded word is none, though some programs decode it between quotes too:
// RFC 2047 §5.
func (h *header) mailbox(field, name, address string) {
	name = strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 || r == 0x85 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(name, "\uFFFD"))), " ")
	name = strings.ReplaceAll(name, "=?", "= ?")
	if len(name) > 200 {
		name = strings.ToValidUTF8(name[:200], "")
	}
	at := strings.LastIndexByte(address, '@')
	local := address[:max(at, 0)]
	if (&netmail.Address{Address: address}).String() != "<"+address+">" { // it needs quoting
		local = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"`
	}
	spec := "<" + local + address[max(at, 0):] + ">"
	switch {
	case name == "" || strings.EqualFold(name, address):
		h.line(field, spec)
	case h.raw8 || isASCII(name):
		h.line(field, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name)+"\"\r\n "+spec)
	default:
		word := mime.QEncoding
		if strings.ContainsAny(name, phraseSpecials) {
			word = mime.BEncoding
		}
		h.line(field, strings.ReplaceAll(word.Encode("utf-8", name), "?= =?", "?=\r\n =?")+"\r\n "+spec)
	}
}

// phraseSpecials may not stand in an encoded word before an address, which would be
// taken apart there. RFC 2047 §5.
const phraseSpecials = "\"#$%&'(),.:;<>@[\\]^`{|}~"

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e })
}

// ids writes the Message-ID, which is the same whenever the mail is sent, and those
// by which mail programs put together all mail about one meeting. RFC 5322 §3.6.4.
func (h *header) ids(host, from string, m *calendar.Mailing) {
	if d := relay.Domain(from); d != "" && strings.Contains(from, "@") && isASCII(d) {
		host = d
	}
	h.line("Message-ID", "<"+m.Name()+"@"+host+">")
	thread := "<" + calendar.MailDigest("thread", m.UID) + "@" + host + ">"
	h.line("In-Reply-To", thread)
	h.line("References", thread)
}
