package mail_test

import (
	"strings"
	"testing"

	"factotum/server/calendar"
)

// Whose events were mended is told which, in his language.
func TestWhatWasMended(t *testing.T) {
	about := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:csdst/a-b\r\nSUMMARY:2\r\nDESCRIPTION:Plans  2027-06-02 09:00 (America/Mexico_City)\\nOther  2027-06-03 10:00 (America/Mexico_City) → zoe@far.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	m := &calendar.Mailing{Kind: calendar.MailRezoned, To: "anna@example.com", UID: "csdst/a-b", Letter: calendar.Letter{ID: "csdst/a-b/anna", Data: []byte(about)}}
	for lang, want := range map[string]string{
		"en": "Hours of your events were mended: 2", "de-CH": "Uhrzeiten Ihrer Termine wurden berichtigt: 2", "fr": "Les heures de vos événements ont été corrigées : 2",
		"es": "Se han corregido las horas de sus eventos: 2", "ja": "予定の時刻が訂正されました: 2 件", "pt": "Hours of your events were mended: 2",
	} {
		mail, reason, err := composer(lang).Compose(bg, "anna", m)
		if err != nil || reason != "" || mail.To != "anna@example.com" {
			t.Fatal(lang, err, reason, mail.To)
		}
		o := open(t, mail.Data)
		if o.subject != want || !strings.Contains(o.plain, "Plans  2027-06-02 09:00 (America/Mexico_City)") || !strings.Contains(o.plain, "→ zoe@far.example") || o.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("%s: %q\n%s", lang, o.subject, o.plain)
		}
	}
	m.Letter.Data = []byte("nothing")
	if _, _, err := composer("en").Compose(bg, "anna", m); err == nil {
		t.Error("a mail about nothing was made")
	}
}
