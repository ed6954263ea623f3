package calendar

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Owner is the canonical user id that a calendar home belongs to: "jdoe", or
// "jdoe@sesta.com" in a hosted domain. It is the shard key of the store.
type Owner string

// UserID is the canonical id of a person, group or resource. An Owner is a
// UserID that has calendars.
type UserID = string

// ID is a calendar identifier (Sun's calid): "jdoe" for the default calendar,
// "jdoe:baseball" for another. WCAP calls it calid; CalDAV shows it as
// /dav/calendars/jdoe/baseball/.
type ID string

// CalendarsPath is where homes are: CalendarsPath + owner + "/".
const CalendarsPath = "/dav/calendars/"

// DefaultName is the resource name of the default calendar, whose calid is the
// bare owner.
const DefaultName = "calendar"

// NewID joins an owner and a resource name to a calid.
func NewID(owner Owner, name string) ID {
	if name == DefaultName || name == "" {
		return ID(owner)
	}
	return ID(string(owner) + ":" + name)
}

// Owner returns the owner's part of the calid.
func (id ID) Owner() Owner {
	if i := strings.IndexByte(string(id), ':'); i >= 0 {
		return Owner(id[:i])
	}
	return Owner(id)
}

// Name returns the resource name of the calendar in its owner's home.
func (id ID) Name() string {
	if i := strings.IndexByte(string(id), ':'); i >= 0 {
		return string(id[i+1:])
	}
	return DefaultName
}

// Longest names the store accepts, in octets.
const (
	MaxOwnerLen = 255
	MaxNameLen  = 255
)

// CheckOwner says what is wrong with a user id as the key of a home, or nil.
func CheckOwner(o Owner) error {
	switch {
	case o == "":
		return fmt.Errorf("the user id is empty")
	case len(o) > MaxOwnerLen:
		return fmt.Errorf("the user id is longer than %d octets", MaxOwnerLen)
	case strings.ContainsAny(string(o), ":/\\^;") || BadText(string(o)):
		return fmt.Errorf("the user id holds a character that calids do not allow")
	}
	return nil
}

// CheckName says what is wrong with the name of a calendar or object
// resource, or nil. A slash separates collections that stand in one another.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case len(name) > MaxNameLen:
		return fmt.Errorf("the name is longer than %d octets", MaxNameLen)
	case BadText(name):
		return fmt.Errorf("the name holds a control character or invalid UTF-8")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return fmt.Errorf("the name has an empty, '.' or '..' segment")
		}
	}
	return nil
}

// BadText tells whether a name holds a control character or invalid UTF-8.
func BadText(s string) bool {
	if !utf8.ValidString(s) {
		return true
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return true
		}
	}
	return false
}
