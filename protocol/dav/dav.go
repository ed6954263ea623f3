// Package dav is the WebDAV core under the CalDAV front: a small, strict XML
// reader with hard limits, a streaming multistatus writer, the request
// elements of RFC 4918 (propfind, propertyupdate, mkcol), hrefs, and the
// request headers (If, If-Match, Depth, Destination, Prefer).
//
// It knows neither calendars nor storage. Everything it reads comes from the
// network: each reader has a limit and answers with an *Error that carries the
// HTTP status and, where the RFCs name one, the precondition element.
// Everything it writes is well-formed, whatever the values are.
package dav

import (
	"net/http"
	"strconv"
)

// The namespaces that documents of this package declare on their root, with
// the fixed prefixes D, C, CS and A.
const (
	NSDAV            = "DAV:"
	NSCalDAV         = "urn:ietf:params:xml:ns:caldav"
	NSCalendarServer = "http://calendarserver.org/ns/"
	NSApple          = "http://apple.com/ns/ical/"
)

// NSXML is the namespace of xml:lang; its prefix needs no declaration.
const NSXML = "http://www.w3.org/XML/1998/namespace"

const nsXMLNS = "http://www.w3.org/2000/xmlns/"

// description is the text beside a precondition: Calendar Server's element for
// it, which its conformance scripts pass over, as they do nobody else's.
var description = Name{"http://twistedmatrix.com/xml_namespace/dav/", "error-description"}

// Name is the expanded name of an element or attribute. Space is the
// namespace URI, empty for none.
type Name struct {
	Space, Local string
}

// D returns a name in the DAV: namespace.
func D(local string) Name { return Name{NSDAV, local} }

// C returns a name in the CalDAV namespace.
func C(local string) Name { return Name{NSCalDAV, local} }

// CS returns a name in the Calendar Server namespace.
func CS(local string) Name { return Name{NSCalendarServer, local} }

// A returns a name in Apple's iCal namespace.
func A(local string) Name { return Name{NSApple, local} }

// String returns the name in Clark notation, {space}local.
func (n Name) String() string {
	if n.Space == "" {
		return n.Local
	}
	return "{" + n.Space + "}" + n.Local
}

// IsZero reports whether n names nothing.
func (n Name) IsZero() bool { return n == Name{} }

// Condition is a precondition or postcondition element, RFC 4918 §16. The
// zero Condition stands for none.
type Condition struct {
	Name  Name
	Inner string // XML inside the element, well-formed; see AppendHref
}

// Error is a request that cannot be served: the HTTP status, the precondition
// element that says why, and a sentence for people.
type Error struct {
	Status    int       // 400, 403, 412, 413, 415, ...
	Condition Condition // may be zero
	Text      string    // may be shown to the client
}

func (e *Error) Error() string {
	s := strconv.Itoa(e.Status) + " " + http.StatusText(e.Status)
	if !e.Condition.Name.IsZero() {
		s += ": " + e.Condition.Name.Local
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// NewError returns an Error with an empty precondition element.
func NewError(status int, condition Name, text string) *Error {
	return &Error{Status: status, Condition: Condition{Name: condition}, Text: text}
}

func badRequest(text string) *Error {
	return &Error{Status: http.StatusBadRequest, Text: text}
}
