package imip

import "strings"

// automatic tells by what a mail shows that a program wrote it, "" if by nothing,
// and whether it answers another mail. A scheduling message may well be written by
// a program, but one that answers only sends back what it was sent. RFC 3834 §5,
// RFC 3798 §3.
func automatic(f *found, m *Mail) (by string, answers bool) {
	h := m.header
	submitted := h.word("auto-submitted")
	switch {
	case submitted == "auto-replied":
		return "auto-submitted", true
	case f.report == "disposition-notification":
		return "receipt", true
	case f.report != "":
		return "report", true
	}
	for _, name := range []string{"x-autoreply", "x-auto-reply", "x-autorespond", "x-autoresponder", "x-mail-autoreply", "x-autoreply-from", "x-ms-exchange-inbox-rules-loop"} {
		if h.has(name) && h.word(name) != "no" {
			return name, true
		}
	}
	if p := h.word("precedence"); p == "auto_reply" || p == "auto-reply" {
		return "precedence", true
	}
	subject := strings.ToLower(m.Subject)
	if strings.HasPrefix(subject, "meeting forward notification:") {
		return "forward-notification", false
	}
	for _, s := range absent {
		if strings.HasPrefix(subject, s) {
			return "subject", false
		}
	}
	switch {
	case submitted != "" && submitted != "no":
		return "auto-submitted", false
	case h.has("x-auto-response-suppress"):
		return "x-auto-response-suppress", false
	case h.word("precedence") == "junk":
		return "precedence", false
	case m.NullReturn:
		return "return-path", false
	}
	return "", false
}

// absent is how the subjects of programs begin that answer for somebody who is not
// there, in languages of our users.
var absent = []string{
	"automatic reply:", "auto reply:", "autoreply:", "auto:", "out of office", "out of the office", "away from my mail",
	"abwesenheitsnotiz", "automatische antwort", "abwesend:", "réponse automatique", "absence du bureau",
	"respuesta automática", "fuera de la oficina", "risposta automatica", "automatisch antwoord", "resposta automática",
	"autosvar:", "自動応答", "自動返信", "不在通知", "自动答复", "自动回复",
}
