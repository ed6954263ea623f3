package wcap

import (
	"errors"
	"slices"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// errEnough ends a fetch at maxResults.
var errEnough = errors.New("enough")

// fetch calls emit for the components of a calendar that overlap a window: as
// the back end finds them, or sorted by their start if the presentation asks.
func (c *call) fetch(v *presentation, cal *calendar.Calendar, w calendar.Window, emit func(*ical.Component) error) error {
	return c.limited(v, emit, func(emit func(*ical.Component) error) error {
		for _, name := range []string{"VEVENT", "VTODO"} {
			if !v.takes(name) {
				continue
			}
			if err := c.query(v, cal, name, w, emit); err != nil {
				return err
			}
		}
		return nil
	})
}

// limited applies maxResults and fetchorder to what run emits.
func (c *call) limited(v *presentation, emit func(*ical.Component) error, run func(func(*ical.Component) error) error) error {
	n := 0
	count := func(k *ical.Component) error {
		if v.max > 0 && n >= v.max {
			return errEnough
		}
		n++
		return emit(k)
	}
	if v.order < 0 {
		if err := run(count); !errors.Is(err, errEnough) {
			return err
		}
		return nil
	}
	var all []*ical.Component
	if err := run(func(k *ical.Component) error { all = append(all, k); return nil }); err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b *ical.Component) int {
		if v.order == 1 {
			a, b = b, a
		}
		return compareStart(a, b)
	})
	for _, k := range all {
		if err := count(k); err != nil {
			if errors.Is(err, errEnough) {
				return nil
			}
			return err
		}
	}
	return nil
}

// compareStart orders by DTSTART, else DUE; all of one answer have one form.
func compareStart(a, b *ical.Component) int {
	x, y := a.Value("DTSTART"), b.Value("DTSTART")
	if x == "" {
		x = a.Value("DUE")
	}
	if y == "" {
		y = b.Value("DUE")
	}
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// query fetches the components of one type.
func (c *call) query(v *presentation, cal *calendar.Calendar, name string, w calendar.Window, emit func(*ical.Component) error) error {
	f := calendar.CompFilter{Name: name}
	if !open(w) {
		f.TimeRange = &w
	}
	req := calendar.QueryRequest{Calendar: cal.ID, Filter: &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{f}}}
	one := *v
	one.events, one.todos = name == "VEVENT", name == "VTODO"
	s := c.shower(&one, cal)
	return c.be.Query(c.ctx, c.who, req, func(o *calendar.Object) error {
		return s.show(o, w, func(k *ical.Component) error {
			if name == "VTODO" && !open(w) && k.Prop("DTSTART") == nil && k.Prop("DUE") == nil {
				return nil // a task without dates is in no bounded range: WCAP §9.15
			}
			return emit(k)
		})
	})
}

// readable finds a calendar whose components may be read.
func (c *call) readable(t *target) (calendar.Calendar, error) {
	cal, err := c.calendar(t)
	if err == nil && !cal.Rights.CanRead() {
		err = AccessDenied
	}
	return cal, err
}

// fetchByRange is the main fetch. WCAP fetchcomponents_by_range.
func (c *call) fetchByRange() error {
	v, w, err := c.fetchParams(true)
	if err != nil {
		return err
	}
	count := c.p.flag("invitecount", false)
	return c.each(func(t *target) error {
		cal, err := c.readable(t)
		if err != nil {
			return err
		}
		c.begin(t, &cal)
		if count {
			if err := c.invitations(&cal); err != nil {
				return err
			}
		}
		return c.fetchShown(v, &cal, w)
	})
}

func (c *call) fetchParams(strict bool) (*presentation, calendar.Window, error) {
	zone, err := c.zone(strict)
	if err != nil {
		return nil, calendar.Window{}, err
	}
	v, err := c.presentation(strict)
	if err != nil {
		return nil, calendar.Window{}, err
	}
	w, err := c.window(zone)
	return v, w, err
}

// fetchByLastMod fetches what was changed in a period. An object's moment is
// that of the server's last write, whatever protocol it came by. WCAP
// fetchcomponents_by_lastmod.
func (c *call) fetchByLastMod() error {
	v, w, err := c.fetchParams(false)
	if err != nil {
		return err
	}
	return c.each(func(t *target) error {
		cal, err := c.readable(t)
		if err != nil {
			return err
		}
		if open(w) {
			c.begin(t, &cal)
			return c.fetch(v, &cal, w, c.out.comp)
		}
		var refs []calendar.Ref
		cal, err = c.be.ListObjects(c.ctx, c.who, cal.ID, func(o *calendar.Object) error {
			if v.takes(o.Component) && within(o.Modified, w) {
				refs = append(refs, calendar.Ref{Calendar: o.Calendar, Name: o.Name})
			}
			return nil
		})
		if err != nil {
			return err
		}
		c.begin(t, &cal)
		s := c.shower(v, &cal)
		return c.limited(v, c.out.comp, func(emit func(*ical.Component) error) error {
			for chunk := range slices.Chunk(refs, 1000) {
				if err := c.be.Objects(c.ctx, c.who, calendar.ObjectsRequest{Refs: chunk}, func(r calendar.ObjectResult) error {
					if r.Err != nil {
						return nil // deleted meanwhile
					}
					return s.show(r.Object, calendar.Window{}, emit)
				}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// within is inclusive at both ends: clients use the end of one range as the
// start of the next, and rather see a change twice than never. Wire times
// have whole seconds.
func within(t time.Time, w calendar.Window) bool {
	t = t.Truncate(time.Second)
	return !t.Before(w.From) && (w.To.IsZero() || !t.After(w.To))
}

// fetchDeleted fetches what was deleted in a period. WCAP fetch_deletedcomponents.
func (c *call) fetchDeleted() error {
	v, w, err := c.fetchParams(false)
	if err != nil {
		return err
	}
	gone := calendar.Window{From: w.From}
	if !w.To.IsZero() {
		gone.To = w.To.Add(time.Second)
	}
	return c.each(func(t *target) error {
		cal, err := c.readable(t)
		if err != nil {
			return err
		}
		c.begin(t, &cal)
		c.out.value("X-NSCP-WCAPTIME", utc(c.now()))
		return c.limited(v, c.out.comp, func(emit func(*ical.Component) error) error {
			_, err := c.be.Sync(c.ctx, c.who, calendar.SyncRequest{Calendar: cal.ID, Gone: &gone, Deleted: true}, func(it calendar.SyncItem) error {
				if it.Gone == nil || !v.takes(it.Gone.Component) {
					return nil
				}
				return c.showDeleted(v, &cal, it.Gone, emit)
			})
			if err == nil {
				err = c.fetchExcluded(v, &cal, w, emit)
			}
			return err
		})
	})
}

// deletedProps are what is told of a deleted component: when it was, not what.
var deletedProps = map[string]bool{
	"UID": true, "RECURRENCE-ID": true, "DTSTAMP": true, "DTSTART": true, "DTEND": true, "DUE": true, "LAST-MODIFIED": true,
	"RRULE": true, "RDATE": true, "EXRULE": true, "EXDATE": true,
	"X-NSCP-DTSTART-TZID": true, "X-NSCP-DTEND-TZID": true, "X-NSCP-DUE-TZID": true,
}

// deletedAs emits components as they are told when they are gone.
func deletedAs(cal *calendar.Calendar, when time.Time, emit func(*ical.Component) error) func(*ical.Component) error {
	return func(k *ical.Component) error {
		k.Props = slices.DeleteFunc(k.Props, func(p ical.Property) bool { return !deletedProps[p.Name] })
		k.Children = nil
		k.Set("LAST-MODIFIED", utc(when))
		k.Set("X-NSCP-TRIGGERED_BY", string(cal.ID.Owner()))
		return emit(k)
	}
}

func (c *call) showDeleted(v *presentation, cal *calendar.Calendar, g *calendar.Tombstone, emit func(*ical.Component) error) error {
	shown := *v
	shown.attrset, shown.compressed, shown.states = 2, true, nil
	shown.events, shown.todos = g.Component == "VEVENT", g.Component == "VTODO"
	n := 0
	print := deletedAs(cal, g.Deleted, func(k *ical.Component) error { n++; return emit(k) })
	o := &calendar.Object{Calendar: cal.ID, Name: g.Name, UID: g.UID, Component: g.Component, Created: g.Deleted, Modified: g.Deleted, Data: g.Data}
	if len(g.Data) > 0 {
		if err := c.show(&shown, cal, o, calendar.Window{}, print); err != nil {
			return err
		}
	}
	if n == 0 { // its text is not kept, or had no instance
		k := ical.New(g.Component)
		k.Set("UID", g.UID)
		k.Set("DTSTAMP", utc(g.Deleted))
		return print(k)
	}
	return nil
}
