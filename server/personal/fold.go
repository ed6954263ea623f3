package personal

import (
	"slices"

	"factotum/server/edit"
	"factotum/server/ical"
	"factotum/server/recur"
)

// Fold takes apart what a user wants an object to be whose base is this, nil for a
// new one: next is what everybody sees of it, with what the owner has for
// himself, and mine what the user has, nil if that is nothing. Where he changed
// nothing else next is base itself. Exceptions that say nothing but what he has
// for himself are no part of next.
func Fold(base, wanted *ical.Component, floating recur.Zone) (next, mine *ical.Component) {
	b, w := open(base), open(wanted)
	f := folding{base: &b, wanted: &w, floating: floating}
	next = &ical.Component{Name: wanted.Name, Props: wanted.Props}
	mine = ical.New("VCALENDAR")
	var series *ical.Component
	if w.master != nil {
		if series = f.part(w.master, ""); !isEmpty(series) {
			mine.AddChild(series)
		}
	}
	for _, c := range wanted.Children {
		if c.Name == "VTIMEZONE" {
			next.AddChild(c)
			continue
		}
		k := w.key(c)
		if k != "" {
			if part := f.part(c, k); !says(part, series) {
				mine.AddChild(part)
			}
			if base != nil && b.of[k] == nil && f.repeats(c) {
				continue
			}
		}
		next.AddChild(f.shared(c, k))
	}
	if len(mine.Children) == 0 {
		mine = nil
	}
	if base != nil && same(next, base) {
		return base, mine
	}
	return next, mine
}

type folding struct {
	base, wanted *parts
	floating     recur.Zone
	set          *recur.Set // of the series that is wanted, once it is needed
}

// owners is what the owner has of a component: a new exception was an instance of
// the series until now.
func (f *folding) owners(k key) *ical.Component { return f.base.or(k) }

// part is what a component says that is the user's own.
func (f *folding) part(c *ical.Component, k key) *ical.Component {
	out := ical.New(c.Name)
	if d, ok := f.wanted.rid(c); ok {
		out.SetDateTime("RECURRENCE-ID", d)
	} else if rid := c.Prop("RECURRENCE-ID"); rid != nil {
		out.Add(rid.Clone())
	}
	if o := f.owners(k); o != nil && c.Name == "VEVENT" && takesTime(c) != takesTime(o) {
		out.Set("TRANSP", transparency(c))
	}
	return adorn(out, c)
}

func takesTime(c *ical.Component) bool { return c.Word("TRANSP") != "TRANSPARENT" }

func transparency(c *ical.Component) string {
	if takesTime(c) {
		return "OPAQUE"
	}
	return "TRANSPARENT"
}

// isEmpty tells of a part of the series that it says nothing.
func isEmpty(part *ical.Component) bool {
	return part == nil || len(part.Props) == 0 && len(part.Children) == 0
}

// says tells whether the part of an exception says what that of the series says,
// which may be nothing.
func says(part, series *ical.Component) bool {
	if series == nil {
		series = ical.New(part.Name)
	}
	alone := *part
	alone.Props = slices.DeleteFunc(slices.Clone(part.Props), func(p ical.Property) bool { return p.Name == "RECURRENCE-ID" })
	return ical.Equal(&alone, series)
}

// shared is a component as all see it, with what the owner has for himself. In an
// object that is new he has nothing yet, and whether it takes time is said for all.
func (f *folding) shared(c *ical.Component, k key) *ical.Component {
	out := bare(c)
	o := f.owners(k)
	if o == nil {
		return out
	}
	if p := o.Prop("TRANSP"); p != nil {
		out.Set("TRANSP", p.Value)
	} else {
		out.Del("TRANSP")
	}
	return adorn(out, o)
}

// repeats tells whether an exception says nothing else than the series says of
// that instance.
func (f *folding) repeats(c *ical.Component) bool {
	rid, ok := f.wanted.rid(c)
	if !ok || f.wanted.master == nil {
		return false
	}
	if f.set == nil {
		var err error
		if f.set, err = recur.Compile([]*ical.Component{f.wanted.master}, f.wanted.zones); err != nil {
			return false
		}
	}
	in, ok := f.set.InstanceIn(rid, f.wanted.zones, f.floating)
	if !ok || !in.HasRID {
		return false
	}
	return ical.Equal(essence(c, true), essence(edit.Override(in, f.wanted.zones, f.floating), true))
}

// stamps say when a component was written, and no more.
var stamps = []string{"DTSTAMP", "CREATED", "LAST-MODIFIED", "SEQUENCE"}

// essence is a component without stamps; bared, without what each has of his own.
func essence(c *ical.Component, bared bool) *ical.Component {
	if bared {
		c = bare(c)
		c.Del("TRANSP")
	}
	return &ical.Component{Name: c.Name, Children: c.Children,
		Props: slices.DeleteFunc(slices.Clone(c.Props), func(p ical.Property) bool { return slices.Contains(stamps, p.Name) })}
}

// same tells whether two objects say the same, whatever they say of their zones
// and of when and by which program they were written.
func same(a, b *ical.Component) bool {
	x, y := open(a), open(b)
	if len(x.of) != len(y.of) {
		return false
	}
	for k, c := range x.of {
		if d := y.of[k]; d == nil || !ical.Equal(essence(c, false), essence(d, false)) {
			return false
		}
	}
	return true
}
