package mail

import (
	"cmp"
	"context"
	"strings"
	"time"

	"factotum/notify/letter"
	"factotum/notify/relay"
	"factotum/server/calendar"
)

// hookWords are those of the mail about a webhook that is switched off, in one
// language. %h stands for the host that it was for, %i for its id, %t for a date.
type hookWords struct{ subject, says, since, why, how string }

var hookLanguages = map[string]hookWords{
	"en": {"Your webhook was switched off: %h", "Your webhook at %h (%i) is not told of changes in calendars any more, since it could not be reached.",
		"It failed for the first time on %t.", "The last time:", "When its receiver answers again, register it anew, or have a test sent to it: then it is on again."},
	"de": {"Ihr Webhook wurde abgeschaltet: %h", "Ihr Webhook bei %h (%i) erfährt nichts mehr von Änderungen in Kalendern, weil er nicht zu erreichen war.",
		"Zum ersten Mal misslang es am %t.", "Beim letzten Mal:", "Sobald der Empfänger wieder antwortet, melden Sie ihn neu an oder lassen Sie einen Test senden; dann ist er wieder eingeschaltet."},
	"fr": {"Votre webhook a été désactivé : %h", "Votre webhook chez %h (%i) n'est plus informé des changements dans les agendas, car il était injoignable.",
		"Le premier échec date du %t.", "La dernière fois :", "Quand son destinataire répondra de nouveau, enregistrez-le encore une fois ou faites-lui envoyer un test ; il sera alors réactivé."},
	"es": {"Su webhook se ha desactivado: %h", "Su webhook en %h (%i) ya no recibe avisos de los cambios en los calendarios, porque no se pudo contactar con él.",
		"Falló por primera vez el %t.", "La última vez:", "Cuando el destinatario vuelva a responder, regístrelo de nuevo o haga que se le envíe una prueba; entonces volverá a estar activo."},
	"ja": {"Webhook が停止されました: %h", "%h の Webhook (%i) に接続できなかったため、カレンダーの変更は通知されなくなりました。",
		"最初の失敗: %t", "最後の結果:", "受信側が再び応答するようになったら、登録し直すか、テストを送信してください。再び有効になります。"},
}

// hookOff tells somebody that a webhook of his was switched off.
func (c *Composer) hookOff(ctx context.Context, m *calendar.Mailing) (out relay.Mail, err error) {
	reader, err := c.person(ctx, "mailto:"+m.To)
	if err != nil {
		return out, err
	}
	lang := languageOf(reader)
	w, ok := hookLanguages[lang]
	if !ok {
		lang, w = "en", hookLanguages["en"]
	}
	zone, err := time.LoadLocation(cmp.Or(reader.TZID, c.TZID))
	if err != nil {
		zone = time.UTC
	}
	fill := strings.NewReplacer("%h", oneLine(m.Summary), "%i", m.UID, "%t", m.Since.In(zone).Format("2006-01-02 15:04 MST")).Replace
	body := []string{fill(w.says)}
	if !m.Since.IsZero() {
		body = append(body, fill(w.since))
	}
	body = append(body, "", w.why, "  "+oneLine(m.Why), "", w.how, "")
	h := c.plain(m, reader, lang, "auto-generated")
	h.text = letter.AppendHeader(h.text, "Subject", fill(w.subject), c.Raw8)
	h.text = append(h.text, "\r\n"...)
	h.text = appendBase64(h.text, strings.Join(body, "\r\n"))
	out = relay.Mail{To: m.To, Data: h.text}
	return out, c.Signer.sign(&out, c.postmaster(m.To))
}
