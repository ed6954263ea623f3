package front

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certPoll is how old the knowledge about the files may be at a handshake.
const certPoll = 2 * time.Second

// certFiles is a certificate in PEM files that may be replaced at any time.
type certFiles struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time

	mu      sync.Mutex
	looked  time.Time
	stamp   [2]fileStamp
	current *tls.Certificate
}

type fileStamp struct {
	mod  time.Time
	size int64
}

func openCert(cert, key string, log *slog.Logger) (*certFiles, error) {
	c := &certFiles{cert: cert, key: key, log: log, now: time.Now}
	stamp, err := c.stamps()
	if err == nil {
		err = c.load(stamp)
	}
	if err != nil {
		return nil, err
	}
	c.looked = c.now()
	return c, nil
}

// Certificate reads a certificate and its key, and gives whoever serves TLS what the
// files have, also when they are replaced.
func Certificate(cert, key string, log *slog.Logger) (Certificates, error) {
	c, err := openCert(cert, key, log)
	if err != nil {
		return nil, err
	}
	return c.get, nil
}

func (c *certFiles) stamps() (s [2]fileStamp, err error) {
	for i, name := range []string{c.cert, c.key} {
		fi, err := os.Stat(name)
		if err != nil {
			return s, fmt.Errorf("read TLS certificate: %w", err)
		}
		s[i] = fileStamp{fi.ModTime(), fi.Size()}
	}
	return s, nil
}

func (c *certFiles) load(stamp [2]fileStamp) error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("read TLS certificate %s with key %s: %w", c.cert, c.key, err)
	}
	c.current, c.stamp = &pair, stamp
	return nil
}

// get is tls.Config.GetCertificate. Files that cannot be read, or do not fit
// together while they are being replaced, leave the old certificate in place.
func (c *certFiles) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= certPoll {
		c.looked = now
		stamp, err := c.stamps()
		if err == nil && stamp != c.stamp {
			if err = c.load(stamp); err == nil {
				c.log.Info("TLS certificate read again", "path", c.cert)
			}
		}
		if err != nil {
			c.log.Error("TLS certificate not read, the old one stays", "path", c.cert, "err", err)
		}
	}
	return c.current, nil
}
