package service

import (
	"bytes"
	"testing"
)

func TestPieces(t *testing.T) {
	base := []byte("BEGIN:VEVENT\nUID:12345678\nDTSTART:2026\nRRULE:FREQ=DAILY\nSUMMARY:a long summary of it\nEND:VEVENT\n")
	for _, c := range []struct {
		name, text string
		most       int // octets
	}{
		{"the base", string(base), 4},
		{"lines left out", "BEGIN:VEVENT\nUID:12345678\nSUMMARY:a long summary of it\nEND:VEVENT\n", 8},
		{"a line changed", "BEGIN:VEVENT\nUID:12345678\nDTSTART:2027\nSUMMARY:a long summary of it\nEND:VEVENT\n", 24},
		{"in another order", "END:VEVENT\nBEGIN:VEVENT\nEND:VEVENT\nBEGIN:VEVENT\n", 16},
		{"nothing in common", "BEGIN:VTODO\nDUE:1\nEND:VTODO\n", 32},
		{"short lines", "a\nb\nBEGIN:VEVENT\nc\nd\n", 18},
		{"no line end", "BEGIN:VEVENT\nUID:123", 16},
		{"empty", "", 1},
	} {
		p := cut([]byte(c.text), base)
		if got := p.join(base); string(got) != c.text {
			t.Errorf("%s: %q became %q", c.name, c.text, got)
		}
		if len(p) > c.most {
			t.Errorf("%s: %d octets, at most %d expected", c.name, len(p), c.most)
		}
	}
}

func FuzzPieces(f *testing.F) {
	f.Add([]byte("BEGIN:VEVENT\nUID:12345678\n"), []byte("UID:12345678\nBEGIN:VEVENT\nx"))
	f.Add([]byte("\n\n\n\n\n\n\n\n\n"), []byte("\n\n\n\n"))
	f.Fuzz(func(t *testing.T, text, base []byte) {
		if got := cut(text, base).join(base); !bytes.Equal(got, text) {
			t.Fatalf("%q with %q became %q", text, base, got)
		}
	})
}
