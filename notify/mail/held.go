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
	reader, err := c.person(ctx, string(owner))
	if err != nil {
		return out, "", err
	}
	about := ical.NewCalendar(itip.ProdID)
	item := &ical.Component{Name: "VEVENT"}
	item.Set("UID", m.Letter.ID)
	item.SetText("SUMMARY", fmt.Sprint(len(list)))
	item.SetText("DESCRIPTION", heldList(list))
	about.AddChild(item)
	in := letter.Input{Message: about, Now: c.Now()}
	in.ForReader(reader, nil, c.TZID)
	text, err := c.Templates.Render(letter.HeldNotice, reader.Language, &in)
	if err != nil {
		return out, "", err
	}
	h := c.ownNotice(m, reader, "auto-generated")
	out = relay.Mail{To: m.To, Data: text.Append(h.text, c.Raw8)}
	return out, "", c.Signer.sign(&out, c.postmaster(m.To))
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

// languageOf is the first part of somebody's language.
func languageOf(p calendar.Person) string {
	lang, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(p.Language, "_", "-")), "-")
	return lang
}

// postmaster is whom the server's own notices are from.
func (c *Composer) postmaster(to string) string {
	if d := relay.Domain(to); d != "" && isASCII(d) {
		return "postmaster@" + d
	}
	return "postmaster@" + c.Host
}

// ownNotice begins a notice of the server's own.
func (c *Composer) ownNotice(m *calendar.Mailing, reader calendar.Person, auto string) *header {
	h := &header{raw8: c.Raw8}
	h.mailbox("From", "", c.postmaster(m.To))
	h.mailbox("To", reader.Name, m.To)
	h.line("Date", c.Now().UTC().Format(time.RFC1123Z))
	h.ids(c.Host, m.To, m)
	h.line("Auto-Submitted", auto)
	return h
}

// plain begins one in plain text, up to its subject.
func (c *Composer) plain(m *calendar.Mailing, reader calendar.Person, lang, auto string) *header {
	h := c.ownNotice(m, reader, auto)
	h.line("Content-Language", lang)
	h.line("MIME-Version", "1.0")
	h.line("Content-Type", "text/plain; charset=utf-8")
	h.line("Content-Transfer-Encoding", "base64")
	return h
}
