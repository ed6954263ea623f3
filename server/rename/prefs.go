package rename

import (
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// calidPrefs are preferences with calids, one or more in a line, and perhaps names after
// them. ldap.md §4.
var calidPrefs = map[string]bool{calendar.SubscribedPref: true, "icsCalendar": true, "icsCalendarOwned": true, calendar.FreeBusyPref: true, "nswcalCALID": true}

// setPref is the preference with groups of calendars. ldap.md §4.2.
const setPref = "icsSet"

// homeProp begins the names of preferences that are properties of the home.
const homeProp = "dav:"

// Pref changes a preference.
func (m *Mapper) Pref(name, value string) (string, string) {
	isName, isValue := name, value
	what := "preferences"
	switch {
	case calidPrefs[name]:
		value = m.Calids(value)
		if name == calendar.SubscribedPref {
			what = "subscriptions"
		}
	case name == setPref:
		value = m.Sets(value)
	case name == calendar.GoneSharesPref:
		value = m.goneShares(value)
	case name == calendar.NotesPref:
		value = m.notes(value)
		what = "notifications"
	case name == calendar.ProxiesPref:
		value = m.proxies(value)
		what = "proxies"
	case name == calendar.AvailabilityPref:
		text, _ := m.text([]byte(value))
		value = string(text)
	case strings.HasPrefix(name, calendar.SharePref):
		name = calendar.SharePref + string(m.calid(calendar.ID(strings.TrimPrefix(name, calendar.SharePref))))
		value = m.paths(value)
	case strings.HasPrefix(name, homeProp):
		value = m.paths(value)
	}
	if name != isName || value != isValue {
		m.Changed(what)
	}
	return name, value
}

// Calids changes a list of calids, with names after "$" or without.
func (m *Mapper) Calids(text string) string {
	return m.items(text, ",\n", func(item string) string {
		calid, rest := item, ""
		if i := strings.IndexByte(item, '$'); i >= 0 {
			calid, rest = item[:i], item[i:]
		}
		to := string(m.calid(calendar.ID(calid)))
		if rest == "$"+calid { // it has no name: Subscription
			rest = "$" + to
		}
		return to + rest
	})
}

// Sets changes groups of calendars, one a line: fields that "$" separates, of which one has
// calids.
func (m *Mapper) Sets(text string) string {
	return m.items(text, "$\n", func(field string) string {
		name, value, ok := strings.Cut(field, "=")
		if !ok || !strings.EqualFold(name, "calendar") && !strings.EqualFold(name, "calendars") {
			return field
		}
		return name + "=" + m.items(value, ";,", func(item string) string {
			calid, escape := strings.CutSuffix(item, `\`)
			calid = string(m.calid(calendar.ID(calid)))
			if escape {
				calid += `\`
			}
			return calid
		})
	})
}

// items changes those between separators; blanks around them stay.
func (m *Mapper) items(text, separators string, change func(string) string) string {
	var b strings.Builder
	for {
		end := strings.IndexAny(text, separators)
		item := text
		if end >= 0 {
			item = text[:end]
		}
		word := strings.TrimSpace(item)
		at := strings.Index(item, word)
		b.WriteString(item[:at])
		if word != "" {
			b.WriteString(change(word))
		}
		b.WriteString(item[at+len(word):])
		if end < 0 {
			return b.String()
		}
		b.WriteByte(text[end])
		text = text[end+1:]
	}
}

func (m *Mapper) goneShares(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if number, id, ok := strings.Cut(line, " "); ok && id != "" {
			lines[i] = number + " " + string(m.calid(calendar.ID(id)))
		}
	}
	return strings.Join(lines, "\n")
}

func (m *Mapper) notes(text string) string {
	prefs := map[string]string{calendar.NotesPref: text}
	notes := calendar.NotesOf(prefs)
	changed := false
	for i := range notes.List {
		changed = m.note(&notes.List[i]) || changed
	}
	if changed {
		calendar.KeepNotes(prefs, notes)
	}
	return prefs[calendar.NotesPref]
}

func (m *Mapper) note(n *calendar.Note) bool {
	was := *n
	n.To, n.From, n.Calendar = calendar.Owner(m.id(string(n.To))), m.id(n.From), m.calid(n.Calendar)
	return *n != was
}

func (m *Mapper) proxies(text string) string {
	prefs := map[string]string{calendar.ProxiesPref: text}
	p := calendar.ProxiesOf(prefs)
	changed := false
	for _, list := range [][]calendar.UserID{p.Read, p.Write, p.ReadFor, p.WriteFor} {
		for i, id := range list {
			list[i] = m.id(id)
			changed = changed || list[i] != id
		}
	}
	if changed {
		calendar.KeepProxies(prefs, p)
	}
	return prefs[calendar.ProxiesPref]
}

// Attribute changes the values of an attribute of the directory, of an entry whose id was
// is, and is id from now on. ldap.md §3.
func (m *Mapper) Attribute(attr string, was, id calendar.UserID, values []string) []string {
	m.was, m.home = calendar.Owner(was), calendar.Owner(id)
	out := slices.Clone(values)
	for i, v := range out {
		switch strings.ToLower(attr) {
		case "icscalendar", "icscalendarowned", "icssubscribed", "icsfreebusy":
			out[i] = m.Calids(v)
		case "icsset":
			out[i] = m.Sets(v)
		case "icssecondaryowners":
			if !strings.Contains(v, "=") { // else it is the name of an entry
				out[i] = m.coOwners(v)
			}
		case "icsdefaultacl":
			if list, err := acl.Parse(v); err == nil {
				if to := m.acl(list); to.String() != list.String() {
					out[i] = to.String()
				}
			}
		}
	}
	return out
}
