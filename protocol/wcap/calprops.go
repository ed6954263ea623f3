package wcap

import (
	"strings"
	"time"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// wcapSpace is the namespace of dead properties that only WCAP knows.
const wcapSpace = "urn:factotum:wcap"

// begin opens the block of a calendar with its properties, in the order of
// Sun's server. WCAP §9-pre, P.2.
func (c *call) begin(t *target, cal *calendar.Calendar) {
	c.out.begin("PUBLISH")
	c.calprops(t, cal)
}

func (c *call) calprops(t *target, cal *calendar.Calendar) {
	o := &c.out
	c.email(t)
	if cal == nil || !cal.Rights.Properties.Has(acl.Read) { // free/busy only, or none yet: no more than what it is called
		id := t.id
		if cal != nil {
			id = cal.ID
		}
		o.text("X-NSCP-CALPROPS-RELATIVE-CALID", string(id))
		o.text("X-NSCP-CALPROPS-NAME", string(id))
		return
	}
	o.value("X-NSCP-CALPROPS-LAST-MODIFIED", utc(cal.Modified))
	o.value("X-NSCP-CALPROPS-CREATED", utc(cal.Created))
	o.value("X-NSCP-CALPROPS-READ", "999")
	o.value("X-NSCP-CALPROPS-WRITE", "999")
	o.text("X-NSCP-CALPROPS-RELATIVE-CALID", string(cal.ID))
	o.text("X-NSCP-CALPROPS-NAME", cal.DisplayName)
	if cal.Description != "" {
		o.text("X-NSCP-CALPROPS-DESCRIPTION", cal.Description)
	}
	lang := cal.Language
	if lang == "" {
		lang = "en"
	}
	o.text("X-NSCP-CALPROPS-LANGUAGE", lang)
	o.text("X-NSCP-CALPROPS-PRIMARY-OWNER", c.ownerName(cal.ID.Owner()))
	for _, other := range cal.CoOwners {
		o.text("X-NSCP-CALPROPS-OWNERS", other)
	}
	o.text("X-NSCP-CALPROPS-TZID", c.zoneName(cal))
	if cal.Categories != "" {
		o.value("X-NSCP-CALPROPS-CATEGORIES", ical.JoinText(strings.Split(cal.Categories, ",")...))
	}
	if cal.Charset != "" {
		o.text("X-NSCP-CALPROPS-CHARSET", cal.Charset)
	}
	for _, p := range cal.Props {
		if p.Space == wcapSpace && p.Local == "master" {
			o.text("X-NSCP-CALPROPS-MASTER", xmlUnescape.Replace(p.Value))
		}
	}
	for _, e := range cal.ACL {
		o.value("X-NSCP-CALPROPS-ACCESS-CONTROL-ENTRY", e.String())
	}
	resource := "0"
	if p, err := c.person(string(cal.ID.Owner())); err == nil && (p.Kind == calendar.Resource || p.Kind == calendar.Room) {
		resource = "1"
	}
	o.value("X-NSCP-CALPROPS-RESOURCE", resource)
	o.value("X-S1CS-CALPROPS-ALLOW-DOUBLEBOOKING", bit(!cal.NoDoubles))
}

var (
	xmlEscape   = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	xmlUnescape = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&")
)

// fromDirectory adds what get_calprops and search_calprops tell besides.
func (c *call) fromDirectory(cal *calendar.Calendar) {
	c.out.value("X-S1CS-CALPROPS-FB-INCLUDE", bit(!cal.Transparent))
	if p, err := c.person(string(cal.ID.Owner())); err == nil && p.Name != "" {
		c.out.text("X-S1CS-CALPROPS-COMMON-NAME", p.Name)
	}
}

// ownerName is how the primary owner is told: a client takes a calendar for
// its user's own if the name is the one that was typed at login. WCAP P.2.
func (c *call) ownerName(o calendar.Owner) string {
	login := c.sess.Login
	if string(o) == c.me.ID && login != "" {
		if user, domain, _ := strings.Cut(login, "@"); strings.EqualFold(login, c.me.ID) ||
			strings.EqualFold(user, c.me.ID) && domain != "" {
			return login
		}
	}
	return string(o)
}

// zoneName is the zone of times without one in a calendar.
func (c *call) zoneName(cal *calendar.Calendar) string {
	if cal.TZID != "" {
		return cal.TZID
	}
	return c.set.DefaultTZID
}

func utc(t time.Time) string { return ical.FromCivil(t.UTC(), ical.UTC, "").String() }

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// getCalprops describes calendars. WCAP get_calprops.
func (c *call) getCalprops() error {
	count := c.p.flag("invitecount", false)
	list, err := c.targets()
	if err != nil {
		return err
	}
	found, err := c.calendars(list, calendar.CalendarsRequest{Invitations: count, Properties: true})
	for i := range list {
		if err != nil && c.ctx.Err() != nil && i > 0 {
			return err
		}
		c.block(&list[i], func(t *target) error {
			if err != nil {
				return err
			}
			r := &found[i]
			c.begin(t, &r.Calendar)
			c.fromDirectory(&r.Calendar)
			if count {
				c.invitations(r.Invitations)
			}
			return nil
		})
	}
	return nil
}

// invitations tells how many components wait for the owner's answer.
func (c *call) invitations(n int) {
	c.out.value("X-S1CS-CALPROPS-INVITATION-COUNT", itoa(n))
}
