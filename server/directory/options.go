package directory

import (
	"crypto/tls"
	"log/slog"
	"slices"
	"time"

	"factotum/server/calendar"
)

// Options say where people come from and how entries are read. The zero value
// of a field means the default that its comment names; ics.conf parameters
// are in parentheses.
type Options struct {
	// LDIF is the path of the file with the entries (factotum.directory.ldif).
	// Empty: people come from LDAP.
	LDIF string
	// PollEvery is how often the LDIF file is looked at for changes; 2 s.
	PollEvery time.Duration

	LDAP LDAPOptions

	// DefaultDomain is the domain of names without one (service.defaultdomain).
	// Empty with an LDIF file: the first domain entry of the file, if any.
	DefaultDomain string
	// Separators are tried in turn between user and domain in a login
	// (service.loginseparator); "@+".
	Separators string
	// Apart: nobody finds people of other domains, whatever these allow
	// (service.virtualdomain.scope = "primary").
	Apart bool
	// AuthFilter finds the entry of a login name (local.user.authfilter): %U is
	// the user part, %V the domain, %o the login as typed; "(uid=%U)". The
	// inetDomainSearchFilter of a domain entry comes first.
	AuthFilter string
	// ServiceOnly refuses people whose entry has no calendar service yet, that is
	// not the class icsCalendarUser (local.autoprovision = "no").
	ServiceOnly bool
	// Identity are attributes that tell an entry from one that is made later under
	// the same name, the first that an entry has counts (factotum.directory.identity).
	Identity []string
	// Admins are the user ids whose Person is marked Admin
	// (service.admin.calmaster.userid, service.siteadmin.userid, with
	// service.admin.calmaster.overrides.accesscontrol = "yes").
	Admins []string
	// Overrides is what a domain has that does not say whether access lists bind its
	// administrator (service.admin.calmaster.overrides.accesscontrol).
	Overrides bool
	// SearchLimit is the most entries Search returns (calstore.userlookup.maxsize);
	// 200, negative: no limit but maxSearch.
	SearchLimit int
	// Booking is what holds for groups and resources that do not say.
	Booking Booking
	// Attributes are the names of attributes and classes (local.lookupldapsearchattr.*).
	Attributes Attributes

	// Argon2 is the cost of new password hashes; DefaultArgon2.
	Argon2 Argon2

	Log *slog.Logger     // nil: discarded
	Now func() time.Time // nil: time.Now
}

// Booking are the defaults for entries that do not say what they take; the zero
// value is Sun's.
type Booking struct {
	calendar.Booking // of resources (factotum.resource.*)

	ResourceDoubles bool // resource.allow.doublebook = "yes"
	UserNoDoubles   bool // user.allow.doublebook = "no"
	GroupNoDoubles  bool // group.allow.doublebook = "no"
	ResourceManual  bool // resource.invite.autoaccept = "no"
	GroupAuto       bool // group.invite.autoaccept = "yes"
}

// LDAPOptions say how to reach the LDAP servers.
type LDAPOptions struct {
	// Hosts are tried in turn (local.ugldaphost, local.ugldapport): "host",
	// "host:port", "ldap://…", "ldaps://…" or "ldapi://" with an escaped path.
	Hosts []string
	// StartTLS upgrades ldap:// connections, and fails where that fails
	// (factotum.ldap.starttls).
	StartTLS bool
	// TLS is the configuration for ldaps:// and StartTLS; nil: the system's
	// roots. The server's name is filled in.
	TLS *tls.Config
	// BaseDN is where entries are looked for (local.ugldapbasedn). Must be set.
	BaseDN string
	// BindDN and BindCred are the identity of searches (local.ugldapbinddn,
	// local.ugldapbindcred); empty: anonymous.
	BindDN   string
	BindCred Secret
	// DomainBase is the root of the domain entries (service.schema2root, or
	// service.dcroot with schema 1); empty: one domain only.
	DomainBase string
	// DCTree: domains have their entries in a DC tree, and their people elsewhere
	// (schema 1).
	DCTree bool
	// MinConns stay open (local.ugldappoolsize); 1.
	MinConns int
	// MaxConns is the most connections of the search pool, and of the log-in
	// pool (local.ugldapmaxpool); 64.
	MaxConns int
	// Timeout is the most a single operation may take if the context allows
	// more (factotum.ldap.timeout); 10 s.
	Timeout time.Duration
	// Cooldown is how long a host that failed is passed over while others
	// answer (factotum.ldap.cooldown); 15 s.
	Cooldown time.Duration
	// IdleTime is how long an unused connection is kept; 5 min.
	IdleTime time.Duration
	// PageSize of paged searches (RFC 2696); 500.
	PageSize int
	// CacheTTL is how long an answer about one person is kept
	// (service.ldapmemcachettl); 30 s, negative: not at all.
	CacheTTL time.Duration
	// CacheSize is the number of people kept (factotum.ldap.cachesize); 10000.
	CacheSize int
}

// Secret is a string that does not show in logs.
type Secret string

func (Secret) String() string       { return "[redacted]" }
func (Secret) GoString() string     { return "[redacted]" }
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Attributes are the names under which a site keeps what we need
// (local.lookupldapsearchattr.<suffix>); an empty name is Sun's.
type Attributes struct {
	UID         string // uid
	GroupID     string // groupid
	CN          string // cn
	GivenName   string // givenname
	SN          string // sn
	Mail        string // mail
	MailAlt     string // mailalternateaddress
	MailEquiv   string // mailequivalentaddress
	Owner       string // owner
	CoOwner     string // coowner: icsSecondaryowners
	DefaultACL  string // defaultacl: icsDefaultacl
	DoubleBook  string // doublebook: icsDoublebooking
	AutoAccept  string // autoaccept: icsAutoaccept
	ACLGroup    string // aclgroup: aclGroupAddr
	DWPHost     string // dwphost: icsDWPHost
	Timezone    string // timezone: icsTimezone
	MemberURL   string // memberurl
	UniqueName  string // uniquemember
	Status      string // icsStatus
	Access      string // icsAllowedServiceAccess
	UserStatus  string // inetUserStatus
	Language    string // preferredLanguage
	IM          string // factotum.xmpp.users; "" is none
	ClassUser   string // objectclass.caluser: icsCalendarUser
	ClassRes    string // objectclass.calresource: icsCalendarResource
	ClassGroup  string // icsCalendarGroup
	ClassPerson string // objectclass.person: person
}

func (a Attributes) withDefaults() Attributes {
	for _, d := range []struct {
		name *string
		def  string
	}{
		{&a.UID, "uid"}, {&a.GroupID, "groupid"}, {&a.CN, "cn"}, {&a.GivenName, "givenname"}, {&a.SN, "sn"},
		{&a.Mail, "mail"}, {&a.MailAlt, "mailalternateaddress"}, {&a.MailEquiv, "mailequivalentaddress"},
		{&a.Owner, "owner"}, {&a.CoOwner, "icssecondaryowners"}, {&a.DefaultACL, "icsdefaultacl"},
		{&a.DoubleBook, "icsdoublebooking"}, {&a.AutoAccept, "icsautoaccept"}, {&a.ACLGroup, "aclgroupaddr"},
		{&a.DWPHost, "icsdwphost"}, {&a.Timezone, "icstimezone"}, {&a.MemberURL, "memberurl"},
		{&a.UniqueName, "uniquemember"}, {&a.Status, "icsstatus"}, {&a.Access, "icsallowedserviceaccess"},
		{&a.UserStatus, "inetuserstatus"}, {&a.Language, "preferredlanguage"},
		{&a.ClassUser, "icscalendaruser"}, {&a.ClassRes, "icscalendarresource"},
		{&a.ClassGroup, "icscalendargroup"}, {&a.ClassPerson, "person"},
	} {
		if *d.name == "" {
			*d.name = d.def
		}
		*d.name = fold(*d.name)
	}
	a.IM = fold(a.IM)
	return a
}

// wanted lists the attributes a search asks the LDAP server for.
func (o *Options) wanted() []string {
	a := &o.Attributes
	wanted := []string{
		"objectClass", a.UID, a.GroupID, a.CN, a.GivenName, a.SN, a.Mail, a.MailAlt, a.MailEquiv,
		a.Owner, a.CoOwner, a.DefaultACL, a.DoubleBook, a.AutoAccept, a.ACLGroup, a.DWPHost, a.Timezone,
		a.MemberURL, a.Status, a.Access, a.UserStatus, a.Language, capacityAttr, prefsAttr,
		"entryCSN", "modifyTimestamp", "whenChanged", "pwdChangedTime", "pwdLastSet", "pwdAccountLockedTime", "pwdReset", "lockoutTime",
		"userAccountControl", "nsAccountLock", "passwordExpirationTime", "accountUnlockTime",
	}
	if a.IM != "" {
		wanted = append(wanted, a.IM)
	}
	return append(wanted, o.Identity...)
}

func (o Options) withDefaults() Options {
	def(&o.PollEvery, 2*time.Second)
	def(&o.Separators, "@+")
	def(&o.AuthFilter, "(uid=%U)")
	def(&o.SearchLimit, 200)
	def(&o.LDAP.MinConns, 1)
	def(&o.LDAP.MaxConns, 64)
	def(&o.LDAP.Timeout, 10*time.Second)
	def(&o.LDAP.Cooldown, 15*time.Second)
	def(&o.LDAP.IdleTime, 5*time.Minute)
	def(&o.LDAP.PageSize, 500)
	def(&o.LDAP.CacheTTL, 30*time.Second)
	def(&o.LDAP.CacheSize, 10_000)
	o.DefaultDomain = fold(o.DefaultDomain)
	o.Attributes = o.Attributes.withDefaults()
	o.Identity = slices.Clone(o.Identity)
	for i, a := range o.Identity {
		o.Identity[i] = fold(a)
	}
	def(&o.Argon2, DefaultArgon2)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func def[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
