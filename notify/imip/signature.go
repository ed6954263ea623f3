package imip

import (
	"slices"
	"strings"
)

// signsFrom reports whether the signatures of a domain that the mail carries cover its
// From, and all of its text: one that leaves room for more at its end (l=) says nothing of
// a part that was added. Whether they are good the mail system tells. RFC 6376 §3.5, §8.2.
func (m *Mail) signsFrom(domain string) bool {
	found := false
	for _, f := range m.header {
		if f.name != "dkim-signature" {
			continue
		}
		tags := tagsOf(f.value)
		if domainOf(tags["d"]) != domain && domainOf(tags["i"]) != domain {
			continue
		}
		covered := strings.FieldsFunc(strings.ToLower(tags["h"]), func(r rune) bool { return r == ':' || r == ' ' || r == '\t' })
		if _, partly := tags["l"]; partly || !slices.Contains(covered, "from") {
			return false // which of several the mail system means nobody can tell
		}
		found = true
	}
	return found
}

// tagsOf reads a list of tags, of which each counts once: RFC 6376 §3.2.
func tagsOf(s string) map[string]string {
	tags := map[string]string{}
	for part := range strings.SplitSeq(s, ";") {
		name, value, ok := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if _, twice := tags[name]; ok && !twice && len(tags) < 50 {
			tags[name] = strings.TrimSpace(value)
		}
	}
	return tags
}
