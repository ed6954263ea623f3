package wcap

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/session"
	"factotum/server/zone"
)

// Options are what a front needs. Backend, People, Login and Sessions are
// required; zero fields of the rest get the defaults named.
type Options struct {
	Backend calendar.Backend
	People  calendar.People
	// Login checks a name and a password; remote is the address of the client.
	// It fails with calendar.LoginFailed, or Unavailable if nobody can tell.
	// Slowing guesses down is its business.
	Login    func(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error)
	Sessions *session.Sessions
	// Credential is what a session notes of the password that opened it, and
	// Stands tells whether it still holds: neither was changed, nor the account
	// shut. Nil: sessions do not ask.
	Credential func(ctx context.Context, id calendar.UserID, password string) string
	Stands     func(ctx context.Context, id calendar.UserID, credential string) bool
	// Session is told of each session that a login begins, and that a logout ends.
	// Nil: nobody is.
	Session  func(s session.Session, begun bool)
	Settings Settings
	Logger   *slog.Logger     // nil discards
	Now      func() time.Time // nil = time.Now
}

// Settings are what ics.conf decides for WCAP.
type Settings struct {
	Admins           []string       // service.admin.calmaster.userid, service.http.admins: user ids that are administrators
	ProxyLogin       bool           // service.http.allowadminproxy: proxyauth of login
	ProxyFrom        []netip.Prefix // service.http.proxydomainallowed: whence; empty is anywhere
	LowerCase        bool           // calstore.calendar.create.lowercase: calids are what they are in lower case
	Anonymous        bool           // service.http.allowanonymouslogin: log in as anonymous, and ask without a session
	AnonymousWrite   bool           // service.wcap.anonymous.allowpubliccalendarwrite
	AnonymousCalid   string         // calstore.anonymous.calid; "anonymous"
	Cookies          bool           // service.http.cookies: login sets one, and it stands for a missing id
	BindAddress      bool           // service.http.ipsecurity: a session is for the address that logged in
	ModifyPrefs      bool           // service.admin.calmaster.wcap.allowgetmodifyuserprefs
	CreateCalendars  bool           // service.wcap.allowcreatecalendars
	DeleteCalendars  bool           // service.wcap.allowdeletecalendars
	ValidateOwners   bool           // service.wcap.validateowners
	PublicWritable   bool           // service.wcap.allowpublicwritablecalendars
	SetPrefs         []string       // service.wcap.allowsetprefs.<name>: preferences of the directory that users may change
	Format           string         // service.wcap.format; "text/calendar"
	Version          string         // service.wcap.version when it is 3 or more; "4.0.0"
	ServerVersion    string         // of the program, shown by version
	DefaultTZID      string         // calstore.default.timezoneID; "UTC"
	FreeBusyBegin    int            // service.wcap.freebusybegin, days before now
	FreeBusyEnd      int            // service.wcap.freebusyend, days after now
	FreeBusyRedirect string         // service.wcap.freebusy.redirecturl: where get_freebusy goes for calendars that are not here
	PartsOfOwners    bool           // service.calendarsearch.ldap.primaryownersearchfilter: search_calprops matches parts of owners' names
	RecurrenceBound  int            // most instances of a rule without end; 60
	MaxBody          int64          // octets of a request body; 16 MiB
	MaxCalids        int            // calendars of one request; 1000
	MaxIDs           int            // uids of one request; 5000
	SearchPeople     int            // owners that a calendar search takes from the directory; 200
	PublicURL        string         // service.http.sourceurl or its TLS form: how clients reach this server; "" is as they asked
	SecureCookies    bool           // the service is reached over TLS only
	ForwardedRequest bool           // a trusted proxy ends TLS: cookies are Secure when X-Forwarded-Proto says https
}

func (s Settings) withDefaults() Settings {
	def := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	def(&s.FreeBusyBegin, 30)
	def(&s.FreeBusyEnd, 30)
	def(&s.RecurrenceBound, 60)
	def(&s.MaxCalids, 1000)
	def(&s.MaxIDs, 5000)
	def(&s.SearchPeople, 200)
	if s.MaxBody <= 0 {
		s.MaxBody = 16 << 20
	}
	if s.AnonymousCalid == "" {
		s.AnonymousCalid = "anonymous"
	}
	if s.Version == "" || s.Version[0] < '3' || s.Version[0] > '9' {
		s.Version = "4.0.0"
	}
	if s.ServerVersion == "" {
		s.ServerVersion = "6.3"
	}
	if _, ok := zone.Load(s.DefaultTZID); !ok {
		s.DefaultTZID = "UTC"
	}
	return s
}

// Handler serves WCAP. Make it with New. It keeps no state of its own but what
// it can make again, and serves any number of requests at once.
type Handler struct {
	be       calendar.Backend
	people   calendar.People
	login    func(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error)
	sessions *session.Sessions

	credential func(ctx context.Context, id calendar.UserID, password string) string
	stands     func(ctx context.Context, id calendar.UserID, credential string) bool
	session    func(s session.Session, begun bool)

	set    Settings
	log    *slog.Logger
	now    func() time.Time
	format format
	zones  zoneCache
	shown  shown
}

// New returns the front.
func New(o Options) *Handler {
	h := &Handler{
		be: o.Backend, people: o.People, login: o.Login, sessions: o.Sessions,
		set: o.Settings.withDefaults(), log: o.Logger, now: o.Now,
	}
	if h.credential = o.Credential; h.credential == nil {
		h.credential = func(context.Context, calendar.UserID, string) string { return "" }
	}
	if h.stands = o.Stands; h.stands == nil {
		h.stands = func(context.Context, calendar.UserID, string) bool { return true }
	}
	if h.session = o.Session; h.session == nil {
		h.session = func(session.Session, bool) {}
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.now == nil {
		h.now = time.Now
	}
	h.format, _ = formatNamed(o.Settings.Format)
	return h
}

// bases are where commands live, WCAP "URL forms"; the longest first.
var bases = []string{"/iwc/svc/wcap/", "/wcap/", "/"}

// CommandOf returns the command that a path names, and whether it is one of
// this front's paths at all: "/wcap/login.wcap" is login.
func CommandOf(path string) (command string, ok bool) {
	for _, b := range bases {
		if rest, found := strings.CutPrefix(path, b); found {
			name, is := strings.CutSuffix(rest, ".wcap")
			return name, is && name != "" && !strings.Contains(name, "/")
		}
	}
	return "", false
}

// ServeHTTP answers a command. What is not a command's path is 404.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := CommandOf(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	c := &call{Handler: h, ctx: r.Context(), r: r, name: name, cmd: commands[name], set: h.set}
	c.obeyHost()
	c.serve(w)
}

// isAdmin reports whether a person is the calendar administrator, with or
// without the right to override access control.
func (h *Handler) isAdmin(p calendar.Person) bool {
	return p.ID != "" && (p.Admin || slices.Contains(h.set.Admins, p.ID))
}
