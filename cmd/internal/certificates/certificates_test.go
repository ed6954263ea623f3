package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A certificate is its host's alone, works in both directions, and is signed
// by the authority; what is there is kept.
func TestMake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "certs")
	made, err := Make(dir, []string{"front.example.com", "back.example.com"}, 30)
	if err != nil || !slices.Equal(made, []string{"dwp-ca.pem", "front.example.com.pem", "back.example.com.pem"}) {
		t.Fatal(made, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "dwp-ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	trust := x509.NewCertPool()
	trust.AppendCertsFromPEM(text)
	for _, host := range []string{"front.example.com", "back.example.com"} {
		pair, err := tls.LoadX509KeyPair(filepath.Join(dir, host+".pem"), filepath.Join(dir, host+".key"))
		if err != nil {
			t.Fatal(err)
		}
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: trust, KeyUsages: []x509.ExtKeyUsage{use}}); err != nil {
				t.Error(host, err)
			}
		}
		if pair.Leaf.VerifyHostname("other.example.com") == nil || pair.Leaf.IsCA || pair.Leaf.NotAfter.After(time.Now().AddDate(0, 0, 30)) {
			t.Errorf("%+v", pair.Leaf)
		}
		if fi, err := os.Stat(filepath.Join(dir, host+".key")); err != nil || fi.Mode().Perm() != 0o600 {
			t.Error(fi.Mode(), err)
		}
	}
	if made, err = Make(dir, []string{"front.example.com", "new.example.com"}, 30); err != nil || !slices.Equal(made, []string{"new.example.com.pem"}) {
		t.Error(made, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "dwp-ca.key"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if made, err = Make(dir, []string{"more.example.com"}, 30); err == nil || !strings.Contains(err.Error(), "dwp-ca.key is not PEM") || len(made) > 0 {
		t.Error(made, err)
	}
}
