package acl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits of a list that comes from outside.
const (
	MaxEntries = 500       // entries of a list
	MaxLength  = 64 * 1024 // octets of a list
	MaxName    = 256       // octets of a user or domain name
)

// SyntaxError says why a list cannot be read. Entry counts from 1; 0 means
// the list as a whole.
type SyntaxError struct {
	Entry  int
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Entry == 0 {
		return "access control list: " + e.Reason
	}
	return fmt.Sprintf("access control list: entry %d: %s", e.Entry, e.Reason)
}

// Parse reads a list of entries separated by semicolons; see the grammar of
// the WCAP acl parameter. Letters may have either case, blanks around a field
// do not count, empty entries are skipped. An entry whose grant is missing, as
// found in damaged data ("lucy^a^frs^"), is no entry. Anything else that does
// not fit the grammar is a *SyntaxError.
func Parse(s string) (List, error) {
	if len(s) > MaxLength {
		return nil, &SyntaxError{Reason: fmt.Sprintf("longer than %d octets", MaxLength)}
	}
	if !utf8.ValidString(s) {
		return nil, &SyntaxError{Reason: "not UTF-8"}
	}
	var list List
	for n := 1; s != ""; n++ {
		var field string
		field, s, _ = strings.Cut(s, ";")
		e, ok, reason := parseACE(field)
		if reason != "" {
			return nil, &SyntaxError{Entry: n, Reason: reason}
		}
		if !ok {
			continue
		}
		if len(list) == MaxEntries {
			return nil, &SyntaxError{Reason: fmt.Sprintf("more than %d entries", MaxEntries)}
		}
		list = append(list, e)
	}
	return list, nil
}

// MustParse is Parse for constants; it panics where Parse gives an error.
func MustParse(s string) List {
	l, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return l
}

// ParseACE reads one entry. ok is false for an empty entry and for one whose
// grant is missing.
func ParseACE(s string) (e ACE, ok bool, err error) {
	if len(s) > MaxLength || !utf8.ValidString(s) {
		return ACE{}, false, &SyntaxError{Entry: 1, Reason: "too long or not UTF-8"}
	}
	e, ok, reason := parseACE(s)
	if reason != "" {
		return ACE{}, false, &SyntaxError{Entry: 1, Reason: reason}
	}
	return e, ok, nil
}

func parseACE(s string) (e ACE, ok bool, reason string) {
	// A line break or a NUL would let an entry forge another line wherever
	// the list is printed.
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return e, false, "control character"
		}
	}
	s = trim(s)
	if s == "" {
		return e, false, ""
	}
	who, rest, found := strings.Cut(s, "^")
	if !found {
		return e, false, "expected who^what^how^grant"
	}
	what, rest, found := strings.Cut(rest, "^")
	if !found {
		return e, false, "expected who^what^how^grant"
	}
	how, grant, _ := strings.Cut(rest, "^")
	if e.Who, reason = parseWho(trim(who)); reason != "" {
		return e, false, reason
	}
	switch trim(what) {
	case "c", "C":
		e.What = Components
	case "p", "P":
		e.What = Properties
	case "a", "A":
		e.What = Whole
	default:
		return e, false, "what is one of c, p, a"
	}
	how = trim(how)
	for i := range len(how) {
		bit := strings.IndexByte(letters, how[i]|0x20)
		if bit < 0 {
			return e, false, "how has letters of " + letters
		}
		e.How |= 1 << bit
	}
	switch trim(grant) {
	case "g", "G":
		e.Grant = true
	case "d", "D":
	case "":
		return e, false, ""
	default:
		return e, false, "grant is g or d"
	}
	return e, true, ""
}

func parseWho(s string) (w Who, reason string) {
	if len(s) > MaxName {
		return w, fmt.Sprintf("name longer than %d octets", MaxName)
	}
	if s == "" {
		return w, "who is empty"
	}
	if s[0] != '@' {
		return Who{Kind: User, Name: s}, ""
	}
	if s == "@" {
		return Who{Kind: Everyone}, ""
	}
	if s[1] != '@' {
		return Who{Kind: Domain, Name: s[1:]}, ""
	}
	switch s[2:] {
	case "d", "D":
		return Who{Kind: OwnerDomain}, ""
	case "p", "P":
		return Who{Kind: Primary}, ""
	case "o", "O":
		return Who{Kind: AnyOwner}, ""
	case "n", "N":
		return Who{Kind: NotOwner}, ""
	case "a", "A":
		return Who{Kind: Authenticated}, ""
	}
	return w, "who is a user, @domain, @, @@d, @@p, @@o, @@n or @@a"
}

func trim(s string) string { return strings.Trim(s, " \t") }
