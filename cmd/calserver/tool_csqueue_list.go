package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/notify/relay"
	"factotum/server/calendar"
	"factotum/server/worker"
)

// mailInfo is a mail of the queue as csqueue tells of it.
type mailInfo struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	To       string    `json:"to"`
	UID      string    `json:"uid"`
	Queued   time.Time `json:"queued"`
	Attempts int       `json:"attempts"`
	State    string    `json:"state"` // waits, sending, behind (an earlier one goes first), held, or parked: it cannot be read, or was given up
	Next     time.Time `json:"next,omitzero"`
	Err      string    `json:"error,omitempty"`

	// What only show tells.
	Kind    calendar.MailKind `json:"kind,omitempty"`
	Method  string            `json:"method,omitempty"`
	From    string            `json:"from,omitempty"`
	Message string            `json:"message,omitempty"` // as "calserver why" has it
	Asked   int               `json:"asked,omitempty"`   // how often a server was asked
	Perhaps bool              `json:"perhaps,omitempty"` // it may have arrived
	Warned  int               `json:"warned,omitempty"`
	History []mailAttempt     `json:"history,omitempty"`
}

type mailAttempt struct {
	When time.Time `json:"when"`
	Text string    `json:"text"`
}

func describeMail(j *jobInfo) mailInfo {
	m := mailInfo{ID: j.ID, User: j.Owner, To: calendar.MailAddress(j.Key), UID: calendar.PostUID(j.Key), Queued: j.Created.UTC(), Attempts: j.Attempts, Err: j.Err}
	switch {
	case j.Held:
		m.State, m.Err = "held", worker.HeldAfter(j.Err)
	case j.Parked:
		m.State = "parked"
	case j.Place == worker.Running:
		m.State = "sending"
	case j.Place == worker.Behind:
		m.State = "behind"
	default:
		m.State, m.Next = "waits", j.Due.UTC()
	}
	return m
}

// mailOf is all of one mail.
func mailOf(ctx context.Context, store calendar.Store, places func([]calendar.Job) []worker.Place, id calendar.JobID) (m mailInfo, err error) {
	var job calendar.Job
	var ok bool
	err = store.View(ctx, id.Owner, func(tx calendar.ReadTx) (err error) {
		job, ok, err = tx.Job(id.Change, id.Seq)
		return err
	})
	if err != nil {
		return m, err
	}
	if !ok || job.Kind != calendar.JobMail {
		return m, fmt.Errorf("there is no mail %s in the queue: it went out, or was given up", id)
	}
	info := describeJob(&job)
	if places != nil {
		info.Place = places([]calendar.Job{job})[0]
	}
	m = describeMail(&info)
	full, err := calendar.ParseMailing(job)
	if err != nil {
		return m, nil // its error says so
	}
	m.Kind, m.Method, m.From, m.Message = full.Kind, full.Letter.Method, full.Letter.From, full.Letter.ID
	m.Asked, m.Perhaps, m.Warned = full.Tried, full.Perhaps, full.Warned
	for _, a := range full.Attempts {
		m.History = append(m.History, mailAttempt{a.When.UTC(), a.Text})
	}
	return m, nil
}

func (r runningJobs) mail(ctx context.Context, id calendar.JobID) (m mailInfo, err error) {
	return m, callStore(ctx, r.cfg, "GET", "/mail?"+jobQuery(worker.Filter{IDs: []calendar.JobID{id}}).Encode(), &m)
}

func (s stoppedJobs) mail(ctx context.Context, id calendar.JobID) (mailInfo, error) {
	return mailOf(ctx, s.store, nil, id)
}

// destinationInfo sums up what waits for one domain.
type destinationInfo struct {
	Domain string    `json:"domain"`
	Mails  int       `json:"mails"`
	Failed int       `json:"failed"` // at least once
	Held   int       `json:"held"`
	Oldest time.Time `json:"oldest"`
	Next   time.Time `json:"next,omitzero"`
	Err    string    `json:"error,omitempty"` // of one that failed most often

	most int
}

func (d *destinationInfo) add(m *mailInfo) {
	d.Mails++
	if m.Attempts > 0 {
		d.Failed++
	}
	if m.State == "held" {
		d.Held++
	}
	if d.Oldest.IsZero() || m.Queued.Before(d.Oldest) {
		d.Oldest = m.Queued
	}
	if !m.Next.IsZero() && (d.Next.IsZero() || m.Next.Before(d.Next)) {
		d.Next = m.Next
	}
	if m.Err != "" && m.Attempts >= d.most {
		d.Err, d.most = m.Err, m.Attempts
	}
}

// destinations sums mails up by their domain.
type destinations map[string]*destinationInfo

func (d destinations) add(m *mailInfo) {
	domain := relay.Domain(m.To)
	if d[domain] == nil {
		d[domain] = &destinationInfo{Domain: domain}
	}
	d[domain].add(m)
}

// sorted has those with most mail first.
func (d destinations) sorted() []*destinationInfo {
	list := slices.AppendSeq([]*destinationInfo{}, maps.Values(d))
	slices.SortFunc(list, func(a, b *destinationInfo) int {
		return cmp.Or(cmp.Compare(b.Mails, a.Mails), cmp.Compare(a.Domain, b.Domain))
	})
	return list
}

func (t *tool) listMail(ctx context.Context, table jobTable, f worker.Filter) error {
	all, list := destinations{}, []mailInfo{}
	n, held, now := 0, 0, time.Now()
	err := eachJob(ctx, table, f, false, func(j *jobInfo) error {
		m := describeMail(j)
		all.add(&m)
		if n++; m.State == "held" {
			held++
		}
		if t.json {
			list = append(list, m)
		} else {
			t.row(m.ID, m.To, m.UID, age(now.Sub(m.Queued)), strconv.Itoa(m.Attempts), m.state(now), m.Err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if t.json {
		return t.print(struct {
			Mails        []mailInfo         `json:"mails"`
			Destinations []*destinationInfo `json:"destinations"`
		}{list, all.sorted()})
	}
	if n > 0 {
		t.say("")
	}
	for _, d := range all.sorted() {
		t.row(d.words(now)...)
	}
	t.say("%d %s, %d held", n, plain.Plural(n, "mail", "mails"), held)
	return nil
}

// row prints words of a line, which -q suppresses.
func (t *tool) row(words ...string) {
	for i := range words {
		words[i] = plain.Text(words[i])
	}
	t.say("%s", strings.TrimRight(strings.Join(words, "\t"), "\t"))
}

// line is row with all that there is of each word.
func (t *tool) line(words ...string) {
	for i, word := range words {
		words[i] = ""
		for piece := range slices.Chunk([]rune(word), 100) {
			words[i] += plain.Text(string(piece))
		}
	}
	t.say("%s", strings.TrimRight(strings.Join(words, "\t"), "\t"))
}

func (d *destinationInfo) words(now time.Time) []string {
	next := "nothing is tried"
	if !d.Next.IsZero() {
		next = nextTry(d.Next, now)
	}
	return []string{d.Domain, fmt.Sprintf("%d %s", d.Mails, plain.Plural(d.Mails, "mail", "mails")), fmt.Sprintf("%d failed", d.Failed), fmt.Sprintf("%d held", d.Held),
		"oldest " + age(now.Sub(d.Oldest)), next, d.Err}
}

func (m *mailInfo) state(now time.Time) string {
	switch m.State {
	case "waits":
		return nextTry(m.Next, now)
	case "sending":
		return "being sent"
	case "behind":
		return "behind an earlier one"
	}
	return m.State
}

func nextTry(at, now time.Time) string {
	if !at.After(now) {
		return "due"
	}
	return "in " + age(at.Sub(now))
}

// age tells a span in its two largest units.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

func (t *tool) showMail(ctx context.Context, table jobTable, id calendar.JobID) error {
	m, err := table.mail(ctx, id)
	if err != nil {
		return err
	}
	if t.json {
		return t.print(m)
	}
	now := time.Now()
	t.line("id", m.ID)
	t.line("to", m.To)
	t.line("from", m.From)
	t.line("about", m.UID)
	t.line("kind", strings.TrimSpace(string(m.Kind)+" "+m.Method))
	t.line("message", m.Message)
	t.line("queued", m.Queued.Format(time.RFC3339), age(now.Sub(m.Queued))+" ago")
	t.line("state", m.state(now))
	t.line("attempts", strconv.Itoa(m.Attempts), fmt.Sprintf("in all a server was asked %d %s", m.Asked, plain.Plural(m.Asked, "time", "times")))
	if m.Perhaps {
		t.line("perhaps", "it may have arrived: a server's answer was lost")
	}
	if m.Warned > 0 {
		t.line("warned", fmt.Sprintf("its sender was told %d %s that it is late", m.Warned, plain.Plural(m.Warned, "time", "times")))
	}
	if m.Err != "" {
		t.line("error", m.Err)
	}
	for _, a := range m.History {
		t.line("", a.When.Format(time.RFC3339), a.Text)
	}
	return nil
}
