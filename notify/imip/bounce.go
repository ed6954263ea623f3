package imip

import (
	"bytes"
	"slices"
	"strings"

	"factotum/server/itip"
)

// Report is what became of a message that was sent: a delivery status of RFC 3464,
// or what mail systems write that do not know it. Anybody can write one: what it says
// counts for a message that was sent with this MessageID to this recipient.
type Report struct {
	Recipients []Recipient
	MessageID  string // of the message that came back, or is reported on
	From       string // the mail address that it was from
	UID        string // of what was in it
	Method     itip.Method
	Subject    string
	Standard   bool // it is of RFC 3464
}

// Recipient is one to whom a message was sent.
type Recipient struct {
	Mail   string
	Action string // "failed", "delayed", "delivered", "relayed", "expanded": RFC 3464 §2.3.3
	Status string // "5.1.1": RFC 3463; "" if it is not known
	Detail string // what the other side said, fit for a line
}

// Failed reports whether nothing more is tried for a recipient.
func (r *Recipient) Failed() bool { return r.Action == "failed" }

// mostRecipients is how many of a report are read.
const mostRecipients = 1000

// reportOf reads a delivery status, nil if a mail is none.
func reportOf(f *found, m *Mail, lim Limits) *Report {
	switch {
	case f.status != nil && f.report != "disposition-notification":
		r := &Report{Standard: true, Recipients: statusOf(f.status)}
		if len(r.Recipients) == 0 {
			r.Recipients = failedRecipients(m.header)
		}
		r.about(f, lim)
		return r
	case looksReturned(f, m):
		r := &Report{Recipients: failedRecipients(m.header)}
		for i := range f.leaves {
			if l := &f.leaves[i]; !l.strong && l.nested == 0 {
				r.told(inCharset(l.data, l.media.params["charset"]))
			}
		}
		r.about(f, lim)
		if len(r.Recipients) > 0 || r.MessageID != "" {
			return r
		}
	}
	return nil
}

// statusOf reads the recipients of a delivery status: groups of fields, the first
// about the message. RFC 3464 §2.1.
func statusOf(data []byte) (out []Recipient) {
	w := walker{in: newLines(bytes.NewReader(data), len(data)+1), lim: DefaultLimits}
	for len(out) < mostRecipients {
		before := w.in.n
		h, _, err := w.header()
		if err != nil || w.in.n == before {
			return out
		}
		mail := typed(h.get("final-recipient"))
		if was := typed(h.get("original-recipient")); was != "" {
			mail = was // whom we wrote to, before aliases
		}
		if mail == "" {
			continue
		}
		r := Recipient{Mail: mail, Action: clean(h.word("action"), 20), Detail: clean(decodeWords(afterType(h.get("diagnostic-code"))), 500)}
		r.Status = statusIn(h.get("status"))
		if r.Status == "" {
			r.Status = statusIn(r.Detail)
		}
		if r.Action == "" {
			r.Action = "failed"
		}
		out = append(out, r)
	}
	return out
}

// afterType is a value without the type that stands before it: "rfc822; anna@…".
func afterType(s string) string {
	if kind, rest, ok := strings.Cut(s, ";"); ok && !strings.ContainsAny(kind, " @") {
		return strings.TrimSpace(rest)
	}
	return s
}

// typed is the mail address of such a value.
func typed(s string) string {
	if a := addresses(afterType(s)); len(a) > 0 {
		return a[0].Mail
	}
	return ""
}

// about finds out which message is reported on.
func (r *Report) about(f *found, lim Limits) {
	if ids := idsOf(f.returned.get("message-id")); len(ids) > 0 {
		r.MessageID = ids[0]
	}
	if list := addresses(f.returned.get("from")); len(list) > 0 {
		r.From = list[0].Mail
	}
	if s := f.returned.get("subject"); s != "" {
		r.Subject = clean(decodeWords(s), mostSubject)
	}
	for _, level := range []int{1, 0} { // attached, or quoted
		var was Mail
		if was.collect(f.leaves, level, lim) == nil && len(was.Messages) > 0 {
			r.UID, r.Method = was.Messages[0].UID, was.Messages[0].Method
			return
		}
	}
}

// looksReturned reports whether a mail that is no RFC 3464 report is one of a mail
// system about a message that it could not deliver: Exim's, qmail's, Yahoo's,
// Domino's.
func looksReturned(f *found, m *Mail) bool {
	if slices.ContainsFunc(f.leaves, func(l leaf) bool { return l.strong && l.nested == 0 }) || f.report == "disposition-notification" {
		return false
	}
	if m.header.has("x-failed-recipients") || f.report == "delivery-status" {
		return true
	}
	from := ""
	if len(m.From) > 0 {
		from, _ = cutMail(strings.ToLower(m.From[0].Mail))
	}
	subject := strings.ToLower(m.Subject)
	return (m.NullReturn || from == "mailer-daemon" || from == "postmaster") &&
		slices.ContainsFunc(failures, func(s string) bool { return strings.HasPrefix(subject, s) })
}

// failures is how the subjects of such mails begin.
var failures = []string{
	"mail delivery failed", "failure notice", "delivery failure", "undeliverable", "undelivered mail", "returned mail",
	"delivery status notification", "mail delivery system", "message delivery failure", "mail system error", "unzustellbar",
	"non remis", "non-deliverable", "mail could not be delivered", "warning: message",
}

// failedRecipients are those of a field of Exim's, which Google writes too.
func failedRecipients(h header) (out []Recipient) {
	for _, a := range addresses(h.get("x-failed-recipients")) {
		out = append(out, Recipient{Mail: a.Mail, Action: "failed"})
	}
	return out
}

// told reads what such a mail tells in words: lines that are, or begin with, an
// address, and behind them the reason; further below the header of the message.
func (r *Report) told(text string) {
	last := -1 // of the recipients, whom the lines are about
	lines := 0
	from := false // the field From has begun
	for line := range strings.Lines(text) {
		if lines++; lines > 2000 {
			break
		}
		folded := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(line)
		who, begins := cutFold(line, "from:")
		if from = (begins || from && folded) && r.From == ""; from {
			if list := addresses(who); len(list) > 0 {
				r.From = list[0].Mail
			}
			continue
		}
		if id, ok := cutFold(line, "message-id:"); ok && r.MessageID == "" {
			if ids := idsOf(id); len(ids) > 0 {
				r.MessageID = ids[0]
			}
			continue
		}
		if r.MessageID != "" {
			continue // what stands below is of that message
		}
		if s, ok := cutFold(line, "subject:"); ok && r.Subject == "" {
			r.Subject = clean(decodeWords(s), mostSubject)
		}
		if mail := mailOf(strings.Trim(strings.TrimRight(firstWord(line), ":,."), "<>()")); mail != "" {
			last = slices.IndexFunc(r.Recipients, func(x Recipient) bool { return strings.EqualFold(x.Mail, mail) })
			if last < 0 && len(r.Recipients) < mostRecipients {
				last, r.Recipients = len(r.Recipients), append(r.Recipients, Recipient{Mail: mail, Action: "failed"})
			}
			line = strings.TrimSpace(line[len(firstWord(line)):])
		}
		if last < 0 || line == "" {
			continue
		}
		to := &r.Recipients[last]
		if s := statusIn(line); to.Status == "" {
			to.Status = s
		}
		if len(to.Detail) < 300 {
			to.Detail = clean(to.Detail+" "+line, 500)
		}
	}
}

func firstWord(s string) string {
	if i := strings.IndexAny(s, " \t"); i >= 0 {
		return s[:i]
	}
	return s
}

// cutFold is strings.CutPrefix without regard of case, for a prefix in lower case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return strings.TrimSpace(s[len(prefix):]), true
}

// statusIn is the first enhanced status code of a text, "" if it has none.
// RFC 3463 §2.
func statusIn(s string) string {
	for _, w := range strings.FieldsFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' }) {
		class, rest, _ := strings.Cut(w, ".")
		subject, detail, ok := strings.Cut(rest, ".")
		if ok && (class == "2" || class == "4" || class == "5") && isNumber(subject) && isNumber(detail) {
			return w
		}
	}
	return ""
}

func isNumber(s string) bool {
	return len(s) > 0 && len(s) <= 3 && strings.Trim(s, "0123456789") == ""
}
