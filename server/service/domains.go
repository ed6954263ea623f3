package service

import (
	"context"
	"strings"
	"sync"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// What hosted domains decide for their people, and for others who come to them:
// ldap.md §7. calendar.Domains says what the entries do, here it has its effect.

// domains are those of the directory, nil if there are none.
func (s *Service) domains() *calendar.Domains { return calendar.DomainsOf(s.people) }

// domainOf is the domain of an owner, nil if there are none.
func (s *Service) domainOf(owner calendar.Owner) *calendar.Domain {
	return s.domains().Of(string(owner))
}

// administers tells whether somebody has the administrator's rights in a home.
func (s *Service) administers(who calendar.Actor, owner calendar.Owner) bool {
	return who.Admin || who.Administers != "" && s.domains().Administers(who, owner)
}

// asks is the directory as somebody sees it.
func (s *Service) asks(who calendar.Actor) calendar.People { return calendar.SeenBy(s.people, who) }

// rights computes what who may do with a calendar: what its list says, and no more
// than the owner's domain lets people of others do.
func (s *Service) rights(who calendar.Actor, owner calendar.Owner, coOwners []string, list acl.List) calendar.Rights {
	r := s.listed(who, owner, coOwners, list)
	components, properties := s.domains().Ceiling(who, owner)
	r.Components &= components
	r.Properties &= properties
	return r
}

// listed is what the list of a calendar says.
func (s *Service) listed(who calendar.Actor, owner calendar.Owner, coOwners []string, list acl.List) calendar.Rights {
	if s.administers(who, owner) {
		return calendar.Rights{Components: acl.AllRights, Properties: acl.AllRights, Owner: true}
	}
	ds := s.domains()
	domain := ""
	if ds != nil {
		domain = ds.Of(string(owner)).Name
		if who.Domain == "" && who.User != "" {
			who.Domain = ds.Of(who.User).Name
		}
	} else if !strings.Contains(string(owner), "@") && !strings.Contains(who.User, "@") {
		domain = who.Domain
	}
	c, p := list.RightsOf(acl.Requester{User: who.User, Domain: who.Domain, Groups: who.Groups},
		acl.Owners{Primary: string(owner), Others: coOwners, Domain: domain})
	return calendar.Rights{Components: c, Properties: p, Owner: who.User != "" && strings.EqualFold(who.User, string(owner))}
}

// strange tells that somebody is of a domain to which that of the owner shows
// nothing: he does not learn what there is.
func (s *Service) strange(who calendar.Actor, owner calendar.Owner) bool {
	c, p := s.domains().Ceiling(who, owner)
	return c|p == 0
}

// permits refuses what the domain of an owner does not let its people do.
func (s *Service) permits(who calendar.Actor, op string, owner calendar.Owner, r calendar.DomainRight, what string) error {
	if d := s.domainOf(owner); !s.administers(who, owner) && !d.Allows(r, true) {
		return calendar.Failf(calendar.Denied, "", op, string(owner), "the domain %s does not let its people %s", d.Name, what)
	}
	return nil
}

// permitsList is permits for a list of rights: one that lets everybody write.
func (s *Service) permitsList(who calendar.Actor, op string, owner calendar.Owner, list *acl.List) error {
	if list == nil || !list.PublicWrite() {
		return nil
	}
	return s.permits(who, op, owner, calendar.PublicWritable, "own calendars that everybody can write to")
}

// knownTo is known for somebody whom who names: one whom he does not see is
// nobody.
func (s *Service) knownTo(ctx context.Context, who calendar.Actor, op string, owner calendar.Owner) error {
	if ds := s.domains(); ds != nil && !ds.SeesPerson(who, &calendar.Person{ID: string(owner)}) {
		return nobody(op, owner)
	}
	return s.known(ctx, op, owner)
}

// nobody is the answer about an owner whom there is not, or whom who asks does not see.
func nobody(op string, owner calendar.Owner) error {
	return calendar.Failf(calendar.NoCalendar, "", op, string(owner), "nobody of that name is in the directory")
}

// filtersPrivate tells whether private objects of an owner are shown to others
// without their details.
func (s *Service) filtersPrivate(owner calendar.Owner) bool {
	return s.rule(owner, func(d *calendar.Domain) *bool { return d.FilterPrivate }, !s.opt.ShowPrivate)
}

// rule is what the domain of an owner says, by one of its words, and what ics.conf
// says where it does not.
func (s *Service) rule(owner calendar.Owner, word func(*calendar.Domain) *bool, site bool) bool {
	if d := s.domainOf(owner); d != nil {
		return calendar.Or(word(d), site)
	}
	return site
}

// homeQuota is how many octets an owner may store, 0 is without limit.
func (s *Service) homeQuota(owner calendar.Owner) int64 {
	if d := s.domainOf(owner); d != nil && d.HomeQuota > 0 {
		return d.HomeQuota
	}
	return s.opt.Limits.HomeBytes
}

// mostBytes is what an owner may have at most who has some already, by his own
// quota and by what his domain has left; 0 is without limit.
func (s *Service) mostBytes(owner calendar.Owner, has int64) int64 {
	most := s.homeQuota(owner)
	if d := s.domainOf(owner); d != nil && d.Quota > 0 {
		if used, ok := s.use.of(d.Name); ok {
			if rest := has + max(0, d.Quota-used); most <= 0 || rest < most {
				most = max(rest, 1)
			}
		}
	}
	return most
}

// roomInHome refuses what grows a home beyond its quota, or its domain beyond that
// of all of it.
func (w *writer) roomInHome(ref string, grow int64) error {
	if grow <= 0 {
		return nil
	}
	if limit := w.s.homeQuota(w.owner); limit > 0 {
		if home, _, err := w.Home(); err != nil {
			return err
		} else if home.Bytes+grow > limit {
			return calendar.Failf(calendar.OverQuota, "", w.op, ref, "the home's quota of %d octets is used up", limit)
		}
	}
	d := w.s.domainOf(w.owner)
	if d == nil || d.Quota <= 0 {
		return nil
	}
	if used, ok := w.s.use.of(d.Name); ok && used+w.pending()+grow > d.Quota {
		return calendar.Failf(calendar.OverQuota, "", w.op, ref, "the quota of %d octets of the domain %s is used up", d.Quota, d.Name)
	}
	return nil
}

// pending is what the transaction has added, which the domain does not count yet:
// it counts what is committed.
func (w *writer) pending() (n int64) {
	for _, ch := range w.changes {
		n += ch.Bytes
	}
	return n + w.grown
}

// usage is how many octets the people of each domain with a quota store on this
// back end: counted once, and from then on by what is committed.
type usage struct {
	mu    sync.Mutex
	sums  map[string]int64                    // by the domain's first name; one that is not there was not counted
	seen  map[string]map[calendar.Owner]int64 // of a domain that is being counted: the change up to which each owner was
	grown map[string][]growth                 // and what was committed meanwhile

	counting sync.Mutex // one counts at a time
}

// growth is what one change added.
type growth struct {
	owner  calendar.Owner
	number int64
	octets int64
}

// of is the sum of a domain.
func (u *usage) of(domain string) (int64, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, ok := u.sums[domain]
	return n, ok
}

// commit adds what was committed.
func (u *usage) commit(domain string, owner calendar.Owner, changes []*calendar.Change) {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, counted := u.sums[domain]
	counting := u.seen[domain] != nil
	if !counted && !counting {
		return
	}
	for _, ch := range changes {
		if ch.Bytes == 0 {
			continue
		}
		if counting {
			u.grown[domain] = append(u.grown[domain], growth{owner, ch.Number, ch.Bytes})
		} else {
			u.sums[domain] += ch.Bytes
		}
	}
}

// countDomain counts what the people of an owner's domain store, unless that is
// known or there is no quota to it. It is for before a transaction.
func (s *Service) countDomain(ctx context.Context, owner calendar.Owner) error {
	d := s.domainOf(owner)
	if d == nil || d.Quota <= 0 {
		return nil
	}
	if _, known := s.use.of(d.Name); known {
		return nil
	}
	s.use.counting.Lock()
	defer s.use.counting.Unlock()
	if _, known := s.use.of(d.Name); known {
		return nil
	}
	u := &s.use
	seen := map[calendar.Owner]int64{}
	u.mu.Lock()
	if u.seen == nil {
		u.sums, u.seen, u.grown = map[string]int64{}, map[string]map[calendar.Owner]int64{}, map[string][]growth{}
	}
	u.seen[d.Name] = seen
	u.mu.Unlock()
	sum, err := s.sumOf(ctx, d, seen)
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil {
		for _, g := range u.grown[d.Name] {
			if g.number > seen[g.owner] { // it was not there yet when its owner was counted
				sum += g.octets
			}
		}
		u.sums[d.Name] = sum
	}
	delete(u.seen, d.Name)
	delete(u.grown, d.Name)
	return err
}

// sumOf is what the homes of a domain hold; seen gets the change of each of which
// that is true.
func (s *Service) sumOf(ctx context.Context, d *calendar.Domain, seen map[calendar.Owner]int64) (sum int64, err error) {
	for after := calendar.Owner(""); ; {
		owners, err := s.store.Owners(ctx, after, 500)
		if err != nil || len(owners) == 0 {
			return sum, wrap("count what a domain stores", d.Name, err)
		}
		for _, o := range owners {
			after = o
			if s.domainOf(o) == nil || s.domainOf(o).Name != d.Name {
				continue
			}
			octets := int64(0)
			err := s.store.View(ctx, o, func(tx calendar.ReadTx) error {
				home, _, err := tx.Home()
				seen[o], octets = home.Change, home.Bytes
				return err
			})
			if err != nil {
				return 0, wrap("count what a domain stores", d.Name, err)
			}
			sum += octets
		}
	}
}
