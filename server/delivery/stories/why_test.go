package stories

import (
	"context"
	"time"

	"factotum/server/booking"
	"factotum/server/calendar"
	"factotum/server/itip"
	"factotum/server/why"
)

// journal is what was read of somebody's so far.
type journal struct {
	last   int64
	traces []calendar.Trace
}

// read reads on in all journals. What stands there, stands there with its reason.
func (s *story) read() {
	s.Helper()
	if s.journals == nil {
		s.journals = map[string]*journal{}
	}
	for _, id := range all {
		j := s.journals[id]
		if j == nil {
			j = &journal{}
			s.journals[id] = j
		}
		for more := true; more; {
			res, err := s.backend().Why(context.Background(), s.as(id), calendar.WhyRequest{Owner: calendar.Owner(id), Query: calendar.TraceQuery{OldestFirst: true, After: j.last}})
			if calendar.KindOf(err) == calendar.NoCalendar {
				break
			}
			s.must(err)
			for _, t := range res.Traces {
				if j.last = t.ID; why.Sentence(t.Reason) == "" {
					s.Fatalf("the journal of %s has no reason: %+v", id, t)
				}
			}
			j.traces = append(j.traces, res.Traces...)
			more = res.More
		}
	}
}

// once fails where the journals have the beginning or the end of a message's way to
// somebody not at all or twice, or where it came to him otherwise than its sender
// has been told.
func (s *story) once() {
	s.Helper()
	type way struct{ message, to string }
	begun, ended, applied := map[way]int{}, map[way]*calendar.Trace{}, map[way]int{}
	came := map[way]map[string]bool{}
	for _, id := range all {
		for i := range s.journals[id].traces {
			t := &s.journals[id].traces[i]
			for _, to := range t.To {
				w := way{t.Message, to}
				switch t.Step {
				case calendar.TraceQueued:
					begun[w]++
				case calendar.TraceDelivered, calendar.TraceFailed:
					if ended[w] != nil {
						s.Fatalf("%s to %s has two ends: %+v and %+v", w.message, to, *ended[w], *t)
					}
					ended[w] = t
				case calendar.TraceApplied:
					applied[w]++
					fallthrough
				case calendar.TraceIgnored, calendar.TraceRefused:
					if came[w] == nil {
						came[w] = map[string]bool{}
					}
					came[w][t.Reason] = true
				}
			}
		}
	}
	for w, n := range begun {
		switch end := ended[w]; {
		case n != 1 || end == nil:
			s.Fatalf("%s to %s: begun %d times, at its end %v", w.message, w.to, n, end)
		case !came[w][end.Reason]:
			s.Fatalf("%s to %s was %s for %s, and he has %v", w.message, w.to, end.Step, end.Reason, came[w])
		case applied[w] > 1:
			s.Fatalf("%s to %s is applied %d times", w.message, w.to, applied[w])
		}
	}
	if len(ended) != len(begun) {
		s.Fatalf("%d ways of messages have an end, %d a beginning", len(ended), len(begun))
	}
}

// explained fails where somebody has to wonder: at an answer that is not what he
// said last, at a room that declined, at a meeting that is not in his calendar.
func (s *story) explained() {
	s.Helper()
	for _, m := range s.meetings {
		for _, slot := range m.live() {
			for id, g := range slot.guests {
				now := m.utc(slot.start)
				for answer := range g.may { // one
					switch {
					case id == rooms[0] || id == rooms[1]:
						if !s.tells(id, m.uid, time.Time{}, func(t *calendar.Trace) bool { return t.Step == calendar.TraceDecided && decides[t.Reason] == answer }) {
							s.Fatalf("nothing tells why %s has answered %s at %s with %s: %+v", id, m.uid, now, answer, s.journals[id].traces)
						}
					case g.said != "" && g.said != answer:
						if !s.tells(m.organizer, m.uid, g.when, func(t *calendar.Trace) bool { return crosses(t, id) }) {
							s.Fatalf("nothing tells why %s of %s at %s, who said %s, is %s: %+v", id, m.uid, now, g.said, answer, s.journals[m.organizer].traces)
						}
					case g.away:
						if !s.tells(id, m.uid, time.Time{}, func(t *calendar.Trace) bool { return t.Method == "REPLY" && t.Step == calendar.TraceQueued }) {
							s.Fatalf("nothing tells where %s of %s is: %+v", m.uid, id, s.journals[id].traces)
						}
					}
				}
				if !s.tells(id, m.uid, time.Time{}, func(t *calendar.Trace) bool { return t.Step == calendar.TraceApplied && t.Reason == "invited" }) {
					s.Fatalf("nothing tells how %s came to %s: %+v", m.uid, id, s.journals[id].traces)
				}
			}
		}
	}
}

// crosses reports whether a step in the organizer's journal tells why the answer of
// somebody does not count: it came too late, he was asked anew since, or he heard
// only then that he is. What says no more than he had said is not sent at all, and
// such an answer to what was another question already is none to the new one.
func crosses(t *calendar.Trace, id string) bool {
	switch {
	case t.Method == "REPLY":
		return calendar.AddressKey(t.From) == id+"@example.com" && t.Step != calendar.TraceApplied
	case !t.SentTo(id + "@example.com"):
		return false
	}
	return t.Step == calendar.TraceQueued ||
		t.Step == calendar.TraceDelivered && (t.Reason == itip.Updated.String() || t.Reason == itip.Invited.String())
}

// decides are the answers of rooms by the codes of why they give them.
var decides = func() map[string]string {
	out := map[string]string{}
	for _, r := range booking.Reasons() {
		out[r.String()] = "ACCEPTED"
		if r.Declines() {
			out[r.String()] = "DECLINED"
		}
	}
	return out
}()

// tells reports whether somebody's journal has a step of a meeting, from a moment on.
func (s *story) tells(id, uid string, since time.Time, is func(*calendar.Trace) bool) bool {
	for i := range s.journals[id].traces {
		if t := &s.journals[id].traces[i]; t.UID == uid && !t.When.Before(since.Truncate(time.Second)) && is(t) {
			return true
		}
	}
	return false
}
