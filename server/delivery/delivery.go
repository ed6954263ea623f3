// Package delivery brings scheduling messages to those they are for: it does the
// jobs of kind calendar.JobDeliver, in the daemon that owns the sender's calendars.
//
// A job has all messages that follow from one change (calendar.Post). Those about
// one UID go out one after another, in the order of the changes. Recipients whose
// back end does not answer hold up nobody else: what is for them goes by a lane of
// its own, a job for that back end, and so does all that follows until the lane is
// empty. So each recipient gets what is about a UID in its order, whoever else is
// away.
//
// A message may be brought twice, when the process ends before that is noted: it is
// applied once (calendar.DeliverRequest, ID). The job is deleted with the note.
package delivery

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/worker"
)

// firstPause is the time before the second attempt; each is twice as long as the
// one before, until Courier.Pause.
const firstPause = time.Second

// Model is the sender's side.
type Model interface {
	// Settle notes what became of letters, and deletes their job.
	Settle(ctx context.Context, owner calendar.Owner, st calendar.Settlement) error
	// TellAnswers makes a job that tells a meeting's attendees each other's answers
	// of the job that asks for it.
	TellAnswers(ctx context.Context, job calendar.JobID, uid string) error
}

// Courier does the jobs.
type Courier struct {
	Model  Model
	Jobs   calendar.Outbox
	People calendar.People
	// Pause is the longest time between two attempts to bring a letter, an hour if
	// it is 0, and Expires after how long it is given up, five days if it is 0.
	Pause, Expires time.Duration
	// Mails says that who has no calendar here is written to by mail.
	Mails   bool
	Backend interface { // where the recipients' calendars are: the Router
		Deliver(ctx context.Context, who calendar.Actor, req calendar.DeliverRequest) ([]calendar.DeliverResult, error)
	}
}

// Kinds are the kinds of jobs and how they are done.
func (c *Courier) Kinds() map[string]worker.Kind {
	return map[string]worker.Kind{
		calendar.JobDeliver: {Run: c.Deliver, Attempts: c.attempts(), First: firstPause, Max: c.Pause, Deletes: true},
		calendar.JobAnswers: {Run: c.Answers, Deletes: true},
	}
}

// attempts is how many there are before it is given up. Half of each pause is by
// chance: three quarters of it are waited in the mean.
func (c *Courier) attempts() int {
	longest, expires := cmp.Or(c.Pause, time.Hour), cmp.Or(c.Expires, 5*24*time.Hour)
	n := 1
	for pause, waited := min(firstPause, longest), time.Duration(0); waited < expires; n++ {
		waited += pause * 3 / 4
		pause = min(2*pause, longest)
	}
	return n
}

// Answers does a job of kind calendar.JobAnswers.
func (c *Courier) Answers(ctx context.Context, job calendar.Job) error {
	return c.Model.TellAnswers(ctx, job.JobID, string(job.Payload))
}

// Deliver does a job of kind calendar.JobDeliver.
func (c *Courier) Deliver(ctx context.Context, job calendar.Job) error {
	post, err := calendar.ParsePost(job)
	if err != nil {
		return worker.Permanent(err)
	}
	sender, err := c.People.Person(ctx, string(job.Owner))
	if err != nil && !errors.Is(err, calendar.NotFound) {
		return fmt.Errorf("look up the sender: %w", err)
	}
	who := sender.Actor()
	who.Via = calendar.ViaDelivery
	r := round{Courier: c, job: job, post: &post, who: who, statuses: map[string]string{}}
	if err := r.run(ctx); err != nil {
		return err
	}
	st := calendar.Settlement{UID: post.UID, Statuses: r.statuses, Mail: r.mails, Traces: r.traces}
	last := job.Attempts+1 >= c.attempts()
	if parked := last && len(r.left) > 0; !parked {
		st.Job = job.JobID
	}
	if post.Lane != "" && len(r.left) > 0 && !last {
		// What was brought is noted when all of it was: a lane is tried as a whole.
		return r.failure
	}
	for lane, letters := range r.left {
		if last {
			r.giveUp(letters, &st)
			continue
		}
		st.Later = append(st.Later, calendar.Post{UID: post.UID, Summary: post.Summary, Letters: letters, Lane: lane, NoMail: post.NoMail})
	}
	if err := c.Model.Settle(ctx, job.Owner, st); err != nil {
		return fmt.Errorf("note what became of it: %w", err)
	}
	if last && len(r.left) > 0 {
		return worker.Permanent(r.failure)
	}
	return nil
}

// round is one attempt at a job.
type round struct {
	*Courier
	job      calendar.Job
	post     *calendar.Post
	who      calendar.Actor
	statuses map[string]string
	traces   []calendar.Trace
	left     map[string][]calendar.Letter // what could not be brought, by lane
	waits    map[string]bool              // whom something could not be brought to, by AddressKey: what follows for him is later
	mails    []calendar.Mailing
	failure  error
}

func (r *round) run(ctx context.Context) error {
	for i := range r.post.Letters {
		if err := r.letter(ctx, &r.post.Letters[i]); err != nil {
			return err
		}
	}
	return nil
}

// closed reports whether a lane has something pending, which what follows must
// not overtake. A job that is a lane's own has none before it.
func (r *round) closed(lane string) bool {
	return r.post.Lane == "" && r.Jobs.Planned(r.job.Owner, calendar.PostKey(r.post.UID, lane), time.Time{})
}

// letter brings one letter to all of its recipients that can be reached.
func (r *round) letter(ctx context.Context, l *calendar.Letter) error {
	var to []calendar.Recipient
	var hosts []string
	for _, address := range l.To {
		p, res, err := r.find(ctx, address, l)
		switch {
		case err != nil:
			return err
		case res.Status != "" && (l.Inconsequential || l.Told): // nobody misses it
		case res.Reason == calendar.ReasonOutside && r.Mails && !r.post.NoMail && calendar.MailboxOf(address) != "":
			r.mail(l, address)
		case res.Status != "":
			r.note(l, address, res)
		case r.waits[calendar.AddressKey(address)], r.closed(laneOf(p)):
			r.leave(l, address, laneOf(p), nil)
		default:
			to = append(to, calendar.Recipient{Address: address, Owner: calendar.Owner(p.ID)})
			hosts = append(hosts, laneOf(p))
		}
	}
	if len(to) == 0 {
		return nil
	}
	results, err := r.Backend.Deliver(ctx, r.who, calendar.DeliverRequest{ID: l.ID, From: l.From, To: to, Data: l.Data, Inconsequential: l.Inconsequential})
	for i := range to {
		res := calendar.DeliverResult{Err: err}
		if err == nil {
			res = results[i]
		}
		if res.Err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.leave(l, to[i].Address, hosts[i], res.Err)
			continue
		}
		r.note(l, to[i].Address, res)
	}
	return nil
}

// mail has a letter mailed.
func (r *round) mail(l *calendar.Letter, address string) {
	part := *l
	part.To = []string{address}
	r.mails = append(r.mails, calendar.Mailing{Kind: calendar.MailScheduling, To: calendar.MailboxOf(address), UID: r.post.UID, Summary: r.post.Summary, Letter: part})
}

// laneOf names the back end of somebody: never "".
func laneOf(p calendar.Person) string { return Lane(p.Host) }

// Lane is the lane of a back end, as calendar.Post has it; "" is the default one.
func Lane(host string) string { return "@" + strings.ToLower(host) }

// find looks up whose address it is. Who is not of this site is told so by a
// result.
func (r *round) find(ctx context.Context, address string, l *calendar.Letter) (p calendar.Person, res calendar.DeliverResult, err error) {
	p, err = Find(ctx, r.People, address)
	ds := calendar.DomainsOf(r.People)
	if err == nil && !reaches(ds, r.who, &p, l) {
		p, err = calendar.Person{}, calendar.Fail(calendar.NotFound, "look up an address", address)
	}
	switch {
	case err == nil && !p.Active:
		res = calendar.DeliverResult{Status: calendar.StatusUnknownUser, Reason: calendar.ReasonDisabled}
		if d := ds.Of(p.ID); d != nil && !d.Active {
			res.Detail = fmt.Sprintf("the domain %s is not active", d.Name)
		}
	case err == nil:
	case errors.Is(err, calendar.NotFound):
		res, err = calendar.DeliverResult{Status: calendar.StatusNoService, Reason: calendar.ReasonOutside}, nil
		if sameDomain(address, r.who.Mail) {
			res = calendar.DeliverResult{Status: calendar.StatusUnknownUser, Reason: calendar.ReasonUnknownUser}
		}
	default:
		err = fmt.Errorf("look up a recipient: %w", err)
	}
	return p, res, err
}

// reaches reports whether a letter goes to somebody within the site: to whom its
// sender finds, and as an answer to who finds the sender, for he has asked. Who
// is of a domain that does not see the other is as far away as anybody elsewhere.
// ldap.md §7.5.
func reaches(ds *calendar.Domains, sender calendar.Actor, p *calendar.Person, l *calendar.Letter) bool {
	switch {
	case ds == nil || sender.User == "" || ds.SeesPerson(sender, p):
		return true
	case l.Method == "REPLY" || l.Method == "COUNTER" || l.Method == "REFRESH":
		return ds.Sees(p.Actor(), ds.Of(sender.User))
	}
	return false
}

// Find looks up a calendar user address in the directory: a mail address, the
// address of a principal or a user id. NotFound if it is nobody's here.
func Find(ctx context.Context, people calendar.People, address string) (calendar.Person, error) {
	key := calendar.AddressKey(address)
	if _, id, ok := strings.Cut(key, calendar.PrincipalsPath); ok {
		key = strings.TrimSuffix(id, "/")
	}
	if key == "" {
		return calendar.Person{}, calendar.Fail(calendar.NotFound, "look up an address", address)
	}
	if strings.Contains(key, "@") {
		p, err := people.ByMail(ctx, key)
		if err == nil || !errors.Is(err, calendar.NotFound) {
			return p, err
		}
	}
	return people.Person(ctx, key)
}

// sameDomain reports whether two mail addresses are of one domain.
func sameDomain(address, mail string) bool {
	_, a, ok := strings.Cut(calendar.AddressKey(address), "@")
	_, b, has := strings.Cut(calendar.AddressKey(mail), "@")
	return !ok || has && a == b
}

// note keeps what became of a letter at one recipient.
func (r *round) note(l *calendar.Letter, address string, res calendar.DeliverResult) {
	if !l.Inconsequential {
		r.statuses[calendar.AddressKey(address)] = res.Status
	}
	step := calendar.TraceDelivered
	if !strings.HasPrefix(res.Status, "1.") {
		step = calendar.TraceFailed
	}
	r.trace(l, address, step, res)
}

// trace writes a step of a letter; recipients for whom it is the same share it.
func (r *round) trace(l *calendar.Letter, address string, step calendar.TraceStep, res calendar.DeliverResult) {
	for i := range r.traces {
		t := &r.traces[i]
		if t.Message == l.ID && t.Step == step && t.Reason == res.Reason && t.Detail == res.Detail {
			t.To = append(t.To, address)
			return
		}
	}
	r.traces = append(r.traces, calendar.Trace{Message: l.ID, Method: l.Method, UID: r.post.UID, Summary: r.post.Summary,
		From: l.From, To: []string{address}, Step: step, Reason: res.Reason, Status: res.Status, Detail: res.Detail})
}

// leave keeps a letter for a recipient who cannot be reached.
func (r *round) leave(l *calendar.Letter, address, lane string, err error) {
	if r.left == nil {
		r.left, r.waits = map[string][]calendar.Letter{}, map[string]bool{}
	}
	r.waits[calendar.AddressKey(address)] = true
	detail := ""
	if err != nil {
		r.failure = err
		detail = calendar.MessageOf(err)
	}
	if r.job.Attempts == 0 {
		r.trace(l, address, calendar.TraceDelayed, calendar.DeliverResult{Status: calendar.StatusPending, Reason: calendar.ReasonDelayed, Detail: detail})
	}
	letters := r.left[lane]
	if n := len(letters); n > 0 && letters[n-1].ID == l.ID {
		letters[n-1].To = append(letters[n-1].To, address)
		return
	}
	part := *l
	part.To = []string{address}
	r.left[lane] = append(letters, part)
}

// giveUp says of letters that nobody will bring them any more. They stay in the
// table of jobs, for an administrator to have them tried once more.
func (r *round) giveUp(letters []calendar.Letter, st *calendar.Settlement) {
	for i := range letters {
		for _, address := range letters[i].To {
			if !letters[i].Inconsequential {
				st.Statuses[calendar.AddressKey(address)] = calendar.StatusNoService
			}
			r.trace(&letters[i], address, calendar.TraceFailed, calendar.DeliverResult{Status: calendar.StatusNoService, Reason: calendar.ReasonGivenUp})
		}
	}
	st.Traces = r.traces
}
