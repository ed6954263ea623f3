package queue

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
)

// tally counts what a Queue does, and how long it takes.
type tally struct {
	mu         sync.Mutex
	counts     Counts
	composings int
	last       time.Time                    // that an attempt began
	active     map[calendar.JobID]time.Time // since when
}

// Counts is what a Queue has done since its start, and what it does.
type Counts struct {
	Sent     uint64 // mails that a server has taken
	Failed   uint64 // attempts at which it has not
	Returned uint64 // mails that were given up

	// Composing and Sending are how long the two parts of an attempt took lately,
	// and Looking what of the first went into questions to the directory. Zero after an hour
	// without attempts.
	Composing, Looking, Sending time.Duration
	Active                      int
	Longest                     time.Duration // since the first of Active began
}

// recent is how old averages may be that are told.
const recent = time.Hour

// lately is the weight of all before, against that of one more.
const lately = 10

func (t *tally) average(before, now time.Duration) time.Duration {
	if t.composings == 1 {
		return now
	}
	return before + (now-before)/lately
}

// looking is the key of what the attempt of a context has spent on the directory.
type looking struct{}

// Looked notes that a question to the directory took so long, which was asked for the
// mail that Compose makes with this context.
func Looked(ctx context.Context, took time.Duration) {
	if sum, ok := ctx.Value(looking{}).(*atomic.Int64); ok {
		sum.Add(int64(took))
	}
}

func (t *tally) begin(id calendar.JobID, now time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.active == nil {
		t.active = map[calendar.JobID]time.Time{}
	}
	t.active[id], t.last = now, now
	return now
}

func (t *tally) end(id calendar.JobID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.active, id)
}

func (t *tally) composed(took, looked time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.composings++
	t.counts.Composing, t.counts.Looking = t.average(t.counts.Composing, took), t.average(t.counts.Looking, looked)
}

func (t *tally) sent(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Sending = t.average(t.counts.Sending, took)
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
	if c.Active == 0 && now.Sub(t.last) > recent {
		c.Composing, c.Looking, c.Sending = 0, 0, 0
	}
	return c
}
