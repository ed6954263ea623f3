package wcap

import (
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// place is where a property stands in a component: the order of Sun's server,
// whose own properties come last.
type place uint8

const (
	atStatus place = iota // REQUEST-STATUS
	atUID
	atRID
	atStamp
	atSummary
	atStart
	atEnd
	atDue
	atCreated
	atModified
	atPriority
	atSequence
	atPercent
	atCompleted
	atClass
	atDescription
	atLocation
	atOrganizer
	atAttendee
	atState
	atTransp
	atRRule
	atRDate
	atExRule
	atExDate
	atOthers // all that have no place of their own
	atOriginal
	atLanguage
	atStartZone
	atEndZone
	atDueZone
	atTombstone
	atOngoing
	atOrganizerMail
	atComponentState
	numPlaces
)

var placeNames = [numPlaces]string{
	"REQUEST-STATUS", "UID", "RECURRENCE-ID", "DTSTAMP", "SUMMARY", "DTSTART", "DTEND", "DUE", "CREATED", "LAST-MODIFIED", "PRIORITY", "SEQUENCE",
	"PERCENT-COMPLETE", "COMPLETED", "CLASS", "DESCRIPTION", "LOCATION", "ORGANIZER", "ATTENDEE", "STATUS", "TRANSP",
	"RRULE", "RDATE", "EXRULE", "EXDATE", "", "X-NSCP-ORIGINAL-DTSTART", "X-NSCP-LANGUAGE", "X-NSCP-DTSTART-TZID", "X-NSCP-DTEND-TZID", "X-NSCP-DUE-TZID",
	"X-NSCP-TOMBSTONE", "X-NSCP-ONGOING", "X-NSCP-ORGANIZER-EMAIL", "X-NSCP-GSE-COMPONENT-STATE",
}

var places = func() map[string]place {
	m := map[string]place{}
	for at, name := range placeNames {
		m[name] = place(at)
	}
	delete(m, "")
	return m
}()

func placeOf(name string) place {
	if at, ok := places[name]; ok {
		return at
	}
	return atOthers
}

// attrsets are the places of the smaller sets. WCAP fetchcomponents_by_range.
var attrsets = func() (sets [3][numPlaces]bool) {
	for _, at := range []place{atUID, atRID, atSummary, atStart, atEnd, atDue, atStartZone, atEndZone, atDueZone} {
		sets[0][at], sets[1][at] = true, true
	}
	for _, at := range []place{atClass, atLocation, atRRule, atRDate, atExRule, atExDate} {
		sets[1][at] = true
	}
	for at := range sets[2] {
		sets[2][at] = true
	}
	return sets
}()

// Parameters that many components share; nobody may write to them.
var (
	valueDate   = []ical.Param{{Name: "VALUE", Values: []string{"DATE"}}}
	stateParams = func() map[string][]ical.Param {
		m := map[string][]ical.Param{}
		for _, s := range componentStates {
			m[s.name] = []ical.Param{{Name: "X-NSCP-GSE-COMMENT", Values: []string{s.name}}}
		}
		return m
	}()
)

// times are the dates of a component as they are shown.
type times struct {
	start, end     entered
	hasEnd, allDay bool
	rid            string
}

func (s *shower) times(k *ical.Component, in *calendar.Occurrence) (t times) {
	t.start, t.allDay = s.start(k)
	t.end, t.hasEnd = s.end(k, t.start, t.allDay)
	if p := k.Prop("RECURRENCE-ID"); p != nil {
		t.rid = s.date(p)
	}
	if in != nil {
		if !t.start.at.IsZero() || k.Name != "VTODO" { // a task may recur by its DUE alone
			t.start.at = in.Start
		}
		t.end.at, t.hasEnd = in.End, t.hasEnd || k.Name == "VEVENT"
		if !in.RID.IsZero() {
			t.rid = s.dateTime(in.RID)
		}
	}
	return t
}

// component makes the form of the wire; in is the instance to show, nil for
// the component itself.
func (s *shower) component(k *ical.Component, in *calendar.Occurrence) *ical.Component {
	out := s.blank(k)
	t := s.times(k, in)
	wanted := &attrsets[min(max(s.v.attrset, 0), 2)]

	// The properties of each place are a chain: from first[place] along next.
	var first, last [numPlaces]int32 // counted from 1, 0 is none
	next := s.next[:0]
	for i := range k.Props {
		at, n := placeOf(k.Props[i].Name), int32(i+1)
		if next = append(next, 0); last[at] > 0 {
			next[last[at]-1] = n
		} else {
			first[at] = n
		}
		last[at] = n
	}
	s.next = next

	add := func(at place, value string, params []ical.Param) {
		out.Props = append(out.Props, ical.Property{Name: placeNames[at], Value: value, Params: params})
	}
	// Dates of Sun's own forms are mostly said twice.
	var start, created string
	date := func(moment time.Time) string {
		if t.allDay {
			return s.day(moment)
		}
		return s.stamp(moment)
	}
	var form []ical.Param
	if t.allDay {
		form = valueDate
	}
	for at := range numPlaces {
		if !wanted[at] {
			continue
		}
		switch at {
		case atUID:
			add(at, k.Value("UID"), nil)
		case atRID:
			if len(t.rid) == len(dateForm) {
				add(at, t.rid, valueDate)
			} else if t.rid != "" {
				add(at, t.rid, nil)
			}
		case atStart:
			if !t.start.at.IsZero() {
				start = date(t.start.at)
				add(at, start, form)
			}
		case atEnd:
			if t.hasEnd && k.Name != "VTODO" {
				add(at, date(t.end.at), form)
			}
		case atDue:
			if t.hasEnd && k.Name == "VTODO" {
				add(at, date(t.end.at), form)
			}
		case atCreated:
			created = utc(s.obj.Created)
			add(at, created, nil)
		case atModified:
			if s.obj.Modified.Equal(s.obj.Created) {
				add(at, created, nil)
			} else {
				add(at, utc(s.obj.Modified), nil)
			}
		case atOriginal:
			switch {
			case t.rid != "":
				add(at, t.rid, nil)
			case start != "":
				add(at, start, nil)
			}
		case atLanguage:
			lang := "en"
			if v := k.Value("X-NSCP-LANGUAGE"); v != "" {
				lang = v
			}
			add(at, lang, nil)
		case atStartZone:
			if t.start.name != "" && !t.start.at.IsZero() && !t.allDay {
				add(at, t.start.name, nil)
			}
		case atEndZone:
			if t.end.name != "" && t.hasEnd && !t.allDay && k.Name != "VTODO" {
				add(at, t.end.name, nil)
			}
		case atDueZone:
			if t.end.name != "" && t.hasEnd && !t.allDay && k.Name == "VTODO" {
				add(at, t.end.name, nil)
			}
		case atTombstone, atOngoing:
			add(at, "0", nil)
		case atOrganizerMail:
			if first[atOrganizer] == 0 || s.obj.Masked {
				break
			}
			if a := address(k.Props[first[atOrganizer]-1].Value); a != "" {
				add(at, ical.EscapeText(a), nil)
			}
		case atComponentState:
			if !s.obj.Masked {
				name, n := s.state(k)
				add(at, itoa(n), stateParams[name])
			}
		default:
			if first[at] == 0 {
				if value := missing(at, k.Name); value != "" {
					add(at, value, nil)
				}
			}
			for i := first[at]; i > 0; i = next[i-1] {
				if q, ok := s.property(k, &k.Props[i-1], in != nil); ok {
					if out.Props = append(out.Props, q); at == atAttendee && q.ParamIs("CUTYPE", "GROUP") {
						out.Props = s.group(k, &k.Props[i-1], out.Props)
					}
				}
			}
		}
	}
	if s.v.attrset >= 1 && !s.obj.Masked {
		for _, a := range k.Children {
			if a.Name == "VALARM" {
				a = s.alarm(a, t.start, t.end)
			}
			out.Children = append(out.Children, a)
		}
	}
	return out
}

// blank is an empty component like k: the last one again, where it is not
// needed any more.
func (s *shower) blank(k *ical.Component) *ical.Component {
	out := &s.out
	if !s.passing() {
		out, s.params = &ical.Component{}, nil
	}
	if cap(out.Props) == 0 {
		out.Props = make([]ical.Property, 0, len(k.Props)+14)
	}
	*out = ical.Component{Name: k.Name, Props: out.Props[:0], Children: out.Children[:0]}
	s.params = s.params[:0]
	return out
}

// missing is what Sun's server tells where a component says nothing.
func missing(at place, component string) string {
	todo := component == "VTODO"
	switch at {
	case atPriority, atSequence:
		return "0"
	case atClass:
		return "PUBLIC"
	case atState:
		if todo {
			return "NEEDS-ACTION"
		}
		return "CONFIRMED"
	case atPercent:
		if todo {
			return "0"
		}
	case atTransp:
		if !todo {
			return "OPAQUE"
		}
	}
	return ""
}

// property shows one property of the stored component k.
func (s *shower) property(k *ical.Component, p *ical.Property, expanded bool) (ical.Property, bool) {
	switch p.Name {
	case "RRULE", "EXRULE":
		return *p, s.v.compressed && !expanded
	case "RDATE", "EXDATE":
		if !s.v.compressed || expanded {
			return *p, false
		}
		return s.dates(p), true
	case "ORGANIZER", "ATTENDEE":
		return s.address(p), true
	case "DTSTAMP", "COMPLETED": // UTC whatever tzidout is. RFC 5545 §3.8.7.2, §3.8.2.1
		d, err := p.DateTime()
		if err != nil {
			return *p, false
		}
		z, _ := s.zoneOf(d)
		return ical.Property{Name: p.Name, Value: utc(z.ToUTC(d.Civil()))}, true
	case "ATTACH":
		return s.attachment(p, k), true
	case "DURATION":
		return *p, false // the end is shown
	}
	return *p, true
}
