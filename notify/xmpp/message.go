package xmpp

import (
	"encoding/xml"
	"strings"
	"unicode/utf8"

	"mellium.im/xmlstream"
	"mellium.im/xmpp/stanza"
)

// Message is a short message to one person.
type Message struct {
	ID    string // the same however often it is sent
	To    string // JID
	Lang  string
	Title string   // the first line
	Lines []string // the others, which may have line breaks
	// Calendar is what the message is about as text/calendar, for programs.
	Calendar string
}

// Bounds of a message, in octets; servers take stanzas of 64 KiB at least.
const (
	mostTitle    = 500
	mostText     = 4 << 10
	mostCalendar = 24 << 10
)

const (
	nsHints    = "urn:xmpp:hints"                      // XEP-0334
	nsCalendar = "http://jabber.org/protocol/gw/ical"  // XEP-0097
	nsXHTMLIM  = "http://jabber.org/protocol/xhtml-im" // XEP-0071
	nsXHTML    = "http://www.w3.org/1999/xhtml"
	nsPing     = "urn:xmpp:ping" // XEP-0199
	nsRoster   = "jabber:iq:roster"
)

// payload is what stands in the message: the text, plain and as XHTML-IM, that
// nobody is to keep it, and the calendar.
func (m *Message) payload() xml.TokenReader {
	title := clip(strings.Join(strings.Fields(clean(m.Title)), " "), mostTitle)
	text := clip(clean(strings.Join(m.Lines, "\n")), mostText)
	body := title
	html := []xml.TokenReader{element("p", "", element("strong", "", chars(title)))}
	if text != "" {
		body += "\n" + text
		var lines []xml.TokenReader
		for i, line := range strings.Split(text, "\n") {
			if i > 0 {
				lines = append(lines, element("br", ""))
			}
			lines = append(lines, chars(line))
		}
		html = append(html, element("p", "", lines...))
	}
	parts := []xml.TokenReader{
		element("body", "", chars(body)),
		element("html", nsXHTMLIM, element("body", nsXHTML, html...)),
		element("no-store", nsHints),
		element("no-permanent-store", nsHints),
	}
	if len(m.Calendar) <= mostCalendar && m.Calendar != "" {
		parts = append(parts, element("ical", nsCalendar, chars(clean(m.Calendar))))
	}
	return xmlstream.MultiReader(parts...)
}

// stanza is a message as it is sent.
func (m *Message) stanza(s stanza.Message) xml.TokenReader { return s.Wrap(m.payload()) }

func element(name, space string, inner ...xml.TokenReader) xml.TokenReader {
	return xmlstream.Wrap(xmlstream.MultiReader(inner...), xml.StartElement{Name: xml.Name{Space: space, Local: name}})
}

func chars(text string) xml.TokenReader { return xmlstream.Token(xml.CharData(text)) }

// clean takes out what XML 1.0 does not allow, and what its readers are
// warned of. All ends of lines become \n.
func clean(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\r', r == '\u2028', r == '\u2029', r == '\u0085':
			return '\n'
		case r == '\n', r == '\t':
			return r
		case r < ' ', 0x7f <= r && r <= 0x9f, r&0xfffe == 0xfffe, 0xfdd0 <= r && r <= 0xfdef:
			return -1
		}
		return r
	}, s)
}

// clip shortens a text to some octets, at the end of a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return strings.TrimRight(s[:most], " \n") + "…"
}
