package calendar

import (
	"slices"
	"strings"

	"factotum/server/acl"
)

// What users of a shared calendar have of their own for an object, their alarms
// above all, is kept among its dead properties, one for each user. The text is a
// part of package personal.

const personalPrefix = "personal:"

// MaxPersonal is how many users may have something of their own for one object.
const MaxPersonal = 1000

// PersonalProp is the one of a user, without its value. No client sees it or sets
// it as it is.
func PersonalProp(user UserID) DeadProp {
	return DeadProp{Space: acl.NamespaceOurs, Local: personalPrefix + user}
}

// IsPersonalProp tells whether a property is one of those.
func IsPersonalProp(p DeadProp) bool {
	return p.Space == acl.NamespaceOurs && strings.HasPrefix(p.Local, personalPrefix)
}

// PersonalUser is whose such a property is.
func PersonalUser(p DeadProp) UserID { return strings.TrimPrefix(p.Local, personalPrefix) }

// CutPersonal takes them out of an object's dead properties.
func CutPersonal(props []DeadProp) (own, rest []DeadProp) {
	if !slices.ContainsFunc(props, IsPersonalProp) {
		return nil, props
	}
	for _, p := range props {
		if IsPersonalProp(p) {
			own = append(own, p)
		} else {
			rest = append(rest, p)
		}
	}
	return own, rest
}

// PersonalOf is the text of one user's, nil if he has none.
func PersonalOf(own []DeadProp, user UserID) []byte {
	at := slices.IndexFunc(own, func(p DeadProp) bool { return p.Local == personalPrefix+user })
	if at < 0 || user == "" {
		return nil
	}
	return []byte(own[at].Value)
}
