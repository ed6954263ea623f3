package dav

import "net/http"

// Limits bounds what a request document may cost. A limit of zero takes the
// default.
type Limits struct {
	Bytes      int // of the whole document
	Depth      int // of nested elements
	Nodes      int // elements and attributes together
	Attributes int // of one element, namespace declarations included
	Text       int // bytes of text directly inside one element
	Name       int // bytes of a name
	Namespaces int // declarations in scope at one place
	URI        int // bytes of a namespace name
}

// DefaultLimits suits every request the known clients send, a multiget of
// 50,000 hrefs included.
var DefaultLimits = Limits{
	Bytes: 4 << 20, Depth: 32, Nodes: 1 << 17, Attributes: 32, Text: 1 << 20,
	Name: 256, Namespaces: 64, URI: 512,
}

func (l Limits) orDefault() Limits {
	for _, f := range []struct {
		v   *int
		def int
	}{
		{&l.Bytes, DefaultLimits.Bytes}, {&l.Depth, DefaultLimits.Depth}, {&l.Nodes, DefaultLimits.Nodes},
		{&l.Attributes, DefaultLimits.Attributes}, {&l.Text, DefaultLimits.Text}, {&l.Name, DefaultLimits.Name},
		{&l.Namespaces, DefaultLimits.Namespaces}, {&l.URI, DefaultLimits.URI},
	} {
		if *f.v <= 0 {
			*f.v = f.def
		}
	}
	return l
}

func tooLarge(what string) error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Text: what}
}

func tooMany(what string) error {
	return &Error{Status: http.StatusRequestHeaderFieldsTooLarge, Text: "too many " + what}
}
