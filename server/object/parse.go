package object

import (
	"errors"
	"slices"
	"strings"

	"factotum/server/availability"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/recur"
)

// Resource is a calendar object resource that may be stored, or a file of
// another collection: what a write needs to know of it before its transaction.
type Resource struct {
	Calendar    *ical.Component // parsed, nil for a file of a plain collection
	Data        []byte
	ContentType string
	UID         string
	Component   string
	Class       uint8
	Lacks       calendar.Lacks
	Scheduled   bool                     // has an ORGANIZER or ATTENDEE: a scheduling object, RFC 6638 §3.1
	Attached    []string                 // attachments of the owner that the text names
	Files       []calendar.AttachmentRow // those of them that came along, with their data
	Occurrences []calendar.OccurrenceRow // the time index, Name not yet set
	OccHash     uint64                   // of the time index
}

// Rules are what a collection asks of what is stored in it.
type Rules struct {
	Owner      calendar.Owner // of the collection, and of attachments that a text names
	Kind       calendar.CollectionKind
	Components []string // that it takes
	Limits     calendar.Limits
	// Person tells who the owner is; it is asked of meetings alone. Nil: nobody knows.
	Person func() (calendar.Person, error)
}

// Parse reads and judges what is to be stored. Files are taken as they are. Its
// errors have neither Op nor Ref.
func Parse(rules Rules, data []byte, contentType string) (*Resource, error) {
	lim := rules.Limits
	switch kind := rules.Kind.Rules(); {
	case !kind.Files && !kind.Objects:
		return nil, calendar.Errorf(calendar.Denied, "", "clients store nothing in this collection")
	case kind.Files:
		if len(data) > lim.PlainMaxSize {
			return nil, calendar.Errorf(calendar.TooLarge, calendar.MaxResourceSize, "the file is larger than %d octets", lim.PlainMaxSize)
		}
		if contentType == "" {
			contentType = "application/octet-stream"
		}
		return &Resource{Data: data, ContentType: contentType}, nil
	}
	data = inUTF8(data, contentType)
	if len(data) > lim.ObjectSize {
		return nil, calendar.Errorf(calendar.TooLarge, calendar.MaxResourceSize, "the object is larger than %d octets", lim.ObjectSize)
	}
	cal, err := ical.Parse(data, ical.Limits{})
	switch {
	case err != nil && otherMedia(contentType):
		return nil, calendar.Errorf(calendar.Unsupported, calendar.SupportedCalendarData, "only text/calendar is stored in a calendar")
	case err != nil:
		return nil, calendar.Errorf(calendar.Invalid, calendar.ValidCalendarData, "the text is not a valid iCalendar object: %v", err)
	}
	return Judge(rules, cal, data)
}

// Judge is Parse for a text that is parsed already, and not for files: the rules
// for calendar object resources. RFC 4791 §§4.1, 5.3.2.1.
func Judge(rules Rules, cal *ical.Component, data []byte) (*Resource, error) {
	lim := rules.Limits
	invalid := func(reason calendar.Reason, format string, args ...any) error {
		return calendar.Errorf(calendar.Invalid, reason, format, args...)
	}
	if cal.Prop("METHOD") != nil {
		return nil, invalid(calendar.ValidCalendarObject, "a stored object has no METHOD property")
	}
	comps, err := Components(cal)
	if err != nil {
		return nil, invalid(calendar.ValidCalendarObject, "%v", err)
	}
	// Caches keep these two: they must not keep the whole text.
	res := &Resource{Calendar: cal, Data: data, UID: strings.Clone(UID(comps[0])), Component: calendar.Intern(comps[0].Name)}
	if len(res.UID) > 1024 {
		return nil, invalid(calendar.ValidCalendarObject, "the UID is longer than 1024 octets")
	}
	if !slices.Contains(rules.Components, res.Component) {
		return nil, calendar.Errorf(calendar.Unsupported, calendar.SupportedComponent, "this calendar takes %s, not %s", strings.Join(rules.Components, ", "), res.Component)
	}
	if v := cal.Word("VERSION"); v != "" && v != "2.0" {
		return nil, calendar.Errorf(calendar.Unsupported, calendar.SupportedCalendarData, "VERSION must be 2.0, not %q", v)
	}
	for _, pr := range ical.Validate(cal) {
		if pr.Severity == ical.Error {
			return nil, invalid(calendar.ValidCalendarData, "%s", pr.Error())
		}
	}
	res.Class, res.Lacks = Class(comps), calendar.LacksNothing
	for _, c := range comps {
		if c.Prop("EXDATE") != nil {
			res.Lacks = calendar.LacksInstances
		}
		res.Scheduled = res.Scheduled || c.Prop("ORGANIZER") != nil || c.Prop("ATTENDEE") != nil
		if n := c.Count("ATTENDEE"); n > lim.Attendees {
			return nil, calendar.Errorf(calendar.TooLarge, calendar.MaxAttendees, "%d attendees are more than %d", n, lim.Attendees)
		}
	}
	if err := checkDates(cal, comps, &lim); err != nil {
		return nil, err
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	switch {
	case errors.Is(err, recur.ErrScale):
		return nil, invalid(calendar.SupportedRScale, "%v", err)
	case err != nil:
		return nil, invalid(calendar.ValidCalendarData, "%v", err)
	}
	if res.Component == "VAVAILABILITY" {
		if _, err := availability.Of(cal); err != nil {
			return nil, err
		}
	}
	var me Attending
	if res.Component == "VEVENT" && rules.Person != nil && slices.ContainsFunc(comps, func(c *ical.Component) bool { return c.Prop("ATTENDEE") != nil }) {
		owner, err := rules.Person()
		if err != nil {
			return nil, err
		}
		me = AttendingAs(comps, owner)
	}
	if res.Occurrences, err = IndexRows(set, comps, me); err != nil {
		return nil, invalid(calendar.ValidCalendarData, "%v", err)
	}
	for _, o := range res.Occurrences {
		if o.Flags&calendar.OccTodo == 0 && o.Start < lim.MinDate.Unix() {
			return nil, tooEarly(&lim)
		}
		if o.Flags&(calendar.OccTodo|calendar.OccTail) == 0 && o.End > lim.MaxDate.Unix()+86400 {
			return nil, tooLate(&lim)
		}
	}
	res.OccHash = hashOccurrences(res.Occurrences)
	res.Attached = Attachments(cal, rules.Owner)
	return res, nil
}

// Components returns the components of the object besides its time zones, if
// they are what an object may hold: of one type, with one UID, at most one
// without RECURRENCE-ID. RFC 4791 §4.1.
func Components(cal *ical.Component) ([]*ical.Component, error) {
	var comps []*ical.Component
	masters := 0
	for _, c := range cal.Children {
		switch {
		case c.Name == "VTIMEZONE":
			continue
		case UID(c) == "":
			return nil, errors.New("a " + c.Name + " has no UID")
		case len(comps) > 0 && c.Name != comps[0].Name:
			return nil, errors.New("an object holds components of one type, not " + comps[0].Name + " and " + c.Name)
		case len(comps) > 0 && UID(c) != UID(comps[0]):
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

// UID is the UID of a component as it is read: it is TEXT, in which commas,
// semicolons and backslashes are escaped, or should be. RFC 5545 §3.8.4.7.
func UID(c *ical.Component) string { return strings.TrimSpace(c.Text("UID")) }

// Dated reports whether a component has a place in time: a task with neither
// DTSTART nor DUE is in no range that has an end, for whatever asks for one by
// WCAP: fetch, delete, export or import. WCAP §9.15. Calendar-query has its own
// rule, RFC 4791 §9.9.
func Dated(c *ical.Component) bool {
	return c.Name != "VTODO" || c.Prop("DTSTART") != nil || c.Prop("DUE") != nil
}

// Compile parses the text of an object that is stored, and compiles its
// recurrence.
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
