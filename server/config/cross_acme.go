package config

import (
	"net/url"
	"strings"
)

// TLSServed tells whether HTTP is served with TLS.
func (c *Config) TLSServed() bool {
	return c.HTTP.TLSEnable && (c.HTTP.CertFile != "" || len(c.HTTP.ACME.Hosts) > 0)
}

// checkACME looks at what an ACME authority would refuse.
func (c *Config) checkACME(add func(s Severity, param, format string, args ...any)) {
	a := &c.HTTP.ACME
	if len(a.Hosts) == 0 {
		return
	}
	for _, h := range a.Hosts {
		if isIP(h) || !strings.Contains(h, ".") || strings.ContainsAny(h, "*/:") {
			add(Error, "factotum.http.acme.hosts", "%s: expected the fully qualified name that clients call this host, such as cal.example.com", Quote(h))
		}
	}
	if !a.Agree {
		add(Error, "factotum.http.acme.agree", "expected yes: read the terms of the authority at %s, and agree to them", a.Directory)
	}
	if u, err := url.Parse(a.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		add(Error, "factotum.http.acme.directory", "%s: expected an address that begins with https://", Quote(a.Directory))
	}
	if c.Data == "" {
		add(Error, "factotum.http.acme.hosts", "needs factotum.data.dir, where account and certificates are kept")
	}
	if !c.HTTP.TLSEnable {
		add(Warning, "factotum.http.acme.hosts", "has no effect: service.http.ssl.port.enable is no")
	}
}
