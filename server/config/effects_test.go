package config

import (
	"path"
	"strings"
	"testing"
)

// anyValue is a value of a parameter's kind that is not its default.
func anyValue(p *Param) string {
	switch p.Kind {
	case Bool:
		if yes, _ := parseBool(p.Default); yes {
			return "no"
		}
		return "yes"
	case Int, Port, Seconds, Millis, Hours, Days, Bytes, Percent:
		return "77"
	case Enum:
		for _, w := range p.Words {
			if w != p.Default && w != "" {
				return w
			}
		}
	case Zone:
		return "Asia/Tokyo"
	case ACL:
		return "@^a^r^g"
	case Networks, Listen:
		return "192.0.2.7"
	case HostPort:
		return "127.0.0.1:7"
	}
	return "other.example.com"
}

// Each parameter without effect has a reason, each reason a parameter, and the
// documentation tells no one without effect that keeps the server from
// starting, or makes it start with a serious warning.
func TestEveryAbsenceHasAReason(t *testing.T) {
	fits := map[string]bool{}
	for _, p := range Params() {
		if p.Used() {
			if n := p.neglect(); n != nil {
				t.Errorf("%s is obeyed, and %q", p.Name, n.says)
			}
			continue
		}
		if p.absent() == "" {
			t.Errorf("%s has no effect, and nothing says why", p.Name)
		}
		for _, a := range absences {
			for _, pattern := range a.names {
				if ok, _ := path.Match(pattern, strings.ToLower(p.Name)); ok {
					fits[pattern] = true
				}
			}
		}
		name := strings.Replace(p.Name, "<appid>", "app", 1)
		for _, v := range []string{"yes", "no", anyValue(p)} {
			if p.check(v) != "" {
				continue
			}
			_, rep, _ := Parse(strings.NewReader(name+" = \""+v+"\"\n"), "/etc/ics.conf")
			for _, problem := range rep.Problems {
				if problem.Severity > Warning && problem.Param == name && strings.HasPrefix(p.standing(), "Accepted, without effect") {
					t.Errorf("%s = %q is a %v, and the documentation says %q", name, v, problem.Severity, p.standing())
				}
			}
		}
	}
	for _, a := range absences {
		for _, pattern := range a.names {
			if !fits[pattern] {
				t.Errorf("%s: %q fits no parameter", a.why, pattern)
			}
		}
	}
	for _, n := range neglects {
		for _, name := range n.names {
			if _, ok := Find(name); !ok && !strings.Contains(name, "*") {
				t.Errorf("%q: there is no parameter %s", n.says, name)
			}
		}
	}
	for _, g := range guards {
		some := false
		for _, p := range Params() {
			ok, _ := path.Match(g, p.Name)
			some = some || ok
		}
		if !some {
			t.Errorf("guard %q fits no parameter", g)
		}
	}
}

// What Sun's server did and this one does not, and what somebody relies on: an
// error where a stranger would get in, a serious warning where something is
// lost or does not happen.
func TestNeglectIsTold(t *testing.T) {
	const ldap = "factotum.ldap.tls = \"starttls\"\nlocal.ugldaphost = \"a.example.com\"\nlocal.ugldapbasedn = \"o=a\"\n"
	for _, c := range []struct {
		line string
		want Severity
		told bool
	}{
		{`service.admin.ldap.enable = "no"`, Error, true},
		{`service.admin.ldap.enable = "yes"`, Error, false},
		{`csapi.plugin.accesscontrol = "y"`, Error, true},
		{`csapi.plugin.accesscontrol = "n"`, Error, false},
		{`csapi.plugin.authentication = "yes"`, Error, true},
		{`csapi.plugin.authentication.name = "cs_auth"`, Serious, true},
		{`csapi.plugin.loadall = "y"`, Serious, true},
		{`csapi.plugin.database.name = "cs_caldb_berkeley10"`, Serious, false},
		{`csapi.plugin.database.name = "cs_oracle"`, Serious, true},
		{`csapi.plugin.calendarlookup.name = "calendarlookup"`, Serious, false},
		{`csapi.plugin.calendarlookup.name = "mine"`, Serious, true},
		{`local.plugindir.path = "/opt/plugins"`, Serious, true},
		{ldap + `local.authldaphost = "a.example.com"`, Error, false},
		{ldap + `local.authldaphost = "b.example.com"`, Error, true},
		{ldap + `local.authldapbasedn = "o=b"`, Error, true},
		{ldap + `local.lookupldaphost = "b.example.com"`, Serious, true},
		{`local.lookupldap.user.authfilter = "(&(uid=%s)(ok=1))"`, Serious, true},
		{`service.admin.calmaster.cred = "hush"`, Serious, true},
		{`service.siteadmin.cred = "hush"`, Serious, true},
		{`service.virtualdomain.scope = "primary"`, Serious, false},
		{`service.virtualdomain.support = "no"`, Serious, true},
		{`sso.enable = "1"`, Serious, true},
		{`sso.enable = "0"`, Serious, false},
		{`local.calendar.sso.amnamingurl = "http://am.example.com/x"`, Serious, true},
		{`local.ssldbpath = "/etc/opt/SUNWics5/config"`, Serious, true},
		{"service.http.ssl.certfile = \"a\"\nservice.http.ssl.keyfile = \"b\"\nlocal.ssldbpath = \"/etc/opt/SUNWics5/config\"", Serious, false},
		{`caldb.berkeleydb.hotbackup.path = "/backup"`, Serious, false},
		{`caldb.berkeleydb.archive.enable = "yes"`, Serious, false},
		{`caldb.berkeleydb.circularlogging = "no"`, Serious, true},
		{`caldb.berkeleydb.circularlogging = "yes"`, Serious, false},
		{"caldb.berkeleydb.archive.path = \"/backup\"\ncaldb.berkeleydb.circularlogging = \"no\"", Serious, false},
		{`caldb.serveralarms = "1"`, Serious, false},
		{`caldb.serveralarms = "0"`, Serious, false},
		{`ine.invitation.enable = "yes"`, Serious, false},
		{`caldb.smtphost = "mail.example.com"`, Serious, false},
		{`service.admin.diskusage = "yes"`, Serious, true},
		{"alarm.msgalarmnoticercpt = \"root@example.com\"\nservice.admin.diskusage = \"yes\"", Serious, false},
		{`alarm.msgalarmnoticercpt = "root@example.com"`, Serious, false},
		{"service.admin.alarm = \"no\"\nalarm.msgalarmnoticercpt = \"root@example.com\"", Serious, true},
		{`alarm.msgalarmnoticercpt = "root at example"`, Error, true},
		{`factotum.backup.recipients = "to"`, Serious, true},
		{"factotum.backup.identities = \"by\"\nfactotum.backup.recipients = \"to\"", Serious, false},
		{`service.ens.enable = "yes"`, Serious, false},
		{`service.notify.enable = "no"`, Serious, false},
		{`caldb.berkeleydb.ensmsg.createevent = "yes"`, Serious, false},
		{`caldb.berkeleydb.ensmsg.createevent.url = "enp:///x"`, Serious, false},
		// What is obeyed and opens more than it seems to.
		{`factotum.http.trustedproxies = "0.0.0.0/0"`, Serious, true},
		{`factotum.http.trustedproxies = "10.0.0.0/8"`, Serious, false},
		{"service.http.domainnotallowed = \"192.0.2.1\"\nservice.http.domainallowed = \"::/0\"", Serious, true},
		{"local.ugldapbasedn = \"o=a\"\nfactotum.ldap.tls = \"none\"\nlocal.ugldaphost = \"ldap.example.com\"", Serious, true},
		{"local.ugldapbasedn = \"o=a\"\nfactotum.ldap.tls = \"none\"\nlocal.ugldaphost = \"127.0.0.1 localhost [::1]:389\"", Serious, false},
		{"local.ugldapbasedn = \"o=a\"\nlocal.ugldapport = \"636\"\nlocal.ugldaphost = \"127.0.0.1\"", Error, true},
		{"factotum.sync.tombstoneage = \"60\"\ncaldb.berkeleydb.purge.deletelog.beforetime = \"2592000\"", Serious, true},
		// Slips of the pen in what guards.
		{`service.http.allowanonymouslogn = "no"`, Error, true},
		{`service.http.domainnotalowed = "192.0.2.1"`, Error, true},
		{`service.http.ssl.certfle = "a"`, Error, true},
		{`calstore.filterprivatevents = "yes"`, Error, true},
		{`service.http.prot = "80"`, Error, false},
	} {
		_, rep, _ := Parse(strings.NewReader(c.line+"\n"), "/etc/ics.conf")
		lines := strings.Split(c.line, "\n")
		name, _, _ := strings.Cut(lines[len(lines)-1], " ")
		got := ""
		for _, p := range rep.Problems {
			if p.Severity == c.want && (p.Param == name || p.Param == "factotum.ldap.tls") {
				got = p.Error()
			}
		}
		if (got != "") != c.told {
			t.Errorf("%s: want a %v: %v, got %v", c.line, c.want, c.told, problems(rep))
		}
		if strings.Contains(got, "hush") {
			t.Errorf("a secret is told: %s", got)
		}
	}
	// One problem for what is one thing, and every name in it.
	_, rep, _ := Parse(strings.NewReader("sso.enable = \"1\"\nlocal.calendar.sso.amnamingurl = \"http://am.example.com/x\"\n"), "/etc/ics.conf")
	if len(rep.Problems) != 1 || rep.Problems[0].Error() != "/etc/ics.conf:1: serious warning: sso.enable: there is no single sign-on: everybody logs in with a password, and logging out ends the session here only (set as well: local.calendar.sso.amnamingurl)" {
		t.Errorf("single sign-on: %v", problems(rep))
	}
}
