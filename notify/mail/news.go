package mail

import (
	"context"
	"fmt"
	"slices"
	"time"

	"factotum/notify/letter"
	"factotum/notify/relay"
	"factotum/server/admission"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// news tells somebody here what has happened in his calendar: that he is answered,
// invited, or not invited any more. notifications.md §4, §5.
func (c *Composer) news(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (out relay.Mail, reason string, err error) {
	cal, err := ical.Parse(m.Letter.Data, ical.Limits{})
	if err != nil {
		return out, "", fmt.Errorf("read a message: %w", err)
	}
	if m.Kind == calendar.MailAnswer && !c.Resources { // a room's line need not say that it is one
		if by, err := c.person(ctx, m.Letter.From); err != nil {
			return out, "", err
		} else if by.ID != "" && by.Kind != "" && by.Kind != calendar.Individual {
			return out, admission.AutomaticAnswer.String(), nil
		}
	}
	toKeep(cal, m)
	reader, reason, err := c.reader(ctx, owner, m)
	if err != nil || reason != "" {
		return out, reason, err
	}
	prefs, err := c.prefs(ctx, owner, reader)
	if err != nil {
		return out, "", err
	}
	in := letter.Input{Message: cal, Method: m.Letter.Method, Now: c.Now()}
	in.ForReader(reader, prefs, c.TZID)
	name, err := c.about(cal, m, &in)
	if err != nil {
		return out, "", err
	}
	text, err := c.Templates.Render(name, letter.LanguageOf(reader, prefs), &in)
	if err != nil {
		return out, "", err
	}
	author := calendar.MailboxOf(m.Letter.From)
	host, ours := c.Host, reader.Mail()
	if m.Kind == calendar.MailReminder {
		ours = author // who reads it may be elsewhere
	}
	if d := relay.Domain(ours); d != "" && isASCII(d) {
		host = d
	}
	from := author
	if from == "" || relay.Domain(from) != host { // a mail in the name of a stranger's domain is taken for a forgery: RFC 7489
		from = "postmaster@" + host
	}
	h := &header{raw8: c.Raw8}
	h.mailbox("From", nameOf(cal, m.Letter.From, author), from)
	if author != "" && author != from {
		h.mailbox("Reply-To", nameOf(cal, m.Letter.From, ""), author)
	}
	to := reader.Name
	if m.Kind == calendar.MailReminder && !reader.HasAddress(m.To) {
		to = ""
	}
	h.mailbox("To", to, m.To)
	h.line("Date", c.Now().UTC().Format(time.RFC1123Z))
	h.ids(c.Host, m.To, m)
	h.line("Auto-Submitted", "auto-generated")
	h.line("X-Auto-Response-Suppress", "OOF, DR, RN, NRN")
	out = relay.Mail{To: m.To, Data: text.Append(h.text, c.Raw8)}
	return out, "", c.Signer.sign(&out, from)
}

// reader is who reads the mail, or why there is none. A reminder is read by somebody
// here whose address it goes to, or somebody like him whose it is.
func (c *Composer) reader(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (p calendar.Person, reason string, err error) {
	if m.Kind != calendar.MailReminder {
		p, err = c.People.Person(ctx, string(owner))
		if calendar.KindOf(err) == calendar.NotFound {
			p, err = calendar.Person{}, nil
		}
		if err != nil {
			return p, "", fmt.Errorf("look up a reader: %w", err)
		}
		return p, "", nil
	}
	if !m.Expires.IsZero() && c.Now().After(m.Expires) {
		return p, calendar.ReasonPast, nil
	}
	if p, err = c.person(ctx, "mailto:"+m.To); err != nil || p.ID != "" {
		return p, "", err
	}
	if !c.Outside {
		return p, calendar.ReasonOutside, nil
	}
	p, err = c.person(ctx, m.Letter.From)
	return p, "", err
}

// toKeep makes of a message the event that a notice has as a file: without alarms and
// the files that are in it, which make a mail large.
func toKeep(cal *ical.Component, m *calendar.Mailing) {
	complete(cal, m.Letter.From, "")
	event := cal.Children[len(cal.Children)-1]
	event.Children = slices.DeleteFunc(event.Children, func(k *ical.Component) bool { return k.Name == "VALARM" })
	event.Props = slices.DeleteFunc(event.Props, func(p ical.Property) bool { return p.Name == "ATTACH" && p.ParamIs("VALUE", "BINARY") })
	if m.Kind == calendar.MailCancellation { // who keeps it is not to see it as it was
		event.Set("STATUS", "CANCELLED")
	}
}

// prefs are those of a reader whose home is the owner's, where the mail is made; of
// others there are none.
func (c *Composer) prefs(ctx context.Context, owner calendar.Owner, reader calendar.Person) (map[string]string, error) {
	if calendar.Owner(reader.ID) != owner {
		return nil, nil
	}
	prefs, err := c.Model.Prefs(ctx, calendar.Actor{Admin: true}, owner)
	switch calendar.KindOf(err) {
	case calendar.NoCalendar, calendar.NotFound:
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look how a reader wants dates: %w", err)
	}
	return prefs, nil
}

// about is which mail it is, and sets what the mail says beside the meeting.
func (c *Composer) about(cal *ical.Component, m *calendar.Mailing, in *letter.Input) (letter.Name, error) {
	event := cal.Children[len(cal.Children)-1]
	recurs := letter.Recurs(event)
	switch m.Kind {
	case calendar.MailAnswer:
		for p := range event.All("ATTENDEE") {
			if calendar.AddressKey(p.Value) != calendar.AddressKey(m.Letter.From) {
				continue
			}
			if name, ok := letter.ByAnswer(p.Param("PARTSTAT"), recurs); ok {
				in.Attendee = letter.Attendee{Name: p.Param("CN"), Address: p.Value, PartStat: p.Param("PARTSTAT"), Comment: event.Text("COMMENT")}
				return name, nil
			}
		}
	case calendar.MailInvitation, calendar.MailChange:
		in.Again = m.Kind == calendar.MailChange
		return letter.ForGuest(false, recurs), nil
	case calendar.MailCancellation:
		return letter.ForGuest(true, recurs), nil
	case calendar.MailReminder:
		if event.Name == "VTODO" {
			return letter.TodoReminder, nil
		}
		return letter.EventReminder, nil
	}
	return "", fmt.Errorf("there is no mail about %q", m.Kind)
}
