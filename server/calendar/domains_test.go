package calendar

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"factotum/server/acl"
)

// people is a directory of two or three domains for tests.
type domainPeople struct {
	list    []Person
	domains *Domains
	members map[UserID][]UserID
}

func (d *domainPeople) HostedDomains() *Domains { return d.domains }

func (d *domainPeople) Person(_ context.Context, id UserID) (Person, error) {
	for _, p := range d.list {
		if p.ID == id {
			return p, nil
		}
	}
	return Person{}, NotFound
}

func (d *domainPeople) ByMail(ctx context.Context, a string) (Person, error) {
	for _, p := range d.list {
		if p.Mail() == a {
			return p, nil
		}
	}
	return Person{}, NotFound
}

func (d *domainPeople) Search(_ context.Context, q PeopleQuery) (found []Person, more bool, err error) {
	for _, p := range d.list {
		if strings.Contains(p.ID, q.Text) {
			found = append(found, p)
		}
	}
	return found, false, nil
}

func (d *domainPeople) Members(_ context.Context, group UserID, _ bool, _ int) (found []Person, more bool, err error) {
	for _, id := range d.members[group] {
		p, err := d.Person(context.Background(), id)
		if err != nil {
			return nil, false, err
		}
		found = append(found, p)
	}
	return found, false, nil
}

func (d *domainPeople) Groups(_ context.Context, id UserID, _ bool) (found []Person, err error) {
	for g, of := range d.members {
		if slices.Contains(of, id) {
			p, _ := d.Person(context.Background(), g)
			found = append(found, p)
		}
	}
	return found, nil
}

func testDomains(a, b, c Domain, apart bool) *domainPeople {
	d := &domainPeople{members: map[UserID][]UserID{}}
	d.domains = NewDomains(&a, []*Domain{&b, &c}, apart)
	for _, dom := range d.domains.All() {
		suffix := ""
		if dom.Name != "a.com" {
			suffix = "@" + dom.Name
		}
		for _, n := range []string{"anna", "bob"} {
			d.list = append(d.list, Person{ID: n + suffix, Domain: dom.Name, Kind: Individual, Active: true, Mails: []string{n + "@" + dom.Name}})
		}
		d.list = append(d.list, Person{ID: "all" + suffix, Domain: dom.Name, Kind: Group, Active: true, Mails: []string{"all@" + dom.Name}})
	}
	for _, g := range d.list {
		if g.Kind == Group {
			for _, p := range d.list {
				if p.Kind != Group {
					d.members[g.ID] = append(d.members[g.ID], p.ID) // of all domains
				}
			}
		}
	}
	return d
}

// TestDomainsAgree: A finds people of B if A searches B and B lets it look up;
// anything less is nothing. ldap.md §7.5.
func TestDomainsAgree(t *testing.T) {
	look := acl.MustParse("@a.com^a^lsfr^g")
	one := acl.MustParse("bob@a.com^a^l^g")
	for _, c := range []struct {
		name     string
		a, b     Domain
		apart    bool
		who      UserID
		sees     bool
		mayRead  bool
		mayWrite bool
	}{
		{name: "neither"},
		{name: "only A asks", a: Domain{Searches: []string{"b.com"}}},
		{name: "only B allows", b: Domain{Guarded: true, Access: look}, mayRead: true},
		{name: "both", a: Domain{Searches: []string{"b.com"}}, b: Domain{Guarded: true, Access: look}, sees: true, mayRead: true},
		{name: "by another name", a: Domain{Searches: []string{"B.example"}}, b: Domain{Names: []string{"b.example"}, Guarded: true, Access: look}, mayRead: true},
		{name: "by another name, as it is kept", a: Domain{Searches: []string{"b.example"}}, b: Domain{Names: []string{"b.example"}, Guarded: true, Access: look}, sees: true, mayRead: true},
		{name: "scope primary", a: Domain{Searches: []string{"b.com"}}, b: Domain{Guarded: true, Access: look}, apart: true, mayRead: true},
		{name: "a list that cannot be read", a: Domain{Searches: []string{"b.com"}}, b: Domain{Guarded: true}},
		{name: "one person", a: Domain{Searches: []string{"b.com"}}, b: Domain{Guarded: true, Access: one}, who: "bob", sees: true},
		{name: "another person", a: Domain{Searches: []string{"b.com"}}, b: Domain{Guarded: true, Access: one}},
		{name: "his own are refused first", a: Domain{Searches: []string{"b.com"}}, b: Domain{Guarded: true, Access: acl.MustParse("@a.com^a^l^d;@^a^l^g")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.a.Name, c.b.Name = "a.com", "b.com"
			d := testDomains(c.a, c.b, Domain{Name: "c.com"}, c.apart)
			if c.who == "" {
				c.who = "anna"
			}
			who := Actor{User: c.who, Domain: "a.com"}
			if got := d.domains.Sees(who, d.domains.Of("bob@b.com")); got != c.sees {
				t.Errorf("sees %t", got)
			}
			r, _ := d.domains.Ceiling(who, "bob@b.com")
			if r.Has(acl.Read) != c.mayRead || r.Has(acl.Write) != c.mayWrite {
				t.Errorf("may %v", r)
			}
			if r, p := d.domains.Ceiling(who, "bob"); r != acl.AllRights || p != acl.AllRights {
				t.Errorf("in his own domain %v, %v", r, p)
			}
			if r, p := d.domains.Ceiling(Actor{User: "bob@b.com", Domain: "b.com"}, "anna"); r|p != 0 {
				t.Errorf("the other way round %v, %v", r, p)
			}
			if r, _ := d.domains.Ceiling(Actor{}, "bob@b.com"); c.b.Guarded && r.Has(acl.Write) {
				t.Errorf("anonymous %v", r)
			}
			if r, p := d.domains.Ceiling(Actor{User: "x@c.com", Admin: true}, "bob@b.com"); r != acl.AllRights || p != acl.AllRights {
				t.Errorf("the administrator %v, %v", r, p)
			}
		})
	}
}

// TestNobodySeesBeyond: whatever is asked of the directory, nobody of a domain that
// is not seen comes back.
func TestNobodySeesBeyond(t *testing.T) {
	names := []string{"a.com", "b.com", "c.com"}
	rapid.Check(t, func(t *rapid.T) {
		draw := func(i int) Domain {
			d := Domain{Name: names[i], Searches: rapid.SliceOf(rapid.SampledFrom(names)).Draw(t, "searches")}
			if d.Guarded = rapid.Bool().Draw(t, "guarded"); d.Guarded {
				for range rapid.IntRange(0, 3).Draw(t, "aces") {
					who := rapid.SampledFrom([]string{"@a.com", "@b.com", "@c.com", "@", "@@d", "bob", "bob@a.com", "anonymous"}).Draw(t, "who")
					how := rapid.SampledFrom([]string{"l", "r", "lr", "sf"}).Draw(t, "how")
					d.Access = append(d.Access, acl.MustParse(who+"^a^"+how+"^"+rapid.SampledFrom([]string{"g", "d"}).Draw(t, "grant"))...)
				}
			}
			return d
		}
		d := testDomains(draw(0), draw(1), draw(2), rapid.Bool().Draw(t, "apart"))
		me := rapid.SampledFrom(append(slices.Clone(d.list), Person{})).Draw(t, "me")
		who := me.Actor()
		seen := SeenBy(d, who)
		allowed := func(id UserID) bool { // by the text of ldap.md §7.5
			to := d.domains.Of(id)
			r := acl.Requester{User: me.ID, Domain: me.Domain}
			c, _ := to.Access.RightsOf(r, acl.Owners{Domain: to.Name})
			switch {
			case me.ID == "":
				return !to.Guarded || c.Has(acl.Lookup)
			case me.Domain == to.Name:
				return true
			}
			return !d.domains.apart && slices.Contains(d.domains.Of(me.ID).Searches, to.Name) && to.Guarded && c.Has(acl.Lookup)
		}
		for _, p := range d.list {
			_, err := seen.Person(t.Context(), p.ID)
			_, err2 := seen.ByMail(t.Context(), p.Mail())
			if (err == nil) != allowed(p.ID) || (err2 == nil) != allowed(p.ID) {
				t.Fatalf("%q about %q: %v, %v", me.ID, p.ID, err, err2)
			}
		}
		var all []Person
		found, _, _ := seen.Search(t.Context(), PeopleQuery{})
		all = append(all, found...)
		for _, g := range []UserID{"all", "all@b.com", "all@c.com"} {
			found, _, err := seen.Members(t.Context(), g, true, 0)
			if err == nil && !allowed(g) {
				t.Fatalf("%q is told of the group %s", me.ID, g)
			}
			all = append(all, found...)
			groups, _ := seen.Groups(t.Context(), "anna"+strings.TrimPrefix(g, "all"), true)
			all = append(all, groups...)
		}
		for _, p := range all {
			if !allowed(p.ID) {
				t.Fatalf("%q is shown %q", me.ID, p.ID)
			}
		}
	})
}

// TestUnknownDomains: before the directory has answered nobody sees who has
// another domain in his id.
func TestUnknownDomains(t *testing.T) {
	ds := UnknownDomains()
	for _, c := range []struct {
		who, of string
		same    bool
	}{{"anna", "bob", true}, {"anna", "bob@b.com", false}, {"anna@b.com", "bob@B.com", true}, {"anna@b.com", "bob@c.com", false}, {"anna@b.com", "bob", false}} {
		r, p := ds.Ceiling(Actor{User: c.who}, Owner(c.of))
		if (r == acl.AllRights && p == acl.AllRights) != c.same || ds.SeesPerson(Actor{User: c.who}, &Person{ID: c.of}) != c.same {
			t.Errorf("%s and %s: %v %v", c.who, c.of, r, p)
		}
	}
}

func TestDomainRights(t *testing.T) {
	bits := uint32(1<<DeleteCalendars | 1<<SetSN)
	d := &Domain{Forbidden: &bits}
	var none *Domain
	for _, site := range []bool{true, false} {
		if !d.Allows(CreateCalendars, site) || d.Allows(DeleteCalendars, site) || d.Allows(SetSN, site) {
			t.Error("the domain's word does not hold")
		}
		if none.Allows(SetCN, site) != site || (&Domain{}).Allows(SetCN, site) != site {
			t.Error("ics.conf's word does not hold where the domain says nothing")
		}
	}
}
