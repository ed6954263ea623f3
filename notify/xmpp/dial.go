package xmpp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Loopback reports whether an address, host:port, is of this host.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// addresses are where the server may be, the best first. RFC 6120 §3.2.
func (l *Link) addresses(ctx context.Context) ([]string, error) {
	if l.opt.Address != "" {
		return []string{l.opt.Address}, nil
	}
	service, port := "xmpp-client", "5222"
	if l.opt.Security == TLS {
		service, port = "xmpps-client", "5223"
	}
	domain := l.self.Domainpart()
	_, list, err := net.DefaultResolver.LookupSRV(ctx, service, "tcp", domain)
	var missing *net.DNSError
	if err != nil && !(errors.As(err, &missing) && missing.IsNotFound) {
		return nil, fmt.Errorf("look up the server of %s: %w", domain, err)
	}
	if len(list) == 1 && list[0].Target == "." {
		return nil, fmt.Errorf("the DNS says that %s has no XMPP server", domain)
	}
	var out []string
	for _, s := range list {
		out = append(out, net.JoinHostPort(strings.TrimSuffix(s.Target, "."), strconv.Itoa(int(s.Port))))
	}
	if len(out) == 0 {
		out = append(out, net.JoinHostPort(domain, port))
	}
	return out, nil
}

// dial connects to the first server that answers.
func (l *Link) dial(ctx context.Context) (conn net.Conn, err error) {
	list, err := l.addresses(ctx)
	if err != nil {
		return nil, err
	}
	for _, address := range list {
		if conn, err = new(net.Dialer).DialContext(ctx, "tcp", address); err != nil {
			continue
		}
		conn = &patient{conn, l.opt.Patience}
		if l.opt.Security != TLS {
			return conn, nil
		}
		secure := tls.Client(conn, l.tls())
		if err = secure.HandshakeContext(ctx); err == nil {
			return secure, nil
		}
		conn.Close()
	}
	return nil, err
}

// patient is a connection each of whose writes has its own time. The library sets a deadline in
// the past when the context of a write ends, now and then after that write was done: it would
// end another.
type patient struct {
	net.Conn
	most time.Duration
}

// Write implements net.Conn.
func (c *patient) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.most)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// SetWriteDeadline implements net.Conn.
func (c *patient) SetWriteDeadline(time.Time) error { return nil }

// SetDeadline implements net.Conn.
func (c *patient) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// tls checks that the certificate is of the JID's domain, or of the host that the
// administrator named. RFC 6120 §13.7.2.1.
func (l *Link) tls() *tls.Config {
	names := []string{l.self.Domainpart()}
	if host, _, err := net.SplitHostPort(l.opt.Address); err == nil && net.ParseIP(host) == nil {
		names = append(names, host)
	}
	return &tls.Config{
		ServerName: names[0], MinVersion: tls.VersionTLS12, NextProtos: nextProtos(l.opt.Security),
		InsecureSkipVerify: true, // VerifyConnection does it, with one name more
		VerifyConnection: func(state tls.ConnectionState) (err error) {
			opt := x509.VerifyOptions{Roots: l.opt.Roots, Intermediates: x509.NewCertPool()}
			for _, c := range state.PeerCertificates[1:] {
				opt.Intermediates.AddCert(c)
			}
			for _, opt.DNSName = range names {
				if _, err = state.PeerCertificates[0].Verify(opt); err == nil {
					return nil
				}
			}
			return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
		},
	}
}

// nextProtos tells an XMPP server from another one at the same port. XEP-0368.
func nextProtos(s Security) []string {
	if s == TLS {
		return []string{"xmpp-client"}
	}
	return nil
}
