package calendar

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A calendar of somebody else that a user is subscribed to stands in his home
// too, as a share: under a name that tells its calid, so that whoever reads the
// name knows where the calendar is and needs to ask nobody. There is one list,
// that of his subscriptions, whichever protocol wrote it.

// sharePrefix begins the name of a share. Nobody makes a collection of his own
// whose name begins so: see Reserved.
const sharePrefix = "~"

// ShareName is what a calendar of somebody else is called in a home.
func ShareName(id ID) string { return sharePrefix + string(id) }

// SharedID is the calendar that a name in a home means, if it is that of a share.
func SharedID(name string) (ID, bool) {
	rest, ok := strings.CutPrefix(name, sharePrefix)
	if !ok {
		return "", false
	}
	id := ID(rest)
	return NewID(id.Owner(), id.Name()), CheckOwner(id.Owner()) == nil && CheckName(id.Name()) == nil && !strings.Contains(id.Name(), "/")
}

// Reserved tells whether a name in a home is none that its owner can give away:
// it means a share.
func Reserved(name string) bool { return strings.HasPrefix(name, sharePrefix) }

// Share is a calendar of somebody else in a user's home. What is empty he has
// not set, and sees as the calendar has it.
type Share struct {
	ID          ID
	Name        string // his name for it, with his list of subscriptions
	Description string
	Color       string
	Order       string
	TZID        string // of floating time; with Timezone as in Calendar
	Timezone    string
	Opaque      bool // he said that it counts for his own busy time; a share does not of itself
	Props       []DeadProp
	Invite      string // the UID of the invitation that he accepted, "" if he subscribed without one

	// Calendar is the calendar with his rights on it, and Err why it is not told
	// of: by NoCalendar or Denied it is not his to see, by any other kind it is not
	// known what it is like at the moment.
	Calendar Calendar
	Err      error
}

// HasZone tells that the user reads floating time in a zone of his own there.
func (s *Share) HasZone() bool { return s.TZID != "" || s.Timezone != "" }

// Gone tells that the user sees no such calendar.
func (s *Share) Gone() bool {
	k := KindOf(s.Err)
	return s.Err != nil && (k == NoCalendar || k == Denied)
}

// Shown is the calendar with what the user has of his own for it.
func (s *Share) Shown() Calendar {
	c := s.Calendar
	c.ID = s.ID
	c.DisplayName = cmp.Or(s.Name, c.DisplayName)
	c.Description = cmp.Or(s.Description, c.Description)
	c.Color = cmp.Or(s.Color, c.Color)
	c.Order = s.Order // where it stands among its owner's calendars means nothing here
	if s.HasZone() {
		c.TZID, c.Timezone = s.TZID, s.Timezone
	}
	c.Transparent = !s.Opaque
	c.Props = s.Props
	return c
}

// ShareChange changes what a user has of his own for a share. Nil leaves a
// field as it is, "" gives it back to the calendar.
type ShareChange struct {
	ID          ID
	Name        *string
	Description *string
	Color       *string
	Order       *string
	TZID        *string // with Timezone as in UpdateCalendarRequest, by which they are carried out
	Timezone    *string
	Opaque      *bool
	Props       []PropChange
}

// Apply carries the change out.
func (ch *ShareChange) Apply(s *Share) {
	for _, f := range []struct{ to, from *string }{
		{&s.Name, ch.Name}, {&s.Description, ch.Description}, {&s.Color, ch.Color}, {&s.Order, ch.Order},
	} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if ch.Opaque != nil {
		s.Opaque = *ch.Opaque
	}
	for _, p := range ch.Props {
		s.Props = slices.DeleteFunc(s.Props, func(d DeadProp) bool { return d.Space == p.Prop.Space && d.Local == p.Prop.Local })
		if !p.Remove {
			s.Props = append(s.Props, p.Prop)
		}
	}
}

// Preferences that keep shares: SharePref + calid has what is the user's own for
// one, GoneSharesPref those that went. Their names are none that WCAP shows.
const (
	SharePref      = "share:"
	GoneSharesPref = "shares:gone"
)

// PrivatePref tells whether a preference is the server's own: it is neither shown
// nor set as one.
func PrivatePref(name string) bool {
	return strings.HasPrefix(name, SharePref) || strings.HasPrefix(name, "shares:") || strings.HasPrefix(name, mailPref) || name == PlannedPref || name == RezonedPref
}

// ShownPrefs are preferences without those.
func ShownPrefs(prefs map[string]string) map[string]string {
	out := maps.Clone(prefs)
	maps.DeleteFunc(out, func(name, _ string) bool { return PrivatePref(name) })
	return out
}

// maxGoneShares is how many shares that went are remembered.
const maxGoneShares = 200

// Shares are those in the home of an owner, in the order of his list.
func Shares(owner Owner, prefs map[string]string) []Share {
	if _, ok := prefs[SubscribedPref]; !ok {
		return nil
	}
	var out []Share
	for _, item := range Subscriptions(prefs, Person{}) {
		id, ok := SharedID(ShareName(item.ID()))
		if !ok || id.Owner() == owner || slices.ContainsFunc(out, func(s Share) bool { return s.ID == id }) {
			continue
		}
		var s Share
		if text := prefs[SharePref+string(id)]; text != "" {
			// What cannot be read is of a later release: then nothing is his own.
			if json.Unmarshal([]byte(text), &s) != nil {
				s = Share{}
			}
		}
		s.ID = id
		if _, s.Name, _ = strings.Cut(string(item), "$"); s.Name == string(item.ID()) {
			s.Name = ""
		}
		out = append(out, s)
	}
	return out
}

// KeepShare puts what the user has of his own for a share into his preferences;
// its name is part of the list.
func KeepShare(prefs map[string]string, s Share) {
	key := SharePref + string(s.ID)
	delete(prefs, key)
	s.ID, s.Name = "", ""
	if s.Description == "" && s.Color == "" && s.Order == "" && !s.HasZone() && !s.Opaque && len(s.Props) == 0 && s.Invite == "" {
		return
	}
	text, err := json.Marshal(struct {
		Description, Color, Order string     `json:",omitempty"`
		TZID, Timezone            string     `json:",omitempty"`
		Opaque                    bool       `json:",omitempty"`
		Props                     []DeadProp `json:",omitempty"`
		Invite                    string     `json:",omitempty"`
	}{s.Description, s.Color, s.Order, s.TZID, s.Timezone, s.Opaque, s.Props, s.Invite})
	if err == nil { // strings and a bool always can be
		prefs[key] = string(text)
	}
}

// SettleShares completes preferences that were changed by the change of that
// number: of a share that went nothing is kept but that it did.
func SettleShares(owner Owner, change int64, before, after map[string]string) {
	now := Shares(owner, after)
	is := func(id ID) bool { return slices.ContainsFunc(now, func(s Share) bool { return s.ID == id }) }
	gone := strings.FieldsFunc(after[GoneSharesPref], func(r rune) bool { return r == '\n' })
	for _, s := range Shares(owner, before) {
		if !is(s.ID) {
			delete(after, SharePref+string(s.ID))
			gone = append(gone, fmt.Sprintf("%d %s", change, s.ID))
		}
	}
	if n := len(gone) - maxGoneShares; n > 0 {
		// The last that is forgotten leaves its number: who knows less begins anew.
		floor, _, _ := strings.Cut(gone[n-1], " ")
		gone = append([]string{floor + " "}, gone[n:]...)
	}
	if len(gone) > 0 {
		after[GoneSharesPref] = strings.Join(gone, "\n")
	}
	if notes := NotesOf(after); after[NotesPref] != before[NotesPref] {
		notes.Change = change
		KeepNotes(after, notes)
	}
}

// GoneShares are the shares that went after a change; not ok if that is too long
// ago to be known.
func GoneShares(prefs map[string]string, since int64) (ids []ID, ok bool) {
	for line := range strings.SplitSeq(prefs[GoneSharesPref], "\n") {
		number, id, _ := strings.Cut(line, " ")
		if n, err := strconv.ParseInt(number, 10, 64); err != nil || n <= since {
			continue
		}
		if id == "" {
			return nil, false
		}
		if !slices.Contains(ids, ID(id)) {
			ids = append(ids, ID(id))
		}
	}
	return ids, true
}

// SharesTag spells the state of shares: another one where anything of them is
// shown otherwise. It is "" where there are none.
func SharesTag(shares []Share) string {
	if len(shares) == 0 {
		return ""
	}
	sum := fnv.New64a()
	for i := range shares {
		s := &shares[i]
		state := "?"
		switch {
		case s.Gone():
			state = "-"
		case s.Err == nil:
			state = s.Calendar.CTag()
		}
		r := s.Calendar.Rights
		fmt.Fprintf(sum, "%q %q %q %q %q %q %q %t %q %s %d %d\n", s.ID, s.Name, s.Description, s.Color, s.Order, s.TZID, s.Timezone, s.Opaque, s.Props, state, r.Components, r.Properties)
	}
	return strconv.FormatUint(sum.Sum64(), 36)
}

// CutSharesTag takes the sync-token of a home apart: the owner's part, and the
// state of the shares.
func CutSharesTag(token string) (own, tag string) {
	own, tag, _ = strings.Cut(token, ";")
	return own, tag
}

// WithSharesTag puts them together.
func WithSharesTag(own, tag string) string {
	if tag == "" {
		return own
	}
	return own + ";" + tag
}
