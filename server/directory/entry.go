package directory

import (
	"strings"
	"sync/atomic"

	"github.com/go-ldap/ldap/v3"

	"factotum/server/calendar"
)

// entry is an entry of the directory, whichever source it came from. What it
// says does not change after it was made.
type entry struct {
	dn    string // as written
	key   string // as compared: dnKey(dn)
	line  int    // of the LDIF file, 0 from LDAP
	attrs []attribute

	person atomic.Pointer[calendar.Person] // what the mapping made of it (LDIF only; an LDAP entry lives for one call)
}

type attribute struct {
	name   string // lower case
	values []string
}

// all returns the values of an attribute; name is in lower case.
func (e *entry) all(name string) []string {
	for i := range e.attrs {
		if e.attrs[i].name == name {
			return e.attrs[i].values
		}
	}
	return nil
}

// one returns the first value of an attribute without surrounding blanks, or "".
func (e *entry) one(name string) string {
	if v := e.all(name); len(v) > 0 {
		return strings.TrimSpace(v[0])
	}
	return ""
}

// has tells whether an attribute has the value, without regard to case.
func (e *entry) has(name, value string) bool {
	for _, v := range e.all(name) {
		if equalFold(v, value) {
			return true
		}
	}
	return false
}

func (e *entry) add(name, value string) {
	for i := range e.attrs {
		if e.attrs[i].name == name {
			e.attrs[i].values = append(e.attrs[i].values, value)
			return
		}
	}
	e.attrs = append(e.attrs, attribute{name, []string{value}})
}

// fold prepares a value for comparison as LDAP's case-ignore strings compare:
// no case, no surrounding blanks, runs of blanks as one. RFC 4518 §2.6.
func fold(s string) string {
	if blanks(s) {
		s = strings.Join(strings.Fields(s), " ")
	}
	return strings.ToLower(s)
}

// blanks tells whether blanks of s do not count.
func blanks(s string) bool {
	return strings.IndexByte(s, ' ') >= 0 && (s[0] == ' ' || s[len(s)-1] == ' ' || strings.Contains(s, "  "))
}

// equalFold is fold(a) == fold(b) without making them.
func equalFold(a, b string) bool {
	return strings.EqualFold(a, b) || (blanks(a) || blanks(b)) && fold(a) == fold(b)
}

// dnKey spells a distinguished name so that equal names are equal strings. A
// name that cannot be parsed (RFC 4514) is compared as text.
func dnKey(dn string) string {
	if strings.ContainsAny(dn, `\"+#;`) {
		if p, err := ldap.ParseDN(dn); err == nil {
			return strings.ToLower(p.String())
		}
		return fold(dn)
	}
	parts := strings.Split(dn, ",")
	for i, p := range parts {
		if a, v, ok := strings.Cut(p, "="); ok {
			p = strings.TrimSpace(a) + "=" + strings.Join(strings.Fields(v), " ")
		}
		parts[i] = strings.ToLower(strings.TrimSpace(p))
	}
	return strings.Join(parts, ",")
}

// parentKey returns the key of the entry above, or "".
func parentKey(key string) string {
	for i := 0; i < len(key); i++ {
		switch key[i] {
		case '\\':
			i++
		case ',':
			return key[i+1:]
		}
	}
	return ""
}

// below tells whether key is base or lies under it; everything is below "".
func below(key, base string) bool {
	if base == "" || key == base {
		return true
	}
	return len(key) > len(base) && strings.HasSuffix(key, base) && key[len(key)-len(base)-1] == ','
}

// rdn returns attribute (lower case) and value of a name's first component,
// if that is a single plain pair.
func rdn(dn string) (attr, value string, ok bool) {
	p, err := ldap.ParseDN(dn)
	if err != nil || len(p.RDNs) == 0 || len(p.RDNs[0].Attributes) != 1 {
		return "", "", false
	}
	a := p.RDNs[0].Attributes[0]
	return strings.ToLower(a.Type), a.Value, true
}
