package wcap

import (
	"slices"
	"strings"

	"factotum/server/ical"
	"factotum/server/object"
)

// address is the mail address of a calendar user address, "" if it has none.
func address(value string) string {
	if len(value) > 7 && strings.EqualFold(value[:7], "mailto:") {
		return value[7:]
	}
	return ""
}

// address shows an ORGANIZER or ATTENDEE by calid or by mail address, with the
// other one in a parameter. WCAP §7.3, §7.4.
func (s *shower) address(p *ical.Property) ical.Property {
	q := *p
	from := len(s.params)
	s.params = append(s.params, p.Params...)
	set := func(name string, value []string) {
		for i := from; i < len(s.params); i++ {
			if s.params[i].Name == name { // rarely: as SetParam, which copies
				q.Params = s.params[from:]
				q.SetParam(name, value...)
				s.params = append(s.params[:from], q.Params...)
				return
			}
		}
		s.params = append(s.params, ical.Param{Name: name, Values: value})
	}
	who := s.who(p.Value)
	if p.Name == "ORGANIZER" {
		if who.calid != nil {
			set("X-NSCP-ORGANIZER-UID", who.calid)
		}
		s.sentBy(from)
	} else {
		if !p.HasParam("X-NSCP-ATTENDEE-GSE-STATUS") && object.Told(p) {
			set("X-NSCP-ATTENDEE-GSE-STATUS", delivered)
		}
		if p.ParamIs("SCHEDULE-AGENT", "NONE") { // the component's state says so
			s.drop(from, "SCHEDULE-AGENT")
		}
		if p.HasParam(itipRevision) {
			s.drop(from, itipRevision)
		}
	}
	if groups := p.ParamValues("MEMBER"); groups != nil && !s.v.mail {
		set("MEMBER", s.membership(groups))
	}
	switch {
	case s.v.mail && who.calid != nil:
		set("X-S1CS-CALID", who.calid)
	case !s.v.mail && who.mail != nil:
		set("X-S1CS-EMAIL", who.mail)
		if who.calid != nil {
			q.Value = who.calid[0]
		}
	}
	q.Params = s.params[from:len(s.params):len(s.params)]
	return q
}

// itipRevision is a note of the server's for itself (package itip).
const itipRevision = "X-FACTOTUM-REVISION"

// drop leaves a parameter out of those from an index on.
func (s *shower) drop(from int, name string) {
	kept := from
	for _, q := range s.params[from:] {
		if q.Name != name {
			s.params[kept] = q
			kept++
		}
	}
	s.params = s.params[:kept]
}

// sentBy shows who acted for the organizer as Sun's server did: by address, and
// by user id. WCAP §7.4.
func (s *shower) sentBy(from int) {
	i := slices.IndexFunc(s.params[from:], func(q ical.Param) bool { return q.Name == "SENT-BY" && len(q.Values) == 1 })
	if i < 0 {
		return
	}
	who := s.who(s.params[from+i].Values[0])
	if who.mail != nil {
		s.params[from+i].Values = who.mail
	}
	if who.calid != nil {
		s.params = append(s.params, ical.Param{Name: "X-NSCP-ORGANIZER-SENT-BY-UID", Values: who.calid})
	}
}

// delivered is the status of an attendee who was told. Read only.
var delivered = []string{"2"}

// seenPerson is who has an address, as values of parameters; nil where there
// is none. Read only.
type seenPerson struct{ mail, calid []string }

// who finds who has an address, once for a request.
func (s *shower) who(value string) seenPerson {
	who, ok := s.people[value]
	if ok {
		return who
	}
	if mail := address(value); mail != "" {
		who.mail = []string{mail}
		if p, err := s.c.byMail(mail); err == nil && p.ID != "" {
			who.calid = []string{p.ID}
		}
	}
	if s.people == nil || len(s.people) >= maxLookups {
		s.people = map[string]seenPerson{}
	}
	s.people[strings.Clone(value)] = who
	return who
}

// componentState is what clients know a state in scheduling by: a keyword, and
// a number, method<<16 | n. WCAP §7.6.
type componentState struct {
	name string
	n    int
}

var componentStates = [...]componentState{
	object.Pending:       {"REQUEST-PENDING", 2<<16 | 1},
	object.Unscheduled:   {"PUBLISH-COMPLETED", 1<<16 | 2},
	object.AwaitsReplies: {"REQUEST-WAITFORREPLY", 2<<16 | 2},
	object.Answered:      {"REQUEST-COMPLETED", 2<<16 | 2},
	object.NeedsAction:   {"REQUEST-NEEDS-ACTION", 2<<16 | 3},
	object.NeedsNoAction: {"REQUEST-NEEDSNOACTION", 2<<16 | 4},
	object.Accepted:      {"REPLY-ACCEPTED", 4<<16 | 5},
	object.Declined:      {"REPLY-DECLINED", 4<<16 | 6},
}

// state tells where a component stands for the owner of its calendar.
func (s *shower) state(k *ical.Component) (name string, n int) {
	st := &componentStates[object.StateOf(k, s.owner)]
	return st.name, st.n
}
