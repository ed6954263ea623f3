package imip

import (
	"fmt"
	"strings"
	"testing"

	"factotum/server/admission"
)

// A signature counts for its domain if it covers From, and the whole text.
func TestSignaturesOfFrom(t *testing.T) {
	for _, c := range []struct {
		fields string
		want   string
	}{
		{"DKIM-Signature: v=1; d=Far.example; h=To : FROM; b=x", "far.example"},
		{"DKIM-Signature: v=1; d=other.example; i=@far.example; h=from; b=x", "far.example"},
		{"", ""},
		{"DKIM-Signature: v=1; d=other.example; h=from; b=x", ""},
		{"DKIM-Signature: v=1; d=far.example; h=to:subject; b=x", ""},
		{"DKIM-Signature: v=1; d=far.example; h=from; l=100; b=x", ""},
		{"DKIM-Signature: v=1; d=far.example; h=from; b=x\r\nDKIM-Signature: v=1; d=far.example; h=to; b=y", ""},
	} {
		text := "Authentication-Results: mx; dkim=pass header.d=far.example\r\n" + c.fields + "\r\nFrom: zoe@far.example\r\nContent-Type: text/calendar; method=REPLY\r\n\r\n" +
			"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:u\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:zoe@far.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
		m, err := Read(strings.NewReader(strings.Replace(text, "\r\n\r\nFrom", "\r\nFrom", 1)), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		a := m.Arrivals(m.Authentication("mx"))
		if len(a) != 1 || strings.Join(a[0].SignedBy, " ") != c.want || a[0].Proof != admission.Proven {
			t.Errorf("%q: %+v", c.fields, a)
		}
	}
}

func TestRFC8601_2_2_AuthenticationResults(t *testing.T) {
	for _, c := range []struct {
		name, in string
		from     string
		want     string // dmarc, spf, dkim
		proof    admission.Proof
	}{
		{"all of it", "mx.example.org; dmarc=pass (p=reject) header.from=firm.example; spf=pass smtp.mailfrom=bert@firm.example;\n dkim=pass (2048-bit key) header.d=firm.example header.b=\"AbC=\"",
			"bert@firm.example", "pass firm.example, pass firm.example, pass firm.example", admission.Proven},
		{"a version, comments everywhere, capitals", "(c) MX.Example.ORG (c) 1 (c); (c) DMARC (c) = (c) Pass (d (e)) header.from (c) = (c) Firm.Example",
			"bert@firm.example", "pass firm.example,  , ", admission.Proven},
		{"none", "mx.example.org; none", "bert@firm.example", " ,  , ", admission.Unproven},
		{"DMARC fails, others do not", "mx.example.org; dkim=pass header.d=firm.example; dmarc=fail header.from=firm.example", "bert@firm.example", "fail firm.example,  , pass firm.example", admission.Failed},
		{"DMARC of another From", "mx.example.org; dmarc=pass header.from=other.example", "bert@firm.example", "pass other.example,  , ", admission.Failed},
		{"DMARC without a domain", "mx.example.org; dmarc=pass", "bert@firm.example", "pass ,  , ", admission.Proven},
		{"no record, SPF of the domain", "mx.example.org; dmarc=none; spf=pass smtp.mailfrom=firm.example", "bert@firm.example", "none , pass firm.example, ", admission.Proven},
		{"SPF of another domain", "mx.example.org; spf=pass smtp.mailfrom=evil.example", "bert@firm.example", " , pass evil.example, ", admission.Unproven},
		{"SPF of HELO", "mx.example.org; spf=pass smtp.helo=firm.example", "bert@firm.example", " , pass firm.example, ", admission.Proven},
		{"SPF fails softly", "mx.example.org; spf=softfail smtp.mailfrom=firm.example", "bert@firm.example", " , softfail firm.example, ", admission.Unproven},
		{"a domain in the local part", `mx.example.org; spf=pass smtp.mailfrom="x@firm.example"@evil.example`, "bert@firm.example", " , pass evil.example, ", admission.Unproven},
		{"an address of SRS", "mx.example.org; spf=pass smtp.mailfrom=SRS0=ab=cd=firm.example=bert@relay.example", "bert@firm.example", " , pass relay.example, ", admission.Unproven},
		{"DKIM by header.i", "mx.example.org; dkim=pass header.i=@firm.example", "bert@firm.example", " ,  , pass firm.example", admission.Proven},
		{"several signatures", "mx.example.org; dkim=fail header.d=firm.example; dkim=pass header.d=list.example", "bert@firm.example", " ,  , fail firm.example pass list.example", admission.Unproven},
		{"a parent domain", "mx.example.org; dkim=pass header.d=example", "bert@firm.example", " ,  , pass example", admission.Unproven},
		{"a subdomain", "mx.example.org; dkim=pass header.d=mail.firm.example", "bert@firm.example", " ,  , pass mail.firm.example", admission.Unproven},
		{"in a comment", "mx.example.org; (dmarc=pass header.from=firm.example); spf=none", "bert@firm.example", " , none , ", admission.Unproven},
		{"in a quoted string", `mx.example.org; spf=fail reason="no; dmarc=pass header.from=firm.example" smtp.mailfrom=evil.example`, "bert@firm.example", " , fail evil.example, ", admission.Unproven},
		{"twice", "mx.example.org; dmarc=fail header.from=firm.example; dmarc=pass header.from=firm.example", "bert@firm.example", "fail firm.example,  , ", admission.Failed},
		{"a method with a version", "mx.example.org; dkim/1=pass header.d=firm.example", "bert@firm.example", " ,  , pass firm.example", admission.Proven},
		{"Microsoft's, without a name", "spf=pass (sender IP is 192.0.2.1) smtp.mailfrom=firm.example; dmarc=pass action=none header.from=firm.example", "bert@firm.example", " ,  , ", admission.Unproven},
		{"of somebody else", "mx.evil.example; dmarc=pass header.from=firm.example", "bert@firm.example", " ,  , ", admission.Unproven},
		{"of a name that begins so", "mx.example.org.evil.example; dmarc=pass header.from=firm.example", "bert@firm.example", " ,  , ", admission.Unproven},
		{"a name between quotes", `"mx.example.org"; dmarc=pass header.from=firm.example`, "bert@firm.example", "pass firm.example,  , ", admission.Proven},
	} {
		m, err := Read(strings.NewReader("Authentication-Results: "+c.in+"\nFrom: "+c.from+"\n\nhi\n"), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		a := m.Authentication(servID)
		var dkim []string
		for _, s := range a.DKIM {
			dkim = append(dkim, string(s.Result)+" "+s.Domain)
		}
		if got := fmt.Sprintf("%s %s, %s %s, %s", a.DMARC, a.DMARCDomain, a.SPF, a.SPFDomain, strings.Join(dkim, " ")); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if got := a.Proof(c.from); got != c.proof {
			t.Errorf("%s: %v, want %v", c.name, got, c.proof)
		}
		if nobody := m.Authentication(""); nobody.Proof(c.from) != admission.Unproven {
			t.Errorf("%s: somebody is believed though nobody is named", c.name)
		}
	}
}

// The topmost field of who is believed counts, and none below it.
func TestOnlyTheTopmostCounts(t *testing.T) {
	m, err := Read(strings.NewReader("Authentication-Results: mx.other.example; dmarc=pass header.from=firm.example\n"+
		"Authentication-Results: mx.example.org; spf=none\nAuthentication-Results: mx.example.org; dmarc=pass header.from=firm.example\nFrom: b@firm.example\n\nhi\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	a := m.Authentication("MX.example.org")
	if a.SPF != "none" || a.DMARC != "" || a.Proof("b@firm.example") != admission.Unproven {
		t.Errorf("%+v", a)
	}
}
