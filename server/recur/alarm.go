package recur

import (
	"context"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"factotum/server/ical"
)

// trigger is a VALARM, compiled. RFC 5545 §3.8.6.3.
type trigger struct {
	comp     *ical.Component
	absolute bool
	at       ical.DateTime // of an absolute one: UTC by the RFC, local time of those who forget the Z
	fromEnd  bool
	days     int64 // nominal, signed
	exact    int64
	repeat   int
	every    int64 // seconds between repetitions
}

// Repetitions beyond these say nothing to a person.
const (
	maxRepeat   = 1000
	maxTriggers = 100
)

// readTriggers compiles the VALARMs of a component; one that cannot be read
// never fires.
func readTriggers(c *ical.Component) []trigger {
	var list []trigger
	for _, k := range c.Children {
		if k.Name != "VALARM" || len(list) >= maxTriggers {
			continue
		}
		if t, err := readTrigger(k); err == nil {
			list = append(list, t)
		}
	}
	return list
}

func readTrigger(c *ical.Component) (t trigger, err error) {
	p := c.Prop("TRIGGER")
	if p == nil {
		return t, fmt.Errorf("VALARM has no TRIGGER")
	}
	t.comp = c
	d, at, absolute, err := p.Trigger()
	if err != nil {
		return t, fmt.Errorf("TRIGGER: %w", err)
	}
	if t.absolute = absolute; absolute {
		t.at = at
	} else {
		t.fromEnd = p.ParamIs("RELATED", "END")
		t.days, t.exact = int64(d.NominalDays()), int64(d.Exact()/time.Second)
	}
	n, err := parseNumber(strings.TrimSpace(c.Value("REPEAT")))
	every, err2 := ical.ParseDuration(c.Value("DURATION"))
	if err == nil && err2 == nil && !every.Neg && !every.IsZero() {
		t.repeat = min(n, maxRepeat)
		t.every = int64(every.NominalDays())*daySecs + int64(every.Time/time.Second)
	}
	return t, nil
}

// bounds returns how much earlier or later than the start or end of its
// instance the alarm fires, at most.
func (t *trigger) bounds() (lo, hi int64) {
	base := t.days*daySecs + t.exact
	if t.days != 0 {
		return base - maxOffset, base + maxOffset + int64(t.repeat)*t.every
	}
	return base, base + int64(t.repeat)*t.every
}

// Alarms yields what the VALARMs of all instances fire in [from,to), with
// their repetitions, in order of time: relative ones once for each instance,
// absolute ones once. A zero from or to leaves that side open. Days of a
// trigger are days of the instance's zone. It does not ask whether an alarm
// was acknowledged or its VTODO completed. RFC 4791 §9.9, VALARM.
func (s *Set) Alarms(ctx context.Context, from, to time.Time, float Zone, lim Budget) iter.Seq2[Alarm, error] {
	return func(yield func(Alarm, error) bool) {
		lim = lim.withDefaults()
		a := alarms{s: s, win: windowOf(from, to), float: float, triggers: map[*ical.Component][]trigger{}, left: lim.MaxSteps}
		a.prepare()
		if a.relative == 0 && len(a.heap) == 0 || a.win.to <= a.win.from {
			return
		}
		n := 0
		// flush yields what is due before an instance that starts at start.
		flush := func(start int64) bool {
			for len(a.heap) > 0 && (start == math.MaxInt64 || a.heap[0].at < start+a.lo) {
				if n++; n > lim.MaxInstances {
					yield(Alarm{}, ErrBudget)
					return false
				}
				f := a.pop()
				if !yield(Alarm{At: time.Unix(f.at, 0).UTC(), Repeat: f.n, Comp: f.t.comp, Instance: s.instance(f.o)}, nil) {
					return false
				}
			}
			return true
		}
		if a.relative > 0 {
			for o, err := range s.occurrences(ctx, a.instances(), float, lim) {
				if err != nil {
					yield(Alarm{}, err)
					return
				}
				if o.start == noTime {
					continue
				}
				if !flush(o.start) {
					return
				}
				if a.push(o); a.left < 0 {
					break
				}
			}
		}
		if flush(math.MaxInt64) && a.left < 0 {
			yield(Alarm{}, ErrBudget)
		}
	}
}

// firing is one alarm to come.
type firing struct {
	at    int64
	place int // of two at one time the first found is the first
	n     int
	t     *trigger
	o     occurrence
}

type alarms struct {
	s        *Set
	win      window
	float    Zone
	triggers map[*ical.Component][]trigger
	relative int
	lo, hi   int64    // bounds of all relative triggers
	heap     []firing // a heap: the one at the top is next
	left     int      // how many more are looked for
}

func (a *alarms) prepare() {
	a.lo, a.hi = math.MaxInt64, math.MinInt64
	if a.s.hasMaster {
		a.add(&a.s.master, nil)
	}
	for i := range a.s.overrides {
		a.add(&a.s.overrides[i].timing, &a.s.overrides[i])
	}
}

func (a *alarms) add(t *timing, over *override) {
	list := readTriggers(t.comp)
	a.triggers[t.comp] = list
	for i := range list {
		g := &list[i]
		if !g.absolute {
			lo, hi := g.bounds()
			a.lo, a.hi = min(a.lo, lo), max(a.hi, hi)
			a.relative++
			continue
		}
		o := occurrence{t: t, over: over, alone: over != nil, start: noTime, ridCiv: t.civ}
		if t.dated() {
			zc := t.cursor(a.float)
			o.place(t.civ, t.length, &zc)
		}
		zc := cursorOf(a.float)
		if z := zoneOf(g.at, ZonesOf(a.s.cal)); z != nil {
			zc = zoneCursor{z: z}
		}
		at, _ := zc.utc(civilOf(g.at))
		a.fire(g, at, o)
	}
}

// instances returns the window in which instances must lie to have an alarm
// in ours. An alarm relative to the end is never before one at the start.
func (a *alarms) instances() window {
	win := a.win
	win.from -= a.hi + 1
	win.to -= a.lo - 1
	return win
}

func (a *alarms) push(o occurrence) {
	list := a.triggers[o.t.comp]
	if !o.t.dated() {
		return
	}
	for i := range list {
		g := &list[i]
		if g.absolute {
			continue
		}
		at, civ := o.start, o.civ
		if g.fromEnd {
			at, civ = o.end, o.civ+o.wall
		}
		if g.days != 0 {
			zc := o.t.cursor(a.float)
			if g.fromEnd && o.exact != 0 {
				civ = zc.civil(at)
			}
			at, _ = zc.utc(civ + g.days*daySecs)
		}
		a.fire(g, at+g.exact, o)
	}
}

func (a *alarms) fire(g *trigger, at int64, o occurrence) {
	for n := 0; n <= g.repeat && a.left >= 0; n++ {
		if t := at + int64(n)*g.every; t >= a.win.from && t < a.win.to {
			a.left--
			a.heap = append(a.heap, firing{t, -a.left, n, g, o})
			for i := len(a.heap) - 1; i > 0 && a.less(i, (i-1)/2); i = (i - 1) / 2 {
				a.heap[i], a.heap[(i-1)/2] = a.heap[(i-1)/2], a.heap[i]
			}
		}
	}
}

func (a *alarms) less(i, j int) bool {
	x, y := &a.heap[i], &a.heap[j]
	return x.at < y.at || x.at == y.at && x.place < y.place
}

func (a *alarms) pop() firing {
	f, end := a.heap[0], len(a.heap)-1
	a.heap[0] = a.heap[end]
	a.heap = a.heap[:end]
	for i := 0; ; {
		least := i
		for k := 2*i + 1; k <= 2*i+2 && k < end; k++ {
			if a.less(k, least) {
				least = k
			}
		}
		if least == i {
			return f
		}
		a.heap[i], a.heap[least] = a.heap[least], a.heap[i]
		i = least
	}
}
