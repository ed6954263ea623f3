package mail

import (
	"context"
	"strings"

	"factotum/notify/letter"
	"factotum/notify/relay"
	"factotum/server/calendar"
)

// notice tells a sender that a mail of his is late, or was given up.
func (c *Composer) notice(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (out relay.Mail, err error) {
	name := letter.ReturnedNotice
	if m.Kind == calendar.MailDelayed {
		name = letter.DelayedNotice
	}
	whom := oneLine(strings.TrimPrefix(strings.Join(m.Letter.To, ", "), "mailto:"))
	return c.own(ctx, name, owner, "mailto:"+m.To, m, ownItem(m.UID, m.Summary), letter.Attendee{Name: whom, Address: whom, Comment: oneLine(m.Why)}, "auto-replied")
}
