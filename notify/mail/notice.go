package mail

import (
	"context"
	"strings"

	"factotum/notify/letter"
	"factotum/notify/relay"
	"factotum/server/calendar"
)

// words are those of a notice in one language. %s stands for the summary, or for
// the recipient.
type words struct{ returned, delayed, saysReturned, saysDelayed, reason string }

// languages are the words of notices.
var languages = map[string]words{
	"en": {"Not delivered: %s", "Delayed: %s",
		"The message about this meeting did not reach %s, and nobody tries any more. Please tell him or her in another way.",
		"The message about this meeting has not reached %s yet. It is tried again; you need not do anything.", "What the mail system says:"},
	"de": {"Nicht zugestellt: %s", "Verzögert: %s",
		"Die Nachricht über diesen Termin hat %s nicht erreicht, und es wird nicht weiter versucht. Bitte geben Sie auf anderem Weg Bescheid.",
		"Die Nachricht über diesen Termin hat %s noch nicht erreicht. Es wird weiter versucht; Sie müssen nichts tun.", "Das Mailsystem sagt:"},
	"fr": {"Non remis : %s", "Retardé : %s",
		"Le message concernant cette réunion n'est pas parvenu à %s, et plus aucun essai n'aura lieu. Merci de prévenir cette personne autrement.",
		"Le message concernant cette réunion n'est pas encore parvenu à %s. D'autres essais auront lieu ; vous n'avez rien à faire.", "Réponse du système de messagerie :"},
	"es": {"No entregado: %s", "Retrasado: %s",
		"El mensaje sobre esta reunión no llegó a %s y ya no se intentará de nuevo. Avise a esta persona por otro medio.",
		"El mensaje sobre esta reunión aún no ha llegado a %s. Se seguirá intentando; no tiene que hacer nada.", "Respuesta del sistema de correo:"},
	"ja": {"配信できませんでした: %s", "配信が遅れています: %s",
		"この会議についてのメッセージは %s に届きませんでした。再送は行われません。別の方法でお知らせください。",
		"この会議についてのメッセージはまだ %s に届いていません。自動的に再送されますので、操作は必要ありません。", "メールシステムの応答:"},
}

// notice tells a sender that a mail of his is late, or was given up.
func (c *Composer) notice(ctx context.Context, m *calendar.Mailing) (out relay.Mail, err error) {
	reader, err := c.person(ctx, "mailto:"+m.To)
	if err != nil {
		return out, err
	}
	lang := languageOf(reader)
	w, ok := languages[lang]
	if !ok {
		lang, w = "en", languages["en"]
	}
	subject, says := w.returned, w.saysReturned
	if m.Kind == calendar.MailDelayed {
		subject, says = w.delayed, w.saysDelayed
	}
	whom := strings.TrimPrefix(strings.Join(m.Letter.To, ", "), "mailto:")
	body := []string{strings.Replace(says, "%s", oneLine(whom), 1), "", "  " + oneLine(m.Summary), "", w.reason, "  " + oneLine(m.Why), ""}
	h := c.plain(m, reader, lang, "auto-replied")
	h.text = letter.AppendHeader(h.text, "Subject", strings.Replace(subject, "%s", oneLine(m.Summary), 1), c.Raw8)
	h.text = append(h.text, "\r\n"...)
	h.text = appendBase64(h.text, strings.Join(body, "\r\n"))
	out = relay.Mail{To: m.To, Data: h.text} // nobody is told that a notice cannot be delivered: RFC 5321 §6.1
	return out, c.Signer.sign(&out, c.postmaster(m.To))
}
