package letter

import "strings"

// checkHTML looks where codes stand in HTML. Values are escaped for text and for
// quoted attributes; elsewhere they would not be harmless.
func checkHTML(p *problems, lines []line) {
	s := htmlState{}
	for i := range lines {
		for _, o := range lines[i].ops {
			switch o.kind {
			case opText:
				s.text(o.text)
			case opBreak:
				s.text("\n")
			case opCode:
				if why := s.refuses(o.code); why != "" {
					p.errorf(lines[i].no, "%%%c %s", o.code, why)
				}
			}
		}
	}
}

// htmlState is where in HTML one is.
type htmlState struct {
	tag   bool   // between < and >
	quote byte   // of the attribute one is in
	word  []byte // of the tag, since the last blank outside of quotes, in small letters
	name  []byte // of the tag
	named bool   // it is complete
	raw   string // the element whose content is no text: style, script and their like
	tail  []byte // what was last, for <!-- and the end of raw
	note  bool   // in a comment
}

func (s *htmlState) refuses(code byte) string {
	switch {
	case s.note:
		return "stands in a comment: take it out"
	case s.raw != "":
		return "stands in <" + s.raw + ">, where values are not harmless: take it out"
	case s.tag && s.quote == 0:
		return "stands in a tag: a value may be text, or an attribute in quotes"
	}
	if s.tag && code != 'u' {
		for _, attr := range [...]string{"href=", "src=", "action=", "background=", "style=", "srcset=", "formaction="} {
			if string(s.word) == attr {
				return "stands in " + attr + ", where only %u may: its value is an address that begins with http: or https:"
			}
		}
		if strings.HasPrefix(string(s.word), "on") {
			return "stands in an attribute that is a program: take it out"
		}
	}
	return ""
}

func (s *htmlState) text(t string) {
	for i := range len(t) {
		c := t[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if s.tail = append(s.tail, c); len(s.tail) > 16 {
			s.tail = s.tail[1:]
		}
		tail := string(s.tail)
		switch {
		case s.note:
			s.note = !strings.HasSuffix(tail, "-->")
		case s.raw != "":
			if strings.HasSuffix(tail, "</"+s.raw) {
				s.raw, s.tag, s.named = "", true, true
				s.name = s.name[:0]
			}
		case !s.tag:
			s.tag = c == '<'
			s.name, s.word, s.named, s.quote = s.name[:0], s.word[:0], false, 0
		case s.quote != 0:
			if c == s.quote {
				s.quote, s.word = 0, s.word[:0]
			}
		default:
			s.inTag(c, tail)
		}
	}
}

func (s *htmlState) inTag(c byte, tail string) {
	switch {
	case !s.named && len(s.name) == 0 && !('a' <= c && c <= 'z') && c != '/' && c != '!' && c != '?':
		s.tag = c == '<' // a < b is no tag
	case c == '>':
		s.tag = false
		switch name := string(s.name); name {
		case "style", "script", "title", "textarea", "xmp", "iframe", "noscript", "template":
			if name != "title" {
				s.raw = name
			}
		}
	case strings.HasSuffix(tail, "<!--"):
		s.tag, s.note = false, true
	case c == '"' || c == '\'':
		s.quote = c
	case c == ' ' || c == '\t' || c == '\n':
		s.named = len(s.name) > 0
		s.word = s.word[:0]
	default:
		if !s.named {
			s.name = append(s.name, c)
		}
		s.word = append(s.word, c)
	}
}
