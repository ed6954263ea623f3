package calendar

import "time"

// Booking is what a room or another resource takes, beside whether it may be
// booked twice (NoDoubles) and answers by itself (AutoReply). The zero value
// takes everything, and a series only if none of its instances clashes.
// ldap.md §6.3: Sun's server knew no more than those two.
type Booking struct {
	Series   SeriesRule    // what becomes of a series some of whose instances clash
	Capacity int           // most people who come; 0 is any number (icsCapacity)
	Ahead    time.Duration // how far ahead it may be booked; 0 is any time
	Longest  time.Duration // longest instance; 0 is any length
	Who      []string      // who may book: user ids, groups, addresses, @domains; none is everybody
}

// SeriesRule is what becomes of a series if it cannot have all of its instances.
type SeriesRule uint8

// The rules.
const (
	SeriesDecline SeriesRule = iota // it is declined as a whole
	SeriesExcept                    // it is accepted but for those instances
	SeriesAccept                    // it is accepted though it clashes
	SeriesAsk                       // the owners decide
	numSeriesRules
)

var seriesRules = [numSeriesRules]string{"decline", "except", "accept", "ask"}

// String is how the directory spells a rule.
func (r SeriesRule) String() string {
	if r < numSeriesRules {
		return seriesRules[r]
	}
	return "unknown"
}

// SeriesRules are the words for all of them, in order.
func SeriesRules() []string { return seriesRules[:] }

// ParseSeriesRule reads such a word.
func ParseSeriesRule(word string) (SeriesRule, bool) {
	for i, w := range seriesRules {
		if w == word {
			return SeriesRule(i), true
		}
	}
	return 0, false
}
