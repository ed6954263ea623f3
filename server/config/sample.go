package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// sample is what an administrator looks at first. What has no effect is not in
// it: a section promises something.
var sample = []struct {
	heading string
	names   []string
}{
	{"Where data is kept, relative to this file's directory.", []string{"factotum.data.dir"}},
	{"The web service: WCAP at /, CalDAV at /dav/.", []string{"service.http.port", "service.http.listenaddr", "service.http.ssl.certfile", "service.http.ssl.keyfile", "service.http.ssl.port", "service.http.allowanonymouslogin"}},
	{"Metrics, health, status.", []string{"factotum.admin.listen"}},
	{"People: an LDIF file, or LDAP.", []string{"factotum.directory.type", "factotum.directory.ldif.path", "local.ugldaphost", "local.ugldapbasedn", "local.ugldapbinddn", "local.ugldapbindcred", "factotum.ldap.tls", "service.defaultdomain"}},
	{"The administrator.", []string{"service.admin.calmaster.userid"}},
	{"The database: SQLite, or PostgreSQL.", []string{"factotum.store.type", "factotum.store.dsn"}},
	{"Calendars.", []string{"calstore.default.timezoneID", "calstore.calendar.default.acl"}},
	{"Front ends and back ends; docs/admin.md has the steps.", []string{"caldb.cld.type", "caldb.dwp.server.default", "caldb.dwp.server.<host>.ip", "service.dwp.enable", "service.dwp.port", "service.dwp.ssl.certfile", "service.dwp.ssl.keyfile", "service.dwp.ssl.cafile"}},
	{"Messages.", []string{"logfile.loglevel", "service.http.logaccess"}},
}

// WriteSample writes a commented ics.conf with the parameters that matter at
// first. Those in values are set to what they say, the others stand there as
// comments with their defaults. It is an error if values has a name that the
// sample does not.
func WriteSample(w io.Writer, values map[string]string) error {
	b := bufio.NewWriter(w)
	fmt.Fprintln(b, "! ics.conf of Factotum Calendar. One parameter a line, the last one counts;")
	fmt.Fprintln(b, "! docs/ics-conf.md has them all. Restart the server after a change, and see")
	fmt.Fprintln(b, "! \"calserver config check\" before.")
	written := 0
	for _, s := range sample {
		fmt.Fprintf(b, "\n! %s\n", s.heading)
		for _, name := range s.names {
			p := byName[strings.ToLower(name)]
			v, set := values[name]
			fmt.Fprintf(b, "! %s\n", p.Doc)
			if set {
				if p.check(v) != "" || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f }) {
					return fmt.Errorf("write sample configuration: %s: wrong value", name)
				}
				written++
				fmt.Fprintf(b, "%s = %s\n", name, Quote(v))
			} else {
				fmt.Fprintf(b, "!!%s = %s\n", name, Quote(p.Default))
			}
		}
	}
	if written != len(values) {
		return fmt.Errorf("write sample configuration: %d of %d values have no place in it", len(values)-written, len(values))
	}
	return b.Flush()
}
