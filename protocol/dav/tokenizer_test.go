package dav

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// flatten prints the tokens of a document one by one, runs of text joined.
func flatten(src string, lim Limits) ([]string, error) {
	var out []string
	text := ""
	t := NewTokenizer(src, lim)
	for {
		tok, err := t.Next()
		if tok.Kind != CharData && text != "" {
			out, text = append(out, "text "+text), ""
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		switch tok.Kind {
		case StartElement:
			s := "start " + tok.Name.String()
			var attrs []string
			for _, a := range tok.Attrs {
				attrs = append(attrs, " "+a.Name.String()+"="+a.Value)
			}
			slices.Sort(attrs)
			out = append(out, s+strings.Join(attrs, ""))
		case EndElement:
			out = append(out, "end "+tok.Name.String())
		case CharData:
			text += tok.Text
		}
	}
}

func TestXML_Tokens(t *testing.T) {
	for _, tc := range []struct {
		name, src string
		want      []string
	}{
		{"XML 1.0 §2.8 declaration and mark", "\uFEFF<?xml version='1.0' encoding = \"UTF-8\" standalone='no' ?>\n<a/>\n",
			[]string{"start a", "end a"}},
		{"§2.4 references", "<a>&lt;&amp;&#65;&#x42;&gt;&quot;&apos;</a>", []string{"start a", `text <&AB>"'`, "end a"}},
		{"§2.7 CDATA", "<a>x<![CDATA[<&]]]>y]</a>", []string{"start a", "text x<&]y]", "end a"}},
		{"§2.5 comments, §2.6 instructions", "<!-- a --><?pi x?><a>1<!-- - -->2<?q?>3</a><!---->", []string{"start a", "text 123", "end a"}},
		{"§2.11 line ends", "<a>1\r\n2\r3\n4&#13;<![CDATA[\r\n]]></a>", []string{"start a", "text 1\n2\n3\n4\r\n", "end a"}},
		{"§3.3.3 attribute values", "<a b='1\r\n2\t3&#9;&quot;' c=\"'\"/>", []string{"start a b=1 2 3\t\" c='", "end a"}},
		{"Names §6.1 scope", `<p:a xmlns:p="u"><p:b xmlns:p="v"/><p:c/></p:a>`,
			[]string{"start {u}a", "start {v}b", "end {v}b", "start {u}c", "end {u}c", "end {u}a"}},
		{"Names §6.2 default", `<a xmlns="u" b="1"><c xmlns=""/><d/></a>`,
			[]string{"start {u}a b=1", "start c", "end c", "start {u}d", "end {u}d", "end {u}a"}},
		{"Names §6.2 declared after its use", `<p:a p:b="1" xmlns:p="u"/>`, []string{"start {u}a {u}b=1", "end {u}a"}},
		{"Names §3 xml", `<a xml:lang="de"/>`, []string{"start a {http://www.w3.org/XML/1998/namespace}lang=de", "end a"}},
		{"§2.3 names beyond ASCII", "<é\u0300·><x.-1/></é\u0300·>", []string{"start é\u0300·", "start x.-1", "end x.-1", "end é\u0300·"}},
		{"blanks in tags", "<a\n b = '1'\t></a\n>", []string{"start a b=1", "end a"}},
	} {
		got, err := flatten(tc.src, Limits{})
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q, %v; want %q", tc.name, got, err, tc.want)
		}
	}
}

func TestXML_Refused(t *testing.T) {
	for name, src := range map[string]string{
		"empty":                   "",
		"only blanks":             " \n",
		"only text":               "abc",
		"only a comment":          "<!-- -->",
		"unclosed":                "<a><b></b>",
		"crossed":                 "<a><b></a></b>",
		"longer end tag":          "<a></ab>",
		"second root":             "<a/><b/>",
		"text after the root":     "<a/>x",
		"CDATA before the root":   "<![CDATA[ ]]><a/>",
		"end tag first":           "</a>",
		"bare <":                  "<a>1 < 2</a>",
		"bare &":                  "<a>1 & 2</a>",
		"bare ]]>":                "<a>]]></a>",
		"unknown entity":          "<a>&nbsp;</a>",
		"reference to NUL":        "<a>&#0;</a>",
		"reference to a control":  "<a>&#x1F;</a>",
		"reference to surrogate":  "<a>&#xD800;</a>",
		"reference beyond":        "<a>&#x110000;</a>",
		"signed reference":        "<a>&#+65;</a>",
		"underscored reference":   "<a>&#x4_1;</a>",
		"upper-case X":            "<a>&#X41;</a>",
		"empty reference":         "<a>&#;</a>",
		"unclosed reference":      "<a>&amp</a>",
		"NUL":                     "<a>\x00</a>",
		"control character":       "<a>\x0B</a>",
		"U+FFFE":                  "<a>\uFFFE</a>",
		"surrogate in UTF-8":      "<a>\xED\xA0\x80</a>",
		"overlong UTF-8":          "<a>\xC0\xAF</a>",
		"cut UTF-8":               "<a>\xE2\x82</a>",
		"Latin-1":                 "<a>caf\xE9</a>",
		"control in a comment":    "<!-- \x01 --><a/>",
		"-- in a comment":         "<!-- a -- b --><a/>",
		"comment ends in --->":    "<!-- a ---><a/>",
		"unclosed comment":        "<!-- a <a/>",
		"unclosed CDATA":          "<a><![CDATA[ </a>",
		"unclosed instruction":    "<?x <a/>",
		"nameless instruction":    "<? x?><a/>",
		"late XML declaration":    " <?xml version='1.0'?><a/>",
		"declaration without ":    "<?xml encoding='utf-8'?><a/>",
		"declaration in disorder": "<?xml encoding='utf-8' version='1.0'?><a/>",
		"XML 1.1":                 "<?xml version='1.1'?><a/>",
		"declaration, standalone": "<?xml version='1.0' standalone='maybe'?><a/>",
		"declaration, no value":   "<?xml version?><a/>",
		"declaration, no quote":   "<?xml version=1.0?><a/>",
		"declaration, open quote": "<?xml version='1.0?><a/>",
		"declaration, no gap":     "<?xml version='1.0'encoding='utf-8'?><a/>",
		"declaration, unknown":    "<?xml version='1.0' x='y'?><a/>",
		"empty declaration":       "<?xml ?><a/>",
		"endless declaration":     "<?xml version='1.0'",
		"end of the attribute":    "<a b='1></a>",
		"attribute without value": "<a b/>",
		"attribute without quote": "<a b=1/>",
		"attribute twice":         "<a b='1' b='2'/>",
		"attribute twice, by two": "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>",
		"attributes without gap":  "<a b='1'c='2'/>",
		"< in an attribute":       "<a b='<'/>",
		"< after & in attribute":  "<a b='&amp;<'/>",
		"undeclared prefix":       "<p:a/>",
		"undeclared, attribute":   "<a p:b='1'/>",
		"prefix declared empty":   "<a xmlns:p=''/>",
		"prefix declared twice":   "<a xmlns:p='u' xmlns:p='v'/>",
		"prefix xml elsewhere":    "<a xmlns:xml='u'/>",
		"namespace of xml":        "<a xmlns:p='" + NSXML + "'/>",
		"namespace of xmlns":      "<a xmlns:p='" + nsXMLNS + "'/>",
		"prefix xmlns":            "<a xmlns:xmlns='u'/>",
		"two colons":              "<a:b:c xmlns:a='u'/>",
		"colon first":             "<:a/>",
		"colon last":              "<a: xmlns:a='u'/>",
		"digit first":             "<1a/>",
		"blank first":             "< a/>",
		"end tag of other prefix": "<p:a xmlns:p='u' xmlns:q='u'></q:a>",
		"cut in a tag":            "<a b='1'",
		"cut in a name":           "<a",
		"lone <":                  "<",
		"wrong markup":            "<a><!ELEMENT a ANY></a>",
		"internal DTD":            "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
	} {
		var e *Error
		if _, err := flatten(src, Limits{}); !errors.As(err, &e) || e.Status != http.StatusBadRequest {
			t.Errorf("%s: %q gives %v, want 400", name, src, err)
		}
	}
}

func TestXML_2_3_Names(t *testing.T) {
	for r, kind := range map[rune]string{
		'é': "start", 'Ω': "start", 'я': "start", '漢': "start", '\u200C': "start", 'Ⅷ': "start", '\U00010000': "start",
		'\uF900': "start", '\uFDF0': "start", 'ⰰ': "start", '·': "char", '\u0300': "char", '‿': "char",
		'×': "none", '÷': "none", '\u037E': "none", '‐': "none", '\u3000': "none", '\uE000': "none", '\u00A0': "none",
		'\uFDD0': "none", '\U000F0000': "none",
	} {
		_, first := flatten("<"+string(r)+"/>", Limits{})
		_, later := flatten("<a"+string(r)+"/>", Limits{})
		if (first == nil) != (kind == "start") || (later == nil) != (kind != "none") {
			t.Errorf("%U: %v, %v; want %s", r, first, later, kind)
		}
	}
}

func TestRFC4918_20_6_Entities(t *testing.T) {
	lol := "<!DOCTYPE lolz [<!ENTITY a0 'lol'>"
	for c := 'b'; c <= 'k'; c++ {
		p := string(c - 1)
		lol += "<!ENTITY " + string(c) + "0 '" + strings.Repeat("&"+p+"0;", 10) + "'>"
	}
	for name, tc := range map[string]struct {
		src    string
		status int
		cond   string
	}{
		"billion laughs":  {lol + "]><a>&k0;</a>", 400, ""},
		"external":        {`<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>`, 403, "no-external-entities"},
		"external subset": {`<?xml version="1.0"?><!DOCTYPE a PUBLIC "x" "http://example.com/x.dtd"><a/>`, 403, "no-external-entities"},
		"parameter":       {`<!DOCTYPE a [<!ENTITY % x SYSTEM "http://example.com/"> %x;]><a/>`, 403, "no-external-entities"},
	} {
		var e *Error
		_, err := Parse(tc.src, Limits{})
		if !errors.As(err, &e) || e.Status != tc.status || e.Condition.Name.Local != tc.cond {
			t.Errorf("%s: %v, want %d %s", name, err, tc.status, tc.cond)
		}
	}
}

func TestLimits(t *testing.T) {
	deep := strings.Repeat("<a>", 100_000)
	var decls strings.Builder
	for i := range 65 {
		if i%20 == 0 {
			decls.WriteString("<a")
		}
		decls.WriteString(" xmlns:p" + strings.Repeat("q", i) + "='u'")
		if i%20 == 19 {
			decls.WriteString(">")
		}
	}
	for name, tc := range map[string]struct {
		src    string
		status int
	}{
		"depth":          {deep, 413},
		"elements":       {"<a>" + strings.Repeat("<b/>", 140_000) + "</a>", 413},
		"attributes":     {"<a" + strings.Repeat(" b='1'", 40) + "/>", 413},
		"nodes":          {"<a>" + strings.Repeat("<b c='' d='' e='' f=''/>", 28_000) + "</a>", 413},
		"bytes":          {"<a>" + strings.Repeat(" ", 4<<20) + "</a>", 413},
		"text":           {"<a>" + strings.Repeat("x", 1<<20+1) + "</a>", 413},
		"text in pieces": {"<a>" + strings.Repeat("x<!---->", 4<<20/8-10) + "</a>", 0},
		"100,000 hrefs":  {multiget(100_000), 413},
		"50,000 hrefs":   {strings.ReplaceAll(multiget(50_000), ` xmlns:A="DAV:">/dav/calendars/anna/calendar`, ` xmlns:A="DAV:">/`), 0},
		"name":           {"<" + strings.Repeat("x", 257) + "/>", 413},
		"namespace":      {"<a xmlns='" + strings.Repeat("x", 513) + "'/>", 413},
		"namespaces":     {decls.String() + "/>", 413},
		"UTF-16":         {"\xFF\xFE<\x00a\x00/\x00>\x00", 415},
		"UTF-16 unmarked": {
			"\x00<\x00a\x00/\x00>", 415},
		"declared Latin-1": {"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xE9</a>", 415},
	} {
		_, err := Parse(tc.src, Limits{})
		var e *Error
		if tc.status == 0 && err != nil || tc.status != 0 && (!errors.As(err, &e) || e.Status != tc.status) {
			t.Errorf("%s: %v, want %d", name, err, tc.status)
		}
	}
}

// theirs prints the tokens that encoding/xml sees, in the form of flatten.
func theirs(src string) ([]string, error) {
	d := xml.NewDecoder(strings.NewReader(src))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	var out []string
	text, depth := "", 0
	name := func(n xml.Name) string { return Name{n.Space, n.Local}.String() }
	for {
		tok, err := d.Token()
		switch tok := tok.(type) {
		case xml.CharData:
			if depth > 0 {
				text += string(tok)
			}
			continue
		case xml.Comment, xml.ProcInst, xml.Directive:
			continue
		case xml.StartElement:
			if text != "" {
				out, text = append(out, "text "+text), ""
			}
			depth++
			var attrs []string
			for _, a := range tok.Attr {
				if a.Name.Space != "xmlns" && a.Name != (xml.Name{Local: "xmlns"}) {
					attrs = append(attrs, " "+name(a.Name)+"="+a.Value)
				}
			}
			slices.Sort(attrs)
			out = append(out, "start "+name(tok.Name)+strings.Join(attrs, ""))
		case xml.EndElement:
			if text != "" {
				out, text = append(out, "text "+text), ""
			}
			depth--
			out = append(out, "end "+name(tok.Name))
		}
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
	}
}

// lists are elements one after the other that differ little, as a multiget has.
var lists = []string{
	`<a><b>1</b><b>2</b><b>3</b></a>`,
	"<a>\n  <b>1</b>\n  <b>2</b>\n  <c>3</c>\n <b>4</b></a>",
	"<a><b>1</b>\r\n<b>2</b><b>3\r4</b></a>",
	`<a><b>1</b><b>2&amp;3</b><b>&#13;</b><b>]]></b></a>`,
	`<a><b>1</b><b>2]</b><b>]]&gt;</b></a>`,
	`<a><b>1</b><b>2<c/></b><b>3</b></a>`,
	`<a><b>1</b><b>2<!-- 3 -->4</b><b><![CDATA[5]]></b><b>6</b></a>`,
	`<a><b>1</b><b>2</b >text<b>3</b></a>`,
	`<a><b>1</b><b>2</b>`,
	`<a><b>1</b><b>2</b></a><b>3</b>`,
	`<a><b>1</b><b>2</a></b>`,
	`<a><b>1</b><b>2`,
	`<b>1</b><b>2</b>`,
	`<a><b/><b/><b></b><b></b><b/></a>`,
	`<a><b><b>1</b><b>2</b></b><b>3</b><b>4</b></a>`,
	`<a xmlns="u"><b xmlns="v">1</b><b xmlns="v">2</b><b>3</b><b>4</b></a>`,
	`<x:a xmlns:x="u" xml:lang="en"><x:b>1</x:b><x:b>2</x:b><x:c xmlns:x="w"><x:b>3</x:b><x:b>4</x:b></x:c><x:b>5</x:b></x:a>`,
	`<a><b k="1">1</b><b k="1">2</b><b k="2">3</b></a>`,
	`<a><b xml:lang="de">1</b><b xml:lang="de">2</b></a>`,
	`<a><x:b xmlns:x="u">1</x:b><x:b>2</x:b></a>`,
	`<a><b>1</b><bb>2</bb><b >3</b ><b >4</b ></a>`,
	`<a><b>1</b><!-- x --><b>2</b><?x?><b>3</b></a>`,
}

// FuzzTokenizer compares with encoding/xml: what we accept, it accepts too
// and reads the same. The reverse does not hold: it takes document types,
// undeclared prefixes, several roots and more.
func FuzzTokenizer(f *testing.F) {
	for _, s := range []string{
		multiget(3), propfindBody,
		"<?xml version='1.0' encoding='utf-8'?><a xmlns='u' xmlns:p='v' p:b='1&#10;'>t<![CDATA[<]]>&amp;\r\n<!-- c --><?pi?></a>",
		"<é/>", "<!DOCTYPE a><a/>", "<a:b xmlns:a=''/>", "<a xml:lang='x'/>", "\uFEFF<a>\uFFFD</a>",
		"<b:a xmlns:b='\n'></b:a>",
	} {
		f.Add(s)
	}
	for _, s := range lists {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		got, err := flatten(src, Limits{})
		root, perr := Parse(src, Limits{})
		if err != nil {
			if perr == nil {
				t.Fatalf("Parse accepts what the Tokenizer refuses: %v", err)
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error without a status: %v", err)
			}
			return
		}
		want, err := theirs(src)
		if err != nil {
			// Its tables of names are those of an older edition.
			if strings.ContainsFunc(src, func(r rune) bool { return r >= 0x80 }) {
				return
			}
			t.Fatalf("we accept %q, encoding/xml: %v", src, err)
		}
		// encoding/xml does not normalise blanks in attributes (XML 1.0 §3.3.3),
		// and so not in the names of namespaces, which an end carries too.
		for _, list := range [][]string{got, want} {
			for i, s := range list {
				if strings.HasPrefix(s, "start ") || strings.HasPrefix(s, "end ") {
					list[i] = strings.NewReplacer("\n", " ", "\t", " ", "\r", " ").Replace(s)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q\nours   %q\ntheirs %q", src, got, want)
		}
		checkFragment(t, root)
	})
}
