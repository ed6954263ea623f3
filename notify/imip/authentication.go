package imip

import (
	"strings"

	"factotum/server/admission"
)

// Authentication is what the mail system of the site found out about who sent a
// mail: an Authentication-Results field. RFC 8601 §2.2.
type Authentication struct {
	ServID string // of who says so, "" if nobody does who is believed

	DMARC       Result
	DMARCDomain string // header.from
	SPF         Result
	SPFDomain   string // of smtp.mailfrom, or smtp.helo
	DKIM        []Signature
}

// Result is what came of a method: "pass", "fail", "none", "temperror" … in lower
// case, "" if it was not asked. RFC 8601 §2.7.
type Result string

// Signature is one of DKIM.
type Signature struct {
	Result Result
	Domain string // header.d, or that of header.i
}

// mostSignatures is how many are read.
const mostSignatures = 50

// Authentication reads the topmost field of who is believed, and no other:
// anybody can write one. The name is compared without regard of case; without
// one nobody is believed. RFC 8601 §§1.6, 5.
func (m *Mail) Authentication(authservID string) (a Authentication) {
	if authservID == "" {
		return a
	}
	for _, f := range m.header {
		if f.name != "authentication-results" {
			continue
		}
		if read := readResults(f.value); strings.EqualFold(read.ServID, authservID) {
			return read
		}
	}
	return a
}

// readResults reads the value of a field.
func readResults(s string) (a Authentication) {
	t := tokens{s}
	a.ServID = t.next()
	for t.next() != ";" { // its version
		if t.s == "" {
			return a
		}
	}
	for t.s != "" {
		method := strings.ToLower(t.next())
		if method == ";" {
			continue
		}
		method, _, _ = strings.Cut(method, "/")
		if t.peek() != "=" { // "none", or what nobody knows
			t.skip()
			continue
		}
		t.next()
		result := Result(strings.ToLower(t.next()))
		props := t.properties()
		switch method {
		case "dmarc":
			if a.DMARC == "" {
				a.DMARC, a.DMARCDomain = result, domainOf(props["header.from"])
			}
		case "spf":
			if a.SPF == "" {
				a.SPF, a.SPFDomain = result, domainOf(props["smtp.mailfrom"])
				if a.SPFDomain == "" {
					a.SPFDomain = domainOf(props["smtp.helo"])
				}
			}
		case "dkim":
			d := domainOf(props["header.d"])
			if d == "" {
				d = domainOf(props["header.i"])
			}
			if len(a.DKIM) < mostSignatures {
				a.DKIM = append(a.DKIM, Signature{result, d})
			}
		}
	}
	return a
}

// domainOf is the domain of an address, or a domain by itself.
func domainOf(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	return strings.ToLower(strings.Trim(s, " .<>"))
}

// Proof is how sure it is that a mail address sent the mail. DMARC decides where
// it was asked; otherwise SPF or DKIM prove a domain that is the very same.
// RFC 8601 §2.7.
func (a *Authentication) Proof(mail string) admission.Proof {
	_, domain := cutMail(mail)
	if a.ServID == "" || domain == "" {
		return admission.Unproven
	}
	switch {
	case a.DMARC == "fail":
		return admission.Failed
	case a.DMARC == "pass" && (a.DMARCDomain == "" || a.DMARCDomain == domain):
		return admission.Proven
	case a.DMARC == "pass": // of another From than the one that is read here
		return admission.Failed
	case a.SPF == "pass" && a.SPFDomain == domain, a.Signed(domain):
		return admission.Proven
	}
	return admission.Unproven
}

// Signed reports whether a domain signed the mail.
func (a *Authentication) Signed(domain string) bool {
	for _, s := range a.DKIM {
		if s.Result == "pass" && s.Domain == domain {
			return true
		}
	}
	return false
}

// tokens takes a value of RFC 8601 §2.2 apart: words, quoted strings without
// their quotes, "=" and ";". Comments and blanks stand between them.
type tokens struct{ s string }

func (t *tokens) next() string {
	t.s = skipComments(t.s)
	if t.s == "" {
		return ""
	}
	switch t.s[0] {
	case '=', ';':
		tok := t.s[:1]
		t.s = skipComments(t.s[1:])
		return tok
	case '"':
		return t.value()
	}
	end := strings.IndexAny(t.s, "=; \t\r\n(")
	switch {
	case end < 0:
		end = len(t.s)
	case end == 0: // cannot be, for a comment was skipped
		end = 1
	}
	tok := t.s[:end]
	t.s = skipComments(t.s[end:])
	return tok
}

// value is a word, which signs of equality may be part of, or a quoted string with
// what is glued to it: the domain of an address whose local part has quotes.
func (t *tokens) value() string {
	t.s = skipComments(t.s)
	quoted := ""
	if strings.HasPrefix(t.s, `"`) {
		quoted, t.s = paramValue(t.s)
	}
	end := strings.IndexAny(t.s, "; \t\r\n(")
	if end < 0 {
		end = len(t.s)
	}
	v := quoted + t.s[:end]
	t.s = skipComments(t.s[end:])
	return v
}

func (t *tokens) peek() string {
	ahead := *t
	return ahead.next()
}

// skip goes behind the next semicolon.
func (t *tokens) skip() {
	for t.s != "" && t.next() != ";" {
	}
}

// properties reads what stands behind a result: reason, and properties.
func (t *tokens) properties() map[string]string {
	props := map[string]string{}
	for t.s != "" {
		name := strings.ToLower(t.next())
		if name == ";" {
			break
		}
		if t.peek() != "=" {
			continue
		}
		t.next()
		if t.peek() == ";" {
			continue
		}
		if v := t.value(); len(props) < 50 {
			if _, twice := props[name]; !twice {
				props[name] = v
			}
		}
	}
	return props
}
