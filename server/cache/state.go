package cache

import (
	"slices"
	"strings"
	"time"

	"factotum/server/availability"
	"factotum/server/calendar"
	"factotum/server/recur"
	"factotum/server/zone"
)

// Home is an owner's home in one state.
type Home struct {
	Exists bool
	Change int64
	Bytes  int64
	Entry  string // HomeRow.Entry
}

// Calendar is a calendar in one state.
type Calendar struct {
	ID         calendar.ID
	Row        calendar.CalendarRow
	Components []string
	CoOwners   []string
	Props      []calendar.DeadProp
	Zone       recur.Zone // of Row.Timezone, nil if it has none
}

// IsCoOwner tells whether who is one of the calendar's other owners.
func (c *Calendar) IsCoOwner(who calendar.Actor) bool {
	return who.User != "" && slices.ContainsFunc(c.CoOwners, func(o string) bool { return strings.EqualFold(o, who.User) })
}

// NewCalendar works out what is asked of a row.
func NewCalendar(owner calendar.Owner, row calendar.CalendarRow, props []calendar.DeadProp) *Calendar {
	c := &Calendar{ID: calendar.NewID(owner, row.Name), Row: row, Props: props, CoOwners: strings.Fields(row.CoOwners)}
	if row.Timezone != "" {
		c.Zone = zone.OfText(row.Timezone)
	}
	if row.Components != "" {
		c.Components = strings.Split(row.Components, ",")
	}
	return c
}

// readCalendars are all of the owner, by name.
func readCalendars(tx calendar.ReadTx, owner calendar.Owner) ([]*Calendar, error) {
	rows, err := tx.Calendars()
	if err != nil {
		return nil, err
	}
	cals := make([]*Calendar, len(rows))
	for i, r := range rows {
		props, err := tx.Props(r.ID, "")
		if err != nil {
			return nil, err
		}
		cals[i] = NewCalendar(owner, r, props)
	}
	return cals, nil
}

// state is a published state of a home.
type state struct {
	Home
	cals  []*Calendar // by name
	avail *availability.Availability
	log   []record // that led to it
	reach int64    // the log has every change above this one
}

// availabilityOf is what a user's preferences say of when he can be met. What
// cannot be read was stored before a rule was added, and says nothing.
func availabilityOf(prefs map[string]string) *availability.Availability {
	text := prefs[calendar.AvailabilityPref]
	if text == "" {
		return nil
	}
	a, err := availability.Parse([]byte(text))
	if err != nil {
		return nil
	}
	return a
}

// cost is about how many octets a state takes beside its log.
func (st *state) cost() int64 { return int64(len(st.cals))*calendarCost + st.avail.Cost() }

func (st *state) calendar(name string) *Calendar {
	i, ok := slices.BinarySearchFunc(st.cals, name, func(c *Calendar, n string) int { return strings.Compare(c.Row.Name, n) })
	if !ok {
		return nil
	}
	return st.cals[i]
}

// next is the state after some changes of objects. It is nil when there is one
// among them of a calendar itself: then the calendars are read again.
func (st *state) next(log []record) *state {
	n := &state{Home: st.Home, cals: st.cals, avail: st.avail}
	copied := false
	for i := range log {
		r := &log[i]
		if r.reload {
			return nil
		}
		n.Exists, n.Change = true, r.number
		n.Bytes += r.bytes
		if r.availed {
			n.avail = r.avail
		}
		at := slices.IndexFunc(n.cals, func(c *Calendar) bool { return c.Row.ID == r.cal })
		if at < 0 || r.props {
			continue
		}
		if !copied {
			n.cals, copied = slices.Clone(n.cals), true
		}
		cal := *n.cals[at]
		cal.Row.Change, cal.Row.Modified = r.number, r.when
		n.cals[at] = &cal
	}
	return n
}

// record is what the log keeps of a change.
type record struct {
	number  int64
	cal     int64                    // incarnation; 0 for a change of the home
	name    string                   // of the object; "" for a change of the calendar itself
	object  *calendar.Object         // as it is then, without its text; nil: deleted
	gone    *calendar.Tombstone      // what a deletion leaves
	props   bool                     // its dead properties changed, nothing else
	retimed bool                     // its instances are others than before
	was, is []calendar.OccurrenceRow // these
	when    time.Time
	bytes   int64

	availed bool // when the owner can be met is something else than before
	avail   *availability.Availability

	reload bool // a calendar changed itself
	reset  bool // nothing that was kept of the calendar, or with cal 0 of any, holds
}

// recordOf takes what the log keeps from a change.
func recordOf(c *calendar.Change) record {
	r := record{number: c.Number, cal: c.Incarnation, name: c.Name, when: c.When, bytes: c.Bytes}
	switch c.Kind {
	case calendar.ObjectStored:
		r.object = ObjectOf(&c.After.ObjectRow, c.Calendar, c.After.Props).Meta()
	case calendar.ObjectDeleted:
		r.gone = &calendar.Tombstone{Calendar: c.Calendar, Name: c.Name, Change: c.Number, Deleted: c.When}
		if c.Before != nil {
			r.gone.UID, r.gone.Component = c.Before.UID, c.Before.Component
		}
	case calendar.ObjectProps:
		r.props = true
		r.object = ObjectOf(&c.After.ObjectRow, c.Calendar, c.After.Props).Meta()
	case calendar.PrefsChanged, calendar.Posted:
	case calendar.CalendarChanged:
		r.reload = true
		r.reset = c.CalendarBefore == nil || c.CalendarAfter == nil || c.CalendarBefore.Name != c.CalendarAfter.Name
	case calendar.Purged:
		r.reload = true
	default:
		r.reload, r.reset = true, true
	}
	if was, is := c.PrefsBefore[calendar.AvailabilityPref], c.PrefsAfter[calendar.AvailabilityPref]; was != is {
		r.availed, r.avail = true, availabilityOf(c.PrefsAfter)
	}
	if c.Retimed() {
		r.retimed = true
		if c.Before != nil {
			r.was = c.Before.Occurrences
		}
		if c.After != nil {
			r.is = c.After.Occurrences
		}
	}
	return r
}

// of tells whether the change is one of that calendar, or of all.
func (r *record) of(cal int64) bool { return r.cal == cal || r.cal == 0 && r.reset }

// between returns the records of a log above one number up to another. ok is
// false if the log, which has every change above reach, does not go back or on
// that far.
func between(log []record, reach, from, to int64) (part []record, ok bool) {
	if from >= to {
		return nil, true
	}
	if from < reach || len(log) == 0 || log[len(log)-1].number < to {
		return nil, false
	}
	first := log[0].number
	return log[max(0, from+1-first):max(0, min(int64(len(log)), to+1-first))], true
}
