// Package events tells clients what happens in calendars while it happens, as
// server-sent events over HTTP, as the HTML standard has them:
//
//	GET /events/?calid=anna&calid=ben:work
//
// Who asks logs in as for CalDAV and must be allowed to read the calendars; without
// a calid they are all of his own. Each event has an id, what happened as its name
// (caleventcreate, calendarmodify, …), and as its data an object of JSON with calid,
// uid, href, what and when. It says nothing of what is in an object: who wants to
// know asks for it, with his rights.
//
// Events are hints. Where some may be missing an event named resync says so, and
// the client looks for itself, by sync-collection for instance: after a pause of the
// event notification service, for who is too slow, and where a Last-Event-ID is too old. A stream ends
// with an event named end when its reader may no longer have it.
package events

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"factotum/server/calendar"
)

// Calendars tells what may be read: a part of calendar.Backend.
type Calendars interface {
	Calendars(ctx context.Context, who calendar.Actor, req calendar.CalendarsRequest) ([]calendar.CalendarResult, error)
}

// Options are what a Handler needs. Backend and Login are required.
type Options struct {
	Backend Calendars
	Login   func(ctx context.Context, user, password string, remote netip.Addr) (calendar.Person, error)
	// Href is the address of an object, or of a calendar where name is empty.
	Href func(id calendar.ID, name string) string
	// Up tells whether the event notification service answers; nil: it does.
	Up func() bool

	PerUser   int           // streams of one user; 0: 8
	Heartbeat time.Duration // between signs of life; 0: 20 s
	Recheck   time.Duration // between looks at rights and password; 0: 30 s
	Logger    *slog.Logger  // nil discards
}

// Event is one thing that happened.
type Event struct {
	Calendar calendar.ID
	UID      string
	Name     string // of the object within its calendar
	What     string // caleventcreate, …
	When     string // RFC 3339
}

// Handler serves the streams.
type Handler struct {
	opt   Options
	realm string // of the ids: another process, or start, has another

	mu      sync.Mutex
	n       uint64 // of the last event
	log     []entry
	streams map[*stream]struct{}
	users   map[string]int
	closed  bool
}

// entry is an event with its number.
type entry struct {
	n uint64
	Event
}

// Bounds: what is remembered for who comes back, and what waits for who is slow.
const (
	remembered = 4096
	waiting    = 256
)

// New makes a Handler.
func New(opt Options) *Handler {
	opt.PerUser = cmp.Or(opt.PerUser, 8)
	opt.Heartbeat, opt.Recheck = cmp.Or(opt.Heartbeat, 20*time.Second), cmp.Or(opt.Recheck, 30*time.Second)
	opt.Logger = cmp.Or(opt.Logger, slog.New(slog.DiscardHandler))
	if opt.Up == nil {
		opt.Up = func() bool { return true }
	}
	return &Handler{opt: opt, realm: rand.Text()[:10], streams: map[*stream]struct{}{}, users: map[string]int{}}
}

// stream is one answer that goes on.
type stream struct {
	user  string // canonical
	cals  map[calendar.ID]bool
	own   calendar.Owner // all calendars of his, unless ""
	wake  chan struct{}  // there is something; of length 1
	queue []entry        // under Handler.mu
	gap   bool           // something is missing
	check bool           // rights may have changed
}

func (s *stream) wants(e *Event) bool {
	return s.cals[e.Calendar] || s.own != "" && e.Calendar.Owner() == s.own
}

func (s *stream) stir() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Tell brings an event to the streams that want it. It waits for nobody.
func (h *Handler) Tell(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	if len(h.log) >= 2*remembered {
		h.log = slices.Clone(h.log[remembered:])
	}
	h.log = append(h.log, entry{h.n, e})
	for s := range h.streams {
		if !s.wants(&e) {
			continue
		}
		if len(s.queue) >= waiting {
			s.queue, s.gap = nil, true
		}
		s.queue = append(s.queue, entry{h.n, e})
		s.check = s.check || strings.HasPrefix(e.What, "calendar") // its rights may be others
		s.stir()
	}
}

// Resync tells everybody that something may be missing.
func (h *Handler) Resync() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	h.log = nil
	for s := range h.streams {
		s.queue, s.gap = nil, true
		s.stir()
	}
}

// Streams is how many there are.
func (h *Handler) Streams() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.streams)
}

// Close ends all streams and refuses new ones.
func (h *Handler) Close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for s := range h.streams {
		s.stir()
	}
}

// open adds a stream, with what it has missed since last, an id of ours. why says
// what is wrong otherwise.
func (h *Handler) open(s *stream, last string) (why refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return stopping
	case h.users[s.user] >= h.opt.PerUser:
		return tooMany
	}
	if last != "" {
		n, ok := h.number(last)
		if !ok || n > h.n || n < h.n && (len(h.log) == 0 || n+1 < h.log[0].n) {
			s.gap = true
		} else {
			for _, e := range h.log {
				if e.n > n && s.wants(&e.Event) {
					s.queue = append(s.queue, e)
				}
			}
			if len(s.queue) > waiting {
				s.queue, s.gap = nil, true
			}
		}
	}
	h.streams[s] = struct{}{}
	h.users[s.user]++
	s.stir()
	return admitted
}

func (h *Handler) end(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, s)
	if h.users[s.user]--; h.users[s.user] <= 0 {
		delete(h.users, s.user)
	}
}

type refusal uint8

const (
	admitted refusal = iota
	stopping
	tooMany
)

// take is what a stream has to tell now.
func (h *Handler) take(s *stream) (list []entry, gap, check, closed bool, at uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, gap, check = s.queue, s.gap, s.check
	s.queue, s.gap, s.check = nil, false, false
	return list, gap, check, h.closed, h.n
}

func (h *Handler) id(n uint64) string { return h.realm + "-" + strconv.FormatUint(n, 10) }

func (h *Handler) number(id string) (uint64, bool) {
	text, ok := strings.CutPrefix(id, h.realm+"-")
	n, err := strconv.ParseUint(text, 10, 64)
	return n, ok && err == nil
}
