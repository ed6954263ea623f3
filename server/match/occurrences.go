package match

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
)

// Series is an object whose instances are asked for: its text, parsed, and its
// compiled recurrence.
type Series struct {
	Cal      *ical.Component
	Set      *recur.Set
	Floating recur.Zone // that floating time is read in
	Cut      bool       // an answer left instances out that were asked for

	parts map[*ical.Component]int // where there are several
}

// maxSteps is how far one question looks for instances.
const maxSteps = 200_000

// Bounds say how many instances are wanted.
type Bounds struct {
	Most    int // of any object
	Endless int // of one that never ends in a window that does not, 0 = no other bound
}

// Within returns the instances that overlap a window. Above the bounds the
// answer is what was found; Cut tells so, but not of those of a series that never
// ends.
func (s *Series) Within(ctx context.Context, w calendar.Window, b Bounds) ([]calendar.Occurrence, error) {
	most, asked := b.Most, true
	if _, _, infinite := s.Set.Span(s.Floating); infinite && w.To.IsZero() && b.Endless > 0 {
		most, asked = min(most, b.Endless), b.Endless > most
	}
	var list []calendar.Occurrence
	for in, err := range s.Set.Between(ctx, w.From, w.To, s.Floating, recur.Budget{MaxInstances: most, MaxSteps: maxSteps}) {
		if err != nil {
			s.Cut = s.Cut || asked && errors.Is(err, recur.ErrBudget)
			return list, unlessSpent(err)
		}
		list = append(list, s.occurrence(&in))
	}
	return list, nil
}

// Alarmed returns the instances that have an alarm that goes off in a window,
// each once.
func (s *Series) Alarmed(ctx context.Context, w calendar.Window, b Bounds) ([]calendar.Occurrence, error) {
	most := b.Most
	if w.To.IsZero() && b.Endless > 0 {
		most = min(most, b.Endless)
	}
	var list []calendar.Occurrence
	seen := map[ical.DateTime]bool{}
	for a, err := range s.Set.Alarms(ctx, w.From, w.To, s.Floating, recur.Budget{MaxInstances: 2000, MaxSteps: maxSteps / 2}) {
		if err != nil {
			s.Cut = s.Cut || !w.To.IsZero() && errors.Is(err, recur.ErrBudget)
			return list, unlessSpent(err)
		}
		if seen[a.Instance.RecurrenceID] {
			continue
		}
		if len(list) >= most {
			s.Cut = s.Cut || !w.To.IsZero()
			break
		}
		seen[a.Instance.RecurrenceID] = true
		list = append(list, s.occurrence(&a.Instance))
	}
	return list, nil
}

// Named returns the instance that ref names, with its scope those before or
// after it too. day is the zone of the client, see OccurrencesRequest.Zone.
func (s *Series) Named(ctx context.Context, ref calendar.OccurrenceRef, day recur.Zone, b Bounds) ([]calendar.Occurrence, error) {
	in, ok := s.Set.InstanceIn(s.named(ref.RID, day), recur.ZonesOf(s.Cal), s.Floating)
	if !ok {
		return nil, nil
	}
	switch ref.Scope {
	case calendar.ThisAndFuture:
		return s.Within(ctx, calendar.Window{From: in.Start}, b)
	case calendar.ThisAndPrior:
		return s.Within(ctx, calendar.Window{To: in.End}, b)
	}
	return []calendar.Occurrence{s.occurrence(&in)}, nil
}

// named reads an original start that a client names: of an all-day series it
// is the day that it falls on there, of a floating one the time in Float.
func (s *Series) named(d ical.DateTime, day recur.Zone) ical.DateTime {
	kind := s.kind()
	if kind == ical.Date {
		if d.Kind == ical.UTC && (d.Hour != 0 || d.Min != 0 || d.Sec != 0) {
			return ical.FromCivil(day.FromUTC(d.Civil()), ical.Date, "")
		}
		return ical.FromCivil(d.Civil(), ical.Date, "")
	}
	if d.Kind != ical.UTC {
		d = ical.FromCivil(day.ToUTC(d.Civil()), ical.UTC, "")
	}
	if kind == ical.Floating {
		return ical.FromCivil(s.Floating.FromUTC(d.Civil()), ical.Floating, "")
	}
	return d
}

// kind is the form in which the object says when it begins.
func (s *Series) kind() ical.Kind {
	for _, k := range s.Cal.Children {
		if k.Name == "VTIMEZONE" {
			continue
		}
		if p := k.Prop("DTSTART"); p != nil {
			if d, err := p.DateTime(); err == nil {
				return d.Kind
			}
			break
		}
	}
	return ical.UTC
}

// Excluded returns the instances that the EXDATEs of a series took out, most at
// the most.
func (s *Series) Excluded(most int) []calendar.Occurrence {
	i := slices.IndexFunc(s.Cal.Children, func(k *ical.Component) bool {
		return k.Name != "VTIMEZONE" && k.Prop("RECURRENCE-ID") == nil && k.Prop("EXDATE") != nil
	})
	if i < 0 {
		return nil
	}
	master := s.Cal.Children[i]
	var dates []ical.DateTime
	for p := range master.All("EXDATE") {
		if list, err := p.DateTimes(); err == nil {
			dates = append(dates, list...)
		}
	}
	whole := &ical.Component{Name: master.Name, Children: master.Children, Props: slices.DeleteFunc(slices.Clone(master.Props),
		func(p ical.Property) bool { return p.Name == "EXDATE" })}
	zones := recur.ZonesOf(s.Cal)
	set, err := recur.Compile([]*ical.Component{whole}, zones)
	if err != nil {
		return nil
	}
	var list []calendar.Occurrence
	for _, d := range dates[:min(len(dates), most)] {
		if in, ok := set.InstanceIn(d, zones, s.Floating); ok {
			list = append(list, calendar.Occurrence{Start: in.Start, End: in.End, RID: set.OriginalStart(in, s.Floating), Part: s.part(master)})
		}
	}
	return list
}

func (s *Series) occurrence(in *recur.Instance) calendar.Occurrence {
	o := calendar.Occurrence{Start: in.Start, End: in.End, Part: s.part(in.Comp)}
	if in.HasRID {
		o.RID = s.Set.OriginalStart(*in, s.Floating)
	}
	return o
}

// part is the place of a component among those that are no time zones.
func (s *Series) part(k *ical.Component) int {
	if s.parts == nil {
		s.parts = map[*ical.Component]int{}
		for _, c := range s.Cal.Children {
			if c.Name != "VTIMEZONE" {
				s.parts[c] = len(s.parts)
			}
		}
	}
	return s.parts[k]
}

// unlessSpent is the error, if it is another one than a spent budget.
func unlessSpent(err error) error {
	if errors.Is(err, recur.ErrBudget) {
		return nil
	}
	return err
}

// Undelivered reports whether an object has an attendee who could not be told
// of it, this one or, without an address, any: the last message to him failed
// with class 3 or 5 of RFC 6638 §3.2.9, or with Sun's own status where it is
// none of the good ones.
func Undelivered(cal *ical.Component, attendee string) bool {
	return slices.ContainsFunc(cal.Children, func(k *ical.Component) bool {
		for p := range k.All("ATTENDEE") {
			if (attendee == "" || strings.EqualFold(p.Value, attendee)) && undelivered(p) {
				return true
			}
		}
		return false
	})
}

func undelivered(p *ical.Property) bool {
	for code := range strings.SplitSeq(p.Param("SCHEDULE-STATUS"), ",") {
		if code = strings.TrimSpace(code); strings.HasPrefix(code, "3.") || strings.HasPrefix(code, "5.") {
			return true
		}
	}
	switch p.Param("X-NSCP-ATTENDEE-GSE-STATUS") {
	case "", "0", "1", "2":
		return false
	}
	return true
}

// Written reports whether a moment lies in a window as those who ask again and
// again mean it: inclusive at both ends, since they use the end of one window
// as the start of the next, and rather see a change twice than never. Their
// times have whole seconds.
func Written(t time.Time, w calendar.Window) bool {
	t = t.Truncate(time.Second)
	return !t.Before(w.From) && (w.To.IsZero() || !t.After(w.To))
}

// MaySpan reports whether a window overlaps the time from the first instance of
// an object to its last.
func MaySpan(data []byte, w calendar.Window, float recur.Zone) bool {
	cal, comps, set, err := object.Compile(data)
	if err != nil {
		return true
	}
	if !slices.ContainsFunc(comps, object.Dated) {
		return false
	}
	if !Recurs(cal) {
		for range set.Between(context.Background(), w.From, w.To, float, recur.Budget{MaxInstances: 1, MaxSteps: maxSteps}) {
			return true
		}
		return false
	}
	first, last, infinite := set.Span(float)
	return (w.To.IsZero() || first.Before(w.To)) && (w.From.IsZero() || infinite || last.IsZero() || !last.Before(w.From))
}

// Overlaps is the VEVENT rule of RFC 4791 §9.9: half open, but a zero-length
// instance counts at its start.
func Overlaps(start, end, from, to int64) bool {
	if start == end {
		return start >= from && start < to
	}
	return start < to && end > from
}

// MayRecur reports whether an object may have instances: a component besides
// its time zones with RRULE, RDATE or RECURRENCE-ID. It errs on the side of
// yes, so that nobody need parse a text that cannot.
func MayRecur(data []byte) bool {
	inZone := false
	for len(data) > 0 {
		line := data
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			line, data = data[:i], data[i+1:]
		} else {
			data = nil
		}
		switch {
		case len(line) == 0:
		case inZone && hasName(line, "END:VTIMEZONE"):
			inZone = false
		case inZone:
			if line[0]|0x20 == 'b' && !hasName(line, "BEGIN:STANDARD") && !hasName(line, "BEGIN:DAYLIGHT") {
				return true // its end is written in another way
			}
		case line[0] == 'B':
			inZone = hasName(line, "BEGIN:VTIMEZONE")
		case line[0]|0x20 == 'r':
			if !strings.ContainsAny(string(line), ":;") { // a name that is folded
				return true
			}
			for _, name := range [...]string{"RRULE", "RDATE", "RECURRENCE-ID"} {
				if len(line) > len(name) && strings.EqualFold(string(line[:len(name)]), name) {
					return true
				}
			}
		}
	}
	return false
}

// Recurs reports whether an object has instances that are not itself.
func Recurs(cal *ical.Component) bool {
	return slices.ContainsFunc(cal.Children, func(k *ical.Component) bool {
		return k.Name != "VTIMEZONE" && (k.Prop("RRULE") != nil || k.Prop("RDATE") != nil || k.Prop("RECURRENCE-ID") != nil)
	})
}

func hasName(line []byte, name string) bool {
	return strings.TrimRight(string(line), "\r") == name
}
