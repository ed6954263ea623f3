package directory

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"factotum/server/calendar"
)

// domain is a hosted domain: a name space of its own below its base.
type domain struct {
	name   string // lower case; "" is the one nameless domain
	dn     string // of its entry, "" = there is none
	base   string // DN key below which its entries are, "" = everywhere
	active bool
	gone   bool    // it is marked as deleted
	auth   *filter // inetDomainSearchFilter
	tzid   string
	host   string // the first of icsDWPBackEndHosts
	most   int    // groupMaxSize, as calendar.Person.Most

	language    string // of people whose entry has none
	userACL     string // icsDefaultAccess: of new calendars of people
	resourceACL string // resourceDefaultAcl: of those of resources
	rules       *calendar.Domain
}

// domains are the domains of a directory at one time.
type domains struct {
	def    *domain // the default domain: always there
	byName map[string]*domain
	list   []*domain
	rules  *calendar.Domains // nil: no domain has an entry
}

// domainFilter finds the entries of domains.
var domainFilter = or(equal("objectclass", "inetDomain"), equal("objectclass", "icsCalendarDomain"),
	equal("objectclass", "sunManagedOrganization"))

// domainAttrs are the attributes of a domain entry that are read.
var domainAttrs = []string{
	"objectClass", "o", "sunPreferredDomain", "inetCanonicalDomainName", "associatedDomain", "inetDomainBaseDN",
	"inetDomainStatus", "inetDomainSearchFilter", "icsStatus", "icsAllowedServiceAccess", "icsTimezone", "icsDWPBackEndHosts",
	"icsExtendedDomainPrefs", "icsDomainNames", "icsAllowRights", "icsDefaultAccess", "icsSessionTimeout", "icsAnonymousLogin",
}

// newDomains makes domains from their entries. ldap.md §7; with a base of its
// own (inetDomainBaseDN) an entry is one of schema 1's DC tree.
func newDomains(found []*entry, defaultName string, firstIsDefault, apart bool, log func(e *entry, err error)) *domains {
	ds := &domains{byName: map[string]*domain{}}
	for _, e := range found {
		names := domainNames(e)
		if len(names) == 0 {
			continue
		}
		d := &domain{
			name:   names[0],
			dn:     e.dn,
			base:   e.key,
			active: statusOK(e.one("inetdomainstatus")) && serviceOK(e.one("icsstatus"), e.one("icsallowedserviceaccess")),
			gone:   statusGone(e.one("inetdomainstatus")) || statusGone(e.one("icsstatus")),
			tzid:   e.one("icstimezone"),
			host:   fold(e.one("icsdwpbackendhosts")),
			most:   groupMaxSize(e),
		}
		if b := e.one("inetdomainbasedn"); b != "" {
			d.base = dnKey(b)
		}
		if s := e.one("inetdomainsearchfilter"); s != "" {
			if f, err := parseFilter(s); err != nil {
				log(e, err)
			} else {
				d.auth = &f
			}
		}
		d.read(e, names[1:], func(err error) { log(e, err) })
		ds.list = append(ds.list, d)
		for _, n := range names {
			if ds.byName[n] == nil {
				ds.byName[n] = d
			}
		}
	}
	if defaultName == "" && firstIsDefault && len(ds.list) > 0 {
		defaultName = ds.list[0].name
	}
	if ds.def = ds.byName[defaultName]; ds.def == nil {
		ds.def = &domain{name: defaultName, active: true, rules: &calendar.Domain{Name: defaultName, Active: true}}
		if defaultName != "" {
			ds.byName[defaultName] = ds.def
		}
	}
	for _, d := range ds.list { // user ids of the default domain are without it
		if id, _, _ := strings.Cut(d.rules.Admin, "@"); id != "" && d != ds.def {
			d.rules.Admin = id + "@" + d.name
		} else {
			d.rules.Admin = id
		}
	}
	if len(ds.list) > 0 {
		others := make([]*calendar.Domain, len(ds.list))
		for i, d := range ds.list {
			others[i] = d.rules
		}
		ds.rules = calendar.NewDomains(ds.def.rules, others, apart)
	}
	return ds
}

// groupMaxSize is that of a domain's icsExtendedDomainPrefs, as calendar.Person.Most;
// what cannot be read counts as none. ldap.md §7.2.
func groupMaxSize(e *entry) int {
	switch n, err := strconv.Atoi(domainPref(e, "groupMaxSize")); {
	case err != nil || n < -1:
		return 0
	case n == 0: // any
		return math.MaxInt
	default:
		return n
	}
}

// domainNames returns the names of a domain entry, the preferred one first.
func domainNames(e *entry) (names []string) {
	for _, a := range []string{"sunpreferreddomain", "inetcanonicaldomainname", "associateddomain"} {
		for _, v := range e.all(a) {
			names = append(names, fold(v))
		}
	}
	if len(names) > 0 {
		return names
	}
	var dc []string // dc=sesta,dc=com,o=internet
	for p := range strings.SplitSeq(e.key, ",") {
		v, ok := strings.CutPrefix(p, "dc=")
		if !ok {
			break
		}
		dc = append(dc, v)
	}
	switch o := e.one("o"); {
	case len(dc) > 0:
		return []string{strings.Join(dc, ".")}
	case o != "":
		return []string{fold(o)}
	}
	return nil
}

// of returns the domain an entry is in: the deepest whose base is above it.
func (ds *domains) of(key string) *domain {
	var best *domain
	for _, d := range ds.list {
		if below(key, d.base) && (best == nil || len(d.base) > len(best.base)) {
			best = d
		}
	}
	if best == nil {
		return ds.def
	}
	return best
}

// holds reports whether people of other domains stand below the base of a domain.
func (ds *domains) holds(d *domain) bool {
	return d.base != "" && slices.ContainsFunc(ds.list, func(o *domain) bool { return o != d && o.base != d.base && below(o.base, d.base) })
}

// id joins user and domain to a canonical user id.
func (ds *domains) id(user string, d *domain) string {
	if d == ds.def || d.name == "" {
		return user
	}
	return user + "@" + d.name
}

// BackEnd returns the back end of a domain's new users (icsDWPBackEndHosts),
// "" if its entry names none. No domain, or one that is not ours, is the default one.
func (d *Directory) BackEnd(ctx context.Context, name string) (host string, err error) {
	ds, err := d.src.domains(ctx)
	if err != nil {
		return "", unavailable("read domains", err)
	}
	if dom := ds.byName[fold(name)]; dom != nil {
		return dom.host, nil
	}
	return ds.def.host, nil
}

// Base is the name below which the entries of a domain are, "" is the default
// one; "" where they are anywhere. NotFound if there is no such domain.
func (d *Directory) Base(ctx context.Context, name string) (string, error) {
	ds, err := d.src.domains(ctx)
	if err != nil {
		return "", unavailable("read domains", err)
	}
	dom := ds.def
	if name != "" {
		if dom = ds.byName[fold(name)]; dom == nil {
			return "", noDomain(name)
		}
	}
	if dom.base == "" {
		return d.opt.LDAP.BaseDN, nil
	}
	return dom.base, nil
}

// split cuts a name with a known domain in two; ok is false if the domain is
// not ours.
func (ds *domains) split(name, separators string) (user string, d *domain, ok bool) {
	for i := range len(separators) {
		if at := strings.LastIndexByte(name, separators[i]); at > 0 {
			if d := ds.byName[name[at+1:]]; d != nil {
				return name[:at], d, true
			}
		}
	}
	return name, ds.def, false
}
