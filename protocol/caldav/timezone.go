package caldav

import (
	"net/http"
	"sync"
	"time"

	"factotum/protocol/dav"
	"factotum/server/ical"
	"factotum/server/zone"
)

// zoneTexts keeps the CALDAV:calendar-timezone of the zones that calendars
// name, as VCALENDARs.
type zoneTexts struct {
	mu   sync.Mutex
	text map[string]string
}

// maxZoneTexts is more than there are zones with names.
const maxZoneTexts = 1024

// get returns the VCALENDAR with the VTIMEZONE of a name, "" for an unknown
// one.
func (z *zoneTexts) get(tzid string, now time.Time) string {
	z.mu.Lock()
	defer z.mu.Unlock()
	if s, ok := z.text[tzid]; ok {
		return s
	}
	s := ""
	if vtz, err := zone.VTimezone(tzid, now.AddDate(-1, 0, 0), now.AddDate(5, 0, 0)); err == nil && vtz != nil {
		cal := ical.NewCalendar(prodID)
		cal.AddChild(vtz)
		s = string(cal.Bytes())
	}
	if z.text == nil || len(z.text) >= maxZoneTexts {
		z.text = map[string]string{}
	}
	z.text[tzid] = s
	return s
}

// prodID names us in what we write ourselves.
const prodID = "-//Factotum//Calendar//EN"

// checkTimezone looks at the value of a CALDAV:calendar-timezone or
// CALDAV:timezone: an iCalendar object with exactly one VTIMEZONE. It returns
// its TZID. RFC 4791 §5.2.2, §9.8.
func checkTimezone(text string) (tzid string, ok bool) {
	cal, err := ical.Parse([]byte(text), ical.DefaultLimits)
	if err != nil {
		return "", false
	}
	for _, c := range cal.Children {
		if c.Name != "VTIMEZONE" || tzid != "" {
			return "", false
		}
		if tzid = c.Text("TZID"); tzid == "" {
			return "", false
		}
	}
	return tzid, tzid != ""
}

var errTimezone = dav.NewError(http.StatusForbidden, dav.C("valid-calendar-data"), "the time zone is not an iCalendar object with one VTIMEZONE")

// zoneOf reads CALDAV:timezone or CALDAV:timezone-id among the children of a
// report: the zone of floating times. RFC 4791 §7.3, RFC 7809 §5.1.1. Where the
// report asks about times in a share, it is by default the one that the user has
// for it.
func (rq *request) zoneOf(report *dav.Node) (string, error) {
	if n := report.Child(dav.C("timezone")); n != nil {
		if _, ok := checkTimezone(n.Text); !ok {
			return "", errTimezone
		}
		return n.Text, nil
	}
	if n := report.Child(dav.C("timezone-id")); n != nil {
		if !knownZone(n.TrimText()) {
			return "", errUnknownZone
		}
		return n.TrimText(), nil
	}
	if rq.at.home != "" && asksTimes(report) {
		return rq.shareZone()
	}
	return "", nil
}

// asksTimes reports whether there is anything about times in a report.
func asksTimes(n *dav.Node) bool {
	switch n.Name {
	case dav.C("time-range"), dav.C("expand"), dav.C("limit-recurrence-set"), dav.C("limit-freebusy-set"):
		return true
	}
	for c := range n.Children() {
		if asksTimes(c) {
			return true
		}
	}
	return false
}

var errUnknownZone = dav.NewError(http.StatusForbidden, dav.C("valid-timezone"), "the time zone is not known")

func knownZone(tzid string) bool {
	_, ok := zone.Load(tzid)
	return ok
}
