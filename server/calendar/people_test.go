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
