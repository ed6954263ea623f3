package mail

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/notify/letter"
	"factotum/notify/relay"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/itip"
)

// mostToldHeld is how many messages one mail lists.
const mostToldHeld = 20

// held tells somebody which messages came in a time and wait for his decision; of those
// that he has decided about he is not told any more.
func (c *Composer) held(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (out relay.Mail, reason string, err error) {
	list, err := c.Model.Held(ctx, owner)
	if err != nil {
		return out, "", fmt.Errorf("look what is held: %w", err)
	}
	list = slices.DeleteFunc(list, func(h calendar.Held) bool { return h.Came.Before(m.Since) || !h.Came.Before(m.Until) })
	if len(list) == 0 {
		return out, calendar.ReasonWithdrawn, nil
	}
	item := ownItem(m.Letter.ID, fmt.Sprint(len(list)))
	item.SetText("DESCRIPTION", heldList(list))
	out, err = c.own(ctx, letter.HeldNotice, owner, string(owner), m, item, letter.Attendee{}, "auto-generated")
	return out, "", err
}

// heldList names messages, one on a line, with who sent each.
func heldList(list []calendar.Held) string {
	var lines []string
	for i, h := range list {
		if i == mostToldHeld {
			lines = append(lines, fmt.Sprintf("… (+%d)", len(list)-i))
			break
		}
		from := h.Sender
		if from == "" {
			from = "?"
		}
		lines = append(lines, strings.TrimSpace(oneLine(h.Summary)+" ("+oneLine(from)+")"))
	}
	return strings.Join(lines, "\n")
}

// postmaster is whom the server's own notices are from.
func (c *Composer) postmaster(to string) string {
	if d := relay.Domain(to); d != "" && isASCII(d) {
		return "postmaster@" + d
	}
	return "postmaster@" + c.Host
}

// ownItem is what a notice of the server's own says of what it is about, in the words
// of an event: its template prints them by their codes.
func ownItem(uid, summary string) *ical.Component {
	item := &ical.Component{Name: "VEVENT"}
	item.Set("UID", uid)
	item.SetText("SUMMARY", oneLine(summary))
	return item
}

// own makes a notice of the server's own, for who is named, of something in the home of
// an owner. %o and %j are whom it
// concerns, and what somebody else said.
func (c *Composer) own(ctx context.Context, name letter.Name, owner calendar.Owner, who string, m *calendar.Mailing, item *ical.Component, whom letter.Attendee, auto string) (out relay.Mail, err error) {
	reader, err := c.person(ctx, who)
	if err != nil {
		return out, err
	}
	prefs, err := c.prefs(ctx, owner, reader)
	if err != nil {
		return out, err
	}
	about := ical.NewCalendar(itip.ProdID)
	about.AddChild(item)
	in := letter.Input{Message: about, Attendee: whom, Now: c.Now()}
	in.ForReader(reader, prefs, c.TZID)
	text, err := c.Templates.Render(name, letter.LanguageOf(reader, prefs), &in)
	if err != nil {
		return out, err
	}
	h := &header{raw8: c.Raw8}
	h.mailbox("From", "", c.postmaster(m.To))
	h.mailbox("To", reader.Name, m.To)
	h.line("Date", c.Now().UTC().Format(time.RFC1123Z))
	h.ids(c.Host, m.To, m)
	h.line("Auto-Submitted", auto)
	out = relay.Mail{To: m.To, Data: text.Append(h.text, c.Raw8)} // nobody is told that it cannot be delivered: RFC 5321 §6.1
	return out, c.Signer.sign(&out, c.postmaster(m.To))
}
