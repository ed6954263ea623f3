package imip

import (
	"testing"

	"factotum/server/ical"
)

func TestMendAddress(t *testing.T) {
	for _, c := range []struct{ value, email, want string }{
		{"mailto:anna@example.org", "", "mailto:anna@example.org"},
		{"MAILTO:Anna@Example.org", "", "mailto:Anna@Example.org"},
		{"anna@example.org", "", "mailto:anna@example.org"},
		{" mailto: anna@example.org ", "", "mailto:anna@example.org"},
		{"mailto:mailto:anna@example.org", "", "mailto:anna@example.org"},
		{"mailto:<anna@example.org>", "", "mailto:anna@example.org"},
		{"mailto:Anna <anna@example.org>", "", "mailto:anna@example.org"},
		{"mailto:anna%2Bcal@example.org?subject=x", "", "mailto:anna+cal@example.org"},
		{"'mailto:anna@example.org'", "", "mailto:anna@example.org"},
		{"urn:uuid:1", "anna@example.org", "mailto:anna@example.org"},
		{"/aMTIz/principal/", "anna@example.org", "mailto:anna@example.org"},
		{"https://example.org/anna@x", "", "https://example.org/anna@x"},
		{"invalid:nomail", "", "invalid:nomail"},
		{"invalid:nomail", "anna@example.org", "mailto:anna@example.org"},
		{"mailto:2_AB@imip.me.com", "anna@icloud.com", "mailto:2_AB@imip.me.com"},
		{"MAILTO:/O=ORG/CN=ANNA", "", "MAILTO:/O=ORG/CN=ANNA"},
		{"mailto:", "anna@example.org", "mailto:anna@example.org"},
		{"", "", ""},
	} {
		p := ical.Property{Name: "ATTENDEE", Value: c.value}
		if c.email != "" {
			p.SetParam("EMAIL", c.email)
		}
		if mendAddress(&p); p.Value != c.want {
			t.Errorf("%q with EMAIL %q: %q, want %q", c.value, c.email, p.Value, c.want)
		}
	}
}
