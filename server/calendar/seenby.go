package calendar

import "context"

// SeenBy is the directory as somebody sees it: who is in a domain that he does
// not see is not there for him. Domains.Sees.
func SeenBy(people People, who Actor) People {
	ds := DomainsOf(people)
	if ds == nil || who.Admin || len(ds.list) < 2 && !ds.blind && who.User != "" {
		return people
	}
	return &seenBy{People: people, ds: ds, who: who}
}

type seenBy struct {
	People
	ds  *Domains
	who Actor
}

// HostedDomains implements Hosted.
func (s *seenBy) HostedDomains() *Domains { return s.ds }

// seen makes a person who is not seen one whom there is not.
func (s *seenBy) seen(p Person, err error, ref string) (Person, error) {
	if err == nil && !s.ds.SeesPerson(s.who, &p) {
		return Person{}, &Error{Kind: NotFound, Op: "find person", Ref: ref}
	}
	return p, err
}

// Person implements People.
func (s *seenBy) Person(ctx context.Context, id UserID) (Person, error) {
	p, err := s.People.Person(ctx, id)
	return s.seen(p, err, id)
}

// ByMail implements People.
func (s *seenBy) ByMail(ctx context.Context, address string) (Person, error) {
	p, err := s.People.ByMail(ctx, address)
	return s.seen(p, err, address)
}

// Search implements People.
func (s *seenBy) Search(ctx context.Context, q PeopleQuery) ([]Person, bool, error) {
	if s.ds.blind {
		found, more, err := s.People.Search(ctx, q)
		return s.only(found), more, err
	}
	domains := []string{}
	for _, d := range s.ds.list {
		if s.ds.Sees(s.who, d) {
			domains = append(domains, d.Name)
		}
	}
	q.Domains = domains
	found, more, err := s.People.Search(ctx, q)
	return s.only(found), more, err
}

// Members implements People.
func (s *seenBy) Members(ctx context.Context, group UserID, deep bool, limit int) ([]Person, bool, error) {
	if !s.ds.Sees(s.who, s.ds.Of(group)) {
		return nil, false, &Error{Kind: NotFound, Op: "find person", Ref: group}
	}
	found, more, err := s.People.Members(ctx, group, deep, limit)
	return s.only(found), more, err
}

// Groups implements People.
func (s *seenBy) Groups(ctx context.Context, id UserID, deep bool) ([]Person, error) {
	if !s.ds.Sees(s.who, s.ds.Of(id)) {
		return nil, &Error{Kind: NotFound, Op: "find person", Ref: id}
	}
	found, err := s.People.Groups(ctx, id, deep)
	return s.only(found), err
}

// only are those that are seen.
func (s *seenBy) only(found []Person) []Person {
	var out []Person
	for i := range found {
		if s.ds.SeesPerson(s.who, &found[i]) {
			out = append(out, found[i])
		}
	}
	return out
}
