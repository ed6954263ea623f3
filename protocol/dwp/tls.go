package dwp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/credentials"
)

// TLS names the PEM files of one side: its certificate chain, the key, and
// the authority that signed the other side's. They are read again when they
// change; connections that stand keep what they had.
type TLS struct {
	Cert, Key, CA string
}

// transport is credentials.TransportCredentials over files that may change.
type transport struct {
	files TLS
	host  string // name the back end's certificate must have; client only
	log   *slog.Logger

	mu     sync.Mutex
	stamps [3]stamp
	pair   tls.Certificate
	pool   *x509.CertPool
}

type stamp struct {
	mod  time.Time
	size int64
}

func newTransport(files TLS, host string, log *slog.Logger) (*transport, error) {
	t := &transport{files: files, host: host, log: log}
	if err := t.load(); err != nil {
		return nil, err
	}
	return t, nil
}

// load reads the files if one of them is not what it was.
func (t *transport) load() error {
	names := [3]string{t.files.Cert, t.files.Key, t.files.CA}
	var now [3]stamp
	for i, name := range names {
		fi, err := os.Stat(name)
		if err != nil {
			return fmt.Errorf("DWP TLS files: %w", err)
		}
		now[i] = stamp{fi.ModTime(), fi.Size()}
	}
	if t.pool != nil && now == t.stamps {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(t.files.Cert, t.files.Key)
	if err != nil {
		return fmt.Errorf("DWP certificate %s with key %s: %w", t.files.Cert, t.files.Key, err)
	}
	pem, err := os.ReadFile(t.files.CA)
	if err != nil {
		return fmt.Errorf("DWP authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("DWP authority %s: no certificate in it", t.files.CA)
	}
	t.stamps, t.pair, t.pool = now, pair, pool
	return nil
}

// current returns a configuration from the files as they are now, or as they
// were last when they cannot be read.
func (t *transport) current() *tls.Config {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.load(); err != nil {
		t.log.Error("reload DWP certificates", "err", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{t.pair},
		RootCAs:      t.pool,
		ServerName:   t.host,
		ClientCAs:    t.pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}
}

// ClientHandshake implements credentials.TransportCredentials.
func (t *transport) ClientHandshake(ctx context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	config, host := t.current(), t.host
	if c, ok := conn.(*hostConn); ok {
		host = c.host
		config.ServerName = host
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, host, conn)
}

// ServerHandshake implements credentials.TransportCredentials.
func (t *transport) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(t.current()).ServerHandshake(conn)
}

// Info implements credentials.TransportCredentials.
func (t *transport) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials; the state may be shared.
func (t *transport) Clone() credentials.TransportCredentials { return t }

// OverrideServerName implements credentials.TransportCredentials.
func (t *transport) OverrideServerName(string) error {
	return errors.New("the name of the back end is fixed")
}
