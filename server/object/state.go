package object

import (
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// State is where a component stands in scheduling, for the owner of its
// calendar: who organizes it, and who has answered. RFC 5546 §1.4.
type State uint8

// The states. What needs action is NeedsAction alone: somebody else organizes
// it, and the owner is asked for an answer that he has not given. That somebody
// was told is taken for granted only where it is written down.
const (
	Unscheduled   State = iota // nobody organizes it, or nobody is invited
	AwaitsReplies              // the owner organizes it; all were told, and somebody has not answered
	Answered                   // the owner organizes it; all have answered
	NeedsAction
	NeedsNoAction // somebody else organizes it; the owner is not asked for an answer
	Accepted      // the owner has answered that he comes, may come, or sends somebody
	Declined      // the owner has answered that he does not come
	Pending       // the owner organizes it; somebody has not answered, and nothing says that he was told
)

// StateOf tells where a component stands for a person.
func StateOf(k *ical.Component, owner calendar.Person) State {
	organizer := k.Prop("ORGANIZER")
	if organizer == nil || k.Prop("ATTENDEE") == nil {
		return Unscheduled
	}
	if owner.HasAddress(organizer.Value) {
		return organized(k, owner)
	}
	for p := range k.All("ATTENDEE") {
		switch {
		case !owner.HasAddress(p.Value):
		case !unanswered(p):
			if p.ParamIs("PARTSTAT", "DECLINED") {
				return Declined
			}
			return Accepted
		case p.ParamIs("RSVP", "FALSE"):
			return NeedsNoAction
		default:
			return NeedsAction
		}
	}
	return NeedsNoAction
}

// organized is the state of what the owner organizes. Those who are only listed
// he does not invite. WCAP §7.5, PUBLISH.
func organized(k *ical.Component, owner calendar.Person) State {
	listed, invited, st := false, false, Answered
	for p := range k.All("ATTENDEE") {
		switch {
		case owner.HasAddress(p.Value):
			continue
		case p.ParamIs("SCHEDULE-AGENT", "NONE"):
			listed = true
			continue
		case unanswered(p) && !Told(p):
			return Pending
		case unanswered(p):
			st = AwaitsReplies
		}
		invited = true
	}
	if listed && !invited {
		return Unscheduled
	}
	return st
}

// Told reports whether it is written down that an attendee was told: by the
// client, or by a delivery that did not fail. RFC 6638 §3.2.9, §7.1.
func Told(attendee *ical.Property) bool {
	if attendee.ParamIs("SCHEDULE-AGENT", "CLIENT") {
		return true
	}
	status := attendee.Param("SCHEDULE-STATUS")
	for code := range strings.SplitSeq(status, ",") {
		if code = strings.TrimSpace(code); !strings.HasPrefix(code, "1.1") && !strings.HasPrefix(code, "1.2") && !strings.HasPrefix(code, "2.") {
			return false
		}
	}
	return true
}

// unanswered reports whether an attendee has not said whether he comes. RFC 5545 §3.2.12.
func unanswered(attendee *ical.Property) bool {
	return attendee.ParamIs("PARTSTAT", "") || attendee.ParamIs("PARTSTAT", "NEEDS-ACTION")
}
