package mail_test

import (
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
)

// Who has to decide is told what came in a time, in his language, and of nothing else;
// who has decided is not told.
func TestWhatIsHeld(t *testing.T) {
	m := &calendar.Mailing{Kind: calendar.MailHeld, To: "anna@example.com", Letter: calendar.Letter{ID: "held/x"}, Since: now, Until: now.Add(time.Minute)}
	for lang, want := range map[string][]string{
		"en": {"Messages that wait for your decision: 2", "They stand in the inbox", "Plans Bcc: all@example.com (zoe@far.example)", "(?)"}, "de-CH": {"Nachrichten, über die Sie entscheiden: 2", "(zoe@far.example)"},
		"fr": {"Messages en attente de votre décision : 2", "(zoe@far.example)"}, "es": {"Mensajes que esperan su decisión: 2"}, "ja": {"確認待ちのメッセージ: 2 件"}, "pt": {"Messages that wait for your decision: 2"},
	} {
		mail, reason, err := composer(lang).Compose(bg, "anna", m)
		if err != nil || reason != "" {
			t.Fatal(lang, err, reason)
		}
		if mail.From != "" || mail.To != "anna@example.com" {
			t.Errorf("%s: from %q to %q", lang, mail.From, mail.To)
		}
		o := open(t, mail.Data)
		all := o.subject + "\n" + o.plain
		for _, s := range want {
			if !strings.Contains(all, s) {
				t.Errorf("%s lacks %q:\n%s", lang, s, all)
			}
		}
		if strings.Contains(all, "Told before") || strings.Contains(all, "Later") || o.Get("Bcc") != "" || strings.Contains(o.plain, "\nBcc") || o.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("%s:\n%s", lang, all)
		}
	}
	m.Since, m.Until = now.Add(time.Hour), now.Add(2*time.Hour)
	if _, reason, err := composer("en").Compose(bg, "anna", m); err != nil || reason != calendar.ReasonWithdrawn {
		t.Errorf("of nothing: %q %v", reason, err)
	}
}
