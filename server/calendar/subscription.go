package calendar

import "strings"

// Subscription is a calendar that a user is subscribed to, as his list has it:
// calid, "$" and display name. Clients cut at "," and "$", which cannot be
// escaped there; where there is no "$" the name is not known. WCAP P.4.
type Subscription string

// NewSubscription returns a subscription to a calendar of that display name.
func NewSubscription(id ID, name string) Subscription {
	if name == "" {
		name = string(id)
	}
	name = strings.Map(func(r rune) rune {
		if r == ',' || r == '$' || r < ' ' {
			return ' '
		}
		return r
	}, name)
	return Subscription(string(id) + "$" + name)
}

// ID is the calid.
func (s Subscription) ID() ID {
	id, _, _ := strings.Cut(string(s), "$")
	return ID(id)
}

// SubscribedPref is the preference that keeps a user's list of subscriptions,
// and MaxSubscriptions how many it may have.
const (
	SubscribedPref   = "icsSubscribed"
	MaxSubscriptions = 1000
)

// FreeBusyPref is the preference that shows which of a user's own calendars count for
// his busy time: it is kept with these.
const FreeBusyPref = "icsFreeBusy"

// PrefSeparator stands between the values of a preference.
const PrefSeparator = "\n"

// Subscriptions are those that a person's preferences tell of. Who has never
// changed his list is subscribed to his own calendar; where he is not, a back end
// tells of an empty list.
func Subscriptions(prefs map[string]string, p Person) []Subscription {
	text, ok := prefs[SubscribedPref]
	if !ok {
		return []Subscription{NewSubscription(ID(p.ID), p.Name)}
	}
	return ParseSubscriptions(text)
}

// ParseSubscriptions reads a list, of one line or several.
func ParseSubscriptions(text string) (out []Subscription) {
	for item := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' }) {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, Subscription(item))
		}
	}
	return out
}

// SubscribeRequest changes the list of a user. Of what is added the calid alone
// need be given.
type SubscribeRequest struct {
	Owner  Owner
	Add    []Subscription
	Remove []ID
	// Present: what is removed must be in the list, else it is NotFound.
	Present bool
	// Change what the user has of his own for calendars that are in the list, else
	// it is NotFound.
	Change []ShareChange
	// Decline invitations to share calendars; those that are in the list leave it.
	Decline []ID
	// Seen are the ids of notifications to be deleted, else it is NotFound.
	Seen []string
}

// Subscribed is the list as it is then.
type Subscribed struct{ List []Subscription }

// EditPrefsRequest changes preferences from what they are, one edit after
// another, all or none.
type EditPrefsRequest struct {
	Owner Owner
	Edits []PrefEdit
}

// PrefEdit changes one preference.
type PrefEdit struct {
	Name   string
	How    PrefHow
	Values []string
}

// PrefHow says what becomes of the values of a preference.
type PrefHow uint8

// The ways to change one. Its numbers are part of DWP.
const (
	PrefSet  PrefHow = iota // Values, and no others
	PrefAdd                 // Values besides
	PrefDrop                // all but the first one that was there
	numPrefHows
)

// Known reports whether this program knows what it means.
func (h PrefHow) Known() bool { return h < numPrefHows }
