// Package operator mails the administrator what he must know: Sun's alarms, admin.md
// §6.13. An alarm is raised by whoever sees it, as often as he sees it, and lowered when it
// is over. Mail goes out when one begins, again while it lasts, and when it is over.
//
// A mail goes to its server at once and is no job of the store, since what it tells may be
// that nothing can be stored. What was told is kept in a file, so that a process that starts
// again and again does not write each time.
package operator

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Alarm is something that the administrator must know.
type Alarm struct {
	What  string // in a few words; with About it is the alarm's name
	About string // of which: a directory, a service
	Value string // its state, in a word or a number
	Says  string // what is the matter, and what mends it
	To    string // who is told, "" for Options.To
	// Every is after how long it is told again while it lasts; 0: never.
	Every time.Duration
}

// Options are choices.
type Options struct {
	From, To string // To may be several addresses, with commas between
	Host     string // this one
	Template string // "" for Sun's: see compose
	// Send hands a mail to a server.
	Send func(ctx context.Context, from, to string, data []byte) error
	File string // where it is kept what was told; "": nowhere
	Now  func() time.Time
	Log  *slog.Logger
}

const (
	// leastPause lies between two mails about one alarm, whatever happens.
	leastPause = 10 * time.Minute
	// firstRetry is the pause after a mail that could not be sent; it doubles.
	firstRetry = time.Minute
	mostRetry  = time.Hour
	// sendTimeout is for how long a server is waited for.
	sendTimeout = 2 * time.Minute
	// lastWait is for how long, where Run is to end: who was mailed, and it is not kept, is
	// mailed again.
	lastWait = 5 * time.Second
)

// Mailer tells of alarms. A nil one tells nobody.
type Mailer struct {
	opt  Options
	wake chan struct{}

	mu    sync.Mutex
	known map[name]*state
	retry time.Time     // not before
	pause time.Duration // after the next failure
}

type name struct{ what, about string }

// state is what is known of an alarm.
type state struct {
	Alarm
	since time.Time
	seen  bool      // by this process
	told  time.Time // the last mail about it
	on    bool      // what that mail said
	mails int       // by this process
	over  time.Time // when it was, zero while it lasts
}

// New begins with what was told before.
func New(opt Options) *Mailer {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	m := &Mailer{opt: opt, known: map[name]*state{}, wake: make(chan struct{}, 1), pause: firstRetry}
	if err := m.load(); err != nil {
		opt.Log.Warn("what the administrator was told is not known: he may be told again", "file", opt.File, "err", err)
	}
	return m
}

// Raise tells that something is the matter, or still is.
func (m *Mailer) Raise(a Alarm) {
	if m == nil {
		return
	}
	m.mu.Lock()
	s := m.known[name{a.What, a.About}]
	if s == nil {
		s = &state{since: m.opt.Now()}
		m.known[name{a.What, a.About}] = s
	}
	if !s.over.IsZero() {
		s.since, s.over = m.opt.Now(), time.Time{}
	}
	s.Alarm, s.seen = a, true
	m.mu.Unlock()
	m.look()
}

// Lower tells that it is over.
func (m *Mailer) Lower(what, about string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	s := m.known[name{what, about}]
	if s != nil && s.over.IsZero() {
		s.over = m.opt.Now()
	}
	m.mu.Unlock()
	if s != nil {
		m.look()
	}
}

func (m *Mailer) look() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Run sends mails until ctx ends. One that is under way then has some seconds left.
func (m *Mailer) Run(ctx context.Context) {
	if m == nil {
		return
	}
	for ctx.Err() == nil {
		s, next := m.due()
		if s != nil {
			m.tell(ctx, s)
			continue
		}
		select {
		case <-ctx.Done():
		case <-m.wake:
		case <-time.After(next):
		}
	}
}

// Told is how many mails about an alarm this process has sent, and when the last one
// was.
func (m *Mailer) Told(what, about string) (mails int, last time.Time) {
	if m == nil {
		return 0, last
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.known[name{what, about}]; s != nil {
		return s.mails, s.told
	}
	return 0, last
}

// TellNow sends what is due, for who does not Run.
func (m *Mailer) TellNow(ctx context.Context) {
	for m != nil && ctx.Err() == nil {
		s, _ := m.due()
		if s == nil {
			return
		}
		m.tell(ctx, s)
	}
}

// due finds an alarm of which to tell, or after how long there is one.
func (m *Mailer) due() (*state, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now, next := m.opt.Now(), mostRetry
	for k, s := range m.known {
		at, ever := s.next()
		if !ever {
			if !s.on && !s.over.IsZero() && now.Sub(s.told) >= leastPause {
				delete(m.known, k)
			}
			continue
		}
		if at.Before(m.retry) {
			at = m.retry
		}
		if wait := at.Sub(now); wait > 0 {
			next = min(next, wait)
			continue
		}
		return s, 0
	}
	return nil, next
}

// next is when to tell of it.
func (s *state) next() (at time.Time, ever bool) {
	is := s.over.IsZero()
	switch {
	case is && !s.seen:
		return at, false
	case is != s.on:
		at = s.since
		if !is {
			at = s.over
		}
		if pause := s.told.Add(leastPause); !s.told.IsZero() && at.Before(pause) {
			at = pause
		}
		return at, true
	case is && s.Every > 0:
		return s.told.Add(max(s.Every, leastPause)), true
	}
	return at, false
}

// tell mails how an alarm is now.
func (m *Mailer) tell(ctx context.Context, s *state) {
	m.mu.Lock()
	is := *s
	m.mu.Unlock()
	err := m.send(ctx, &is)
	if err != nil && ctx.Err() != nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err != nil {
		if m.pause == firstRetry {
			m.opt.Log.Error("the administrator cannot be mailed: see alarm.msgalarmnoticehost and alarm.msgalarmnoticercpt", "about", is.What+" "+is.About, "err", err)
		}
		m.retry = m.opt.Now().Add(m.pause)
		m.pause = min(2*m.pause, mostRetry)
		return
	}
	m.pause = firstRetry
	s.told, s.on = m.opt.Now(), is.over.IsZero()
	s.mails++
	m.opt.Log.Info("the administrator is told", "about", is.What+" "+is.About, "over", !s.on)
	if err := m.save(); err != nil {
		m.opt.Log.Warn("it cannot be kept what the administrator was told: he may be told again", "file", m.opt.File, "err", err)
	}
}

func (m *Mailer) send(ctx context.Context, s *state) (err error) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		if pause(last, lastWait) == nil {
			cancel()
		}
	})()
	from, to, err := m.addresses(s)
	if err != nil {
		return err
	}
	data, taken := m.compose(s), 0
	for _, t := range to {
		if one := m.opt.Send(last, from, t, data); one == nil {
			taken++
		} else {
			err = errors.Join(err, one)
		}
	}
	if taken > 0 && err != nil {
		m.opt.Log.Warn("not every administrator could be mailed", "err", err)
		return nil
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
