package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// MostText is how much one message holds: a push service takes 4096 octets. RFC
// 8030 §7.2, RFC 8291 §4.
const MostText = recordSize - 16 - 1 - headerSize

const (
	recordSize = 4096
	headerSize = 16 + 4 + 1 + 65 // salt, record size, length of the key, key
)

// Keys are what a client gave with its subscription. RFC 8291 §2.
type Keys struct {
	Public []byte // of P-256, uncompressed
	Auth   []byte // 16 octets
}

// Check says what is wrong with keys.
func (k Keys) Check() error {
	if _, err := ecdh.P256().NewPublicKey(k.Public); err != nil {
		return fmt.Errorf("the public key is no point of P-256 in its uncompressed form")
	}
	if len(k.Auth) != 16 {
		return fmt.Errorf("the authentication secret has %d octets, not 16", len(k.Auth))
	}
	return nil
}

// Encrypt makes the body of a message of a text, as one record of aes128gcm. RFC
// 8291 §3, RFC 8188.
func Encrypt(to Keys, text []byte) ([]byte, error) {
	ours, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	salt := make([]byte, 16)
	rand.Read(salt)
	return encrypt(to, text, ours, salt)
}

func encrypt(to Keys, text []byte, ours *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	if len(text) > MostText {
		return nil, fmt.Errorf("the message has %d octets, more than %d", len(text), MostText)
	}
	if err := to.Check(); err != nil {
		return nil, err
	}
	theirs, err := ecdh.P256().NewPublicKey(to.Public)
	if err != nil {
		return nil, err
	}
	gcm, nonce, err := derive(ours, theirs, to.Auth, theirs.Bytes(), ours.PublicKey().Bytes(), salt)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, headerSize+len(text)+1+gcm.Overhead())
	out = append(out, salt...)
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(out, 65)
	out = append(out, ours.PublicKey().Bytes()...)
	return gcm.Seal(out, nonce, append(append(make([]byte, 0, len(text)+1), text...), 2), nil), nil // 2: the last record
}

// Decrypt is what a client does with a message. Tests are such clients.
func Decrypt(client *ecdh.PrivateKey, auth, body []byte) ([]byte, error) {
	bad := fmt.Errorf("the message is not what RFC 8291 says")
	if len(body) < headerSize+17 || body[20] != 65 || binary.BigEndian.Uint32(body[16:20]) < 18 {
		return nil, bad
	}
	sender, err := ecdh.P256().NewPublicKey(body[21:headerSize])
	if err != nil {
		return nil, bad
	}
	gcm, nonce, err := derive(client, sender, auth, client.PublicKey().Bytes(), sender.Bytes(), body[:16])
	if err != nil {
		return nil, err
	}
	text, err := gcm.Open(nil, nonce, body[headerSize:], nil)
	if err != nil {
		return nil, bad
	}
	for len(text) > 0 && text[len(text)-1] == 0 {
		text = text[:len(text)-1]
	}
	if len(text) == 0 || text[len(text)-1] != 2 {
		return nil, bad
	}
	return text[:len(text)-1], nil
}

// derive makes cipher and nonce. RFC 8291 §3.4, RFC 8188 §2.2, §2.3.
func derive(private *ecdh.PrivateKey, public *ecdh.PublicKey, auth, client, server, salt []byte) (cipher.AEAD, []byte, error) {
	shared, err := private.ECDH(public)
	if err != nil {
		return nil, nil, fmt.Errorf("agree on a key: %w", err)
	}
	info := "WebPush: info\x00" + string(client) + string(server)
	input, err := hkdf.Key(sha256.New, shared, auth, info, 32)
	if err != nil {
		return nil, nil, err
	}
	key, err := hkdf.Key(sha256.New, input, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, nil, err
	}
	nonce, err := hkdf.Key(sha256.New, input, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	gcm, err := cipher.NewGCM(block)
	return gcm, nonce, err
}
