package calendar

import "testing"

func TestHasAddress(t *testing.T) {
	anna := Person{ID: "anna", Mails: []string{"anna@example.com", "a.smith@example.com"}}
	hosted := Person{ID: "bert@sesta.com", Mails: []string{"bert@sesta.com"}}
	bare := Person{ID: "room 1"} // has no mail address
	for _, c := range []struct {
		who     Person
		address string
		want    bool
	}{
		{anna, "mailto:anna@example.com", true},
		{anna, "MAILTO:Anna@Example.COM", true},
		{anna, " mailto:a.smith@example.com ", true}, // an alternate address
		{anna, "anna@example.com", true},
		{anna, "anna", true},
		{anna, "ANNA", true},
		{anna, "mailto:anna", true},
		{anna, "https://cal.example.com/dav/principals/anna/", true},
		{anna, "/dav/principals/anna", true},
		{anna, "/dav/principals/bert/", false},
		{anna, "/dav/principals/", false},
		{anna, "mailto:/dav/principals/anna/", false},
		{anna, "mailto:anna@example.org", false},
		{anna, "mailto:hanna@example.com", false},
		{anna, "mailto:", false},
		{anna, "", false},
		{hosted, "mailto:BERT@sesta.com", true},
		{hosted, "bert@sesta.com", true},
		{hosted, "bert", false},
		{bare, "/dav/principals/room%201/", true},
		{bare, "mailto:anna@example.com", false},
		{Person{}, "", false},
		{Person{}, "mailto:", false},
		{Person{}, "/dav/principals//", false},
	} {
		if got := c.who.HasAddress(c.address); got != c.want {
			t.Errorf("%q is %q's: %v, want %v", c.address, c.who.ID, got, c.want)
		}
	}
	if AddressKey(" MailTo:Anna@example.com") != AddressKey("anna@EXAMPLE.com") {
		t.Error("one address has two keys")
	}
}

func TestMailboxOf(t *testing.T) {
	for address, want := range map[string]string{
		"mailto:Anna@Example.com": "Anna@Example.com", "MAILTO: anna@example.com": "", " mailto:anna@example.com ": "anna@example.com", "anna@example.com": "anna@example.com",
		"mailto:a%2Bb@example.com": "a+b@example.com", "mailto:anna@example.com?subject=x": "anna@example.com", "mailto:m%C3%BCller@example.com": "müller@example.com",
		"": "", "mailto:": "", "mailto:anna": "", "mailto:@example.com": "", "mailto:anna@": "", "urn:uuid:1": "", "mailto:a%0Db@example.com": "",
		"mailto:a%3Eb@example.com": "", "https://example.com/anna": "", "mailto:a%20b@example.com": "", "a+b%41@example.com": "a+b%41@example.com",
	} {
		if got := MailboxOf(address); got != want {
			t.Errorf("%q is read as %q, want %q", address, got, want)
		}
	}
}
