package dav

import (
	"slices"
	"strings"
	"testing"
)

// checkFragment holds a fragment against the element it was made from: the
// same tokens, and a fragment of the fragment is the same text.
func checkFragment(t *testing.T, root *Node) {
	t.Helper()
	for _, n := range []*Node{root, root.FirstChild(), root.FirstChild().FirstChild()} {
		if n == nil {
			continue
		}
		frag := n.Fragment()
		// Within other namespaces, as in a multistatus.
		again, err := Parse(`<D:prop xmlns:D="DAV:" xmlns:X="x">`+frag+`</D:prop>`, boundless)
		if err != nil {
			t.Fatalf("fragment %q: %v", frag, err)
		}
		sameTree(t, n, again.FirstChild(), n)
		if again, err = Parse(frag, boundless); err != nil {
			t.Fatalf("fragment %q alone: %v", frag, err)
		}
		if second := again.Fragment(); second != frag {
			t.Fatalf("fragment %q becomes %q", frag, second)
		}
	}
}

func sameTree(t *testing.T, a, b, top *Node) {
	t.Helper()
	attrs := func(n *Node) []string {
		var list []string
		for _, at := range n.Attrs {
			if n == a && a == top || at.Name != (Name{NSXML, "lang"}) {
				list = append(list, at.Name.String()+"="+at.Value)
			}
		}
		slices.Sort(list)
		return slices.DeleteFunc(list, func(s string) bool { return strings.HasPrefix(s, "{"+NSXML+"}lang=") })
	}
	if b == nil || a.Name != b.Name || a.Text != b.Text || a.Lang != b.Lang || !slices.Equal(attrs(a), attrs(b)) {
		t.Fatalf("%+v became %+v", a, b)
	}
	x, y := a.FirstChild(), b.FirstChild()
	for ; x != nil; x, y = x.Next(), y.Next() {
		sameTree(t, x, y, top)
	}
	if y != nil {
		t.Fatalf("an element more: %v", y.Name)
	}
}

func TestNode(t *testing.T) {
	root, err := Parse(`<a xmlns="u" k="v" xml:lang="en">
	  <b>one<!-- --> two<![CDATA[ & three]]></b> <c xml:lang="de"><d>
	    x
	  </d></c>
	</a>`, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	b, c := root.Child(Name{"u", "b"}), root.Child(Name{"u", "c"})
	if b.Text != "one two & three" {
		t.Errorf("text in pieces: %q", b.Text)
	}
	d := c.Child(Name{"u", "d"})
	if d.TrimText() != "x" || d.Lang != "de" || b.Lang != "en" {
		t.Errorf("d %q in %q, b in %q", d.Text, d.Lang, b.Lang)
	}
	if v, ok := root.Attr("k"); v != "v" || !ok {
		t.Errorf("attribute: %q, %v", v, ok)
	}
	if _, ok := root.Attr("lang"); ok {
		t.Error("an attribute of another namespace was taken")
	}
	var none *Node
	if none.Child(D("x")).FirstChild().Next().TrimText() != "" {
		t.Error("a nil Node has text")
	}
	for range none.Children() {
		t.Error("a nil Node has children")
	}
	names := ""
	for n := range root.Children() {
		names += n.Name.Local
	}
	if names != "bc" {
		t.Errorf("children %q", names)
	}
}

func TestRFC4918_4_3_DeadProperties(t *testing.T) {
	for _, tc := range []struct{ name, src, want string }{
		{"empty", `<R:title xmlns:R="http://www.example.com/ns/"></R:title>`,
			`<R:title xmlns:R="http://www.example.com/ns/"></R:title>`},
		{"prefix from outside", `<D:prop xmlns:D="DAV:" xmlns:x="u" xmlns:y="v"><x:a><x:b/></x:a></D:prop>`,
			`<x:a xmlns:x="u"><x:b/></x:a>`},
		{"default from outside", `<prop xmlns="DAV:"><a xmlns:p="u" p:k="1"/></prop>`,
			`<a xmlns:p="u" xmlns="DAV:" p:k="1"/>`},
		{"no namespace", `<D:prop xmlns:D="DAV:"><nonamespace xmlns="">x</nonamespace></D:prop>`,
			`<nonamespace xmlns="">x</nonamespace>`},
		{"default taken back", `<D:prop xmlns:D="DAV:" xmlns="u"><a xmlns=""/></D:prop>`, `<a xmlns=""/>`},
		{"hidden prefix", `<p:a xmlns:p="u"><p:b xmlns:p="v"/></p:a>`, `<p:b xmlns:p="v"/>`},
		{"names in text", `<D:p xmlns:D="DAV:" xmlns:xs="u"><D:a>xs:string</D:a></D:p>`,
			`<D:a xmlns:D="DAV:" xmlns:xs="u">xs:string</D:a>`},
		{"xml:lang in scope", `<D:prop xml:lang="en" xmlns:D="DAV:"><D:a/></D:prop>`, `<D:a xmlns:D="DAV:" xml:lang="en"/>`},
		{"its own xml:lang", `<D:prop xml:lang="en" xmlns:D="DAV:"><D:a xml:lang="de"/></D:prop>`, `<D:a xmlns:D="DAV:" xml:lang="de"/>`},
		{"blanks, comments, CDATA", "<p><a> 1 <!-- c --><?pi?>\n<![CDATA[<RFC2518>]]>&#13;</a></p>",
			"<a> 1 \n&lt;RFC2518&gt;&#13;</a>"},
		{"attribute values", `<p><a b='"&#10;&lt;' c="&apos;&amp;"/></p>`, `<a b="&quot;&#10;&lt;" c="'&amp;"/>`},
		{"high Unicode", "<p><a>\U00010000</a></p>", "<a>\U00010000</a>"},
	} {
		root, err := Parse(tc.src, Limits{})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		n := root.FirstChild()
		if n == nil {
			n = root
		}
		if got := n.Fragment(); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
		checkFragment(t, root)
	}
}

// TestParseKeepsLimits holds each element and attribute, declarations among
// them, against the limit.
func TestParseKeepsLimits(t *testing.T) {
	src := `<a xmlns:x="u">` + strings.Repeat(`<b xmlns:x="v">text</b>`, 20) + `</a>`
	for n := 1; n < 50; n++ {
		if _, err := Parse(src, Limits{Nodes: n}); (err == nil) != (n >= 42) {
			t.Errorf("42 elements and attributes within a limit of %d: %v", n, err)
		}
	}
	for n := 1; n < 8; n++ {
		if _, err := Parse(`<a><b>1</b><b>2</b><b>34567</b></a>`, Limits{Text: n}); (err == nil) != (n >= 5) {
			t.Errorf("a text of 5 within a limit of %d: %v", n, err)
		}
	}
}
