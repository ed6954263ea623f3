package imip

import (
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/itip"
)

// mend writes in a message what its writer meant, in the form in which RFC 5545
// has it: the addresses of people, a DTSTAMP, and the comment of an answer. What
// it cannot mend stays as it is. What is for this server alone to say is taken out.
func mend(cal *ical.Component, method itip.Method, date time.Time) {
	itip.Bare(cal)
	for _, c := range cal.Children {
		if c.Name == "VTIMEZONE" {
			continue
		}
		if p := c.Prop("UID"); p.Value != strings.TrimSpace(p.Value) {
			p.Value = strings.TrimSpace(p.Value)
		}
		comment := ""
		for i := range c.Props {
			p := &c.Props[i]
			if p.Name != "ORGANIZER" && p.Name != "ATTENDEE" {
				continue
			}
			mendAddress(p)
			if said := p.Param("X-RESPONSE-COMMENT"); said != "" { // Google
				comment = said
			}
		}
		if method == itip.Reply && comment != "" && c.Prop("COMMENT") == nil {
			c.SetText("COMMENT", comment)
		}
		stamp := c.Prop("DTSTAMP")
		if stamp != nil {
			if _, err := stamp.DateTime(); err == nil {
				continue
			}
			c.Del("DTSTAMP")
		}
		if !date.IsZero() {
			c.SetDateTime("DTSTAMP", ical.FromCivil(date.UTC().Truncate(time.Second), ical.UTC, ""))
		}
	}
}

// mendAddress writes a mail address as a mailto URI: RFC 5545 §3.3.3, RFC 6068 §2.
// Where somebody is named by another URI, his EMAIL parameter counts: RFC 7986 §6.2.
func mendAddress(p *ical.Property) {
	const scheme = "mailto:"
	v := strings.Trim(p.Value, " \t\"'")
	rest, mailto := v, false
	for len(rest) >= len(scheme) && strings.EqualFold(rest[:len(scheme)], scheme) {
		rest, mailto = strings.TrimSpace(rest[len(scheme):]), true
	}
	if !mailto {
		if name, _, is := strings.Cut(v, ":"); is && !strings.Contains(name, "@") || strings.HasPrefix(v, "/") {
			rest = p.Param("EMAIL")
		}
	}
	rest, _, _ = strings.Cut(rest, "?")
	mail := mailOf(strings.Trim(percentDecode(rest), "<> \t"))
	if mail == "" && strings.Contains(rest, "<") {
		a, _, _ := nextAddress(rest)
		mail = a.Mail
	}
	if mail == "" {
		mail = mailOf(p.Param("EMAIL"))
	}
	if mail != "" {
		p.Value = scheme + mail
	}
}
