// Package certificates makes those by which front ends and back ends know each
// other.
package certificates

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Authority is the name of the authority's files.
const Authority = "dwp-ca"

// Make makes an authority (dwp-ca.pem, dwp-ca.key) unless there is one, and a
// certificate (HOST.pem, HOST.key) for each host that has none. It is what the
// openssl commands of docs/admin.md do.
func Make(dir string, hosts []string, days int) (made []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the directory: %w", err)
	}
	ca, caKey, err := readPair(dir, Authority)
	if errors.Is(err, fs.ErrNotExist) {
		t := certificateFor("Calendar DWP authority", 3650)
		t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign|x509.KeyUsageCRLSign
		if ca, caKey, err = writePair(dir, Authority, t, nil, nil); err == nil {
			made = append(made, Authority+".pem")
		}
	}
	if err != nil {
		return made, err
	}
	for _, host := range hosts {
		if _, err := os.Stat(filepath.Join(dir, host+".pem")); err == nil {
			continue
		}
		t := certificateFor(host, days)
		t.DNSNames, t.KeyUsage = []string{host}, x509.KeyUsageDigitalSignature
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		if _, _, err := writePair(dir, host, t, ca, caKey); err != nil {
			return made, err
		}
		made = append(made, host+".pem")
	}
	return made, nil
}

func certificateFor(name string, days int) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand does not fail
	}
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-5 * time.Minute), NotAfter: time.Now().AddDate(0, 0, days)}
}

// writePair makes a key and signs its certificate, with the key itself for an
// authority.
func writePair(dir, name string, t, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make the key of %s: %w", name, err)
	}
	if parent == nil {
		parent, by = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, by)
	if err != nil {
		return nil, nil, fmt.Errorf("sign the certificate of %s: %w", name, err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode the key of %s: %w", name, err)
	}
	for _, f := range []struct {
		name, kind string
		der        []byte
		mode       os.FileMode
	}{{name + ".key", "PRIVATE KEY", secret, 0o600}, {name + ".pem", "CERTIFICATE", der, 0o644}} {
		text := pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})
		if err := os.WriteFile(filepath.Join(dir, f.name), text, f.mode); err != nil {
			return nil, nil, fmt.Errorf("write the certificate of %s: %w", name, err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func readPair(dir, name string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	var der [2][]byte
	for i, suffix := range []string{".pem", ".key"} {
		text, err := os.ReadFile(filepath.Join(dir, name+suffix))
		if err != nil {
			return nil, nil, fmt.Errorf("read the authority: %w", err)
		}
		block, _ := pem.Decode(text)
		if block == nil {
			return nil, nil, fmt.Errorf("read the authority: %s%s is not PEM", name, suffix)
		}
		der[i] = block.Bytes
	}
	cert, err := x509.ParseCertificate(der[0])
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(der[1])
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority's key: %w", err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, errors.New("read the authority's key: it is no ECDSA key")
	}
	return cert, ec, nil
}
