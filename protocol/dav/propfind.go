package dav

import "net/http"

// PropKind says which form a PropRequest has.
type PropKind uint8

// The forms of a request for properties. PropNone occurs in reports only:
// RFC 4791 §9.5 makes the whole of it optional.
const (
	PropNone  PropKind = iota // nothing asked for
	PropSome                  // the properties of DAV:prop
	PropAll                   // DAV:allprop, with DAV:include
	PropNames                 // DAV:propname
)

// PropRequest is what a PROPFIND or a report asks of each resource. RFC 4918
// §14.20.
type PropRequest struct {
	Kind  PropKind
	Names []Name  // of prop, or of include; each once, in the order of the request
	Nodes []*Node // the same elements, for those with content (calendar-data)
}

// maxProps bounds the properties of one request: an answer has room for each
// of them on each resource.
const maxProps = 512

// Has reports whether the property is named.
func (p *PropRequest) Has(name Name) bool { return p.Node(name) != nil }

// Node returns the element of a named property, nil if there is none.
func (p *PropRequest) Node(name Name) *Node {
	for i := range p.Names {
		if p.Names[i] == name {
			return p.Nodes[i]
		}
	}
	return nil
}

// ParsePropfind reads the body of a PROPFIND. A nil root (no body) is
// allprop. RFC 4918 §9.1.
func ParsePropfind(root *Node) (PropRequest, error) {
	if root == nil {
		return PropRequest{Kind: PropAll}, nil
	}
	if root.Name != D("propfind") {
		return PropRequest{}, badRequest("the body is not a DAV:propfind")
	}
	p, err := ParseProps(root)
	if err == nil && p.Kind == PropNone {
		err = badRequest("DAV:propfind without prop, allprop or propname")
	}
	return p, err
}

// ParseProps reads the prop, allprop (with include) or propname among the
// children of a report's element. Other children are left to the caller.
func ParseProps(report *Node) (PropRequest, error) {
	var p PropRequest
	var include *Node
	for c := report.FirstChild(); c != nil; c = c.Next() {
		kind := PropNone
		switch c.Name {
		case Name{NSDAV, "prop"}:
			kind = PropSome
			if err := p.add(c); err != nil {
				return p, err
			}
		case Name{NSDAV, "allprop"}:
			kind = PropAll
		case Name{NSDAV, "propname"}:
			kind = PropNames
		case Name{NSDAV, "include"}:
			include = c
		}
		if kind == PropNone {
			continue
		}
		if p.Kind != PropNone {
			return p, badRequest("more than one of prop, allprop and propname")
		}
		p.Kind = kind
	}
	if include != nil && p.Kind == PropAll {
		return p, p.add(include)
	}
	return p, nil
}

func (p *PropRequest) add(prop *Node) error {
	if p.Names == nil {
		n := 0
		for c := prop.FirstChild(); c != nil; c = c.Next() {
			n++
		}
		n = min(n, maxProps)
		p.Names, p.Nodes = make([]Name, 0, n), make([]*Node, 0, n)
	}
	for c := prop.FirstChild(); c != nil; c = c.Next() {
		if p.Has(c.Name) {
			continue
		}
		if len(p.Names) == maxProps {
			return &Error{Status: http.StatusRequestEntityTooLarge, Text: "too many properties"}
		}
		p.Names = append(p.Names, c.Name)
		p.Nodes = append(p.Nodes, c)
	}
	return nil
}
