package imip

import (
	"bytes"
	"encoding/base64"
	"mime/quotedprintable"
	"strings"
	"testing"

	_ "factotum/server/object/objecttest" // laws draw the same cases each time in CI
	"pgregory.net/rapid"
)

// What is encoded by the book is decoded to the same octets, whatever they are.
func TestTransferEncodings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.Byte()).Draw(t, "octets")
		width := rapid.IntRange(1, 80).Draw(t, "width")
		var lines []byte
		for i, c := range []byte(base64.StdEncoding.EncodeToString(want)) {
			if i > 0 && i%width == 0 {
				lines = append(lines, "\r\n"...)
			}
			lines = append(lines, c)
		}
		if got := decodeBase64(lines); !bytes.Equal(got, want) {
			t.Fatalf("base64: %q, want %q", got, want)
		}
		var quoted bytes.Buffer
		w := quotedprintable.NewWriter(&quoted)
		w.Binary = true
		if _, err := w.Write(want); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := decodeQuoted(quoted.Bytes()); !bytes.Equal(got, want) {
			t.Fatalf("quoted-printable: %q, want %q", got, want)
		}
		if got := decodeUU(uuencoded(want)); !bytes.Equal(got, want) {
			t.Fatalf("uuencode: %q, want %q", got, want)
		}
	})
}

func uuencoded(b []byte) []byte {
	out := []byte("begin 644 a.ics\n")
	for len(b) > 0 {
		line := b[:min(45, len(b))]
		b = b[len(line):]
		out = append(out, ' '+byte(len(line)))
		for ; len(line) > 0; line = line[min(3, len(line)):] {
			var three [3]byte
			copy(three[:], line)
			for _, v := range [4]byte{three[0] >> 2, three[0]<<4&63 | three[1]>>4, three[1]<<2&63 | three[2]>>6, three[2] & 63} {
				out = append(out, "`!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_"[v])
			}
		}
		out = append(out, '\n')
	}
	return append(out, "`\nend\n"...)
}

func TestRFC2045_6_BrokenEncodings(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"a=3Db", "a=b"},
		{"a=\nb", "ab"},
		{"a= \t\r\nb", "ab"},
		{"a=3db", "a=b"},
		{"a=20\nb", "a \nb"},
		{"a \t\r\nb", "a\r\nb"},
		{"a=zzb", "a=zzb"},
		{"a=", "a"},
		{"a=4", "a=4"},
		{"=", ""},
	} {
		if got := string(decodeQuoted([]byte(c.in))); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
	for _, c := range []struct{ in, want string }{
		{"QUJD", "ABC"},
		{"QUI=", "AB"},
		{"QUI", "AB"},
		{"QQ==QUJD", "AABC"},
		{"Q*U\x00J D", "ABC"},
		{"--__", "\xfb\xef\xff"},
		{"Q", ""},
		{"====", ""},
	} {
		if got := string(decodeBase64([]byte(c.in))); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// Each limit has a code, and is one of the mail, not of its parts.
func TestLimits(t *testing.T) {
	reply := string(readSample(t, "thunderbird-reply"))
	for _, c := range []struct {
		lim  Limits
		want string
	}{
		{Limits{}, ""},
		{Limits{Mail: 1000}, "mail-too-large"},
		{Limits{Header: 300}, "mail-header-too-large"},
		{Limits{Calendar: 200}, "mail-too-large"},
		{Limits{Kept: 300}, "mail-too-large"},
		{Limits{Parts: 3}, "mail-too-many-parts"},
		{Limits{Depth: 2}, "mail-too-nested"},
		{Limits{Depth: 3, Parts: 5, Messages: 1, Calendar: 450, Header: 2000, Mail: 4000}, ""},
	} {
		m, err := Read(strings.NewReader(reply), c.lim)
		if got := m.Reason(); got != c.want || (err != nil) != (c.want != "") {
			t.Errorf("%+v: %q, %v, want %q", c.lim, got, err, c.want)
		}
		if c.lim.Mail != 1000 && c.lim.Header != 300 && (len(m.From) != 1 || m.From[0].Mail != "bert@firm.example") {
			t.Errorf("%+v: From is %v", c.lim, m.From)
		}
	}
	if m, err := Read(bytes.NewReader(readSample(t, "several-uids")), Limits{Messages: 1}); err == nil || m.Reason() != "too-many-meetings" || len(m.Messages) != 0 {
		t.Errorf("%v, %s", err, m.Reason())
	}
}
