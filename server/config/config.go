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
	Standby   Standby
	Deleted   Deleted
	Journal   Journal
	History   History
	Audit     Audit
	Log       Log
	Alerts    Alerts
	Monitor   Monitor
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

// Monitor is csmonitor's.
type Monitor struct {
	Continuous bool          // without a command it watches
	Delay      time.Duration // between two rounds
	From, To   string        // of its mails; "" as Alerts has them
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
