package wcap

import (
	"errors"
	"slices"
	"sort"
	"strings"

	"factotum/server/calendar"
)

// A preference is a name with one or more values. The back end keeps a string
// for each name; its lines are the values.
const prefSep = calendar.PrefSeparator

// maxPref is the longest name of a preference.
const maxPref = 128

// prefs reads a user's preferences.
func (c *call) prefs(owner calendar.UserID) (map[string]string, error) {
	return c.be.Prefs(c.ctx, c.who, calendar.Owner(owner))
}

// whose finds the user that userid names: oneself under every name one has,
// anybody else for administrators, if that is on. denied is what others get.
func (c *call) whose(denied Errno) (calendar.Person, error) {
	id, ok := c.p.name("userid")
	if !ok {
		return calendar.Person{}, denied
	}
	if id == "" || strings.EqualFold(id, c.me.ID) || strings.EqualFold(id, c.sess.Login) {
		return c.me, nil
	}
	p, err := c.person(id)
	switch {
	case err == nil && p.ID == c.me.ID:
		return c.me, nil
	case !c.set.ModifyPrefs || !c.elevated(): // the option says so, for preferences alone
		return calendar.Person{}, denied
	}
	if errors.Is(err, calendar.NotFound) {
		return p, c.own()
	}
	return p, err
}

func (c *call) getUserprefs() error {
	p, err := c.whose(UserprefsAccessDenied)
	if err != nil {
		return err
	}
	return c.printPrefs(p, nil)
}

// prefOrder is the order of a real answer. WCAP P.4. Other names follow in
// alphabetical order.
var prefOrder = []string{"cn", "givenName", "mail", "preferredlanguage", "sn", "icsCalendar", "icsTimezone", "icsDefaultSet", "icsFirstDay", "icsSet",
	calendar.SubscribedPref, calendar.FreeBusyPref, "icsCalendarOwned", "nswcalCALID"}

// alarmEmailPref is the preference that says whom alarms are sent to.
const alarmEmailPref = "ceDefaultAlarmEmail"

// fromEntry are the preferences that the directory tells.
func fromEntry(p calendar.Person) map[string]string {
	return map[string]string{
		"cn": p.Name, "givenName": p.Given, "mail": p.Mail(), "preferredlanguage": p.Language, "sn": p.Surname,
		"icsCalendar": p.ID, "icsTimezone": p.TZID, calendar.FreeBusyPref: p.ID, "nswcalCALID": p.ID,
	}
}

// printPrefs prints the preferences of a person and the server's settings.
// They are read with his home, unless they are given.
func (c *call) printPrefs(p calendar.Person, stored map[string]string) error {
	home, err := c.be.Home(c.ctx, c.who, calendar.HomeRequest{Owner: calendar.Owner(p.ID), Prefs: stored == nil})
	if stored == nil {
		stored = home.Prefs
	}
	if err != nil && calendar.KindOf(err) == calendar.NoCalendar {
		if err = nil; stored == nil { // he has no home, but preferences perhaps
			stored, err = c.be.Prefs(c.ctx, c.who, calendar.Owner(p.ID))
		}
	}
	if err != nil {
		return err
	}
	all := fromEntry(p)
	for k, v := range stored {
		all[k] = v
	}
	if all[alarmEmailPref] == "" && p.Mail() != "" { // clients store no alarm without an address to send it to
		all[alarmEmailPref] = all["mail"]
	}
	var subscribed []string
	for _, item := range calendar.Subscriptions(stored, p) {
		subscribed = append(subscribed, string(item))
	}
	all[calendar.SubscribedPref] = strings.Join(subscribed, prefSep)
	var owned []string
	for _, cal := range home.Calendars {
		if cal.Kind == calendar.CalendarCollection {
			owned = append(owned, string(calendar.NewSubscription(cal.ID, cal.DisplayName)))
		}
	}
	all["icsCalendarOwned"] = strings.Join(owned, prefSep)
	for _, name := range prefOrder {
		if _, ok := all[name]; !ok {
			all[name] = ""
		}
	}
	names := make([]string, 0, len(all))
	for n := range all {
		if prefName(n) {
			names = append(names, n)
		}
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := slices.Index(prefOrder, names[i]), slices.Index(prefOrder, names[j])
		if a < 0 || b < 0 {
			return b < 0 && (a >= 0 || names[i] < names[j])
		}
		return a < b
	})
	return c.simple("PUBLISH", func(o *output) {
		for _, n := range names {
			for v := range strings.SplitSeq(all[n], prefSep) {
				o.value("X-NSCP-WCAP-PREF-"+n, escapePref(v))
			}
		}
		yes := func(b bool) string {
			if b {
				return "yes"
			}
			return "no"
		}
		for _, kv := range [][2]string{
			{"allowchangepassword", "no"}, {"allowcreatecalendars", yes(c.set.CreateCalendars)}, {"allowdeletecalendars", yes(c.set.DeleteCalendars)},
			{"allowpublicwritablecalendars", yes(c.set.PublicWritable)}, {"validateowners", yes(c.set.ValidateOwners)}, {"allowsetprefs", "yes"},
			{"format", c.format.String()}, {"freebusybegin", itoa(c.set.FreeBusyBegin)}, {"freebusyend", itoa(c.set.FreeBusyEnd)}, {"version", c.set.Version},
		} {
			o.value("X-NSCP-WCAP-SERVER-PREF-"+kv[0], kv[1])
		}
	})
}

// escapePref escapes what would end the line or be taken for an escape. A
// comma stays, as in Sun's answers: clients split these values at it.
func escapePref(v string) string { return prefEscape.Replace(v) }

var prefEscape = strings.NewReplacer(`\`, `\\`, ";", `\;`, "\n", `\n`, "\r", "")

// prefName reports whether a name can be one of a preference, and the name of
// a property and an element too.
func prefName(s string) bool {
	if s == "" || len(s) > maxPref {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// guarded are the preferences that are the directory's: users change them only
// if service.wcap.allowsetprefs.<name> says so, and some never.
var guarded = map[string]bool{
	"cn": true, "givenname": true, "mail": true, "preferredlanguage": true, "sn": true, "icscalendar": true,
	"icscalendarowned": true, "icsdwphost": true, "nswcalcalid": true,
}

// setUserprefs changes preferences, all that one call names or none. WCAP set_userprefs.
func (c *call) setUserprefs() error {
	p, err := c.whose(UserprefsAccessDenied)
	if err != nil {
		return err
	}
	edits, err := c.prefEdits()
	if err != nil {
		return err
	}
	var stored map[string]string
	if len(edits) > 0 {
		stored, err = c.be.EditPrefs(c.ctx, c.who, calendar.EditPrefsRequest{Owner: calendar.Owner(p.ID), Edits: edits})
	}
	if calendar.KindOf(err) == calendar.Denied {
		return UserprefsAccessDenied
	}
	if err != nil {
		return err
	}
	return c.printPrefs(p, stored)
}

// prefEdits reads what set_userprefs is to change.
func (c *call) prefEdits() (edits []calendar.PrefEdit, err error) {
	for _, x := range c.p {
		e := calendar.PrefEdit{}
		switch x.name {
		case "set_attrs":
		case "add_attrs":
			e.How = calendar.PrefAdd
		case "del_attrs":
			e.How = calendar.PrefDrop
		default:
			continue
		}
		name, value, _ := strings.Cut(x.text(), "=")
		e.Name = strings.TrimSpace(name)
		if !prefName(e.Name) || guarded[strings.ToLower(e.Name)] && !c.maySet(e.Name) {
			return nil, SetUserprefsFailed
		}
		if c.p.flag("convertCalid", false) && (e.Name == "icsSet" || e.Name == calendar.SubscribedPref) {
			value = strings.ReplaceAll(value, "^", ":")
		}
		if e.How != calendar.PrefDrop {
			if e.Name == "icsTimezone" && value != "" && !zoned(value) {
				return nil, SetUserprefsFailed
			}
			e.Values = strings.Split(value, prefSep)
		}
		edits = append(edits, e)
	}
	return edits, nil
}

func (c *call) maySet(name string) bool {
	return slices.ContainsFunc(c.set.SetPrefs, func(n string) bool { return strings.EqualFold(n, name) })
}
