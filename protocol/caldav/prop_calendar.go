package caldav

import (
	"strconv"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// calendarProperties are those of RFC 4791, RFC 6638 and RFC 7809, Calendar
// Server's CTag and Apple's colour and order.
var calendarProperties = []property{
	{name: dav.C("supported-calendar-component-set"), on: onCalendar | onBoxes, open: true, get: getComponents},
	{name: dav.C("supported-calendar-component-sets"), on: onHome, get: getComponentSets},
	{name: dav.C("supported-calendar-data"), on: onCalendar | onBoxes, open: true, get: getCalendarTypes},
	{name: dav.C("supported-rscale-set"), on: onCalendar | onHome, open: true, get: getScales},
	{name: dav.C("supported-collation-set"), on: onCalendar | onInbox | onHome, open: true, get: getCollations},
	{name: dav.C("calendar-description"), on: onCalendar, get: getDescription},
	{name: dav.C("calendar-timezone"), on: onCalendar, get: getTimezone},
	{name: dav.C("calendar-timezone-id"), on: onCalendar, get: getTimezoneID},
	{name: dav.C("schedule-calendar-transp"), on: onCalendar, get: getTransparency},
	{name: dav.C("max-resource-size"), on: onCalendar | onBoxes, open: true, get: getMaxSize},
	{name: dav.C("max-instances"), on: onCalendar | onInbox, open: true, get: getMaxInstances},
	{name: dav.C("max-attendees-per-instance"), on: onCalendar | onBoxes | onPrincipal, open: true, get: getMaxAttendees},
	{name: dav.C("min-date-time"), on: onCalendar | onBoxes, open: true, get: getMinDateTime},
	{name: dav.C("max-date-time"), on: onCalendar | onBoxes, open: true, get: getMaxDateTime},
	{name: dav.C("schedule-tag"), on: onObject, get: getScheduleTag},
	{name: dav.C("calendar-data"), on: onObject, get: getCalendarData},
	{name: dav.CS("getctag"), on: onCollections | onHome, all: true, get: getCTag},
	{name: dav.A("calendar-color"), on: onCalendar, get: getColor},
	{name: dav.A("calendar-order"), on: onCalendar, get: getOrder},
}

// defaultComponents are what a calendar takes that does not say otherwise.
var defaultComponents = calendar.CalendarCollection.Rules().Components

func getComponents(mw *dav.Writer, s *subject) bool {
	list := s.cal.Components
	if len(list) == 0 {
		list = defaultComponents
	}
	writeComponents(mw, dav.C("supported-calendar-component-set"), list...)
	return true
}

func writeComponents(mw *dav.Writer, name dav.Name, components ...string) {
	mw.Start(name)
	for _, c := range components {
		mw.Empty(dav.C("comp"), "name", c)
	}
	mw.End(name)
}

// getComponentSets tells which sets MKCALENDAR takes: any.
func getComponentSets(mw *dav.Writer, _ *subject) bool {
	name, set := dav.C("supported-calendar-component-sets"), dav.C("supported-calendar-component-set")
	mw.Start(name)
	writeComponents(mw, set, defaultComponents...)
	writeComponents(mw, set, "VEVENT", "VTODO")
	for _, c := range defaultComponents {
		writeComponents(mw, set, c)
	}
	mw.End(name)
	return true
}

func getCalendarTypes(mw *dav.Writer, _ *subject) bool {
	name := dav.C("supported-calendar-data")
	mw.Start(name)
	mw.Empty(dav.C("calendar-data"), "content-type", "text/calendar", "version", "2.0")
	mw.End(name)
	return true
}

// getScales tells which calendars rules may go by. RFC 7529 §10.1.
func getScales(mw *dav.Writer, _ *subject) bool {
	name := dav.C("supported-rscale-set")
	mw.Start(name)
	mw.Text(dav.C("supported-rscale"), "GREGORIAN")
	mw.End(name)
	return true
}

// collations are those of RFC 4791 §7.5, and i;unicode-casemap.
var collations = []string{"i;ascii-casemap", "i;octet", "i;unicode-casemap"}

func getCollations(mw *dav.Writer, _ *subject) bool {
	name := dav.C("supported-collation-set")
	mw.Start(name)
	for _, c := range collations {
		mw.Text(dav.C("supported-collation"), c)
	}
	mw.End(name)
	return true
}

// optional writes a text unless it is empty.
func optional(mw *dav.Writer, name dav.Name, value string) bool {
	if value == "" {
		return false
	}
	mw.Text(name, value)
	return true
}

func getDescription(mw *dav.Writer, s *subject) bool {
	return optional(mw, dav.C("calendar-description"), s.cal.Description)
}

func getTimezone(mw *dav.Writer, s *subject) bool {
	text := s.cal.Timezone
	if text == "" && s.cal.TZID != "" {
		text = s.rq.zones.get(s.cal.TZID, s.rq.now())
	}
	return optional(mw, dav.C("calendar-timezone"), text)
}

// RFC 7809 §5.2.
func getTimezoneID(mw *dav.Writer, s *subject) bool {
	return optional(mw, dav.C("calendar-timezone-id"), s.cal.TZID)
}

// RFC 6638 §9.1.
func getTransparency(mw *dav.Writer, s *subject) bool {
	name := dav.C("schedule-calendar-transp")
	mw.Start(name)
	if s.cal.Transparent {
		mw.RawString("<C:transparent/>")
	} else {
		mw.RawString("<C:opaque/>")
	}
	mw.End(name)
	return true
}

func getMaxSize(mw *dav.Writer, s *subject) bool {
	return number(mw, s, dav.C("max-resource-size"), s.rq.limits.ResourceSize)
}

func getMaxInstances(mw *dav.Writer, s *subject) bool {
	return number(mw, s, dav.C("max-instances"), int64(s.rq.limits.Instances))
}

func getMaxAttendees(mw *dav.Writer, s *subject) bool {
	return number(mw, s, dav.C("max-attendees-per-instance"), int64(s.rq.limits.Attendees))
}

// number writes a limit unless there is none.
func number(mw *dav.Writer, s *subject, name dav.Name, n int64) bool {
	if n <= 0 {
		return false
	}
	s.buf = strconv.AppendInt(s.buf[:0], n, 10)
	mw.Raw(name, s.buf)
	return true
}

// What iCalendar can write is what is taken. RFC 4791 §5.2.6, §5.2.7.
const (
	minDateTime = "00010101T000000Z"
	maxDateTime = "99991231T235959Z"
)

func getMinDateTime(mw *dav.Writer, _ *subject) bool {
	mw.Text(dav.C("min-date-time"), minDateTime)
	return true
}

func getMaxDateTime(mw *dav.Writer, _ *subject) bool {
	mw.Text(dav.C("max-date-time"), maxDateTime)
	return true
}

// getScheduleTag: only scheduling objects have one. RFC 6638 §3.2.10.
func getScheduleTag(mw *dav.Writer, s *subject) bool {
	if s.obj.ScheduleTag == 0 {
		return false
	}
	mw.Text(dav.C("schedule-tag"), dav.ETag(s.obj.ScheduleTagValue()))
	return true
}

// getCalendarData writes what the report asked the Backend for. A PROPFIND
// never has it: RFC 4791 §9.6.
func getCalendarData(mw *dav.Writer, s *subject) bool {
	if s.obj.Data == nil {
		return false
	}
	mw.TextBytes(dav.C("calendar-data"), s.obj.Data)
	return true
}

func getCTag(mw *dav.Writer, s *subject) bool {
	if s.home != nil {
		mw.Text(dav.CS("getctag"), s.home.CTag())
		return true
	}
	mw.Text(dav.CS("getctag"), s.cal.CTag())
	return true
}

func getColor(mw *dav.Writer, s *subject) bool {
	return optional(mw, dav.A("calendar-color"), s.cal.Color)
}

func getOrder(mw *dav.Writer, s *subject) bool {
	return optional(mw, dav.A("calendar-order"), s.cal.Order)
}

// splitList ranges over a comma list.
func splitList(s string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(s, ",") {
			if !yield(strings.TrimSpace(part)) {
				return
			}
		}
	}
}
