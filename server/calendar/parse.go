package calendar

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"math"
	"slices"
	"strings"
	"time"

	"factotum/server/ical"
	"factotum/server/recur"
)

// parsed is what a write needs to know of an object before its transaction.
type parsed struct {
	data        []byte
	contentType string
	uid         string
	component   string
	class       uint8
	scheduled   bool            // has an ORGANIZER or ATTENDEE: a scheduling object, RFC 6638 §3.1
	attached    []string        // attachments of the owner that the text names
	files       []AttachmentRow // those of them that came along, with their data
	occ         []OccurrenceRow // Name not yet set
	occHash     uint64
}

// materialized is how many instances of a series the time index holds; a tail
// row stands for the rest.
const materialized = 100

// parse reads and judges the text of a write. Files of plain collections are
// taken as they are.
func (s *Service) parse(op string, m *calMeta, data []byte, contentType string) (*parsed, error) {
	ref := string(m.id)
	lim := s.opt.Limits
	if m.row.Plain {
		if len(data) > lim.PlainMaxSize {
			return nil, failMsg(TooLarge, MaxResourceSize, op, ref, "the file is larger than %d octets", lim.PlainMaxSize)
		}
		if contentType == "" {
			contentType = "application/octet-stream"
		}
		return &parsed{data: data, contentType: contentType}, nil
	}
	if len(data) > lim.ObjectSize {
		return nil, failMsg(TooLarge, MaxResourceSize, op, ref, "the object is larger than %d octets", lim.ObjectSize)
	}
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return nil, failMsg(Invalid, ValidCalendarData, op, ref, "the text is not a valid iCalendar object: %v", err)
	}
	return s.judge(op, m, cal, data)
}

// judge applies the rules for calendar object resources. RFC 4791 §§4.1, 5.3.2.1.
func (s *Service) judge(op string, m *calMeta, cal *ical.Component, data []byte) (*parsed, error) {
	ref, lim := string(m.id), s.opt.Limits
	bad := func(reason Reason, format string, args ...any) error {
		return failMsg(Invalid, reason, op, ref, format, args...)
	}
	if cal.Prop("METHOD") != nil {
		return nil, bad(ValidCalendarObject, "a stored object has no METHOD property")
	}
	comps, err := oneUID(cal)
	if err != nil {
		return nil, bad(ValidCalendarObject, "%v", err)
	}
	// Caches keep these two: they must not keep the whole text.
	p := &parsed{data: data, uid: strings.Clone(strings.TrimSpace(comps[0].Value("UID"))), component: intern(comps[0].Name)}
	if len(p.uid) > 1024 {
		return nil, bad(ValidCalendarObject, "the UID is longer than 1024 octets")
	}
	if !slices.Contains(m.components, p.component) {
		return nil, failMsg(Unsupported, SupportedComponent, op, ref, "this calendar takes %s, not %s", strings.Join(m.components, ", "), p.component)
	}
	if v := cal.Value("VERSION"); v != "" && v != "2.0" {
		return nil, failMsg(Unsupported, SupportedCalendarData, op, ref, "VERSION must be 2.0, not %q", v)
	}
	for _, pr := range ical.Validate(cal) {
		if pr.Severity == ical.Error {
			return nil, bad(ValidCalendarData, "%s", pr.Error())
		}
	}
	for _, c := range comps {
		switch strings.ToUpper(c.Value("CLASS")) {
		case "PRIVATE":
			p.class = max(p.class, 1)
		case "CONFIDENTIAL":
			p.class = max(p.class, 2)
		}
		p.scheduled = p.scheduled || c.Prop("ORGANIZER") != nil || c.Prop("ATTENDEE") != nil
		if n := c.Count("ATTENDEE"); n > lim.Attendees {
			return nil, failMsg(TooLarge, MaxAttendees, op, ref, "%d attendees are more than %d", n, lim.Attendees)
		}
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	if err != nil {
		return nil, bad(ValidCalendarData, "%v", err)
	}
	if p.occ, err = occurrences(set, comps); err != nil {
		return nil, bad(ValidCalendarData, "%v", err)
	}
	for _, o := range p.occ {
		if o.Flags&OccTodo == 0 && o.Start < lim.MinDate.Unix() {
			return nil, failMsg(TooLarge, MinDateTime, op, ref, "dates begin at %s", lim.MinDate.Format(time.DateOnly))
		}
		if o.Flags&(OccTodo|OccTail) == 0 && o.End > lim.MaxDate.Unix()+86400 {
			return nil, failMsg(TooLarge, MaxDateTime, op, ref, "dates end at %s", lim.MaxDate.Format(time.DateOnly))
		}
	}
	p.occHash = hashOccurrences(p.occ)
	p.attached = attachmentsOf(cal, m.id.Owner())
	return p, nil
}

// intern returns the name of a component as a string that all share.
func intern(name string) string {
	for _, known := range [...]string{"VEVENT", "VTODO", "VJOURNAL"} {
		if name == known {
			return known
		}
	}
	return strings.Clone(name)
}

// oneUID returns the components of the object besides its time zones: one
// type, one UID, at most one without RECURRENCE-ID. RFC 4791 §4.1.
func oneUID(cal *ical.Component) ([]*ical.Component, error) {
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

// occurrences makes the time index of an object.
func occurrences(set *recur.Set, comps []*ical.Component) ([]OccurrenceRow, error) {
	first, last, infinite := set.Span(recur.UTC)
	if comps[0].Name != "VEVENT" {
		// The overlap rules of tasks and journals depend on which dates they
		// have (RFC 4791 §9.9): the index only says where to look.
		row := OccurrenceRow{Start: math.MinInt64 / 2, End: math.MaxInt64 / 2, Flags: OccTodo | OccFree}
		return []OccurrenceRow{row}, nil
	}
	if first.IsZero() && last.IsZero() && !infinite {
		return nil, nil // a series all of whose instances are excluded
	}
	var rows []OccurrenceRow
	if !set.Recurring() {
		for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, recur.UTC, recur.Budget{}) {
			if err != nil {
				return nil, err
			}
			rows = append(rows, rowOf(in))
		}
		return rows, nil
	}
	more := false
	var lastStart int64
	for in, err := range set.Between(context.Background(), time.Time{}, time.Time{}, recur.UTC, recur.Budget{MaxInstances: materialized + 1, MaxSteps: 20_000}) {
		if errors.Is(err, recur.ErrBudget) {
			more = true
			break
		}
		if err != nil {
			return nil, err
		}
		if len(rows) == materialized {
			more = true
			break
		}
		rows = append(rows, rowOf(in))
		lastStart = rows[len(rows)-1].Start
	}
	if more {
		tail := OccurrenceRow{Start: lastStart, End: last.Unix() + floatSlack, Flags: OccTail}
		if len(rows) == 0 {
			tail.Start = first.Unix() - floatSlack
		}
		if infinite || last.IsZero() {
			tail.End = math.MaxInt64 / 2
		}
		// Instances that begin with the last materialized one belong to it
		// too: the tail starts there and queries drop what they have twice.
		rows = append(rows, tail)
	}
	return rows, nil
}

// rowOf turns an instance, expanded with floating time taken as UTC, into an
// index row.
func rowOf(in recur.Instance) OccurrenceRow {
	r := OccurrenceRow{Start: in.Start.Unix(), End: max(in.End.Unix(), in.Start.Unix()), Flags: busyFlags(in.Comp)}
	if p := in.Comp.Prop("DTSTART"); p != nil {
		if d, err := p.DateTime(); err == nil {
			switch d.Kind {
			case ical.Floating:
				r.Flags |= OccFloating
			case ical.Date:
				r.Flags |= OccFloating | OccAllDay
			}
		}
	}
	return r
}

// busyFlags says how a component counts for free/busy. RFC 4791 §7.10.
func busyFlags(c *ical.Component) int {
	switch {
	case strings.EqualFold(c.Value("TRANSP"), "TRANSPARENT"), strings.EqualFold(c.Value("STATUS"), "CANCELLED"):
		return OccFree
	case strings.EqualFold(c.Value("X-MICROSOFT-CDO-BUSYSTATUS"), "OOF"):
		return OccUnavailable
	case strings.EqualFold(c.Value("STATUS"), "TENTATIVE"):
		return OccTentative
	}
	return 0
}

func hashOccurrences(rows []OccurrenceRow) uint64 {
	h := fnv.New64a()
	var b [20]byte
	for _, r := range rows {
		binary.LittleEndian.PutUint64(b[0:], uint64(r.Start))
		binary.LittleEndian.PutUint64(b[8:], uint64(r.End))
		binary.LittleEndian.PutUint32(b[16:], uint32(r.Flags))
		h.Write(b[:])
	}
	return h.Sum64() >> 1 // fits a signed BIGINT
}

func hashText(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// compile parses stored text again.
func compile(data []byte) (*ical.Component, []*ical.Component, *recur.Set, error) {
	cal, err := ical.Parse(data, ical.Limits{})
	if err != nil {
		return nil, nil, nil, err
	}
	comps, err := oneUID(cal)
	if err != nil {
		return cal, nil, nil, err
	}
	set, err := recur.Compile(comps, recur.ZonesOf(cal))
	return cal, comps, set, err
}
