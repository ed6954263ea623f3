package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"
)

// Read reads a certificate and its key as a server does. The error says which
// of the two files is wrong, and how.
func Read(certFile, keyFile string) (*x509.Certificate, error) {
	cert, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, err
	}
	switch {
	case !strings.Contains(string(cert), "-----BEGIN CERTIFICATE-----"):
		return nil, fmt.Errorf("%s has no certificate in PEM form", certFile)
	case !strings.Contains(string(key), "PRIVATE KEY-----"):
		return nil, fmt.Errorf("%s has no private key in PEM form", keyFile)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		if strings.Contains(err.Error(), "does not match") {
			return nil, fmt.Errorf("the key in %s does not belong to the certificate in %s", keyFile, certFile)
		}
		return nil, fmt.Errorf("the certificate %s with the key %s: %w", certFile, keyFile, err)
	}
	leaf := pair.Leaf
	if leaf == nil {
		leaf, err = x509.ParseCertificate(pair.Certificate[0])
	}
	return leaf, err
}

// Soon is how long before its end a certificate is worth a warning.
const Soon = 14 * 24 * time.Hour

// Life says what is wrong with a certificate's time; "" if nothing is.
func Life(c *x509.Certificate, now time.Time) string {
	switch {
	case now.After(c.NotAfter):
		return "the certificate expired on " + c.NotAfter.UTC().Format(time.DateOnly)
	case now.Before(c.NotBefore):
		return "the certificate is not valid before " + c.NotBefore.UTC().Format(time.DateOnly)
	case c.NotAfter.Sub(now) < Soon:
		return "the certificate expires on " + c.NotAfter.UTC().Format(time.DateOnly) + ": renew it"
	}
	return ""
}
