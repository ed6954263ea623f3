package config

import (
	"strings"
	"time"
)

// ENS is the event notification service.
type ENS struct {
	Enable         bool
	Host           string
	Port           int
	AdvancedTopics bool
	Topics         []Topic
	NATS           Secret // URL of an outside NATS cluster; "" for the built-in one
	Secret         Secret // what enpd is shown; "" for that of this host
	CAFile         string // signs the certificates of the cluster, or of enpd on another host; "" for DWP's
	Logins         bool
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
	// ResourceReplies has organizers mailed about what rooms answer too.
	ResourceReplies bool

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
