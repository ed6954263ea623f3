package front

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"
	"github.com/klauspost/compress/gzhttp"

	"factotum/server/calendar"
	"factotum/templates"
)

// davMethods are those that chi does not know by itself.
var davMethods = []string{"PROPFIND", "PROPPATCH", "MKCOL", "MKCALENDAR", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "ACL", "SEARCH", "BIND"}

func init() {
	for _, m := range davMethods {
		chi.RegisterMethod(m)
	}
}

// routes is the tree of the package comment.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(notFound)
	r.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusMethodNotAllowed) })
	r.Get("/healthz", s.healthz)
	r.Head("/healthz", s.healthz)
	r.Get("/readyz", s.readyz)
	r.Head("/readyz", s.readyz)
	if dav := s.opt.CalDAV; dav != nil {
		for _, p := range []string{"/.well-known/caldav", "/.well-known/caldav/", "/dav", "/dav/*", "/principals", "/principals/*", "/"} {
			r.Handle(p, dav)
		}
	}
	if s.opt.Events != nil {
		r.Handle("/events", s.opt.Events)
		r.Handle("/events/", s.opt.Events)
	}
	r.Get("/", s.page)
	r.Head("/", s.page)
	if wcap := s.opt.WCAP; wcap != nil {
		for _, p := range []string{"/wcap/*", "/iwc/svc/wcap/*", "/*"} {
			r.Handle(p, wcap)
		}
		r.Post("/", wcap.ServeHTTP)
	}
	dav := s.opt.CalDAV
	if dav == nil {
		return r
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// Nearly all requests go to one place: they need no table, and no
		// copy of the request to carry what was found in it.
		if strings.HasPrefix(req.URL.Path, "/dav/") && knownMethod(req.Method) != "OTHER" {
			dav.ServeHTTP(w, req)
			return
		}
		// Who would make a calendar somewhere else is told where it can be made.
		if req.Method == "MKCALENDAR" || req.Method == "MKCOL" {
			dav.ServeHTTP(w, req)
			return
		}
		r.ServeHTTP(w, req)
	})
}

// handler is the whole chain: the request's record outside, then compression,
// then the protocols.
func (s *Server) handler() http.Handler {
	inner := s.guard(s.routes())
	packed := inner
	if s.opt.Gzip {
		// Level 1: twice the speed of the others for a tenth more octets. ETags
		// stay as they are, since clients send them back in If-Match.
		wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(1024), gzhttp.CompressionLevel(1),
			gzhttp.ContentTypes([]string{"application/xml", "text/xml", "text/html", "application/json"}))
		if err != nil {
			panic(err) // the options above are constant
		}
		packed = wrap(inner)
	}
	all := s.outer(inner, packed)
	if s.opt.Challenge != nil {
		all = s.opt.Challenge(all)
	}
	return all
}

func notFound(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusNotFound) }

// plain answers with the status in words and nothing else.
func plain(w http.ResponseWriter, status int) { text(w, status, http.StatusText(status)) }

func text(w http.ResponseWriter, status int, msg string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, msg+"\n")
}

// healthz says that the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok") }

// readyz says whether it can do its work: the store or the back ends answer,
// and it is not being stopped.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		text(w, http.StatusServiceUnavailable, "stopping")
		return
	}
	if s.opt.Ready != nil {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := s.opt.Ready(ctx); err != nil {
			s.log.DebugContext(r.Context(), "not ready", "err", err)
			said := "not ready"
			if msg := calendar.MessageOf(err); msg != "" { // what is meant for everybody
				said += ": " + msg
			}
			text(w, http.StatusServiceUnavailable, said)
			return
		}
	}
	text(w, http.StatusOK, "ready")
}

// page tells a person who opens the server's address in a browser what to
// give to a calendar program.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	scheme := "http"
	if isTLS(r) {
		scheme = "https"
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	host := r.Host
	if before, after, ok := strings.Cut(s.opt.PublicURL, "://"); ok {
		scheme, host = before, after
	}
	if host == "" || strings.ContainsAny(host, " \t<>\"'/\\") {
		host = "localhost"
	}
	err := templates.Front(w, templates.FrontPage{
		URL: fmt.Sprintf("%s://%s/", scheme, host), Host: host, TLS: scheme == "https",
		CalDAV: s.opt.CalDAV != nil, WCAP: s.opt.WCAP != nil,
	})
	if err != nil {
		s.log.DebugContext(r.Context(), "write the front page", "err", err)
	}
}
