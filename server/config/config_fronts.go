package config

import "time"

// ACME is an authority that gives certificates by itself. RFC 8555.
type ACME struct {
	Hosts     []string // whose certificates it is asked for; none: it is not used
	Directory string   // its address
	Agree     bool     // to its terms
	Email     string
	CAFile    string // of its own certificate, "" = the system's authorities
}

// HTTP is cshttpd.
type HTTP struct {
	Enable          bool
	Listen          string // "" for all addresses
	Port            int
	TLSEnable       bool // listen on TLSPort; needs CertFile, or names in ACME
	TLSPort         int
	ACME            ACME
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

	Standby string // the host that serves when this one does not; "": there is none
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
	Fronts      []string  // hosts that have to reach the back ends
	BackEnds    []BackEnd // sorted by host
	InitConns   int
	MaxConns    int
	Timeout     time.Duration // of a call without a deadline of its own
	DialTimeout time.Duration
	KeepAlive   time.Duration
	Silence     time.Duration
	RetryAfter  time.Duration // told to clients while a back end is down
	CacheBytes  int64         // room for lists of back ends; -1: a share of memory
	Socket      string        // unix socket of csdwpd; "" for none
}
