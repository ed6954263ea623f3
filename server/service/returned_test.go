package service_test

import (
	"errors"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// returns keeps the mails of which somebody is told that they came back.
type returns struct {
	calendar.Outbox
	jobs  []calendar.Job
	mails []calendar.Mailing
}

func (o *returns) Add(jobs ...calendar.Job) {
	for _, j := range jobs {
		if m, err := calendar.ParseMailing(j); err == nil && j.Kind == calendar.JobMail && m.Kind == calendar.MailReturned {
			o.mails = append(o.mails, m)
		}
	}
	o.jobs = append(o.jobs, jobs...)
}

func (o *returns) Gone(...calendar.JobID) {}

// A report counts once for a mail that went out. Its owner is told of it by mail where it
// did not come to him; before the queue has noted that the mail went out it is too early.
func TestReturnedIsTold(t *testing.T) {
	out := &returns{}
	svc := service.New(calendartest.NewStore(), calendartest.NewPeople("anna"), service.Options{Outbox: out})
	const zoe = "zoe@far.example"
	mail := calendar.Mailing{Kind: calendar.MailScheduling, To: zoe, UID: "u", Summary: "Lunch",
		Letter: calendar.Letter{ID: "anna/1/0", Method: "REQUEST", From: "mailto:anna@example.com", To: []string{"mailto:" + zoe}}}
	report := func(id, name, to string, tell bool) error {
		t.Helper()
		res, err := svc.Deliver(t.Context(), calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: id,
			Arrival: &calendar.Arrival{Unread: "bounced", Returned: &calendar.Returned{MessageID: name + "@example.com", Recipient: to, Status: "5.1.1", Detail: "no such user", Tell: tell}},
			To:      []calendar.Recipient{{Address: "mailto:anna@example.com", Owner: "anna"}}})
		if err != nil {
			t.Fatal(err)
		}
		return res[0].Err
	}
	settle := func(st calendar.Settlement) {
		t.Helper()
		if err := svc.Settle(t.Context(), "anna", st); err != nil {
			t.Fatal(err)
		}
	}
	settle(calendar.Settlement{UID: "u", Mail: []calendar.Mailing{mail}})
	if err := report("1", mail.Name(), zoe, true); !errors.Is(err, calendar.Unavailable) {
		t.Fatalf("before it is known to have gone out: %v", err)
	}
	sent := calendar.Trace{Message: mail.Letter.ID, Method: "REQUEST", UID: "u", Summary: "Lunch", From: mail.Letter.From, To: mail.Letter.To,
		Step: calendar.TraceDelivered, Reason: calendar.ReasonMailed, Status: calendar.StatusSent}
	settle(calendar.Settlement{Job: out.jobs[len(out.jobs)-1].JobID, UID: "u", Traces: []calendar.Trace{sent}})
	for _, r := range []struct {
		id, name, to string
		told         int
	}{
		{"2", strings.Repeat("0", 32), zoe, 0}, {"3", mail.Name(), "yan@far.example", 0},
		{"1", mail.Name(), strings.ToUpper(zoe), 1}, {"1", mail.Name(), zoe, 1}, {"4", mail.Name(), zoe, 1},
	} {
		if err := report(r.id, r.name, r.to, true); err != nil || len(out.mails) != r.told {
			t.Errorf("after %+v: %v, told %d times", r, err, len(out.mails))
		}
	}
	if m := out.mails[0]; m.To != "anna@example.com" || m.Summary != "Lunch" || m.Why != "5.1.1 no such user" || len(m.Letter.To) != 1 || !strings.EqualFold(m.Letter.To[0], "mailto:"+zoe) {
		t.Errorf("told %+v", m)
	}
	// Who has the report in his mailbox is not told again.
	mail.Letter.ID, sent.Message = "anna/2/0", "anna/2/0"
	settle(calendar.Settlement{UID: "u", Traces: []calendar.Trace{sent}})
	if err := report("5", mail.Name(), zoe, false); err != nil || len(out.mails) != 1 {
		t.Errorf("%v, told %d times", err, len(out.mails))
	}
	res, err := svc.Why(t.Context(), anna, calendar.WhyRequest{Owner: "anna"})
	back := 0
	for _, tr := range res.Traces {
		if tr.Reason == calendar.ReasonReturned && tr.Step == calendar.TraceFailed && tr.UID == "u" {
			back++
		}
	}
	if err != nil || back != 2 {
		t.Errorf("the journal has %d: %v", back, err)
	}
}
