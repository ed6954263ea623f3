package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"factotum/cmd/internal/plain"
	"factotum/server/config"
)

// acmeCertificates are those that an ACME authority gives, and gives again before they
// are over. RFC 8555.
type acmeCertificates struct {
	manager *autocert.Manager
	log     *slog.Logger
	end     context.CancelFunc
	ctx     context.Context
	work    sync.WaitGroup

	mu    sync.Mutex
	hosts []acmeHost
}

// acmeHost is how one of them is.
type acmeHost struct {
	host    string
	expires *time.Time // nil: there is none
	err     error      // why there is none
}

const (
	acmeRetry   = time.Minute         // after a refusal, and twice that after the next: authorities take a few an hour
	acmeRecheck = time.Hour           // how often it is looked whether it was renewed
	acmeRenew   = 30 * 24 * time.Hour // before its end
)

// newACME makes them, without asking for any; nil where none are wanted.
func newACME(cfg *config.Config, log *slog.Logger) (*acmeCertificates, error) {
	a := &cfg.HTTP.ACME
	if len(a.Hosts) == 0 || !cfg.HTTP.TLSEnable {
		return nil, nil
	}
	client := &acme.Client{DirectoryURL: a.Directory, UserAgent: "factotum/" + versionString()}
	if a.CAFile != "" {
		pem, err := os.ReadFile(a.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read who signs for the ACME authority: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("read who signs for the ACME authority: %s has no certificate in PEM form: see factotum.http.acme.cafile", a.CAFile)
		}
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
		client.HTTPClient = &http.Client{Transport: transport}
	}
	c := &acmeCertificates{log: log, manager: &autocert.Manager{
		Prompt: func(string) bool { return a.Agree }, Cache: autocert.DirCache(filepath.Join(cfg.Data, "acme")), HostPolicy: ours(a.Hosts),
		Client: client, Email: a.Email, RenewBefore: acmeRenew,
	}}
	for _, h := range a.Hosts {
		c.hosts = append(c.hosts, acmeHost{host: strings.ToLower(h)})
	}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c, nil
}

// certificate is that for who connects; who names no host gets the first's.
func (c *acmeCertificates) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		named := *hello
		named.ServerName = c.hosts[0].host
		hello = &named
	}
	if !c.has(hello.ServerName) && !slices.Contains(hello.SupportedProtos, acme.ALPNProto) {
		return nil, fmt.Errorf("there is no certificate for %q yet", hello.ServerName) // and no client makes us ask for one
	}
	return c.manager.GetCertificate(hello)
}

// has tells whether there is one for a host.
func (c *acmeCertificates) has(host string) bool {
	return slices.ContainsFunc(c.list(), func(h acmeHost) bool {
		return h.expires != nil && strings.EqualFold(h.host, strings.TrimSuffix(host, "."))
	})
}

// ours allows these hosts, whatever port they are asked at.
func ours(hosts []string) autocert.HostPolicy {
	listed := autocert.HostWhitelist(hosts...)
	return func(ctx context.Context, host string) error {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		return listed(ctx, host)
	}
}

// run has all certificates there before anybody connects, and looks after them.
func (c *acmeCertificates) run() {
	for i := range c.hosts {
		c.work.Go(func() {
			for retry := acmeRetry; c.ctx.Err() == nil; {
				pause := acmeRecheck
				if c.look(i, retry) {
					retry = acmeRetry
				} else {
					pause, retry = retry, min(2*retry, acmeRecheck)
				}
				select {
				case <-c.ctx.Done():
				case <-time.After(pause):
				}
			}
		})
	}
}

// look asks for a certificate, which the manager has or gets.
func (c *acmeCertificates) look(i int, again time.Duration) (ok bool) {
	host := c.hosts[i].host
	cert, err := c.manager.GetCertificate(&tls.ClientHelloInfo{ServerName: host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}})
	now := acmeHost{host: host}
	if err == nil {
		now.expires = &cert.Leaf.NotAfter
	} else {
		now.err = fmt.Errorf("%w (the authority has to reach this host by that name, at port 443 or 80)", err)
	}
	c.mu.Lock()
	was := c.hosts[i]
	c.hosts[i] = now
	c.mu.Unlock()
	switch {
	case err != nil:
		c.log.Error("the ACME authority gives no certificate", "host", host, "again", again, "err", plain.Error(now.err))
	case was.expires == nil || !was.expires.Equal(*now.expires):
		c.log.Info("certificate of the ACME authority", "host", host, "expires", now.expires.UTC().Format(time.RFC3339))
	}
	return err == nil
}

// list is how they are.
func (c *acmeCertificates) list() []acmeHost {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.hosts)
}

// warning says that a certificate is not there yet, or was not renewed when it was time.
func (h *acmeHost) warning(now time.Time) string {
	switch {
	case h.expires == nil && h.err == nil:
		return "it is being asked for"
	case h.expires == nil || h.expires.Sub(now) > acmeRenew/2:
		return ""
	}
	return fmt.Sprintf("it is over on %s, and the ACME authority has not renewed it: see the log", h.expires.Local().Format(time.DateTime))
}

// close ends the looking. What is asked of the authority at this moment ends by itself.
func (c *acmeCertificates) close() { c.end() }
