package ical

import "testing"

func TestToUTF8(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"good", "SUMMARY:Zürich\r\n", "SUMMARY:Zürich\r\n"},
		{"empty", "", ""},
		{"Latin-1", "SUMMARY:Z\xfcrich \xe9\r\n", "SUMMARY:Zürich é\r\n"},
		{"Windows-1252", "a \x80 \x93x\x94 \x96 \x81\n", "a € “x” – \ufffd\n"},
		{"mixed", "Z\xfcrich Zürich\n", "Zürich Zürich\n"},
		{"folded character", "Z\xc3\r\n \xbcrich \xe2\n \x82\n\t\xac \xe9\n", "Zürich € é\n"},
		{"folded, but no character", "Z\xc3\r\n x\n", "ZÃ\r\n x\n"},
		{"at the end", "Z\xc3", "ZÃ"},
		{"controls", "a\x00b\x0bc\x7fd\te\n", "abcd\te\n"},
		{"stray CR", "a\rb\r\r\nc\r\n", "ab\r\nc\r\n"},
		{"Mac line ends", "a\rb\r", "a\r\nb\r\n"},
		{"UTF-16, little end first", "\xff\xfea\x00\xfc\x00=\xd8\x00\xde\n\x00", "aü😀\n"},
		{"UTF-16, big end first", "\xfe\xff\x00a\x00\xfc\xd8=\xde\x00\x00\n", "aü😀\n"},
		{"half a UTF-16 pair", "\xfe\xff\xd8=\x00a\x00", "\ufffda"},
	} {
		if got := string(ToUTF8([]byte(tc.in))); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	good := []byte("SUMMARY:x\r\n")
	if got := ToUTF8(good); &got[0] != &good[0] {
		t.Error("good text is copied")
	}
}
