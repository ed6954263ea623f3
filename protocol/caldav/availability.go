package caldav

import (
	"net/http"
	"slices"
	"strings"

	"factotum/protocol/dav"
	"factotum/server/calendar"
)

// When somebody can be met at all is a property of his inbox and of his home, by
// the name of RFC 7953 §7.2.4 and by the one that Apple's clients used before: one
// value, which is kept among his preferences and shown to nobody else. It is no
// part of DAV:allprop.
var availabilityProperties = []property{
	{name: dav.C("calendar-availability"), on: onHome | onInbox, prefs: true, get: getAvailability(dav.C("calendar-availability"))},
	{name: dav.CS("calendar-availability"), on: onHome | onInbox, prefs: true, get: getAvailability(dav.CS("calendar-availability"))},
}

func getAvailability(name dav.Name) func(*dav.Writer, *subject) bool {
	return func(mw *dav.Writer, s *subject) bool {
		return optional(mw, name, s.prefs()[calendar.AvailabilityPref])
	}
}

// prefs are the preferences of the owner of a home or an inbox, none for others.
func (s *subject) prefs() map[string]string {
	if s.home != nil {
		return s.home.Prefs
	}
	prefs, err := s.rq.be.Prefs(s.rq.ctx, s.rq.who, calendar.Owner(s.owner))
	if err != nil {
		return nil
	}
	return prefs
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

// errAlone answers who sets it together with properties that are the inbox's own.
var errAlone = dav.NewError(http.StatusConflict, dav.Name{}, "set calendar-availability in a request of its own, or on the home")

// patchAvailability changes it on an inbox. done is false where none of the
// changes is about it.
func (rq *request) patchAvailability(changes []dav.PropChange) (refused []*dav.Error, done bool, err error) {
	if rq.at.name != calendar.InboxCollection.Rules().Name || !slices.ContainsFunc(changes, func(c dav.PropChange) bool { return isAvailability(c.Name) }) {
		return nil, false, nil
	}
	refused = make([]*dav.Error, len(changes))
	for i, c := range changes {
		if !isAvailability(c.Name) {
			refused[i] = errAlone
		}
	}
	if !anyRefused(refused) {
		refused, err = rq.patchOwner(changes)
	}
	return refused, true, err
}

// patchOwner is patchHome, with what is refused of it for each change.
func (rq *request) patchOwner(changes []dav.PropChange) ([]*dav.Error, error) {
	err := rq.patchHome(changes)
	if err != nil {
		if about := rq.refuseAvailability(changes, err); about != nil {
			return about, nil
		}
	}
	return nil, err
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
