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

import "time"

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
	History   History
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

// History is how long, and how much of, what writes replaced and deleted is kept.
type History struct {
	Age   time.Duration
	Bytes int64
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

// GSE is the group scheduling engine.
type GSE struct {
	RefreshReplies bool
	RetryExpires   time.Duration
	RetryInterval  time.Duration
}
