package webpush

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := DecodeKey(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 8291 §5 and appendix A.
func TestRFC8291_5(t *testing.T) {
	client, err := ecdh.P256().NewPrivateKey(decode(t, "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"))
	if err != nil {
		t.Fatal(err)
	}
	sender, err := ecdh.P256().NewPrivateKey(decode(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	to := Keys{decode(t, "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"), decode(t, "BTBZMqHH6r4Tts7J_aSIgg")}
	const text = "When I grow up, I want to be a watermelon"
	body, err := encrypt(to, []byte(text), sender, decode(t, "DGv6ra1nlYgDCS1FRnbzlw"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if got := b64.EncodeToString(body); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, err := Decrypt(client, to.Auth, body); string(got) != text || err != nil {
		t.Errorf("decrypted: %q %v", got, err)
	}
}

func TestEncrypt(t *testing.T) {
	client, _ := ecdh.P256().GenerateKey(rand.Reader)
	to := Keys{client.PublicKey().Bytes(), bytes.Repeat([]byte{7}, 16)}
	for _, n := range []int{0, 1, 100, MostText} {
		text := bytes.Repeat([]byte("x"), n)
		body, err := Encrypt(to, text)
		if err != nil || len(body) > 4096 {
			t.Fatalf("%d octets: %d %v", n, len(body), err)
		}
		if got, err := Decrypt(client, to.Auth, body); !bytes.Equal(got, text) || err != nil {
			t.Errorf("%d octets: %v", n, err)
		}
		body[len(body)-1] ^= 1
		if _, err := Decrypt(client, to.Auth, body); err == nil {
			t.Error("a body that was changed is taken")
		}
	}
	if _, err := Encrypt(to, make([]byte, MostText+1)); err == nil {
		t.Error("too long a text is taken")
	}
	one, _ := Encrypt(to, []byte("x"))
	two, _ := Encrypt(to, []byte("x"))
	if bytes.Equal(one, two) {
		t.Error("two messages are the same")
	}
	for _, bad := range []Keys{{}, {to.Public, nil}, {to.Public, make([]byte, 15)}, {to.Public[:64], to.Auth}, {make([]byte, 65), to.Auth}, {append([]byte{4}, make([]byte, 64)...), to.Auth}} {
		if bad.Check() == nil {
			t.Errorf("%v: no error", bad)
		}
		if _, err := Encrypt(bad, nil); err == nil {
			t.Errorf("%v is encrypted for", bad)
		}
	}
}

func identity(t *testing.T) *Identity {
	t.Helper()
	id, err := MakeIdentity(filepath.Join(t.TempDir(), "vapid.pem"), "mailto:admin@example.com")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// RFC 8292 §2, §3: a token that anybody can check by the key beside it.
func TestRFC8292_Authorization(t *testing.T) {
	id := identity(t)
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	header, err := id.Authorization("https://push.example.com:8443/a/secret?b", now)
	if err != nil {
		t.Fatal(err)
	}
	token, key, ok := strings.Cut(strings.TrimPrefix(header, "vapid t="), ", k=")
	if !ok || key != id.PublicKey() || strings.Contains(header, "secret") {
		t.Fatalf("header %s", header)
	}
	parts := strings.Split(token, ".")
	var head, claims map[string]any
	if json.Unmarshal(decode(t, parts[0]), &head) != nil || json.Unmarshal(decode(t, parts[1]), &claims) != nil {
		t.Fatal(token)
	}
	if head["alg"] != "ES256" || claims["aud"] != "https://push.example.com:8443" || claims["sub"] != "mailto:admin@example.com" ||
		claims["exp"] != float64(now.Add(12*time.Hour).Unix()) {
		t.Errorf("%v %v", head, claims)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), decode(t, key))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	sig := decode(t, parts[2])
	if len(sig) != 64 || !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature does not hold")
	}
	for _, bad := range []string{"", "push", "://"} {
		if _, err := id.Authorization(bad, now); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// A key is made once, by whoever comes first, and nobody else can read it.
func TestMakeIdentity(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vapid.pem")
	keys := make([]string, 8)
	var all sync.WaitGroup
	for i := range keys {
		all.Go(func() {
			id, err := MakeIdentity(file, "")
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = id.PublicKey()
		})
	}
	all.Wait()
	for _, k := range keys {
		if k != keys[0] || k == "" {
			t.Fatalf("different keys: %v", keys)
		}
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), ".vapid*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	// As openssl writes it.
	sec1 := "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" +
		"-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIMn1j4mBPp+Ohy5x9CqmThdXySVNzGK3LdwBC7QEPqEcoAoGCCqGSM49\nAwEHoUQDQgAE/jP0qw3qcZFNtVgj9ztUlI9BMG2SBzLbuaWaUyhkgiAOWXp7e8Jg\nuhwieZhYCZLpOXMALzASooro8Gu7eOXsDw==\n-----END EC PRIVATE KEY-----\n"
	os.WriteFile(file, []byte(sec1), 0o600)
	id, err := ReadIdentity(file, "")
	if err != nil || id.PublicKey() != "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8" {
		t.Errorf("a key of openssl: %v", err)
	}
	for _, bad := range []string{"", "hello", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"} {
		os.WriteFile(file, []byte(bad), 0o600)
		if _, err := ReadIdentity(file, ""); err == nil {
			t.Errorf("%q is a key", bad)
		}
	}
}

func TestTopic(t *testing.T) {
	one, other := identity(t), identity(t)
	if a := one.Topic("anna", "1"); a != one.Topic("anna", "1") || a == one.Topic("anna", "2") || a == one.Topic("ann", "a1") || a == other.Topic("anna", "1") || len(a) != 22 {
		t.Errorf("topics %s", a)
	}
}
