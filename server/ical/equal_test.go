package ical

import "testing"

func TestEqual(t *testing.T) {
	const base = "A;X=1;Y=2:v\nB:1\nB:2\nBEGIN:C\nEND:C\nBEGIN:D\nE:1\nEND:D\nBEGIN:D\nE:2\nEND:D\n"
	a := mustParse(t, cal(base))
	for name, body := range map[string]string{
		"itself":                base,
		"order of names":        "B:1\nA;X=1;Y=2:v\nB:2\nBEGIN:C\nEND:C\nBEGIN:D\nE:1\nEND:D\nBEGIN:D\nE:2\nEND:D\n",
		"order of parameters":   "A;Y=2;X=1:v\nB:1\nB:2\nBEGIN:C\nEND:C\nBEGIN:D\nE:1\nEND:D\nBEGIN:D\nE:2\nEND:D\n",
		"order among component": "A;X=1;Y=2:v\nB:1\nB:2\nBEGIN:D\nE:1\nEND:D\nBEGIN:C\nEND:C\nBEGIN:D\nE:2\nEND:D\n",
		"quotes and folds":      "A;X=\"1\";Y=2:\n v\nB:1\nB:2\nBEGIN:C\nEND:C\nBEGIN:D\nE:1\nEND:D\nBEGIN:D\nE:2\nEND:D\n",
	} {
		b := mustParse(t, cal(body))
		if !Equal(a, b) || Diff(a, b) != "" {
			t.Errorf("%s:\n%s", name, Diff(a, b))
		}
	}
	for name, tc := range map[string]struct{ body, diff string }{
		"value":      {"A;X=1;Y=2:w\nB:1\nB:2\nBEGIN:C\nEND:C\nBEGIN:D\nE:1\nEND:D\nBEGIN:D\nE:2\nEND:D\n", "- VCALENDAR A;X=1;Y=2:v\n+ VCALENDAR A;X=1;Y=2:w\n"},
		"parameter":  {"A;X=1:v\nB:1\nB:2\nBEGIN:C\nEND:C\nBEGIN:D\nE:1\nEND:D\nBEGIN:D\nE:2\nEND:D\n", "- VCALENDAR A;X=1;Y=2:v\n+ VCALENDAR A;X=1:v\n"},
		"one less":   {"A;X=1;Y=2:v\nB:1\nBEGIN:C\nEND:C\nBEGIN:D\nE:1\nEND:D\nBEGIN:D\nE:2\nEND:D\n", "- VCALENDAR B:2\n"},
		"one more":   {base + "BEGIN:F\nEND:F\n", "+ VCALENDAR F \n"},
		"order":      {"A;X=1;Y=2:v\nB:2\nB:1\nBEGIN:C\nEND:C\nBEGIN:D\nE:1\nEND:D\nBEGIN:D\nE:2\nEND:D\n", "the same lines in another order\n"},
		"components": {"A;X=1;Y=2:v\nB:1\nB:2\nBEGIN:C\nEND:C\nBEGIN:D\nE:2\nEND:D\nBEGIN:D\nE:1\nEND:D\n", "the same lines in another order\n"},
	} {
		b := mustParse(t, cal(tc.body))
		if Equal(a, b) || Equal(b, a) {
			t.Errorf("%s: equal", name)
		}
		if got := Diff(a, b); got != tc.diff {
			t.Errorf("%s: %q", name, got)
		}
	}
	if Equal(a, nil) || Equal(nil, a) || !Equal(nil, nil) || Diff(a, nil) == "" {
		t.Error("nil is only equal to nil")
	}
	x, y := New("X"), New("X")
	x.Props = []Property{{Name: "A", Params: []Param{{Name: "EMPTY"}}}}
	y.Props = []Property{{Name: "A"}}
	if !Equal(x, y) {
		t.Error("a parameter without values counts")
	}
}
