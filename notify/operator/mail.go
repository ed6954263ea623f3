package operator

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"fmt"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"time"

	"factotum/notify/letter"
)

// sunTemplate is alarm.msgalarmnoticetemplate where it is empty. admin.md §6.13; the
// letter n there stands for the value.
const sunTemplate = `From: %s\nTo: %s\nSubject: ALARM: %s of "%s" is %u\n\n%s\n`

// addresses are those of the envelope.
func (m *Mailer) addresses(s *state) (from string, to []string, err error) {
	sender, err := netmail.ParseAddress(m.opt.From)
	if err != nil {
		return "", nil, fmt.Errorf("alarm.msgalarmnoticesender: %q is no mail address", m.opt.From)
	}
	list, err := netmail.ParseAddressList(cmp.Or(s.To, m.opt.To))
	if err != nil {
		return "", nil, fmt.Errorf("alarm.msgalarmnoticercpt: %q is no mail address", cmp.Or(s.To, m.opt.To))
	}
	for _, a := range list {
		to = append(to, a.Address)
	}
	return sender.Address, to, nil
}

// compose makes a mail of an alarm by a template of Sun's: each %s is the next of
// sender, recipient, what, about and text, %u or %d the value, and \n ends a line. The lines
// before the first that is no field of a header are the header. What is filled in stays in its
// line there.
func (m *Mailer) compose(s *state) []byte {
	template := m.opt.Template
	if template == "" {
		template = sunTemplate
	}
	if !s.over.IsZero() {
		s.Value = "over"
	}
	to := cmp.Or(s.To, m.opt.To)
	words := []string{m.opt.From, to, s.What, s.About, m.text(s)}
	fill := func(line string) string {
		var out strings.Builder
		for {
			before, after, found := strings.Cut(line, "%")
			out.WriteString(before)
			if !found {
				return out.String()
			}
			if line = after; after == "" {
				out.WriteByte('%')
				continue
			}
			switch line = after[1:]; after[0] {
			case 's':
				if len(words) > 0 {
					out.WriteString(words[0])
					words = words[1:]
				}
			case 'd', 'u':
				out.WriteString(s.Value)
			case '%':
				out.WriteByte('%')
			default:
				out.WriteString("%" + after[:1])
			}
		}
	}
	var head []byte
	lines := strings.Split(strings.NewReplacer(`\n`, "\n", `\"`, `"`, "\r", "").Replace(template), "\n")
	fields := map[string]bool{}
	for len(lines) > 0 {
		field, value, ok := strings.Cut(lines[0], ":")
		if !ok || field == "" || strings.ContainsAny(field, " \t%") {
			break
		}
		fields[strings.ToLower(field)] = true
		head = letter.AppendHeader(head, field, fill(value), false)
		lines = lines[1:]
	}
	for _, f := range []struct{ name, value string }{
		{"From", m.opt.From}, {"To", to}, {"Subject", fmt.Sprintf("ALARM: %s of %q is %s", s.What, s.About, s.Value)},
		{"Date", m.opt.Now().Format("Mon, 02 Jan 2006 15:04:05 -0700")}, {"Message-ID", "<" + rand.Text() + "@" + m.opt.Host + ">"},
		{"Auto-Submitted", "auto-generated"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "quoted-printable"},
	} {
		if !fields[strings.ToLower(f.name)] {
			head = letter.AppendHeader(head, f.name, f.value, false)
		}
	}
	var body bytes.Buffer
	w := quotedprintable.NewWriter(&body)
	text := strings.TrimLeft(fill(strings.Join(lines, "\n")), "\n")
	w.Write([]byte(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\n", "\r\n")))
	w.Close()
	return append(append(head, "\r\n"...), body.Bytes()...)
}

// text is what a mail says of an alarm.
func (m *Mailer) text(s *state) string {
	const form = "2006-01-02 15:04:05 MST"
	says := fmt.Sprintf("%s\n\nHost: %s\nSince: %s\n", s.Says, m.opt.Host, s.since.Format(form))
	if !s.over.IsZero() {
		return fmt.Sprintf("This is over since %s, after %s:\n\n%s", s.over.Format(form), s.over.Sub(s.since).Round(time.Second), says)
	}
	if s.Every > 0 {
		says += fmt.Sprintf("\nWhile it lasts you are told again every %s, and when it is over.\n", s.Every)
	}
	return says
}
