package admission

import (
	"strings"

	"factotum/server/calendar"
)

// sameMailbox reports whether two addresses are known to be one mailbox: they are
// equal but for case, differ in what follows a plus sign, or are spellings of one
// that a large provider has. RFC 5233 §3.
func sameMailbox(a, b string) bool {
	return a != "" && b != "" && mailbox(a) == mailbox(b)
}

// mailbox is an address as its provider reads it.
func mailbox(address string) string {
	key := calendar.AddressKey(address)
	i := strings.LastIndexByte(key, '@')
	if i <= 0 {
		return key
	}
	local, domain := key[:i], key[i+1:]
	if at := strings.IndexByte(local, '+'); at > 0 {
		local = local[:at]
	}
	switch domain {
	case "gmail.com", "googlemail.com":
		local, domain = strings.ReplaceAll(local, ".", ""), "gmail.com"
	case "me.com", "mac.com", "icloud.com":
		domain = "icloud.com"
	}
	return local + "@" + domain
}

// services are addresses, and domains of such, that are no person's: programs send
// from them what their users say, or stand for calendars.
var services = []string{
	"@imip.me.com",                  // iCloud: organizers and attendees behind a name of its own
	"@email.apple.com",              // and whence it writes in their name
	"@group.calendar.google.com",    // Google's calendars of groups
	"@resource.calendar.google.com", // and of rooms
	"@import.calendar.google.com",
	"calendar-notification@google.com", // whence it writes for users whose domain does not let it
	"calendar-server.bounces@google.com",
	"noreply@calendar.yahoo.com",
}

// isService reports whether an address is one of a service, or by its name of a
// program: Nextcloud writes from invitations-noreply@ of its host.
func isService(address string) bool {
	key := calendar.AddressKey(address)
	if local, _, _ := strings.Cut(key, "@"); strings.Contains(local, "noreply") || strings.Contains(local, "no-reply") {
		return true
	}
	for _, s := range services {
		if key == s || s[0] == '@' && strings.HasSuffix(key, s) {
			return true
		}
	}
	return false
}
