package service

import (
	"errors"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// returned notes that a mail of the owner's did not reach its recipient, as a mail
// system told later. Anybody can write such a report: it counts if the owner's journal
// has a mail of that name to that recipient. The object shows it where nothing newer
// is known of him. RFC 3464, RFC 6638 §3.2.9.
func (w *writer) returned(d *delivery, back *calendar.Returned) (res calendar.DeliverResult, err error) {
	d.step = calendar.TraceIgnored
	res = calendar.DeliverResult{Status: calendar.StatusDelivered, Reason: d.Arrival.Unread}
	address := "mailto:" + back.Recipient
	id, _, _ := strings.Cut(back.MessageID, "@")
	var sent *calendar.Trace
	err = w.Traces(calendar.TraceQuery{Address: address}, func(t *calendar.Trace) error {
		if t.Reason != calendar.ReasonMailed || !t.SentTo(calendar.AddressKey(address)) {
			return nil
		}
		m := calendar.Mailing{Kind: calendar.MailScheduling, To: back.Recipient, Letter: calendar.Letter{ID: t.Message}}
		if m.Name() != id {
			return nil
		}
		found := *t
		sent = &found
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) || sent == nil {
		return res, err
	}
	res.Status, res.Reason, res.Detail = calendar.StatusNoService, calendar.ReasonReturned, strings.TrimSpace(back.Status+" "+back.Detail)
	d.step = 0
	d.told = &calendar.Trace{Message: sent.Message, Method: sent.Method, UID: sent.UID, Summary: sent.Summary, From: sent.From, To: []string{address},
		Step: calendar.TraceFailed, Reason: res.Reason, Status: res.Status, Detail: res.Detail}
	p, old, err := w.holder(sent.UID, 0)
	if err != nil || old == nil {
		return res, err
	}
	next := withStatuses(old.Data, map[string]string{calendar.AddressKey(address): res.Status}, calendar.StatusPending, calendar.StatusSent)
	if next == nil {
		return res, nil
	}
	obj, err := w.again(p.row.ID, old)
	if err != nil {
		return res, err
	}
	obj.Data = next
	_, err = w.store(p, old.Name, obj, old, storing{received: true, quiet: true})
	return res, err
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
