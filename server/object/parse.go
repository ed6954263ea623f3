package object

import (
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// Object is what a write needs to know of an object before its transaction.
type Object struct {
	Calendar    *ical.Component // parsed, nil for a file of a plain collection
	Data        []byte
	ContentType string
	UID         string
	Component   string
	Class       uint8
	Scheduled   bool                     // has an ORGANIZER or ATTENDEE: a scheduling object, RFC 6638 §3.1
	Attached    []string                 // attachments of the owner that the text names
	Files       []calendar.AttachmentRow // those of them that came along, with their data
	Occurrences []calendar.OccurrenceRow // Name not yet set
	OccHash     uint64
}

// Rules are what a collection asks of the objects stored in it.
type Rules struct {
	ID         calendar.ID
	Kind       calendar.CollectionKind
	Components []string // that it takes
	Limits     calendar.Limits
}

// Parse reads and judges the text of a write. Files are taken as they are.
func Parse(op string, m Rules, data []byte, contentType string) (*Object, error) {
	ref := string(m.ID)
	lim := m.Limits
	switch kind := m.Kind.Rules(); {
	case !kind.Files && !kind.Objects:
		return nil, calendar.Failf(calendar.Denied, "", op, ref, "clients store nothing in this collection")
	case kind.Files:
		if len(data) > lim.PlainMaxSize {
			return nil, calendar.Failf(calendar.TooLarge, calendar.MaxResourceSize, op, ref, "the file is larger than %d octets", lim.PlainMaxSize)
		}
		if contentType == "" {
			contentType = "application/octet-stream"
		}
		return &Object{Data: data, ContentType: contentType}, nil
	}
	if len(data) > lim.ObjectSize {
		return nil, calendar.Failf(calendar.TooLarge, calendar.MaxResourceSize, op, ref, "the object is larger than %d octets", lim.ObjectSize)
	}
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return nil, calendar.Failf(calendar.Invalid, calendar.ValidCalendarData, op, ref, "the text is not a valid iCalendar object: %v", err)
	}
	return Judge(op, m, cal, data)
}

// Judge applies the rules for calendar object resources. RFC 4791 §§4.1, 5.3.2.1.
func Judge(op string, m Rules, cal *ical.Component, data []byte) (*Object, error) {
	ref, lim := string(m.ID), m.Limits
	bad := func(reason calendar.Reason, format string, args ...any) error {
		return calendar.Failf(calendar.Invalid, reason, op, ref, format, args...)
	}
	if cal.Prop("METHOD") != nil {
		return nil, bad(calendar.ValidCalendarObject, "a stored object has no METHOD property")
	}
	comps, err := Components(cal)
	if err != nil {
		return nil, bad(calendar.ValidCalendarObject, "%v", err)
	}
	// Caches keep these two: they must not keep the whole text.
	p := &Object{Calendar: cal, Data: data, UID: strings.Clone(strings.TrimSpace(comps[0].Value("UID"))), Component: calendar.Intern(comps[0].Name)}
	if len(p.UID) > 1024 {
		return nil, bad(calendar.ValidCalendarObject, "the UID is longer than 1024 octets")
	}
	if !slices.Contains(m.Components, p.Component) {
		return nil, calendar.Failf(calendar.Unsupported, calendar.SupportedComponent, op, ref, "this calendar takes %s, not %s", strings.Join(m.Components, ", "), p.Component)
	}
	if v := cal.Value("VERSION"); v != "" && v != "2.0" {
		return nil, calendar.Failf(calendar.Unsupported, calendar.SupportedCalendarData, op, ref, "VERSION must be 2.0, not %q", v)
	}
	for _, pr := range ical.Validate(cal) {
		if pr.Severity == ical.Error {
			return nil, bad(calendar.ValidCalendarData, "%s", pr.Error())
		}
	}
	for _, c := range comps {
		switch strings.ToUpper(c.Value("CLASS")) {
		case "PRIVATE":
			p.Class = max(p.Class, 1)
		case "CONFIDENTIAL":
			p.Class = max(p.Class, 2)
		}
		p.Scheduled = p.Scheduled || c.Prop("ORGANIZER") != nil || c.Prop("ATTENDEE") != nil
		if n := c.Count("ATTENDEE"); n > lim.Attendees {
			return nil, calendar.Failf(calendar.TooLarge, calendar.MaxAttendees, op, ref, "%d attendees are more than %d", n, lim.Attendees)
		}
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	if err != nil {
		return nil, bad(calendar.ValidCalendarData, "%v", err)
	}
	if p.Occurrences, err = Occurrences(set, comps); err != nil {
		return nil, bad(calendar.ValidCalendarData, "%v", err)
	}
	for _, o := range p.Occurrences {
		if o.Flags&calendar.OccTodo == 0 && o.Start < lim.MinDate.Unix() {
			return nil, calendar.Failf(calendar.TooLarge, calendar.MinDateTime, op, ref, "dates begin at %s", lim.MinDate.Format(time.DateOnly))
		}
		if o.Flags&(calendar.OccTodo|calendar.OccTail) == 0 && o.End > lim.MaxDate.Unix()+86400 {
			return nil, calendar.Failf(calendar.TooLarge, calendar.MaxDateTime, op, ref, "dates end at %s", lim.MaxDate.Format(time.DateOnly))
		}
	}
	p.OccHash = hashOccurrences(p.Occurrences)
	p.Attached = Attachments(cal, m.ID.Owner())
	return p, nil
}

// Components returns the components of the object besides its time zones: one
// type, one UID, at most one without RECURRENCE-ID. RFC 4791 §4.1.
func Components(cal *ical.Component) ([]*ical.Component, error) {
	var comps []*ical.Component
	masters := 0
	for _, c := range cal.Children {
		switch {
		case c.Name == "VTIMEZONE":
			continue
		case strings.TrimSpace(c.Value("UID")) == "":
			return nil, errors.New("a " + c.Name + " has no UID")
		case len(comps) > 0 && c.Name != comps[0].Name:
			return nil, errors.New("an object holds components of one type, not " + comps[0].Name + " and " + c.Name)
		case len(comps) > 0 && strings.TrimSpace(c.Value("UID")) != strings.TrimSpace(comps[0].Value("UID")):
			return nil, errors.New("an object holds components of one UID")
		}
		if c.Prop("RECURRENCE-ID") == nil {
			masters++
		}
		comps = append(comps, c)
	}
	switch {
	case len(comps) == 0:
		return nil, errors.New("the object has no VEVENT, VTODO or VJOURNAL")
	case masters > 1:
		return nil, errors.New("two components with the same UID have no RECURRENCE-ID")
	}
	return comps, nil
}

func HashText(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// Compile parses stored text again.
func Compile(data []byte) (*ical.Component, []*ical.Component, *recur.Set, error) {
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return nil, nil, nil, err
	}
	comps, err := Components(cal)
	if err != nil {
		return cal, nil, nil, err
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	return cal, comps, set, err
}

// Attachments lists the attachments of an owner that a text refers to.
func Attachments(cal *ical.Component, owner calendar.Owner) (ids []string) {
	for _, c := range cal.Children {
		c.Walk(func(x *ical.Component) bool {
			for p := range x.All("ATTACH") {
				if o, id := calendar.SplitAttachment(p.Value); id != "" && o == owner && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
			return true
		})
	}
	return ids
}
