package service

import (
	"context"
	"strings"

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
