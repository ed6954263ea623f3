package calendar

import (
	"slices"
	"strings"
	"time"

	"factotum/server/acl"
)

// Domain is a hosted domain, a name space of people, as far as rules depend on
// it. What its entry does not say is nil, and ics.conf's to say. ldap.md §7.
type Domain struct {
	Name   string   // lower case; "" is the nameless one
	Names  []string // others that it has
	Active bool     // inetDomainStatus and icsStatus allow the service

	Searches []string // icsDomainNames: the domains whose people its own look for
	Guarded  bool     // it has an access list
	Access   acl.List // domainAccess: what others may do here at most

	Forbidden *uint32 // icsAllowRights: the bits of what is not allowed

	// Admin is its administrator, one of its own people: calmasterUid. By WCAP he makes and
	// deletes calendars of others in it, and logs in for them; "" is none.
	Admin     UserID
	Overrides *bool // calmasterAccessOverride: no access list in it binds him

	Anonymous     *bool // icsAnonymousLogin
	LowerCase     *bool // createLowerCase: calids are what they are in lower case
	ProxyLogin    *bool // allowProxyLogin
	FilterPrivate *bool // filterPrivateEvents
	PublicRead    *bool // setPublicRead

	CountDefault       *bool // fbIncludeDefCal: new default calendars of users count for their busy time
	SubscribeDefault   *bool // subIncludeDefCal: who never changed his list is subscribed to his default calendar
	UnsubscribeDefault *bool // subRemoveDefCal: and may take it out of the list

	SessionTimeout time.Duration // icsSessionTimeout; 0 = ics.conf
	Quota          int64         // quota: octets that its people store together; 0 = without limit
	HomeQuota      int64         // userQuota: octets of each; 0 = ics.conf
}

// DomainRight is a bit of icsAllowRights. ldap.md §7.3.
type DomainRight uint8

// The rights of which a domain may say whether its people have them.
const (
	CreateCalendars       DomainRight = 0
	DeleteCalendars       DomainRight = 1
	PublicWritable        DomainRight = 2
	ModifyUserPreferences DomainRight = 4
	DoubleBookUsers       DomainRight = 8
	DoubleBookResources   DomainRight = 9
	SetCN                 DomainRight = 10
	SetGivenName          DomainRight = 11
	SetMail               DomainRight = 12
	SetPreferredLanguage  DomainRight = 13
	SetSN                 DomainRight = 14
	DoubleBookGroups      DomainRight = 15
)

// Allows tells whether a domain lets its people do something; site is what
// ics.conf says, and holds where the domain's entry says nothing.
func (d *Domain) Allows(r DomainRight, site bool) bool {
	if d == nil || d.Forbidden == nil {
		return site
	}
	return *d.Forbidden>>r&1 == 0
}

// Or is what a domain says, and what the site says where it does not.
func Or(domain *bool, site bool) bool {
	if domain == nil {
		return site
	}
	return *domain
}

// Domains are the hosted domains of a directory at one time. Nil is one domain
// without rules of its own. It is safe for concurrent use.
type Domains struct {
	def    *Domain
	byName map[string]*Domain
	list   []*Domain
	apart  bool // nobody looks beyond his own: service.virtualdomain.scope="primary"
	blind  bool // what there is is not known
}

// UnknownDomains are those of a directory that has not answered yet: user ids that
// name different domains are strangers to each other.
func UnknownDomains() *Domains {
	ds := NewDomains(&Domain{Active: true}, nil, true)
	ds.blind = true
	return ds
}

// NewDomains puts domains together; def is that of user ids without one, and
// apart says that nobody finds people of others, whatever their entries say.
func NewDomains(def *Domain, others []*Domain, apart bool) *Domains {
	ds := &Domains{def: def, byName: map[string]*Domain{}, apart: apart}
	for _, d := range append([]*Domain{def}, others...) {
		if slices.Contains(ds.list, d) {
			continue
		}
		ds.list = append(ds.list, d)
		for _, n := range append([]string{d.Name}, d.Names...) {
			if n != "" && ds.byName[n] == nil {
				ds.byName[n] = d
			}
		}
	}
	return ds
}

// Of is the domain of a user id, nil if there are no domains.
func (ds *Domains) Of(id UserID) *Domain {
	if ds == nil {
		return nil
	}
	if at := strings.LastIndexByte(id, '@'); at >= 0 {
		if d := ds.byName[strings.ToLower(id[at+1:])]; d != nil {
			return d
		}
	}
	return ds.def
}

// Named finds a domain by one of its names, nil if it is none of these.
func (ds *Domains) Named(name string) *Domain {
	if ds == nil {
		return nil
	}
	return ds.byName[strings.ToLower(name)]
}

// All are the domains, the default one first.
func (ds *Domains) All() []*Domain {
	if ds == nil {
		return nil
	}
	return ds.list
}

// Ceiling is the most that somebody may do in the calendars of an owner, whatever
// their lists say. People of the owner's domain may do all; others what
// domainAccess of that domain grants them, and nothing where it has none. Who
// has not logged in is of no domain, and bound where there is such a list.
// admin.md §14.2, ldap.md §7.5.
func (ds *Domains) Ceiling(who Actor, owner Owner) (components, properties acl.Rights) {
	if ds == nil || who.Admin || ds.Administers(who, owner) {
		return acl.AllRights, acl.AllRights
	}
	if ds.blind && who.User != "" && !sameSuffix(who.User, string(owner)) {
		return 0, 0
	}
	return ds.within(who, ds.Of(string(owner)))
}

// Administers tells whether somebody has the administrator's rights for an owner, as the
// administrator of his domain.
func (ds *Domains) Administers(who Actor, owner Owner) bool {
	return ds != nil && who.Administers != "" && ds.Of(string(owner)).Name == who.Administers && !ds.blind
}

// Manager tells whether somebody is the administrator of the domain of a user.
func (ds *Domains) Manager(p Person, of UserID) bool {
	d := ds.Of(of)
	return d != nil && p.ID != "" && p.Kind == Individual && p.ID == d.Admin
}

// sameSuffix reports whether two user ids name the same domain, or none.
func sameSuffix(a, b UserID) bool {
	suffix := func(id string) string { return id[strings.LastIndexByte(id, '@')+1:] }
	as, bs := strings.Contains(a, "@"), strings.Contains(b, "@")
	return !as && !bs || as && bs && strings.EqualFold(suffix(a), suffix(b))
}

func (ds *Domains) within(who Actor, to *Domain) (components, properties acl.Rights) {
	r := acl.Requester{Groups: who.Groups}
	switch {
	case who.User != "":
		from := ds.Of(who.User)
		if from == to {
			return acl.AllRights, acl.AllRights
		}
		r.User, r.Domain = who.User, from.Name
	case !to.Guarded:
		return acl.AllRights, acl.AllRights
	}
	return to.Access.RightsOf(r, acl.Owners{Domain: to.Name})
}

// Sees tells whether somebody finds the people of a domain: those of his own, and
// of another one if both agree, his by icsDomainNames and that one by the right to
// look up (l) in domainAccess. ldap.md §7.5.
func (ds *Domains) Sees(who Actor, to *Domain) bool {
	if ds == nil || who.Admin {
		return true
	}
	if who.User != "" {
		switch from := ds.Of(who.User); {
		case from == to:
			return true
		case ds.apart, !slices.ContainsFunc(from.Searches, func(n string) bool { return ds.byName[n] == to }):
			return false
		}
	}
	c, _ := ds.within(who, to)
	return c.Has(acl.Lookup)
}

// SeesPerson is Sees for the domain of a person. Who is a member of a group by
// an address alone is of none.
func (ds *Domains) SeesPerson(who Actor, p *Person) bool {
	if ds != nil && ds.blind && p.ID != "" && !who.Admin && who.User != "" {
		return sameSuffix(who.User, p.ID)
	}
	return ds == nil || p.ID == "" || ds.Sees(who, ds.Of(p.ID))
}

// Hosted is a directory that has hosted domains. It does not wait: what it
// tells is what is known now, nil where nothing is known.
type Hosted interface {
	HostedDomains() *Domains
}

// DomainsOf are the hosted domains of a directory, nil if it has none.
func DomainsOf(people People) *Domains {
	if h, ok := people.(Hosted); ok {
		return h.HostedDomains()
	}
	return nil
}
