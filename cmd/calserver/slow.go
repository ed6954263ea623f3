package main

import (
	"fmt"
	"sync"
	"time"
)

// pace is how long writes take until they are durable, of late. A disk that syncs
// slowly is told of, since all who write wait for it.
type pace struct {
	mu    sync.Mutex
	mean  time.Duration // of the last twenty or so
	last  time.Time     // when the last of them was
	since time.Time     // they are slow; zero: they are not
}

// What is slow, from when on it is not any more, and for how long it has to be so.
const (
	slowWrite  = 500 * time.Millisecond
	quickWrite = 250 * time.Millisecond
	slowFor    = 5 * time.Minute
	idleFor    = 10 * time.Minute // after which nothing is known
)

// took notes a write.
func (p *pace) took(d time.Duration, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.IsZero() || now.Sub(p.last) > idleFor {
		p.mean, p.since = d, time.Time{}
	}
	p.mean += (d - p.mean) / 20
	p.last = now
	switch {
	case p.mean < quickWrite:
		p.since = time.Time{}
	case p.mean > slowWrite && p.since.IsZero():
		p.since = now
	}
}

// warning says that writes have been slow for some time, "" if they have not.
func (p *pace) warning(dir string, now time.Time) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.since.IsZero() || now.Sub(p.since) < slowFor || now.Sub(p.last) > idleFor {
		return ""
	}
	return fmt.Sprintf("a write takes %s until it is durable: \"calserver disk check %s\" tells how fast the disk is", p.mean.Round(10*time.Millisecond), dir)
}
