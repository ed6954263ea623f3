package config

import (
	"context"
	"fmt"
	"net/mail"
	"net/netip"
	"strings"
)

// maxObject is ical.MaxObject: no larger object is read.
const maxObject = 48 << 20

// cross checks parameters against each other.
func (c *Config) cross() []Problem {
	var out []Problem
	add := func(s Severity, param, format string, args ...any) {
		p := Problem{Severity: s, Param: param, Message: fmt.Sprintf(format, args...)}
		if set, ok := c.set[param]; ok {
			p.File, p.Line = set.file, set.line
		}
		out = append(out, p)
	}
	if !c.Store.Enable {
		add(Warning, "service.store.enable", "csstored is off: nothing that needs the store will start on this host")
	}
	if c.Store.Type == "postgres" && c.Store.DSN == "" {
		add(Error, "factotum.store.dsn", "expected a connection string, since factotum.store.type is postgres")
	}
	if c.Directory.Type == "ldap" && c.isSet("local.ugldaphost") && c.LDAP.UserGroup.BaseDN == "" {
		add(Warning, "local.ugldapbasedn", "expected the base DN of people, since they are in LDAP")
	}
	if (c.HTTP.CertFile == "") != (c.HTTP.KeyFile == "") {
		add(Error, "service.http.ssl.keyfile", "expected both service.http.ssl.certfile and service.http.ssl.keyfile, or neither")
	}
	if c.HTTP.Enable && c.TLSServed() && c.HTTP.Port == c.HTTP.TLSPort {
		add(Error, "service.http.ssl.port", "is the same as service.http.port")
	}
	if name := c.wantsTLS(); name != "" && c.HTTP.CertFile == "" && c.HTTP.KeyFile == "" && len(c.HTTP.ACME.Hosts) == 0 {
		add(Error, name, "asks for TLS, and there is no certificate: export it and its key from the certificate database to PEM files, and name these in "+
			"service.http.ssl.certfile and service.http.ssl.keyfile; or set service.http.ssl.port.enable = \"no\" to serve without TLS")
	}
	c.checkACME(add)
	if len(c.Mail.Routes) > 0 && !c.Mails() {
		add(Warning, "factotum.mail.routes", "has no effect: no mail is sent, since there is neither caldb.smtphost nor factotum.mail.direct")
	}
	if (c.DWP.CertFile == "") != (c.DWP.KeyFile == "") {
		add(Error, "service.dwp.ssl.keyfile", "expected both service.dwp.ssl.certfile and service.dwp.ssl.keyfile, or neither")
	}
	if c.DWP.Enable && (!c.DWP.TLS || c.DWP.CertFile == "" || c.DWP.CAFile == "") && !loopback(c.DWP.Listen) {
		add(Error, "service.dwp.ssl.certfile", "without certfile, keyfile and cafile csdwpd serves loopback and unix sockets only: name them, or set service.dwp.listenaddr = \"127.0.0.1\"")
	}
	if c.CLD.Type == "directory" && c.DWP.Default == "" && len(c.DWP.BackEnds) == 0 {
		add(Warning, "caldb.cld.type", "is directory, but there is no back end: set caldb.dwp.server.<host>.ip and caldb.dwp.server.default")
	}
	if c.DWP.Default != "" && !c.hasBackEnd(c.DWP.Default) {
		add(Warning, "caldb.dwp.server.default", "%s has no parameter caldb.dwp.server.%[1]s.ip", c.DWP.Default)
	}
	for _, s := range c.sorted(dwpServer + "<host>") {
		if s.param.Kind != HostName && !c.hasBackEnd(s.part) {
			add(Warning, s.name, "has no effect without caldb.dwp.server.%s.ip", s.part)
		}
	}
	for _, b := range c.DWP.BackEnds {
		param := dwpServer + b.Host + ".standby"
		switch {
		case b.Standby == "":
		case isIP(b.Standby) || !validHost(b.Standby):
			add(Error, param, "expected the fully qualified name of a host, and not %s", Quote(clip(b.Standby)))
		case c.hasBackEnd(b.Standby):
			add(Error, param, "%s is a back end of its own (caldb.dwp.server.%[1]s.ip): a standby has no calendars but those of the other host", b.Standby)
		}
	}
	if s := &c.Standby; s.Peer() != "" {
		switch {
		case s.Host != "" && s.Of != "":
			add(Error, "factotum.standby.of", "a host has a standby (factotum.standby.host) or is one")
		case !c.DWP.Enable || !c.Store.Enable:
			add(Error, "factotum.standby.host", "expected service.dwp.enable and service.store.enable = \"yes\": the two hosts speak DWP")
		}
	}
	if s := &c.Standby; s.Witness != "" {
		const param = "factotum.standby.witness"
		switch host, port := s.WitnessAt(); {
		case port == 0 || isIP(host) || !validHost(host):
			add(Error, param, "expected the fully qualified name of a host, perhaps with :port")
		case s.Peer() == "":
			add(Warning, param, "has no effect without factotum.standby.host or factotum.standby.of")
		case c.Store.Type == "postgres":
			add(Warning, param, "has no effect with PostgreSQL, where the lease in the database decides")
		case strings.EqualFold(host, s.Peer()) || strings.EqualFold(host, c.Local.Hostname):
			add(Error, param, "is one of the two hosts: expected a third one, which runs csdwpd")
		}
	}
	if c.Limits.ObjectSize > c.Limits.BodySize {
		add(Warning, "factotum.limit.objectsize", "is more than factotum.limit.bodysize: no object of that size can be sent")
	}
	if c.Limits.ObjectSize > maxObject {
		add(Error, "factotum.limit.objectsize", "expected at most %d", maxObject)
	}
	c.popups(add)
	c.alerts(add)
	if c.Backup.Recipients != "" && c.Backup.Identities == "" {
		add(Serious, "factotum.backup.recipients", "no backup is ever proven: set factotum.backup.identities to a file with an identity that opens them, or try each one yourself with csrestore --identity")
	}
	if s := &c.Backup.S3; s.Endpoint != "" {
		if s.Bucket == "" {
			add(Error, "factotum.backup.s3.bucket", "expected the bucket to which backups are brought, since factotum.backup.s3.endpoint is set")
		}
		if !c.Backup.Archive.made() && !c.Backup.Hot.made() {
			add(Serious, "factotum.backup.s3.endpoint", "no backup is made that could be brought there: set caldb.berkeleydb.archive.path")
		}
	}
	c.exposed(add)
	if param, wrong := c.Auth.Argon2.check(); wrong != "" {
		add(Error, param, "%s", wrong)
	}
	if c.Domain.Schema > 2 {
		add(Error, "local.schemaversion", "expected 1 or 2")
	}
	return out
}

// popups looks whether the agent for pop-ups would get anything to do, and could do it.
// notifications.md §9.2, §9.3.
func (c *Config) popups(add func(s Severity, param, format string, args ...any)) {
	if !c.XMPP.Enable || !c.XMPP.Agent {
		return
	}
	if !c.Notify.Enable {
		add(Serious, "service.notify.enable", "is no, so that csnotifyd does not run, and there are no pop-ups")
	}
	for _, p := range []struct {
		param, what string
		missing     bool
	}{
		{"factotum.xmpp.jid", "the JID of the agent", c.XMPP.JID == ""},
		{"factotum.xmpp.password", "the agent's password, or the secret of the component", c.XMPP.Password == ""},
	} {
		if p.missing {
			add(Error, p.param, "expected %s, since factotum.xmpp.enable is yes", p.what)
		}
	}
	switch {
	case c.Alarms.URL == "" || c.Alarms.ContentType == "":
		add(Serious, "caldb.serveralarms.url", `reminders are published for pop-ups only if caldb.serveralarms.url and caldb.serveralarms.contenttype are set: set "enp:///ics/customalarm" and "text/xml"`)
	case c.XMPP.Destination != c.Alarms.URL:
		add(Warning, "jms.consumer.cal_reminder.destination", "is another topic than caldb.serveralarms.url: this host's reminders do not come there")
	}
	if !c.Alarms.Enable || !c.Alarms.Dispatch {
		add(Serious, "caldb.serveralarms", "caldb.serveralarms or caldb.serveralarms.dispatch is no: there are neither reminders nor pop-ups")
	}
}

// AlertsMailed tells whether the administrator is mailed. Sun's default, Postmaster@localhost,
// reaches somebody on few hosts only.
func (c *Config) AlertsMailed() bool {
	return c.Alerts.Enable && (c.isSet("alarm.msgalarmnoticercpt") || c.isSet("alarm.msgalarmnoticehost") || c.Alerts.CalMaster != "")
}

// alerts looks whether the administrator would be told what he asks for. admin.md §6.13.
func (c *Config) alerts(add func(s Severity, param, format string, args ...any)) {
	for param, value := range map[string]string{"alarm.msgalarmnoticercpt": c.Alerts.Recipient, "alarm.msgalarmnoticesender": c.Alerts.Sender, "caldb.calmaster": c.Alerts.CalMaster} {
		if _, err := mail.ParseAddressList(value); err != nil && value != "" {
			add(Error, param, "%q is no mail address", value)
		}
	}
	for param, on := range map[string]bool{"service.admin.diskusage": c.Admin.DiskUsage, "service.admin.serverresponse": c.Admin.ServerResponse,
		"alarm.msgalarmnoticercpt": c.isSet("alarm.msgalarmnoticercpt")} {
		if on && !c.AlertsMailed() {
			add(Serious, param, "nobody is mailed: set alarm.msgalarmnoticercpt to the administrator's address, and leave service.admin.alarm as it is")
		}
	}
}

// check bounds the cost of password hashes. The OWASP's choices, from 7 MiB and
// five passes to 46 MiB and one, are all right.
func (a Argon2) check() (param, wrong string) {
	const name, least = "factotum.login.argon2.", 35_000
	switch {
	case a.Memory < 7168 || a.Memory > 65536:
		return name + "memory", fmt.Sprintf("expected 7168 to 65536 KiB, not %d", a.Memory)
	case a.Passes < 1 || a.Passes > 16:
		return name + "passes", fmt.Sprintf("expected 1 to 16 passes, not %d", a.Passes)
	case a.Lanes < 1 || a.Lanes > 4:
		return name + "lanes", fmt.Sprintf("expected 1 to 4 lanes, not %d", a.Lanes)
	case a.Memory*a.Passes < least:
		return name + "passes", fmt.Sprintf("passwords would be guessed too fast: with %d KiB there must be %d passes at least", a.Memory, (least+a.Memory-1)/a.Memory)
	}
	return "", ""
}

// Problem makes a problem of a parameter, with the place where it is set.
func (c *Config) Problem(s Severity, param, message string) Problem {
	p := Problem{Severity: s, Param: param, Message: message, File: c.File}
	if set, ok := c.set[param]; ok {
		p.File, p.Line = set.file, set.line
	}
	return p
}

// IsSet tells whether somebody has set a parameter.
func (c *Config) IsSet(name string) bool { return c.isSet(name) }

func (c *Config) isSet(name string) bool { _, ok := c.set[name]; return ok }

func (c *Config) hasBackEnd(host string) bool {
	for _, b := range c.DWP.BackEnds {
		if b.Host == strings.TrimSuffix(host, ".") {
			return true
		}
	}
	return false
}

func loopback(addr string) bool {
	a, err := netip.ParseAddr(addr)
	return err == nil && a.IsLoopback()
}

// CheckNames asks the resolver for the back ends' names, which must exist
// (admin.md §6.14). It is apart from Parse because it needs the network; lookup is
// net.Resolver.LookupHost.
func (c *Config) CheckNames(ctx context.Context, lookup func(context.Context, string) ([]string, error)) Report {
	var rep Report
	for _, b := range c.DWP.BackEnds {
		addrs, err := lookup(ctx, b.Host)
		if err == nil && len(addrs) > 0 {
			continue
		}
		s := c.set[dwpServer+b.Host+".ip"]
		rep.add(Problem{Severity: Warning, File: s.file, Line: s.line, Param: dwpServer + b.Host + ".ip",
			Message: "the resolver does not know " + b.Host})
	}
	return rep
}
