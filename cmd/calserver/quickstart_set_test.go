package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What the flags set stands in ics.conf, once, and what is wrong leaves it alone.
func TestQuickstartSettings(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "ics.conf")
	const before = "! mine\ncaldb.smtphost = \"old.example.com\"\nfactotum.data.dir = \".\"" // no end of line
	if err := os.WriteFile(conf, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	q := quickstart{mailRelay: "mail.example.com:2525", imipLMTP: "127.0.0.1:2003", set: []string{"ine.reply.enable=no", "factotum.mail.backoff = pt1s pt2s"}}
	settings, err := q.settings()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // again at the next start
		cfg, err := configure(conf, settings, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Mail.Host != "mail.example.com" || cfg.Mail.Port != 2525 || cfg.Mail.Replies || len(cfg.Mail.Backoff) != 2 || cfg.IMIP.LMTP != "127.0.0.1:2003" {
			t.Errorf("%+v", cfg.Mail)
		}
	}
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "\n"); n != 8 || !strings.HasPrefix(string(text), before+"\n") {
		t.Errorf("%d lines:\n%s", n, text)
	}
	if cfg, err := configure(conf, [][2]string{{"caldb.smtphost", "old.example.com"}}, io.Discard); err != nil || cfg.Mail.Host != "old.example.com" {
		t.Errorf("it is not set back: %v", err)
	}
	text, _ = os.ReadFile(conf)
	for _, bad := range []quickstart{{set: []string{"ine.reply.enable"}}, {set: []string{"no.such.parameter=1"}}, {mailRelay: "mail.example.com"},
		{set: []string{"caldb.smtpport=many"}}, {set: []string{"factotum.mail.hello=a\nb"}}, {mailRelay: "mail.example.com:port"}, {imipLMTP: "2003"}} {
		settings, err := bad.settings()
		if err == nil {
			_, err = configure(conf, settings, io.Discard)
		}
		if err == nil || !strings.Contains(err.Error(), "expected") && !strings.Contains(err.Error(), "parameter") && !strings.Contains(err.Error(), "one line") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	if after, _ := os.ReadFile(conf); string(after) != string(text) {
		t.Errorf("what is wrong has changed the file:\n%s", after)
	}
}
