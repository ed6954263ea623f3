package mail

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"

	"github.com/emersion/go-msgauth/dkim"

	"factotum/notify/relay"
)

// Signer signs mail, so that its readers' systems can see that it is of our domain.
// RFC 6376.
type Signer struct {
	domain, selector string
	key              crypto.Signer
}

// NewSigner reads a private key, RSA of 1024 bits at least or Ed25519, from a PEM file.
func NewSigner(domain, selector, file string) (*Signer, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the DKIM key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM file with a private key", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		if key, err = x509.ParsePKCS1PrivateKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("%s: expected a private key, RSA or Ed25519, without a passphrase", file)
		}
	}
	s := &Signer{domain: strings.ToLower(domain), selector: selector}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 1024 {
			return nil, fmt.Errorf("%s: an RSA key of %d bits is not believed: make one of 2048", file, k.N.BitLen())
		}
		s.key = k
	case ed25519.PrivateKey:
		s.key = k
	default:
		return nil, fmt.Errorf("%s: expected an RSA or Ed25519 key", file)
	}
	return s, nil
}

// signed are the fields that a signature covers, where they are. RFC 6376 §5.4.1.
var signed = []string{"From", "Reply-To", "To", "Date", "Subject", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type",
	"Content-Transfer-Encoding", "Auto-Submitted"}

// sign puts a signature before a mail whose author is of the signer's domain or one
// below it; others' mail it cannot speak for.
func (s *Signer) sign(m *relay.Mail, from string) error {
	d := relay.Domain(from)
	if s == nil || d != s.domain && !strings.HasSuffix(d, "."+s.domain) {
		return nil
	}
	var out bytes.Buffer
	err := dkim.Sign(&out, bytes.NewReader(m.Data), &dkim.SignOptions{Domain: s.domain, Selector: s.selector, Signer: s.key, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed, HeaderKeys: signed})
	if err != nil {
		return fmt.Errorf("sign a mail: %w", err)
	}
	m.Data = out.Bytes()
	return nil
}
