package acl

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func names(s PrivilegeSet) string {
	var out []string
	for p := range s.All() {
		out = append(out, p.Local())
	}
	return strings.Join(out, " ")
}

func TestRFC3744_5_4_CurrentUserPrivilegeSet(t *testing.T) {
	const (
		read    = "read-current-user-privilege-set"
		deliver = "schedule-deliver schedule-deliver-invite schedule-deliver-reply schedule-query-freebusy"
	)
	for _, tc := range []struct{ list, want string }{
		{"", ""},
		{"bob^a^f^g", "read-free-busy schedule-query-freebusy"},
		{"bob^p^r^g", read},
		{"bob^a^r^g", "read read-free-busy read-components " + read + " schedule-query-freebusy"},
		{"bob^c^r^g", "read-free-busy read-components schedule-query-freebusy"},
		{"bob^a^rw^g", "read read-free-busy read-components " + read + " write-properties write-content bind schedule-query-freebusy"},
		{"bob^a^rwd^g", "read read-free-busy read-components " + read + " write write-properties write-content bind unbind delete-calendar schedule-query-freebusy"},
		{"bob^a^sf^g", "read-free-busy " + deliver},
		{"bob^a^z^g", "read-acl write-acl"},
		{"bob^c^eic^g", "schedule-send-invite send-request send-cancel schedule-send-reply"},
	} {
		c, p := MustParse(tc.list).RightsOf(bob, owned)
		if got := names(Privileges(c, p)); got != tc.want {
			t.Errorf("%q: %s\nwant %s", tc.list, got, tc.want)
		}
	}
	all := Privileges(AllRights, AllRights)
	if !all.Has(PrivAll) || all.Has(PrivUnlock) || all.Len() != int(privCount)-2 {
		t.Errorf("an owner has %s", names(all))
	}
}

// RFC 3744 §3.12, RFC 4791 §6.1.1 and RFC 6638 §6.3 say what contains what.
func TestRFC3744_3_12_Aggregation(t *testing.T) {
	contains := func(p Privilege) (s []Privilege) {
		for _, part := range p.Parts() {
			s = append(s, part)
			s = append(s, part.Parts()...)
		}
		return s
	}
	for p, want := range map[Privilege][]Privilege{
		PrivWrite:           {PrivBind, PrivUnbind, PrivWriteProperties, PrivWriteContent},
		PrivRead:            {PrivReadFreeBusy},
		PrivAll:             {PrivScheduleDeliver, PrivScheduleSend, PrivRead, PrivWrite, PrivReadACL, PrivWriteACL},
		PrivScheduleDeliver: {PrivDeliverInvite, PrivDeliverReply, PrivQueryFreeBusy},
		PrivScheduleSend:    {PrivSendInvite, PrivSendReply, PrivSendFreeBusy},
	} {
		for _, w := range want {
			if !slices.Contains(contains(p), w) {
				t.Errorf("%v does not contain %v", p, w)
			}
		}
	}
	seen := map[Privilege]int{}
	var walk func(Privilege)
	walk = func(p Privilege) {
		seen[p]++
		if p.Local() == "" || p.Description() == "" || PrivilegeNamed(p.Space(), p.Local()) != p {
			t.Errorf("%d: %q %q", p, p.Space(), p.Local())
		}
		for _, part := range p.Parts() {
			walk(part)
		}
	}
	walk(PrivAll)
	for p := PrivAll; p < privCount; p++ {
		if seen[p] != 1 {
			t.Errorf("%v is %d times in the tree", p, seen[p])
		}
	}
	if PrivilegeNamed("DAV:", "read-free-busy") != PrivUnknown {
		t.Error("a name in the wrong namespace is known")
	}
}

func user(name string, ps ...Privilege) DAVACE {
	return DAVACE{Principal: Principal{Kind: PrincipalUser, Name: name}, Privileges: ps}
}

func deny(a DAVACE) DAVACE { a.Deny = true; return a }

func TestRFC3744_8_1_FromDAV(t *testing.T) {
	all := func(k PrincipalKind, ps ...Privilege) DAVACE {
		return DAVACE{Principal: Principal{Kind: k}, Privileges: ps}
	}
	for _, tc := range []struct {
		want string
		aces []DAVACE
	}{
		{"", nil},
		{"bob^a^rf^g", []DAVACE{user("bob", PrivRead)}},
		{"bob^a^f^g", []DAVACE{user("bob", PrivReadFreeBusy)}},
		{"bob^a^rwf^g;bob^c^d^g", []DAVACE{user("bob", PrivRead, PrivWrite)}},
		{"bob^c^w^g", []DAVACE{user("bob", PrivWriteContent, PrivBind)}},
		{"bob^c^d^g", []DAVACE{user("bob", PrivUnbind)}},
		{"bob^a^rwdsflz^g;bob^c^eic^g", []DAVACE{user("bob", PrivAll)}},
		{"bob^a^sf^g", []DAVACE{user("bob", PrivScheduleDeliver)}},
		{"bob^p^z^g;bob^c^z^d", []DAVACE{user("bob", PrivWriteACL), deny(user("bob", PrivReadACL))}},
		{"bob^a^rf^d;@^a^rf^g;@@a^a^f^g;anonymous^a^f^d", []DAVACE{
			deny(user("bob", PrivRead)), all(PrincipalAll, PrivRead),
			all(PrincipalAuthenticated, PrivReadFreeBusy), deny(all(PrincipalUnauthenticated, PrivReadFreeBusy)),
		}},
		{"@sesta.com^a^f^g;@@p^a^f^g;@@o^a^f^g;@@n^a^f^g;@@d^a^f^g", []DAVACE{
			{Principal: Principal{Kind: PrincipalDomain, Name: "sesta.com"}, Privileges: []Privilege{PrivReadFreeBusy}},
			{Principal: Principal{PrincipalProperty, NamespaceDAV, "owner"}, Privileges: []Privilege{PrivReadFreeBusy}},
			{Principal: Principal{PrincipalProperty, NamespaceOurs, PropertyOwners}, Privileges: []Privilege{PrivReadFreeBusy}},
			{Principal: Principal{PrincipalProperty, NamespaceOurs, PropertyNonOwners}, Privileges: []Privilege{PrivReadFreeBusy}},
			{Principal: Principal{PrincipalProperty, NamespaceOurs, PropertyOwnerDomain}, Privileges: []Privilege{PrivReadFreeBusy}},
		}},
	} {
		l, err := FromDAV(tc.aces)
		if err != nil || l.String() != tc.want {
			t.Errorf("got %q, %v; want %q", l, err, tc.want)
		}
	}
}

func TestRFC3744_8_1_1_Preconditions(t *testing.T) {
	long := make([]DAVACE, MaxEntries+1)
	for i := range long {
		long[i] = user("bob", PrivReadFreeBusy)
	}
	wide := make([]DAVACE, MaxEntries)
	for i := range wide {
		wide[i] = user(strings.Repeat("b", MaxName), PrivReadFreeBusy)
	}
	for _, tc := range []struct {
		want string
		aces []DAVACE
	}{
		{"no-invert", []DAVACE{{Principal: Principal{Kind: PrincipalAll}, Invert: true, Privileges: []Privilege{PrivRead}}}},
		{"no-protected-ace-conflict", []DAVACE{{Principal: Principal{Kind: PrincipalAll}, Protected: true, Privileges: []Privilege{PrivRead}}}},
		{"no-inherited-ace-conflict", []DAVACE{{Principal: Principal{Kind: PrincipalAll}, Inherited: true, Privileges: []Privilege{PrivRead}}}},
		{"not-supported-privilege", []DAVACE{user("bob", PrivRead, PrivUnknown)}},
		{"not-supported-privilege", []DAVACE{user("bob", privCount)}},
		{"no-abstract", []DAVACE{user("bob", PrivUnlock)}},
		{"no-ace-conflict", []DAVACE{user("bob", PrivBind)}},
		{"no-ace-conflict", []DAVACE{user("bob", PrivWriteContent, PrivUnbind)}},
		{"no-ace-conflict", []DAVACE{deny(user("bob", PrivDeliverReply))}},
		{"no-ace-conflict", []DAVACE{user("bob", PrivReadComponents)}},
		{"recognized-principal", []DAVACE{user("", PrivRead)}},
		{"allowed-principal", []DAVACE{user("@bob", PrivRead)}},
		{"allowed-principal", []DAVACE{user("bob^a^r^g;eve", PrivRead)}},
		{"allowed-principal", []DAVACE{user("bob\r\n", PrivRead)}},
		{"allowed-principal", []DAVACE{{Principal: Principal{Kind: PrincipalSelf}, Privileges: []Privilege{PrivRead}}}},
		{"allowed-principal", []DAVACE{{Principal: Principal{PrincipalProperty, "DAV:", "group"}, Privileges: []Privilege{PrivRead}}}},
		{"allowed-principal", []DAVACE{{Privileges: []Privilege{PrivRead}}}},
		{"limited-number-of-aces", long},
		{"limited-number-of-aces", wide},
	} {
		l, err := FromDAV(tc.aces)
		var dav *DAVError
		if !errors.As(err, &dav) || dav.Precondition != tc.want || !strings.Contains(err.Error(), "DAV:"+tc.want) {
			t.Errorf("got %q, %v; want %s", l, err, tc.want)
		}
	}
}

func TestRFC3744_5_5_ToDAV(t *testing.T) {
	show := func(a DAVACE) string {
		var ps []string
		for _, p := range a.Privileges {
			ps = append(ps, p.String())
		}
		return fmt.Sprint(a.Principal, " deny=", a.Deny, " protected=", a.Protected, " ", strings.Join(ps, " "))
	}
	var got []string
	for _, a := range ToDAV(MustParse("@@o^a^rf^g"), MustParse("bob^a^rwd^g;@^c^^g;eve@sesta.com^a^r^d;@^p^sf^g;anonymous^c^e^d")) {
		got = append(got, show(a))
	}
	want := []string{
		"{7 DAV: owner} deny=false protected=true DAV:all",
		"{7 urn:factotum:acl owners} deny=false protected=true DAV:read CALDAV:schedule-query-freebusy",
		"{1  bob} deny=false protected=false DAV:read DAV:write factotum:delete-calendar CALDAV:schedule-query-freebusy",
		"{1  eve@sesta.com} deny=true protected=false factotum:read-components DAV:read-current-user-privilege-set",
		"{5  } deny=true protected=false CALDAV:schedule-send-reply",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRoundTrip: what ToDAV shows and a client sends back means the same to
// everybody, and the second trip changes nothing.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawList(t)
		back, err := FromDAV(ToDAV(nil, l)[1:])
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range requesters {
			c, p := l.RightsOf(r, owned)
			bc, bp := back.RightsOf(r, owned)
			if cell(c, p) != cell(bc, bp) {
				t.Fatalf("%q came back as %q: for %+v %v/%v became %v/%v", l, back, r, c, p, bc, bp)
			}
		}
		twice, err := FromDAV(ToDAV(nil, back)[1:])
		if err != nil || twice.String() != back.String() {
			t.Fatalf("%q came back as %q, %v", back, twice, err)
		}
	})
}

// TestRFC3744_6_Evaluation: a list set through DAV grants what evaluating the
// DAV:acl itself grants, privilege by privilege.
func TestRFC3744_6_Evaluation(t *testing.T) {
	matches := func(p Principal, r Requester) bool {
		w, _, _ := whoOf(p)
		m := newMatcher(r, owned)
		return m.match(w)
	}
	var includes func(agg, p Privilege) bool
	includes = func(agg, p Privilege) bool {
		return agg == p || slices.ContainsFunc(agg.Parts(), func(part Privilege) bool { return includes(part, p) })
	}
	rapid.Check(t, func(t *rapid.T) {
		settable := rapid.SampledFrom([]Privilege{
			PrivAll, PrivRead, PrivReadFreeBusy, PrivReadCurrentSet, PrivWrite, PrivWriteProperties, PrivUnbind,
			PrivReadACL, PrivWriteACL, PrivDeleteCalendar, PrivSendInvite, PrivSendReply, PrivSendFreeBusy, PrivScheduleSend,
		})
		aces := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) DAVACE {
			return DAVACE{
				Principal: rapid.SampledFrom([]Principal{
					{Kind: PrincipalAll}, {Kind: PrincipalAuthenticated}, {Kind: PrincipalUnauthenticated},
					{Kind: PrincipalUser, Name: "bob"}, {Kind: PrincipalUser, Name: "carl"}, {Kind: PrincipalDomain, Name: "sesta.com"},
					{PrincipalProperty, NamespaceOurs, PropertyOwners},
				}).Draw(t, "principal"),
				Deny:       rapid.Bool().Draw(t, "deny"),
				Privileges: rapid.SliceOfN(settable, 1, 4).Draw(t, "privileges"),
			}
		}), 0, 6).Draw(t, "acl")
		l, err := FromDAV(aces)
		if err != nil {
			t.Fatal(err)
		}
		// The leaves which are a cell of their own; read-free-busy and
		// schedule-query-freebusy are one.
		for _, leaf := range []Privilege{
			PrivReadComponents, PrivReadCurrentSet, PrivWriteProperties, PrivWriteContent, PrivBind, PrivUnbind, PrivReadACL,
			PrivWriteACL, PrivDeleteCalendar, PrivDeliverInvite, PrivSendInviteRequest, PrivSendReply, PrivSendFreeBusy,
		} {
			for _, r := range requesters {
				want := false
				for _, a := range aces {
					if matches(a.Principal, r) && slices.ContainsFunc(a.Privileges, func(p Privilege) bool { return includes(p, leaf) }) {
						want = !a.Deny
						break
					}
				}
				if got := Privileges(l.RightsOf(r, owned)).Has(leaf); got != want {
					t.Fatalf("%v for %+v: list %q says %v, the DAV:acl %v", leaf, r, l, got, want)
				}
			}
		}
	})
}
