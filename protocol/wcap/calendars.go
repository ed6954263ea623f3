package wcap

import (
	"cmp"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// createCalendar makes a calendar of the user's own. WCAP createcalendar.
func (c *call) createCalendar() error {
	asked := strings.TrimSpace(c.p.text("calid"))
	if asked == "" {
		return CalidMissing
	}
	switch {
	case c.elevated(): // for anybody. WCAP §9.2
	case !c.set.CreateCalendars:
		return AccessDenied
	}
	owner, name := c.me.ID, asked
	if o, n, ok := strings.Cut(asked, ":"); ok {
		owner, name = o, n
		p, err := c.person(owner)
		if err != nil {
			return AccessDenied
		}
		owner = p.ID
	}
	if !calendarName(name) {
		return IllegalCalid
	}
	if c.set.LowerCase {
		name = strings.ToLower(name)
	}
	req := calendar.CreateCalendarRequest{DefaultACL: true}
	req.Calendar = calendar.Calendar{
		ID: calendar.NewID(calendar.Owner(owner), name), DisplayName: name, NoDoubles: !c.p.flag("allowdoublebook", true), TZID: c.me.TZID,
	}
	if c.p.flag("set_calprops", false) {
		u, err := c.changes(c.p)
		if err != nil {
			return err
		}
		apply(&req, u)
	}
	cal, err := c.be.CreateCalendar(c.ctx, c.who, req)
	switch {
	case err == nil:
	case calendar.KindOf(err) == calendar.Exists:
		return CalendarExists
	default:
		return err
	}
	t := target{id: cal.ID}
	if c.p.flag("subscribe", true) && owner == c.me.ID {
		if _, err := c.be.Subscribe(c.ctx, c.who, calendar.SubscribeRequest{Owner: cal.ID.Owner(), Add: []calendar.Subscription{calendar.NewSubscription(cal.ID, cal.DisplayName)}}); err != nil {
			return err
		}
	}
	c.begin(&t, &cal)
	c.out.errno(OK)
	c.out.end()
	return nil
}

// calendarName reports whether a name may be that of a new calendar. WCAP §3.1.
func calendarName(s string) bool {
	if s == "" || len(s) > 128 || s == "." || s == ".." {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// apply puts the parameters of set_calprops into a new calendar.
func apply(req *calendar.CreateCalendarRequest, u calendar.UpdateCalendarRequest) {
	cal := &req.Calendar
	for dst, v := range map[*string]*string{&cal.DisplayName: u.DisplayName, &cal.Description: u.Description, &cal.TZID: u.TZID,
		&cal.Categories: u.Categories, &cal.Charset: u.Charset, &cal.Language: u.Language} {
		if v != nil {
			*dst = *v
		}
	}
	if u.ACL != nil {
		cal.ACL, req.DefaultACL = *u.ACL, false
		if len(cal.ACL) == 0 { // an empty list is none that was not given
			cal.ACL = acl.MustParse("@^c^^g")
		}
	}
	if u.CoOwners != nil {
		cal.CoOwners = *u.CoOwners
	}
	if u.Transparent != nil {
		cal.Transparent = *u.Transparent
	}
	if u.NoDoubles != nil {
		cal.NoDoubles = *u.NoDoubles
	}
	for _, ch := range u.Props {
		if !ch.Remove {
			cal.Props = append(cal.Props, ch.Prop)
		}
	}
}

// deleteCalendar removes a calendar. A name alone is one of the user's own.
// WCAP deletecalendar.
func (c *call) deleteCalendar() error {
	asked := strings.TrimSpace(c.p.text("calid"))
	if asked == "" {
		return CalidMissing
	}
	switch {
	case c.elevated(): // whatever the lists say. WCAP §9.3
	case !c.set.DeleteCalendars:
		return AccessDenied
	}
	t := c.target(asked)
	err := t.err
	if err == nil {
		tries := []target{t}
		if own := c.target(c.me.ID + ":" + asked); !strings.Contains(asked, ":") && !strings.EqualFold(asked, c.me.ID) && own.err == nil {
			tries = []target{own, t}
		}
		for _, t = range tries {
			if err = c.remove(&t); err == nil || errnoOf(err, c.own()) != NoSuchCalendar {
				break
			}
		}
	}
	c.block(&t, func(t *target) error {
		if err != nil {
			return err
		}
		if c.p.flag("unsubscribe", true) {
			if _, err := c.be.Subscribe(c.ctx, c.who, calendar.SubscribeRequest{Owner: calendar.Owner(c.me.ID), Remove: []calendar.ID{t.id}}); err != nil {
				return err
			}
		}
		c.out.begin("PUBLISH")
		return nil
	})
	return nil
}

// remove deletes a calendar, but no default one: other things point at it.
func (c *call) remove(t *target) error {
	return c.change(t, func(id calendar.ID) error {
		return c.be.DeleteCalendar(c.ctx, c.who, calendar.DeleteCalendarRequest{ID: id, OnlyKind: true, KeepDefault: true})
	})
}

// change changes a calendar. Only where that fails it is looked up, under
// another spelling or for what it is called.
func (c *call) change(t *target, do func(calendar.ID) error) error {
	asked := t.id
	err := do(asked)
	if err == nil {
		return nil
	}
	if _, missing := c.calendar(t); missing != nil {
		return missing
	}
	if t.id != asked {
		return do(t.id)
	}
	return err
}

// setCalprops changes the properties of a calendar, or with multiple those of
// several, each described by a parameter cal. WCAP set_calprops.
func (c *call) setCalprops() error {
	if c.p.integer("multiple", 0) == 0 {
		return c.setCalpropsOf(c.p)
	}
	var list []params
	for _, x := range c.p {
		if x.name == "cal" {
			list = append(list, x.query())
		}
	}
	switch n := c.p.integer("multiple", 0); {
	case len(list) == 0:
		return CalidMissing
	case len(list) < n: // the request was cut on its way
		return InsufficientParameters
	case len(list) > c.set.MaxCalids:
		return &calendar.Error{Kind: calendar.TooMany, Op: c.name}
	}
	for _, p := range list {
		if err := c.setCalpropsOf(p); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) setCalpropsOf(p params) error {
	ids := p.ids("calid")
	if len(ids) == 0 {
		return CalidMissing
	}
	t := c.target(ids[0])
	c.block(&t, func(t *target) error {
		u, bad := c.changes(p)
		var cal calendar.Calendar
		err := c.change(t, func(id calendar.ID) (err error) {
			if u.ID, u.OnlyKind = id, true; bad == nil {
				cal, err = c.be.UpdateCalendar(c.ctx, c.who, u)
			}
			return cmp.Or(bad, err)
		})
		if err != nil {
			return err
		}
		c.begin(t, &cal)
		c.fromDirectory(&cal)
		return nil
	})
	return nil
}

// changes reads the parameters of set_calprops. What is not there stays.
func (c *call) changes(p params) (u calendar.UpdateCalendarRequest, err error) {
	bad := func(err error) (calendar.UpdateCalendarRequest, error) {
		return u, &calendar.Error{Kind: calendar.Invalid, Op: c.name, Err: err}
	}
	if p.overfull() {
		return bad(calendar.TooMany)
	}
	if err := c.checkValues(p, calValues); err != nil {
		return u, err
	}
	text := func(name string) *string {
		if v, ok := p.opt(name); ok {
			return &v
		}
		return nil
	}
	u.DisplayName, u.Description, u.Language, u.Charset = text("name"), text("description"), text("lang"), text("charset")
	if v := text("tzid"); v != nil && *v != "" {
		u.TZID = v
	}
	if p.has("categories") {
		v := strings.Join(p.list("categories"), ",")
		u.Categories = &v
	}
	if v, ok := p.opt("acl"); ok {
		list, err := acl.Parse(v)
		if err != nil {
			return bad(err)
		}
		if !c.set.PublicWritable && list.PublicWrite() {
			return u, AccessDenied
		}
		u.ACL = &list
	}
	if p.has("owners") {
		owners, err := c.owners(p.ids("owners"))
		if err != nil {
			return bad(err)
		}
		u.CoOwners = &owners
	}
	if p.text("doublebooking") != "" {
		v := !p.flag("doublebooking", true)
		u.NoDoubles = &v
	}
	if p.text("fbinclude") != "" {
		v := !p.flag("fbinclude", true)
		u.Transparent = &v
	}
	if v := text("master"); v != nil {
		prop := calendar.DeadProp{Space: wcapSpace, Local: "master", Value: xmlEscape.Replace(*v)}
		u.Props = append(u.Props, calendar.PropChange{Prop: prop, Remove: *v == ""})
	}
	return u, nil
}

// owners finds the people that are to own a calendar too. Unless the site
// wants them checked, an unknown one is taken as it is.
func (c *call) owners(names []string) ([]calendar.UserID, error) {
	out := []calendar.UserID{}
	seen := map[calendar.UserID]bool{}
	for _, n := range names {
		if seen[n] {
			continue
		}
		seen[n] = true
		p, err := c.person(n)
		switch {
		case err == nil:
			n = p.ID
		case c.set.ValidateOwners || calendar.KindOf(err) != calendar.NotFound:
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}
