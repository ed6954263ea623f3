package webpush

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Identity is the key by which push services know this site. It is one for all
// hosts of a site: clients take it for the whole server's. RFC 8292.
type Identity struct {
	private *ecdsa.PrivateKey
	public  string
	topics  []byte // the key that topics are made by
	contact string
}

var b64 = base64.RawURLEncoding

// NewIdentity makes one of a key. Contact is how a push service's operator reaches
// the administrator, a mailto or https URI, or "". RFC 8292 §2.1.
func NewIdentity(key *ecdsa.PrivateKey, contact string) (*Identity, error) {
	if key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("the key is not of the curve P-256")
	}
	if contact != "" && !strings.HasPrefix(contact, "mailto:") && !strings.HasPrefix(contact, "https://") {
		return nil, fmt.Errorf("the contact for push services must begin with mailto: or https://")
	}
	pair, err := key.ECDH()
	if err != nil {
		return nil, fmt.Errorf("use the key: %w", err)
	}
	mac := hmac.New(sha256.New, pair.Bytes())
	mac.Write([]byte("factotum push topics"))
	return &Identity{private: key, public: b64.EncodeToString(pair.PublicKey().Bytes()), topics: mac.Sum(nil), contact: contact}, nil
}

// ReadIdentity reads the key of a PEM file, as "openssl ecparam -name prime256v1
// -genkey" writes it.
func ReadIdentity(file, contact string) (*Identity, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the VAPID key: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "EC PRIVATE KEY":
			key, err := x509.ParseECPrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("read the VAPID key %s: %w", file, err)
			}
			return NewIdentity(key, contact)
		case "PRIVATE KEY":
			any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("read the VAPID key %s: %w", file, err)
			}
			key, ok := any.(*ecdsa.PrivateKey)
			if !ok {
				return nil, fmt.Errorf("read the VAPID key %s: it is no key of the curve P-256", file)
			}
			return NewIdentity(key, contact)
		}
	}
	return nil, fmt.Errorf("read the VAPID key %s: it has no private key in PEM form, as \"openssl ecparam -name prime256v1 -genkey -noout\" makes it", file)
}

// MakeIdentity is ReadIdentity, and makes the file where there is none. Of several
// processes that do so at once all get the same.
func MakeIdentity(file, contact string) (*Identity, error) {
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(file); err != nil {
			return nil, fmt.Errorf("make the VAPID key: %w", err)
		}
	}
	return ReadIdentity(file, contact)
}

func makeKey(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".vapid*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) { // a link takes no other's place
		return err
	}
	return nil
}

// PublicKey is the public key, uncompressed and in base64url. RFC 8292 §3.2.
func (i *Identity) PublicKey() string { return i.public }

// ParsePublicKey reads a key that a client wrote in base64url, padded or not.
func ParsePublicKey(s string) ([]byte, error) {
	b, err := DecodeKey(s)
	if err != nil {
		return nil, err
	}
	if _, err := ecdh.P256().NewPublicKey(b); err != nil {
		return nil, fmt.Errorf("the public key is no point of P-256 in its uncompressed form")
	}
	return b, nil
}

// DecodeKey reads base64url, with padding or without.
func DecodeKey(s string) ([]byte, error) {
	for len(s) > 0 && s[len(s)-1] == '=' {
		s = s[:len(s)-1]
	}
	b, err := b64.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("a key is not in base64url")
	}
	return b, nil
}

// tokenLife is for how long a token is good: less than the day of RFC 8292 §2.
const tokenLife = 12 * time.Hour

// Authorization is the header of that name for a message to an address. RFC 8292 §3.
func (i *Identity) Authorization(address string, now time.Time) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return "", fmt.Errorf("the address of the push service is no URL")
	}
	claims := map[string]any{"aud": u.Scheme + "://" + u.Host, "exp": now.Add(tokenLife).Unix()}
	if i.contact != "" {
		claims["sub"] = i.contact
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := b64.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + b64.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, i.private, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	sig := make([]byte, 64) // RFC 7518 §3.4
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return "vapid t=" + signed + "." + b64.EncodeToString(sig) + ", k=" + i.public, nil
}

// Topic names something so that nobody guesses it who does not know the site's
// key: by the same parts the same topic, on every host.
func (i *Identity) Topic(parts ...string) string {
	mac := hmac.New(sha256.New, i.topics)
	for _, p := range parts {
		fmt.Fprintf(mac, "%d:%s", len(p), p)
	}
	return b64.EncodeToString(mac.Sum(nil)[:16])
}
