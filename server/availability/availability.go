// Package availability reads when somebody can be met at all, and tells which
// part of a window he cannot: the VAVAILABILITY components of RFC 7953. An
// Availability is judged and compiled once, is never changed after that, and may
// be asked by many at a time. The package is pure; its errors have neither Op nor
// Ref.
package availability

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// What one text may hold, and what one question may cost.
const (
	maxComponents = 500     // VAVAILABILITY and AVAILABLE together
	maxInstances  = 10_000  // of all AVAILABLE in one window
	maxSteps      = 100_000 // periods of rules looked at in one window
)

// Availability is what the VAVAILABILITY components of one text, or of several
// objects, say.
type Availability struct {
	blocks []block // the lower priority first
	series int
	cost   int64
}

// block is one VAVAILABILITY.
type block struct {
	rank int         // of PRIORITY: the higher one counts
	busy string      // what the time is that is not available
	from *recur.Set  // one instance, whose start it is; nil: since ever
	to   *recur.Set  // one instance, whose end it is; nil: for ever
	free []available // in it
}

// available are the AVAILABLE components of one UID. One without an end lasts to
// the end of its block.
type available struct {
	set  *recur.Set
	open bool
}

// Parse reads the text of a CALDAV:calendar-availability property: an iCalendar
// object with VAVAILABILITY and VTIMEZONE components only. RFC 7953 §7.2.4.
func Parse(text []byte) (*Availability, error) {
	cal, err := ical.Parse(text, ical.Limits{})
	if err != nil {
		return nil, invalid(calendar.ValidCalendarData, "the text is not a valid iCalendar object: %v", err)
	}
	switch {
	case cal.Prop("METHOD") != nil:
		return nil, invalid(calendar.ValidCalendarObject, "an availability has no METHOD property")
	case cal.Prop("VERSION") != nil && cal.Word("VERSION") != "2.0":
		return nil, calendar.Errorf(calendar.Unsupported, calendar.SupportedCalendarData, "VERSION must be 2.0, not %q", cal.Word("VERSION"))
	}
	for _, k := range cal.Children {
		if k.Name != "VAVAILABILITY" && k.Name != "VTIMEZONE" {
			return nil, calendar.Errorf(calendar.Unsupported, calendar.SupportedComponent, "an availability has VAVAILABILITY and VTIMEZONE components, not %s", k.Name)
		}
	}
	for _, p := range ical.Validate(cal) {
		// Deviation: RFC 7953 §3.1 wants UIDs; clients leave them out, and here
		// nothing depends on them.
		if p.Severity == ical.Error && (p.Property != "UID" || p.Component == "VCALENDAR") {
			return nil, invalid(calendar.ValidCalendarData, "%s", p.Error())
		}
	}
	a, err := Of(cal)
	if err == nil && len(a.blocks) == 0 {
		err = invalid(calendar.ValidCalendarObject, "the text has no VAVAILABILITY")
	}
	return a, err
}

// Of reads the VAVAILABILITY components of an object, with its time zones.
func Of(cal *ical.Component) (*Availability, error) {
	a, zones := &Availability{}, recur.ZonesOf(cal)
	left := maxComponents
	for k := range cal.ChildrenOf("VAVAILABILITY") {
		if left -= 1 + len(k.Children); left < 0 {
			return nil, calendar.Errorf(calendar.TooLarge, calendar.MaxInstances, "an availability has at most %d components", maxComponents)
		}
		b, err := readBlock(k, zones)
		if err != nil {
			return nil, invalid(calendar.ValidCalendarData, "%v", err)
		}
		a.add(b)
	}
	a.sort()
	return a, nil
}

// Join makes one of several, of which each may be nil.
func Join(list ...*Availability) *Availability {
	a := &Availability{}
	for _, x := range list {
		if x != nil {
			for _, b := range x.blocks {
				a.add(b)
			}
		}
	}
	a.sort()
	return a
}

func (a *Availability) add(b block) {
	a.blocks = append(a.blocks, b)
	a.series += len(b.free)
	a.cost += 512 + 2048*int64(len(b.free))
}

func (a *Availability) sort() {
	slices.SortStableFunc(a.blocks, func(x, y block) int { return cmp.Compare(x.rank, y.rank) })
}

// Cost is about how many octets of memory it takes.
func (a *Availability) Cost() int64 {
	if a == nil {
		return 0
	}
	return a.cost
}

func readBlock(k *ical.Component, zones *recur.Zones) (b block, err error) {
	b.rank, b.busy = rankOf(k), busyType(k)
	start, end, length := k.Prop("DTSTART"), k.Prop("DTEND"), k.Prop("DURATION")
	if start != nil {
		if b.from, err = compile(k, zones, start); err != nil {
			return b, err
		}
	}
	switch {
	case end != nil && start != nil:
		b.to, err = compile(k, zones, start, end)
	case end != nil:
		moment := *end
		moment.Name = "DTSTART"
		b.to, err = compile(k, zones, &moment)
	case length != nil && start != nil:
		b.to, err = compile(k, zones, start, length)
	}
	if err != nil {
		return b, err
	}
	b.free, err = readAvailable(k, zones)
	return b, err
}

// compile makes a set of one instance that has these properties.
func compile(k *ical.Component, zones *recur.Zones, props ...*ical.Property) (*recur.Set, error) {
	one := ical.New(k.Name)
	for _, p := range props {
		one.Add(*p)
	}
	return recur.Compile([]*ical.Component{one}, zones)
}

// readAvailable compiles the AVAILABLE components, those of one UID together:
// they are a series and its overrides.
func readAvailable(k *ical.Component, zones *recur.Zones) ([]available, error) {
	var lists [][]*ical.Component
	byUID := map[string]int{}
	for c := range k.ChildrenOf("AVAILABLE") {
		uid := strings.TrimSpace(c.Text("UID"))
		at, known := byUID[uid]
		if !known || uid == "" {
			at = len(lists)
			byUID[uid] = at
			lists = append(lists, nil)
		}
		lists[at] = append(lists[at], c)
	}
	var out []available
	for _, list := range lists {
		set, err := recur.Compile(list, zones)
		if err != nil {
			return nil, err
		}
		out = append(out, available{set, endless(list)})
	}
	return out, nil
}

// endless reports whether a series, or what does not recur, has no end in time
// of its own. A day ends by itself. RFC 7953 §3.1.
func endless(list []*ical.Component) bool {
	c := list[0]
	for _, k := range list {
		if k.Prop("RECURRENCE-ID") == nil {
			c = k
		}
	}
	if c.Prop("DTEND") != nil || c.Prop("DURATION") != nil {
		return false
	}
	p := c.Prop("DTSTART")
	if p == nil {
		return false
	}
	d, err := p.DateTime()
	return err == nil && d.Kind != ical.Date
}

// rankOf orders priorities: 1 is the highest, 9 the lowest, and none at all
// lower still. RFC 7953 §3.1, RFC 5545 §3.8.1.9.
func rankOf(k *ical.Component) int {
	if v := k.Word("PRIORITY"); len(v) == 1 && v >= "1" && v <= "9" {
		return 10 - int(v[0]-'0')
	}
	return 0
}

// busyType reads BUSYTYPE; what nobody knows is BUSY. RFC 7953 §3.2, RFC 5545 §3.2.9.
func busyType(k *ical.Component) string {
	switch v := k.Word("BUSYTYPE"); v {
	case "", "BUSY-UNAVAILABLE":
		return "BUSY-UNAVAILABLE"
	case "BUSY-TENTATIVE":
		return v
	}
	return "BUSY"
}

func invalid(reason calendar.Reason, format string, args ...any) error {
	return calendar.Errorf(calendar.Invalid, reason, format, args...)
}

// ends are the first second of a block and the one after its last.
func (b *block) ends(ctx context.Context, float recur.Zone) (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if b.from != nil {
		if in, ok := first(ctx, b.from, float, 1); ok {
			from = in.Start.Unix()
		}
	}
	if b.to != nil {
		if in, ok := first(ctx, b.to, float, 1); ok {
			to = in.End.Unix()
		}
	}
	return from, to
}

func first(ctx context.Context, s *recur.Set, float recur.Zone, steps int) (recur.Instance, bool) {
	for in, err := range s.Between(ctx, time.Time{}, time.Time{}, float, recur.Budget{MaxInstances: 1, MaxSteps: steps}) {
		return in, err == nil
	}
	return recur.Instance{}, false
}

// instances calls fn for the time that an AVAILABLE gives in [from,to), for at
// most so many instances, and returns how many they were. Above that, or where the
// rules cost too much, the rest is not available.
func (f *available) instances(ctx context.Context, from, to int64, float recur.Zone, lim recur.Budget, fn func(start, end int64)) (n int, err error) {
	if f.open {
		if in, ok := first(ctx, f.set, float, lim.MaxSteps); ok {
			fn(in.Start.Unix(), math.MaxInt64)
		}
		return 1, ctx.Err()
	}
	for in, err := range f.set.Between(ctx, time.Unix(from, 0).UTC(), time.Unix(to, 0).UTC(), float, lim) {
		switch {
		case errors.Is(err, recur.ErrBudget):
			return n, nil
		case err != nil:
			return n, err
		}
		n++
		fn(in.Start.Unix(), in.End.Unix())
	}
	return n, nil
}
