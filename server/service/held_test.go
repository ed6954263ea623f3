package service_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// heldMails keeps the mails about what is held.
type heldMails struct {
	calendar.Outbox
	mails []calendar.Mailing
	due   []time.Time
}

func (o *heldMails) Add(jobs ...calendar.Job) {
	for _, j := range jobs {
		if m, err := calendar.ParseMailing(j); err == nil && j.Kind == calendar.JobMail && m.Kind == calendar.MailHeld {
			o.mails, o.due = append(o.mails, m), append(o.due, j.Due)
		}
	}
}

// Of each message that is held its recipient is told in one mail, and in one an hour;
// what nobody decides about is in the journal when it goes.
func TestHeldIsTold(t *testing.T) {
	now := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	start, out := now, &heldMails{}
	svc := service.New(calendartest.NewStore(), calendartest.NewPeople("anna"), service.Options{Notices: service.NoticeOptions{Held: true}, Outbox: out,
		Now: func() time.Time { return now }, Limits: calendar.Limits{InboxItems: 6}, InboxAge: 24 * time.Hour})
	n := 0
	hold := func(at time.Duration) {
		t.Helper()
		now = start.Add(at)
		n++
		text := strings.ReplaceAll(message("REQUEST", fmt.Sprint("u", n)), "ben@example.com", "zoe@far.example")
		res, err := svc.Deliver(t.Context(), calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: fmt.Sprint("mail/", n), Data: []byte(text),
			Arrival: &calendar.Arrival{Sender: "zoe@far.example", Proof: calendar.Proven}, To: []calendar.Recipient{{Address: "mailto:anna@example.com", Owner: "anna"}}})
		if err != nil || res[0].Err != nil || res[0].Reason != "unsolicited" {
			t.Fatal(err, res)
		}
	}
	var came []time.Duration
	for _, at := range []time.Duration{0, time.Second, 6 * time.Second, time.Minute, 2 * time.Hour, 2*time.Hour + time.Second} {
		hold(at)
		came = append(came, at)
	}
	if len(out.mails) != 3 {
		t.Fatalf("mails: %+v", out.mails)
	}
	for i, want := range []time.Duration{5 * time.Second, time.Hour + 5*time.Second, 2*time.Hour + 5*time.Second} {
		if m := out.mails[i]; !m.Until.Equal(start.Add(want)) || !out.due[i].Equal(m.Until) || m.To != "anna@example.com" {
			t.Errorf("mail %d: %+v, due %v", i, m, out.due[i])
		}
	}
	list, err := svc.Held(t.Context(), "anna")
	if err != nil || len(list) != len(came) {
		t.Fatal(err, list)
	}
	for i, h := range list {
		told := 0
		for _, m := range out.mails {
			if !h.Came.Before(m.Since) && h.Came.Before(m.Until) {
				told++
			}
		}
		if told != 1 || !h.Came.Equal(start.Add(came[i])) {
			t.Errorf("%s, which came at %v, is told of %d times", h.UID, h.Came, told)
		}
	}
	// One too many, and age.
	for range 2 {
		hold(3 * time.Hour)
	}
	now = start.Add(100 * time.Hour)
	if _, err := svc.PurgeAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := svc.Held(t.Context(), "anna"); err != nil || len(list) > 0 {
		t.Errorf("held: %+v %v", list, err)
	}
	res, err := svc.Why(t.Context(), anna, calendar.WhyRequest{Owner: "anna"})
	gone := 0
	for _, tr := range res.Traces {
		if tr.Reason == "undecided" && tr.Step == calendar.TraceIgnored && tr.From == "mailto:zoe@far.example" {
			gone++
		}
	}
	if err != nil || gone != n {
		t.Errorf("the journal has %d of %d: %v", gone, n, err)
	}
}
