package caldav

import (
	"slices"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// A home has no place of its own for dead properties: they are kept among the
// owner's preferences, under this prefix and the name in Clark notation.
// Apple's clients store their default alarms there.
const homePropPrefix = "dav:"

// homeProps are the dead properties among preferences. A home without readable
// preferences has none.
func homeProps(prefs map[string]string) []calendar.DeadProp {
	var out []calendar.DeadProp
	for key, value := range prefs {
		name, ok := strings.CutPrefix(key, homePropPrefix+"{")
		if !ok {
			continue
		}
		if space, local, ok := strings.Cut(name, "}"); ok {
			out = append(out, calendar.DeadProp{Space: space, Local: local, Value: value})
		}
	}
	return out
}

// patchHome sets and removes them.
func (rq *request) patchHome(changes []dav.PropChange) error {
	set := map[string]string{}
	var remove []string
	change := func(key, value string, gone bool) {
		if gone {
			delete(set, key)
			remove = append(remove, key)
			return
		}
		set[key] = value
		remove = slices.DeleteFunc(remove, func(k string) bool { return k == key })
	}
	for _, c := range changes {
		key := homePropPrefix + "{" + c.Name.Space + "}" + c.Name.Local
		if isAvailability(c.Name) {
			text := availabilityText(c)
			change(calendar.AvailabilityPref, text, text == "")
			change(key, "", true) // what an earlier release kept as a dead property
			continue
		}
		change(key, c.Value, c.Remove)
	}
	return rq.be.SetPrefs(rq.ctx, rq.who, calendar.SetPrefsRequest{Owner: rq.at.owner(), Set: set, Remove: remove})
}
