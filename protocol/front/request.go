package front

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
)

// readyTimeout is how long the question whether we are ready may take.
const readyTimeout = 3 * time.Second

// requestIDs makes ids that no other process makes: eight random octets and a
// number.
type requestIDs struct {
	prefix string
	n      *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var b [8]byte
	rand.Read(b[:])
	return requestIDs{hex.EncodeToString(b[:]) + "-", new(atomic.Uint64)}
}

func (r *requestIDs) next() string { return r.prefix + strconv.FormatUint(r.n.Add(1), 36) }

// NoteUser tells the access log who asks, once that is known.
func NoteUser(ctx context.Context, user string) {
	if rec, ok := ctx.Value(recordKey{}).(*recorder); ok {
		rec.user = user
	}
}

// Agent is what the client calls itself, for those who log what they refuse.
func Agent(ctx context.Context) string {
	if rec, ok := ctx.Value(recordKey{}).(*recorder); ok {
		return rec.agent
	}
	return ""
}

// Host is the name that the client calls this server by, in lower case and without
// a port, "" if it is none.
func Host(ctx context.Context) string {
	if rec, ok := ctx.Value(recordKey{}).(*recorder); ok {
		return rec.host
	}
	return ""
}

// hostName is the name in a Host field. RFC 9110 §7.2.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// outer begins and ends every request: id, client's address, deadline, size
// limits, log.
func (s *Server) outer(inner, packed http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, agent: r.UserAgent(), start: time.Now(), patience: s.opt.WriteTimeout}
		id := s.ids.next()
		from := s.client(r)
		if given := r.Header.Get("X-Request-Id"); from.proxy && plausibleID(given) {
			id = given
		}
		rec.work = newWork(calendar.WithRequestID(r.Context(), id), rec, s.opt.RequestTimeout)
		defer rec.work.close()
		r = r.WithContext(rec.work)
		r.RemoteAddr, r.Host = from.remote, from.host
		rec.host = hostName(r.Host)
		if from.proxy && from.secure {
			r.Header.Set("X-Forwarded-Proto", "https") // in whatever form it was said
		}
		r.URL = oneSlash(r.URL)
		w.Header()["X-Request-Id"] = []string{id}
		defer s.end(rec, r, id)

		read := func(bool) {}
		if c, ok := r.Context().Value(connKey{}).(*trackedConn); ok {
			read = c.serving(r)
		}
		if s.refuse(rec, r, from.secure) {
			read(r.ContentLength == 0)
			return
		}
		if r.ContentLength != 0 {
			in := s.receive(rec, r)
			if r.Header.Get("Expect") == "" {
				rec.in = in
			}
			defer func() {
				read(in.done)
				in.finish()
			}()
			r.Body = http.MaxBytesReader(w, in, s.opt.BodyBytes)
		}
		if acceptsGzip(r) {
			packed.ServeHTTP(rec, r)
		} else {
			inner.ServeHTTP(rec, r)
		}
	})
}

// oneSlash takes several slashes in a row for one, as programs mean them that
// put addresses together. What is encoded stays so, for the protocols to judge.
func oneSlash(u *url.URL) *url.URL {
	if !strings.Contains(u.Path, "//") {
		return u
	}
	short := *u
	if u.RawPath == "" {
		short.Path = slashes.ReplaceAllLiteralString(u.Path, "/")
		return &short
	}
	short.RawPath = slashes.ReplaceAllLiteralString(u.RawPath, "/")
	path, err := url.PathUnescape(short.RawPath)
	if err != nil {
		return u
	}
	short.Path = path
	return &short
}

var slashes = regexp.MustCompile("//+")

// refuse answers what no protocol needs to see.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, secure bool) bool {
	switch {
	case !s.welcome(r):
		w.Header().Set("Connection", "close")
		text(w, http.StatusForbidden, "This server does not serve your address.")
	case r.ContentLength > s.opt.BodyBytes:
		w.Header().Set("Connection", "close")
		text(w, http.StatusRequestEntityTooLarge, "The request is larger than this server takes.")
	case !identity(r.Header.Get("Content-Encoding")):
		// Nobody compresses requests but those who send bombs. RFC 7694 §3.
		w.Header().Set("Accept-Encoding", "identity")
		w.Header().Set("Connection", "close")
		text(w, http.StatusUnsupportedMediaType, "Requests must not be compressed.")
	case s.opt.SecureLogin && !secure && !isLocal(r.RemoteAddr) && r.URL.Path != "/healthz" && r.URL.Path != "/readyz":
		s.toTLS(w, r)
	default:
		if len(r.TransferEncoding) > 0 && r.ProtoMajor == 1 {
			// Behind a Content-Length that was overruled could hide another
			// request. RFC 9112 §6.3.
			w.Header().Set("Connection", "close")
		}
		return false
	}
	return true
}

// welcome goes by the client's address; who asks for our health from this
// host is no client.
func (s *Server) welcome(r *http.Request) bool {
	o := &s.opt
	if len(o.Allowed) == 0 && len(o.Denied) == 0 {
		return true
	}
	if isLocal(r.RemoteAddr) && (r.URL.Path == "/healthz" || r.URL.Path == "/readyz") {
		return true
	}
	a := calendar.ClientAddr(r.RemoteAddr)
	switch {
	case !a.IsValid(): // a unix socket: no address to go by
		return true
	case contains(o.Allowed, a):
		return true
	case contains(o.Denied, a):
		return false
	}
	return len(o.Allowed) == 0 || len(o.Denied) > 0
}

func identity(encoding string) bool {
	return encoding == "" || strings.EqualFold(strings.TrimSpace(encoding), "identity")
}

// toTLS sends a client to the same place over TLS.
func (s *Server) toTLS(w http.ResponseWriter, r *http.Request) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if host == "" || strings.ContainsAny(host, " /\\@?#") {
		text(w, http.StatusForbidden, "Log in over https only.")
		return
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p := s.opt.SecurePort; p != 0 && p != 443 {
		host = fmt.Sprintf("%s:%d", host, p)
	}
	w.Header().Set("Location", "https://"+host+r.URL.EscapedPath())
	text(w, http.StatusPermanentRedirect, "Use https.")
}

// guard notes a panic before compression finishes what was begun.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if rec, ok := r.Context().Value(recordKey{}).(*recorder); ok {
				rec.cut = true
			}
			if p != http.ErrAbortHandler {
				s.log.ErrorContext(r.Context(), "HTTP request panicked", "req", calendar.RequestID(r.Context()),
					"op", r.Method, "err", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			panic(p)
		}()
		next.ServeHTTP(w, r)
	})
}

// end answers for a handler that panicked, and tells log and statistics.
func (s *Server) end(rec *recorder, r *http.Request, id string) {
	p := recover()
	if p != nil {
		rec.cut = false
		if p == http.ErrAbortHandler || rec.status != 0 {
			s.tell(rec, r, id)
			panic(http.ErrAbortHandler) // half an answer must not look whole
		}
		clear(rec.Header())
		rec.Header().Set("X-Request-Id", id)
		rec.Header().Set("Connection", "close")
		plain(rec, http.StatusInternalServerError)
	}
	s.tell(rec, r, id)
}

func (s *Server) tell(rec *recorder, r *http.Request, id string) {
	took := time.Since(rec.start)
	status := rec.status
	if status == 0 {
		status = http.StatusOK
	}
	route := routeOf(r.Method, r.URL.Path)
	if s.opt.Observe != nil {
		s.opt.Observe(Seen{Method: knownMethod(r.Method), Route: route, Status: status, Bytes: rec.bytes, Took: took})
	}
	if s.opt.Access == nil {
		return
	}
	host := r.RemoteAddr
	if a := calendar.ClientAddr(host); a.IsValid() {
		host = a.String()
	}
	s.opt.Access.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("req", id), slog.String("remote", host), slog.String("user", rec.user), slog.String("op", knownMethod(r.Method)),
		slog.String("route", route), slog.Int("status", status), slog.Int64("bytes", rec.bytes), slog.Duration("dur", took),
		slog.String("agent", calendar.Agent(rec.agent)))
}

// routeOf classes a path for log and statistics: few words, and nothing of
// what clients put into names.
func routeOf(method, path string) string {
	switch {
	case strings.HasPrefix(path, "/dav/"), path == "/dav", strings.HasPrefix(path, "/principals"), strings.HasPrefix(path, "/.well-known/caldav"):
		return "dav"
	case path == "/healthz", path == "/readyz":
		return "health"
	case strings.HasSuffix(path, ".wcap"):
		return "wcap"
	case path == "/":
		if method == http.MethodGet || method == http.MethodHead {
			return "page"
		}
		return "dav"
	}
	return "other"
}

func knownMethod(m string) string {
	switch m {
	case "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "MKCALENDAR", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "ACL":
		return m
	}
	return "OTHER"
}

func (s *Server) isProxy(a netip.Addr) bool { return contains(s.opt.Proxies, a) }

func contains(nets []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range nets {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func isTLS(r *http.Request) bool {
	return r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func isLocal(remote string) bool {
	a := calendar.ClientAddr(remote)
	return !a.IsValid() || a.IsLoopback() // no address: a unix socket
}

// plausibleID bounds what a proxy may give as a request id.
func plausibleID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_' || c == '.')
	})
}

func acceptsGzip(r *http.Request) bool {
	for _, v := range r.Header["Accept-Encoding"] {
		if strings.Contains(v, "gzip") {
			return true
		}
	}
	return false
}
