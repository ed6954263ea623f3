package service

import (
	"factotum/server/acl"
	"factotum/server/cache"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/personal"
	"factotum/server/recur"
)

// Whoever sees a calendar that is not his, and does not act in its owner's name,
// has alarms and a TRANSP of his own there: package personal. They are put into
// what he reads (shown), and taken out of what he writes (fold).

// isApart tells whether an actor with these rights has a part of his own in the
// objects of a calendar. Co-owners, and who schedules on the owner's behalf, have
// the owner's.
func (s *Service) isApart(who calendar.Actor, r calendar.Rights, owners []string, kind calendar.CollectionKind) bool {
	return !r.Owner && kind.Rules().Objects && !isCoOwner(who, owners) && (who.User == "" || r.OnBehalf() == acl.Behalf{})
}

// seenBy is an object as one sees it who has a part of his own.
func (s *Service) seenBy(who calendar.Actor, cal *cache.Calendar, o *cache.Object) *cache.Object {
	mine := calendar.PersonalOf(o.Personal, who.User)
	if o.Data == nil || mine == nil && !personal.MayHave(o.Data) {
		return o
	}
	known, err := o.Parsed()
	if err != nil {
		return o
	}
	out := *o.Object
	out.Data = personal.View(known.Cal, partOf(mine), s.floatingOf(nil, cal)).Bytes() // the Size stays: tags are of the object, whoever sees it
	return &cache.Object{Object: &out}
}

// partOf reads somebody's part; one that cannot be read is none.
func partOf(text []byte) *ical.Component {
	if text == nil {
		return nil
	}
	cal, err := ical.Parse(text, ical.Limits{})
	if err != nil {
		return nil
	}
	return cal
}

// floating is the zone in which floating time of a place is read.
func (w *writer) floating(p *place) recur.Zone {
	return w.s.floatingOf(nil, cache.NewCalendar(w.owner, p.row, nil))
}

// own is the text of the actor's part of a stored object, nil if he has none, and
// how many others have one.
func (w *writer) own(p *place, name string) (mine []byte, others int, err error) {
	props, err := w.Props(p.row.ID, name)
	all, _ := calendar.CutPersonal(props)
	if mine = calendar.PersonalOf(all, w.who.User); mine != nil {
		return mine, len(all) - 1, err
	}
	return nil, len(all), err
}

// seen is the text of a stored object as the actor sees it.
func (w *writer) seen(p *place, o *calendar.ObjectRow) (*ical.Component, error) {
	cal, err := ical.Parse(o.Data, ical.Limits{})
	if err != nil {
		return nil, &calendar.Error{Kind: calendar.Invalid, Op: w.op, Ref: refOf(p.id, o.Name), Msg: "the stored text cannot be read", Err: err}
	}
	if !p.apart {
		return cal, nil
	}
	mine, _, err := w.own(p, o.Name)
	if err != nil {
		return nil, err
	}
	return personal.View(cal, partOf(mine), w.floating(p)), nil
}

// fold takes out of what the actor wants to store what is his own: the rest, and
// how it is stored. Where the rest is what is there it is left as it is. old is
// what is there, or nil.
func (w *writer) fold(p *place, name string, obj *object.Resource, old *calendar.ObjectRow) (*object.Resource, storing, error) {
	var how storing
	if !p.apart || w.who.User == "" || obj.Calendar == nil {
		return obj, how, nil
	}
	ref := refOf(p.id, name)
	var base *ical.Component
	var had []byte
	others := 0
	var err error
	if old != nil {
		if base, err = ical.Parse(old.Data, ical.Limits{}); err != nil {
			return obj, how, nil // it is replaced by one that can be read
		}
		if had, others, err = w.own(p, name); err != nil {
			return nil, how, err
		}
	}
	next, mine := personal.Fold(base, obj.Calendar, w.floating(p))
	prop := calendar.PersonalProp(w.who.User)
	switch {
	case mine != nil:
		prop.Value = string(mine.Bytes())
		how.own = &calendar.PropChange{Prop: prop}
		if limit := w.s.opt.Limits.PropSize; len(prop.Value) > limit {
			return nil, how, calendar.Failf(calendar.TooLarge, calendar.MaxResourceSize, w.op, ref, "your alarms of this object are longer than %d octets", limit)
		}
		if had == nil && others >= calendar.MaxPersonal {
			return nil, how, calendar.Failf(calendar.TooMany, "", w.op, ref, "%d users have alarms of their own for this object: no more can", calendar.MaxPersonal)
		}
	case had != nil:
		how.own = &calendar.PropChange{Prop: prop, Remove: true}
	}
	switch {
	case base != nil && next == base:
		how.alone, how.quiet = true, true
		obj, err = w.again(p.row.ID, old)
	case mine == nil && ical.Equal(next, obj.Calendar): // octet for octet, as he wrote it
	default:
		if obj, err = object.Restate(w.rules(p), obj, next); err != nil {
			err = wrap(w.op, ref, err)
		}
	}
	return obj, how, err
}

// compose makes of what a user wants to store what is stored, and how: with the
// messages that follow from it.
func (w *writer) compose(p *place, name string, obj *object.Resource, old *calendar.ObjectRow, tell telling) (*object.Resource, storing, error) {
	obj, how, err := w.fold(p, name, obj, old)
	if err != nil || how.alone {
		return obj, how, err
	}
	obj, post, err := w.schedule(p, name, obj, old, tell)
	if err != nil {
		return nil, how, err
	}
	how.jobs, err = posts(post)
	return obj, how, err
}
