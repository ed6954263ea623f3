package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"factotum/server/calendar"
)

// maxCalendars of one stream.
const maxCalendars = 100

// statuses are those of what goes wrong before a stream begins.
var statuses = map[calendar.Kind]int{
	calendar.LoginFailed: http.StatusUnauthorized, calendar.NoCalendar: http.StatusNotFound, calendar.NotFound: http.StatusNotFound,
	calendar.Denied: http.StatusForbidden, calendar.Invalid: http.StatusBadRequest, calendar.TooMany: http.StatusBadRequest,
	calendar.MustWait: http.StatusTooManyRequests, calendar.Unavailable: http.StatusServiceUnavailable, calendar.NoBackend: http.StatusServiceUnavailable,
}

// reader is who asks: his password is kept, to be looked at again.
type reader struct {
	user, password string
	calendar.Person
	who calendar.Actor
}

// ServeHTTP answers GET with a stream.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		say(w, http.StatusMethodNotAllowed, "Events are asked for with GET.")
		return
	}
	ctx := r.Context()
	me, err := h.login(ctx, r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	s, err := h.subscription(ctx, me, r.URL.Query()["calid"])
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	if !h.opt.Up() {
		w.Header().Set("Retry-After", "30")
		say(w, http.StatusServiceUnavailable, "The event notification service does not answer.")
		return
	}
	last := r.Header.Get("Last-Event-ID")
	switch h.open(s, last) {
	case stopping:
		w.Header().Set("Retry-After", "5")
		say(w, http.StatusServiceUnavailable, "The server is stopping.")
		return
	case tooMany:
		w.Header().Set("Retry-After", "60")
		say(w, http.StatusTooManyRequests, fmt.Sprintf("A user has at most %d streams of events; end one.", h.opt.PerUser))
		return
	}
	defer h.end(s)
	head := w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // a proxy that gathers answers must not
	head.Set("X-Content-Type-Options", "nosniff")
	h.stream(ctx, &writer{w: w, flush: http.NewResponseController(w).Flush}, me, s, r)
}

// stream writes until the client leaves, or may not stay.
func (h *Handler) stream(ctx context.Context, w *writer, me *reader, s *stream, r *http.Request) {
	beat, recheck := time.NewTicker(h.opt.Heartbeat), time.NewTicker(h.opt.Recheck)
	defer beat.Stop()
	defer recheck.Stop()
	w.text("retry: 5000\n")
	if r.Header.Get("Last-Event-ID") == "" {
		_, _, _, _, at := h.take(s)
		w.event(h.id(at), "ready", "{}")
	}
	for w.send() {
		look := false
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			w.text(": \n\n")
			continue
		case <-recheck.C:
			look = true
		case <-s.wake:
		}
		list, gap, check, closed, at := h.take(s)
		if look || check {
			if why := h.lost(ctx, me, s, r); why != "" {
				h.tell(w, list) // what has happened, the deletion of a calendar for instance
				w.event("", "end", fmt.Sprintf(`{"why":%q}`, why))
				w.send()
				return
			}
		}
		if gap {
			first := at
			if len(list) > 0 {
				first = list[0].n - 1
			}
			w.event(h.id(first), "resync", "{}")
		}
		h.tell(w, list)
		if closed {
			w.send()
			return
		}
	}
}

// data is what an event tells.
type data struct {
	Calid calendar.ID `json:"calid"`
	UID   string      `json:"uid,omitempty"`
	Href  string      `json:"href,omitempty"`
	What  string      `json:"what"`
	When  string      `json:"when"`
}

func (h *Handler) tell(w *writer, list []entry) {
	for _, e := range list {
		d := data{Calid: e.Calendar, UID: e.UID, What: e.What, When: e.When}
		if h.opt.Href != nil {
			d.Href = h.opt.Href(e.Calendar, e.Name)
		}
		text, err := json.Marshal(d)
		if err != nil {
			continue // strings are always writable
		}
		w.event(h.id(e.n), e.What, string(text))
	}
}

// login asks who it is, as CalDAV does. RFC 7617.
func (h *Handler) login(ctx context.Context, r *http.Request) (*reader, error) {
	me := &reader{}
	var ok bool
	if me.user, me.password, ok = r.BasicAuth(); !ok || me.user == "" || bad(me.user) || bad(me.password) {
		return nil, &calendar.Error{Kind: calendar.LoginFailed, Op: "log in"}
	}
	return me, h.again(ctx, me, r)
}

func bad(s string) bool {
	return len(s) > 1024 || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}

func (h *Handler) again(ctx context.Context, me *reader, r *http.Request) (err error) {
	if me.Person, err = h.opt.Login(ctx, me.user, me.password, calendar.ClientAddr(r.RemoteAddr)); err == nil {
		me.who = me.ActorVia("events", r.UserAgent())
	}
	return err
}

// subscription is what somebody asks for, if he may read it.
func (h *Handler) subscription(ctx context.Context, me *reader, calids []string) (*stream, error) {
	s := &stream{user: me.ID, cals: map[calendar.ID]bool{}, wake: make(chan struct{}, 1)}
	if len(calids) == 0 {
		s.own = calendar.Owner(me.ID)
		return s, nil
	}
	if len(calids) > maxCalendars {
		return nil, calendar.Failf(calendar.TooMany, "", "watch calendars", "", "A stream has at most %d calendars.", maxCalendars)
	}
	var ids []calendar.ID
	for _, c := range calids {
		if c == "" || bad(c) {
			return nil, calendar.Failf(calendar.Invalid, "", "watch calendars", "", "A calid is missing.")
		}
		ids = append(ids, calendar.ID(c))
	}
	list, err := h.opt.Backend.Calendars(ctx, me.who, calendar.CalendarsRequest{IDs: ids, Objects: true})
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		if c.Err != nil {
			return nil, c.Err
		}
		s.cals[c.Calendar.ID] = true
	}
	return s, nil
}

// lost tells why a reader may not go on; "" if he may, or nobody can tell now.
func (h *Handler) lost(ctx context.Context, me *reader, s *stream, r *http.Request) (why string) {
	if err := h.again(ctx, me, r); err != nil {
		if calendar.KindOf(err) == calendar.LoginFailed {
			return "login"
		}
		return ""
	}
	if s.own != "" {
		return ""
	}
	var ids []calendar.ID
	for id := range s.cals {
		ids = append(ids, id)
	}
	list, err := h.opt.Backend.Calendars(ctx, me.who, calendar.CalendarsRequest{IDs: ids, Objects: true})
	if err != nil {
		return ""
	}
	for _, c := range list {
		switch calendar.KindOf(c.Err) {
		case calendar.NoCalendar, calendar.NotFound, calendar.Denied:
			return "rights"
		}
	}
	return ""
}

// refuse says why there is no stream.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	kind := calendar.KindOf(err)
	status, ok := statuses[kind]
	if !ok {
		status = http.StatusInternalServerError
		h.opt.Logger.ErrorContext(r.Context(), "open a stream of events", "req", calendar.RequestID(r.Context()), "kind", kind, "err", err)
	}
	switch status {
	case http.StatusUnauthorized:
		w.Header().Set("WWW-Authenticate", `Basic realm="Calendar", charset="UTF-8"`)
		say(w, status, "Please log in.")
		return
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "30")
	}
	msg := calendar.MessageOf(err)
	if msg == "" {
		msg = http.StatusText(status)
	}
	say(w, status, msg)
}

func say(w http.ResponseWriter, status int, msg string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	io.WriteString(w, msg+"\n")
}

// writer writes the lines of a stream.
type writer struct {
	w     io.Writer
	flush func() error
	buf   []byte
	err   error
}

func (w *writer) text(s string) { w.buf = append(w.buf, s...) }

// event adds one; what it says has no line ends.
func (w *writer) event(id, name, data string) {
	if id != "" {
		w.buf = fmt.Appendf(w.buf, "id: %s\n", id)
	}
	w.buf = fmt.Appendf(w.buf, "event: %s\ndata: %s\n\n", name, data)
}

// send sends what was written, and tells whether the client takes it.
func (w *writer) send() bool {
	if len(w.buf) > 0 && w.err == nil {
		if _, w.err = w.w.Write(w.buf); w.err == nil {
			w.err = w.flush()
		}
		w.buf = w.buf[:0]
	}
	return w.err == nil
}
