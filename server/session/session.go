package session

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Options say where sessions are kept and how long. Zero fields get the
// defaults named.
type Options struct {
	Dir     string        // service.http.sessiondir.path; made if it is not there
	Idle    time.Duration // service.http.sessiontimeout: a session without use ends; 30 min
	Life    time.Duration // the longest life of a session; 24 h
	PerUser int           // sessions of one user; the one unused for longest makes room; 50
	Max     int           // service.http.maxsessions, of all users; 5000
	Now     func() time.Time
	Logger  *slog.Logger
}

// Anonymous is how many sessions all anonymous log-ins together may have. They
// carry no rights, so that crowding each other out is no harm.
const Anonymous = 500

// Session is whom an id stands for.
type Session struct {
	User  string `json:"user"`            // canonical user id, "" when anonymous
	Login string `json:"login,omitempty"` // the name as it was typed
	Entry string `json:"entry,omitempty"` // calendar.Person.Entry when he logged in
	By    string `json:"by,omitempty"`    // the administrator who logged in for the user
	// Credential is of the password that opened it; see directory.Credential.
	Credential string `json:"credential,omitempty"`
	Remote     string `json:"remote,omitempty"` // address of the client
	Lang       string `json:"lang,omitempty"`   // language of the session
	// Idle is after how long without use it ends, 0 is Options.Idle.
	Idle    time.Duration `json:"idle,omitempty"`
	Created time.Time     `json:"created"`
}

// Sessions are the log-ins of a front end. Make it with Open; it is safe for
// concurrent use, by several processes too.
type Sessions struct {
	opt Options

	mu    sync.Mutex
	known map[string]*entry // by file name: what we have seen of the directory
	most  int               // of them at once, so far
	swept time.Time
}

type entry struct {
	Session
	used time.Time
	here bool // it has no file, since the disk was full: this process alone knows it
}

// Open prepares the directory and reads what sessions it holds.
func Open(opt Options) (*Sessions, error) {
	opt.Idle = cmp.Or(opt.Idle, 30*time.Minute)
	opt.Life = cmp.Or(opt.Life, 24*time.Hour)
	opt.PerUser = cmp.Or(opt.PerUser, 50)
	opt.Max = cmp.Or(opt.Max, 5000)
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make session directory: %w", err)
	}
	if err := os.Chmod(opt.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("protect session directory: %w", err)
	}
	s := &Sessions{opt: opt, known: map[string]*entry{}}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sweep(); err != nil {
		return nil, err
	}
	return s, nil
}

// New begins a session and returns its id.
func (s *Sessions) New(of Session) (ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.opt.Now()
	if now.Sub(s.swept) >= time.Minute {
		if err := s.sweep(); err != nil {
			return "", err
		}
	}
	s.makeRoom(of.User)
	of.Created = now
	text, err := json.Marshal(of)
	if err != nil {
		return "", fmt.Errorf("write session: %w", err)
	}
	id := newID()
	name := id.file()
	err = s.write(name, text, now)
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if err != nil && !full {
		return "", fmt.Errorf("write session: %w", err)
	}
	if full { // who only wants to read, or to make room, gets in
		s.opt.Logger.Warn("the disk of the sessions is full: this one ends with the server", "err", err)
	}
	s.known[name] = &entry{of, now, full}
	s.most = max(s.most, len(s.known))
	return id, nil
}

// write makes the file. Nobody knows the id yet, so nobody reads half of it.
func (s *Sessions) write(name string, text []byte, now time.Time) error {
	path := s.path(name)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Chtimes(path, now, now)
	}
	if err != nil {
		os.Remove(path)
	}
	return err
}

func (s *Sessions) path(name string) string { return filepath.Join(s.opt.Dir, name) }

// makeRoom ends the sessions unused for longest until the user, and the front
// end as a whole, may have one more. The lock is held.
func (s *Sessions) makeRoom(user string) {
	limit := s.opt.PerUser
	if user == "" {
		limit = Anonymous
	}
	var own []string
	for name, e := range s.known {
		if e.User == user {
			own = append(own, name)
		}
	}
	s.evict(own, limit)
	if len(s.known) >= s.opt.Max {
		all := make([]string, 0, len(s.known))
		for name := range s.known {
			all = append(all, name)
		}
		s.evict(all, s.opt.Max)
	}
}

// evict ends sessions of names until fewer than limit are left.
func (s *Sessions) evict(names []string, limit int) {
	if len(names) < limit {
		return
	}
	slices.SortFunc(names, func(a, b string) int { return s.known[a].used.Compare(s.known[b].used) })
	for _, name := range names[:len(names)-limit+1] {
		s.remove(name)
	}
}

func (s *Sessions) remove(name string) {
	delete(s.known, name)
	if err := os.Remove(s.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.opt.Logger.Error("remove session", "err", err)
	}
}

// Use returns whom the id stands for and counts as a use of the session.
func (s *Sessions) Use(id ID) (Session, bool) { return s.find(id, true) }

// Peek is Use without prolonging the session: check_id.wcap.
func (s *Sessions) Peek(id ID) (Session, bool) { return s.find(id, false) }

func (s *Sessions) find(id ID, use bool) (Session, bool) {
	if !id.valid() {
		return Session{}, false
	}
	name := id.file()
	info, err := os.Stat(s.path(name))
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.known[name]; err != nil && e != nil && e.here {
		now := s.opt.Now()
		if s.over(e, now) {
			delete(s.known, name)
			return Session{}, false
		}
		if use {
			e.used = now
		}
		return e.Session, true
	}
	if err != nil {
		delete(s.known, name)
		if !errors.Is(err, fs.ErrNotExist) {
			s.opt.Logger.Error("look at session", "err", err)
		}
		return Session{}, false
	}
	e := s.known[name]
	if e == nil {
		if e = s.read(name); e == nil {
			return Session{}, false
		}
	}
	now := s.opt.Now()
	e.used = info.ModTime()
	if s.over(e, now) {
		s.remove(name)
		return Session{}, false
	}
	// A stamp is good for a while: not every request has to write one.
	if use && now.Sub(e.used) >= min(cmp.Or(e.Idle, s.opt.Idle)/20, time.Minute) {
		e.used = now
		if err := os.Chtimes(s.path(name), now, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.opt.Logger.Error("prolong session", "err", err)
		}
	}
	return e.Session, true
}

// over reports whether the session was unused, or used, for too long.
func (s *Sessions) over(e *entry, now time.Time) bool {
	return now.Sub(e.used) > cmp.Or(e.Idle, s.opt.Idle) || now.Sub(e.Created) > s.opt.Life
}

// read takes up a session that another process began. The lock is held.
func (s *Sessions) read(name string) *entry {
	text, err := os.ReadFile(s.path(name))
	if err != nil {
		return nil
	}
	e := &entry{}
	if len(text) > 8<<10 || json.Unmarshal(text, &e.Session) != nil || e.Created.IsZero() {
		return nil
	}
	s.known[name] = e
	return e
}

// End ends a session: logout. It reports whether there was one.
func (s *Sessions) End(id ID) bool {
	if !id.valid() {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := id.file()
	e := s.known[name]
	delete(s.known, name)
	return os.Remove(s.path(name)) == nil || e != nil && e.here
}

// EndUser ends every session of a user, when the account is shut or the
// password changed, and returns how many there were.
func (s *Sessions) EndUser(user string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.sweep(); err != nil {
		return 0, err
	}
	n := 0
	for name, e := range s.known {
		if e.User == user || e.By == user && user != "" {
			s.remove(name)
			n++
		}
	}
	return n, nil
}

// Len counts the sessions, as far as this process has seen them, and most is how many
// there have been when somebody asked.
func (s *Sessions) Len() (n, most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most = max(s.most, len(s.known))
	return len(s.known), s.most
}

// sweep looks at the whole directory: sessions that ended go, those of other
// processes are taken up. The lock is held.
func (s *Sessions) sweep() error {
	list, err := os.ReadDir(s.opt.Dir)
	if err != nil {
		return fmt.Errorf("read session directory: %w", err)
	}
	now := s.opt.Now()
	s.swept = now
	seen := make(map[string]bool, len(list))
	for _, f := range list {
		name := f.Name()
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() || len(name) != 32 {
			continue
		}
		e := s.known[name]
		if e == nil {
			if e = s.read(name); e == nil {
				if now.Sub(info.ModTime()) > s.opt.Idle { // damaged, and nobody is writing it now
					s.remove(name)
				}
				continue
			}
		}
		seen[name] = true
		if e.used = info.ModTime(); s.over(e, now) {
			s.remove(name)
		}
	}
	for name, e := range s.known {
		if !seen[name] && (!e.here || s.over(e, now)) {
			delete(s.known, name)
		}
	}
	return nil
}
