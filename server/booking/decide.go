package booking

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// maxExceptions is how many instances of a component are answered otherwise than
// the rest of it: each is an override in every copy of the meeting. A day each of
// a year, and some.
const maxExceptions = 400

// Span is time that another meeting takes, in Unix seconds, half open.
type Span struct{ Start, End int64 }

// Outcome is what a component or an instance is answered. RFC 5545 §3.2.12.
type Outcome struct {
	PartStat string // ACCEPTED, DECLINED, NEEDS-ACTION: left to the owners; or what it was
	Holds    bool   // its time is taken from now on
	Reason   Reason
	Sentence string // the reason for people, with figures
}

// Answer is the outcome of a component of the request's object: of the instance
// that it overrides, or of the whole but for its exceptions.
type Answer struct {
	Of *ical.Component
	Outcome
}

// Exception is the outcome of one instance of a component that differs.
type Exception struct {
	Instance recur.Instance
	Outcome
}

// Decision is what becomes of a request.
type Decision struct {
	Answers    []Answer // of each component that asks the resource, as they stand
	Exceptions []Exception
	Tally      []Count // of instances by what became of them, the most frequent first
}

// Count is how many instances had an outcome.
type Count struct {
	Outcome
	Instances int
	First     time.Time // start of the first of them
}

// Decide weighs the rules. busy is the time that other meetings take within
// Range, closed that within Asked in which the resource is not available, both in
// any order.
func (c *Case) Decide(busy, closed []Span) Decision {
	out := make([]Outcome, len(c.insts))
	taken, shut := merge(busy), merge(closed)
	allowed := c.policy.allows(c.req.By)
	said := sentences{}
	bad, clashes, asked := 0, 0, 0
	firstBad := Reason(0)
	for i, in := range c.insts {
		if !c.decides(in) {
			out[i] = c.kept(in.Comp)
			continue
		}
		asked++
		r := c.judge(in, taken, shut, allowed)
		if r.Declines() {
			if bad++; firstBad == 0 {
				firstBad = r
			}
			if r == DoubleBooked {
				clashes++
			}
		}
		out[i] = c.outcome(r, said.of(c, r, in))
	}
	if c.set != nil && c.set.Recurring() && asked > 1 && (bad > 0 || c.late && c.policy.NoDoubles) {
		c.wholly(out, said, asked, bad, clashes, firstBad)
	}
	return c.decision(out, said)
}

// judge is what the rules say of one instance alone.
func (c *Case) judge(in inst, taken, shut []Span, allowed bool) Reason {
	p := &c.policy
	switch {
	case !allowed:
		return MayNotBook
	case p.Capacity > 0 && c.people[in.Comp] > p.Capacity:
		return TooManyPeople
	case p.Longest > 0 && in.End.Sub(in.Start) > p.Longest:
		return TooLong
	case p.Ahead > 0 && in.Start.After(c.req.Now.Add(p.Ahead)):
		return TooFarAhead
	case clashes(in, shut):
		return OutsideHours
	case p.NoDoubles && clashes(in, taken):
		return DoubleBooked
	case !p.AutoAccept:
		return LeftToDelegates
	case !p.NoDoubles:
		return DoubleAllowed
	}
	return RoomFree
}

// wholly is what becomes of a series, asked of whose instances are to be decided
// and bad cannot be had.
func (c *Case) wholly(out []Outcome, said sentences, asked, bad, clashes int, first Reason) {
	if bad == 0 {
		first = TooManyInstances
	}
	switch rule := c.policy.Series; {
	case bad == asked:
		return // each is declined for its own reason
	case rule == calendar.SeriesExcept && bad > 0 && !(c.late && c.policy.NoDoubles):
		return
	case rule == calendar.SeriesAccept && bad == clashes:
		for i, in := range c.insts {
			if out[i].Reason == DoubleBooked {
				r := ClashAccepted
				if !c.policy.AutoAccept {
					r = LeftToDelegates
				}
				out[i] = c.outcome(r, said.of(c, r, in))
			}
		}
		return
	case rule == calendar.SeriesAsk:
		for i, in := range c.insts {
			if c.decides(in) {
				out[i] = c.outcome(LeftToDelegates, said.of(c, LeftToDelegates, in))
				out[i].Holds = false // until they say so
			}
		}
		return
	}
	sentence := first.Sentence()
	if i := slices.IndexFunc(out, func(o Outcome) bool { return o.Reason == first }); i >= 0 {
		sentence = out[i].Sentence
	}
	for i, in := range c.insts {
		if c.decides(in) {
			out[i] = c.outcome(first, sentence)
		}
	}
}

// decides reports whether an instance is to be decided now.
func (c *Case) decides(in inst) bool { return !in.settled || c.grown[in.Comp] }

func (c *Case) kept(k *ical.Component) Outcome {
	said := c.answers[k]
	return Outcome{PartStat: said, Holds: said == "ACCEPTED" || said == "TENTATIVE", Reason: Kept, Sentence: Kept.Sentence()}
}

func (c *Case) outcome(r Reason, sentence string) Outcome {
	switch {
	case r.Declines():
		return Outcome{PartStat: "DECLINED", Reason: r, Sentence: sentence}
	case r == LeftToDelegates:
		return Outcome{PartStat: "NEEDS-ACTION", Holds: true, Reason: r, Sentence: sentence}
	}
	return Outcome{PartStat: "ACCEPTED", Holds: true, Reason: r, Sentence: sentence}
}

// decision puts the outcomes of instances together: each component has the
// outcome of most of them, or of those that nobody has looked at.
func (c *Case) decision(out []Outcome, said sentences) (d Decision) {
	of := map[*ical.Component][]int{}
	for i := range c.insts {
		of[c.insts[i].Comp] = append(of[c.insts[i].Comp], i)
	}
	for _, k := range c.comps {
		list := of[k]
		if len(list) == 0 { // an override of what is excluded, a series without instances
			d.Answers = append(d.Answers, Answer{k, c.kept(k)})
			continue
		}
		rest := c.rest(k, out, list)
		var except []Exception
		for _, i := range list {
			if !alike(out[i], rest) {
				except = append(except, Exception{c.insts[i].Instance, out[i]})
			}
		}
		if len(except) > maxExceptions {
			if !rest.Reason.Declines() {
				rest = c.outcome(TooManyClashes, TooManyClashes.Sentence())
			}
			except = slices.DeleteFunc(except, func(e Exception) bool { return e.Reason != Kept })
			for _, i := range list {
				if c.decides(c.insts[i]) {
					out[i] = rest
				}
			}
		}
		d.Answers = append(d.Answers, Answer{k, rest})
		d.Exceptions = append(d.Exceptions, except...)
	}
	d.Tally = c.tally(out)
	return d
}

// rest is the outcome of a component but for its exceptions.
func (c *Case) rest(k *ical.Component, out []Outcome, list []int) Outcome {
	if last := out[list[len(list)-1]]; c.more[k] && last.Reason == TooFarAhead {
		return last
	}
	type way struct {
		partstat string
		holds    bool
	}
	count := map[way]int{}
	best := out[list[0]]
	for _, i := range list {
		w := way{out[i].PartStat, out[i].Holds}
		if count[w]++; count[w] > count[way{best.PartStat, best.Holds}] {
			best = out[i]
		}
	}
	return best
}

// alike reports whether two outcomes leave the same in a copy.
func alike(a, b Outcome) bool { return a.PartStat == b.PartStat && a.Holds == b.Holds }

func (c *Case) tally(out []Outcome) (list []Count) {
	at := map[Reason]int{}
	for i, o := range out {
		n, known := at[o.Reason]
		if !known {
			n = len(list)
			at[o.Reason] = n
			list = append(list, Count{Outcome: o, First: c.insts[i].Start})
		}
		list[n].Instances++
	}
	slices.SortStableFunc(list, func(a, b Count) int { return b.Instances - a.Instances })
	return list
}

// sentences are those of reasons, with the figures of the first instance.
type sentences map[Reason]string

func (s sentences) of(c *Case, r Reason, in inst) string {
	text, known := s[r]
	if !known {
		text = c.explain(r, in)
		s[r] = text
	}
	return text
}

func (c *Case) explain(r Reason, in inst) string {
	p := &c.policy
	const day, minute = "2006-01-02", "2006-01-02 15:04"
	zone := c.req.Floating
	if zone == nil {
		zone = recur.UTC
	}
	switch r {
	case DoubleBooked:
		return fmt.Sprintf("The time is taken already, on %s (%s).", zone.FromUTC(in.Start).Format(minute), zone.Name())
	case OutsideHours:
		return fmt.Sprintf("It cannot be booked at that hour, on %s (%s).", zone.FromUTC(in.Start).Format(minute), zone.Name())
	case TooFarAhead:
		return fmt.Sprintf("It can be booked until %s so far.", c.req.Now.Add(p.Ahead).Format(day))
	case TooLong:
		return fmt.Sprintf("It can be booked for %d minutes at a time.", int(p.Longest/time.Minute))
	case TooManyPeople:
		return fmt.Sprintf("%d people come, and there is room for %d.", c.people[in.Comp], p.Capacity)
	}
	return r.Sentence()
}

// merge joins what overlaps, in order.
func merge(busy []Span) (out []Span) {
	busy = slices.Clone(busy)
	slices.SortFunc(busy, func(a, b Span) int {
		switch {
		case a.Start < b.Start:
			return -1
		case a.Start > b.Start:
			return 1
		}
		return 0
	})
	for _, b := range busy {
		switch n := len(out); {
		case b.End <= b.Start:
		case n > 0 && b.Start <= out[n-1].End:
			out[n-1].End = max(out[n-1].End, b.End)
		default:
			out = append(out, b)
		}
	}
	return out
}

// clashes reports whether an instance overlaps time that is taken.
func clashes(in inst, taken []Span) bool {
	start, end := in.Start.Unix(), in.End.Unix()
	i := sort.Search(len(taken), func(i int) bool { return taken[i].End > start })
	return end > start && i < len(taken) && taken[i].Start < end
}
