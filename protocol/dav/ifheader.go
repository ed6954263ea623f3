package dav

import (
	"errors"
	"net/http"
	"strings"
)

// If is a parsed If header: it holds if any of its lists does. The zero value
// stands for a missing header and always holds. RFC 4918 §10.4.
type If struct {
	Lists []IfList
}

// IfList holds if all its conditions do.
type IfList struct {
	Path    string // decoded; "" for the request's own
	Foreign bool   // the tag names another server: nothing matches there
	Conds   []IfCond
}

// IfCond compares one state of the resource.
type IfCond struct {
	Not   bool
	Token string // a state token: a lock token, a sync-token; "" for an entity tag
	Tag   Tag
}

// State is what a resource is compared with: the opaque value of its strong
// entity tag, "" for none (and for an unmapped URL), and its state tokens.
type State struct {
	ETag   string
	Tokens []string
}

const maxIfConds = 128

// ParseIf reads the If header of a request; 400 if it is malformed, or mixes
// tagged and untagged lists, 431 if there are too many conditions. ours are the
// names of this server besides the Host of the request. RFC 4918 §10.4.2.
func ParseIf(r *http.Request, ours ...string) (If, error) {
	values := r.Header["If"]
	switch len(values) {
	case 0:
		return If{}, nil
	case 1:
		return parseIf(values[0], append(ours, r.Host)...)
	}
	return If{}, badRequest("more than one If header")
}

func parseIf(s string, ours ...string) (If, error) {
	var f If
	var tag IfList // the resource tag in force, without conditions
	tagged, conds := false, 0
	for s = skipLWS(s); s != ""; s = skipLWS(s) {
		switch s[0] {
		case '<':
			ref, rest, ok := cutCoded(s)
			if !ok || !tagged && len(f.Lists) > 0 {
				return f, errIf
			}
			path, err := DecodeHref(ref, ours...)
			if err != nil && !errors.Is(err, ErrForeign) {
				return f, errIf
			}
			tag, tagged, s = IfList{Path: path, Foreign: err != nil}, true, rest
			if !strings.HasPrefix(skipLWS(s), "(") {
				return f, errIf
			}
		case '(':
			list := tag
			rest, err := list.parse(s[1:])
			if err != nil {
				return f, err
			}
			if conds += len(list.Conds); conds > maxIfConds {
				return f, tooMany("conditions in the If header")
			}
			f.Lists, s = append(f.Lists, list), rest
		default:
			return f, errIf
		}
	}
	if len(f.Lists) == 0 {
		return f, errIf
	}
	return f, nil
}

var errIf = badRequest("malformed If header")

// parse reads the conditions up to the closing parenthesis.
func (l *IfList) parse(s string) (rest string, err error) {
	for {
		s = skipLWS(s)
		var c IfCond
		if len(s) > 3 && strings.EqualFold(s[:3], "not") {
			c.Not = true
			s = skipLWS(s[3:])
		}
		switch {
		case s == "":
			return "", errIf
		case s[0] == ')' && !c.Not && len(l.Conds) > 0:
			return s[1:], nil
		case s[0] == '<':
			var ok bool
			if c.Token, s, ok = cutCoded(s); !ok {
				return "", errIf
			}
		case s[0] == '[':
			var ok bool
			c.Tag, s, ok = cutTag(s[1:])
			if !ok || !strings.HasPrefix(s, "]") {
				return "", errIf
			}
			s = s[1:]
		default:
			return "", errIf
		}
		l.Conds = append(l.Conds, c)
	}
}

// cutCoded reads a Coded-URL or Resource-Tag: no blanks inside.
func cutCoded(s string) (url, rest string, ok bool) {
	n := strings.IndexByte(s, '>')
	if n < 2 || strings.ContainsAny(s[:n], " \t\r\n") {
		return "", "", false
	}
	return s[1:n], s[n+1:], true
}

func skipLWS(s string) string { return strings.TrimLeft(s, " \t\r\n") }

// Tokens returns all state tokens of the header. They count as submitted
// whether or not their lists hold. RFC 4918 §10.4.1.
func (f If) Tokens() []string {
	var tokens []string
	for _, l := range f.Lists {
		for _, c := range l.Conds {
			if c.Token != "" {
				tokens = append(tokens, c.Token)
			}
		}
	}
	return tokens
}

// Eval reports whether the header holds; if not, the answer is 412. state
// gives the state of a resource by its decoded path ("" is the request's
// own); an unmapped URL has the zero State. An error of state ends the
// evaluation. RFC 4918 §10.4.3, §10.4.4.
func (f If) Eval(state func(path string) (State, error)) (bool, error) {
	if len(f.Lists) == 0 {
		return true, nil
	}
	var st State
	known, path := false, ""
	for _, l := range f.Lists {
		switch {
		case l.Foreign:
			st, known = State{}, false
		case !known || l.Path != path:
			var err error
			if st, err = state(l.Path); err != nil {
				return false, err
			}
			known, path = true, l.Path
		}
		if l.holds(st) {
			return true, nil
		}
	}
	return false, nil
}

func (l IfList) holds(st State) bool {
	for _, c := range l.Conds {
		if c.matches(st) == c.Not {
			return false
		}
	}
	return true
}

func (c IfCond) matches(st State) bool {
	if c.Token == "" {
		return st.ETag != "" && c.Tag.Is(st.ETag)
	}
	for _, t := range st.Tokens {
		if t == c.Token {
			return true
		}
	}
	return false
}
