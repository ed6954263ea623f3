package directory

import (
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
)

func TestRFC4515_ParseAndPrint(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"(uid=%U)", "(uid=%U)"},
		{"uid=%u", "(uid=%u)"},
		{"(&(objectClass=Person)(|(sn=Jensen)(cn=Babs J*)))", "(&(objectclass=Person)(|(sn=Jensen)(cn=Babs J*)))"},
		{"(!(cn=Tim Howes))", "(!(cn=Tim Howes))"},
		{"(o=univ*of*mich*)", "(o=univ*of*mich*)"},
		{"(cn=*)", "(cn=*)"},
		{"(seeAlso=)", "(seealso=)"},
		{`(o=Parens R Us \28for all your parenthetical needs\29)`, `(o=Parens R Us \28for all your parenthetical needs\29)`},
		{`(cn=*\2A*)`, `(cn=*\2a*)`},
		{"(age>=5)", "(age>=5)"}, {"(age<=5)", "(age<=5)"}, {"(cn~=x)", "(cn~=x)"},
		{"(&)", "(&)"}, {"(& (a=b) (c=d) )", "(&(a=b)(c=d))"},
	} {
		f, err := parseFilter(c.in)
		if err != nil || f.String() != c.want {
			t.Errorf("%s: %s, %v; want %s", c.in, f, err, c.want)
		}
	}
	for _, bad := range []string{
		"", "()", "(a)", "(a=b", "(&(a=b)", "(a=b)(c=d)", "(!(a=b)(c=d))", "(!)", "(=a)", "(a b=c)", `(a=\2)`, `(a=\zz)`,
		"(cn:caseExactMatch:=x)", strings.Repeat("(!", 40) + "(a=b)" + strings.Repeat(")", 40), "(a=" + strings.Repeat("x", 9000) + ")",
	} {
		if f, err := parseFilter(bad); err == nil {
			t.Errorf("%.40q was read as %s", bad, f)
		}
	}
}

// What a user types stays one value of one leaf.
func TestFilterInjection(t *testing.T) {
	tpl, err := parseFilter("(&(uid=%U)(o=%V))")
	if err != nil {
		t.Fatal(err)
	}
	for _, evil := range []string{
		"*", "a*", "*)(uid=*", "a)(|(uid=*", "admin)(&)", "x)(userPassword=*)", `\2a`, `\`, "\x00", "a\x00)(b=*", "(", ")", "%V", "ö", "=", "!", "&", "a=b",
	} {
		f := tpl.with(strings.NewReplacer("%U", evil, "%V", "sesta.com"))
		p, err := ldap.CompileFilter(f.String())
		if err != nil {
			t.Errorf("%q: %s does not compile: %v", evil, f, err)
			continue
		}
		leaf := p.Children[0]
		if len(p.Children) != 2 || leaf.Tag != ldap.FilterEqualityMatch || leaf.Children[1].Data.String() != evil {
			t.Errorf("%q changed the filter to %s", evil, f)
		}
		e := &entry{attrs: []attribute{{"uid", []string{"jdoe"}}, {"o", []string{"sesta.com"}}}}
		if f.matches(e) {
			t.Errorf("%q matched an entry", evil)
		}
		for _, sub := range []filter{contains("uid", evil), equal("uid", evil)} {
			if _, err := ldap.CompileFilter(sub.String()); err != nil {
				t.Errorf("%s: %v", sub, err)
			}
		}
	}
}

func TestFilterMatches(t *testing.T) {
	e := &entry{attrs: []attribute{
		{"objectclass", []string{"top", "inetOrgPerson"}}, {"cn", []string{"John  Q. Doe"}}, {"age", []string{"30"}},
		{"uniquemember", []string{"uid=A, ou=People,o=X"}},
	}}
	for f, want := range map[string]bool{
		"(cn=john q. doe)": true, "(cn=john)": false, "(cn=john*)": true, "(cn=*doe)": true, "(cn=*q*)": true, "(cn=j*q*e)": true,
		"(cn=*doe*x)": false, "(cn=doe*)": false, "(cn=john q. doe*doe)": false, "(mail=*)": false, "(cn=*)": true,
		"(!(mail=*))": true, "(&(cn=*)(age>=25))": true, "(|(mail=x)(age<=25))": false, "(&)": true, "(|)": false,
		"(objectClass=INETORGPERSON)": true, "(uniqueMember=UID=a,ou=people, o=x)": true, "(uniqueMember=uid=a)": false, "(cn~=JOHN Q. DOE)": true,
	} {
		p, err := parseFilter(f)
		if err != nil || p.matches(e) != want {
			t.Errorf("%s: %v, %v; want %v", f, p.matches(e), err, want)
		}
	}
}

func FuzzParseFilter(f *testing.F) {
	for _, s := range []string{"(uid=%U)", "(&(a=b)(|(c=*)(!(d=e*f*g))))", `(a=\28)`, "(a>=b)", "a=b"} {
		f.Add(s)
	}
	e := &entry{attrs: []attribute{{"a", []string{"b"}}, {"uid", []string{"x y"}}}}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseFilter(s)
		if err != nil {
			return
		}
		p.matches(e)
		again, err := parseFilter(p.String())
		if err != nil && len(p.String()) <= maxFilterLen || err == nil && again.String() != p.String() {
			t.Fatalf("%q: %s, then %s, %v", s, p, again, err)
		}
	})
}

func TestDNKey(t *testing.T) {
	for _, c := range []struct{ a, b string }{
		{"UID=A,ou=People,O=X", "uid=a, ou=people , o=x"}, {"cn=a  b,o=x", "cn=A b,o=X"}, {`cn=a\,b,o=x`, `CN=a\2cb, o=x`},
		{`uid=a\2Ab,o=x`, "uid=a*b,o=x"},
	} {
		if dnKey(c.a) != dnKey(c.b) {
			t.Errorf("%s and %s: %s, %s", c.a, c.b, dnKey(c.a), dnKey(c.b))
		}
	}
	for _, c := range []struct {
		key, base string
		want      bool
	}{{"uid=a,o=x", "o=x", true}, {"o=x", "o=x", true}, {"o=xx", "o=x", false}, {"uid=a,po=x", "o=x", false}, {"o=x", "", true}, {"o=x", "uid=a,o=x", false}} {
		if below(c.key, c.base) != c.want {
			t.Errorf("below(%s, %s) is not %v", c.key, c.base, c.want)
		}
	}
}
