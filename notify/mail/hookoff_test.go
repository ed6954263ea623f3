package mail_test

import (
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
)

// Whose webhook was switched off is told why and since when, in his language, and
// nothing of its address but the host.
func TestHookOff(t *testing.T) {
	m := &calendar.Mailing{Kind: calendar.MailHook, To: "anna@example.com", UID: "ID7", Summary: "hooks.far.example", Since: time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC),
		Why: "switched off:\r\nBcc: eve@far.example", Letter: calendar.Letter{ID: "hook/ID7/1"}}
	for lang, want := range map[string]string{"en": "Your webhook was switched off: hooks.far.example", "de-CH": "Ihr Webhook wurde abgeschaltet: hooks.far.example",
		"fr": "Votre webhook a été désactivé : hooks.far.example", "es": "Su webhook se ha desactivado: hooks.far.example", "ja": "Webhook が停止されました: hooks.far.example",
		"pt": "Your webhook was switched off: hooks.far.example"} {
		mail, _, err := composer(lang).Compose(bg, "anna", m)
		if err != nil {
			t.Fatal(lang, err)
		}
		o := open(t, mail.Data)
		if o.subject != want || !strings.Contains(o.plain, "ID7") || !strings.Contains(o.plain, "2026") || !strings.Contains(o.plain, "10:00") || !strings.Contains(o.plain, "  switched off: Bcc: eve@far.example") ||
			o.Get("Bcc") != "" || o.Get("Auto-Submitted") != "auto-generated" || strings.Contains(o.plain, "%") || mail.To != m.To {
			t.Errorf("%s: %s\n%s", lang, o.subject, o.plain)
		}
	}
}
