package config

// xmppParams are those of the agent: with the names that iim.conf has for them too, so
// that its lines can stand here. notifications.md §9.3.
var xmppParams = []Param{
	used("factotum.xmpp.enable", Bool, "no", "Send pop-ups of reminders by XMPP (csnotifyd), to users who want them: docs/popups.md.", func(c *Config) any { return &c.XMPP.Enable }, also("iim_agent.enable")),
	used("iim_agent.agent-calendar.enable", Bool, "yes", "The same for this one agent of iim.conf; no in either counts.", func(c *Config) any { return &c.XMPP.Agent }),
	used("factotum.xmpp.jid", String, "", "JID of the agent: name@domain of an account, or a host name, which is a component of the server (XEP-0114).", func(c *Config) any { return &c.XMPP.JID }, also("agent-calendar.jid")),
	used("factotum.xmpp.password", Password, "", "Password of the account, or secret of the component.", func(c *Config) any { return &c.XMPP.Password }, also("agent-calendar.password")),
	used("factotum.xmpp.server", HostPort, "", "Server of the account, or port for components. Empty: the DNS tells that of the account's domain.", func(c *Config) any { return &c.XMPP.Server }),
	used("factotum.xmpp.security", Enum, "auto", "How the connection is protected: starttls, tls from the first octet, or none, which is for a server on this host. auto is starttls for an account and none for a component.", func(c *Config) any { return &c.XMPP.Security }, words("auto", "starttls", "tls", "none")),
	used("factotum.xmpp.cafile", Path, "", "PEM file of the authorities that may have signed the server's certificate, relative to the directory of ics.conf; empty: those of the system.", func(c *Config) any { return &c.XMPP.CAFile }, under("@config")),
	used("factotum.xmpp.users", String, "mail", "Which JID a user has: mail is his mail address, uid@im.example.com his name at that domain, uid@ his name at his own domain, and any other word the attribute of the directory that has it.", func(c *Config) any { return &c.XMPP.Users }),
	used("factotum.xmpp.domains", List, "", "Domains whose people may have the agent among their contacts, besides its own.", func(c *Config) any { return &c.XMPP.Domains }),
	used("factotum.xmpp.default", Bool, "no", "Send pop-ups to users who have not said whether they want them (ceShowCalendarReminders).", func(c *Config) any { return &c.XMPP.ByRule }),
	used("factotum.xmpp.headlines", Bool, "no", "Send all pop-ups as headlines, which no server keeps, though not every client shows them.", func(c *Config) any { return &c.XMPP.Headlines }),
	used("factotum.xmpp.maxdelay", Seconds, "900", "How late a pop-up may be, as after an outage; later it is dropped.", func(c *Config) any { return &c.XMPP.Most }, atLeast(1)),
	used("jms.consumer.cal_reminder.destination", String, "", "Topic of the reminders; empty: caldb.serveralarms.url.", func(c *Config) any { return &c.XMPP.Destination }, orElse("caldb.serveralarms.url")),
	accepted("jms.consumers", String, "", "Name of the consumer, cal_reminder."),
	accepted("jms.consumer.cal_reminder.provider", String, "", "Its provider, ens."),
	accepted("jms.consumer.cal_reminder.type", String, "", "Its kind, topic."),
	accepted("jms.consumer.cal_reminder.param", String, "", "What it wants."),
	accepted("jms.consumer.cal_reminder.factory", String, "", "Its class."),
	accepted("jms.providers", String, "", "Name of the provider."),
	accepted("jms.provider.ens.broker", HostPort, "", "Where enpd is; see service.ens.host and service.ens.port."),
	accepted("jms.provider.ens.factory", String, "", "Its class."),
	accepted("iim_server.components", String, "", "Components of Sun's Instant Messaging."),
}
