package service

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	"factotum/server/calendar"
)

// usage is how many octets the people of each domain with a quota store. Each home on
// this back end is counted once, and from then on by what is committed; other back
// ends tell now and then what theirs hold.
type usage struct {
	mu     sync.Mutex
	sums   map[string]int64 // of homes, by the domain's first name
	whole  map[string]bool  // domains of which all homes were counted
	homes  map[calendar.Owner]count
	doubt  map[calendar.Owner]bool         // homes that came or left, of whom nothing is counted now
	counts int                             // homes that are being counted
	grown  []growth                        // and what was committed meanwhile
	others map[string][]calendar.DomainUse // what other back ends told last

	counting sync.Mutex // one counts a domain at a time
}

// count is what was counted of a home: its octets, and the change from which on
// commits are added.
type count struct {
	domain string
	change int64
	octets int64
}

// growth is what one change added.
type growth struct {
	owner  calendar.Owner
	number int64
	octets int64
}

// of is the sum of a domain with what other back ends told, if all of it here was
// counted.
func (u *usage) of(domain string) (sum int64, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	sum = u.sums[domain]
	for _, told := range u.others {
		for _, other := range told {
			if other.Domain == domain {
				sum += other.Octets
			}
		}
	}
	return sum, u.whole[domain]
}

// own are the sums of what is here.
func (u *usage) own() (list []calendar.DomainUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for domain := range u.whole {
		list = append(list, calendar.DomainUse{Domain: domain, Octets: u.sums[domain]})
	}
	slices.SortFunc(list, func(a, b calendar.DomainUse) int { return strings.Compare(a.Domain, b.Domain) })
	return list
}

// drop ends the counting of a domain that has no quota any more.
func (u *usage) drop(domain string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.whole[domain] {
		return
	}
	delete(u.whole, domain)
	delete(u.sums, domain)
	maps.DeleteFunc(u.homes, func(_ calendar.Owner, h count) bool { return h.domain == domain })
}

// told takes what another back end has, instead of what it told before.
func (u *usage) told(host string, list []calendar.DomainUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.others == nil {
		u.others = map[string][]calendar.DomainUse{}
	}
	u.others[host] = list
}

// inDoubt are the homes that came or left and were not counted since.
func (u *usage) inDoubt() []calendar.Owner {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Collect(maps.Keys(u.doubt))
}

// has tells whether a domain was counted, and a home in it.
func (u *usage) has(domain string, owner calendar.Owner) (whole, home bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, home = u.homes[owner]
	return u.whole[domain], home
}

// commit adds what was committed.
func (u *usage) commit(owner calendar.Owner, changes []*calendar.Change) {
	u.mu.Lock()
	defer u.mu.Unlock()
	h, counted := u.homes[owner]
	if !counted && u.counts == 0 {
		return
	}
	for _, ch := range changes {
		if ch.Bytes != 0 && u.counts > 0 {
			u.grown = append(u.grown, growth{owner, ch.Number, ch.Bytes})
		}
		if counted && ch.Number > h.change {
			h.octets += ch.Bytes
			u.sums[h.domain] += ch.Bytes
		}
	}
	if counted {
		u.homes[owner] = h
	}
}

// forget takes a home out that came or left.
func (u *usage) forget(owner calendar.Owner) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.whole == nil {
		return // nothing was ever counted
	}
	if h, counted := u.homes[owner]; counted {
		u.sums[h.domain] -= h.octets
		delete(u.homes, owner)
	}
	u.doubt[owner] = true
}

// begin has commits kept until end.
func (u *usage) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.whole == nil {
		u.sums, u.whole = map[string]int64{}, map[string]bool{}
		u.homes, u.doubt = map[calendar.Owner]count{}, map[calendar.Owner]bool{}
	}
	u.counts++
}

// end takes a home in that was looked at since begin; nil is none.
func (u *usage) end(owner calendar.Owner, found *count) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, counted := u.homes[owner]; found != nil && !counted {
		for _, g := range u.grown {
			if g.owner == owner && g.number > found.change { // it was not there yet when it was looked at
				found.octets += g.octets
			}
		}
		u.homes[owner] = *found
		u.sums[found.domain] += found.octets
		delete(u.doubt, owner)
	}
	if u.counts--; u.counts == 0 {
		u.grown = nil
	}
}

// countDomain counts what the people of an owner's domain store, unless that is
// known or there is no quota to it. It is for before a transaction.
func (s *Service) countDomain(ctx context.Context, owner calendar.Owner) error {
	d := s.domainOf(owner)
	if d == nil || d.Quota <= 0 {
		if d != nil {
			s.use.drop(d.Name)
		}
		return nil
	}
	switch whole, home := s.use.has(d.Name, owner); {
	case whole && home:
		return nil
	case whole: // he is new, or his home came from another host
		return s.countHome(ctx, d, owner)
	}
	if err := s.countHomes(ctx, d); err != nil {
		return err
	}
	return s.countHome(ctx, d, owner)
}

// countHomes counts all of a domain, unless that was done.
func (s *Service) countHomes(ctx context.Context, d *calendar.Domain) error {
	s.use.counting.Lock()
	defer s.use.counting.Unlock()
	if whole, _ := s.use.has(d.Name, ""); whole {
		return nil
	}
	for after := calendar.Owner(""); ; {
		owners, err := s.store.Owners(ctx, after, 500)
		if err != nil {
			return wrap("count what a domain stores", d.Name, err)
		}
		if len(owners) == 0 {
			break
		}
		for _, after = range owners {
			if of := s.domainOf(after); of == nil || of.Name != d.Name {
				continue
			}
			if err := s.countHome(ctx, d, after); err != nil && calendar.ReasonOf(err) != calendar.HomeMoved {
				return err
			}
		}
	}
	s.use.begin() // of a domain without homes nothing was counted
	s.use.end("", nil)
	s.use.mu.Lock()
	defer s.use.mu.Unlock()
	s.use.whole[d.Name] = true
	return nil
}

// A Pinger is another back end.
type Pinger interface {
	Ping(ctx context.Context) (calendar.Status, error)
}

// AskUse counts what is here of domains with a quota, so that Ping tells of it, and asks
// other back ends, by their names, for what they have. Until it is called again a domain
// may exceed its quota by what is stored meanwhile, here and there. One that does not
// answer has what it told last.
func (s *Service) AskUse(ctx context.Context, others map[string]Pinger) (err error) {
	asks := false
	for _, d := range s.domains().All() {
		if d.Quota > 0 {
			asks, err = true, cmp.Or(err, s.countHomes(ctx, d))
		}
	}
	for _, owner := range s.use.inDoubt() {
		d := s.domainOf(owner)
		if d == nil || d.Quota <= 0 {
			continue
		}
		if e := s.countHome(ctx, d, owner); calendar.KindOf(e) != calendar.Unavailable { // it is not here, or not yet
			err = cmp.Or(err, e)
		}
	}
	if !asks {
		return err
	}
	for host, be := range others {
		if st, e := be.Ping(ctx); e == nil {
			s.use.told(host, st.Domains)
		}
	}
	return err
}

// countHome counts a home, unless that was done.
func (s *Service) countHome(ctx context.Context, d *calendar.Domain, owner calendar.Owner) error {
	if _, home := s.use.has(d.Name, owner); home {
		return nil
	}
	s.use.begin()
	found := count{domain: d.Name}
	err := s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		home, _, err := tx.Home()
		found.change, found.octets = home.Change, home.Bytes
		return err
	})
	if err != nil {
		s.use.end(owner, nil)
		return wrap("count what a domain stores", d.Name, err)
	}
	s.use.end(owner, &found)
	return nil
}
