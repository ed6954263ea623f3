// Package queue delivers mail as a mail system's channels do: it does the jobs of
// kind calendar.JobMail, in the daemon that owns the sender's calendars. admin.md §22.
//
// What cannot be delivered now waits, and is tried again after pauses that become
// longer, for days; age alone ends that, no number of attempts, so that an outage
// costs nothing but time. Its sender is told when it is late, and when it is
// returned. A server that fails again and again is left alone for a while, and with
// it what goes there; other destinations are served as ever, since each has a share
// of the connections.
//
// A mail is sent at least once, and once unless the process ends, or the connection
// breaks, between the server's answer and the note of it; then both copies have one
// Message-ID.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"factotum/notify/relay"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/worker"
)

// Model is the sender's side.
type Model interface {
	Settle(ctx context.Context, owner calendar.Owner, st calendar.Settlement) error
	Why(ctx context.Context, who calendar.Actor, req calendar.WhyRequest) (calendar.WhyAnswer, error)
}

// Pending is the table of jobs, and who does them: worker.Worker.
type Pending interface {
	// Behind are the payloads of the jobs of the same owner and key that come later.
	Behind(ctx context.Context, job calendar.Job) ([]calendar.Job, error)
	Hasten(ctx context.Context, f worker.Filter) (worker.Outcome, error)
}

// Options are choices; the zero value is right but for Route and Compose.
type Options struct {
	// Route is the server that takes the mail of a domain.
	Route func(domain string) relay.Route
	// Compose makes the mail. A reason, a code of docs/why.md, says that there is
	// none to send.
	Compose func(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (mail relay.Mail, reason string, err error)
	// Backoff are the pauses between attempts, of which the last is repeated.
	Backoff []time.Duration
	// Notices are the ages at which the sender is told that a mail is late; at the
	// last it is returned.
	Notices []time.Duration
	// Connections at once, and for one destination; 0: 20 and 4. Those that are slow
	// count apart, up to five times as many.
	Connections, Each int
	// Attempt is the longest time of one, however slowly a server goes on answering;
	// 0: 10 minutes.
	Attempt time.Duration
	Log     *slog.Logger // nil discards
	Now     func() time.Time
}

// The defaults of Backoff and Notices.
var (
	DefaultBackoff = []time.Duration{2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour}
	DefaultNotices = []time.Duration{24 * time.Hour, 48 * time.Hour, 96 * time.Hour}
)

// Queue does the jobs.
type Queue struct {
	opt     Options
	model   Model
	pending Pending
	sender  interface {
		Send(ctx context.Context, r relay.Route, m relay.Mail) error
	}
	hosts hosts
	tally tally
	// started is when this process took the queue over: what was due before may have
	// been under way when another ended.
	started time.Time

	mu    sync.Mutex
	taken map[calendar.JobID]bool // by a server, which is not noted yet
}

// New returns a Queue that sends by a relay.Sender.
func New(model Model, pending Pending, sender *relay.Sender, opt Options) *Queue {
	if len(opt.Backoff) == 0 {
		opt.Backoff = DefaultBackoff
	}
	if len(opt.Notices) == 0 {
		opt.Notices = DefaultNotices
	}
	if opt.Connections <= 0 {
		opt.Connections = 20
	}
	if opt.Each <= 0 {
		opt.Each = 4
	}
	if opt.Attempt <= 0 {
		opt.Attempt = 10 * time.Minute
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Queue{opt: opt, model: model, pending: pending, sender: sender, hosts: hosts{backoff: opt.Backoff}, started: opt.Now(), taken: map[calendar.JobID]bool{}}
}

// Kind is how jobs of kind calendar.JobMail are done: destinations take turns.
func (q *Queue) Kind() worker.Kind {
	return worker.Kind{Run: q.Deliver, Attempts: 1 << 30, Timeout: q.opt.Attempt + time.Minute, Blocks: true, Deletes: true,
		Pool: &worker.Pool{Concurrency: q.opt.Connections, Each: q.opt.Each, Patience: slow, Slow: slowShare * q.opt.Connections,
			Party: func(key string) string { return relay.Domain(calendar.MailAddress(key)) }}}
}

// slow is how long an attempt takes that has others go first.
const slow = 250 * time.Millisecond

// slowShare is how many slow ones there may be, for each of Options.Connections.
const slowShare = 5

// Deliver makes one attempt at a mail.
func (q *Queue) Deliver(ctx context.Context, job calendar.Job) error {
	m, err := calendar.ParseMailing(job)
	if err != nil {
		return worker.Permanent(err)
	}
	t := try{Queue: q, job: job, m: &m}
	if q.isTaken(job.JobID) {
		return t.sent(ctx)
	}
	if why, err := t.needless(ctx); err != nil || why != "" {
		if err != nil {
			return err
		}
		return t.end(ctx, "", calendar.TraceIgnored, why, "")
	}
	route := q.opt.Route(relay.Domain(m.To))
	host := route.Address()
	if until, cause := q.hosts.closed(host, q.opt.Now()); cause != "" {
		return t.later(ctx, until, host+skipping+cause)
	}
	begun := q.tally.begin(job.JobID, q.opt.Now())
	defer q.tally.end(job.JobID)
	var looked atomic.Int64
	mail, reason, err := q.opt.Compose(context.WithValue(ctx, looking{}, &looked), job.Owner, &m)
	composed := q.opt.Now()
	q.tally.composed(composed.Sub(begun), time.Duration(looked.Load()))
	switch {
	case err != nil:
		return t.later(ctx, q.opt.Now().Add(q.pause(len(m.Attempts))), unmade+err.Error())
	case reason != "":
		return t.end(ctx, "", calendar.TraceIgnored, reason, "")
	}
	within, cancel := context.WithTimeout(ctx, q.opt.Attempt)
	err = q.sender.Send(within, route, mail)
	cancel()
	q.tally.sent(q.opt.Now().Sub(composed), err)
	var f *relay.Failure
	switch {
	case err == nil:
		if q.hosts.served(host) {
			go q.hasten(host)
		}
		return t.sent(ctx)
	case ctx.Err() != nil, !errors.As(err, &f):
		return err
	}
	m.Perhaps = m.Perhaps || f.Uncertain
	m.Tried++
	switch {
	case f.Permanent:
		q.hosts.served(host)
		return t.giveBack(ctx, calendar.ReasonReturned, f.Error())
	case f.Server:
		q.opt.Log.Info("a mail server fails", "host", host, "err", f.Text)
		if until := q.hosts.failed(host, f.Step, f.Text, q.opt.Now()); !until.IsZero() {
			q.opt.Log.Warn("a mail server is left alone for a while", "host", host, "err", f.Text, "until", until)
		}
	default:
		q.hosts.served(host)
	}
	return t.later(ctx, q.opt.Now().Add(q.pause(m.Tried-1)), f.Error())
}

// pause is how long is waited after so many attempts, with a tenth by chance.
func (q *Queue) pause(tried int) time.Duration {
	return jittered(q.opt.Backoff[min(tried, len(q.opt.Backoff)-1)])
}

func jittered(d time.Duration) time.Duration {
	return d + time.Duration(rand.Float64()*float64(d)/10)
}

// hasten has what waits for a server tried now that it is there again.
func (q *Queue) hasten(host string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := q.pending.Hasten(ctx, worker.Filter{Kinds: []string{calendar.JobMail}, Failed: host}); err != nil {
		q.opt.Log.Error("have mail tried again", "host", host, "err", err)
	}
}

// try is one attempt at a mail.
type try struct {
	*Queue
	job calendar.Job
	m   *calendar.Mailing
}

// sent notes that a server has the mail. What cannot be noted now is noted later, and
// the mail not sent again for that.
func (t *try) sent(ctx context.Context) error {
	err := t.end(ctx, calendar.StatusSent, calendar.TraceDelivered, calendar.ReasonMailed, "")
	t.mu.Lock()
	defer t.mu.Unlock()
	if delete(t.taken, t.job.JobID); err != nil {
		t.taken[t.job.JobID] = true
	}
	return err
}

func (q *Queue) isTaken(id calendar.JobID) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.taken[id]
}

// end notes what became of it, and deletes the job. That a notice went out is not
// worth a note.
func (t *try) end(ctx context.Context, status string, step calendar.TraceStep, reason, detail string, mails ...calendar.Mailing) error {
	st := calendar.Settlement{Job: t.job.JobID, UID: t.m.UID, Mail: mails}
	if t.m.Kind == calendar.MailScheduling || step == calendar.TraceFailed {
		st.Traces = []calendar.Trace{t.trace(status, step, reason, detail)}
	}
	if status != "" && t.m.Kind == calendar.MailScheduling && !t.m.Letter.Inconsequential {
		st.Statuses = map[string]string{}
		for _, to := range t.m.Letter.To {
			st.Statuses[calendar.AddressKey(to)] = status
		}
	}
	if err := t.model.Settle(ctx, t.job.Owner, st); err != nil {
		return fmt.Errorf("note what became of it: %w", err)
	}
	return nil
}

func (t *try) trace(status string, step calendar.TraceStep, reason, detail string) calendar.Trace {
	l := &t.m.Letter
	tr := calendar.Trace{Message: l.ID, Method: l.Method, UID: t.m.UID, Summary: t.m.Summary, From: l.From, To: []string{"mailto:" + t.m.To},
		Step: step, Reason: reason, Status: status, Detail: detail}
	if t.m.Kind == calendar.MailScheduling {
		tr.To = l.To
	}
	return tr
}

// later has it tried again, tells its sender when it is late, and gives it up when
// it is too old.
func (t *try) later(ctx context.Context, when time.Time, text string) error {
	now, m := t.opt.Now(), t.m
	first := len(m.Attempts) == 0
	m.Note(now, text)
	last := t.job.Created.Add(t.opt.Notices[len(t.opt.Notices)-1])
	if !now.Before(last) {
		return t.giveBack(ctx, calendar.ReasonGivenUp, text)
	}
	warnings := t.opt.Notices[:len(t.opt.Notices)-1]
	st := calendar.Settlement{UID: m.UID}
	if first {
		st.Traces = append(st.Traces, t.trace(calendar.StatusPending, calendar.TraceDelayed, calendar.ReasonDelayed, text))
	}
	if m.Warned < len(warnings) && !now.Before(t.job.Created.Add(warnings[m.Warned])) {
		for m.Warned < len(warnings) && !now.Before(t.job.Created.Add(warnings[m.Warned])) {
			m.Warned++
		}
		st.Traces = append(st.Traces, t.trace(calendar.StatusPending, calendar.TraceDelayed, calendar.ReasonLate, text))
		st.Mail = t.notice(calendar.MailDelayed, text)
	}
	if len(st.Traces) > 0 {
		if err := t.model.Settle(ctx, t.job.Owner, st); err != nil {
			return fmt.Errorf("note that it is late: %w", err)
		}
	}
	if when.After(last) {
		when = last
	}
	job, err := m.Job()
	if err != nil {
		return err
	}
	return worker.Again(when, job.Payload, errors.New(text))
}

// giveBack tells its sender that it was not delivered.
func (t *try) giveBack(ctx context.Context, reason, text string) error {
	if t.m.Perhaps && reason == calendar.ReasonGivenUp {
		reason = calendar.ReasonUnsure
	}
	err := t.end(ctx, calendar.StatusNoService, calendar.TraceFailed, reason, text, t.notice(calendar.MailReturned, text)...)
	if err == nil {
		t.tally.returned()
	}
	return err
}

// Return gives a mail up as if it were too old: an administrator does not want to
// wait any longer. It is meant for worker.Worker.Finish.
func Return(ctx context.Context, model Model, job calendar.Job) error {
	m, err := calendar.ParseMailing(job)
	if err != nil {
		return err
	}
	text := "an administrator has returned it"
	if n := len(m.Attempts); n > 0 {
		text += "; at the last attempt: " + m.Attempts[n-1].Text
	}
	t := try{Queue: &Queue{model: model}, job: job, m: &m}
	return t.giveBack(ctx, calendar.ReasonGivenUp, text)
}

// notice is a mail to whom the message is from: none about a notice, nor about what
// nobody misses.
func (t *try) notice(kind calendar.MailKind, text string) []calendar.Mailing {
	to := calendar.MailboxOf(t.m.Letter.From)
	if t.m.Kind != calendar.MailScheduling || t.m.Letter.Inconsequential || to == "" {
		return nil
	}
	n := calendar.Mailing{Kind: kind, To: to, UID: t.m.UID, Summary: t.m.Summary, Letter: t.m.Letter}
	n.Why, n.Warned = text, t.m.Warned
	return []calendar.Mailing{n}
}

// needless tells why there is nothing to send: the invitation never went out, and
// was taken back meanwhile, or its end is all that is left of it.
func (t *try) needless(ctx context.Context) (reason string, err error) {
	if t.m.Kind != calendar.MailScheduling {
		return "", nil
	}
	switch t.m.Letter.Method {
	case "REQUEST":
		if t.m.Perhaps || !t.job.Due.After(t.started) && !t.job.Created.After(t.started) {
			return "", nil // it may have gone out
		}
		behind, err := t.pending.Behind(ctx, t.job)
		if err != nil {
			return "", fmt.Errorf("look for what takes it back: %w", err)
		}
		for _, j := range behind {
			if next, err := calendar.ParseMailing(j); err == nil && next.Kind == calendar.MailScheduling && endsAll(&next.Letter) {
				return calendar.ReasonWithdrawn, nil
			}
		}
	case "CANCEL":
		res, err := t.model.Why(ctx, calendar.Actor{Admin: true}, calendar.WhyRequest{Owner: t.job.Owner, Query: calendar.TraceQuery{UID: t.m.UID, Address: t.m.Letter.To[0]}})
		if err != nil {
			return "", fmt.Errorf("look whether he was invited: %w", err)
		}
		never := false
		for _, tr := range res.Traces {
			switch tr.Reason {
			case calendar.ReasonMailed, calendar.ReasonUnsure:
				return "", nil
			case calendar.ReasonWithdrawn, calendar.ReasonReturned, calendar.ReasonGivenUp:
				never = true
			}
		}
		if never {
			return calendar.ReasonWithdrawn, nil
		}
	}
	return "", nil
}

// endsAll reports whether a letter calls off all of a meeting.
func endsAll(l *calendar.Letter) bool {
	if l.Method != "CANCEL" {
		return false
	}
	cal, err := ical.Parse(l.Data, ical.Limits{})
	if err != nil {
		return false
	}
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" && c.Prop("RECURRENCE-ID") == nil {
			return true
		}
	}
	return false
}

// Host tells of one server what the queue has seen.
type Host struct {
	Name     string     `json:"name"`           // host:port
	Failures int        `json:"failures"`       // one after another, with none served between
	Step     relay.Step `json:"step,omitempty"` // where the last happened
	Cause    string     `json:"cause"`          // of the last
	Until    time.Time  `json:"until,omitzero"` // it is left alone; zero: it is not
}

// Hosts are the servers that fail, by name.
func (q *Queue) Hosts() []Host { return q.hosts.list(q.opt.Now()) }

// NewRun has servers that are left alone tried again with the next mail for them.
func (q *Queue) NewRun() { q.hosts.again() }

// Skipped reports whether a job's last attempt was none, since its server fails.
func Skipped(err string) bool { return strings.Contains(err, "skipping this host") }
