package dav

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// slowTree is what Parse does without its short way for lists: a token at a
// time.
func slowTree(src string, lim Limits) (*Node, error) {
	b := new(builder)
	b.t.reset(src, lim)
	b.src = &src
	for {
		tok, err := b.t.Next()
		if err == io.EOF {
			return b.root, nil
		}
		if err != nil {
			return nil, err
		}
		switch tok.Kind {
		case StartElement:
			b.startElement(tok)
			b.leaf.start = tok.end
		case EndElement:
			b.endElement(tok)
		case CharData:
			if err := b.charData(tok.Text); err != nil {
				return nil, err
			}
		}
	}
}

// bothTrees holds Parse against slowTree.
func bothTrees(t *testing.T, src string, lim Limits) {
	t.Helper()
	got, err := Parse(src, lim)
	want, wantErr := slowTree(src, lim)
	if wantErr != nil || err != nil {
		var a, b *Error
		if !errors.As(err, &a) || !errors.As(wantErr, &b) || a.Error() != b.Error() {
			t.Fatalf("%q: %v, token by token %v", src, err, wantErr)
		}
		return
	}
	equalTrees(t, got, want)
}

func equalTrees(t *testing.T, a, b *Node) {
	t.Helper()
	for ; a != nil && b != nil; a, b = a.Next(), b.Next() {
		if a.Name != b.Name || a.Text != b.Text || a.Lang != b.Lang || a.start != b.start || a.end != b.end ||
			fmt.Sprint(a.Attrs) != fmt.Sprint(b.Attrs) || a.Fragment() != b.Fragment() {
			t.Fatalf("%s %q %d–%d, token by token %s %q %d–%d", a.Name, a.Text, a.start, a.end, b.Name, b.Text, b.start, b.end)
		}
		equalTrees(t, a.FirstChild(), b.FirstChild())
	}
	if (a == nil) != (b == nil) {
		t.Fatalf("one more or less: %v, %v", a, b)
	}
}

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

func TestListsReadAsTheirTokens(t *testing.T) {
	for _, src := range lists {
		bothTrees(t, src, Limits{})
	}
	bothTrees(t, multiget(700), Limits{})
}

// TestListsKeepLimits cuts a list at each limit at the same place.
func TestListsKeepLimits(t *testing.T) {
	src := `<a xmlns:x="u">` + strings.Repeat(`<b xmlns:x="v">text</b>`, 20) + `</a>`
	for n := 1; n < 50; n++ {
		bothTrees(t, src, Limits{Nodes: n})
	}
	for n := 1; n < 8; n++ {
		bothTrees(t, `<a><b>1</b><b>2</b><b>34567</b></a>`, Limits{Text: n})
	}
	if _, err := Parse(src, Limits{Nodes: 41}); err == nil {
		t.Error("42 elements and attributes within a limit of 41")
	}
	if _, err := Parse(src, Limits{Nodes: 42}); err != nil {
		t.Error(err)
	}
}

// FuzzParse compares the short way for lists with reading token by token.
func FuzzParse(f *testing.F) {
	for _, src := range lists {
		f.Add(src)
	}
	f.Add(propfindBody)
	f.Add(multiget(3))
	f.Fuzz(func(t *testing.T, src string) {
		if len(src) > 4096 {
			return
		}
		bothTrees(t, src, Limits{Nodes: 40, Text: 60, Depth: 8})
	})
}
