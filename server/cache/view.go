package cache

import (
	"context"
	"slices"

	"factotum/server/availability"
	"factotum/server/calendar"
	"factotum/server/match"
)

// View is one state of an owner's home.
type View interface {
	Home() Home
	// Calendars are all of them, by name; Calendar is one, or nil.
	Calendars() ([]*Calendar, error)
	Calendar(name string) (*Calendar, error)
	// Availability is when the owner can be met at all, nil if he does not say.
	Availability() (*availability.Availability, error)

	// Object is one object with its text, or nil.
	Object(ctx context.Context, cal *Calendar, name string) (*Object, error)
	// Objects are those of these names, in the order asked for, nil for those
	// that there are not.
	Objects(ctx context.Context, cal *Calendar, names []string) ([]*Object, error)
	// List has all members of a calendar without their texts, by name.
	List(ctx context.Context, cal *Calendar) ([]*calendar.Object, error)
	// Instances calls fn for the instances that overlap [from,to), floating
	// times taken as UTC, and some that are near, in an order that is the same
	// for all Views. One may come twice.
	Instances(ctx context.Context, cal *Calendar, from, to int64, fn func(Instance)) error
	// Changes tells what happened to the members of a calendar after a change:
	// each once, at the place of its first change, as it is now, without its
	// text. ok is false if that is too long ago for the View to know.
	Changes(cal *Calendar, since int64) (items []calendar.SyncItem, ok bool)
	// ListChanges is Changes with those members too of which only the dead
	// properties changed: what is not as it was in the list at a change of this
	// lineage. Lineage names the memory in which a number stands for one state; a
	// View of none has "", and no ListChanges.
	ListChanges(cal *Calendar, since int64) (items []calendar.SyncItem, ok bool)
	Lineage() string
	// Tx asks the store something else about a calendar, or with nil about any
	// part of the home. fn may run more than once.
	Tx(ctx context.Context, cal *Calendar, fn func(calendar.ReadTx) error) error
}

// chunk is how many objects one read transaction brings.
const chunk = 200

// plain is the View that is a transaction.
type plain struct {
	tx        calendar.ReadTx
	owner     calendar.Owner
	row       calendar.HomeRow
	exists    bool
	instances int
}

func (p *plain) Home() Home { return Home{p.exists, p.row.Change, p.row.Bytes, p.row.Entry} }

func (p *plain) Calendars() ([]*Calendar, error) { return readCalendars(p.tx, p.owner) }

func (p *plain) Calendar(name string) (*Calendar, error) {
	row, ok, err := p.tx.Calendar(name)
	if err != nil || !ok {
		return nil, err
	}
	props, err := p.tx.Props(row.ID, "")
	return NewCalendar(p.owner, row, props), err
}

func (p *plain) Availability() (*availability.Availability, error) {
	prefs, err := p.tx.Prefs()
	return availabilityOf(prefs), err
}

func (p *plain) Object(_ context.Context, cal *Calendar, name string) (*Object, error) {
	objs, err := readObjects(p.tx, cal, []string{name})
	if err != nil || len(objs) == 0 {
		return nil, err
	}
	return &Object{Object: objs[0]}, nil
}

func (p *plain) Objects(_ context.Context, cal *Calendar, names []string) ([]*Object, error) {
	objs, err := readObjects(p.tx, cal, names)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*Object, len(objs))
	for _, o := range objs {
		found[o.Name] = &Object{Object: o}
	}
	out := make([]*Object, len(names))
	for i, n := range names {
		out[i] = found[n]
	}
	return out, nil
}

func (p *plain) List(ctx context.Context, cal *Calendar) ([]*calendar.Object, error) {
	return readList(ctx, p.tx, cal)
}

func (p *plain) Instances(ctx context.Context, cal *Calendar, from, to int64, fn func(Instance)) error {
	out, series, err := readInstances(ctx, p.tx, cal, from, to, nil)
	if err != nil {
		return err
	}
	for _, o := range series {
		if out, err = o.expand(ctx, o.flags, from, to, p.instances, nil, out); err != nil {
			return err
		}
	}
	if !byMonth(from, to) {
		for _, i := range out {
			fn(i)
		}
		return nil
	}
	for k := monthOf(from); k <= monthOf(to-1); k++ { // in the order of the other View
		first, last := monthBounds(k)
		rows := slices.DeleteFunc(slices.Clone(out), func(i Instance) bool { return !match.Overlaps(i.Start, i.End, first, last) })
		newMonth(k, rows).each(from, to, fn)
	}
	return nil
}

func (p *plain) Changes(*Calendar, int64) ([]calendar.SyncItem, bool) { return nil, false }

func (p *plain) ListChanges(*Calendar, int64) ([]calendar.SyncItem, bool) { return nil, false }

func (p *plain) Lineage() string { return "" }

func (p *plain) Tx(_ context.Context, _ *Calendar, fn func(calendar.ReadTx) error) error {
	return fn(p.tx)
}
