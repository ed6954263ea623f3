package caldav

import (
	"sync"

	"factotum/server/calendar"
)

// maxVisitors bounds the memory of visits; more people than that are looked
// after again.
const maxVisitors = 1 << 16

// visitors remembers whose default calendar is known to be there.
type visitors struct {
	mu   sync.RWMutex
	seen map[string]struct{}
}

func (v *visitors) has(id string) bool {
	v.mu.RLock()
	defer v.mu.RUnlock()
	_, ok := v.seen[id]
	return ok
}

func (v *visitors) add(id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.seen == nil || len(v.seen) >= maxVisitors {
		v.seen = map[string]struct{}{}
	}
	v.seen[id] = struct{}{}
}

// visit makes the default calendar of somebody whose client was told its URL
// and never looks at the home, where other clients' first visit makes it. A
// failure is the request's own to meet.
func (rq *request) visit() {
	if rq.at.name != calendar.DefaultName || rq.at.user != rq.me.ID || rq.visitors.has(rq.me.ID) {
		return
	}
	switch rq.r.Method {
	case "MKCALENDAR", "MKCOL": // makes it itself
		return
	}
	if _, err := rq.home(rq.at); err == nil {
		rq.visitors.add(rq.me.ID)
	}
}
