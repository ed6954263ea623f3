package dav

import (
	"strconv"
	"strings"
)

// startTag reads a start tag or an empty-element tag.
func (t *Tokenizer) startTag() (Token, error) {
	start := t.pos
	if len(t.stack) == 0 && t.root {
		return Token{}, t.syntax("content after the root element")
	}
	if len(t.stack) >= t.lim.Depth {
		return Token{}, tooLarge("elements are nested deeper than " + strconv.Itoa(t.lim.Depth))
	}
	t.pos++
	raw, prefix, local, err := t.name()
	if err != nil {
		return Token{}, err
	}
	if err := t.count(); err != nil {
		return Token{}, err
	}
	outer := t.ns
	t.attrs = t.attrs[:0]
	for declared := 0; ; {
		blanks := t.skipBlanks()
		if t.pos >= len(t.src) {
			return Token{}, t.syntax("unexpected end in a tag")
		}
		if t.src[t.pos] == '>' {
			t.pos++
			break
		}
		if strings.HasPrefix(t.src[t.pos:], "/>") {
			t.pos += 2
			t.empty = true
			break
		}
		if !blanks {
			return Token{}, t.syntax("a blank is missing between attributes")
		}
		if len(t.attrs)+declared >= t.lim.Attributes {
			return Token{}, tooLarge("more than " + strconv.Itoa(t.lim.Attributes) + " attributes")
		}
		isDecl, err := t.attribute(outer)
		if err != nil {
			return Token{}, err
		}
		if isDecl {
			declared++
		}
	}
	if err := t.resolve(); err != nil {
		return Token{}, err
	}
	space, ok := t.space(prefix)
	if !ok {
		return Token{}, t.syntax("undeclared namespace prefix " + prefix)
	}
	t.root = true
	name := Name{space, local}
	t.stack = append(t.stack, frame{raw, name, outer})
	return Token{Kind: StartElement, Name: name, Attrs: t.attrs, raw: raw, start: start, end: t.pos}, nil
}

func (t *Tokenizer) count() error {
	if t.nodes++; t.nodes > t.lim.Nodes {
		return tooLarge("more than " + strconv.Itoa(t.lim.Nodes) + " elements and attributes")
	}
	return nil
}

func (t *Tokenizer) skipBlanks() bool {
	start := t.pos
	for t.pos < len(t.src) && isBlank(t.src[t.pos]) {
		t.pos++
	}
	return t.pos > start
}

// name reads a qualified name, Namespaces in XML §4.
func (t *Tokenizer) name() (raw, prefix, local string, err error) {
	start := t.pos
	end := scanNCName(t.src, start)
	local = t.src[start:end]
	if end > start && end < len(t.src) && t.src[end] == ':' {
		prefix = local
		second := end + 1
		end = scanNCName(t.src, second)
		local = t.src[second:end]
	}
	if local == "" {
		return "", "", "", t.syntax("a name is expected")
	}
	if end-start > t.lim.Name {
		return "", "", "", tooLarge("a name exceeds " + strconv.Itoa(t.lim.Name) + " bytes")
	}
	t.pos = end
	return t.src[start:end], prefix, local, nil
}

// attribute reads one attribute into t.attrs, or one namespace declaration
// into t.ns.
func (t *Tokenizer) attribute(outer *binding) (declaration bool, err error) {
	raw, prefix, local, err := t.name()
	if err != nil {
		return false, err
	}
	if err := t.count(); err != nil {
		return false, err
	}
	t.skipBlanks()
	if t.pos >= len(t.src) || t.src[t.pos] != '=' {
		return false, t.syntax("an attribute has no value")
	}
	t.pos++
	t.skipBlanks()
	if t.pos >= len(t.src) || t.src[t.pos] != '"' && t.src[t.pos] != '\'' {
		return false, t.syntax("an attribute value is not quoted")
	}
	n := strings.IndexByte(t.src[t.pos+1:], t.src[t.pos])
	if n < 0 {
		return false, t.syntax("an attribute value does not end")
	}
	value, err := t.attrValue(t.src[t.pos+1 : t.pos+1+n])
	if err != nil {
		return false, err
	}
	t.pos += n + 2
	switch {
	case raw == "xmlns":
		return true, t.declare(outer, "", value)
	case prefix == "xmlns":
		return true, t.declare(outer, local, value)
	}
	t.attrs = append(t.attrs, Attr{Name{prefix, local}, value, raw})
	return false, nil
}

// declare puts a namespace declaration into scope. Namespaces in XML §3, §5.
func (t *Tokenizer) declare(outer *binding, prefix, uri string) error {
	switch {
	case uri == "" && prefix != "":
		return t.syntax("namespace prefix " + prefix + " is declared empty")
	case prefix == "xmlns", uri == nsXMLNS, (prefix == "xml") != (uri == NSXML):
		return t.syntax("a reserved namespace is declared")
	case len(uri) > t.lim.URI:
		return tooLarge("a namespace exceeds " + strconv.Itoa(t.lim.URI) + " bytes")
	}
	for b := t.ns; b != outer; b = b.up {
		if b.prefix == prefix {
			return t.syntax("a namespace prefix is declared twice")
		}
	}
	n := 1
	if t.ns != nil {
		n += t.ns.n
	}
	if n > t.lim.Namespaces {
		return tooLarge("more than " + strconv.Itoa(t.lim.Namespaces) + " namespaces")
	}
	// The well-known ones become our constants: comparing them later costs a
	// look at two equal pointers.
	switch uri {
	case NSDAV:
		uri = NSDAV
	case NSCalDAV:
		uri = NSCalDAV
	case NSCalendarServer:
		uri = NSCalendarServer
	case NSApple:
		uri = NSApple
	}
	// Clients that declare on each of a thousand hrefs declare the same.
	if l := t.last; l == nil || l.up != t.ns || l.prefix != prefix || l.uri != uri {
		t.last = &binding{prefix, uri, t.ns, n}
	}
	t.ns = t.last
	return nil
}

func (t *Tokenizer) space(prefix string) (string, bool) {
	if prefix == "xml" {
		return NSXML, true
	}
	return t.ns.lookup(prefix)
}

// resolve replaces the prefixes of the attributes by namespaces. A name
// without a prefix is in none.
func (t *Tokenizer) resolve() error {
	for i := range t.attrs {
		a := &t.attrs[i]
		if a.Name.Space != "" {
			space, ok := t.space(a.Name.Space)
			if !ok {
				return t.syntax("undeclared namespace prefix " + a.Name.Space)
			}
			a.Name.Space = space
		}
		for j := range t.attrs[:i] {
			if t.attrs[j].Name == a.Name {
				return t.syntax("attribute " + a.raw + " is there twice")
			}
		}
	}
	return nil
}
