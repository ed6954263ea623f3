package acl

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestShare: what is shared replaces what the user had of his own, and leaves
// others, and whose proxy he is, alone.
func TestShare(t *testing.T) {
	for _, c := range []struct {
		list, user string
		access     Access
		want       string
	}{
		{"@@o^a^r^g;@^a^fs^g", "bob", ShareRead, "bob^a^r^g;@@o^a^r^g;@^a^sf^g"},
		{"@@o^a^r^g", "bob", ShareWrite, "bob^a^r^g;bob^c^wd^g;@@o^a^r^g"},
		{"bob^a^r^g;bob^c^wd^g;@@o^a^r^g", "bob", ShareRead, "bob^a^r^g;@@o^a^r^g"},
		{"@@o^a^r^g;bob^a^rw^d;carl^a^r^g", "bob", ShareWrite, "bob^a^r^g;bob^c^wd^g;@@o^a^r^g;carl^a^r^g"},
		{"bob^a^r^g;carl^a^r^g", "bob", NoAccess, "carl^a^r^g"},
		{"bob^a^rsfl^g;bob^c^wdeic^g;bob^a^r^g", "bob", NoAccess, "bob^a^rsfl^g;bob^c^wdeic^g"},
		{"@^a^r^g", "bob@example.com", ShareRead, "bob@example.com^a^r^g;@^a^r^g"},
	} {
		if got := MustParse(c.list).Share(c.user, c.access).String(); got != c.want {
			t.Errorf("%s, %s, %d: %s, want %s", c.list, c.user, c.access, got, c.want)
		}
	}
}

func TestProxy(t *testing.T) {
	for _, c := range []struct {
		list   string
		access Access
		want   string
	}{
		{"@@o^a^r^g", ProxyRead, "bob^a^rsfl^g;@@o^a^r^g"},
		{"bob^a^r^g", ProxyWrite, "bob^a^rsfl^g;bob^c^wdeic^g;bob^a^r^g"},
		{"bob^a^rsfl^g;bob^c^wdeic^g;bob^a^r^g", ProxyRead, "bob^a^rsfl^g;bob^a^r^g"},
		{"bob^a^r^g;bob^a^rsfl^g;@^a^r^g", NoAccess, "bob^a^r^g;@^a^r^g"},
	} {
		if got := MustParse(c.list).Proxy("bob", c.access).String(); got != c.want {
			t.Errorf("%s, %d: %s, want %s", c.list, c.access, got, c.want)
		}
	}
}

// TestSharedIsWhatItSays: whatever stood in the list before, the user has what
// was shared, and others have what they had.
func TestSharedIsWhatItSays(t *testing.T) {
	aces := rapid.SampledFrom([]string{"@^a^r^g", "@^c^wd^g", "bob^a^rw^d", "bob^c^wd^g", "carl^a^rw^g", "carl^a^r^d", "@@n^a^w^d", "@@a^p^r^g", "bob^a^rsfl^g"})
	owners := Owners{Primary: "anna"}
	rapid.Check(t, func(t *rapid.T) {
		l := MustParse(strings.Join(rapid.SliceOfN(aces, 0, 6).Draw(t, "entries"), ";"))
		a := rapid.SampledFrom([]Access{NoAccess, ShareRead, ShareWrite}).Draw(t, "access")
		got := l.Share("bob", a)
		c, p := got.RightsOf(Requester{User: "bob"}, owners)
		if a != NoAccess && AccessOf(c, p) < a {
			t.Errorf("%v in %v: %v %v", a, got, c, p)
		}
		for _, other := range []string{"carl", ""} {
			wc, wp := l.RightsOf(Requester{User: other}, owners)
			if c, p := got.RightsOf(Requester{User: other}, owners); c != wc || p != wp {
				t.Errorf("%q has %v %v, had %v %v", other, c, p, wc, wp)
			}
		}
		if again := got.Share("bob", a); again.String() != got.String() {
			t.Errorf("shared twice: %v, once: %v", again, got)
		}
	})
}

func TestOnBehalf(t *testing.T) {
	owners := Owners{Primary: "anna", Others: []string{"dora"}}
	for _, c := range []struct {
		list, user string
		want       Behalf
	}{
		{DefaultCalendar, "anna", Behalf{true, true, true}},
		{DefaultCalendar, "dora", Behalf{true, true, true}},
		{DefaultCalendar, "bob", Behalf{}},
		{"bob^a^r^g;bob^c^e^g", "bob", Behalf{Reply: true}},
		{"bob^a^r^g;bob^c^ic^g", "bob", Behalf{Invite: true, Cancel: true}},
		{"bob^c^eic^g", "bob", Behalf{}},
		{"bob^a^rsfl^g;bob^c^wdeic^g", "bob", Behalf{true, true, true}},
		{"bob^a^rsfl^g", "bob", Behalf{}},
		{"@^a^r^g;@^c^eic^g", "", Behalf{}},
	} {
		if got := MustParse(c.list).OnBehalf(Requester{User: c.user}, owners); got != c.want {
			t.Errorf("%s for %q: %+v, want %+v", c.list, c.user, got, c.want)
		}
	}
}

func TestCanName(t *testing.T) {
	for name, want := range map[string]bool{"bob": true, "bob@example.com": true, "": false, "b^b": false, "b;b": false, "@x": false} {
		if CanName(name) != want {
			t.Errorf("%q: %t", name, !want)
		}
	}
}
