package dav

import (
	"io"
	"iter"
	"strconv"
	"strings"
	"sync"
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
	b := builders.Get().(*builder)
	b.t.reset(src, lim)
	root, err := b.tree()
	b.release()
	return root, err
}

// builder makes a tree of what its Tokenizer reads. Nodes come in slabs, text
// that comes in pieces is gathered. Everything but the tree is used again for
// the next document.
type builder struct {
	t     Tokenizer
	src   *string // of the document: what nodes point to
	root  *Node
	stack []open
	nodes []Node
	attrs []Attr
	leaf  leaf
}

type open struct {
	node *Node
	text []byte // set from the second piece on
}

var builders = sync.Pool{New: func() any { return new(builder) }}

// release keeps the builder for the next document, and nothing of this one.
func (b *builder) release() {
	const keep = 64 // of each, the usual ones are this deep at most
	if cap(b.t.stack) > keep || cap(b.t.attrs) > keep || cap(b.stack) > keep {
		return
	}
	clear(b.t.stack[:cap(b.t.stack)])
	clear(b.t.attrs[:cap(b.t.attrs)])
	clear(b.stack[:cap(b.stack)])
	*b = builder{t: Tokenizer{stack: b.t.stack, attrs: b.t.attrs}, stack: b.stack[:0]}
	builders.Put(b)
}

func (b *builder) tree() (*Node, error) {
	src := b.t.src
	b.src = &src
	for {
		for b.leaf.open != "" && b.again() {
		}
		before := b.t.nodes
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
			b.leaf = leaf{start: tok.end, cost: b.t.nodes - before}
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

// leaf is the way of long lists. A multiget has a thousand elements that
// differ in their text alone: where an element without attributes and
// children was read, one of the same tags that follows it under the same
// parent has the same name, since the same namespaces are in scope. It needs
// no tokens, just its text.
type leaf struct {
	open, shut string // both tags as written; open is empty when the last element was none
	start      int    // where the text of the last element began
	cost       int    // its share of Limits.Nodes
	name       Name
}

// again reads one more element like the last one. It reports false, and has
// read nothing, if what follows is anything else or not as simple.
func (b *builder) again() bool {
	t, l := &b.t, &b.leaf
	start := t.pos
	for start < len(t.src) && isBlank(t.src[start]) {
		start++ // blanks after a child element are no text
	}
	if !strings.HasPrefix(t.src[start:], l.open) {
		return false
	}
	rest := t.src[start+len(l.open):]
	n := strings.IndexByte(rest, '<')
	if n < 0 || !strings.HasPrefix(rest[n:], l.shut) {
		return false
	}
	text := rest[:n]
	if t.cr || len(text) > t.lim.Text || t.nodes+l.cost > t.lim.Nodes || strings.IndexByte(text, '&') >= 0 || strings.IndexByte(text, ']') >= 0 {
		return false
	}
	t.nodes += l.cost
	t.pos = start + len(l.open) + n + len(l.shut)
	node := b.node()
	node.Name, node.Text, node.start, node.end, node.outer = l.name, text, start, t.pos, t.ns
	b.adopt(node)
	return true
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
	if k := len(tok.Attrs); k > 0 {
		if cap(b.attrs)-len(b.attrs) < k {
			b.attrs = make([]Attr, 0, max(8, k))
		}
		from := len(b.attrs)
		b.attrs = append(b.attrs, tok.Attrs...)
		n.Attrs = b.attrs[from:len(b.attrs):len(b.attrs)]
		for _, a := range tok.Attrs {
			if a.Name == (Name{NSXML, "lang"}) {
				n.Lang = a.Value
			}
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
	if n.first != nil || n.Attrs != nil || tok.start == tok.end || len(b.stack) == 0 {
		b.leaf.open = ""
		return
	}
	b.leaf.open, b.leaf.shut, b.leaf.name = b.t.src[n.start:b.leaf.start], b.t.src[tok.start:tok.end], n.Name
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
