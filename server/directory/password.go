package directory

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Argon2 is the cost of a hash of argon2id. RFC 9106 §3.1. What is too little
// or too much server/config knows.
type Argon2 struct {
	Time, Memory, Threads int // passes; KiB; lanes
}

// DefaultArgon2 is RFC 9106 §4 scaled to a server with many log-ins: 19 MiB,
// some 30 ms.
var DefaultArgon2 = Argon2{Time: 2, Memory: 19 * 1024, Threads: 1}

// Sizes of new hashes, in octets.
const (
	argonSalt = 16
	argonKey  = 32
)

// Limits on hashes, whoever wrote them: some at once may not exhaust the machine.
const (
	maxArgonTime   = 16
	maxArgonMemory = 64 * 1024 // KiB
	maxArgonLanes  = 4
	maxBcryptCost  = 14
)

// maxPassword is the longest password, in octets.
const maxPassword = 1024

var errUnknownHash = errors.New("not a password hash we check")

// CheckPassword says why a string cannot be a password, or nil.
func CheckPassword(password string) error {
	switch {
	case password == "":
		return errors.New("the password is empty")
	case len(password) > maxPassword:
		return fmt.Errorf("the password is longer than %d octets", maxPassword)
	case strings.ContainsAny(password, "\r\n\x00"):
		return errors.New("the password holds CR, LF or NUL")
	}
	return nil
}

// HashPassword returns a userPassword value for the LDIF file:
// {ARGON2}$argon2id$v=19$m=…,t=…,p=…$salt$key.
func HashPassword(password string, cost Argon2) (string, error) {
	if err := CheckPassword(password); err != nil {
		return "", err
	}
	salt := make([]byte, argonSalt)
	rand.Read(salt) // never fails
	key := argon2.IDKey([]byte(password), salt, uint32(cost.Time), uint32(cost.Memory), uint8(cost.Threads), argonKey)
	return printArgon(cost, salt, key), nil
}

func printArgon(cost Argon2, salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("{ARGON2}$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		cost.Memory, cost.Time, cost.Threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// newDummy makes what passwords of nobody are compared with, at the cost of
// new hashes. Its key is random, not the hash of anything.
func newDummy(cost Argon2) string {
	b := make([]byte, argonSalt+argonKey)
	rand.Read(b)
	return printArgon(cost, b[:argonSalt], b[argonSalt:])
}

// checkHash compares a password with a userPassword value: argon2id
// ({ARGON2}$argon2id$…) or bcrypt ({BCRYPT}$2b$…, {CRYPT}$2b$…). Anything
// else, plain text above all, is errUnknownHash.
func checkHash(hash, password string) (bool, error) {
	scheme, rest, ok := strings.Cut(strings.TrimPrefix(hash, "{"), "}")
	if !ok || hash[0] != '{' {
		return false, errUnknownHash
	}
	switch {
	case strings.EqualFold(scheme, "ARGON2") && strings.HasPrefix(rest, "$argon2id$"):
		return checkArgon(rest, password)
	case (strings.EqualFold(scheme, "CRYPT") || strings.EqualFold(scheme, "BCRYPT")) && strings.HasPrefix(rest, "$2"):
		cost, err := bcrypt.Cost([]byte(rest))
		if err != nil || cost > maxBcryptCost {
			return false, errUnknownHash
		}
		return bcrypt.CompareHashAndPassword([]byte(rest), []byte(password)) == nil, nil
	}
	return false, errUnknownHash
}

func checkArgon(phc, password string) (bool, error) {
	var version, memory, time, threads uint32
	parts := strings.Split(phc, "$") // "", argon2id, v=, m=…, salt, key
	if len(parts) != 6 {
		return false, errUnknownHash
	}
	if n, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &threads); n != 4 || err != nil {
		return false, errUnknownHash
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || version != argon2.Version || len(salt) < 8 || len(key) < 16 || len(key) > 128 ||
		time < 1 || time > maxArgonTime || memory < 8 || memory > maxArgonMemory || threads < 1 || threads > maxArgonLanes {
		return false, errUnknownHash
	}
	got := argon2.IDKey([]byte(password), salt, time, memory, uint8(threads), uint32(len(key)))
	return subtle.ConstantTimeCompare(got, key) == 1, nil
}

// readable are letters and digits that nobody mistakes for one another.
const readable = "abcdefghjkmnpqrstuvwxyz23456789"

// RandomPassword returns a password that can be read out and typed: four groups
// of four characters, 79 bits.
func RandomPassword() string {
	s := randomText(16)
	return s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
}

// randomText draws n characters of readable, all equally likely.
func randomText(n int) string {
	out := make([]byte, 0, n)
	buf := make([]byte, 2*n)
	for len(out) < n {
		rand.Read(buf)
		for _, b := range buf {
			if b &= 31; int(b) < len(readable) && len(out) < n {
				out = append(out, readable[b])
			}
		}
	}
	return string(out)
}
