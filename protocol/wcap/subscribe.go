package wcap

import "factotum/server/calendar"

func (c *call) subscribe() error { return c.changeSubscriptions(true) }

func (c *call) unsubscribe() error { return c.changeSubscriptions(false) }

// changeSubscriptions adds calendars to a user's list, or takes them out. WCAP
// subscribe_calendars, unsubscribe_calendars.
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
	req := calendar.SubscribeRequest{Owner: calendar.Owner(p.ID)}
	for i := range list {
		t := &list[i]
		switch {
		case t.err != nil:
			return t.because(t.err)
		case add:
			req.Add = append(req.Add, calendar.Subscription(c.canonical(t.id)))
		default:
			req.Remove = append(req.Remove, t.id)
		}
	}
	if _, err := c.be.Subscribe(c.ctx, c.who, req); err != nil {
		return err
	}
	return c.simple("PUBLISH", func(*output) {})
}

// canonical is a calid with its owner's user id as the directory has it
// ("JDoe", "jdoe@default.domain").
func (c *call) canonical(id calendar.ID) calendar.ID {
	if p, err := c.person(string(id.Owner())); err == nil {
		return calendar.NewID(calendar.Owner(p.ID), id.Name())
	}
	return id
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
		for _, item := range calendar.Subscriptions(stored, p) {
			o.text("X-S1CS-CALPROPS-SUBSCRIBED-CALENDAR", string(item.ID()))
		}
	})
}
