package dav

import (
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// Node is an element of a parsed document. It shares the memory of the
// document: copy what outlives the request.
type Node struct {
	Name  Name
	Attrs []Attr
	Text  string // character data directly inside; blanks after a child element are left out
	Lang  string // xml:lang in scope, "" for none; RFC 4918 §4.3

	first, last, next *Node
	doc               *string // the source
	outer             *binding
	start, end        int // the element in the source, its tags included
}

// Parse reads a whole document into a tree. Errors are *Error: 400 for XML
// that is not well-formed or has a document type declaration, 403 with
// DAV:no-external-entities (RFC 4918 §16), 413 beyond a limit, 415 for an
// encoding other than UTF-8.
func Parse(src string, lim Limits) (*Node, error) {
	b := builder{t: NewTokenizer(src, lim), src: &src}
	return b.tree()
}

// builder makes a tree of what its Tokenizer reads. Nodes come in slabs, since a
// multiget has a thousand; text that comes in pieces is gathered.
type builder struct {
	t     *Tokenizer
	src   *string // of the document: what nodes point to
	root  *Node
	stack []open
	nodes []Node
}

type open struct {
	node *Node
	text []byte // set from the second piece on
}

func (b *builder) tree() (*Node, error) {
	for {
		tok, err := b.t.Next()
		if err == io.EOF {
			return b.root, nil
		}
		if err != nil {
			return nil, err
		}
		switch tok.Kind {
		case StartElement:
			b.startElement(tok)
		case EndElement:
			b.endElement(tok)
		case CharData:
			err = b.charData(tok.Text)
		}
		if err != nil {
			return nil, err
		}
	}
}

// node returns a new node.
func (b *builder) node() *Node {
	if len(b.nodes) == cap(b.nodes) {
		n := 64
		if b.root == nil {
			// Elements have two tags, or one and are few.
			n = min(strings.Count(*b.src, "<")/2+4, 256)
		}
		b.nodes = make([]Node, 0, n)
	}
	b.nodes = b.nodes[:len(b.nodes)+1]
	n := &b.nodes[len(b.nodes)-1]
	n.doc = b.src
	return n
}

// adopt makes n the last child of the open element, or the root.
func (b *builder) adopt(n *Node) {
	if len(b.stack) == 0 {
		b.root = n
		return
	}
	parent := b.stack[len(b.stack)-1].node
	n.Lang = parent.Lang
	if parent.last == nil {
		parent.first = n
	} else {
		parent.last.next = n
	}
	parent.last = n
}

func (b *builder) startElement(tok Token) {
	n := b.node()
	n.Name, n.start = tok.Name, tok.start
	n.outer = b.t.stack[len(b.t.stack)-1].outer
	b.adopt(n)
	n.Attrs = slices.Clone(tok.Attrs)
	for _, a := range n.Attrs {
		if a.Name == (Name{NSXML, "lang"}) {
			n.Lang = a.Value
		}
	}
	b.stack = append(b.stack, open{node: n})
}

func (b *builder) endElement(tok Token) {
	o := &b.stack[len(b.stack)-1]
	n := o.node
	n.end = tok.end
	if o.text != nil {
		n.Text = string(o.text)
	}
	b.stack = b.stack[:len(b.stack)-1]
}

func (b *builder) charData(s string) error {
	o := &b.stack[len(b.stack)-1]
	if o.node.first != nil && allBlank(s) {
		return nil
	}
	if len(o.node.Text)+len(o.text)+len(s) > b.t.lim.Text {
		return tooLarge("the text of an element exceeds " + strconv.Itoa(b.t.lim.Text) + " bytes")
	}
	switch {
	case o.text != nil:
		o.text = append(o.text, s...)
	case o.node.Text == "":
		o.node.Text = s
	default:
		o.text = append([]byte(o.node.Text), s...)
		o.node.Text = ""
	}
	return nil
}

// Children ranges over the child elements in document order.
func (n *Node) Children() iter.Seq[*Node] {
	return func(yield func(*Node) bool) {
		if n == nil {
			return
		}
		for c := n.first; c != nil; c = c.next {
			if !yield(c) {
				return
			}
		}
	}
}

// Child returns the first child element of that name, nil if there is none.
// It may be called on a nil Node.
func (n *Node) Child(name Name) *Node {
	if n == nil {
		return nil
	}
	for c := n.first; c != nil; c = c.next {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// FirstChild returns the first child element, nil if there is none.
func (n *Node) FirstChild() *Node {
	if n == nil {
		return nil
	}
	return n.first
}

// Next returns the next sibling element, nil if there is none.
func (n *Node) Next() *Node {
	if n == nil {
		return nil
	}
	return n.next
}

// TrimText returns the text without blanks around it, "" for a nil Node.
func (n *Node) TrimText() string {
	if n == nil {
		return ""
	}
	s := n.Text
	for s != "" && isBlank(s[0]) {
		s = s[1:]
	}
	for s != "" && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

// Attr returns the value of the attribute without a namespace of that name.
func (n *Node) Attr(local string) (string, bool) {
	if n == nil {
		return "", false
	}
	for i := range n.Attrs {
		if a := &n.Attrs[i]; a.Name.Local == local && a.Name.Space == "" {
			return a.Value, true
		}
	}
	return "", false
}
