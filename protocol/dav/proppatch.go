package dav

import "net/http"

// PropChange is one instruction of a PROPPATCH, or one property of an
// extended MKCOL or MKCALENDAR.
type PropChange struct {
	Name   Name
	Remove bool
	Node   *Node  // the property element; its content is the value
	Value  string // what Fragment gives, "" if Remove: what a dead property stores
}

// ParsePropertyUpdate reads the body of a PROPPATCH: the instructions in
// document order, which is the order to execute them in. RFC 4918 §9.2,
// §14.19.
func ParsePropertyUpdate(root *Node) ([]PropChange, error) {
	if root == nil || root.Name != D("propertyupdate") {
		return nil, badRequest("the body is not a DAV:propertyupdate")
	}
	changes, err := parseChanges(root, true)
	if err == nil && len(changes) == 0 {
		err = badRequest("DAV:propertyupdate without an instruction")
	}
	return changes, err
}

// ParseMkcol reads the body of an extended MKCOL (RFC 5689 §5.1) or a
// MKCALENDAR (RFC 4791 §9.2): the properties to set. A nil root (no body)
// gives none.
func ParseMkcol(root *Node) ([]PropChange, error) {
	if root == nil {
		return nil, nil
	}
	if root.Name != D("mkcol") && root.Name != C("mkcalendar") {
		// RFC 4918 §9.3: 415 for a body that is not understood.
		return nil, &Error{Status: http.StatusUnsupportedMediaType, Text: "the body is neither DAV:mkcol nor CALDAV:mkcalendar"}
	}
	return parseChanges(root, false)
}

func parseChanges(root *Node, remove bool) ([]PropChange, error) {
	var changes []PropChange
	size := 0
	for op := range root.Children() {
		removal := op.Name == D("remove")
		if op.Name != D("set") && !(removal && remove) {
			continue // RFC 4918 §17: extensions are ignored
		}
		for prop := range op.Children() {
			if prop.Name != D("prop") {
				continue
			}
			for p := range prop.Children() {
				if len(changes) == maxProps {
					return nil, tooLarge("too many properties")
				}
				c := PropChange{Name: p.Name, Remove: removal, Node: p}
				if !removal {
					c.Value = p.Fragment()
				}
				// Fragments repeat the namespaces around them.
				if size += len(c.Value); size > 2*DefaultLimits.Bytes {
					return nil, tooLarge("the properties are too large")
				}
				changes = append(changes, c)
			}
		}
	}
	return changes, nil
}
