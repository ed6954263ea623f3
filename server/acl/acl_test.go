package acl

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var (
	anna  = Requester{User: "anna", Domain: "sesta.com"}
	bob   = Requester{User: "bob@sesta.com", Groups: []string{"staff"}}
	other = Requester{User: "bob", Domain: "siroe.com"}
	anon  = Requester{}
	owned = Owners{Primary: "anna", Others: []string{"carl"}, Domain: "sesta.com"}
	carl  = Requester{User: "Carl", Domain: "SESTA.com"}
)

func TestWCAP_4_1_Parse(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		";; ;":                          "",
		DefaultCalendar:                 "@@o^a^r^g;@@o^c^wdeic^g;@^a^sf^g;@^c^^g;@^p^r^g",
		DefaultOwner:                    DefaultOwner,
		"@@o^c^WDEIC^g;@@O^A^FRS^G":     "@@o^c^wdeic^g;@@o^a^rsf^g",
		" john ^ a ^ r ^ g ; b^c^wd^d;": "john^a^r^g;b^c^wd^d",
		"lucy^a^frs^;bob^a^r^g":         "bob^a^r^g", // the grant is missing: no entry
		"lucy^a^frs":                    "",
		"@sesta.com^a^sfr^g;@@d^a^l^g;@@p^p^z^d;@@n^a^r^d;@@a^a^r^g": "@sesta.com^a^rsf^g;@@d^a^l^g;@@p^p^z^d;@@n^a^r^d;@@a^a^r^g",
		"jürgen@sesta.com^a^rr^g":                                    "jürgen@sesta.com^a^r^g",
	} {
		l, err := Parse(in)
		if err != nil || l.String() != want {
			t.Errorf("Parse(%q) = %q, %v; want %q", in, l, err, want)
		}
	}
}

func TestWCAP_4_1_ParseRefuses(t *testing.T) {
	for _, in := range []string{
		"bob", "bob^a", "^a^r^g", "bob^x^r^g", "bob^^r^g", "bob^a^rq^g", "bob^a^r^y", "bob^a^r^g^g",
		"@@^a^r^g", "@@x^a^r^g", "bo\rb^a^r^g", "bob\n^a^r^g", "bob\x00^a^r^g", "bob^a^r^g\x7f", "bob\xff^a^r^g",
		"bob^a^r\r\n^g", strings.Repeat("x", MaxName+1) + "^a^r^g",
		strings.Repeat("b^a^r^g;", MaxEntries+1), strings.Repeat(";", MaxLength+1),
	} {
		l, err := Parse(in)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("Parse(%.40q) = %q, %v; want a syntax error", in, l, err)
		}
	}
	if _, err := Parse("a^a^r^g;b^x^r^g"); err == nil || err.Error() != "access control list: entry 2: what is one of c, p, a" {
		t.Errorf("got %v", err)
	}
}

func TestWCAP_4_2_Evaluation(t *testing.T) {
	for _, tc := range []struct {
		list   string
		who    Requester
		what   What
		rights Rights
		want   bool
	}{
		{"", anna, Whole, AllRights, true}, // the primary owner is not checked
		{"@@p^a^rwdsfleicz^d", anna, Whole, AllRights, true},
		{"", bob, Components, Read, false}, // nothing decides: denied
		{"", anon, Components, FreeBusy, false},
		{"bob^a^r^g", bob, Whole, Read, true},
		{"BOB^a^r^g", bob, Whole, Read, true},
		{"bob@sesta.com^a^r^g", bob, Whole, Read, true},
		{"bob@siroe.com^a^r^g", bob, Whole, Read, false},
		{"bob^a^r^g", other, Whole, Read, false}, // a bare name is of the owner's domain
		{"bob@siroe.com^a^r^g", other, Whole, Read, true},
		{"staff^a^r^g", bob, Whole, Read, true}, // a group
		{"staff@sesta.com^a^r^g", bob, Whole, Read, true},
		{"staff^a^r^g", other, Whole, Read, false},
		{"@sesta.com^a^r^g", bob, Whole, Read, true},
		{"@sesta.com^a^r^g", other, Whole, Read, false},
		{"@@d^a^r^g", bob, Whole, Read, true},
		{"@@d^a^r^g", other, Whole, Read, false},
		{"@@d^a^r^g", anon, Whole, Read, false},
		{"@@o^a^r^g", carl, Whole, Read, true},
		{"@@o^a^r^g", bob, Whole, Read, false},
		{"@@p^a^r^g", carl, Whole, Read, false},
		{"@@n^a^r^g", carl, Whole, Read, false},
		{"@@n^a^r^g", bob, Whole, Read, true},
		{"@@n^a^r^g", anon, Whole, Read, true},
		{"@@a^a^r^g", bob, Whole, Read, true},
		{"@@a^a^r^g", anon, Whole, Read, false},
		{"@^a^r^g", anon, Whole, Read, true},
		{"anonymous^a^r^g", anon, Whole, Read, true},
		{"anonymous^a^r^g", bob, Whole, Read, false},
		{"anonymous^a^r^d;@^a^r^g", anon, Whole, Read, false},
		{"bob^a^r^d;@^a^r^g", bob, Whole, Read, false}, // the first entry decides
		{"@^a^r^g;bob^a^r^d", bob, Whole, Read, true},
		{"bob^a^w^d;@^a^rw^g", bob, Whole, Read, true}, // for every right on its own
		{"bob^a^w^d;@^a^rw^g", bob, Whole, Write, false},
		{"bob^a^^d;@^a^r^g", bob, Whole, Read, true}, // an empty how decides nothing
		{"bob^c^r^g", bob, Whole, Read, false},       // WCAP §4.3: c^r^g alone does not work
		{"bob^c^r^g;@^p^r^g", bob, Whole, Read, true},
		{"bob^p^r^d;@^a^r^g", bob, Whole, Read, false},
		{"bob^p^r^d;@^a^r^g", bob, Components, Read, true},
		{"@^p^r^g", bob, Properties, Read, true},
		{"@^p^r^g", bob, Components, Read, false},
		{"bob^c^wd^g", bob, Components, Write | Delete, true},
		{"bob^c^w^g", bob, Components, Write | Delete, false},
		{"bob^c^f^g", bob, Components, FreeBusy, true},
		{"bob^a^s^g", bob, Whole, Schedule, true},
		{"bob^a^r^g", bob, Components, FreeBusy, true}, // RFC 4791 §6.1.1
		{"bob^a^f^d;bob^a^r^g", bob, Components, FreeBusy, false},
		{"bob^a^r^d;@^a^f^g", bob, Components, FreeBusy, true},
	} {
		if got := MustParse(tc.list).Allows(tc.who, owned, tc.what, tc.rights); got != tc.want {
			t.Errorf("%q: %v on %c for %+v: %v", tc.list, tc.rights, tc.what, tc.who, got)
		}
	}
}

func TestWCAP_4_4_Defaults(t *testing.T) {
	for _, tc := range []struct {
		list       string
		who        Requester
		comp, prop string
	}{
		{DefaultCalendar, carl, "rwdsfeic", "rsf"},
		{DefaultCalendar, bob, "sf", "rsf"},
		{DefaultCalendar, anon, "sf", "rsf"},
		{DefaultResource, bob, "rsf", "rsf"},
		{DefaultGroup, anon, "rsf", "rsf"},
		{DefaultOwner, carl, "rwdsfeic", "rsf"},
		{DefaultOwner, bob, "", ""},
	} {
		c, p := MustParse(tc.list).RightsOf(tc.who, owned)
		if c.String() != tc.comp || p.String() != tc.prop {
			t.Errorf("%q for %v: components %v, properties %v", tc.list, tc.who, c, p)
		}
	}
}

// Others keep the rights that are asked for, and owners all.
func TestOnly(t *testing.T) {
	list := MustParse("@@o^a^r^g;@@p^c^w^g;ben^a^rsd^g;carl^p^r^g;@^a^fs^d;@@d^c^i^g")
	if got, want := list.Only(Schedule|FreeBusy).String(), "@@o^a^r^g;@@p^c^w^g;ben^c^s^g;@^c^sf^d"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestWithOwner(t *testing.T) {
	got := MustParse("bob^a^r^g;@@o^c^wdeic^g").WithOwner(MustParse(DefaultOwner)).String()
	if want := DefaultOwner + ";bob^a^r^g"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestSingleDomainWithoutNames(t *testing.T) {
	l := MustParse("bob^a^r^g;@@d^p^r^g")
	o := Owners{Primary: "anna"}
	if !l.Allows(Requester{User: "bob"}, o, Whole, Read) || !l.Allows(Requester{User: "eve"}, o, Properties, Read) {
		t.Error("names without domains do not match")
	}
	if l.Allows(Requester{User: "eve"}, o, Components, Read) || !l.Allows(Requester{User: "ANNA"}, o, Whole, AllRights) {
		t.Error("the wrong one is let in")
	}
	if (List{}).Allows(anon, Owners{}, Whole, Read) {
		t.Error("nobody's calendar is everybody's")
	}
}

func TestRightsOfDoesNotAllocate(t *testing.T) {
	l := MustParse("x^a^r^g;staff@siroe.com^a^w^g;@sesta.com^c^d^d;" + DefaultCalendar)
	if n := testing.AllocsPerRun(100, func() { l.RightsOf(bob, owned) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// drawList draws a list over the names that the other tests use.
func drawList(t *rapid.T) List {
	who := rapid.SampledFrom([]Who{
		{User, "bob"}, {User, "carl"}, {User, "bob@siroe.com"}, {User, "staff"}, {User, Anonymous},
		{Domain, "sesta.com"}, {Domain, "siroe.com"}, {Everyone, ""}, {OwnerDomain, ""}, {Primary, ""},
		{AnyOwner, ""}, {NotOwner, ""}, {Authenticated, ""},
	})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ACE {
		return ACE{
			Who:   who.Draw(t, "who"),
			What:  rapid.SampledFrom([]What{Components, Properties, Whole}).Draw(t, "what"),
			How:   Rights(rapid.IntRange(0, AllRights).Draw(t, "how")),
			Grant: rapid.Bool().Draw(t, "grant"),
		}
	}), 0, 8).Draw(t, "list")
}

var requesters = []Requester{bob, other, carl, anon, {User: "eve", Domain: "sesta.com"}, {User: "eve", Domain: "else.org"}}

func TestPrintParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawList(t)
		got, err := Parse(l.String())
		if err != nil || got.String() != l.String() || len(got) != len(l) {
			t.Fatalf("%q: %q, %v", l, got, err)
		}
	})
}

// TestFirstMatch compares the one walk with the definition: for every right
// on its own, the first entry that fits decides.
func TestFirstMatch(t *testing.T) {
	decide := func(l List, m matcher, what What, right Rights) bool {
		for _, e := range l {
			how := e.How
			if e.Grant && e.What != Properties && how.Has(Read) && what == Components {
				how |= FreeBusy
			}
			if m.match(e.Who) && (e.What == Whole || e.What == what) && how.Has(right) {
				return e.Grant
			}
		}
		return false
	}
	rapid.Check(t, func(t *rapid.T) {
		l := drawList(t)
		for _, r := range requesters {
			c, p := l.RightsOf(r, owned)
			for right := Read; right <= SelfAdmin; right <<= 1 {
				m := newMatcher(r, owned)
				if c.Has(right) != decide(l, m, Components, right) || p.Has(right) != decide(l, m, Properties, right) {
					t.Fatalf("%q for %+v, right %v: components %v, properties %v", l, r, right, c, p)
				}
			}
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{DefaultCalendar, DefaultOwner, "lucy^a^frs^", "@sesta.com^a^sfr^g;susan^a^zfsdwr^d", "@@^^^", "é^A^\t^D"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		l, err := Parse(s)
		if err != nil {
			return
		}
		again, err := Parse(l.String())
		if err != nil || again.String() != l.String() {
			t.Fatalf("%q printed as %q, read as %q, %v", s, l, again, err)
		}
	})
}

func BenchmarkRightsOf(b *testing.B) {
	l := MustParse("x^a^r^g;y^a^w^g;" + DefaultCalendar)
	b.ReportAllocs()
	for b.Loop() {
		l.RightsOf(bob, owned)
	}
}
