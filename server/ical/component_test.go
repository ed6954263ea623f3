package ical

import (
	"slices"
	"strings"
	"testing"
)

func TestSet(t *testing.T) {
	c := mustParse(t, cal("A:1\nB:1\nA:2\nC:1\nA:3\n"))
	c.Set("a", "new", Param{"X", []string{"y"}})
	c.Set("D", "4")
	c.SetText("B", "x;y")
	if got, want := string(c.Bytes()), string(cal("A;X=y:new\nB:x\\;y\nC:1\nD:4\n")); got != want {
		t.Errorf("%q", got)
	}
	if c.Text("B") != "x;y" || c.Value("B") != `x\;y` || c.Value("NONE") != "" || c.Count("A") != 1 {
		t.Error("accessors disagree with Set")
	}
	c.Del("A")
	c.Del("NONE")
	if c.Prop("A") != nil || len(c.Props) != 3 {
		t.Errorf("%v", c.Props)
	}
}

func TestAllMayChange(t *testing.T) {
	c := mustParse(t, cal("A:1\nB:1\nA:2\n"))
	for p := range c.All("A") {
		p.Value += "0"
	}
	if got := string(c.Bytes()); got != string(cal("A:10\nB:1\nA:20\n")) {
		t.Errorf("%q", got)
	}
	for range c.All("A") {
		break
	}
}

func TestSetParam(t *testing.T) {
	p := oneProp(t, "X;A=1;B=2;A=3;C=4:v")
	p.SetParam("a", "5", "6")
	p.SetParam("D", "7")
	p.DelParam("B")
	p.DelParam("NONE")
	if got := string(p.Append(nil)); got != "X;A=5,6;C=4;D=7:v\r\n" {
		t.Errorf("%q", got)
	}
	if p.Param("A") != "5" || p.Param("B") != "" || !p.HasParam("D") || p.HasParam("B") ||
		!slices.Equal(p.ParamValues("A"), []string{"5", "6"}) {
		t.Error("accessors disagree with SetParam")
	}
}

func TestWalkAndChildren(t *testing.T) {
	c := mustParse(t, cal("BEGIN:A\nBEGIN:B\nEND:B\nEND:A\nBEGIN:C\nBEGIN:D\nEND:D\nEND:C\nBEGIN:A\nEND:A\n"))
	var seen []string
	c.Walk(func(k *Component) bool {
		seen = append(seen, k.Name)
		return k.Name != "C"
	})
	if got := strings.Join(seen, " "); got != "VCALENDAR A B C A" {
		t.Error(got)
	}
	n := 0
	for range c.ChildrenOf("A") {
		n++
	}
	if n != 2 || c.Child("C") != c.Children[1] || c.Child("NONE") != nil {
		t.Error("children are not found")
	}
}

func TestClone(t *testing.T) {
	a := mustParse(t, benchEvent)
	b := a.Clone()
	if d := Diff(a, b); d != "" {
		t.Fatal(d)
	}
	before := string(a.Bytes())
	b.Walk(func(c *Component) bool {
		c.Name += "X"
		for i := range c.Props {
			c.Props[i].Value = "changed"
			c.Props[i].SetParam("TZID", "changed")
			c.Props[i].DelParam("CN")
			c.Props[i].Params = append(c.Props[i].Params, Param{Name: "X-NEW", Values: []string{"1"}})
		}
		return true
	})
	if string(a.Bytes()) != before {
		t.Error("a change of the copy changed the original")
	}
	if (*Component)(nil).Clone() != nil {
		t.Error("the copy of nothing is something")
	}
}

func TestNewCalendar(t *testing.T) {
	if got := string(NewCalendar("-//A, B//EN").Bytes()); got != string(cal("VERSION:2.0\nPRODID:-//A\\, B//EN\n")) {
		t.Errorf("%q", got)
	}
}
