package dwp

import (
	"crypto/rand"
	"sync"
	"time"
)

// sessions are the greetings that a server remembers: bounded, and forgotten
// after a time without a call (service.dwp.maxsessions, .idletimeout).
type sessions struct {
	most int
	idle time.Duration
	now  func() time.Time

	mu   sync.Mutex
	used map[string]time.Time
}

func newSessions(most int, idle time.Duration, now func() time.Time) *sessions {
	return &sessions{most: most, idle: idle, now: now, used: make(map[string]time.Time)}
}

// open makes a session. When there are too many, the one unused longest ends.
func (s *sessions) open() string {
	id := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if len(s.used) >= s.most {
		var oldest string
		for k, t := range s.used {
			if now.Sub(t) > s.idle {
				delete(s.used, k)
			} else if oldest == "" || t.Before(s.used[oldest]) {
				oldest = k
			}
		}
		if len(s.used) >= s.most {
			delete(s.used, oldest)
		}
	}
	s.used[id] = now
	return id
}

// touch tells whether the session is known, and marks it as used.
func (s *sessions) touch(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	last, ok := s.used[id]
	switch {
	case !ok:
		return false
	case now.Sub(last) > s.idle:
		delete(s.used, id)
		return false
	}
	s.used[id] = now
	return true
}
