// Package lmtp takes in mail: the site's mail system hands it over by LMTP
// (RFC 2033) or SMTP (RFC 5321), and what it says about meetings is brought to the
// back ends of its recipients. What becomes of it there server/admission decides.
//
// A recipient is answered for when all that his back end did is durable. Who is away
// has the mail system try again; what was done by then is not done twice. A mail that
// cannot be read, or that is nothing for us, is taken and comes to nothing: its sender
// may be anybody, so that a refusal would go to somebody who did not write it.
//
// What is for the address in the envelope of our own mails, where that is one of the
// site's, is a report about one of them, or nothing: it goes to who sent that.
//
// Whoever can reach the listener is believed about what the mail system found out.
package lmtp

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"factotum/notify/imip"
	"factotum/server/admission"
	"factotum/server/calendar"
)

// Backend is where the recipients' calendars are: the Router.
type Backend interface {
	Deliver(ctx context.Context, who calendar.Actor, req calendar.DeliverRequest) ([]calendar.DeliverResult, error)
}

// People is the directory.
type People interface {
	ByMail(ctx context.Context, address string) (calendar.Person, error)
}

// Spam is who is asked whether a mail about meetings is spam.
type Spam struct {
	Check func(ctx context.Context, mail []byte) (bool, error) // nil asks nobody
	// Refuse has spam refused; else it is held for its recipients.
	Refuse bool
	// Wait has the mail system try again while there is no answer; else the mail is
	// taken without.
	Wait bool
}

// mostChecked is how large a mail may be to be asked about: spamc's own bound.
const mostChecked = 500 << 10

// Intake brings mail to people.
type Intake struct {
	Backend Backend
	People  People
	ServID  string // whose Authentication-Results are believed, "" nobody's
	// Envelope is the address that our mails come back to, "" that of who sent each.
	Envelope string
	Spam     Spam
	Limits   imip.Limits
	Log      *slog.Logger
}

// Find looks up whose mail address it is. What follows a plus sign is not looked at
// where the whole is nobody's: RFC 5233 §3. NotFound if it is nobody's here, or not
// in use. The address that mails come back to is nobody's: it has no Owner.
func (in *Intake) Find(ctx context.Context, address string) (calendar.Recipient, error) {
	const op = "look up a recipient"
	key, plain := calendar.AddressKey(address), calendar.AddressKey(untagged(address))
	if back := calendar.AddressKey(in.Envelope); in.Envelope != "" && (key == back || plain == back) {
		return calendar.Recipient{Address: "mailto:" + in.Envelope}, nil
	}
	p, err := in.People.ByMail(ctx, key)
	if errors.Is(err, calendar.NotFound) && plain != key {
		p, err = in.People.ByMail(ctx, plain)
	}
	if err != nil {
		return calendar.Recipient{}, fmt.Errorf("%s: %w", op, err)
	}
	if d := domainOf(in.People, p.ID); d != nil && !d.Active {
		return calendar.Recipient{}, calendar.Failf(calendar.NotFound, "", op, address, "The calendar service of the domain %s is switched off", d.Name)
	}
	if !p.Active || p.ID == "" {
		return calendar.Recipient{}, calendar.Fail(calendar.NotFound, op, address)
	}
	if mail := p.Mail(); mail != "" {
		address = mail
	}
	return calendar.Recipient{Address: "mailto:" + address, Owner: calendar.Owner(p.ID)}, nil
}

// domainOf is the hosted domain of somebody, nil where there are none.
func domainOf(people People, id calendar.UserID) *calendar.Domain {
	if h, ok := people.(calendar.Hosted); ok && id != "" {
		return h.HostedDomains().Of(id)
	}
	return nil
}

// untagged is an address without what follows a plus sign.
func untagged(address string) string {
	local, domain, _ := strings.Cut(address, "@")
	if name, _, tagged := strings.Cut(local, "+"); tagged && name != "" {
		return name + "@" + domain
	}
	return address
}

// Take brings a mail to its recipients, each of whom has one error of the answer:
// nil says that it is done. The error is of who could not be read from. from is the
// envelope's.
func (in *Intake) Take(ctx context.Context, from string, mail io.Reader, to []calendar.Recipient) ([]error, error) {
	first := "Return-Path: <" + oneLine(from) + ">\r\n" // RFC 5321 §4.4
	lim := in.Limits
	lim.Mail = in.most() + len(first) + 1 // what is larger the server refuses
	kept := keeper{most: mostChecked}
	if in.Spam.Check != nil {
		mail = io.TeeReader(mail, &kept)
	}
	m, err := imip.Read(io.MultiReader(strings.NewReader(first), mail), lim)
	var refusal *imip.Refusal
	if err != nil && !errors.As(err, &refusal) {
		return nil, err
	}
	if in.Spam.Check != nil && len(m.Messages) > 0 && m.Spam == "" && !kept.over {
		if err := in.ask(ctx, m, kept.data); err != nil {
			return nil, err
		}
	}
	reqs := in.requests(m)
	answers := make([]error, len(to))
	for i := range reqs {
		in.deliver(ctx, &reqs[i], to, answers)
	}
	for i := range to {
		if to[i].Owner == "" {
			answers[i] = in.back(ctx, m, reqs)
		}
	}
	failed := 0
	for _, err := range answers {
		if err != nil {
			failed++
		}
	}
	in.Log.InfoContext(ctx, "mail came in", "kind", m.Kind.String(), "reason", m.Reason(), "messages", len(m.Messages), "recipients", len(to), "failed", failed)
	return answers, nil
}

// ask has a mail called spam that is, or refused.
func (in *Intake) ask(ctx context.Context, m *imip.Mail, mail []byte) error {
	spam, err := in.Spam.Check(ctx, mail)
	switch {
	case err != nil && in.Spam.Wait:
		return err
	case err != nil:
		in.Log.WarnContext(ctx, "a mail was taken without a verdict about spam", "err", err)
	case spam && in.Spam.Refuse:
		return errSpam
	case spam:
		m.Spam = "spamd"
	}
	return nil
}

// keeper keeps a mail that is not too large.
type keeper struct {
	data []byte
	most int
	over bool
}

func (k *keeper) Write(p []byte) (int, error) {
	if k.over = k.over || len(k.data)+len(p) > k.most; k.over {
		k.data = nil
	} else {
		k.data = append(k.data, p...)
	}
	return len(p), nil
}

// most is how many octets a mail may have.
func (in *Intake) most() int {
	if in.Limits.Mail > 0 {
		return in.Limits.Mail
	}
	return imip.DefaultLimits.Mail
}

// deliver brings one message to those who could be reached so far.
func (in *Intake) deliver(ctx context.Context, req *calendar.DeliverRequest, to []calendar.Recipient, answers []error) {
	var places []int
	req.To = nil
	for i := range to {
		if answers[i] == nil && to[i].Owner != "" {
			places, req.To = append(places, i), append(req.To, to[i])
		}
	}
	if len(req.To) == 0 {
		return
	}
	results, err := in.Backend.Deliver(ctx, calendar.Actor{Via: calendar.ViaMail}, *req)
	for n, i := range places {
		if answers[i] = err; err == nil {
			answers[i] = results[n].Err
		}
		if answers[i] != nil {
			in.Log.WarnContext(ctx, "bring what a mail says", "to", to[i].Owner, "kind", calendar.KindOf(answers[i]), "err", answers[i])
		}
	}
}

// back brings a report to who sent the mail that it is about, as far as that mail says
// itself, and has him told: he has not seen it. What else comes to the address of
// reports is for nobody.
func (in *Intake) back(ctx context.Context, m *imip.Mail, reqs []calendar.DeliverRequest) error {
	if m.Report == nil || m.Report.From == "" {
		in.Log.InfoContext(ctx, "a mail to factotum.mail.envelope tells of no mail of ours", "kind", m.Kind.String())
		return nil
	}
	who, err := in.Find(ctx, m.Report.From)
	if errors.Is(err, calendar.NotFound) || err == nil && who.Owner == "" {
		in.Log.WarnContext(ctx, "a mail that came back is of nobody here", "message", m.Report.MessageID)
		return nil
	}
	if err != nil {
		return err
	}
	answers := make([]error, 1)
	for i := range reqs {
		if a := *reqs[i].Arrival; a.Returned != nil {
			r := *a.Returned
			r.Tell, a.Returned = true, &r
			in.deliver(ctx, &calendar.DeliverRequest{ID: reqs[i].ID, Arrival: &a}, []calendar.Recipient{who}, answers)
		}
	}
	return answers[0]
}

// requests are what a mail has to say to the back ends, without recipients.
func (in *Intake) requests(m *imip.Mail) (reqs []calendar.DeliverRequest) {
	auth := m.Authentication(in.ServID)
	for i, a := range m.Arrivals(auth) {
		arrival := calendar.Arrival{Sender: a.Sender, Proof: a.Proof, SignedBy: a.SignedBy, Date: a.Date, Differs: a.Differs, Forwarded: a.Forwarded, Spam: a.Spam}
		reqs = append(reqs, calendar.DeliverRequest{ID: name(m, i, &arrival), Data: a.Calendar.Bytes(), Arrival: &arrival})
	}
	if reason := m.Reason(); reason != "" && reason != admission.NothingForUs.String() {
		arrival := calendar.Arrival{Date: m.Date, Unread: reason, Proof: calendar.Unproven}
		if len(m.From) == 1 {
			arrival.Sender = m.From[0].Mail
		}
		if len(m.Refused) > 0 {
			arrival.Detail = m.Refused[0].Detail
		}
		if r := m.Report; r != nil && r.MessageID != "" {
			for i, to := range r.Recipients[:min(len(r.Recipients), mostReturned)] {
				if to.Failed() {
					one := arrival
					one.Returned = &calendar.Returned{MessageID: r.MessageID, Recipient: to.Mail, Status: to.Status, Detail: to.Detail}
					reqs = append(reqs, calendar.DeliverRequest{ID: name(m, i, &one), Arrival: &one})
				}
			}
			if len(reqs) > 0 {
				return reqs
			}
		}
		reqs = append(reqs, calendar.DeliverRequest{ID: name(m, 0, &arrival), Arrival: &arrival})
	}
	return reqs
}

// mostReturned is how many recipients of a report are looked at.
const mostReturned = 100

// mostName is how much of a Message-ID is in a name.
const mostName = 200

// name is that of a message of a mail, the same whenever the mail comes with the same
// facts: that somebody else used a Message-ID before does not keep the true one out.
func name(m *imip.Mail, part int, a *calendar.Arrival) string {
	sum := sha256.New()
	if r := a.Returned; r != nil {
		fmt.Fprintf(sum, "%q %q ", r.MessageID, r.Recipient)
	}
	fmt.Fprintf(sum, "%q %d %q %d %q %t %t %t %q %d", m.MessageID, part, a.Sender, a.Proof, a.SignedBy, a.Differs, a.Forwarded, a.Spam, a.Unread, m.Date.Unix())
	id := m.MessageID
	if len(id) > mostName {
		id = strings.ToValidUTF8(id[:mostName], "")
	}
	return fmt.Sprintf("mail/%s/%d/%s", id, part, hex.EncodeToString(sum.Sum(nil)[:8]))
}

// oneLine is an address that cannot end its header field.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}
