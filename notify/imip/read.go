package imip

import (
	"errors"
	"io"

	"factotum/server/admission"
)

// Read reads a mail, at most once and to its end unless a limit is reached.
// What transport adds belongs to it: Return-Path, Authentication-Results, the
// verdict about spam. An error is a *Refusal, or one of r; what the header says is
// there with a Refusal too, as far as it was read. RFC 6047 §2, RFC 2046 §5.1.
func Read(r io.Reader, lim Limits) (*Mail, error) {
	lim = lim.orDefault()
	w := walker{in: newLines(r, lim.Mail), lim: lim}
	err := w.part(place{message: true})
	m := &Mail{}
	m.facts(w.found.header)
	if err == nil && len(w.found.header) == 0 {
		err = refuse(admission.MailBroken, "it has no header")
	}
	if err == nil {
		err = m.judge(&w.found, lim)
	}
	var refusal *Refusal
	if errors.As(err, &refusal) {
		m.Kind, m.Messages, m.Refused = Nothing, nil, append(m.Refused, *refusal)
	}
	return m, err
}

// judge finds out what a mail is.
func (m *Mail) judge(f *found, lim Limits) error {
	if m.Report = reportOf(f, m, lim); m.Report != nil {
		m.Kind = Returned
		return nil
	}
	by, answers := automatic(f, m)
	if f.report == "" {
		if err := m.collect(f.leaves, 0, lim); err != nil {
			return err
		}
	}
	if answers { // who answers by himself sends back what he was sent: only answers in it are his
		m.Messages = onlyAnswers(m.Messages)
	}
	switch {
	case len(m.Messages) > 0:
		m.Kind = Scheduling
		return nil
	case by != "":
		m.Kind, m.AutomaticBy = Automatic, by
		return nil
	case f.report == "":
		if err := m.collect(f.leaves, 1, lim); err != nil {
			return err
		}
	}
	if len(m.Messages) > 0 {
		m.Kind = Scheduling
		return nil
	}
	if f.winmail != nil {
		m.Refused = append(m.Refused, Refusal{Reason: admission.WinmailDat.String(), Part: *f.winmail})
	}
	if f.sealed != nil {
		m.Refused = append(m.Refused, Refusal{Reason: admission.MailSealed.String(), Part: *f.sealed})
	}
	return nil
}

// Reason is why a mail has no message to apply, a code of docs/why.md; "" if it
// has one.
func (m *Mail) Reason() string {
	switch {
	case m.Kind == Scheduling:
		return ""
	case m.Kind == Returned:
		return admission.Bounced.String()
	case m.Kind == Automatic:
		return admission.AutomaticAnswer.String()
	case len(m.Refused) > 0:
		return m.Refused[0].Reason
	}
	return admission.NothingForUs.String()
}
