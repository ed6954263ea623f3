package caldav

import (
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// When somebody can be met at all is a property of his home, by the name of RFC
// 7953 §7.2.4 and by the one that Apple's clients used before: one value, which is
// kept among his preferences and shown to nobody else. It is no part of
// DAV:allprop.
var availabilityProperties = []property{
	{name: dav.C("calendar-availability"), on: onHome, prefs: true, get: getAvailability(dav.C("calendar-availability"))},
	{name: dav.CS("calendar-availability"), on: onHome, prefs: true, get: getAvailability(dav.CS("calendar-availability"))},
}

func getAvailability(name dav.Name) func(*dav.Writer, *subject) bool {
	return func(mw *dav.Writer, s *subject) bool {
		return optional(mw, name, s.home.Prefs[calendar.AvailabilityPref])
	}
}

func isAvailability(name dav.Name) bool {
	return name.Local == "calendar-availability" && (name.Space == dav.NSCalDAV || name.Space == dav.CS("").Space)
}

// availabilityText is the value that a PROPPATCH sets, "" where it removes it.
func availabilityText(c dav.PropChange) string {
	if c.Remove {
		return ""
	}
	text := strings.Trim(c.Node.Text, " \t\r\n")
	if text == "" {
		return ""
	}
	return text + "\r\n"
}

// refuseAvailability says which change of a home's properties an error of the
// model is about, if it is about when its owner can be met.
func (rq *request) refuseAvailability(changes []dav.PropChange, err error) []*dav.Error {
	switch calendar.KindOf(err) {
	case calendar.Invalid, calendar.Unsupported, calendar.TooLarge:
	default:
		return nil
	}
	var refused []*dav.Error
	for i, c := range changes {
		if isAvailability(c.Name) && !c.Remove {
			if refused == nil {
				refused = make([]*dav.Error, len(changes))
			}
			refused[i] = rq.translate(err)
		}
	}
	return refused
}
