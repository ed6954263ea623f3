package stories

import (
	"context"
	"maps"
	"slices"
	"sync"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// people, rooms and the group are all that there is on a site of stories.
var (
	people = []string{"anna", "ben", "carl", "dora", "emil"}
	rooms  = []string{"room1", "room2"}
	all    = slices.Concat(people, rooms, []string{team})
)

const team = "team"

// mayBook are those whom room2 lets book it.
var mayBook = []string{"anna", "ben"}

func address(id string) string { return "mailto:" + id + "@example.com" }

// directory is who there is, and who is in the team now.
type directory struct {
	mu  sync.Mutex
	now calendartest.People
}

// newDirectory has room1, which one meeting has at a time, and room2, which any
// number have but only some may book. Both answer by themselves.
func newDirectory(series calendar.SeriesRule) *directory {
	p := calendartest.NewPeople(append([]string{"root"}, all...)...)
	for _, id := range rooms {
		r := p[id]
		r.Kind, r.AutoReply, r.NoDoubles, r.Booking.Series = calendar.Room, true, id == "room1", series
		if id == "room2" {
			r.Booking.Who = mayBook
		}
		p[id] = r
	}
	g := p[team]
	g.Kind = calendar.Group
	p[team] = g
	return &directory{now: p}
}

// setTeam says who is in the team from now on.
func (d *directory) setTeam(members []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next := maps.Clone(d.now)
	for _, id := range people {
		p := next[id]
		p.Groups = nil
		if slices.Contains(members, id) {
			p.Groups = []string{team}
		}
		next[id] = p
	}
	d.now = next
}

func (d *directory) current() calendartest.People {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

// Actor is somebody who asks.
func (d *directory) Actor(id string) calendar.Actor { return d.current().Actor(id) }

// Person implements calendar.People.
func (d *directory) Person(ctx context.Context, id calendar.UserID) (calendar.Person, error) {
	return d.current().Person(ctx, id)
}

// ByMail implements calendar.People.
func (d *directory) ByMail(ctx context.Context, mail string) (calendar.Person, error) {
	return d.current().ByMail(ctx, mail)
}

// Search implements calendar.People.
func (d *directory) Search(ctx context.Context, q calendar.PeopleQuery) ([]calendar.Person, bool, error) {
	return d.current().Search(ctx, q)
}

// Members implements calendar.People.
func (d *directory) Members(ctx context.Context, group calendar.UserID, deep bool, limit int) ([]calendar.Person, bool, error) {
	return d.current().Members(ctx, group, deep, limit)
}

// Groups implements calendar.People.
func (d *directory) Groups(ctx context.Context, id calendar.UserID, deep bool) ([]calendar.Person, error) {
	return d.current().Groups(ctx, id, deep)
}
