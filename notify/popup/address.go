package popup

import (
	"strings"

	"factotum/server/calendar"
)

// Address tells by a rule who has which JID: "mail" is the mail address, one with an @
// (uid@im.example.com) the name of the user at that domain, or at his own if there is
// none behind it, and any other the value of that attribute of the directory.
func Address(rule string) func(calendar.Person) string {
	_, domain, byID := strings.Cut(rule, "@")
	switch {
	case byID:
		return func(p calendar.Person) string {
			name, own, _ := strings.Cut(p.ID, "@")
			if own == "" {
				own = p.Domain
			}
			if domain != "" {
				own = domain
			}
			if own == "" {
				return ""
			}
			return name + "@" + own
		}
	case ByMail(rule):
		return calendar.Person.Mail
	}
	return func(p calendar.Person) string { return p.IM }
}

// ByMail reports whether a rule takes the mail address.
func ByMail(rule string) bool { return rule == "" || strings.EqualFold(rule, "mail") }

// Attribute is the attribute of the directory that a rule takes; "" if it takes none.
func Attribute(rule string) string {
	if ByMail(rule) || strings.Contains(rule, "@") {
		return ""
	}
	return rule
}
