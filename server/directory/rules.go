package directory

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"factotum/server/calendar"
)

// CheckUserID says why an id cannot be a new user's. One that the directory has
// already is served, whatever it is; but blanks end a name in lists of owners
// and in clients, so that nobody is given one with them.
func CheckUserID(id string) error {
	if err := calendar.CheckOwner(calendar.Owner(id)); err != nil {
		return err
	}
	if strings.ContainsFunc(id, unicode.IsSpace) {
		return errors.New("a user id holds no blanks: they end a name in lists of owners")
	}
	if strings.ContainsAny(id, `"'<>,`) || id[0] == '@' {
		return errors.New("a user id holds no quotes, commas or angle brackets, and does not begin with @")
	}
	return nil
}

// CheckDomain says why a text cannot be the domain of people.
func CheckDomain(domain string) error {
	if domain == "" || badName(domain) || strings.ContainsAny(domain, " ,+\"\\<>;=#@/:") {
		return fmt.Errorf("%q is not a domain name: see service.defaultdomain", domain)
	}
	return nil
}

// shortPassword is how many characters a password should have at least.
const shortPassword = 8

// common are passwords that are tried first, with digits behind or without.
const common = " password passwort passwd kennwort secret geheim letmein welcome willkommen changeme default admin administrator calmaster master root user" +
	" test guest calendar qwerty qwertz qwertyui qwertzui asdfgh iloveyou monkey dragon football abcdef abcdefgh abcdefghi passw0rd p@ssword p@ssw0rd "

// WeakPassword says why a password is easily guessed, or "". It is a warning:
// the administrator decides.
func WeakPassword(user, password string) string {
	name, _, _ := strings.Cut(fold(user), "@")
	word := fold(password)
	bare := strings.TrimRightFunc(word, func(r rune) bool { return !unicode.IsLetter(r) })
	different := map[rune]bool{}
	for _, r := range word {
		different[r] = true
	}
	switch {
	case password == "":
		return "the password is empty"
	case len([]rune(password)) < shortPassword:
		return fmt.Sprintf("the password is weak: it has fewer than %d characters", shortPassword)
	case name != "" && (word == name || bare == name || len(name) > 2 && strings.Contains(word, name)):
		return "the password is weak: it has the user's name in it"
	case len(different) < 4:
		return "the password is weak: it has few different characters"
	case strings.Contains("01234567890123456789 98765432109876543210", word):
		return "the password is weak: it is a row of digits"
	case strings.Contains(common, " "+word+" ") || bare != "" && strings.Contains(common, " "+bare+" "):
		return "the password is weak: it is one of those that are tried first"
	}
	return ""
}
