package mail

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/notify/letter"
	"factotum/notify/relay"
	"factotum/server/calendar"
)

// heldWords are those of the mail about what is held, in one language. %d stands for
// how many messages there are, %s for whom one is from.
type heldWords struct{ subject, says, from, unknown, how string }

var heldLanguages = map[string]heldWords{
	"en": {"Messages that wait for your decision: %d", "By mail came messages about meetings that were not put into your calendar, for it is not sure who sent them, or you did not expect them:",
		"from %s", "from somebody unknown", "They change nothing until you decide. They stand in the inbox of your calendar; what you delete there is rejected."},
	"de": {"Nachrichten, über die Sie entscheiden: %d", "Per E-Mail kamen Nachrichten über Termine, die nicht in Ihren Kalender übernommen wurden, weil der Absender nicht gesichert ist oder Sie sie nicht erwartet haben:",
		"von %s", "von unbekannt", "Sie ändern nichts, bis Sie entscheiden. Sie liegen im Eingang Ihres Kalenders; was Sie dort löschen, ist abgelehnt."},
	"fr": {"Messages en attente de votre décision : %d", "Des messages concernant des réunions sont arrivés par courriel et n'ont pas été portés à votre agenda, car leur expéditeur n'est pas sûr ou vous ne les attendiez pas :",
		"de %s", "d'un expéditeur inconnu", "Ils ne changent rien tant que vous n'avez pas décidé. Ils se trouvent dans la boîte de réception de votre agenda ; ce que vous y supprimez est refusé."},
	"es": {"Mensajes que esperan su decisión: %d", "Han llegado por correo mensajes sobre reuniones que no se han incluido en su calendario, porque no es seguro quién los envió o usted no los esperaba:",
		"de %s", "de un remitente desconocido", "No cambian nada hasta que usted decida. Están en la bandeja de entrada de su calendario; lo que elimine allí queda rechazado."},
	"ja": {"確認待ちのメッセージ: %d 件", "会議に関するメッセージがメールで届きましたが、送信者が確認できない、または予定にないため、カレンダーには反映されていません。",
		"送信者: %s", "送信者: 不明", "ご判断いただくまで何も変更されません。カレンダーの受信箱にあり、そこで削除すると拒否されます。"},
}

// mostToldHeld is how many messages one mail lists.
const mostToldHeld = 20

// held tells somebody which messages came in a time and wait for his decision; of those
// that he has decided about he is not told any more.
func (c *Composer) held(ctx context.Context, owner calendar.Owner, m *calendar.Mailing) (out relay.Mail, reason string, err error) {
	list, err := c.Model.Held(ctx, owner)
	if err != nil {
		return out, "", fmt.Errorf("look what is held: %w", err)
	}
	list = slices.DeleteFunc(list, func(h calendar.Held) bool { return h.Came.Before(m.Since) || !h.Came.Before(m.Until) })
	if len(list) == 0 {
		return out, calendar.ReasonWithdrawn, nil
	}
	reader, err := c.person(ctx, string(owner))
	if err != nil {
		return out, "", err
	}
	lang := languageOf(reader)
	w, ok := heldLanguages[lang]
	if !ok {
		lang, w = "en", heldLanguages["en"]
	}
	body := []string{w.says, ""}
	for i, h := range list {
		if i == mostToldHeld {
			body = append(body, fmt.Sprintf("  … (+%d)", len(list)-i))
			break
		}
		from := w.unknown
		if h.Sender != "" {
			from = strings.Replace(w.from, "%s", oneLine(h.Sender), 1)
		}
		body = append(body, strings.TrimRight("  "+oneLine(h.Summary), " ")+" ("+from+")")
	}
	body = append(body, "", w.how, "")
	h := c.plain(m, reader, lang, "auto-generated")
	h.text = letter.AppendHeader(h.text, "Subject", strings.Replace(w.subject, "%d", fmt.Sprint(len(list)), 1), c.Raw8)
	h.text = append(h.text, "\r\n"...)
	h.text = appendBase64(h.text, strings.Join(body, "\r\n"))
	out = relay.Mail{To: m.To, Data: h.text}
	return out, "", c.Signer.sign(&out, c.postmaster(m.To))
}

// languageOf is the first part of somebody's language.
func languageOf(p calendar.Person) string {
	lang, _, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(p.Language, "_", "-")), "-")
	return lang
}

// postmaster is whom the server's own notices are from.
func (c *Composer) postmaster(to string) string {
	if d := relay.Domain(to); d != "" && isASCII(d) {
		return "postmaster@" + d
	}
	return "postmaster@" + c.Host
}

// plain begins a notice of the server's own, in plain text, up to its subject.
func (c *Composer) plain(m *calendar.Mailing, reader calendar.Person, lang, auto string) *header {
	h := &header{raw8: c.Raw8}
	h.mailbox("From", "", c.postmaster(m.To))
	h.mailbox("To", reader.Name, m.To)
	h.line("Date", c.Now().UTC().Format(time.RFC1123Z))
	h.ids(c.Host, m.To, m)
	h.line("Auto-Submitted", auto)
	h.line("Content-Language", lang)
	h.line("MIME-Version", "1.0")
	h.line("Content-Type", "text/plain; charset=utf-8")
	h.line("Content-Transfer-Encoding", "base64")
	return h
}
