package session

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strings"
)

// ID is what the client sends with every request: 26 characters of [a-z2-7],
// 130 random bits. It needs no URL encoding and matches \w+.
type ID string

// String hides the id from logs and error messages.
func (ID) String() string { return "[redacted]" }

// GoString hides it from %#v too.
func (ID) GoString() string { return "[redacted]" }

// LogValue hides it from slog.
func (ID) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Reveal returns the id itself, for the answer of login.
func (id ID) Reveal() string { return string(id) }

const idLength = 26

func newID() ID { return ID(strings.ToLower(rand.Text())) }

// valid reports whether id has the form of one of ours.
func (id ID) valid() bool {
	if len(id) != idLength {
		return false
	}
	for i := range len(id) {
		if c := id[i]; !(c >= 'a' && c <= 'z' || c >= '2' && c <= '7') {
			return false
		}
	}
	return true
}

// file is the name of the session's file: 128 bits of a hash of the id.
func (id ID) file() string {
	sum := sha256.Sum256([]byte("wcap session " + string(id)))
	return hex.EncodeToString(sum[:16])
}
