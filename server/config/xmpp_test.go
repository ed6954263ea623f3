package config

import (
	"strings"
	"testing"
)

// TestPopups: config check knows what pop-ups need. notifications.md §9.2, §9.3.
func TestPopups(t *testing.T) {
	const topic = "caldb.serveralarms.url = \"enp:///ics/customalarm\"\ncaldb.serveralarms.contenttype = \"text/xml\"\n"
	const agent = "agent-calendar.jid=\"calimbot.im.example.com\"\nagent-calendar.password=\"secret\"\n"
	for _, c := range []struct {
		text string
		on   bool
		want string // of the problem
	}{
		{"", false, ""},
		{topic + agent + "iim_agent.enable=\"true\"\niim_agent.agent-calendar.enable=\"true\"\njms.consumer.cal_reminder.destination=\"enp:///ics/customalarm\"\n", true, ""},
		{topic + agent + "factotum.xmpp.enable = \"yes\"\n", true, ""},
		{agent + "factotum.xmpp.enable = \"yes\"\n", true, "caldb.serveralarms.url and caldb.serveralarms.contenttype"},
		{topic + "factotum.xmpp.enable = \"yes\"\n", true, "the JID of the agent"},
		{topic + agent + "factotum.xmpp.enable = \"yes\"\njms.consumer.cal_reminder.destination = \"enp:///ics/other\"\n", true, "another topic"},
		{topic + agent + "factotum.xmpp.enable = \"yes\"\nservice.notify.enable = \"no\"\n", false, "csnotifyd does not run"},
		{topic + agent + "factotum.xmpp.enable = \"yes\"\niim_agent.agent-calendar.enable = \"no\"\n", false, ""},
	} {
		cfg, rep, _ := Parse(strings.NewReader(c.text), "/etc/ics.conf")
		if cfg == nil {
			t.Fatalf("%s: %v", c.text, problems(rep))
		}
		text := ""
		for _, p := range cfg.cross() {
			text += p.Message + "\n"
		}
		if cfg.PopsUp() != c.on || (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
			t.Errorf("%s: on %v, %q", c.text, cfg.PopsUp(), text)
		}
		if secret := cfg.XMPP.Password.String(); strings.Contains(secret, "secret") {
			t.Error("the password is shown")
		}
	}
}
