package queue_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"factotum/notify/queue"
	"factotum/notify/relay/smtptest"
	"factotum/server/calendar"
	"factotum/server/worker"
)

// facts are what the daemon gathers for a diagnosis.
func (p *post) facts() queue.Facts {
	st, c := p.worker.Stats(), p.queue.Counts()
	f := queue.Facts{Now: time.Now(), Enabled: true, Relay: "far.example:25", Up: true, Works: st.Works, Connections: 20, Each: 4, Load: 0.1, Doubts: st.Doubts,
		Composing: c.Composing, Sending: c.Sending, Active: c.Active, Longest: c.Longest, Hosts: p.queue.Hosts(), Overdue: st.Oldest}
	jobs := p.left()
	for i, place := range p.worker.Places(jobs) {
		f.Count(&jobs[i], place)
	}
	return f
}

// What is held stays where it is, through attempts of others, and what is behind it
// in its line does not overtake it; what is returned is told like what is too old.
func TestHeldAndReturned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := make(chan bool, 1)
		away <- true
		sinks := &pipes{reply: func(c *smtptest.Conn, verb, _ string) string {
			now := <-away
			away <- now
			if now && verb == "RCPT" && c.To != "anna@example.com" {
				return "450 4.2.0 come again"
			}
			return ""
		}}
		s := network(func(string) (net.Conn, error) { return sinks.dial(), nil })
		p := newPost(t, s, queue.Options{Route: routed})
		p.mail("anna", "REQUEST", "u", "held@far.example", "back@far.example", "free@far.example")
		time.Sleep(time.Second)
		p.mail("anna", "REQUEST", "u", "held@far.example")
		synctest.Wait()
		to := func(address string) worker.Filter {
			return worker.Filter{Kinds: []string{calendar.JobMail}, Lanes: []string{calendar.MailLane(address)}}
		}
		first := to("held@far.example")
		first.IDs = []calendar.JobID{p.left()[0].JobID}
		done := func(what string, n int, do func(context.Context, worker.Filter) (worker.Outcome, error), f worker.Filter) {
			t.Helper()
			if out, err := do(bg, f); out != (worker.Outcome{Done: n}) || err != nil {
				t.Errorf("%s: %+v %v", what, out, err)
			}
		}
		done("hold", 1, p.worker.Hold, first)
		done("hold again", 0, p.worker.Hold, first)
		done("return", 1, func(ctx context.Context, f worker.Filter) (worker.Outcome, error) {
			return p.worker.Finish(ctx, f, func(ctx context.Context, j calendar.Job) error { return queue.Return(ctx, p, j) })
		}, to("back@far.example"))
		synctest.Wait() // until its sender is told
		<-away
		away <- false
		done("retry", 1, p.worker.Retry, worker.Filter{}) // free, not what is held
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if got := p.outcomes("back@far.example"); !slices.Equal(got, []string{calendar.ReasonDelayed, calendar.ReasonGivenUp}) {
			t.Errorf("returned: %v", got)
		}
		var got []string
		for _, m := range sinks.all() {
			got = append(got, m.To)
			if m.To == "anna@example.com" && !strings.Contains(string(m.Data), "an administrator has returned it; at the last attempt: ") {
				t.Errorf("the sender is told\n%s", m.Data)
			}
		}
		if slices.Sort(got); !slices.Equal(got, []string{"anna@example.com", "free@far.example"}) {
			t.Errorf("%v went out", got)
		}
		left := p.left()
		if len(left) != 2 || !worker.Held(&left[0]) || worker.Held(&left[1]) || worker.HeldAfter(left[0].Err) != "far.example:25: rcpt: 450 4.2.0 come again" {
			t.Fatalf("left: %+v", left)
		}
		if d := queue.Diagnose(p.facts()); d.Problem || len(d.Findings) > 0 {
			t.Errorf("what is held is a problem: %+v", d)
		}
		done("release", 1, p.worker.Release, worker.Filter{Held: true})
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(sinks.all()); n != 4 || len(p.left()) != 0 {
			t.Errorf("%d went out, %d are left", n, len(p.left()))
		}
		p.stop()
		s.Close()
	})
}

// A destination that does not answer is told as stuck, while it holds its share; a
// job that the worker does not know is an orphan; a worker that has ended does none.
func TestDiagnoseOfWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &pipes{reply: func(_ *smtptest.Conn, verb, _ string) string {
			if verb == "RCPT" {
				return smtptest.Silence
			}
			return ""
		}}
		s := network(func(string) (net.Conn, error) { return silent.dial(), nil })
		p := newPost(t, s, queue.Options{Route: routed})
		p.mail("anna", "REQUEST", "u", "a@far.example", "b@far.example", "c@far.example", "d@far.example", "e@far.example", "f@far.example")
		time.Sleep(45 * time.Second)
		d := queue.Diagnose(p.facts())
		if !d.Problem || len(d.Findings) != 1 || d.Findings[0].State != queue.Stuck || !strings.Contains(strings.Join(d.Findings[0].Evidence, "\n"), "far.example: 4 being sent, 2 more are due") {
			t.Errorf("stuck: %+v", d)
		}
		lost := calendar.Mailing{Kind: calendar.MailScheduling, To: "x@near.example", UID: "v"}
		job, err := lost.Job()
		if err != nil {
			t.Fatal(err)
		}
		job.JobID, job.Created, job.Due = calendar.JobID{Owner: "bert", Change: 1}, time.Now(), time.Now()
		if err := p.store.Update(bg, "bert", func(tx calendar.Tx) error { return tx.PutJob(job) }); err != nil {
			t.Fatal(err)
		}
		if f := p.facts(); len(f.Lost) != 0 {
			t.Errorf("lost at once: %v", f.Lost)
		}
		time.Sleep(3 * time.Minute)
		if f := p.facts(); !slices.Equal(f.Lost, []string{"bert/1/0"}) {
			t.Errorf("lost: %v", f.Lost)
		}
		ctx, cancel := context.WithTimeout(bg, time.Second)
		defer cancel()
		if err := p.worker.Stop(ctx); err != nil {
			t.Error(err)
		}
		if d := queue.Diagnose(p.facts()); !d.Problem || d.Findings[0].Cause != queue.Ours || !strings.Contains(d.Findings[0].Says, "does no jobs") {
			t.Errorf("ended: %+v", d)
		}
		s.Close()
	})
}
