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
const prefSep = "\n"

// maxPref is the longest name of a preference.
const maxPref = 128

// prefs reads a user's preferences.
func (c *call) prefs(owner calendar.UserID) (map[string]string, error) {
	return c.be.Prefs(c.ctx, c.who, calendar.Owner(owner))
}

// whose finds the user that userid names: oneself under every name one has,
// anybody else for administrators, if that is on. denied is what others get.
func (c *call) whose(denied Errno) (calendar.Person, error) {
	id := strings.TrimSpace(c.p.text("userid"))
	if id == "" || strings.EqualFold(id, c.me.ID) || strings.EqualFold(id, c.sess.Login) {
		return c.me, nil
	}
	p, err := c.person(id)
	switch {
	case err == nil && p.ID == c.me.ID:
		return c.me, nil
	case !c.set.ModifyPrefs || !c.isAdmin(c.me):
		return calendar.Person{}, denied
	}
	c.who.Admin = true // the option says so, for preferences alone
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
	return c.printPrefs(p)
}

// prefOrder is the order of a real answer. WCAP P.4. Other names follow in
// alphabetical order.
var prefOrder = []string{"cn", "givenName", "mail", "preferredlanguage", "sn", "icsCalendar", "icsTimezone", "icsDefaultSet", "icsFirstDay", "icsSet",
	"icsSubscribed", "icsFreeBusy", "icsCalendarOwned", "nswcalCALID"}

// fromEntry are the preferences that the directory tells.
func fromEntry(p calendar.Person) map[string]string {
	return map[string]string{
		"cn": p.Name, "givenName": p.Given, "mail": p.Mail(), "preferredlanguage": p.Language, "sn": p.Surname,
		"icsCalendar": p.ID, "icsTimezone": p.TZID, "icsFreeBusy": p.ID, "nswcalCALID": p.ID,
	}
}

// printPrefs prints the preferences of a person and the server's settings.
func (c *call) printPrefs(p calendar.Person) error {
	stored, err := c.prefs(p.ID)
	if err != nil {
		return err
	}
	home, err := c.be.Home(c.ctx, c.who, calendar.HomeRequest{Owner: calendar.Owner(p.ID)})
	if err != nil && calendar.KindOf(err) != calendar.NoCalendar {
		return err
	}
	all := fromEntry(p)
	for k, v := range stored {
		all[k] = v
	}
	all["icsSubscribed"] = strings.Join(c.subscriptions(p, stored), prefSep)
	var owned []string
	for _, cal := range home.Calendars {
		if cal.Kind == calendar.CalendarCollection {
			owned = append(owned, subscription(cal.ID, cal.DisplayName))
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
	err = c.changePrefs(p, func(stored map[string]string) (map[string]string, []string, error) { return c.wantedPrefs(p, stored) })
	if calendar.KindOf(err) == calendar.Denied {
		return UserprefsAccessDenied
	}
	if err != nil {
		return err
	}
	return c.printPrefs(p)
}

// changePrefs changes preferences from what they are: if somebody else changes
// them meanwhile, from what they are then, so that nothing is lost.
func (c *call) changePrefs(p calendar.Person, change func(stored map[string]string) (set map[string]string, remove []string, err error)) error {
	for try := 0; ; try++ {
		stored, err := c.prefs(p.ID)
		if err != nil {
			return err
		}
		req := calendar.SetPrefsRequest{Owner: calendar.Owner(p.ID), Compare: true, Was: map[string]string{}}
		if req.Set, req.Remove, err = change(stored); err != nil {
			return err
		}
		if len(req.Set)+len(req.Remove) == 0 {
			return nil
		}
		for k, v := range stored {
			if _, ok := req.Set[k]; ok || slices.Contains(req.Remove, k) {
				req.Was[k] = v
			}
		}
		if err := c.be.SetPrefs(c.ctx, c.who, req); calendar.KindOf(err) != calendar.Stale || try == maxTries {
			return err
		}
	}
}

// maxTries is how often a change is tried anew; each time somebody else's was made.
const maxTries = 100

// wantedPrefs reads what set_userprefs is to set and remove.
func (c *call) wantedPrefs(p calendar.Person, stored map[string]string) (set map[string]string, remove []string, err error) {
	now := map[string][]string{}
	values := func(name string) []string {
		if v, ok := now[name]; ok {
			return v
		}
		if name == "icsSubscribed" {
			return c.subscriptions(p, stored)
		}
		if v, ok := stored[name]; ok {
			return strings.Split(v, prefSep)
		}
		return nil
	}
	for _, x := range c.p {
		if x.name != "add_attrs" && x.name != "set_attrs" && x.name != "del_attrs" {
			continue
		}
		name, value, _ := strings.Cut(x.text(), "=")
		if x.name == "del_attrs" {
			value = ""
		}
		name = strings.TrimSpace(name)
		if !prefName(name) || guarded[strings.ToLower(name)] && !c.maySet(name) {
			return nil, nil, SetUserprefsFailed
		}
		if c.p.flag("convertCalid", false) && (name == "icsSet" || name == "icsSubscribed") {
			value = strings.ReplaceAll(value, "^", ":")
		}
		have := slices.Clone(values(name))
		switch x.name {
		case "add_attrs":
			have = append(have, strings.Split(value, prefSep)...)
		case "set_attrs":
			have = strings.Split(value, prefSep)
		default:
			if len(have) > 0 {
				have = have[1:]
			}
		}
		now[name] = have
	}
	set = map[string]string{}
	for name, v := range now {
		if len(v) == 0 && name != "icsSubscribed" {
			remove = append(remove, name)
		} else {
			set[name] = strings.Join(v, prefSep)
		}
	}
	return set, remove, nil
}

func (c *call) maySet(name string) bool {
	return slices.ContainsFunc(c.set.SetPrefs, func(n string) bool { return strings.EqualFold(n, name) })
}
