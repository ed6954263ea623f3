package locale

import "strings"

// The acts that a message tells of: keys of Words.Heading and Words.Sentence.
const (
	Invites   = "invites"
	Updates   = "updates"
	Assigns   = "assigns"   // a task
	Reassigns = "reassigns" // a task that was assigned before
	Publishes = "publishes"
	Cancels   = "cancels"
	Uninvites = "uninvites" // it is called off for one, and takes place without him
	Accepts   = "accepts"
	Declines  = "declines"
	Hesitates = "hesitates" // TENTATIVE
	Takes     = "takes"     // a task: ACCEPTED, DECLINED, TENTATIVE
	Leaves    = "leaves"
	Ponders   = "ponders"
	Delegates = "delegates"
	Completes = "completes"
	Works     = "works" // IN-PROCESS
	Waits     = "waits" // NEEDS-ACTION
	Counters  = "counters"
	Refuses   = "refuses" // DECLINECOUNTER
	Asks      = "asks"    // REFRESH
	Reminds   = "reminds"
)

// Acts lists them.
func Acts() []string {
	return []string{Invites, Updates, Assigns, Reassigns, Publishes, Cancels, Uninvites, Accepts, Declines, Hesitates, Takes, Leaves, Ponders,
		Delegates, Completes, Works, Waits, Counters, Refuses, Asks, Reminds}
}

// ActOf is what a message of a METHOD does: for an answer what was answered, for
// a request whether it was sent before. RFC 5546 §1.4.
func ActOf(method, partStat string, task, again bool) string {
	switch method {
	case "REQUEST", "ADD":
		switch {
		case task && again:
			return Reassigns
		case task:
			return Assigns
		case again || method == "ADD":
			return Updates
		}
		return Invites
	case "CANCEL":
		return Cancels
	case "COUNTER":
		return Counters
	case "DECLINECOUNTER":
		return Refuses
	case "REFRESH":
		return Asks
	case "REPLY":
		if task {
			switch partStat {
			case "ACCEPTED":
				return Takes
			case "DECLINED":
				return Leaves
			case "TENTATIVE":
				return Ponders
			}
		}
		switch partStat {
		case "ACCEPTED":
			return Accepts
		case "DECLINED":
			return Declines
		case "TENTATIVE":
			return Hesitates
		case "DELEGATED":
			return Delegates
		case "COMPLETED":
			return Completes
		case "IN-PROCESS":
			return Works
		}
		return Waits
	case "PUBLISH":
		return Publishes
	}
	return Reminds
}

// Does is the sentence of an act, with who did it.
func (l *Locale) Does(act, name string) string {
	if name == "" {
		name = l.Words.Nobody
	}
	return strings.ReplaceAll(l.Words.Sentence[act], "{name}", name)
}
