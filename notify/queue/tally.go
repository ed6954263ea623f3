package queue

import (
	"sync"
	"time"

	"factotum/server/calendar"
)

// tally counts what a Queue does, and how long it takes.
type tally struct {
	mu     sync.Mutex
	counts Counts
	active map[calendar.JobID]time.Time // since when
}

// Counts is what a Queue has done since its start, and what it does.
type Counts struct {
	Sent     uint64 // mails that a server has taken
	Failed   uint64 // attempts at which it has not
	Returned uint64 // mails that were given up

	// Composing and Sending are how long the two parts of an attempt took lately.
	Composing, Sending time.Duration
	Active             int
	Longest            time.Duration // since the first of Active began
}

// lately is the weight of all before, against that of one more.
const lately = 10

func average(before, now time.Duration) time.Duration {
	if before == 0 {
		return now
	}
	return before + (now-before)/lately
}

func (t *tally) begin(id calendar.JobID, now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active == nil {
		t.active = map[calendar.JobID]time.Time{}
	}
	t.active[id] = now
	return now
}

func (t *tally) end(id calendar.JobID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.active, id)
}

func (t *tally) composed(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Composing = average(t.counts.Composing, took)
}

func (t *tally) sent(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Sending = average(t.counts.Sending, took)
	if err != nil {
		t.counts.Failed++
	} else {
		t.counts.Sent++
	}
}

func (t *tally) returned() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Returned++
}

// Counts tells what the queue has done and does.
func (q *Queue) Counts() Counts {
	t, now := &q.tally, q.opt.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.Active = len(t.active)
	for _, since := range t.active {
		c.Longest = max(c.Longest, now.Sub(since))
	}
	return c
}
