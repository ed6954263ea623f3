package config

import "log/slog"

// Secret is a password or another value that must not be seen. However it is
// printed, logged or encoded, it reads "[redacted]"; only Reveal gives it away.
type Secret string

const redacted = "[redacted]"

// String implements fmt.Stringer.
func (Secret) String() string { return redacted }

// GoString implements fmt.GoStringer, for %#v.
func (Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Reveal gives the secret itself, for the one call that needs it.
func (s Secret) Reveal() string { return string(s) }
