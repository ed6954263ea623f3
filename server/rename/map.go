package rename

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// Pair is a line of a mapping: an id, and what it is from now on.
type Pair struct {
	Old, New calendar.UserID
	Line     int
}

// Bad is a line that is refused, or of which something is to be known.
type Bad struct {
	Line int
	Text string // the line as it is
	Why  string
}

func (b Bad) String() string { return fmt.Sprintf("line %d: %s: %s", b.Line, b.Text, b.Why) }

// Bounds of a mapping.
const (
	maxLine  = 2*calendar.MaxOwnerLen + 64
	maxPairs = 1 << 20
)

// Read reads a mapping: lines with an old and a new id, and a blank between them. Empty
// lines, and those that begin with #, count for nothing. def is the domain whose people
// have ids without one. What is bad of it makes all of it bad.
func Read(r io.Reader, def string) (pairs []Pair, bad []Bad, err error) {
	m := &Map{def: strings.ToLower(def)}
	olds, news := map[string]int{}, map[string]int{}
	lines := bufio.NewReaderSize(r, 4096)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		if err != nil && err != io.EOF {
			return nil, nil, fmt.Errorf("read the mapping: %w", err)
		}
		last := err == io.EOF
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		line = strings.TrimRight(line, "\r\n")
		if word := strings.TrimSpace(line); word != "" && word[0] != '#' {
			p, why := m.pair(line)
			p.Line = n
			switch {
			case why != "":
			case olds[p.Old] > 0:
				why = fmt.Sprintf("line %d renames %s already", olds[p.Old], p.Old)
			case news[p.New] > 0:
				why = fmt.Sprintf("line %d makes %s of somebody else already: two people cannot become one", news[p.New], p.New)
			case len(pairs) == maxPairs:
				return nil, nil, fmt.Errorf("the mapping has more than %d lines", maxPairs)
			}
			if why != "" {
				bad = append(bad, Bad{n, shown(line), why})
			} else {
				olds[p.Old], news[p.New] = n, n
				pairs = append(pairs, p)
			}
		}
		if last {
			return pairs, bad, nil
		}
	}
}

// shown is a line as a message has it.
func shown(line string) string {
	if len(line) > 200 {
		line = line[:200] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(line, "?"))
}

func (m *Map) pair(line string) (p Pair, why string) {
	if len(line) > maxLine {
		return p, "the line is too long"
	}
	if !utf8.ValidString(line) {
		return p, "the line is not UTF-8"
	}
	words := strings.Fields(line)
	if len(words) != 2 {
		return p, "a line has an old and a new user id, with a blank between them"
	}
	p.Old, p.New = m.canonical(words[0]), m.canonical(words[1])
	for _, id := range []string{p.Old, p.New} {
		if err := calendar.CheckOwner(calendar.Owner(id)); err != nil {
			return p, err.Error()
		}
		if user, domain, ok := cutDomain(id); user == "" || ok && domain == "" || strings.Contains(user, "@") {
			return p, fmt.Sprintf("%s is no user id", id)
		}
		if id == acl.Anonymous {
			return p, "anonymous is nobody's id"
		}
	}
	if p.Old == p.New {
		return p, "it is the same id"
	}
	return p, ""
}

// cutDomain takes an id apart.
func cutDomain(id string) (user, domain string, ok bool) {
	if i := strings.LastIndexByte(id, '@'); i >= 0 {
		return id[:i], id[i+1:], true
	}
	return id, "", false
}

// Map tells of each id what it is from now on.
type Map struct {
	to  map[string]Pair
	def string
}

// New makes a map of what Read has read.
func New(pairs []Pair, def string) *Map {
	m := &Map{to: make(map[string]Pair, len(pairs)), def: strings.ToLower(def)}
	for _, p := range pairs {
		m.to[p.Old] = p
	}
	return m
}

// Pairs are those of the map, by their lines.
func (m *Map) Pairs() []Pair {
	out := make([]Pair, 0, len(m.to))
	for _, p := range m.to {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Pair) int { return a.Line - b.Line })
	return out
}

// canonical is an id as the directory spells it: in lower case, and without the default
// domain.
func (m *Map) canonical(id string) string {
	id = strings.ToLower(id)
	if user, domain, ok := cutDomain(id); ok && domain == m.def && m.def != "" {
		return user
	}
	return id
}

// Owner is what an owner is from now on.
func (m *Map) Owner(o calendar.Owner) (calendar.Owner, bool) {
	p, ok := m.to[m.canonical(string(o))]
	if !ok {
		return o, false
	}
	return calendar.Owner(p.New), true
}
