// Package simulate plays many users of a calendar server at once, to find out how
// many it carries. Requests come when they come (an open loop): a server that falls behind
// sees them queue up, as with real people, and latency counts from when they were due.
package simulate

import (
	"fmt"
	"strings"
	"time"
)

// Op is something that a user's device does.
type Op string

// The operations. Each is one or a few requests; its latency is that of all.
const (
	Discover Op = "discover" // principal, home, calendars: a device is set up, or looks again
	Poll     Op = "poll"     // PROPFIND of the home: has anything changed? If so, sync and multiget
	Month    Op = "month"    // calendar-query of a month
	Create   Op = "create"   // PUT of a new event
	Update   Op = "update"   // GET and PUT of an event of one's own
	Delete   Op = "delete"   // DELETE of one
	Invite   Op = "invite"   // PUT of a new meeting
	Reply    Op = "reply"    // an invitation is looked for and answered
	FreeBusy Op = "freebusy" // POST to the outbox
)

// Ops are all, in the order of reports.
var Ops = []Op{Discover, Poll, Month, Create, Update, Delete, Invite, Reply, FreeBusy}

// Profile is what one user does. Rates are times in an hour of a working day.
type Profile struct {
	Rates    map[Op]float64
	Invitees int // of a meeting, and asked about in a free/busy request
}

// Apple is a user with two of Apple's devices, a computer and a phone, without push: each polls
// every 15 minutes, and is set up anew, or looks through all, once in eight hours. In
// eight hours he makes six events, changes three, deletes one, calls two meetings of four people, answers
// the invitations that he gets, looks for free time once and at a month as often as
// his other programs ask for one.
func Apple() Profile {
	return Profile{Invitees: 4, Rates: map[Op]float64{
		Poll: 2 * 4, Discover: 2. / 8, Month: 2. / 8, Create: 6. / 8, Update: 3. / 8, Delete: 1. / 8, Invite: 2. / 8, Reply: 8. / 8, FreeBusy: 1. / 8,
	}}
}

// Total is how many operations a user does in an hour.
func (p Profile) Total() (sum float64) {
	for _, r := range p.Rates {
		sum += r
	}
	return sum
}

// Set changes rates: "poll=4,create=1.5", in an hour.
func (p Profile) Set(words string) error {
	for word := range strings.SplitSeq(words, ",") {
		if word == "" {
			continue
		}
		name, value, _ := strings.Cut(word, "=")
		var rate float64
		if n, err := fmt.Sscanf(value, "%g", &rate); n != 1 || err != nil || rate < 0 {
			return fmt.Errorf("%q: want an operation, =, and how often in an hour", word)
		}
		if _, ok := p.Rates[Op(name)]; !ok {
			return fmt.Errorf("%q is no operation; there are %v", name, Ops)
		}
		p.Rates[Op(name)] = rate
	}
	if p.Total() == 0 {
		return fmt.Errorf("nobody would do anything: all rates are 0")
	}
	return nil
}

// gap is the mean time between two operations of so many users.
func (p Profile) gap(users int, compress float64) time.Duration {
	return time.Duration(float64(time.Hour) / (p.Total() * float64(users) * compress))
}
