package config

import "strings"

// Kind is the type of a parameter's value.
type Kind uint8

// The kinds.
const (
	String    Kind = iota
	Bool           // yes no, y n, 1 0, true false, on off
	Int            // a whole number; -1 often means without limit
	Port           // 1–65535
	Seconds        // a whole number of seconds
	Millis         // a whole number of milliseconds
	Hours          // a whole number of hours
	Days           // a whole number
	Bytes          // a whole number of octets
	Percent        // 0–100
	Path           // a file or directory; relative ones as the parameter says
	Host           // a host name or an IP address
	HostName       // a host name, not an IP address
	Hosts          // host names, each perhaps with :port, separated by blanks or commas
	Routes         // domain=host or domain=host:port, separated by blanks or commas
	Listen         // an address to listen on; INADDR_ANY for all
	HostPort       // host:port; empty for none
	Endpoint       // host:port, or a path of a unix socket, which has a slash; empty for none
	Networks       // IP addresses and CIDR networks, separated by blanks or commas
	Enum           // one of a few words
	List           // words separated by commas or blanks
	Durations      // growing durations, as ISO 8601 has them (pt30m, p1d) or days, separated by blanks or commas
	ACL            // an access control list, who^what^how^grant;…
	Zone           // an IANA time zone
	Password       // a secret
)

func (k Kind) String() string {
	return [...]string{"string", "yes/no", "number", "port", "seconds", "milliseconds", "hours", "days", "bytes", "percent",
		"path", "host", "host name", "hosts", "routes", "address", "host:port", "host:port or socket", "networks", "one of", "list", "durations", "access list", "time zone", "secret"}[k]
}

// Param is one documented parameter.
type Param struct {
	Name     string
	Kind     Kind
	Default  string
	Doc      string
	Section  string
	Words    []string // of an Enum
	Synonyms []string // other spellings
	Fallback string   // the parameter whose value counts while this one is not set
	Dir      string   // what "." stands for below the data directory; @config, @home: what relative paths are below instead
	Note     string   // a warning for whoever sets it
	Min      int64    // least number
	field    func(*Config) any
	idle     bool
	stands   bool // it is the fallback of one that is obeyed
}

// Used reports whether the server obeys the parameter. The others are Sun's,
// accepted so that an old ics.conf can stay as it is, and have no effect.
func (p *Param) Used() bool { return p.field != nil && !p.idle || p.stands }

// option changes a row of the table.
type option func(*Param)

func words(w ...string) option    { return func(p *Param) { p.Words = w } }
func also(names ...string) option { return func(p *Param) { p.Synonyms = names } }
func orElse(name string) option   { return func(p *Param) { p.Fallback = name } }
func under(dir string) option     { return func(p *Param) { p.Dir = dir } }
func note(text string) option     { return func(p *Param) { p.Note = text } }
func atLeast(n int64) option      { return func(p *Param) { p.Min = n } }

// idle is a parameter that is read, but belongs to a part of Sun's server that
// this one does not have (yet).
func idle() option { return func(p *Param) { p.idle = true } }

// used is a parameter that the server obeys.
func used(name string, kind Kind, def, doc string, field func(*Config) any, opts ...option) Param {
	p := Param{Name: name, Kind: kind, Default: def, Doc: doc, field: field}
	for _, o := range opts {
		o(&p)
	}
	return p
}

// accepted is one of Sun's that has no effect here.
func accepted(name string, kind Kind, def, doc string, opts ...option) Param {
	return used(name, kind, def, doc, nil, opts...)
}

type section struct {
	title  string
	params []Param
}

// params is the table in order; byName finds a row by its name or a synonym
// of it in lower case.
var (
	params []*Param
	byName = map[string]*Param{}
)

func init() {
	for _, s := range sections {
		for i := range s.params {
			p := &s.params[i]
			p.Section = s.title
			params = append(params, p)
			for _, n := range append([]string{p.Name}, p.Synonyms...) {
				n = strings.ToLower(n)
				if byName[n] != nil {
					panic("parameter " + n + " is twice in the table")
				}
				byName[n] = p
			}
		}
	}
	for _, p := range params {
		if p.Used() && p.Fallback != "" {
			byName[strings.ToLower(p.Fallback)].stands = true
		}
	}
}

// Params gives the table of all documented parameters, in the order of the
// documentation. Parameters with a host or an application in their name stand
// there as caldb.dwp.server.<host>.ip.
func Params() []*Param { return params }

// Find gives a parameter by its name or a synonym, in any case.
func Find(name string) (*Param, bool) {
	p := byName[strings.ToLower(name)]
	if p == nil {
		p, _ = lookupVariable(name)
	}
	return p, p != nil
}

// variable parameters carry a host or an application id in their name.
const (
	dwpServer = "caldb.dwp.server."
	ssoPrefix = "sso."
)

// lookupVariable finds caldb.dwp.server.<host>.{ip,admin,cred,port,standby} and
// sso.<appid>.{url,ip}, and gives the variable part in lower case. A back end
// without the suffix .ip is accepted, as the guide's own examples have it.
func lookupVariable(name string) (*Param, string) {
	name = strings.ToLower(name)
	if rest, ok := strings.CutPrefix(name, dwpServer); ok && rest != "" {
		for _, suffix := range []string{".ip", ".admin", ".cred", ".port", ".standby"} {
			if host, ok := strings.CutSuffix(rest, suffix); ok && host != "" {
				return byName[dwpServer+"<host>"+suffix], host
			}
		}
		return byName[dwpServer+"<host>.ip"], rest
	}
	if rest, ok := strings.CutPrefix(name, ssoPrefix); ok {
		for _, suffix := range []string{".url", ".ip"} {
			if app, ok := strings.CutSuffix(rest, suffix); ok && app != "" {
				return byName[ssoPrefix+"<appid>"+suffix], app
			}
		}
	}
	return nil, ""
}

// nearest gives the known name that a misspelt one is closest to, or "" if
// none is close.
func nearest(name string) string {
	name = strings.ToLower(name)
	if len(name) > 100 {
		return ""
	}
	best, at := max(2, len(name)/6)+1, ""
	for _, p := range params {
		if d := distance(name, strings.ToLower(p.Name), best); d < best {
			best, at = d, p.Name
		}
	}
	return at
}

// distance is the number of letters to add, drop, change or swap with their
// neighbour; limit if it is that or more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
			least = min(least, cur[j])
		}
		if least >= limit {
			return limit
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return min(prev[len(b)], limit)
}
