package config

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// absences say why parameters of Sun's have no effect here. The first pattern
// that fits a name counts; a test sees to it that one fits each.
var absences = []struct {
	why   string
	names []string // patterns of path.Match
}{
	{"threads, processes and connections are as many as are needed", []string{"*.numprocesses", "*threads", "*.stacksize", "*.loadbalancing", "*.initconns",
		"*.maxcons", "*ldappoolsize", "*ldapmaxpool", "*.connthreshold", "service.http.resourcetimeout"}},
	{"transaction logs are kept with the backups that they belong to", []string{"caldb.berkeleydb.circularlogging"}},
	{"the agent for pop-ups is the server's own: docs/popups.md", []string{"jms.*", "iim_server.*"}},
	{"there is no Java Message Queue", []string{"caldb.serveralarms.jmq*"}},
	{"ENS is NATS, and needs no library of Sun's", []string{"service.ens.library", "ens.startlistener"}},
	{"a scheduling message goes out when it is stored, and the queue is not looked through", []string{"gse.belowthresholdtimeout"}},
	{"attendees are named by their addresses", []string{"calstore.unqualifiedattendee.*", "local.smtp.defaultdomain"}},
	{"one directory, local.ugldap*, answers every question", []string{"local.authldap*", "local.lookupldap*", "local.maillookupldap*", "service.calendarsearch.*"}},
	{"several domains are always served", []string{"service.virtualdomain.support"}},
	{"plug-ins are not loaded", []string{"csapi.*", "local.plugindir.path"}},
	{"there is no single sign-on", []string{"sso.*", "local.calendar.sso.*"}},
	{"the administrator is an entry of the directory", []string{"service.admin.calmaster.cred", "service.admin.ldap.enable", "service.siteadmin.cred"}},
	{"there is no csadmind: see factotum.admin.listen", []string{"service.admin.*", "local.mfagent.enable"}},
	{"TLS is made from PEM files, with ciphers of today", []string{"service.http.ssl.*", "service.http.sslusessl", "encryption.*", "local.ssldbpath", "caldb.dwp.md5"}},
	{"SQLite and PostgreSQL need no settings of Berkeley DB", []string{"caldb.berkeleydb.*", "*.dbcachesize", "*.deadlock.*", "caldb.counters*", "store.attachment.path"}},
	{"caches are in memory, and look after themselves", []string{"local.ldap.cache.*", "caldb.cld.cache.*", "service.ldapmemcache*"}},
	{"there is no web client and no language of a site", []string{"ui.*", "service.http.uidir.path", "service.http.calendarhostname", "browser.*", "local.*language*"}},
	{"preferences are in the calendar store", []string{"local.ugldapicsextendeduserprefs", "service.wcap.userprefs.*", "service.wcap.allowchangepassword"}},
	{"that is the service manager's, or not needed", []string{"local.server?id", "local.install*", "local.instanc*", "local.watcher.*", "service.http.tmpdir",
		"service.http.attachdir.path"}},
	{"logs are written at once", []string{"logfile.buffersize", "logfile.flushinterval"}},
	{"there is an access log, and metrics", []string{"service.http.commandlog*", "service.dnsresolveclient", "service.monitor.*", "logfile.monitor.*"}},
	{"entries are told apart by their own object classes", []string{searchAttr + "*"}},
}

// absence is which of them it is; -1 where none fits.
func (p *Param) absence() int {
	for i, a := range absences {
		for _, pattern := range a.names {
			if ok, _ := path.Match(pattern, strings.ToLower(p.Name)); ok || strings.EqualFold(pattern, p.Name) {
				return i
			}
		}
	}
	return -1
}

// absent says why a parameter has no effect.
func (p *Param) absent() string {
	if i := p.absence(); i >= 0 {
		return absences[i].why
	}
	return ""
}

// A neglect is a parameter of Sun's that is not obeyed, where who relies on it
// would be wrong about who gets in, what is kept, or what happens.
type neglect struct {
	names    []string
	severity Severity
	relied   func(c *Config, s *setting) bool // the value is relied on
	says     string
}

func saysYes(_ *Config, s *setting) bool { yes, _ := parseBool(s.value); return yes }
func saysNo(_ *Config, s *setting) bool  { yes, ok := parseBool(s.value); return ok && !yes }
func saysMore(c *Config, s *setting) bool {
	if s.param.Kind == Bool {
		return saysYes(c, s)
	}
	return !blank(s.value) && c.otherThanDefault(s)
}

var neglects = []neglect{
	// Who gets in.
	{[]string{"service.admin.ldap.enable"}, Error, saysNo, `the administrator is looked up in the directory and nowhere else: give him an entry there, and set "yes"`},
	{[]string{"csapi.plugin.accesscontrol"}, Error, saysYes, `plug-ins are not loaded, so that nothing would be decided by this one: the calendars' access lists alone count; set "no"`},
	{[]string{"csapi.plugin.authentication"}, Error, saysYes, `plug-ins are not loaded, so that nobody would be refused by this one: the directory alone checks passwords; set "no"`},
	{[]string{"local.authldaphost", "local.authldapport", "local.authldapbasedn"}, Error, saysMore,
		"passwords are checked in the directory of local.ugldaphost, and this is another one: name the one that checks them in local.ugldaphost, local.ugldapport and local.ugldapbasedn"},
	{[]string{"local.lookupldap.user.authfilter"}, Serious, saysMore, "log-ins go by local.user.authfilter alone"},
	{[]string{"service.admin.calmaster.cred", "service.siteadmin.cred"}, Serious, saysMore, "the password here is not taken: an administrator logs in with that of his entry in the directory"},
	{[]string{"service.virtualdomain.support"}, Serious, saysNo, "must not be changed: the server always serves domains"},
	{[]string{"sso.enable", "local.calendar.sso.amnamingurl"}, Serious, saysMore, "there is no single sign-on: everybody logs in with a password, and logging out ends the session here only"},
	{[]string{"local.ssldbpath"}, Serious, func(c *Config, s *setting) bool { return !blank(s.value) && c.HTTP.Enable && c.HTTP.CertFile == "" },
		"this certificate database is not read, and nothing is served with TLS: export certificate and key to PEM files, and name these in service.http.ssl.certfile and service.http.ssl.keyfile"},
	// What is kept.
	{[]string{"caldb.berkeleydb.circularlogging"}, Serious, func(c *Config, s *setting) bool {
		return saysNo(c, s) && c.Backup.Archive.Path == "" && c.Backup.Hot.Path == ""
	},
		"transaction logs are kept with backups only: set caldb.berkeleydb.archive.path, see \"Backups\" in docs/admin.md"},
	{[]string{"csapi.plugin.database.name"}, Serious, func(_ *Config, s *setting) bool {
		return !blank(s.value) && s.value != "*" && !strings.HasPrefix(s.value, "cs_caldb_berkeley")
	}, "calendars of another database are not read: see factotum.store.type"},
	{[]string{"csapi.plugin.calendarlookup.name"}, Serious, func(_ *Config, s *setting) bool {
		return !blank(s.value) && s.value != "*" && s.value != "calendarlookup"
	}, "plug-ins are not loaded: calendars are where icsDWPHost or caldb.dwp.server.default say"},
	// What happens.
	{[]string{"csapi.plugin.loadall", "csapi.plugin.userprefs", "csapi.plugin.authentication.name", "csapi.plugin.userprefs.name", "local.plugindir.path"}, Serious, saysMore,
		"plug-ins are not loaded, whatever they decide"},
	{[]string{"local.lookupldaphost", "local.lookupldapport", "local.lookupldapbasedn"}, Serious, saysMore, "people are looked for in the directory of local.ugldaphost"},
}

func (n *neglect) about(p *Param) bool {
	return slices.ContainsFunc(n.names, func(pattern string) bool { ok, _ := path.Match(pattern, p.Name); return ok })
}

func (p *Param) neglect() *neglect {
	for i := range neglects {
		if neglects[i].about(p) {
			return &neglects[i]
		}
	}
	return nil
}

// ineffective tells of what was set and has no effect: the neglects, each with
// all the parameters that it is about, and one warning for each of the other
// reasons, since an ics.conf of Sun's may have a hundred such parameters.
func (c *Config) ineffective() (out []Problem) {
	relied, others, _ := c.unobeyed()
	for i, l := range relied {
		if len(l) == 0 {
			continue
		}
		slices.SortFunc(l, func(a, b setting) int { return a.line - b.line })
		p := Problem{Severity: neglects[i].severity, File: l[0].file, Line: l[0].line, Param: l[0].name, Message: neglects[i].says}
		if len(l) > 1 {
			p.Message += " (set as well: " + names(l[1:]) + ")"
		}
		out = append(out, p)
	}
	for i, l := range others {
		if len(l) > 0 {
			out = append(out, Problem{Severity: Warning, File: c.File,
				Message: fmt.Sprintf("%s%s (%d): %s", withoutEffect, absences[i].why, len(l), names(l))})
		}
	}
	return out
}

// SetInVain tells, in a line for each reason, of parameters without effect that
// are set to their defaults: nothing would be another with them, so that they
// are no problem.
func (c *Config) SetInVain() (lines []string) {
	_, _, same := c.unobeyed()
	for i, l := range same {
		if len(l) > 0 {
			lines = append(lines, fmt.Sprintf("set to the default or off, and without effect, since %s (%d): %s", absences[i].why, len(l), names(l)))
		}
	}
	return lines
}

// unobeyed sorts what is set and has no effect: by what is relied on, and the
// others by why, those set to something else than the default first.
func (c *Config) unobeyed() (relied, others, same [][]setting) {
	relied = make([][]setting, len(neglects))
	others, same = make([][]setting, len(absences)), make([][]setting, len(absences))
	for _, s := range c.sorted("") {
		if s.param.Used() || c.asksForTLS(s.param) {
			continue
		}
		if n := slices.IndexFunc(neglects, func(n neglect) bool { return n.about(s.param) }); n >= 0 && neglects[n].relied(c, &s) {
			relied[n] = append(relied[n], s)
			continue
		}
		i := s.param.absence()
		switch {
		case !c.otherThanDefault(&s):
			same[i] = append(same[i], s)
		case s.param.Note == "":
			others[i] = append(others[i], s)
		}
	}
	return relied, others, same
}

const withoutEffect = "set, but without effect in this server, since "

// maxNamed is how many parameters one problem names.
const maxNamed = 50

func names(l []setting) string {
	var out []string
	for i := range l {
		out = append(out, l[i].name)
	}
	text := strings.Join(out[:min(len(out), maxNamed)], ", ")
	if n := len(out) - maxNamed; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}

// tlsParameters say that HTTP is served with TLS; where they have no other
// meaning they are looked at for that alone.
var tlsParameters = []string{
	"encryption.rsa.nssslactivation", "service.http.sslusessl", "service.http.ssl.port.enable", "service.http.ssl.port", "service.http.ssl.securelogin",
	"service.http.ssl.certdb.path", "service.http.ssl.certdb.password", "encryption.rsa.nssslpersonalityssl", "service.http.ssl.sourceurl",
}

// wantsTLS is the first parameter that says that HTTP is served with TLS, ""
// if none does: those of Sun's server among them, which have no other meaning
// here. Whoever switches the port off means it.
func (c *Config) wantsTLS() string {
	if !c.HTTP.Enable || !c.HTTP.TLSEnable {
		return ""
	}
	for _, name := range tlsParameters {
		set, ok := c.set[name]
		if !ok || strings.TrimSpace(set.value) == "" {
			continue
		}
		if on, known := parseBool(set.value); set.param.Kind != Bool || known && on {
			return set.name
		}
	}
	return ""
}

// asksForTLS tells parameters that nothing but wantsTLS looks at.
func (c *Config) asksForTLS(p *Param) bool {
	return p.Kind == Bool && !p.Used() && slices.Contains(tlsParameters, p.Name)
}

// guards are the parameters that decide who gets in and what others see: a
// name that is nearly one of these is a mistake that opens something.
var guards = []string{
	"service.http.allowanonymouslogin", "service.http.allowadminproxy", "service.http.proxydomainallowed", "service.http.domainallowed",
	"service.http.domainnotallowed", "service.http.ipsecurity", "service.http.admins", "service.http.listenaddr", "service.listenaddr", "service.dwp.listenaddr",
	"service.http.cookies", "service.http.sessiontimeout", "service.http.ssl.*", "service.dwp.ssl.*", "service.dwp.admin.*",
	"encryption.rsa.nssslactivation", "service.http.sslusessl", "factotum.http.trustedproxies", "factotum.ldap.tls", "factotum.ldap.cafile", "factotum.login.*",
	"service.admin.calmaster.*", "service.wcap.allow*", "service.wcap.anonymous.*", "service.wcap.login.*", "calstore.anonymous.calid",
	"calstore.calendar.*acl", "calstore.filterprivateevents", "resource.default.acl", "group.default.acl", "factotum.resource.bookers", "local.user.authfilter", "local.autoprovision",
	"caldb.berkeleydb.readonly", "factotum.admin.listen", "factotum.imip.*", "factotum.xmpp.*", "factotum.ens.*", "service.ens.host",
	"factotum.push.allow", "factotum.hooks.allow", "csapi.plugin.accesscontrol", "csapi.plugin.authentication",
}

// guard reports whether a parameter is one of them.
func (p *Param) guard() bool {
	return slices.ContainsFunc(guards, func(pattern string) bool { ok, _ := path.Match(pattern, p.Name); return ok })
}

// exposed looks for what is obeyed and opens more than it seems to.
func (c *Config) exposed(add func(s Severity, param, format string, args ...any)) {
	for _, list := range []struct {
		param, what string
		nets        []string
	}{
		{"factotum.http.trustedproxies", "believes what any client says of its own address", c.HTTP.TrustedProxies},
		{"factotum.push.allow", "lets users have the server connect to any address, those inside of your network too", c.Push.Allow},
		{"factotum.hooks.allow", "lets users have the server connect to any address, those inside of your network too", c.Hooks.Allow},
		{"service.http.domainallowed", "lets everybody in, whatever service.http.domainnotallowed says", c.HTTP.Allowed},
	} {
		for _, n := range list.nets {
			if p, err := netip.ParsePrefix(n); err == nil && p.Bits() == 0 {
				add(Serious, list.param, "%s %s", n, list.what)
			}
		}
	}
	if c.Directory.Type == "ldap" && c.isSet("local.ugldaphost") && c.LDAP.TLS == "none" {
		var clear []string
		for _, h := range c.LDAP.UserGroup.Hosts {
			host, port := cutPort(h)
			if port == "636" || port == "" && c.LDAP.UserGroup.Port == 636 {
				add(Error, "factotum.ldap.tls", "%s is the port of LDAP over TLS: set factotum.ldap.tls = \"ldaps\"", strconv.Itoa(636))
			} else if host = strings.Trim(host, "[]"); !strings.EqualFold(host, "localhost") && !loopback(host) {
				clear = append(clear, host)
			}
		}
		if len(clear) > 0 {
			add(Serious, "factotum.ldap.tls", "is none: passwords go to %s in clear; set \"starttls\" or \"ldaps\"", strings.Join(clear, " and "))
		}
	}
	if c.CLD.Type == "directory" && c.isSet("csapi.plugin.calendarlookup") && !c.CLD.Plugin {
		add(Warning, "csapi.plugin.calendarlookup", "is no, but caldb.cld.type is directory, and that counts: calendars are looked for on the back ends")
	}
	if (c.DWP.Admin == "") != (c.DWP.Cred == "") && c.DWP.Enable {
		add(Warning, "service.dwp.admin.cred", "expected both service.dwp.admin.userid and service.dwp.admin.cred, or neither")
	}
	if c.Deleted.Age > c.Deleted.TombstoneAge {
		add(Serious, "caldb.berkeleydb.purge.deletelog.beforetime", "deletions are forgotten after factotum.sync.tombstoneage, which is less")
	}
}
