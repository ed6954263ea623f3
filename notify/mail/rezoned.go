package mail

import (
	"context"
	"fmt"

	"factotum/notify/letter"
	"factotum/notify/relay"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// rezoned tells somebody which of his events were mended after a change of the zone
// database: the event of the mailing lists them.
func (c *Composer) rezoned(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (out relay.Mail, err error) {
	about, err := ical.Parse(m.Letter.Data, ical.Limits{})
	if err != nil || about.Child("VEVENT") == nil {
		return out, fmt.Errorf("read what was mended: %w", err)
	}
	return c.own(ctx, letter.RezonedNotice, owner, string(owner), m, about.Child("VEVENT"), letter.Attendee{}, "auto-generated")
}
