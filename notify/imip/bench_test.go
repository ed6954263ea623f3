package imip

import (
	"bytes"
	"testing"

	"factotum/server/admission"
)

// An answer as it comes in, read and decided about.
func BenchmarkReply(b *testing.B) {
	for _, name := range []string{"google-reply", "exchange-reply", "evolution-reply", "android-reply"} {
		raw := readSample(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				m, err := Read(bytes.NewReader(raw), Limits{})
				if err != nil || len(m.Messages) != 1 {
					b.Fatal(err, m.Messages)
				}
				for _, a := range m.Arrivals(m.Authentication(servID)) {
					admission.Decide(anna(), nil, a, admission.Rules{})
				}
			}
		})
	}
}

// A bounce with the invitation in it.
func BenchmarkBounce(b *testing.B) {
	raw := readSample(b, "bounce-postfix")
	b.ReportAllocs()
	for b.Loop() {
		if m, err := Read(bytes.NewReader(raw), Limits{}); err != nil || m.Report == nil {
			b.Fatal(err)
		}
	}
}
