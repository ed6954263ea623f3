package standby

import (
	"cmp"
	"fmt"
	"time"

	"factotum/server/calendar"
)

// Status is how this host does as one of two.
type Status struct {
	Host    string    `json:"host"`
	Peer    string    `json:"peer"`
	Active  bool      `json:"active"` // this host serves, or would with a lease
	Serves  bool      `json:"serves"`
	Phase   string    `json:"phase"`
	Since   time.Time `json:"since,omitzero"` // of the phase
	Epoch   uint64    `json:"epoch"`
	Sync    bool      `json:"sync"`
	Heard   time.Time `json:"heard,omitzero"`     // when the other host was heard of last
	Behind  int       `json:"behind"`             // transactions that the standby has not got
	Oldest  time.Time `json:"oldest,omitzero"`    // of them
	Differs int       `json:"differed,omitempty"` // homes that had to be copied anew since they were not the same
	Witness string    `json:"witness,omitempty"`  // that ics.conf names
	Decides bool      `json:"decides,omitempty"`  // the witness does, in this pairing, who goes on alone
	Away    string    `json:"away,omitempty"`     // why it does not
	Why     string    `json:"why,omitempty"`      // nothing is served, or the standby does not follow
}

// Status tells how it is.
func (a *Active) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{Host: a.opt.Host, Peer: a.opt.Peer, Active: true, Phase: string(a.phase), Since: a.since, Epoch: a.state.Epoch, Sync: a.opt.Sync,
		Heard: a.answered, Behind: len(a.queue) + len(a.dirty), Differs: a.differs, Why: a.failure,
		Witness: a.opt.Witness, Decides: a.decides(), Away: a.witness.failure}
	if s.Away == "" && s.Phase == string(paired) && !s.Decides && s.Witness != "" && a.theirs != s.Witness {
		s.Away = "the ics.conf of the other host names " + cmp.Or(a.theirs, "none")
	}
	if len(a.queue) > 0 {
		s.Oldest = a.queue[0].at
	}
	if err := a.held(); err != nil {
		s.Why = calendar.MessageOf(err)
	} else {
		s.Serves = true
	}
	return s
}

// Ready tells whether one host serves and the other would take over.
func (s *Status) Ready() bool { return s.Phase == string(paired) && (s.Serves || !s.Active) }

// Status tells how it is.
func (p *Passive) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Host: p.opt.Host, Peer: p.opt.Peer, Phase: string(waiting), Since: p.since, Epoch: p.state.Epoch, Sync: p.opt.Sync, Heard: p.ever, Behind: p.behind, Why: p.problem,
		Witness: p.opt.Witness, Decides: p.admitted && p.witness != "", Away: p.link.failure}
	switch {
	case p.admitted:
		s.Phase = string(paired)
	case p.stream != "":
		s.Phase = string(copying)
	}
	return s
}

// Words tell it in a line.
func (s *Status) Words(now time.Time) string {
	ago := func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return now.Sub(t).Round(time.Second).String() + " ago"
	}
	line := fmt.Sprintf("%s is the standby of %s", s.Host, s.Peer)
	switch {
	case s.Active && s.Serves:
		line = fmt.Sprintf("%s: this host serves, %s is its standby", s.Host, s.Peer)
	case s.Active:
		line = fmt.Sprintf("%s: this host does NOT serve", s.Host)
	}
	line += fmt.Sprintf(" (epoch %d); ", s.Epoch)
	switch {
	case s.Phase == string(paired) && s.Active && !s.Serves:
		line += "its lease is over"
	case s.Phase == string(paired) && s.Active && s.Sync:
		line += "paired: all that is acknowledged is there"
	case s.Phase == string(paired) && s.Active:
		line += fmt.Sprintf("paired: %d transactions behind", s.Behind)
	case s.Phase == string(paired):
		line += "paired: it takes over when it hears nothing"
	case s.Phase == string(copying):
		line += "the standby is brought up to date"
	case s.Phase == string(alone):
		line += "alone: NOBODY stands by"
	case s.Active:
		line += s.Phase
	default:
		line += "it would NOT take over: the other host has not admitted it"
	}
	line += "; the other was heard of " + ago(s.Heard)
	switch {
	case s.Witness == "":
	case s.Away != "":
		line += fmt.Sprintf("; the witness %s does NOT decide: %s", s.Witness, s.Away)
	case s.Decides:
		line += fmt.Sprintf("; the witness %s decides who goes on without the other", s.Witness)
	default:
		line += fmt.Sprintf("; the witness %s answers", s.Witness)
	}
	if s.Why != "" {
		line += ": " + s.Why
	}
	return line
}
