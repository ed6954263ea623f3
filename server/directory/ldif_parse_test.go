package directory

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// flat is what a parse found, for comparison.
func flat(records []ldifRecord) (out [][]string) {
	for _, r := range records {
		e := []string{r.dn}
		for _, l := range r.attrs {
			e = append(e, l.name+"="+l.value)
		}
		out = append(out, e)
	}
	return out
}

func TestRFC2849_Entries(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want [][]string
	}{
		"empty":             {"", nil},
		"only comments":     {"# a\n# b\n  folded comment\n\n", nil},
		"two entries":       {"version: 1\ndn: cn=a\ncn: a\n\ndn: cn=b\ncn: b\nsn:b\n", [][]string{{"cn=a", "cn=a"}, {"cn=b", "cn=b", "sn=b"}}},
		"no end of line":    {"dn: cn=a\ncn: a", [][]string{{"cn=a", "cn=a"}}},
		"CRLF":              {"version: 1\r\n\r\ndn: cn=a\r\ncn: a\r\n b\r\n\r\n", [][]string{{"cn=a", "cn=ab"}}},
		"folded":            {"dn: cn=a,\n  o=b\ndescription:a\n b\n  c\n", [][]string{{"cn=a, o=b", "description=ab c"}}},
		"folded in name":    {"dn: cn=a\ndescr\n iption: x\n", [][]string{{"cn=a", "description=x"}}},
		"folded comment":    {"dn: cn=a\n# cn: b\n  c\ncn: d\n", [][]string{{"cn=a", "cn=d"}}},
		"base64":            {"dn:: Y249w7Y=\ncn:: w7Y=\n", [][]string{{"cn=ö", "cn=ö"}}},
		"folded base64":     {"dn: cn=a\ncn:: YWJj\n ZGVm\n", [][]string{{"cn=a", "cn=abcdef"}}},
		"UTF-8 as it is":    {"dn: cn=ö\ncn: ö\n", [][]string{{"cn=ö", "cn=ö"}}},
		"byte order mark":   {"\xef\xbb\xbfdn: cn=a\n", [][]string{{"cn=a"}}},
		"empty value":       {"dn: cn=a\ncn:\nsn: \n", [][]string{{"cn=a", "cn=", "sn="}}},
		"options":           {"dn: cn=a\ncn;lang-de: A\n", [][]string{{"cn=a", "cn;lang-de=A"}}},
		"several classes":   {"dn: cn=a\nobjectClass: top\nobjectClass: person\n", [][]string{{"cn=a", "objectClass=top", "objectClass=person"}}},
		"many blank lines":  {"\n\n\ndn: cn=a\n\n\n\n\ndn: cn=b\n\n", [][]string{{"cn=a"}, {"cn=b"}}},
		"values with colon": {"dn: cn=a\ncn: b: c\nlabeledURI: http://x\n", [][]string{{"cn=a", "cn=b: c", "labeledURI=http://x"}}},
	} {
		got, err := parseLDIF([]byte(c.text))
		if diff := cmp.Diff(c.want, flat(got)); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestRFC2849_Errors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"cn: a\n", `line 1: an entry begins with "dn:"`},
		{"version: 2\n", `line 1: LDIF version "2"`},
		{"dn: cn=a\n\nversion: 1\n", "line 3: an entry begins"},
		{"dn: cn=a\ncn a\n", "line 2: \"name: value\" expected"},
		{"dn: cn=a\n\n\n# x\n y\nbad line\n", "line 6: \"name: value\" expected"},
		{"dn: cn=a\nc n: a\n", `line 2: "c n" is not the name`},
		{"dn: cn=a\n: a\n", `line 2: "" is not the name`},
		{"dn: cn=a\ncn:: ***\n", "line 2: cn:: is not base64"},
		{"dn: cn=a\njpegPhoto:< file:///etc/passwd\n", "line 2: jpegPhoto takes its value from a URL"},
		{"dn: cn=a\nchangetype: delete\n", "line 2: this is a change record"},
		{"dn: cn=a\ndn: cn=b\n", "line 2: a second dn"},
		{"dn:\ncn: a\n", "line 1: the dn is empty"},
		{" x\n", "line 1: a continuation line"},
		{"dn: cn=a\ncn: a\x00b\n", "line 2: cn holds NUL"},
		{"dn: cn=a\ncn: a\rb\n", "line 2: cn holds NUL, CR"},
		{"dn: cn=a\ncn: \xff\n", "line 2: cn holds NUL, CR or invalid UTF-8"},
		{"dn:: AA==\n", "line 1: the dn holds a control"},
		{"dn: cn=a\ncn: " + strings.Repeat("x", maxLDIFLine) + "\n", "line 2: the line is longer"},
		{"dn: cn=a\ncn: x\n" + strings.Repeat(" "+strings.Repeat("y", 1000)+"\n", 2000), "line 2: the line is longer"},
	} {
		if _, err := parseLDIF([]byte(c.text)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.60q: %v; want %s", c.text, err, c.want)
		}
	}
}

func TestSnapshotErrorsNameBothLines(t *testing.T) {
	d, err := newDirectory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	entry := func(dn, uid string) string { return "dn: " + dn + "\nobjectClass: person\nuid: " + uid + "\n\n" }
	for _, c := range []struct{ text, want string }{
		{entry("uid=a,o=x", "a") + entry("UID=A, o=X", "b"), "line 5: the entry UID=A, o=X is there already, in line 1"},
		{entry("uid=a,o=x", "a") + entry("uid=b,o=x", "A"), `line 5: the id "a" is taken already by the entry in line 1`},
		{entry("uid=a,o=x", "a") + entry("uid=b,o=x", "b:c"), "line 5: the entry uid=b,o=x has an id that is not allowed"},
	} {
		if _, err := d.newSnapshot([]byte(c.text)); err == nil || err.Error() != c.want {
			t.Errorf("%v; want %s", err, c.want)
		}
	}
}

func TestPrintLDIFLineRoundTrip(t *testing.T) {
	for _, v := range []string{"", "a", " a", "a ", ":a", "<a", "ö", "a\nb", strings.Repeat("abc ", 60) + "x", strings.Repeat("ö", 300)} {
		text := printLDIFLine("description", v)
		for line := range strings.Lines(text) {
			if len(line) > 77 {
				t.Errorf("%d octets in %q", len(line), line)
			}
		}
		got, err := parseLDIF([]byte("dn: cn=a\n" + text))
		if err != nil || got[0].attrs[0].value != v {
			t.Errorf("%q came back as %q, %v", v, flat(got), err)
		}
	}
}

func FuzzParseLDIF(f *testing.F) {
	for _, s := range []string{
		"version: 1\n\ndn: cn=a,o=b\nobjectClass: person\nuid: a\ncn:: w7Y=\n x\n\n# c\n d\ndn: cn=b\nuid: b\n",
		"dn:: Y249w7Y=\r\ncn:\r\n\r\n", " a\n", "dn: \\,=\nobjectclass: icscalendaruser\nuid:\\\n", "\xef\xbb\xbf",
		"dn: o=a\nobjectClass: inetDomain\no: a\ninetDomainSearchFilter: (&(uid=%U)(!(a=*))\n",
	} {
		f.Add([]byte(s))
	}
	d, err := newDirectory(Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		records, err := parseLDIF(data)
		if err != nil {
			return
		}
		var text strings.Builder
		at := 0
		for _, r := range records {
			if r.start < at || r.end < r.start || r.end > len(data) {
				t.Fatalf("record from %d to %d after %d", r.start, r.end, at)
			}
			at = r.end
			text.WriteString(printLDIFLine("dn", r.dn))
			for _, l := range r.attrs {
				text.WriteString(printLDIFLine(l.name, l.value))
			}
			text.WriteByte('\n')
		}
		again, err := parseLDIF([]byte(text.String()))
		if diff := cmp.Diff(flat(records), flat(again)); err != nil || diff != "" {
			t.Fatalf("parse(print(x)): %v\n%s\n%s", err, text.String(), diff)
		}
		if sn, err := d.newSnapshot(data); err == nil {
			for _, e := range sn.entries {
				d.basic(e, sn.ds)
			}
		}
	})
}
