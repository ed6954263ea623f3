package itip

import (
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// Method is what a message asks for. RFC 5546 §1.4.
type Method string

// The methods of messages between organizer and attendee.
const (
	Publish        Method = "PUBLISH"
	Request        Method = "REQUEST"
	Reply          Method = "REPLY"
	Add            Method = "ADD"
	Cancel         Method = "CANCEL"
	Refresh        Method = "REFRESH"
	Counter        Method = "COUNTER"
	DeclineCounter Method = "DECLINECOUNTER"
)

// ProdID is the PRODID of messages. RFC 5545 §3.7.3.
const ProdID = "-//Factotum//Calendar Server//EN"

// Message is one message to one or more calendar users, who all get the same.
type Message struct {
	Method   Method
	UID      string
	From     string   // calendar user addresses as the object has them
	To       []string // each once
	Calendar *ical.Component

	// Inconsequential tells of a request that changes nothing but what other
	// attendees have answered: RFC 6638 §3.2.10. Nobody needs a mail of it.
	Inconsequential bool

	// Told tells of a request that says nothing of the series but what the CANCEL
	// before it calls off. Who keeps the meeting by mail is not sent it: programs send
	// the CANCEL alone. RFC 5546 §3.2.5.
	Told bool
}

// Party is somebody's side of a meeting: whose object it is, when, and in which
// zone he reads floating time, UTC if that is nil.
type Party struct {
	Owner    calendar.Person
	Now      time.Time
	Floating recur.Zone

	// Stale tells that the version written may lack what attendees have answered
	// since its writer read it: he asked with If-Schedule-Tag-Match, or without
	// any condition. RFC 6638 §3.2.10.
	Stale bool

	// SentBy is the mail address of who acts for the owner, "" if he does himself.
	// RFC 5545 §3.2.18.
	SentBy string

	// Forwards tells that an attendee who sends somebody else invites him himself,
	// as RFC 5546 §3.2.2.3 says. A server of the organizer's that hears of it does
	// so too, and better: it knows whether the answer still counts.
	Forwards bool
}

// Change is what Organize and Attend make of a write.
type Change struct {
	Object   *ical.Component // as it is to be stored, nil if nothing is
	Messages []Message
}

// The parameters of RFC 6638 §7 and those that the server keeps for itself.
const (
	agentParam    = "SCHEDULE-AGENT"
	statusParam   = "SCHEDULE-STATUS"
	forceParam    = "SCHEDULE-FORCE-SEND"
	revisionParam = "X-FACTOTUM-REVISION" // of the last message of who the line names: see revision
	gseParam      = "X-NSCP-ATTENDEE-GSE-STATUS"
)

// pending is the SCHEDULE-STATUS of whom a message is on its way to. RFC 6638 §3.2.9.
const pending = "1.0"

// byServer reports whether the server sends what the attendee or organizer has to
// learn, and not the client, or nobody. RFC 6638 §7.1.
func byServer(p *ical.Property) bool {
	return !p.HasParam(agentParam) || p.ParamIs(agentParam, "SERVER")
}

// envelope is a VCALENDAR for components of meetings: with the zones that they
// name.
func (p *Party) envelope(method Method, comps []*ical.Component, from ...*meeting) *ical.Component {
	cal := ical.NewCalendar(ProdID)
	cal.Set("METHOD", string(method))
	have := map[string]bool{}
	for _, m := range from {
		if m.cal == nil {
			continue
		}
		for _, z := range m.zonesFor(comps) {
			if id := z.Value("TZID"); !have[id] {
				have[id] = true
				cal.AddChild(z)
			}
		}
	}
	now := ical.FromCivil(p.Now.UTC().Truncate(time.Second), ical.UTC, "").String()
	for _, c := range comps {
		c.Set("DTSTAMP", now)
	}
	cal.AddChild(comps...)
	return cal
}

// zonesFor are the VTIMEZONEs of an object that components name.
func zonesFor(from *ical.Component, comps []*ical.Component) []*ical.Component {
	return zonesAmong(recur.ZonesOf(from), zonesOf(from), comps)
}

// zonesFor is that of a meeting, which finds its zones once.
func (m *meeting) zonesFor(comps []*ical.Component) []*ical.Component {
	if m.defined == nil {
		m.defined = append([]*ical.Component{}, zonesOf(m.cal)...)
	}
	return zonesAmong(m.zones, m.defined, comps)
}

func zonesAmong(zones *recur.Zones, defined, comps []*ical.Component) (out []*ical.Component) {
	if len(defined) == 0 {
		return nil
	}
	used := map[*ical.Component]bool{}
	for _, c := range comps {
		c.Walk(func(k *ical.Component) bool {
			for i := range k.Props {
				if id := k.Props[i].TZID(); id != "" {
					used[zones.Definition(id)] = true
				}
			}
			return true
		})
	}
	for _, z := range defined {
		if used[z] {
			out = append(out, z.Clone())
		}
	}
	return out
}
