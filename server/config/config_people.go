package config

import "time"

// Domain is how users are told apart when there are several domains.
type Domain struct {
	Default         string // of logins and calids without one
	LoginSeparators string // tried in turn
	Schema          int    // 1 or 2
	DCRoot          string // schema 1
	Root            string // schema 2
	Scope           string // primary or select
	Admin           string // service.siteadmin.userid
	AdminCred       Secret
}

// Directory is where people come from.
type Directory struct {
	Type       string // ldif or ldap
	LDIF       string // path of the LDIF file
	LDIFReload time.Duration
	Identity   []string // attributes
}

// LDAPServer is one use of an LDAP directory.
type LDAPServer struct {
	Hosts    []string // host or host:port, tried in turn
	Port     int      // of hosts without one
	BaseDN   string
	BindDN   string // "" binds anonymously
	BindCred Secret
	PoolSize int // least connections
	MaxPool  int // most connections
}

// LDAP is the directory.
type LDAP struct {
	UserGroup     LDAPServer // local.ugldap*
	Auth          LDAPServer // local.authldap*
	Lookup        LDAPServer // local.lookupldap*
	MailLookup    LDAPServer // local.maillookupldap*
	PrefsBindDN   string     // local.enduseradmindn
	PrefsBindCred Secret
	TLS           string // none, starttls, ldaps
	CAFile        string
	Timeout       time.Duration
	UserPrefs     []string // names allowed in icsExtendedUserPrefs
	ProxyAuth     bool     // service.wcap.userprefs.ldapproxyauth
	Cache         LDAPCache
}

// LDAPCache is the cache of what the directory said.
type LDAPCache struct {
	Enable  bool
	TTL     time.Duration
	Cleanup time.Duration
}

// Lookup is how attendees and calendars are found in the directory.
type Lookup struct {
	MinWildcard      int    // shortest string that is searched with a wildcard; 0 always
	MaxUsers         int    // most results; 0 without limit
	Plain            string // how jdoe is read: uid, cn, gid, res, mailto, cap
	WithAt           string // how jdoe@sesta.com is read
	WithBlank        string // how "John Doe" is read
	AuthFilter       string
	ResourceInUGLDAP bool
	Calid            string
	CNDirect         string
	CNSearch         string
	GID              string
	MailInDomain     string
	MailOutDomain    string
	Resource         string
	UIDDirect        string
	UIDSearch        string
	MailToCalid      string
	SearchLDAP       bool // service.calendarsearch.ldap
	PrimaryOwner     string
	SecondaryOwner   string
	Attr             Attributes
}

// Attributes are the names of the directory's attributes and object classes:
// local.lookupldapsearchattr.*.
type Attributes struct {
	Calid, Calendar, Mail, MailAlternate, MailEquivalent, CN, GroupID, Owner, CoOwner, DefaultACL, DoubleBook, ACLGroup,
	DWPHost, GivenName, SN, UID, ObjectClass, ClassUser, ClassResource, ClassGroup, ClassPerson, MemberURL, UniqueMember,
	TimeZone, AutoAccept string
}

// Auth is logging in.
type Auth struct {
	Filter       string        // local.user.authfilter
	LoginPause   time.Duration // service.plaintextloginpause
	CacheSize    int           // 0 remembers no logins
	CacheBytes   int64         // room for remembered logins
	CacheTTL     time.Duration
	Recheck      time.Duration // how often a remembered login looks at LDAP again
	Workers      int           // passwords hashed at once; 0 is half of the cores
	Argon2       Argon2
	MaxFailures  int // failed logins of a user at an address after which there are waits
	FailWindow   time.Duration
	Wait         time.Duration // first wait
	MaxWait      time.Duration // longest wait
	Delay        time.Duration // until a failed login is answered
	MaxDelay     time.Duration // bounds Delay
	AppPasswords bool
	PasswordFile string // hashes of app passwords and of users in LDIF
}

// Argon2 is the cost of new password hashes.
type Argon2 struct{ Memory, Passes, Lanes int }

// SSO is single sign-on.
type SSO struct {
	Enable       bool
	AppID        string
	Prefix       string
	CookieDomain string
	SignOff      bool
	UserDomain   string
	Apps         []SSOApp // sorted by ID
}

// SSOApp is an application of the trusted circle.
type SSOApp struct{ ID, URL, IP string }
