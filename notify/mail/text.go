package mail

import (
	"encoding/base64"
	"strings"
)

// oneLine makes one of a text that somebody else wrote.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
}

// appendBase64 writes lines of base64. RFC 2045 §6.8.
func appendBase64(dst []byte, text string) []byte {
	code := base64.StdEncoding.EncodeToString([]byte(text))
	for len(code) > 76 {
		dst = append(append(dst, code[:76]...), "\r\n"...)
		code = code[76:]
	}
	return append(append(dst, code...), "\r\n"...)
}
