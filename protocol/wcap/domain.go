package wcap

import (
	"net"
	"slices"
	"strings"

	"factotum/server/calendar"
)

// directory is the directory as the user sees it.
func (c *call) directory() calendar.People { return calendar.SeenBy(c.Handler.people, c.who) }

// obeyHost takes what is decided for who has not logged in: by the domain that the
// host's name is one of, or the default one.
func (c *call) obeyHost() {
	ds := calendar.DomainsOf(c.Handler.people)
	if ds == nil {
		return
	}
	host := c.r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	d := ds.Named(host)
	if d == nil {
		d = ds.Of("")
	}
	c.set.Anonymous = calendar.Or(d.Anonymous, c.set.Anonymous)
}

// obey takes what a domain decides for its people instead of ics.conf. ldap.md
// §§7.2, 7.3.
func (c *call) obey(d *calendar.Domain) {
	if d == nil {
		return
	}
	c.set.CreateCalendars = d.Allows(calendar.CreateCalendars, c.set.CreateCalendars)
	c.set.DeleteCalendars = d.Allows(calendar.DeleteCalendars, c.set.DeleteCalendars)
	c.set.PublicWritable = d.Allows(calendar.PublicWritable, c.set.PublicWritable)
	c.set.LowerCase = calendar.Or(d.LowerCase, c.set.LowerCase)
	c.set.ModifyPrefs = d.Allows(calendar.ModifyUserPreferences, c.set.ModifyPrefs)
	if d.Forbidden == nil {
		return
	}
	allowed := slices.DeleteFunc(slices.Clone(c.set.SetPrefs), func(n string) bool { _, is := prefRights[strings.ToLower(n)]; return is })
	for name, right := range prefRights {
		if d.Allows(right, false) {
			allowed = append(allowed, name)
		}
	}
	c.set.SetPrefs = allowed
}

// prefRights are the preferences of which a domain says whether they may be set.
var prefRights = map[string]calendar.DomainRight{
	"cn": calendar.SetCN, "givenname": calendar.SetGivenName, "mail": calendar.SetMail,
	"preferredlanguage": calendar.SetPreferredLanguage, "sn": calendar.SetSN,
}

// elevated gives an administrator his rights for the rest of the command, whatever access
// lists say: everywhere, or in his domain.
func (c *call) elevated() bool {
	ds := calendar.DomainsOf(c.Handler.people)
	switch {
	case c.isAdmin(c.me):
		c.who.Admin = true
	case ds.Manager(c.me, c.me.ID):
		c.who.Administers = ds.Of(c.me.ID).Name
	default:
		return false
	}
	return true
}

// proxyLogin tells whether an administrator may log in for somebody.
func (c *call) proxyLogin(p calendar.Person) bool {
	if d := calendar.DomainsOf(c.Handler.people).Of(p.ID); d != nil {
		return calendar.Or(d.ProxyLogin, c.set.ProxyLogin)
	}
	return c.set.ProxyLogin
}

// attendee finds whom an id means that stands in a list of attendees: without a
// domain, somebody of the user's own, then of those that he searches. WCAP §7.1.
func (c *call) attendee(id string) (calendar.Person, error) {
	ds := calendar.DomainsOf(c.Handler.people)
	if ds == nil || strings.Contains(id, "@") || c.me.ID == "" {
		return c.person(id)
	}
	own := ds.Of(c.me.ID)
	for _, name := range append([]string{own.Name}, own.Searches...) {
		full := id
		if d := ds.Named(name); d != nil && d != ds.Of("") {
			full += "@" + d.Name
		}
		if p, err := c.person(full); err == nil || calendar.KindOf(err) != calendar.NotFound {
			return p, err
		}
	}
	return calendar.Person{}, calendar.NotFound
}
