package dav

import (
	"io"
	"math"
	"strings"
)

// Fragment returns the element as XML that stands on its own, to be stored as
// the value of a dead property and written back with Writer.Element: every
// namespace prefix that its names, or text that looks like a qualified name,
// take from outside is declared on the element, and so is the xml:lang in
// scope. Prefixes, attributes and all character data are kept; comments and
// processing instructions are dropped, CDATA becomes escaped text. RFC 4918
// §4.3.
func (n *Node) Fragment() string {
	src := (*n.doc)[n.start:n.end]
	t := NewTokenizer(src, boundless)
	t.ns = n.outer
	dst := make([]byte, 0, len(src)+64)
	for {
		tok, err := t.Next()
		if err == io.EOF {
			return string(dst)
		}
		if err != nil {
			// The element was read before, within the same limits.
			return ""
		}
		switch tok.Kind {
		case StartElement:
			first := len(dst) == 0
			dst = append(dst, '<')
			dst = append(dst, tok.raw...)
			own := t.ns
			outer := t.stack[len(t.stack)-1].outer
			dst = appendDeclarations(dst, own, outer)
			if first {
				dst = appendOuter(dst, outer, own, src)
				dst = n.appendLang(dst)
			}
			for _, a := range tok.Attrs {
				dst = append(dst, ' ')
				dst = append(dst, a.raw...)
				dst = append(dst, '=', '"')
				dst = appendAttr(dst, a.Value)
				dst = append(dst, '"')
			}
			if t.empty {
				dst = append(dst, '/')
			}
			dst = append(dst, '>')
		case CharData:
			dst = AppendText(dst, tok.Text)
		case EndElement:
			if tok.start == tok.end {
				continue // of an empty-element tag
			}
			dst = append(dst, '<', '/')
			dst = append(dst, tok.raw...)
			dst = append(dst, '>')
		}
	}
}

// boundless is for text that was read within limits before.
var boundless = Limits{
	Bytes: math.MaxInt, Depth: math.MaxInt, Nodes: math.MaxInt, Attributes: math.MaxInt, Text: math.MaxInt,
	Name: math.MaxInt, Namespaces: math.MaxInt, URI: math.MaxInt,
}

// appendDeclarations writes the declarations of one element, own down to
// outer, in the order of the document.
func appendDeclarations(dst []byte, own, outer *binding) []byte {
	if own == outer {
		return dst
	}
	return appendDeclaration(appendDeclarations(dst, own.up, outer), own)
}

func appendDeclaration(dst []byte, b *binding) []byte {
	dst = append(dst, " xmlns"...)
	if b.prefix != "" {
		dst = append(dst, ':')
		dst = append(dst, b.prefix...)
	}
	dst = append(dst, '=', '"')
	dst = appendAttr(dst, b.uri)
	return append(dst, '"')
}

// appendOuter writes the declarations from outside, b and up, that src may
// need. What looks like a use of a prefix counts as one: names in content
// (QNames in attributes and text) are not known to be such.
func appendOuter(dst []byte, b, own *binding, src string) []byte {
	if b == nil {
		return dst
	}
	dst = appendOuter(dst, b.up, own, src)
	if nearest(own, b.prefix) != b {
		return dst // hidden by a nearer declaration
	}
	if b.prefix == "" && b.uri == "" || b.prefix != "" && !strings.Contains(src, b.prefix+":") {
		return dst
	}
	return appendDeclaration(dst, b)
}

func nearest(b *binding, prefix string) *binding {
	for b != nil && b.prefix != prefix {
		b = b.up
	}
	return b
}

func (n *Node) appendLang(dst []byte) []byte {
	if n.Lang == "" {
		return dst
	}
	for _, a := range n.Attrs {
		if a.Name == (Name{NSXML, "lang"}) {
			return dst
		}
	}
	dst = append(dst, ` xml:lang="`...)
	dst = appendAttr(dst, n.Lang)
	return append(dst, '"')
}
