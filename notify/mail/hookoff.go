package mail

import (
	"context"

	"factotum/notify/letter"
	"factotum/notify/relay"
	"factotum/server/calendar"
)

// hookOff tells somebody that a webhook of his was switched off, and since when it has
// failed.
func (c *Composer) hookOff(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (out relay.Mail, err error) {
	item := ownItem(m.UID, m.Summary)
	if !m.Since.IsZero() {
		item.Set("DTSTART", m.Since.UTC().Format("20060102T150405Z"))
	}
	return c.own(ctx, letter.HookNotice, owner, "mailto:"+m.To, m, item, letter.Attendee{Comment: oneLine(m.Why)}, "auto-generated")
}
