package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// parse leaves out what is told about parameters without effect:
// TestParametersWithoutEffectAreTold, TestNeglectIsTold.
func parse(t *testing.T, text string) (*Config, Report) {
	t.Helper()
	c, rep, _ := Parse(strings.NewReader(text), "/etc/factotum/ics.conf")
	if c == nil {
		t.Fatal("no configuration")
	}
	rep.Problems = slices.DeleteFunc(rep.Problems, func(p Problem) bool {
		return strings.HasPrefix(p.Message, "set, but without effect") || slices.ContainsFunc(neglects, func(n neglect) bool { return strings.HasPrefix(p.Message, n.says) })
	})
	return c, rep
}

// clean parses a text that must be without a problem.
func clean(t *testing.T, text string) *Config {
	t.Helper()
	c, rep := parse(t, text)
	for _, p := range rep.Problems {
		t.Errorf("%v", p.Error())
	}
	return c
}

// What is set and has no effect is told, in one warning for each reason; what
// is set to its default, or has a problem of its own, is not.
func TestParametersWithoutEffectAreTold(t *testing.T) {
	report := func(text string) string {
		t.Helper()
		_, rep, err := Parse(strings.NewReader(text), "ics.conf")
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, p := range rep.Problems {
			out = append(out, p.Error())
		}
		return strings.Join(out, "\n")
	}
	got := report(`service.ens.enable = "no"
gse.maxthreads = "12"
service.http.maxthreads = "12"
caldb.berkeleydb.ensmsg.createcal = "yes"
caldb.berkeleydb.mempoolsizemb = "9"
caldb.dwp.md5 = "n"
service.listenaddr = "127.0.0.1"
service.http.port = "8080"
local.ugldaphost = "ldap.example.com"
local.ugldapbasedn = "o=example.com"
factotum.ldap.tls = "starttls"
local.authldaphost = "ldap.example.com"
caldb.serveralarms = ""`)
	want := "ics.conf: warning: set, but without effect in this server, since threads, processes and connections are as many as are needed (2): gse.maxthreads, service.http.maxthreads\n" +
		"ics.conf: warning: set, but without effect in this server, since SQLite and PostgreSQL need no settings of Berkeley DB (1): caldb.berkeleydb.mempoolsizemb"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var many strings.Builder
	for _, p := range Params() {
		if !p.Used() && p.Kind == Int {
			fmt.Fprintf(&many, "%s = \"77\"\n", p.Name)
		}
	}
	if got := report(many.String()); strings.Count(got, "\n") > len(absences) || len(got) > 6000 {
		t.Errorf("many of them: %s", got)
	}
}

func TestAdmin_5_Syntax(t *testing.T) {
	c := clean(t, "\ufeff! a comment\r\n"+
		"!!service.http.port = \"1\"\r\n\r\n\t \n"+
		"service.http.port=\"8080\"\r\n"+
		"service.http.idletimeout\t = \t\"60\" ! seconds\n"+
		"Service.HTTP.SSL.Port = \"8443\"\nservice.http.ssl.port.enable = \"no\"\n"+
		"calstore.default.timezoneid = \"Europe/Berlin\"\n"+
		"calstore.calendar.owner.acl = \"@@o^a^rsf^g;@@o^c^wdeic^g\"\n"+
		"alarm.msgalarmnoticetemplate = \"of \\\"%s\\\" is \\n\"\n"+
		"service.siteadmin.userid = \" \"\n"+
		"local.lookupldap.calid.direct = \"(a=b\\\\2a)\"\n"+
		"service.defaultdomain = \"first.example\"\n"+
		"service.defaultdomain = \"jürgen.example\"")
	for _, got := range []struct{ got, want any }{
		{c.HTTP.Port, 8080}, {c.HTTP.IdleTimeout, time.Minute}, {c.HTTP.TLSPort, 8443}, {c.Calstore.TimeZone, "Europe/Berlin"},
		{c.Calstore.OwnerACL, "@@o^a^rsf^g;@@o^c^wdeic^g"}, {c.Alerts.Template, `of "%s" is \n`}, {c.Domain.Admin, ""},
		{c.Lookup.Calid, `(a=b\\2a)`}, {c.Domain.Default, "jürgen.example"}, {c.File, "/etc/factotum/ics.conf"}, {c.Dir, "/etc/factotum"},
	} {
		if got.got != got.want {
			t.Errorf("got %v, want %v", got.got, got.want)
		}
	}
}

func TestAdmin_5_Booleans(t *testing.T) {
	for _, v := range []string{"yes", "Y", "1", "true", "ON", " yes "} {
		if c := clean(t, `service.dwp.enable = "`+v+`"`+"\nservice.dwp.listenaddr = \"127.0.0.1\""); !c.DWP.Enable {
			t.Errorf("%q is not yes", v)
		}
	}
	for _, v := range []string{"no", "N", "0", "False", "off"} {
		if c := clean(t, `service.http.enable = "`+v+`"`); c.HTTP.Enable {
			t.Errorf("%q is not no", v)
		}
	}
}

func TestProblems(t *testing.T) {
	const file = "/etc/factotum/ics.conf:2: "
	for line, want := range map[string]string{
		`service.http.prot = "80"`:                   "warning: service.http.prot: unknown parameter; did you mean service.http.port?",
		`caldb.dwp.sever.default = "a.example.com"`:  "warning: caldb.dwp.sever.default: unknown parameter; did you mean caldb.dwp.server.default?",
		`caldb.serveralarams.binary.url = "x"`:       "warning: caldb.serveralarams.binary.url: unknown parameter; did you mean caldb.serveralarms.binary.url?",
		`completely.different = "x"`:                 "warning: completely.different: unknown parameter",
		`#service.http.port = "80"`:                  "warning: # does not begin a comment, ! does; the line is ignored",
		` service.http.port = "80"`:                  "warning: service.http.port: a parameter begins at the beginning of its line",
		`service.http.port = 80`:                     "warning: service.http.port: the value should stand in double quotes",
		`service.http.port = "80`:                    "error: service.http.port: the closing quote is missing",
		`service.http.port = "80" 81`:                "error: service.http.port: unexpected text behind the closing quote",
		`service.http.port`:                          `error: expected name = "value"`,
		`= "80"`:                                     `error: expected name = "value", with a name without blanks`,
		`service.http port = "80"`:                   `error: expected name = "value", with a name without blanks`,
		"service.http.port = \"8\x000\"":             "error: control character",
		"service.http.port = \"8\r0\"":               "error: control character",
		"service.http.port = \"\xff\"":               "error: not ASCII or UTF-8",
		`service.http.port = "0"`:                    `error: service.http.port: "0": expected a port from 1 to 65535`,
		`service.http.port = "65536"`:                `error: service.http.port: "65536": expected a port from 1 to 65535`,
		`service.http.port = "http"`:                 `error: service.http.port: "http": expected a port from 1 to 65535`,
		`service.http.enable = "maybe"`:              `error: service.http.enable: "maybe": expected yes or no`,
		`service.http.idletimeout = "2m"`:            `error: service.http.idletimeout: "2m": expected a number (seconds) from 1 to 2147483647`,
		`calstore.group.attendee.maxsize = "-2"`:     `error: calstore.group.attendee.maxsize: "-2": expected a number from -1 to 2147483647`,
		`caldb.berkeleydb.archive.threshold = "101"`: `error: caldb.berkeleydb.archive.threshold: "101": expected a number (percent) from 0 to 100`,
		`logfile.loglevel = "LOUD"`:                  `error: logfile.loglevel: "LOUD": expected one of CRITICAL, ALERT, ERROR, WARNING, NOTICE, INFORMATION, DEBUG`,
		`caldb.cld.type = "ldap"`:                    `error: caldb.cld.type: "ldap": expected one of local, directory`,
		`service.http.listenaddr = "nowhere"`:        `error: service.http.listenaddr: "nowhere": expected an IP address of this host, or INADDR_ANY`,
		`factotum.admin.listen = "9000"`:             `error: factotum.admin.listen: "9000": expected host:port`,
		`factotum.http.trustedproxies = "10.0.0.0"`:  "",
		`factotum.http.trustedproxies = "10/8"`:      `error: factotum.http.trustedproxies: "10/8": expected IP addresses and networks such as 10.0.0.0/8`,
		`local.ugldaphost = "a:99999"`:               `error: local.ugldaphost: "a:99999": expected host or host:port, with a port from 1 to 65535`,
		`factotum.mail.routes = "a.example"`:         `error: factotum.mail.routes: "a.example": expected domain=host:port, or .domain=host:port for those below it`,
		`factotum.mail.routes = "a.example=b:0"`:     `error: factotum.mail.routes: "a.example=b:0": expected host or host:port, with a port from 1 to 65535`,
		`factotum.mail.routes = "a.example=b"`:       "warning: factotum.mail.routes: has no effect: no mail is sent, since there is neither caldb.smtphost nor factotum.mail.direct",
		`caldb.smtphost = "mail host"`:               `error: caldb.smtphost: "mail host": expected a host name`,
		`local.hostname = "10.0.0.1"`:                `error: local.hostname: "10.0.0.1": is an IP address; expected the fully qualified host name`,
		`group.default.acl = "bob^x^r^g"`:            `error: group.default.acl: "bob^x^r^g": expected who^what^how^grant;… with what of c, p, a, how of rwdsfleicz, grant g or d`,
		`calstore.default.timezoneID = "Mars/Base"`:  `warning: calstore.default.timezoneID: "Mars/Base": expected a time zone such as Europe/Berlin; UTC is used`,
		`service.admin.port = "1234"`:                "warning: service.admin.port: is chosen by the system and ignored here; see factotum.admin.listen",
		`service.virtualdomain.support = "y"`:        "",
		`service.http.ssl.ssl3.ciphers = "rsa"`:      "warning: service.http.ssl.ssl3.ciphers: has no effect: TLS 1.2 and later only, with their own ciphers",
		`sso.myapp.url = "http://a.example:80/x"`:    "",
		`store..validateowners = "yes"`:              "",
	} {
		_, rep := parse(t, "!\n"+line)
		switch {
		case want == "" && len(rep.Problems) == 0:
		case len(rep.Problems) != 1 || rep.Problems[0].Error() != file+want:
			t.Errorf("%q:\ngot  %v\nwant %s%s", line, errors.Join(problems(rep)...), file, want)
		}
	}
}

func problems(rep Report) (errs []error) {
	for i := range rep.Problems {
		errs = append(errs, &rep.Problems[i])
	}
	return errs
}

func TestAdmin_11_5_AddressInPlaceOfName(t *testing.T) {
	for _, ip := range []string{
		"10.0.0.1", "::1", "[::1]", "2001:db8::1", "[2001:db8::1]:57779", "10.0.0.1:57779", "::ffff:10.0.0.1", "fe80::1%eth0", "10.0.0.1/32",
		"2130706433", "0x7f000001", "010.0.0.1", "127.1", " 10.0.0.1 ", "10.0.0.1.",
	} {
		for _, line := range []string{
			`caldb.dwp.server.backend1.example.com.ip = "` + ip + `"`,
			`caldb.dwp.server.backend1.example.com = "` + ip + `"`,
			`caldb.dwp.server.` + strings.TrimSpace(ip) + `.ip = "` + ip + `"`,
			`caldb.dwp.server.default = "` + ip + `"`,
		} {
			c, rep, err := Parse(strings.NewReader(line), "ics.conf")
			if err == nil || len(rep.Problems) != 1 || len(c.DWP.BackEnds) != 0 {
				t.Errorf("%s: %v, %v", line, c.DWP.BackEnds, err)
				continue
			}
			for _, want := range []string{"ics.conf:1: error: caldb.dwp.server.", "is an IP address", "put the fully qualified host name", "for example caldb.dwp.server."} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v does not say %q", line, err, want)
				}
			}
		}
	}
	for line, want := range map[string]string{
		`caldb.dwp.server.a.example.com.ip = "b.example.com"`:       "another host than a.example.com",
		`caldb.dwp.server.a.example.com.ip = "a.example.com:57779"`: "caldb.dwp.server.a.example.com.port",
		`caldb.dwp.server.[hostname].ip = "a.example.com"`:          "replace [hostname]",
		`caldb.dwp.server.a b.ip = "a.example.com"`:                 "a name without blanks",
		`caldb.dwp.server.a_/b.ip = "a.example.com"`:                "expected a host name",
		`caldb.dwp.server.a.example.com.ip = "a..com"`:              "expected a host name",
	} {
		if _, _, err := Parse(strings.NewReader(line), "ics.conf"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not say %q", line, err, want)
		}
	}
	if _, rep := parse(t, `caldb.dwp.server.backend.ip = "backend"`); len(rep.Problems) != 1 || rep.Problems[0].Severity != Warning {
		t.Errorf("a name without a dot: %v", rep.Problems)
	}
}

func TestAdmin_11_2_BackEnds(t *testing.T) {
	c := clean(t, `
csapi.plugin.calendarlookup       = "yes"
caldb.cld.type                    = "directory"
service.dwp.port                  = "59979"
caldb.dwp.server.Calendar2.sesta.com.ip = "calendar2.Sesta.com"
caldb.dwp.server.calendar2.sesta.com.port = "6000"
caldb.dwp.server.calendar1.sesta.com = "calendar1.sesta.com"   ! without the suffix
caldb.dwp.server.calendar1.sesta.com.admin = "dwp"
caldb.dwp.server.calendar1.sesta.com.cred = "hush"
caldb.dwp.server.default          = "Calendar1.sesta.com"
`)
	want := []BackEnd{
		{Host: "calendar1.sesta.com", Port: 59979, Admin: "dwp", Cred: "hush"},
		{Host: "calendar2.sesta.com", Port: 6000},
	}
	if !slices.Equal(c.DWP.BackEnds, want) || c.DWP.Default != "calendar1.sesta.com" {
		t.Errorf("got %#v, default %q", c.DWP.BackEnds, c.DWP.Default)
	}
	if got := c.Source("caldb.dwp.server.calendar1.sesta.com"); got != "/etc/factotum/ics.conf:7" {
		t.Errorf("source %q", got)
	}
	rep := c.CheckNames(context.Background(), func(_ context.Context, h string) ([]string, error) {
		if h == "calendar1.sesta.com" {
			return []string{"192.0.2.1"}, nil
		}
		return nil, errors.New("no such host")
	})
	if len(rep.Problems) != 1 || rep.Problems[0].Param != "caldb.dwp.server.calendar2.sesta.com.ip" || rep.Problems[0].Line != 5 {
		t.Errorf("names: %v", rep.Problems)
	}
}

func TestCrossChecks(t *testing.T) {
	const twin = "service.dwp.enable = \"yes\"\nservice.dwp.listenaddr = \"127.0.0.1\"\nfactotum.standby.host = \"b.example.com\"\nfactotum.standby.witness = "
	for text, want := range map[string]string{
		`service.store.enable = "no"`:                                       "warning: service.store.enable: csstored is off",
		`local.store.enable = "no"` + "\n" + `service.store.enable = "yes"`: "warning: service.store.enable: csstored is off",
		`factotum.store.type = "postgres"`:                                  "error: factotum.store.dsn: expected a connection string",
		`local.ugldaphost = "localhost"`:                                    "warning: local.ugldapbasedn",
		`service.http.ssl.certfile = "a.pem"`:                               "error: service.http.ssl.keyfile",
		`service.dwp.ssl.keyfile = "a.pem"`:                                 "error: service.dwp.ssl.keyfile",
		`service.dwp.enable = "yes"`:                                        "error: service.dwp.ssl.certfile: without",
		`caldb.cld.type = "directory"`:                                      "warning: caldb.cld.type: is directory, but",
		`caldb.dwp.server.default = "a.example.com"`:                        "caldb.dwp.server.default: a.example.com has no parameter caldb.dwp.server.a.example.com.ip",
		`caldb.dwp.server.a.example.com.port = "1"`:                         "warning: caldb.dwp.server.a.example.com.port: has no effect",
		`factotum.limit.objectsize = "49999999"`:                            "warning: factotum.limit.objectsize",
		`factotum.login.argon2.memory = "1024"`:                             "error: factotum.login.argon2.memory: expected 7168 to 65536 KiB, not 1024",
		`factotum.login.argon2.memory = "8192"`:                             "error: factotum.login.argon2.passes: passwords would be guessed too fast: with 8192 KiB there must be 5 passes at least",
		`factotum.login.argon2.passes = "1"`:                                "error: factotum.login.argon2.passes: passwords would be guessed too fast: with 19456 KiB there must be 2 passes at least",
		`factotum.login.argon2.passes = "17"`:                               "error: factotum.login.argon2.passes: expected 1 to 16 passes, not 17",
		`factotum.login.argon2.lanes = "0"`:                                 "error: factotum.login.argon2.lanes: expected 1 to 4 lanes, not 0",
		`factotum.standby.witness = "c.example.com"`:                        "warning: factotum.standby.witness: has no effect without factotum.standby.host",
		twin + `"10.0.0.1"`:                                                 "error: factotum.standby.witness: expected the fully qualified name",
		twin + `"c.example.com:x"`:                                          "error: factotum.standby.witness: expected the fully qualified name",
		twin + `"B.example.com."`:                                           "error: factotum.standby.witness: is one of the two hosts",
		twin + `"c.example.com:99"` + "\nfactotum.store.type = \"postgres\"\nfactotum.store.dsn = \"x\"": "warning: factotum.standby.witness: has no effect with PostgreSQL",
		`local.schemaversion = "3"`: "error: local.schemaversion: expected 1 or 2",
		"factotum.limit.objectsize = \"99999999\"\nfactotum.limit.bodysize = \"99999999\"":           "error: factotum.limit.objectsize",
		"service.http.ssl.certfile=\"a\"\nservice.http.ssl.keyfile=\"b\"\nservice.http.port=\"443\"": "error: service.http.ssl.port: is the same",
	} {
		_, rep := parse(t, text)
		if len(rep.Problems) != 1 || !strings.Contains(rep.Problems[0].Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, errors.Join(problems(rep)...), want)
		}
	}
	for text, want := range map[string]string{`"C.example.com.:99"`: "c.example.com:99", `"c.example.com"`: "c.example.com:57779",
		`"d.example.com"` + "\ncaldb.dwp.server.d.example.com.ip = \"d.example.com\"\ncaldb.dwp.server.d.example.com.port = \"7\"": "d.example.com:7"} {
		c, rep := parse(t, twin+text)
		if got := c.Standby.Witness; got != want || len(rep.Problems) > 0 {
			t.Errorf("the witness %s is %s, and not %s: %v", text, got, want, rep.Problems)
		}
	}
	if c, _ := parse(t, `local.store.enable = "no"`); c.Store.Enable {
		t.Error("csstored is on")
	}
}

// A configuration of Sun's that serves TLS does not become one that serves
// without it.
func TestTLSIsNotLost(t *testing.T) {
	const cert = "\nservice.http.ssl.certfile = \"a.pem\"\nservice.http.ssl.keyfile = \"b.pem\""
	const off = "\nservice.http.ssl.port.enable = \"no\""
	for line, wants := range map[string]bool{
		`encryption.rsa.nssslactivation = "on"`: true, `encryption.rsa.nssslactivation = "off"`: false,
		`service.http.sslusessl = "yes"`: true, `service.http.sslusessl = "no"`: false,
		`service.http.ssl.port.enable = "yes"`: true, `service.http.ssl.port = "8443"`: true, `service.http.ssl.securelogin = "yes"`: true,
		`service.http.ssl.certdb.path = "/etc/alias"`: true, `encryption.rsa.nssslpersonalityssl = "SampleSSLServerCert"`: true,
		`service.http.ssl.cachesize = "10"`: false, `service.http.ssl.certdb.path = ""`: false,
	} {
		name, _, _ := strings.Cut(line, " ")
		_, rep := parse(t, line)
		if err := rep.Err(); (err != nil) != wants || wants && (!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "service.http.ssl.certfile and service.http.ssl.keyfile")) {
			t.Errorf("%s: %v", line, err)
		}
		if _, rep := parse(t, line+cert); rep.Err() != nil {
			t.Errorf("%s with a certificate: %v", line, rep.Err())
		}
		if _, rep := parse(t, line+off); rep.Err() != nil {
			t.Errorf("%s, switched off: %v", line, rep.Err())
		}
		if _, rep := parse(t, line+"\nservice.http.enable = \"no\""); rep.Err() != nil {
			t.Errorf("%s without HTTP: %v", line, rep.Err())
		}
	}
}

func TestFallbacksAndPaths(t *testing.T) {
	c := clean(t, `
factotum.data.dir = "data"
factotum.directory.ldif.path = "/srv/people.ldif"
caldb.berkeleydb.hotbackup.path = "hot"
caldb.berkeleydb.homedir.path = "db"
service.http.ssl.certfile = "cert.pem"
service.http.ssl.keyfile = "/etc/ssl/key.pem"
local.ugldaphost = "ldap1.example.com, ldap2.example.com:3890"
local.ugldapbasedn = "o=example"
local.ugldapport = "1389"
local.authldapport = "2389"
local.authldaphost = " "
service.listenaddr = "127.0.0.1"
service.dwp.listenaddr = "INADDR_ANY"
factotum.admin.listen = ""
service.http.admins = "calmaster, anna  bob"
alarm.diskstat.msgalarmwarninginterval = "2"
factotum.ldap.tls = "starttls"
`)
	for _, got := range []struct{ got, want any }{
		{c.Data, "/etc/factotum/data"}, {c.Directory.LDIF, "/srv/people.ldif"}, {c.Store.Home, "/etc/factotum/data/db"},
		{c.Store.Path, "/etc/factotum/data/db/calendar.db"}, {c.Backup.Hot.Path, "/etc/factotum/data/hot"}, {c.Backup.Archive.Path, ""},
		{c.HTTP.CertFile, "/etc/factotum/cert.pem"}, {c.HTTP.KeyFile, "/etc/ssl/key.pem"}, {c.DWP.CertFile, ""},
		{fmt.Sprint(c.LDAP.Auth.Hosts), "[ldap1.example.com ldap2.example.com:3890]"}, {c.LDAP.Auth.BaseDN, "o=example"},
		{c.LDAP.Auth.Port, 2389}, {c.LDAP.Lookup.Port, 1389}, {c.HTTP.Listen, "127.0.0.1"}, {c.DWP.Listen, ""}, {c.Admin.Listen, ""},
		{fmt.Sprint(c.HTTP.Admins), "[calmaster anna bob]"}, {c.Alerts.DiskWarning, 2 * time.Hour}, {c.Join("x"), "/etc/factotum/data/x"},
		{c.Mail.Templates["eventreminder"], "mail_eventreminder.fmt"}, {c.ENS.Topics[3].URL, "enp:///ics/caleventcreate"},
	} {
		if got.got != got.want {
			t.Errorf("got %v, want %v", got.got, got.want)
		}
	}
}

// Of the servers of several domains that mail may go to, the most precise name counts.
func TestMailRoutes(t *testing.T) {
	c := clean(t, "caldb.smtphost = \"mail.example.com\"\n"+`factotum.mail.routes = "a.example=mx.a.example:2525, .example=[::1]:25 .b.example=b.b.example  B.Example=192.0.2.1"`)
	for domain, want := range map[string]Route{
		"a.example": {"mx.a.example", 2525}, "A.Example": {"mx.a.example", 2525}, "x.a.example": {"::1", 25}, "c.example": {"::1", 25}, "b.example": {"192.0.2.1", 0},
		"x.b.example": {"b.b.example", 0}, "y.x.b.example": {"b.b.example", 0}, "example": {}, "a.example.com": {}, "": {},
	} {
		if got, ok := c.Mail.RouteOf(domain); got != want || ok != (want.Host != "") {
			t.Errorf("%s goes to %v, want %v", domain, got, want)
		}
	}
}

func TestSpecDefaults(t *testing.T) {
	c := Default()
	for _, got := range []struct{ got, want any }{
		{c.HTTP.Port, 80}, {c.Store.Path, "/var/lib/factotum/csdb/calendar.db"}, {c.HTTP.TLSPort, 443}, {c.DWP.Port, 57779}, {c.Group.DoubleBook, true}, {c.HTTP.AllowProxyLogin, true},
		{c.Deleted.Age, 518400 * time.Second}, {c.Backup.Archive.Max, 7}, {c.ENS.Topics[0].Enable, false}, {c.ENS.Port, 57997},
		{c.Calstore.RecurrenceBound, 60}, {c.Store.Enable, true}, {c.CLD.Type, "local"}, {c.Resource.DoubleBook, false},
		{c.Auth.Delay, 300 * time.Millisecond}, {c.HTTP.SessionTimeout, 30 * time.Minute}, {c.Lookup.MaxUsers, 200}, {c.Limits.ObjectSize, int64(10485760)},
	} {
		if got.got != got.want {
			t.Errorf("got %v, want %v", got.got, got.want)
		}
	}
	for _, p := range Params() {
		if bad := p.check(p.Default); bad != "" {
			t.Errorf("the default of %s, %q, is wrong: %s", p.Name, p.Default, bad)
		}
		if p.Doc == "" || !strings.HasSuffix(p.Doc, ".") {
			t.Errorf("%s: documented with %q", p.Name, p.Doc)
		}
		if p.Fallback != "" {
			if f, ok := Find(p.Fallback); !ok || f.Kind != p.Kind {
				t.Errorf("%s falls back to %s", p.Name, p.Fallback)
			}
		}
	}
}

// TestEveryFieldHasAParameter: no field of Config is left over that nobody
// fills, and no two parameters fill the same one.
func TestEveryFieldHasAParameter(t *testing.T) {
	c := Default()
	filled := map[uintptr]string{}
	for _, p := range Params() {
		if p.field == nil || strings.Contains(p.Name, "<") || reflect.TypeOf(p.field(c)) == reflect.TypeFor[entry]() {
			continue
		}
		ptr := reflect.ValueOf(p.field(c)).Pointer()
		if other := filled[ptr]; other != "" {
			t.Errorf("%s and %s fill the same field", p.Name, other)
		}
		filled[ptr] = p.Name
	}
	var walk func(v reflect.Value, name string)
	walk = func(v reflect.Value, name string) {
		for i := range v.NumField() {
			f, n := v.Field(i), name+"."+v.Type().Field(i).Name
			switch {
			case slices.Contains([]string{".File", ".Dir", ".set", ".suggested", ".DWP.BackEnds", ".SSO.Apps", ".ENS.Topics", ".Mail.Templates"}, n):
			case f.Kind() == reflect.Struct:
				walk(f, n)
			case slices.Contains([]string{".User.DefaultACL", ".User.Autoaccept"}, n): // users have neither
			case filled[f.Addr().Pointer()] == "":
				t.Errorf("no parameter fills Config%s", n)
			}
		}
	}
	walk(reflect.ValueOf(c).Elem(), "")
}

func TestSet(t *testing.T) {
	c := clean(t, `service.http.port = "8080"`)
	if err := c.Set("Service.http.Port", "9090", "--http"); err != nil || c.HTTP.Port != 9090 || c.Source("service.http.port") != "--http" {
		t.Errorf("%v, port %d from %s", err, c.HTTP.Port, c.Source("service.http.port"))
	}
	for name, value := range map[string]string{
		"service.http.port": "x", "service.http.prot": "80", "caldb.dwp.server.a.example.com.ip": "10.0.0.1", "service.http.sourceurl": "a\nb",
	} {
		var p *Problem
		if err := c.Set(name, value, "--set"); !errors.As(err, &p) || p.Severity != Error || p.File != "--set" {
			t.Errorf("%s = %q: %v", name, value, err)
		}
	}
	if c.HTTP.Port != 9090 {
		t.Errorf("a refused value changed the port to %d", c.HTTP.Port)
	}
	if err := c.Set("factotum.store.type", "postgres", "--set"); err != nil {
		t.Fatal(err)
	}
	if rep := c.Check(); rep.Err() == nil {
		t.Error("PostgreSQL without a connection string is fine")
	}
}

func TestSecretsDoNotLeak(t *testing.T) {
	c, rep := parse(t, "local.ugldapbindcred = \"hush-hush\"\nfactotum.store.dsn = \"postgres://u:hush-hush@h/d\nservice.siteadmin.cred = \"hush\x01-hush\"\ncaldb.dwp.server.a.example.com.ip=\"a.example.com\"\ncaldb.dwp.server.a.example.com.cred=\"hush-hush\"")
	var b strings.Builder
	if err := c.Show(&b, false); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(c.LDAP)
	if err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cred", c.LDAP.UserGroup.BindCred, "all", c.DWP)
	all := b.String() + string(text) + log.String() + fmt.Sprintf("%v %+v %#v %s %v", c.LDAP, c.LDAP, c.LDAP, c.LDAP.UserGroup.BindCred, c.DWP.BackEnds) + errors.Join(problems(rep)...).Error()
	if strings.Contains(all, "hush") || strings.Contains(fmt.Sprintf("%x", c.LDAP.UserGroup.BindCred), fmt.Sprintf("%x", "hush")) {
		t.Errorf("a secret is in %s", all)
	}
	if c.LDAP.UserGroup.BindCred.Reveal() != "hush-hush" {
		t.Error("the secret is lost")
	}
}

func TestLimits(t *testing.T) {
	for _, text := range []string{strings.Repeat("!\n", maxFile/2+1), "service.defaultdomain = \"" + strings.Repeat("a", maxLine) + "\""} {
		if _, _, err := Parse(strings.NewReader(text), "x"); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%d octets: %v", len(text), err)
		}
	}
	_, rep, err := Parse(strings.NewReader(strings.Repeat("no.such.name = \"1\"\n", 300)+"service.http.port = \"x\"\n"), "x")
	if len(rep.Problems) != maxProblems || rep.Omitted != 101 || err == nil {
		t.Errorf("%d problems, %d omitted, %v", len(rep.Problems), rep.Omitted, err)
	}
}

func TestLoad(t *testing.T) {
	if _, _, err := Load(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	path := filepath.Join(t.TempDir(), "ics.conf")
	if err := os.WriteFile(path, []byte("service.http.port = \"8080\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, rep, err := Load(path)
	if err != nil || len(rep.Problems) != 0 || c.HTTP.Port != 8080 || c.Dir != filepath.Dir(path) {
		t.Errorf("%+v, %v, %v", c, rep, err)
	}
}

func FuzzParse(f *testing.F) {
	var sample strings.Builder
	if err := WriteSample(&sample, map[string]string{"service.http.port": "8080"}); err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{sample.String(), `caldb.dwp.server.[::1].ip = "[::1]"`, `a = "b\"c" ! d`, "\x00", ` sso..url="x"`, `caldb.dwp.server..ip="."`, "x=\"\\\""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, rep, err := Parse(strings.NewReader(text), "/etc/ics.conf")
		if (err != nil) != (rep.Err() != nil) {
			t.Fatalf("error %v, report %v", err, rep)
		}
		// What is printed means the same when it is read.
		var out strings.Builder
		if err := c.Show(&out, false); err != nil {
			t.Fatal(err)
		}
		// With all defaults written out it asks for TLS.
		again, rep, _ := Parse(strings.NewReader(out.String()+"\nservice.http.ssl.port.enable = \"no\"\n"), "/etc/ics.conf")
		for _, p := range rep.Problems {
			if p.Severity == Error && (err == nil || !strings.Contains(err.Error(), p.Param)) {
				t.Fatalf("%v in\n%s", p.Error(), out.String())
			}
		}
		if !slices.EqualFunc(c.DWP.BackEnds, again.DWP.BackEnds, func(a, b BackEnd) bool { return a.Host == b.Host && a.Port == b.Port && a.Admin == b.Admin }) {
			t.Fatalf("back ends %v became %v", c.DWP.BackEnds, again.DWP.BackEnds)
		}
		if c.HTTP.Port != again.HTTP.Port || c.Alerts.Template != again.Alerts.Template || c.Store.Path != again.Store.Path {
			t.Fatalf("%+v became %+v", c, again)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	if err := Default().Show(&text, false); err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{"full": text.String(), "junk": strings.Repeat("a.b=c\n", maxFile/6)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Parse(strings.NewReader(text), "x")
			}
		})
	}
}

// What is wrong with a back end's address is said once: that it is missing
// would be untrue.
func TestRefusedAddressIsNotMissing(t *testing.T) {
	const text = "caldb.dwp.server.default = \"b.example.com\"\ncaldb.dwp.server.b.example.com.ip = %q\n"
	_, rep, err := Parse(strings.NewReader(fmt.Sprintf(text, "10.0.0.1")), "ics.conf")
	if err == nil || len(rep.Problems) != 1 || rep.Problems[0].Line != 2 {
		t.Errorf("%+v, %v", rep.Problems, err)
	}
	_, rep, err = Parse(strings.NewReader("caldb.dwp.server.default = \"b.example.com\"\n"), "ics.conf")
	if err != nil || len(rep.Problems) != 1 || !strings.Contains(rep.Problems[0].Message, "has no parameter") {
		t.Errorf("%+v, %v", rep.Problems, err)
	}
}
