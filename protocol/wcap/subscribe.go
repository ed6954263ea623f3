package wcap

import (
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// subscription is an item of icsSubscribed and icsCalendarOwned: calid and
// display name. A client cuts at "," and "$", which cannot be escaped there.
func subscription(id calendar.ID, name string) string {
	if name == "" {
		name = string(id)
	}
	name = strings.Map(func(r rune) rune {
		if r == ',' || r == '$' || r < ' ' {
			return ' '
		}
		return r
	}, name)
	return string(id) + "$" + name
}

// subscriptions are the items of a person's list. Whoever has never changed it
// is subscribed to his own calendar.
func (c *call) subscriptions(p calendar.Person, stored map[string]string) []string {
	v, ok := stored["icsSubscribed"]
	if !ok {
		return []string{subscription(calendar.ID(p.ID), p.Name)}
	}
	var out []string
	for item := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == '\n' }) {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

func subscribedID(item string) string {
	id, _, _ := strings.Cut(item, "$")
	return id
}

func (c *call) subscribe() error { return c.changeSubscriptions(true) }

func (c *call) unsubscribe() error { return c.changeSubscriptions(false) }

// changeSubscriptions adds calendars to a user's list, or takes them out.
// Adding needs the right to read a calendar's properties; one that does not
// exist is not asked about. WCAP subscribe_calendars, unsubscribe_calendars.
func (c *call) changeSubscriptions(add bool) error {
	p, err := c.whose(ListAccessDenied)
	if err != nil {
		return err
	}
	if c.p.text("calid") == "" {
		return CalidMissing
	}
	list, err := c.targets()
	if err != nil {
		return err
	}
	var items []string
	for i := range list {
		t := &list[i]
		if t.err != nil {
			return t.err
		}
		name := ""
		if add {
			cal, err := c.calendar(t)
			switch {
			case err == nil && !cal.Rights.Properties.Has(acl.Read):
				return AccessDenied
			case err == nil:
				name = t.name
			case errnoOf(err, c.own()) != NoSuchCalendar:
				return err
			}
		}
		items = append(items, subscription(t.id, name))
	}
	if err := c.subscribeTo(p, items, add); err != nil {
		return err
	}
	return c.simple("PUBLISH", func(*output) {})
}

// subscribeTo changes the list of a person.
func (c *call) subscribeTo(p calendar.Person, items []string, add bool) error {
	return c.changePrefs(p, func(stored map[string]string) (set map[string]string, remove []string, err error) {
		have, err := c.subscribed(p, stored, items, add)
		return map[string]string{"icsSubscribed": strings.Join(have, prefSep)}, nil, err
	})
}

// subscribed is the list of a person with items added or taken out.
func (c *call) subscribed(p calendar.Person, stored map[string]string, items []string, add bool) ([]string, error) {
	have := c.subscriptions(p, stored)
	for _, item := range items {
		i := slices.IndexFunc(have, func(s string) bool { return subscribedID(s) == subscribedID(item) })
		switch {
		case add && i < 0:
			have = append(have, item)
		case !add && i >= 0:
			have = slices.Delete(have, i, i+1)
		}
	}
	if len(have) > c.set.MaxCalids {
		return nil, &calendar.Error{Kind: calendar.TooMany, Op: c.name}
	}
	return have, nil
}

// list lists the calendars that a user owns. WCAP list.
func (c *call) list() error {
	p, err := c.whose(ListAccessDenied)
	if err != nil {
		return err
	}
	home, err := c.be.Home(c.ctx, c.who, calendar.HomeRequest{Owner: calendar.Owner(p.ID)})
	if err != nil {
		return err
	}
	return c.simple("PUBLISH", func(o *output) {
		for _, cal := range home.Calendars {
			if cal.Kind == calendar.CalendarCollection {
				o.text("X-S1CS-CALPROPS-OWNED-CALENDAR", string(cal.ID))
			}
		}
	})
}

// listSubscribed lists the calendars that a user is subscribed to. WCAP list_subscribed.
func (c *call) listSubscribed() error {
	p, err := c.whose(ListAccessDenied)
	if err != nil {
		return err
	}
	stored, err := c.prefs(p.ID)
	if err != nil {
		return err
	}
	return c.simple("PUBLISH", func(o *output) {
		for _, item := range c.subscriptions(p, stored) {
			o.text("X-S1CS-CALPROPS-SUBSCRIBED-CALENDAR", subscribedID(item))
		}
	})
}
