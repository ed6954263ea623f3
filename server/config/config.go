// Package config is ics.conf, in Sun's syntax, as one typed struct. It imports
// nothing of ours.
//
// A table (table_*.go) names every documented parameter once, with its kind,
// default, a sentence, and the field of Config that it fills. Parsing,
// checking, "config show", the sample file and docs/ics-conf.md all work from
// that table. Parameters of Sun's that have no field are accepted and have no
// effect, so that an old ics.conf can be used as it is; effects.go says why, and
// which of them somebody relies on.
//
// A Config is read once, at the start, and not changed after that.
package config

import (
	"strings"
	"time"
)

// Config is the effective configuration. Paths are absolute, or relative to
// the working directory if the file's own name was; sizes are in octets.
type Config struct {
	File string // the ics.conf, or a name for what was parsed; "" for the defaults
	Dir  string // its directory
	Data string // factotum.data.dir: what relative data paths are under

	Local     Local
	Domain    Domain
	Directory Directory
	LDAP      LDAP
	Lookup    Lookup
	Auth      Auth
	Admin     Admin
	HTTP      HTTP
	WCAP      WCAP
	Calstore  Calstore
	User      Kindred
	Resource  Resource
	Group     Group
	CLD       CLD
	DWP       DWP
	Store     Store
	Backup    Backup
	Deleted   Deleted
	Journal   Journal
	Log       Log
	Alerts    Alerts
	Watcher   Watcher
	ENS       ENS
	Notify    Notify
	Alarms    Alarms
	Mail      Mail
	IMIP      IMIP
	XMPP      XMPP
	Push      Push
	Hooks     Hooks
	GSE       GSE
	Limits    Limits
	SSO       SSO

	set       map[string]setting // by Param name, or by full name for variable ones
	suggested int                // names that a correction was looked for
}

// Local is this host and this instance.
type Local struct {
	Hostname           string // "" means the system's own
	Processes          string // one or each: how start-cal divides the roles
	Autoprovision      bool   // make default calendars when their owners first come to them
	SiteLanguage       string
	DomainLanguage     string
	SupportedLanguages []string
	DefaultMailDomain  string // local.smtp.defaultdomain
	Allow8BitHeaders   bool
	PIDDir             string
	LockDir            string
	CounterDir         string
	PluginDir          string
}

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

// Admin is the administrator and csadmind.
type Admin struct {
	User           string // service.admin.calmaster.userid
	Cred           Secret
	OverridesACL   bool
	ModifiesPrefs  bool
	LDAP           bool   // the administrator is in LDAP
	Enable         bool   // csadmind
	Listen         string // metrics and health
	SleepTime      time.Duration
	StartTime      time.Duration
	StopTime       time.Duration
	StopNext       time.Duration
	DiskUsage      bool
	ServerResponse bool
	SessionTimeout time.Duration
}

// HTTP is cshttpd.
type HTTP struct {
	Enable          bool
	Listen          string // "" for all addresses
	Port            int
	TLSEnable       bool // listen on TLSPort; needs CertFile
	TLSPort         int
	CertFile        string
	KeyFile         string
	SecureLogin     bool // no login in clear, except over loopback
	MaxSessions     int
	IdleTimeout     time.Duration // of a connection
	ResourceTimeout time.Duration
	SessionTimeout  time.Duration // of a WCAP session without use
	SessionLife     time.Duration // of a WCAP session in all
	HeaderTimeout   time.Duration
	ReadTimeout     time.Duration
	RequestTimeout  time.Duration // deadline of the work for one request
	WriteTimeout    time.Duration
	DrainTimeout    time.Duration
	TmpDir          string
	SessionDir      string
	AttachDir       string
	Admins          []string
	AllowProxyLogin bool
	ProxyAllowed    []string // addresses and networks
	Allowed         []string
	NotAllowed      []string
	AllowAnonymous  bool
	Cookies         bool
	IPSecurity      bool
	CalendarHost    string
	SourceURL       string
	TLSSourceURL    string
	UIDir           string // "" serves WCAP and CalDAV only
	LogAccess       bool
	Gzip            bool
	TrustedProxies  []string // addresses whose X-Forwarded-For and its like count
	MaxConns        int      // 0 without limit
	MaxPerAddr      int      // of one address; 0 without limit
	CalDAV          bool
}

// WCAP is what the WCAP front end allows.
type WCAP struct {
	CreateCalendars  bool
	DeleteCalendars  bool
	ChangePassword   bool
	PublicWritable   bool
	AnonymousWrite   bool
	LoginPublicRead  bool
	ValidateOwners   bool
	Format           string
	Version          string
	FreeBusyBegin    int // days before now
	FreeBusyEnd      int // days after now
	FreeBusyRedirect string
	SetCN            bool
	SetGivenName     bool
	SetCalendar      bool
	SetMail          bool
	SetLanguage      bool
	SetSN            bool
	MaxAttachment    int64
	MaxAttachments   int // of one component
}

// Calstore is how calendars behave.
type Calstore struct {
	AnonymousCalid    string
	LowerCase         bool
	DefaultACL        string
	OwnerACL          string
	TimeZone          string
	FilterPrivate     bool
	FreeBusyInclude   bool
	FreeBusyRemove    bool
	SubscribedInclude bool
	SubscribedRemove  bool
	GroupMaxSize      int // 0 any, -1 never expand
	RecurrenceBound   int
}

// Kindred is what users and resources have in common.
type Kindred struct {
	DoubleBook    bool
	DefaultACL    string // resources and groups
	Autoprovision bool
	Autoaccept    bool // resources and groups
}

// Resource is Kindred for resources, and what they take where their entries do
// not say.
type Resource struct {
	Kindred
	Series  string // decline, except, accept or ask
	Ahead   time.Duration
	Minutes int
	Bookers []string
}

// Group is Kindred for groups.
type Group struct {
	Kindred // Autoprovision makes the calendar for who asks for it, too
	Expand  bool
	Recheck time.Duration // how often that is looked for, 0 never
	Follow  bool          // meetings follow their changes
}

// CLD finds the back end of a calendar.
type CLD struct {
	Plugin   bool   // csapi.plugin.calendarlookup
	Type     string // local or directory
	Cache    bool
	CacheTTL time.Duration
	CacheMax int
}

// BackEnd is a host with csdwpd.
type BackEnd struct {
	Host  string // fully qualified, in lower case
	Port  int
	Admin string
	Cred  Secret
}

// DWP is the wire between front ends and back ends.
type DWP struct {
	Enable      bool // csdwpd
	Listen      string
	Port        int
	Admin       string
	Cred        Secret
	TLS         bool
	CertFile    string
	KeyFile     string
	CAFile      string
	IdleTimeout time.Duration
	MaxSessions int
	Default     string    // back end of owners without icsDWPHost
	BackEnds    []BackEnd // sorted by host
	InitConns   int
	MaxConns    int
	Timeout     time.Duration // of a call without a deadline of its own
	DialTimeout time.Duration
	KeepAlive   time.Duration
	RetryAfter  time.Duration // told to clients while a back end is down
	CacheBytes  int64         // room for lists of back ends; -1: a share of memory
	Socket      string        // unix socket of csdwpd; "" for none
}

// Store is csstored and the database.
type Store struct {
	Enable      bool   // both service.store.enable and local.store.enable
	Type        string // sqlite or postgres
	DSN         Secret
	Path        string // of the SQLite database
	Home        string // caldb.berkeleydb.homedir.path
	MaxConns    int    // 0 chooses
	Patience    time.Duration
	ReadOnly    bool
	Socket      string // of csstored
	Cache       int64
	Counters    bool
	Attachments string // directory

	localEnable bool
}

// Copies is one of the two kinds of backup.
type Copies struct {
	Enable    bool
	Path      string // "" means not configured
	Min, Max  int    // copies kept
	Threshold int    // percent of the disk used
}

// Backup is csstored's automatic backup.
type Backup struct {
	Hot      Copies
	Archive  Copies
	Interval time.Duration
	Circular bool // caldb.berkeleydb.circularlogging
}

// Deleted is how long deletions are remembered.
type Deleted struct {
	Purge        bool          // purge the delete log
	Interval     time.Duration // between purges
	Age          time.Duration // of entries of the delete log
	TombstoneAge time.Duration // of what sync-collection knows; older tokens are refused
	InboxAge     time.Duration // of scheduling messages in an inbox
}

// Journal is how long the steps of scheduling messages are told of.
type Journal struct {
	Age     time.Duration
	Entries int // of one owner
}

// Log is where and how much is logged.
type Log struct {
	Level         string // CRITICAL … DEBUG
	Target        string // stderr or file
	Format        string // text or json
	Dir           string
	Admin         string
	DWP           string
	HTTP          string
	Access        string
	Notify        string
	Store         string
	BufferSize    int64
	FlushInterval time.Duration
	Expiry        time.Duration
	MaxFiles      int
	MaxFileSize   int64
	MaxSize       int64
	MinFreeDisk   int64
	Rollover      time.Duration
}

// Alerts are messages to the administrator.
type Alerts struct {
	Enable            bool
	Recipient         string
	Sender            string
	Host              string
	Port              int
	Template          string
	CalMaster         string // caldb.calmaster: gets csstored's messages
	DiskText          string
	DiskInterval      time.Duration
	DiskThreshold     int
	DiskDirection     int
	DiskWarning       time.Duration
	ResponseText      string
	ResponseInterval  time.Duration
	ResponseThreshold int
	ResponseDirection int
	ResponseWarning   time.Duration
}

// Watcher restarts roles that crashed.
type Watcher struct {
	Enable  bool
	Restart bool          // both service.autorestart and local.autorestart
	Timeout time.Duration // a second crash within it is final

	localRestart bool
}

// ENS is the event notification service.
type ENS struct {
	Enable         bool
	Host           string
	Port           int
	AdvancedTopics bool
	Topics         []Topic
	NATS           Secret // URL of an outside NATS cluster; "" for the built-in one
	Secret         Secret // what enpd is shown; "" for that of this host
	Keep           time.Duration
	KeepBytes      int64
}

// Topic is one kind of change that is published: caldb.berkeleydb.ensmsg.*.
type Topic struct {
	Name        string // createevent, …
	Enable      bool
	URL         string
	ContentType string
}

// Notify is csnotifyd.
type Notify struct {
	Enable        bool
	MaxRetries    int
	RetryInterval time.Duration
	StartupRetry  time.Duration
}

// Alarms are reminders.
type Alarms struct {
	Enable        bool
	Dispatch      bool
	DispatchType  string // ens or smtp
	Mail          bool   // caldb.serveralarms.binary.enable
	MailURL       string
	URL           string
	ContentType   string
	Retry         time.Duration
	AckTimeout    time.Duration
	MaxRetries    int
	RetryInterval time.Duration
	Threads       int
	Late          time.Duration
	Recipients    int
	Outside       bool
}

// Mail is SMTP and the messages' templates.
type Mail struct {
	Host          string
	Port          int
	TemplateDir   string
	Templates     map[string]string // calmail.<key>.fname by key
	Invitations   bool              // ine.invitation.enable
	Cancellations bool
	Replies       bool

	Routes            map[string]Route // by domain in lower case; with a dot before it of those below it
	Direct            bool
	Timeout           time.Duration
	Security          string // relay.Security
	User              string
	Password          Secret
	Hello             string
	Envelope          string
	DKIMDomain        string
	DKIMSelector      string
	DKIMKey           string
	Connections, Each int
	Backoff, Notices  []time.Duration
	Past              bool
}

// Route is a server that takes the mail of some domain.
type Route struct {
	Host string
	Port int // 0: that of mail
}

// Mails reports whether the server sends mail.
func (c *Config) Mails() bool { return c.Notify.Enable && (c.Mail.Host != "" || c.Mail.Direct) }

// RouteOf finds the server that takes the mail of a domain; of two that do, the one
// whose name is more precise.
func (m *Mail) RouteOf(domain string) (r Route, ok bool) {
	domain = strings.ToLower(domain)
	if r, ok = m.Routes[domain]; ok {
		return r, true
	}
	for {
		_, above, more := strings.Cut(domain, ".")
		if !more {
			return Route{}, false
		}
		if r, ok = m.Routes["."+above]; ok {
			return r, true
		}
		domain = above
	}
}

// PopsUp reports whether there is an agent for pop-ups.
func (c *Config) PopsUp() bool { return c.Notify.Enable && c.XMPP.Enable && c.XMPP.Agent }

// XMPP is the agent that sends pop-ups.
type XMPP struct {
	Enable      bool
	Agent       bool
	JID         string
	Password    Secret
	Server      string // host:port
	Security    string // auto, or xmpp.Security
	CAFile      string
	Users       string // popup.Address
	Domains     []string
	ByRule      bool
	Headlines   bool
	Most        time.Duration
	Destination string
}

// IMIP is mail that comes in.
type IMIP struct {
	LMTP, SMTP  string // host:port, or a path
	AuthServID  string
	Unproven    bool
	Unsolicited string // admission.Unsolicited
	UserRules   bool
	Notify      bool
	Peers       []string

	Spamd, SpamdVerdict, SpamdAway string
	SpamdTimeout                   time.Duration
	Relays                         []string
}

// Push is WebDAV-Push.
type Push struct {
	Enable  bool
	VAPID   string
	Contact string
	Allow   []string // networks
	Limit   int
	Life    time.Duration
	Delay   time.Duration
}

// Hooks are webhooks.
type Hooks struct {
	Enable bool
	Allow  []string // networks
	Limit  int
	GiveUp time.Duration
}

// GSE is the group scheduling engine.
type GSE struct {
	RefreshReplies bool
	RetryExpires   time.Duration
	RetryInterval  time.Duration
}

// Limits bound what clients may ask for and store.
type Limits struct {
	ObjectSize  int64 // of one calendar object
	BodySize    int64 // of a request
	HeaderSize  int64
	Attendees   int   // of one component
	Exceptions  int   // of a series to which others are invited
	Instances   int   // occurrences computed for one object in one question
	Results     int   // objects of one answer; 0 without limit
	Hrefs       int   // of one multiget
	Calendars   int   // of one owner
	Quota       int64 // octets of one owner; 0 without limit
	XMLDepth    int
	XMLElements int
}

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
