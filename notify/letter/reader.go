package letter

import (
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/zone"
)

// ForReader has times as somebody here asks for by his preferences: clock and form of
// dates, and the zone (icsTimezone, else ceDefaultTZID); else it is that of his entry,
// of the event, or of the site. ldap.md §4.
func (in *Input) ForReader(p calendar.Person, prefs map[string]string, site string) {
	in.Manner = in.Manner.With(prefs["ceClock"], prefs["ceDateOrder"], prefs["ceDateSeparator"])
	in.Zone = loaded(prefs["icsTimezone"], prefs["ceDefaultTZID"], p.TZID)
	if in.Zone == nil {
		in.Zone = MeetingZone(in.Message)
	}
	if in.Zone == nil {
		in.Zone = loaded(site)
	}
}

// LanguageOf is the language of somebody here: his preference preferredlanguage, which
// set_userprefs changes where service.wcap.allowsetprefs.preferredlanguage lets it, else
// that of his entry. wcap.md set_userprefs.
func LanguageOf(p calendar.Person, prefs map[string]string) string {
	for _, name := range []string{"preferredlanguage", "preferredLanguage"} { // WCAP's spelling, and that of the directory
		if tag := prefs[name]; tag != "" {
			return tag
		}
	}
	return p.Language
}

// MeetingZone is that in which a message has its first time, nil if it has none.
func MeetingZone(cal *ical.Component) zone.Zone {
	zones := zone.Of(cal)
	for _, k := range cal.Children {
		for _, name := range []string{"DTSTART", "DUE"} {
			if p := k.Prop(name); p != nil && p.Param("TZID") != "" {
				if z, ok := zones.Lookup(p.Param("TZID")); ok {
					return z
				}
			}
		}
	}
	return nil
}

// loaded is the first zone that is known.
func loaded(ids ...string) zone.Zone {
	for _, id := range ids {
		if z, ok := zone.Load(id); ok && id != "" {
			return z
		}
	}
	return nil
}
