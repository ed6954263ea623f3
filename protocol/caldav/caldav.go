// Package caldav is the CalDAV front: it turns the requests of RFC 4918 (DAV
// classes 1 and 3), RFC 4791, RFC 3744, RFC 5689 and RFC 6578 into calls of
// calendar.Backend, and what the calls return into XML.
//
// The tree is fixed:
//
//	/.well-known/caldav                  a redirect to the root, RFC 6764 §5
//	/dav/                                the root
//	/dav/principals/                     the principal collection
//	/dav/principals/<user>/              a person, group or resource
//	/dav/principals/<user>/calendar-proxy-read/  the group of his proxies, and -write
//	/dav/calendars/<user>/               a calendar home
//	/dav/calendars/<user>/<calendar>/    a calendar, or a plain collection
//	/dav/calendars/<user>/inbox/         scheduling messages that came, RFC 6638 §2.2
//	/dav/calendars/<user>/outbox/        where busy time is asked for, RFC 6638 §2.1
//	/dav/calendars/<user>/<calendar>/<o> a calendar object resource, or a file
//	/dav/calendars/<user>/~<calid>/      a calendar of somebody else in one's own home
//	/dav/push/<user>/<id>                a push registration, WebDAV-Push
//	/dav/hooks/<user>/<id>               a webhook, as JSON
//	/dav/history/<user>/<change>         a version that was replaced or deleted
//	/dav/notifications/<user>/           what one is told of others' sharing
//
// Plain collections nest: the name of the inner one is "outer/inner". Clients
// that know only the host also ask "/" and "/principals/", which answer as the
// root and the principal collection do.
//
// The front decides nothing about calendars: rights, preconditions and limits
// are the Backend's. It keeps no state, and a handler serves any number of
// requests at once. Every request is authenticated first, save the redirect.
package caldav

import (
	"context"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/protocol/dav"
	"factotum/server/acl"
	"factotum/server/calendar"
)

// Options are what a front needs. Backend, People and Login are required.
type Options struct {
	Backend calendar.Backend
	People  calendar.People
	// Login checks the credentials of a request; remote is the address of the
	// client (RemoteAddr), invalid if it is none. It fails with
	// calendar.LoginFailed, or Unavailable if nobody can tell. Slowing guesses
	// down is its business.
	Login    func(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error)
	Logger   *slog.Logger     // nil discards
	Realm    string           // of the Basic challenge, "" means "Calendar"
	Limits   Limits           // announced in properties, enforced by the Backend
	XML      dav.Limits       // of request documents
	OwnerACL acl.List         // the entries that no client can change, shown as protected; nil = acl.DefaultOwner
	Now      func() time.Time // nil = time.Now
	// Hosts are names of this server, with their ports where these are not the
	// usual ones: addresses with them are ours, as those are that have the Host of
	// the request.
	Hosts []string
	// RetryAfter is what clients are told to wait when the back end or the
	// directory does not answer; 0 = 10 s.
	RetryAfter time.Duration
	// Push is the key by which push services know the site; nil offers no push.
	Push interface {
		PublicKey() string
		Topic(parts ...string) string
	}
	// PublicURL is what clients reach this server by; "" = what each request says.
	PublicURL string
}

// Limits are announced as properties of calendars. RFC 4791 §5.2.5–5.2.9.
type Limits struct {
	ResourceSize int64 // octets of a calendar object resource, 0 = 10 MiB; larger bodies are not read
	Instances    int   // CALDAV:max-instances, 0 = not announced
	Attendees    int   // CALDAV:max-attendees-per-instance, 0 = not announced
	MultigetRefs int   // hrefs of one calendar-multiget, 0 = 50,000
	People       int   // principals in one answer, 0 = 500
}

func (l Limits) orDefault() Limits {
	if l.ResourceSize <= 0 {
		l.ResourceSize = 10 << 20
	}
	if l.MultigetRefs <= 0 {
		l.MultigetRefs = 50_000
	}
	if l.People <= 0 {
		l.People = 500
	}
	return l
}

// Handler serves CalDAV. Make it with New.
type Handler struct {
	be       calendar.Backend
	people   calendar.People
	login    func(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error)
	log      *slog.Logger
	realm    string
	limits   Limits
	xml      dav.Limits
	ownerACL acl.List
	now      func() time.Time
	hosts    []string
	// retryAfter is the value of the header.
	retryAfter string
	zones      zoneTexts
	davValues  []string
	push       interface {
		PublicKey() string
		Topic(parts ...string) string
	}
	publicURL string
	ours      *http.CrossOriginProtection
}

// New returns the front.
func New(o Options) *Handler {
	h := &Handler{
		be: o.Backend, people: o.People, login: o.Login, log: o.Logger, realm: o.Realm,
		limits: o.Limits.orDefault(), xml: o.XML, ownerACL: o.OwnerACL, now: o.Now,
		hosts: slices.Clip(o.Hosts), // appended to for each request
		push:  o.Push, publicURL: o.PublicURL, davValues: []string{davHeader},
	}
	if h.push != nil {
		h.davValues = []string{davHeader + ", webdav-push"}
	}
	h.ours = http.NewCrossOriginProtection()
	_ = h.ours.AddTrustedOrigin(strings.TrimSuffix(h.publicURL, "/")) // that is none where it has a path
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	if h.realm == "" {
		h.realm = "Calendar"
	}
	if h.ownerACL == nil {
		h.ownerACL = acl.MustParse(acl.DefaultOwner)
	}
	if h.now == nil {
		h.now = time.Now
	}
	if o.RetryAfter <= 0 {
		o.RetryAfter = 10 * time.Second
	}
	h.retryAfter = strconv.FormatInt(int64((o.RetryAfter+time.Second-1)/time.Second), 10)
	return h
}

// The fixed paths of the tree.
const (
	wellKnown      = "/.well-known/caldav"
	rootPath       = "/dav/"
	principalsPath = "/dav/principals/"
	calendarsPath  = calendar.CalendarsPath
)

// davHeader lists the compliance classes. Thunderbird throws the first token
// away, and Apple looks for the calendar tokens on principals too, so every
// answer has the same. No class 2: nothing is locked.
const davHeader = "1, 3, access-control, extended-mkcol, calendar-access, calendar-schedule, calendar-auto-schedule, calendar-availability, " +
	"calendar-proxy, calendarserver-sharing, calendarserver-principal-property-search, calendarserver-principal-search"

// request is one request on its way through the handler.
type request struct {
	*Handler
	w   http.ResponseWriter
	r   *http.Request
	ctx context.Context
	me  calendar.Person
	who calendar.Actor
	at  target

	people calendar.People // as the user sees them

	mine, through *calendar.Proxies // of the user, and of groups that he is in, once they were read
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == wellKnown || r.URL.Path == wellKnown+"/" {
		w.Header().Set("Location", rootPath)
		w.Header().Set("Cache-Control", "max-age=3600") // RFC 6764 §5
		w.Header().Set("Content-Length", "0")
		w.WriteHeader(http.StatusMovedPermanently)
		return
	}
	rq := request{Handler: h, w: w, r: r, ctx: r.Context()}
	w.Header()["Dav"] = h.davValues
	if err := rq.authenticate(); err != nil {
		rq.fail(err)
		return
	}
	if rq.forged() {
		rq.fail(errForged)
		return
	}
	path, err := dav.RequestPath(r.URL)
	if rest, ok := strings.CutPrefix(path, calendar.AttachmentsPath); ok && err == nil {
		if err = rq.attachment(rest); err != nil {
			rq.fail(err)
		}
		return
	}
	if handled, failed := rq.registered(path); handled && err == nil {
		if failed != nil {
			rq.fail(failed)
		}
		return
	}
	if err == nil {
		if rq.at, err = rq.locate(path); err != nil {
			err = rq.outside(path, err)
		}
	}
	if err == nil {
		err = rq.serve()
	}
	if err != nil {
		rq.fail(err)
	}
}

var errForged error = &dav.Error{Status: http.StatusForbidden, Text: "a page of another site had your browser send this; nothing was done"}

// forged tells whether somebody else's page may have made a browser send a
// request, with the password that it remembers (CSRF): a POST of the kinds that
// browsers send anywhere without asking first. Other methods and types they ask
// about, and are not answered yes. https://fetch.spec.whatwg.org/#cors-safelisted-request-header
func (rq *request) forged() bool {
	if rq.r.Method != http.MethodPost {
		return false
	}
	kind, _, err := mime.ParseMediaType(rq.r.Header.Get("Content-Type"))
	simple := err != nil || kind == "text/plain" || kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data"
	return simple && rq.ours.Check(rq.r) != nil
}

// outside answers for a path where nothing is and nothing can be made: what
// would make it is told that, or that what is to hold it is missing first. RFC
// 4918 §§9.3.1, 9.7.1, RFC 4791 §5.3.1.1.
func (rq *request) outside(path string, err error) error {
	switch rq.r.Method {
	case http.MethodPut, "MKCOL", "MKCALENDAR":
	default:
		return err
	}
	path = strings.TrimRight(path, "/")
	if _, noParent := rq.locate(path[:strings.LastIndexByte(path, '/')+1]); noParent != nil {
		return &dav.Error{Status: http.StatusConflict, Text: "the collection above does not exist"}
	}
	if rq.r.Method == http.MethodPut {
		return &dav.Error{Status: http.StatusForbidden, Text: "nothing can be put there"}
	}
	return errLocation
}

// serve dispatches. What is not found under a name without a slash at its end
// may be a nested collection.
func (rq *request) serve() error {
	err := rq.dispatch()
	if err == errMethod && (rq.at.place == atPrincipal || rq.at.place == atHome) {
		// What is not there has no methods: RFC 9110 §15.5.6.
		if there, unknown := rq.mapped(rq.at); unknown == nil && !there {
			return errNotFound
		}
	}
	if err == nil || rq.at.place != atObject || !slashMayLack(rq.r.Method) || calendar.KindOf(err) != calendar.NotFound {
		return err
	}
	inner := rq.at.asCollection()
	if _, notThere := rq.be.Calendar(rq.ctx, rq.who, inner.id()); notThere != nil {
		return err
	}
	rq.at = inner
	return rq.dispatch()
}

func slashMayLack(method string) bool {
	switch method {
	case "PROPFIND", "DELETE", "COPY", "MOVE":
		return true
	}
	return false
}

// dispatch calls the method's own file.
func (rq *request) dispatch() error {
	switch rq.r.Method {
	case http.MethodOptions:
		return rq.options()
	case http.MethodGet, http.MethodHead:
		return rq.get()
	case http.MethodPut:
		return rq.put()
	case http.MethodPost:
		return rq.post()
	case http.MethodDelete:
		return rq.delete()
	case "PROPFIND":
		return rq.propfind()
	case "PROPPATCH":
		return rq.proppatch()
	case "MKCALENDAR", "MKCOL":
		return rq.mkcol()
	case "COPY", "MOVE":
		return rq.copyMove()
	case "REPORT":
		return rq.report()
	case "ACL":
		return rq.setACL()
	case "LOCK", "UNLOCK", http.MethodPatch, http.MethodTrace, http.MethodConnect:
		return errMethod
	}
	return &dav.Error{Status: http.StatusNotImplemented}
}

var errMethod error = &dav.Error{Status: http.StatusMethodNotAllowed}

// decodeHref decodes an address that a client wrote.
func (rq *request) decodeHref(href string) (string, error) {
	return dav.DecodeHref(href, append(rq.hosts, rq.r.Host)...)
}

// xmlBody reads the document of the request, nil if there is none.
func (rq *request) xmlBody() (*dav.Node, error) { return dav.ReadXML(rq.r, rq.xml) }

// abort ends an answer that was begun: the error is answered if nothing was
// sent yet, else the connection is cut, so that nobody takes half for whole.
func (rq *request) abort(mw *dav.Writer, err error) error {
	if mw.Discard() {
		return err
	}
	rq.note(err)
	panic(http.ErrAbortHandler)
}
