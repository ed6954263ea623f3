package calendar

import (
	"slices"
	"strings"
)

// Preferences of a user about mail from outside, over those of the site. WCAP shows
// them and sets them.
const (
	// InvitationsPref is what becomes of invitations that nobody waits for: "add",
	// "known", "hold" or "refuse".
	InvitationsPref = "factotumMailInvitations"
	// UnprovenPref is what becomes of mail about which nobody says whether its From is
	// true: "hold", "believe" or "refuse".
	UnprovenPref = "factotumMailUnproven"
	// AllowedPref and NeverPref are the addresses, one a value, whose invitations are
	// added if it is proven who sent them, and from whom nothing is taken.
	AllowedPref = "factotumMailAllowed"
	NeverPref   = "factotumMailNever"
)

// Preferences that the server keeps for itself. Their names are none that WCAP shows.
const (
	mailPref     = "mail:"
	acceptedPref = mailPref + "accepted" // of whom something that was held was accepted, the newest last
	// HeldToldPref is until when the user has been told by mail, or will be, of what is
	// held for him.
	HeldToldPref = mailPref + "told"
)

// Bounds of the lists of addresses.
const (
	mostListed   = 1000
	mostAccepted = 500
)

// CheckMailRules says what is wrong with preferences about mail, "" if nothing is.
func CheckMailRules(set map[string]string) string {
	for _, p := range []struct {
		name  string
		words []string
	}{{InvitationsPref, []string{"add", "known", "hold", "refuse"}}, {UnprovenPref, []string{"hold", "believe", "refuse"}}} {
		if v, ok := set[p.name]; ok && v != "" && !slices.Contains(p.words, strings.ToLower(v)) {
			return "the preference " + p.name + " is one of " + strings.Join(p.words, ", ")
		}
	}
	for _, name := range []string{AllowedPref, NeverPref} {
		list := listed(set[name])
		if len(list) > mostListed {
			return "the preference " + name + " has more addresses than it may"
		}
		for _, a := range list {
			if local, domain, ok := strings.Cut(a, "@"); !ok || domain == "" || strings.ContainsAny(a, " \t<>()") || strings.Contains(domain, "@") || local == "*" {
				return "the preference " + name + " has mail addresses, one a value, or @domain for all of a domain"
			}
		}
	}
	return ""
}

// listed are the values of a preference that has addresses.
func listed(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return strings.ContainsRune(PrefSeparator, r) || r == ',' || r == ' ' })
}

// Lists reports whether a preference names a mail address, by itself or by its domain.
func Lists(prefs map[string]string, name, mail string) bool {
	list, mail := listed(prefs[name]), strings.ToLower(mail)
	i := strings.LastIndexByte(mail, '@')
	return i >= 0 && (slices.Contains(list, mail) || slices.Contains(list, mail[i:]))
}

// Remember puts an address into a list of preferences, from which others leave where
// it is too long, and takes it from another.
func Remember(prefs map[string]string, name, not, mail string) {
	mail = strings.ToLower(mail)
	prefs[name] = joinedList(slices.DeleteFunc(listed(prefs[name]), func(s string) bool { return s == mail }), mostListed-1, mail)
	if rest := slices.DeleteFunc(listed(prefs[not]), func(s string) bool { return s == mail }); len(rest) > 0 {
		prefs[not] = strings.Join(rest, PrefSeparator)
	} else {
		delete(prefs, not)
	}
}

func joinedList(list []string, most int, more string) string {
	return strings.Join(append(list[max(0, len(list)-most):], more), PrefSeparator)
}

// Accepted notes that something that came from an address was accepted.
func Accepted(prefs map[string]string, mail string) {
	mail = strings.ToLower(mail)
	prefs[acceptedPref] = joinedList(slices.DeleteFunc(listed(prefs[acceptedPref]), func(s string) bool { return s == mail }), mostAccepted-1, mail)
}

// HasAccepted reports whether something that came from an address was accepted before.
func HasAccepted(prefs map[string]string, mail string) bool {
	return slices.Contains(listed(prefs[acceptedPref]), strings.ToLower(mail))
}
