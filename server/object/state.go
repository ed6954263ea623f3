package object

import (
	"factotum/server/calendar"
	"factotum/server/ical"
)

// State is where a component stands in scheduling, for the owner of its
// calendar: who organizes it, and who has answered. RFC 5546 §1.4.
type State uint8

// The states. What needs action is NeedsAction alone: somebody else organizes
// it, and the owner is asked for an answer that he has not given.
const (
	Unscheduled   State = iota // nobody organizes it, or nobody is invited
	AwaitsReplies              // the owner organizes it; somebody has not answered
	Answered                   // the owner organizes it; all have answered
	NeedsAction
	NeedsNoAction // somebody else organizes it; the owner is not asked for an answer
	Accepted      // the owner has answered that he comes, may come, or sends somebody
	Declined      // the owner has answered that he does not come
)

// StateOf tells where a component stands for a person.
func StateOf(k *ical.Component, owner calendar.Person) State {
	organizer := k.Prop("ORGANIZER")
	if organizer == nil || k.Prop("ATTENDEE") == nil {
		return Unscheduled
	}
	own := owner.HasAddress(organizer.Value)
	for p := range k.All("ATTENDEE") {
		mine := owner.HasAddress(p.Value)
		switch {
		case own && !mine && unanswered(p):
			return AwaitsReplies
		case own || !mine:
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
	if own {
		return Answered
	}
	return NeedsNoAction
}

// unanswered reports whether an attendee has not said whether he comes. RFC 5545 §3.2.12.
func unanswered(attendee *ical.Property) bool {
	return attendee.ParamIs("PARTSTAT", "") || attendee.ParamIs("PARTSTAT", "NEEDS-ACTION")
}
