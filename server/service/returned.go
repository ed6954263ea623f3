package service

import (
	"errors"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// returned notes that a mail of the owner's did not reach its recipient, as a mail
// system told later. Anybody can write such a report: it counts if the owner's journal
// has a mail of that name to that recipient, once. The object shows it where nothing
// newer is known of him. RFC 3464, RFC 6638 §3.2.9.
func (w *writer) returned(d *delivery, back *calendar.Returned) (res calendar.DeliverResult, err error) {
	d.step = calendar.TraceIgnored
	res = calendar.DeliverResult{Status: calendar.StatusDelivered, Reason: d.Arrival.Unread}
	address := "mailto:" + back.Recipient
	id, _, _ := strings.Cut(back.MessageID, "@")
	var sent *calendar.Trace
	err = w.Traces(calendar.TraceQuery{Address: address}, func(t *calendar.Trace) error {
		if t.Reason != calendar.ReasonMailed && t.Reason != calendar.ReasonReturned || !t.SentTo(calendar.AddressKey(address)) {
			return nil
		}
		m := calendar.Mailing{Kind: calendar.MailScheduling, To: back.Recipient, Letter: calendar.Letter{ID: t.Message}}
		if m.Name() != id {
			return nil
		}
		if t.Reason == calendar.ReasonMailed { // else it came back before
			found := *t
			sent = &found
		}
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return res, err
	}
	if sent == nil {
		return res, w.underWay(back.Recipient, id)
	}
	res.Status, res.Reason, res.Detail = calendar.StatusNoService, calendar.ReasonReturned, strings.TrimSpace(back.Status+" "+back.Detail)
	d.step = 0
	d.told = &calendar.Trace{Message: sent.Message, Method: sent.Method, UID: sent.UID, Summary: sent.Summary, From: sent.From, To: []string{address},
		Step: calendar.TraceFailed, Reason: res.Reason, Status: res.Status, Detail: res.Detail}
	var jobs []task
	if to := calendar.MailboxOf(sent.From); back.Tell && to != "" {
		m := calendar.Mailing{Kind: calendar.MailReturned, To: to, UID: sent.UID, Summary: sent.Summary, Why: res.Detail,
			Letter: calendar.Letter{ID: sent.Message, Method: sent.Method, From: sent.From, To: []string{address}}}
		job, err := m.Job()
		if err != nil {
			return res, err
		}
		jobs = append(jobs, task{Job: job})
	}
	p, old, err := w.holder(sent.UID, 0)
	if err != nil {
		return res, err
	}
	var next []byte
	if old != nil {
		next = withStatuses(old.Data, map[string]string{calendar.AddressKey(address): res.Status}, calendar.StatusPending, calendar.StatusSent)
	}
	if next == nil {
		if len(jobs) > 0 {
			err = w.posted(jobs...)
		}
		return res, err
	}
	obj, err := w.again(p.row.ID, old)
	if err != nil {
		return res, err
	}
	obj.Data = next
	_, err = w.store(p, old.Name, obj, old, storing{received: true, quiet: true, settles: true, jobs: jobs})
	return res, err
}

// underWay fails for now if a mail of a name to a recipient is still in the queue: the
// report was faster than the note that it went out.
func (w *writer) underWay(recipient, name string) error {
	jobs, err := w.Jobs()
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Kind != calendar.JobMail || !strings.EqualFold(calendar.MailAddress(j.Key), recipient) {
			continue
		}
		job, ok, err := w.Job(j.Change, j.Seq)
		if err != nil {
			return err
		}
		if m, err := calendar.ParseMailing(job); ok && err == nil && m.Name() == name {
			return calendar.Failf(calendar.Unavailable, "", w.op, recipient, "the mail that came back is still in the queue")
		}
	}
	return nil
}

// withStatuses is a text in which those whose message is as far as was says have a
// status, nil if nobody is.
func withStatuses(data []byte, statuses map[string]string, was ...string) []byte {
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return nil
	}
	changed := false
	for _, c := range cal.Children {
		for i := range c.Props {
			p := &c.Props[i]
			if p.Name != "ATTENDEE" && p.Name != "ORGANIZER" || !hasStatus(p, was) {
				continue
			}
			if st := statuses[calendar.AddressKey(p.Value)]; st != "" && !p.ParamIs(statusParam, st) {
				p.SetParam(statusParam, st)
				changed = true
			}
		}
	}
	if !changed {
		return nil
	}
	return cal.Bytes()
}

func hasStatus(p *ical.Property, list []string) bool {
	for _, s := range list {
		if p.ParamIs(statusParam, s) {
			return true
		}
	}
	return false
}

// statusParam is that of RFC 6638 §7.3.
const statusParam = "SCHEDULE-STATUS"
