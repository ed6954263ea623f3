package dav

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// TokenKind tells what a Token is.
type TokenKind uint8

// The kinds of tokens.
const (
	StartElement TokenKind = iota + 1
	EndElement
	CharData
)

// Attr is an attribute of an element. Namespace declarations are none.
type Attr struct {
	Name  Name
	Value string // normalised, XML 1.0 §3.3.3

	raw string // the name as written, with its prefix
}

// Token is one piece of a document.
type Token struct {
	Kind  TokenKind
	Name  Name   // of an element
	Attrs []Attr // of a StartElement; valid until the next call of Next
	Text  string // of CharData: one run of it, references resolved

	raw        string // the element's name as written
	start, end int    // where the token stands in the source
}

// binding is a namespace declaration; the list of them is shared between the
// elements it is in scope of.
type binding struct {
	prefix, uri string
	up          *binding
	n           int // length of the list from here
}

// lookup returns the namespace of a prefix, "" being the default namespace.
func (b *binding) lookup(prefix string) (string, bool) {
	for ; b != nil; b = b.up {
		if b.prefix == prefix {
			return b.uri, true
		}
	}
	return "", prefix == ""
}

type frame struct {
	raw   string
	name  Name
	outer *binding
}

// Tokenizer reads a namespace-aware stream of tokens out of a document held
// in memory. It is stricter than XML 1.0 asks: UTF-8 only, no document type
// declaration and so no entities but the five predefined ones. Comments and
// processing instructions are checked and skipped (RFC 4918 §17). All errors
// are *Error, save io.EOF at the end of a complete document.
//
// Deviation: RFC 4918 §19: UTF-16 is refused with 415; no client sends it.
type Tokenizer struct {
	src    string
	pos    int
	lim    Limits
	stack  []frame
	ns     *binding
	last   *binding // the newest declaration
	attrs  []Attr
	nodes  int
	cr     bool // the document has carriage returns
	root   bool // the root element was seen
	empty  bool // an empty-element tag waits for its EndElement
	failed error
}

// NewTokenizer returns a Tokenizer over src.
func NewTokenizer(src string, lim Limits) *Tokenizer {
	t := &Tokenizer{src: src, lim: lim.orDefault()}
	t.failed = t.prolog()
	return t
}

// Next returns the next token, or io.EOF after the end of the root element.
// After an error it returns the same error again.
func (t *Tokenizer) Next() (Token, error) {
	if t.failed != nil {
		return Token{}, t.failed
	}
	tok, err := t.next()
	if err != nil {
		t.failed = err
	}
	return tok, err
}

func (t *Tokenizer) next() (Token, error) {
	if t.empty {
		t.empty = false
		return t.pop(t.pos), nil
	}
	for t.pos < len(t.src) {
		if t.src[t.pos] != '<' {
			tok, err := t.text()
			if err != nil || tok.Kind != 0 {
				return tok, err
			}
			continue
		}
		s := t.src[t.pos:]
		switch {
		case len(s) < 2:
			return Token{}, t.syntax("unexpected end")
		case s[1] == '/':
			return t.endTag()
		case s[1] == '?':
			if err := t.instruction(); err != nil {
				return Token{}, err
			}
		case s[1] != '!':
			return t.startTag()
		case strings.HasPrefix(s, "<!--"):
			if err := t.comment(); err != nil {
				return Token{}, err
			}
		case strings.HasPrefix(s, "<![CDATA["):
			return t.cdata()
		default:
			return Token{}, t.declarationRefused()
		}
	}
	switch {
	case len(t.stack) > 0:
		return Token{}, t.syntax("element " + t.stack[len(t.stack)-1].raw + " is not closed")
	case !t.root:
		return Token{}, t.syntax("no root element")
	}
	return Token{}, io.EOF
}

// pop ends the innermost element.
func (t *Tokenizer) pop(start int) Token {
	f := &t.stack[len(t.stack)-1]
	t.stack = t.stack[:len(t.stack)-1]
	t.ns = f.outer
	return Token{Kind: EndElement, Name: f.name, raw: f.raw, start: start, end: t.pos}
}

func (t *Tokenizer) endTag() (Token, error) {
	if len(t.stack) == 0 {
		return Token{}, t.syntax("end tag without a start tag")
	}
	start, raw := t.pos, t.stack[len(t.stack)-1].raw
	rest := t.src[t.pos+2:]
	if !strings.HasPrefix(rest, raw) {
		return Token{}, t.syntax("end tag does not match " + raw)
	}
	i := t.pos + 2 + len(raw)
	for i < len(t.src) && isBlank(t.src[i]) {
		i++
	}
	if i >= len(t.src) || t.src[i] != '>' {
		return Token{}, t.syntax("end tag does not match " + raw)
	}
	t.pos = i + 1
	return t.pop(start), nil
}

func (t *Tokenizer) comment() error {
	i := strings.Index(t.src[t.pos+4:], "--")
	if i < 0 || !strings.HasPrefix(t.src[t.pos+4+i:], "-->") {
		return t.syntax("malformed comment")
	}
	t.pos += 4 + i + 3
	return nil
}

// instruction skips a processing instruction. RFC 4918 §17: recipients ignore
// them.
func (t *Tokenizer) instruction() error {
	name := t.pos + 2
	end := scanNCName(t.src, name)
	i := strings.Index(t.src[end:], "?>")
	if end == name || i < 0 || i > 0 && !isBlank(t.src[end]) || strings.EqualFold(t.src[name:end], "xml") {
		return t.syntax("malformed processing instruction")
	}
	t.pos = end + i + 2
	return nil
}

// declarationRefused answers <!DOCTYPE and its like. RFC 4918 §20.6.
func (t *Tokenizer) declarationRefused() error {
	s := t.src[t.pos:]
	if !strings.HasPrefix(s, "<!DOCTYPE") {
		return t.syntax("malformed markup")
	}
	if strings.Contains(s, "SYSTEM") || strings.Contains(s, "PUBLIC") {
		return NewError(http.StatusForbidden, D("no-external-entities"), "document type declarations are refused")
	}
	return t.syntax("document type declarations are refused")
}

func (t *Tokenizer) syntax(what string) error {
	return badRequest("XML, byte " + strconv.Itoa(t.pos) + ": " + what)
}
