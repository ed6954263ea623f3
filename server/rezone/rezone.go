// Package rezone finds the objects that meant another hour by the rules that a zone
// had in an older release of the zone database, and writes them by the new ones.
// Pure: it looks at a text and tells what is to become of it. admin.md §21.
//
// What a text means by a zone depends on what it says of it:
//
//   - a TZID without a VTIMEZONE means the database's zone: the text stays, and its
//     moments follow by themselves (Follows);
//   - a VTIMEZONE that in the changed windows says what the old release says was written
//     by it, and gets the new rules (Rewritten); one that says what the new release
//     says was right already, and one that says neither is somebody's own: both stay;
//   - a time in UTC is a moment, unless its component tells of which zone the time was
//     (X-NSCP-DTSTART-TZID) and was last modified before the new release was in use;
//   - other times in UTC of a component in a zone (EXDATE, RDATE, RECURRENCE-ID, DTEND,
//     UNTIL, alarms) go with it.
package rezone

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/recur"
)

// Change is the step from one release to the next.
type Change struct {
	Zones map[string]*recur.ZoneChange // by their names
	Since time.Time                    // the new release is in use since then
	// Only instances in this time count; zero is open.
	From, To time.Time

	names sync.Map // what TZIDs mean: *recur.ZoneChange, nil for what did not change
}

// Does says what is to become of an object.
type Does uint8

const (
	Nothing   Does = iota
	Follows        // its text stays, its moments are others
	Rewritten      // its text is another
	Left           // it may have meant another hour, and nobody can tell: it stays
)

func (d Does) String() string { return [...]string{"nothing", "follows", "rewritten", "left"}[d] }

// Shift is an instance that moves.
type Shift struct {
	Zone    string
	Civil   time.Time // by the clocks there, in the fields of UTC
	Was, Is time.Time
}

// Finding is what was found about an object.
type Finding struct {
	Does   Does
	Shifts []Shift // the first of them
	Moved  int     // how many instances move, mostMoved for that many and perhaps more
	Why    string  // it is left
	Text   []byte  // Rewritten
	Cal    *ical.Component
}

const (
	mostShifts = 5
	mostMoved  = 500
)

var (
	wordTZID     = []byte("TZID")
	wordLocation = []byte("X-LIC-LOCATION")
)

// May tells at a glance whether an object may be concerned; most are not.
func (c *Change) May(data []byte) bool {
	for _, word := range [...][]byte{wordTZID, wordLocation} {
		for rest := data; ; {
			i := bytes.Index(rest, word)
			if i < 0 {
				break
			}
			rest = rest[i+len(word):]
			if len(rest) < 2 {
				break
			}
			if rest[0] == '-' { // TZID-ALIAS-OF
				if i = bytes.IndexByte(rest, ':'); i < 0 {
					break
				}
				rest = rest[i:]
			}
			if rest[0] == ';' || rest[0] == '\r' || rest[0] == '\n' {
				return true // parameters of it, or a line that goes on: the parser reads them
			}
			name := rest[1:]
			if len(name) > 0 && name[0] == '"' {
				name = name[1:]
			}
			end := bytes.IndexAny(name, ":;\"\r\n")
			if end < 0 {
				break
			}
			if i := end + bytes.IndexByte(name[end:], '\n'); i >= end && name[end] < ' ' && i+1 < len(name) && (name[i+1] == ' ' || name[i+1] == '\t') {
				return true
			}
			if c.zoneOf(name[:end]) != nil {
				return true
			}
			rest = name[end:]
		}
	}
	return false
}

func (c *Change) zoneOf(name []byte) *recur.ZoneChange {
	if z, ok := c.names.Load(string(name)); ok {
		return z.(*recur.ZoneChange)
	}
	return c.zone(string(name))
}

// zone is the change of the zone that a name means, nil if that has none.
func (c *Change) zone(name string) *recur.ZoneChange {
	name = strings.Clone(ical.UnescapeText(name))
	if z, ok := c.names.Load(name); ok {
		return z.(*recur.ZoneChange)
	}
	var found *recur.ZoneChange
	if z, ok := recur.LoadZone(name); ok {
		found = c.Zones[z.Name()]
	}
	c.names.Store(name, found)
	return found
}

// use is a zone as an object uses it.
type use struct {
	change *recur.ZoneChange
	def    *ical.Component
	zone   recur.Zone // by which it is read now; nil: UTC, and the component says of which zone
	hits   []recur.Window
	says   recur.Hours
	moves  bool // what uses it
	rewrit bool // its VTIMEZONE is written anew
}

// judging is the work on one object.
type judging struct {
	c     *Change
	cal   *ical.Component
	comps []*ical.Component
	set   *recur.Set
	zones *recur.Zones
	uses  map[string]*use          // by TZID
	local map[*ical.Component]*use // of components in UTC, by what they say of their zone
	old   map[*ical.Component]bool // last modified before
	out   Finding
}

// Judge tells what is to become of an object that was last stored at a moment, and
// writes it where it becomes another, at now.
func (c *Change) Judge(ctx context.Context, data []byte, stored, now time.Time) (Finding, error) {
	cal, comps, set, err := object.Compile(data)
	if err != nil {
		return Finding{}, err
	}
	j := &judging{c: c, cal: cal, comps: comps, set: set, zones: recur.ZonesOf(cal), uses: map[string]*use{}, local: map[*ical.Component]*use{}, old: map[*ical.Component]bool{}}
	j.out.Cal = cal
	j.gather(stored)
	if len(j.uses)+len(j.local) == 0 {
		return j.out, nil
	}
	if err := j.instances(ctx); err != nil {
		return j.out, err
	}
	return j.out, j.decide(now)
}

// gather finds the zones that changed and that the object uses.
func (j *judging) gather(stored time.Time) {
	for _, k := range j.comps {
		modified := stored
		if p := k.Prop("LAST-MODIFIED"); p != nil {
			if d, err := p.DateTime(); err == nil {
				modified = d.Civil()
			}
		}
		j.old[k] = modified.Before(j.c.Since)
		for i := range k.Props {
			if id := k.Props[i].TZID(); id != "" {
				j.use(id)
			}
		}
		if start, ok := dateOf(k); ok && start.Kind == ical.UTC {
			for _, name := range [...]string{"X-NSCP-DTSTART-TZID", "X-NSCP-DUE-TZID"} {
				if z := j.c.zone(k.Text(name)); z != nil && j.local[k] == nil {
					j.local[k] = &use{change: z}
				}
			}
		}
	}
}

func (j *judging) use(id string) {
	if _, known := j.uses[id]; known {
		return
	}
	u := &use{def: j.zones.Definition(id)}
	names := []string{id}
	if u.def != nil {
		names = recur.NamesOf(u.def)
	}
	for _, name := range names {
		if u.change = j.c.zone(name); u.change != nil {
			break
		}
	}
	var ok bool
	if u.zone, ok = j.zones.Lookup(id); ok && u.change != nil {
		j.uses[id] = u
	}
}

// dateOf is when a component begins, or is due.
func dateOf(k *ical.Component) (d ical.DateTime, ok bool) {
	for _, name := range [...]string{"DTSTART", "DUE", "RECURRENCE-ID"} {
		if p := k.Prop(name); p != nil {
			d, err := p.DateTime()
			return d, err == nil
		}
	}
	return d, false
}

// of is by which zone a component begins, and by which it ends.
func (j *judging) of(k *ical.Component) (start, end *use) {
	d, _ := dateOf(k)
	switch d.Kind {
	case ical.Zoned:
		start = j.uses[d.TZID]
	case ical.UTC:
		start = j.local[k]
	}
	for _, name := range [...]string{"DTEND", "DUE"} {
		if p := k.Prop(name); p != nil {
			if e, err := p.DateTime(); err == nil && e.Kind == ical.Zoned {
				return start, j.uses[e.TZID]
			}
			return start, start
		}
	}
	return start, nil
}

// instances looks at those in the windows.
func (j *judging) instances(ctx context.Context) error {
	const slack = 26 * time.Hour
	var windows []recur.Window
	add := func(u *use) {
		for _, w := range u.change.Windows {
			if (j.c.From.IsZero() || w.To.After(j.c.From)) && (j.c.To.IsZero() || w.From.Before(j.c.To)) {
				windows = append(windows, w)
			}
		}
	}
	for _, u := range j.uses {
		add(u)
	}
	for _, u := range j.local {
		add(u)
	}
	first, last, open := j.set.Span(recur.UTC)
	if first.IsZero() && last.IsZero() && !open {
		return nil
	}
	slices.SortFunc(windows, func(a, b recur.Window) int { return a.From.Compare(b.From) })
	seen := map[time.Time]bool{}
	until := time.Time{}
	for _, w := range windows {
		from, to := w.From.Add(-slack), w.To.Add(slack)
		if from.Before(until) {
			from = until
		}
		if !from.Before(to) || to.Before(first.Add(-slack)) || !open && from.After(last.Add(2*slack)) {
			continue
		}
		until = to
		for in, err := range j.set.Between(ctx, from, to, recur.UTC, recur.Budget{MaxInstances: mostMoved + 1}) {
			if err != nil {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				break // the limit: so many are enough
			}
			if !seen[in.Start] {
				seen[in.Start] = true
				j.instance(&in)
			}
		}
		if j.out.Moved >= mostMoved {
			return nil
		}
	}
	return nil
}

// instance notes one if it moves.
func (j *judging) instance(in *recur.Instance) {
	if !j.c.From.IsZero() && in.End.Before(j.c.From) || !j.c.To.IsZero() && !in.Start.Before(j.c.To) {
		return
	}
	start, end := j.of(in.Comp)
	moved := false
	for i, u := range [...]*use{start, end} {
		if u == nil {
			continue
		}
		at := in.Start
		if i == 1 {
			at = in.End
		}
		civil := u.civil(at)
		was, is, moves := u.change.Moves(civil)
		if !moves {
			continue
		}
		u.moves = true
		for _, w := range u.change.Windows {
			if (!was.Before(w.From) && was.Before(w.To) || !is.Before(w.From) && is.Before(w.To)) && !slices.Contains(u.hits, w) && len(u.hits) < 100 {
				u.hits = append(u.hits, w)
			}
		}
		if !moved && len(j.out.Shifts) < mostShifts {
			j.out.Shifts = append(j.out.Shifts, Shift{u.change.Name, civil, was, is})
		}
		moved = true
	}
	if moved {
		j.out.Moved++
	}
}

// civil is what the clocks show at a moment, as the object means it.
func (u *use) civil(at time.Time) time.Time {
	if u.zone == nil {
		return u.change.Old.FromUTC(at)
	}
	return u.zone.FromUTC(at)
}

// decide makes the finding.
func (j *judging) decide(now time.Time) error {
	out := &j.out
	note := func(d Does) { // rewritten is more than follows, and both are more than left
		rank := [...]int{Nothing: 0, Left: 1, Follows: 2, Rewritten: 3}
		if rank[d] > rank[out.Does] {
			out.Does = d
		}
	}
	for id, u := range j.uses {
		if !u.moves {
			continue
		}
		if u.def == nil {
			note(Follows)
			continue
		}
		switch u.says = u.change.Says(u.def, u.hits); u.says {
		case recur.OldHours:
			u.rewrit = true
			note(Rewritten)
		case recur.OtherHours:
			if known, ok := recur.LoadZone(u.change.Name); ok && u.zone == known {
				note(Follows)
			} else {
				u.moves = false
				note(Left)
				out.Why = "its VTIMEZONE " + id + " has hours of its own"
			}
		case recur.NewHours:
			u.moves = false
		}
	}
	series := slices.ContainsFunc(j.comps, func(k *ical.Component) bool { return j.local[k] != nil && k.Prop("RRULE") != nil })
	for k, u := range j.local {
		switch {
		case !u.moves || !j.old[k]:
			u.moves = false
		case series:
			u.moves = false
			note(Left)
			out.Why = "it is a series in UTC, whose instances have no hour by the clock"
		default:
			note(Rewritten)
		}
	}
	changed, err := j.write(now)
	if err != nil {
		return err
	}
	if changed {
		note(Rewritten)
		out.Text = j.cal.Bytes()
	}
	if out.Does == Nothing {
		out.Moved, out.Shifts = 0, nil
	}
	return nil
}

// write changes the object.
func (j *judging) write(now time.Time) (changed bool, err error) {
	for _, u := range j.uses {
		if !u.rewrit {
			continue
		}
		from := now
		for _, k := range j.comps {
			if d, ok := dateOf(k); ok && d.Civil().Before(from) {
				from = d.Civil()
			}
		}
		def, err := recur.Renew(u.def, u.change.Name, from.AddDate(0, 0, -2))
		if err != nil {
			return false, err
		}
		*u.def = *def
		changed = true
	}
	for _, k := range j.comps {
		start, _ := j.of(k)
		if start == nil || !start.moves || !start.rewrit && !j.old[k] {
			continue
		}
		shifted := false
		k.Walk(func(x *ical.Component) bool {
			for i := range x.Props {
				switch p := &x.Props[i]; p.Name {
				case "DTSTART", "DTEND", "DUE", "RECURRENCE-ID", "EXDATE", "RDATE", "RRULE", "TRIGGER":
					if v := shiftUTC(p.Value, start.change); v != p.Value {
						p.Value, shifted = v, true
					}
				}
			}
			return true
		})
		if shifted {
			k.Set("LAST-MODIFIED", now.UTC().Format("20060102T150405Z"))
			changed = true
		}
	}
	return changed, nil
}

// shiftUTC moves the times in UTC of a value that the old rules made of an hour.
func shiftUTC(value string, z *recur.ZoneChange) string {
	const form = "20060102T150405Z"
	for i := 0; i+len(form) <= len(value); i++ {
		if value[i+8] != 'T' || value[i+15] != 'Z' {
			continue
		}
		at, err := time.Parse(form, value[i:i+len(form)])
		if err != nil {
			continue
		}
		if was, is, moves := z.Moves(z.Old.FromUTC(at)); moves {
			value = value[:i] + at.Add(is.Sub(was)).Format(form) + value[i+len(form):]
		}
		i += len(form) - 1
	}
	return value
}
