package bus

import (
	"strings"

	"factotum/server/calendar"
)

// Subjects: enp:///ics/alarm is enp.once.ics.alarm for an ordinary publication
// and enp.kept.ics.alarm for a reliable one, so that enp.*.ics.alarm is both. An
// authority is a word of its own that begins with @: enp://host/store is
// enp.once.@host.store. In a word letters, digits, - and _ are themselves, any
// other octet is = and two hexadecimal digits, and an empty word is =.
const (
	scheme       = "enp://"
	once         = "enp.once"
	kept         = "enp.kept"
	both         = "enp.*"
	keptSubjects = kept + ".>"
	maxSubject   = 1024
)

// subject is that of a published topic.
func subject(root, topic string) (string, error) {
	rest, ok := strings.CutPrefix(topic, scheme)
	if !ok {
		return "", invalid(topic, "A topic begins with enp://, such as enp:///ics/alarm.")
	}
	if strings.ContainsFunc(topic, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '?' }) {
		return "", invalid(topic, "A topic has no question mark, blanks or control characters.")
	}
	var b strings.Builder
	b.WriteString(root)
	authority, path, hasPath := strings.Cut(rest, "/")
	if authority != "" {
		b.WriteString(".@")
		escape(&b, authority)
	}
	if hasPath {
		for word := range strings.SplitSeq(path, "/") {
			b.WriteByte('.')
			if word == "" {
				b.WriteByte('=')
			}
			escape(&b, word)
		}
	}
	switch {
	case b.Len() == len(root):
		return "", invalid(topic, "A topic has a name, such as enp:///ics/alarm.")
	case b.Len() > maxSubject:
		return "", invalid(topic[:64]+"…", "The topic is too long.")
	}
	return b.String(), nil
}

// filter is the subject of all that a subscription may be about; what it is about
// calendar.EventRef.Matches tells.
func filter(root, topic string) (string, error) {
	prefix, many := strings.CutSuffix(topic, "*")
	if !many {
		return subject(root, topic)
	}
	// Only words that are complete can be asked for.
	parent := prefix[:max(strings.LastIndexByte(prefix, '/'), 0)]
	if strings.HasPrefix(scheme+"/", prefix) || len(parent) <= len(scheme) {
		if !strings.HasPrefix(prefix, scheme) && !strings.HasPrefix(scheme, prefix) {
			return "", invalid(topic, "A topic begins with enp://, such as enp:///ics/*.")
		}
		return root + ".>", nil
	}
	s, err := subject(root, parent)
	return s + ".>", err
}

func escape(b *strings.Builder, word string) {
	const hex = "0123456789ABCDEF"
	for _, c := range []byte(word) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		default:
			b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
}

func invalid(ref, msg string) error {
	return &calendar.Error{Kind: calendar.Invalid, Op: "read a topic", Ref: ref, Msg: msg}
}
