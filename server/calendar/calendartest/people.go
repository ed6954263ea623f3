package calendartest

import (
	"context"
	"slices"
	"strings"

	"factotum/server/calendar"
)

// People is a directory of fixed entries, by id.
type People map[calendar.UserID]calendar.Person

// NewPeople returns active users of these ids, whose mail addresses are
// id@example.com. "root" is the calendar administrator.
func NewPeople(ids ...calendar.UserID) People {
	p := People{}
	for _, id := range ids {
		p[id] = calendar.Person{
			ID: id, Kind: calendar.Individual, Name: strings.ToUpper(id[:1]) + id[1:],
			Mails: []string{id + "@example.com"}, Active: true, Admin: id == "root",
		}
	}
	return p
}

// Actor returns the person as one who asks, or the anonymous actor for "".
func (p People) Actor(id calendar.UserID) calendar.Actor { return p[id].Actor() }

// Person implements calendar.People.
func (p People) Person(ctx context.Context, id calendar.UserID) (calendar.Person, error) {
	if who, ok := p[strings.ToLower(id)]; ok {
		return who, nil
	}
	if strings.Contains(id, "@") {
		return p.ByMail(ctx, id)
	}
	return calendar.Person{}, &calendar.Error{Kind: calendar.NotFound, Op: "find person", Ref: id}
}

// ByMail implements calendar.People.
func (p People) ByMail(_ context.Context, address string) (calendar.Person, error) {
	for _, who := range p {
		if slices.Contains(who.Mails, strings.ToLower(address)) {
			return who, nil
		}
	}
	return calendar.Person{}, &calendar.Error{Kind: calendar.NotFound, Op: "find person", Ref: address}
}

// Search implements calendar.People; only Text and Kinds count.
func (p People) Search(_ context.Context, q calendar.PeopleQuery) (found []calendar.Person, more bool, err error) {
	for _, who := range p {
		if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, who.Kind) {
			continue
		}
		if strings.EqualFold(who.Name, q.Text) || strings.EqualFold(who.ID, q.Text) ||
			(!q.Exact || q.Text == "") && strings.Contains(strings.ToLower(who.Name+" "+who.ID), strings.ToLower(q.Text)) {
			found = append(found, who)
		}
	}
	slices.SortFunc(found, func(a, b calendar.Person) int { return strings.Compare(a.Name, b.Name) })
	if q.Limit > 0 && len(found) > q.Limit {
		return found[:q.Limit], true, nil
	}
	return found, false, nil
}

// Members implements calendar.People: who names the group.
func (p People) Members(_ context.Context, group calendar.UserID, deep bool, limit int) ([]calendar.Person, bool, error) {
	seen := map[calendar.UserID]bool{group: true}
	var found []calendar.Person
	for groups := []calendar.UserID{group}; len(groups) > 0; groups = groups[1:] {
		for _, who := range p {
			if seen[who.ID] || !slices.Contains(who.Groups, groups[0]) {
				continue
			}
			seen[who.ID] = true
			if found = append(found, who); deep && who.Kind == calendar.Group {
				groups = append(groups, who.ID)
			}
		}
	}
	slices.SortFunc(found, func(a, b calendar.Person) int { return strings.Compare(a.Name, b.Name) })
	if limit > 0 && len(found) > limit {
		return found[:limit], true, nil
	}
	return found, false, nil
}

// Groups implements calendar.People: those that he names, as if there were no
// others.
func (p People) Groups(_ context.Context, id calendar.UserID, deep bool) ([]calendar.Person, error) {
	var found []calendar.Person
	seen := map[calendar.UserID]bool{id: true}
	for names := slices.Clone(p[id].Groups); len(names) > 0; names = names[1:] {
		if g, ok := p[names[0]]; ok && g.Kind == calendar.Group && !seen[g.ID] {
			seen[g.ID] = true
			if found = append(found, g); deep {
				names = append(names, g.Groups...)
			}
		}
	}
	slices.SortFunc(found, func(a, b calendar.Person) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}
