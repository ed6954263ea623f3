package mail

import "strings"

// oneLine makes one of a text that somebody else wrote.
func oneLine(s string) string {
	return strings.Join(strings.Fields(strings.ToValidUTF8(s, "\uFFFD")), " ")
}
