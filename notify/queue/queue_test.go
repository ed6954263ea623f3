package queue_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"factotum/notify/queue"
	"factotum/notify/relay"
	"factotum/notify/relay/smtptest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/worker"
)

var bg = context.Background()

// post is a store with mail, the worker that does it, and what was noted of it.
type post struct {
	t      testing.TB
	store  *calendartest.Store
	worker *worker.Worker
	queue  *queue.Queue

	mu      sync.Mutex
	settled []calendar.Settlement
	refuse  error // what Settle says instead
}

func newPost(t testing.TB, sender *relay.Sender, opt queue.Options) *post {
	t.Helper()
	return (&post{t: t, store: calendartest.NewStore()}).start(sender, opt)
}

// again is another process that takes over from one that has ended.
func (p *post) again(sender *relay.Sender) *post {
	return (&post{t: p.t, store: p.store}).start(sender, queue.Options{Route: routed})
}

func (p *post) start(sender *relay.Sender, opt queue.Options) *post {
	p.t.Helper()
	p.worker = worker.New(p.store, worker.Options{})
	if opt.Compose == nil {
		opt.Compose = func(_ context.Context, _ calendar.Owner, m *calendar.Mailing) (relay.Mail, string, error) {
			return relay.Mail{From: calendar.MailboxOf(m.Letter.From), To: m.To, Data: fmt.Appendf(nil, "Message-ID: <%s.%s@example.com>\r\nSubject: %s\r\n\r\n%s\r\n", m.Kind, m.Letter.ID, m.Summary, m.Why)}, "", nil
		}
	}
	p.queue = queue.New(p, p.worker, sender, opt)
	p.worker.Handle(calendar.JobMail, p.queue.Kind())
	if err := p.worker.Start(bg); err != nil {
		p.t.Fatal(err)
	}
	return p
}

func (p *post) stop() {
	if err := p.worker.Stop(bg); err != nil {
		p.t.Error(err)
	}
}

// Settle implements queue.Model.
func (p *post) Settle(_ context.Context, owner calendar.Owner, st calendar.Settlement) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refuse != nil {
		return p.refuse
	}
	first := true
	err := p.update(owner, func(tx calendar.Tx) (err error) {
		if st.Job == (calendar.JobID{}) {
			return nil
		}
		if _, first, err = tx.Job(st.Job.Change, st.Job.Seq); err != nil || !first {
			return err
		}
		return tx.DeleteJob(st.Job.Change, st.Job.Seq)
	}, st.Mail...)
	if err == nil && first {
		p.settled = append(p.settled, st)
	}
	return err
}

// Why implements queue.Model.
func (p *post) Why(_ context.Context, _ calendar.Actor, req calendar.WhyRequest) (res calendar.WhyAnswer, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	matches := req.Query.Matcher()
	for _, st := range p.settled {
		for _, tr := range st.Traces {
			if matches(&tr) {
				res.Traces = append(res.Traces, tr)
			}
		}
	}
	return res, nil
}

func (p *post) update(owner calendar.Owner, fn func(calendar.Tx) error, mails ...calendar.Mailing) error {
	return p.store.Update(bg, owner, func(tx calendar.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		var jobs []calendar.Job
		for seq := range mails {
			job, err := mails[seq].Job()
			if err != nil {
				return err
			}
			job.JobID, job.Created = calendar.JobID{Owner: owner, Change: change, Seq: seq}, time.Now()
			if err := tx.PutJob(job); err != nil {
				return err
			}
			jobs = append(jobs, job)
		}
		tx.OnCommit(func() { p.worker.Add(jobs...) })
		return nil
	})
}

// mail puts an invitation to each address, or what another method is, into the queue.
func (p *post) mail(owner calendar.Owner, method, uid string, to ...string) {
	p.t.Helper()
	var mails []calendar.Mailing
	for _, a := range to {
		mails = append(mails, calendar.Mailing{Kind: calendar.MailScheduling, To: a, UID: uid, Summary: "Lunch", Letter: calendar.Letter{
			ID: method + "." + uid + "." + strings.ReplaceAll(a, "@", "."), Method: method, From: "mailto:" + string(owner) + "@example.com", To: []string{"mailto:" + a},
			Data: []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:" + method + "\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")}})
	}
	if err := p.update(owner, func(calendar.Tx) error { return nil }, mails...); err != nil {
		p.t.Fatal(err)
	}
}

// outcomes are the reasons that were noted of mail to an address.
func (p *post) outcomes(to string) (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.settled {
		for _, tr := range st.Traces {
			if tr.SentTo(to) {
				list = append(list, tr.Reason)
			}
		}
	}
	return list
}

func (p *post) left() []calendar.Job {
	p.t.Helper()
	jobs, err := p.store.Jobs(bg, calendar.JobID{}, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	return jobs
}

// pipes are servers at the other end of connections that are no network, so that a
// test's clock can stand for all.
type pipes struct {
	reply func(c *smtptest.Conn, verb, arg string) string
	once  sync.Once
	sink  *smtptest.Sink
}

// rules sets all of what the servers do.
func (p *pipes) rules(r smtptest.Rules) {
	p.once.Do(func() { p.sink = smtptest.New(r) })
}

func (p *pipes) start() {
	p.once.Do(func() { p.sink = smtptest.New(smtptest.Rules{Reply: p.reply}) })
}

func (p *pipes) dial() net.Conn {
	p.start()
	near, far := net.Pipe()
	go p.sink.Serve(far)
	return near
}

func (p *pipes) all() []smtptest.Mail {
	p.start()
	return p.sink.Mails()
}

// network is a Sender whose connections all lead to what answers by host.
func network(answer func(host string) (net.Conn, error)) *relay.Sender {
	return relay.New(relay.Options{IdleTime: time.Millisecond, Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		host, _, _ := net.SplitHostPort(address)
		return answer(host)
	}})
}

func routed(domain string) relay.Route {
	return relay.Route{Host: domain, Port: 25, Security: relay.Plain}
}

func refused(cause error) error { return &net.OpError{Op: "dial", Err: cause} }

// A server that fails again and again is left alone, and all its mail waits, with the
// reason; it costs no mail its time, and all goes out when it is there again.
func TestFailingHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		tries, gone := 0, true
		sinks := &pipes{}
		s := network(func(host string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			if host == "gone.example" {
				tries++
				if gone {
					return nil, refused(&net.DNSError{Err: "no such host", IsNotFound: true})
				}
			}
			return sinks.dial(), nil
		})
		p := newPost(t, s, queue.Options{Route: routed, Each: 1})
		for n := range 50 {
			p.mail("anna", "REQUEST", fmt.Sprint("u", n), fmt.Sprintf("a%d@gone.example", n), fmt.Sprintf("b%d@well.example", n))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(sinks.all()); n != 50 {
			t.Errorf("%d went to who is well", n)
		}
		if tries != 3 {
			t.Errorf("%d tries", tries)
		}
		skipped := 0
		for _, j := range p.left() {
			if strings.Contains(j.Err, "gone.example:25: too many failures to this host during this run; skipping this host: no such host") && queue.Skipped(j.Err) {
				skipped++
			} else if j.Err != "gone.example:25: connect: no such host" {
				t.Errorf("%q", j.Err)
			}
		}
		if skipped != 47 || len(p.left()) != 50 {
			t.Errorf("%d skipped, %d left", skipped, len(p.left()))
		}
		if h := p.queue.Hosts(); len(h) != 1 || h[0].Name != "gone.example:25" || h[0].Cause != "no such host" || h[0].Until.IsZero() {
			t.Errorf("%+v", h)
		}
		time.Sleep(2 * time.Hour)
		mu.Lock()
		if tries < 5 || tries > 12 {
			t.Errorf("%d tries in two hours", tries)
		}
		gone = false
		mu.Unlock()
		time.Sleep(5 * time.Hour)
		synctest.Wait()
		if n := len(sinks.all()); n != 100 || len(p.left()) != 0 || len(p.queue.Hosts()) != 0 {
			t.Errorf("%d went out, %d are left, %v", n, len(p.left()), p.queue.Hosts())
		}
		if got := p.outcomes("a7@gone.example"); !slices.Equal(got, []string{calendar.ReasonDelayed, calendar.ReasonMailed}) {
			t.Errorf("%v", got)
		}
		p.stop()
		s.Close()
	})
}

// What is late is told to its sender at the ages that are set, and returned at the
// last; what a server refuses is returned at once. No notice is about a notice.
func TestReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sinks := &pipes{reply: func(_ *smtptest.Conn, verb, arg string) string {
			switch {
			case verb == "RCPT" && strings.Contains(arg, "nobody@"):
				return "550 5.1.1 no such user"
			case verb == "RCPT" && strings.Contains(arg, "full@"):
				return "452 4.2.2 mailbox full"
			case verb == "RCPT" && strings.Contains(arg, "lost@example.com"):
				return "550 5.1.1 no such user"
			}
			return ""
		}}
		s := network(func(string) (net.Conn, error) { return sinks.dial(), nil })
		p := newPost(t, s, queue.Options{Route: routed, Notices: []time.Duration{24 * time.Hour, 48 * time.Hour, 96 * time.Hour}})
		p.mail("anna", "REQUEST", "u", "nobody@far.example", "full@far.example", "bert@far.example")
		p.mail("lost", "REQUEST", "v", "nobody@far.example")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := p.outcomes("nobody@far.example"); !slices.Equal(got, []string{calendar.ReasonReturned, calendar.ReasonReturned}) {
			t.Errorf("%v", got)
		}
		if got := p.outcomes("bert@far.example"); !slices.Equal(got, []string{calendar.ReasonMailed}) {
			t.Errorf("%v", got)
		}
		time.Sleep(95 * time.Hour)
		synctest.Wait()
		if n := len(p.left()); n != 1 {
			t.Errorf("%d are left a moment before", n)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := len(p.left()); n != 0 {
			t.Errorf("%d are left", n)
		}
		if got := p.outcomes("full@far.example"); !slices.Equal(got, []string{calendar.ReasonDelayed, calendar.ReasonLate, calendar.ReasonLate, calendar.ReasonGivenUp}) {
			t.Errorf("%v", got)
		}
		var notices []string
		for _, m := range sinks.all() {
			if m.To == "anna@example.com" {
				kind, _, _ := strings.Cut(strings.Trim(m.Header("Message-Id"), "<"), ".")
				notices = append(notices, kind)
				if !strings.Contains(string(m.Data), "mailbox full") && !strings.Contains(string(m.Data), "no such user") {
					t.Errorf("the sender is not told why:\n%s", m.Data)
				}
			}
		}
		if !slices.Equal(notices, []string{"returned", "delayed", "delayed", "returned"}) {
			t.Errorf("anna is told %v", notices)
		}
		if got := p.outcomes("lost@example.com"); !slices.Equal(got, []string{calendar.ReasonReturned}) {
			t.Errorf("%v", got)
		}
		p.stop()
		s.Close()
	})
}

// An invitation that never went out and its end are both forgotten; one that may
// have arrived is ended.
func TestWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		away := true
		sinks := &pipes{reply: func(c *smtptest.Conn, verb, _ string) string {
			mu.Lock()
			defer mu.Unlock()
			if away && verb == "." && c.To == "doubt@far.example" {
				return smtptest.HangUp
			}
			if away && verb == "RCPT" && c.To == "away@far.example" {
				return "450 4.2.0 come again"
			}
			return ""
		}}
		s := network(func(string) (net.Conn, error) { return sinks.dial(), nil })
		p := newPost(t, s, queue.Options{Route: routed})
		p.mail("anna", "REQUEST", "u", "away@far.example", "doubt@far.example", "well@far.example")
		time.Sleep(time.Minute)
		p.mail("anna", "CANCEL", "u", "away@far.example", "doubt@far.example", "well@far.example")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if n := len(p.left()); n != 4 {
			t.Errorf("%d are left: an end overtook its beginning", n)
		}
		mu.Lock()
		away = false
		mu.Unlock()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		var got []string
		for _, m := range sinks.all() {
			got = append(got, m.To+" "+strings.Split(m.Header("Message-Id"), ".")[1])
		}
		slices.Sort(got)
		if want := []string{"doubt@far.example CANCEL", "doubt@far.example REQUEST", "well@far.example CANCEL", "well@far.example REQUEST"}; !slices.Equal(got, want) {
			t.Errorf("%v went out, want %v", got, want)
		}
		if got := p.outcomes("away@far.example"); !slices.Equal(got, []string{calendar.ReasonDelayed, calendar.ReasonWithdrawn, calendar.ReasonWithdrawn}) {
			t.Errorf("%v", got)
		}
		if n := len(p.left()); n != 0 {
			t.Errorf("%d are left", n)
		}
		p.stop()
		s.Close()
	})
}

// What may have arrived, and is given up at last, is ended all the same; what never
// did is not.
func TestGivenUpInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		away := true
		sinks := &pipes{reply: func(c *smtptest.Conn, verb, _ string) string {
			mu.Lock()
			defer mu.Unlock()
			if away && verb == "." && c.To == "doubt@far.example" {
				return smtptest.HangUp
			}
			if away && verb == "RCPT" && c.To == "away@far.example" {
				return "450 4.2.0 come again"
			}
			return ""
		}}
		s := network(func(string) (net.Conn, error) { return sinks.dial(), nil })
		p := newPost(t, s, queue.Options{Route: routed, Notices: []time.Duration{24 * time.Hour}})
		p.mail("anna", "REQUEST", "u", "away@far.example", "doubt@far.example")
		time.Sleep(30 * time.Hour)
		synctest.Wait()
		mu.Lock()
		away = false
		mu.Unlock()
		p.mail("anna", "CANCEL", "u", "away@far.example", "doubt@far.example")
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		for to, want := range map[string][]string{
			"doubt@far.example": {calendar.ReasonDelayed, calendar.ReasonUnsure, calendar.ReasonMailed},
			"away@far.example":  {calendar.ReasonDelayed, calendar.ReasonGivenUp, calendar.ReasonWithdrawn},
		} {
			if got := p.outcomes(to); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", to, got, want)
			}
		}
		p.stop()
		s.Close()
	})
}

// A server that answers, and takes hours for it, gets no more than the time of an
// attempt; its mail is returned as any other.
func TestEndlessAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sinks := &pipes{}
		sinks.rules(smtptest.Rules{Delay: 20 * time.Second})
		s := network(func(host string) (net.Conn, error) { return sinks.dial(), nil })
		p := newPost(t, s, queue.Options{Route: routed, Attempt: 50 * time.Second, Notices: []time.Duration{24 * time.Hour}})
		p.mail("anna", "REQUEST", "u", "zoe@slow.example")
		time.Sleep(time.Minute)
		synctest.Wait()
		if left := p.left(); len(left) != 1 || left[0].Err != "slow.example:25: mail: no answer in time" {
			t.Errorf("%+v", left)
		}
		time.Sleep(30 * time.Hour)
		synctest.Wait()
		if got := p.outcomes("zoe@slow.example"); !slices.Equal(got, []string{calendar.ReasonDelayed, calendar.ReasonGivenUp}) {
			t.Errorf("%v", got)
		}
		p.stop()
		s.Close()
	})
}

// What a server has taken is not sent again since the store does not take the note of it.
func TestTakenAndNotNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sinks := &pipes{}
		s := network(func(string) (net.Conn, error) { return sinks.dial(), nil })
		p := newPost(t, s, queue.Options{Route: routed})
		p.refuse = errors.New("the disk is full")
		p.mail("anna", "REQUEST", "u", "zoe@far.example")
		time.Sleep(time.Hour)
		synctest.Wait()
		if left := p.left(); len(left) != 1 || left[0].Err != "note what became of it: the disk is full" || left[0].Attempts < 3 {
			t.Errorf("%+v", left)
		}
		p.mu.Lock()
		p.refuse = nil
		p.mu.Unlock()
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := len(sinks.all()); n != 1 || len(p.left()) != 0 {
			t.Errorf("it was sent %d times, %d are left", n, len(p.left()))
		}
		if got := p.outcomes("zoe@far.example"); !slices.Equal(got, []string{calendar.ReasonMailed}) {
			t.Errorf("%v", got)
		}
		p.stop()
		s.Close()
	})
}

// An invitation that still waits for its turn is withdrawn with its end, unless a
// process that has ended may have sent it.
func TestWithdrawnUntried(t *testing.T) {
	for name, died := range map[string]bool{"waits": false, "perhaps sent": true} {
		synctest.Test(t, func(t *testing.T) {
			sinks := &pipes{}
			sinks.rules(smtptest.Rules{Delay: time.Second})
			s := network(func(string) (net.Conn, error) { return sinks.dial(), nil })
			p := newPost(t, s, queue.Options{Route: routed, Each: 1})
			if died {
				p.stop()
			}
			time.Sleep(time.Second)
			p.mail("anna", "REQUEST", "first", "yan@far.example")
			p.mail("anna", "REQUEST", "u", "zoe@far.example")
			p.mail("anna", "CANCEL", "u", "zoe@far.example")
			want := []string{calendar.ReasonWithdrawn, calendar.ReasonWithdrawn}
			if died {
				time.Sleep(time.Second)
				p = p.again(s)
				want = []string{calendar.ReasonMailed, calendar.ReasonMailed}
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := p.outcomes("zoe@far.example"); !slices.Equal(got, want) {
				t.Errorf("%s: %v", name, got)
			}
			p.stop()
			s.Close()
		})
	}
}

// A server for which there is no mail any more is not told of for ever.
func TestForgottenHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sinks := &pipes{}
		s := network(func(host string) (net.Conn, error) {
			if host == "gone.example" {
				return nil, refused(syscall.ECONNREFUSED)
			}
			return sinks.dial(), nil
		})
		p := newPost(t, s, queue.Options{Route: routed, Notices: []time.Duration{24 * time.Hour}})
		p.mail("anna", "REQUEST", "u", "zoe@gone.example")
		time.Sleep(23 * time.Hour)
		if h := p.queue.Hosts(); len(h) != 1 {
			t.Errorf("%+v", h)
		}
		time.Sleep(24 * time.Hour)
		if h := p.queue.Hosts(); len(h) != 0 || len(p.left()) != 0 {
			t.Errorf("%+v, %d left", h, len(p.left()))
		}
		p.stop()
		s.Close()
	})
}
