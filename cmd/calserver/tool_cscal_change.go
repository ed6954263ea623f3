package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/directory"
)

// doneCalendar is what became of a calendar, for programs.
type doneCalendar struct {
	Calendar calendar.ID `json:"calendar"`
	Done     string      `json:"done"`
}

func (o *calOptions) told(id calendar.ID, what string) {
	o.did(doneCalendar{id, what}, "%s: %s", id, what)
}

// create makes a calendar of somebody in the directory, on his back end.
func (o *calOptions) create(ctx context.Context, be *backend, people *directory.Directory, id calendar.ID) error {
	p, err := people.Person(ctx, string(id.Owner()))
	if errors.Is(err, calendar.NotFound) {
		return fmt.Errorf("%s is not in the directory; csuser create makes an entry", id.Owner())
	} else if err != nil {
		return err
	}
	if be.cfg.CLD.Plugin && be.cfg.CLD.Type == "directory" {
		host := cmp.Or(p.Host, be.cfg.DWP.Default)
		if host != "" && !strings.EqualFold(host, backEndName(be.cfg)) {
			return fmt.Errorf("the calendars of %s are on %s: run cscal there", id.Owner(), host)
		}
	}
	u, err := o.changes(id)
	if err != nil {
		return err
	}
	o.warnAbout(ctx, people, u)
	c := calendar.Calendar{ID: id, Charset: o.charset, Description: o.description, Categories: o.categories,
		Language: o.language, DisplayName: o.name, Color: o.color, TZID: o.zone}
	if u.NoDoubles != nil {
		c.NoDoubles = *u.NoDoubles
	}
	if u.CoOwners != nil {
		c.CoOwners = *u.CoOwners
	}
	if u.ACL != nil {
		c.ACL = *u.ACL
	}
	if _, err := be.CreateCalendar(ctx, be.who, calendar.CreateCalendarRequest{Calendar: c, DefaultACL: u.ACL == nil}); err != nil {
		return err
	}
	if u.NoDoubles != nil && !*u.NoDoubles { // where no is the default
		if _, err := be.UpdateCalendar(ctx, be.who, calendar.UpdateCalendarRequest{ID: id, NoDoubles: u.NoDoubles}); err != nil {
			return err
		}
	}
	o.told(id, "made")
	return nil
}

// reset gives the properties of a calendar their defaults: those that a new
// calendar of the owner has. What is in it stays.
func (o *calOptions) reset(ctx context.Context, be *backend, people *directory.Directory, id calendar.ID) error {
	if _, err := be.Calendar(ctx, be.who, id); err != nil {
		return err
	}
	if err := o.confirm(ctx, "Give all properties of %s their defaults?", id); err != nil {
		return err
	}
	list, noDoubles, zone, err := o.defaults(ctx, be, people, id)
	if err != nil {
		return err
	}
	empty, off, owners := "", false, []string{}
	comps := []string{"VEVENT", "VTODO", "VJOURNAL"}
	u := calendar.UpdateCalendarRequest{ID: id, DisplayName: &empty, Description: &empty, Color: &empty, Order: &empty,
		TZID: &zone, Timezone: &empty, CoOwners: &owners, ACL: &list, Components: &comps, Transparent: &off,
		NoDoubles: &noDoubles, Categories: &empty, Charset: &empty, Language: &empty}
	if _, err := be.UpdateCalendar(ctx, be.who, u); err != nil {
		return err
	}
	o.told(id, "reset")
	return nil
}

// defaults are those of ics.conf for the kind of owner.
func (o *calOptions) defaults(ctx context.Context, be *backend, people *directory.Directory, id calendar.ID) (list acl.List, noDoubles bool, zone string, err error) {
	p, err := people.Person(ctx, string(id.Owner()))
	if err != nil && !errors.Is(err, calendar.NotFound) {
		return nil, false, "", err
	}
	text := be.cfg.Calstore.DefaultACL
	noDoubles = !be.cfg.User.DoubleBook
	switch p.Kind {
	case calendar.Individual:
		noDoubles = p.NoDoubles
	case calendar.Resource, calendar.Room:
		text, noDoubles = be.cfg.Resource.DefaultACL, p.NoDoubles
	case calendar.Group:
		text, noDoubles = be.cfg.Group.DefaultACL, p.NoDoubles
	}
	if p.ACL != "" {
		text = p.ACL
	}
	list, err = acl.Parse(text)
	return list, noDoubles, p.TZID, err
}

func (o *calOptions) delete(ctx context.Context, be *backend, id calendar.ID) error {
	if _, err := be.Calendar(ctx, be.who, id); err != nil {
		return err
	}
	what := "all that is in it"
	if n := be.count(ctx, id); n >= 0 {
		what = fmt.Sprintf("what is in it, %d %s", n, plain.Plural(int(n), "object", "objects"))
	}
	if err := o.confirm(ctx, "Delete the calendar %s and %s?", id, what); err != nil {
		return err
	}
	if err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: id}); err != nil {
		return err
	}
	o.told(id, "deleted")
	if be.cfg != nil && be.cfg.History.Age > 0 {
		o.tell("\"cscal undelete %s\" brings it back, for %d days", id, int(be.cfg.History.Age.Hours()/24))
	}
	return nil
}

// deleteAll deletes the calendars of an owner, or of those who are gone.
func (o *calOptions) deleteAll(ctx context.Context, be *backend, people *directory.Directory) error {
	var list []calendar.ID
	err := o.each(ctx, be, people, func(c calendar.Calendar) error {
		list = append(list, c.ID)
		return nil
	})
	if err != nil {
		return err
	}
	whose := strings.ToLower(o.owner)
	if o.orphans {
		whose = "those who are not in the directory"
	}
	if len(list) == 0 {
		return fmt.Errorf("%s: there are no calendars", whose)
	}
	if o.orphans {
		for _, id := range list {
			o.say("%s", id)
		}
	}
	if err := o.confirm(ctx, "Delete all %d calendars of %s and all that is in them?", len(list), whose); err != nil {
		return err
	}
	for i, id := range list {
		err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: id})
		if err != nil && !errors.Is(err, calendar.NoCalendar) { // went with the collection above it
			o.say("%d of %d calendars are deleted", i, len(list))
			return err
		}
		o.told(id, "deleted")
	}
	return nil
}

// turn switches a calendar off, or on again.
func (o *calOptions) turn(ctx context.Context, be *backend, id calendar.ID, command string) error {
	u := calendar.UpdateCalendarRequest{ID: id}
	if command == "enable" && o.IsSet("doublebook") {
		changes, err := o.changes(id)
		if err != nil {
			return err
		}
		u.NoDoubles = changes.NoDoubles
	}
	off := command == "disable"
	u.Disabled = &off
	if _, err := be.UpdateCalendar(ctx, be.who, u); err != nil {
		return err
	}
	o.told(id, command+"d")
	return nil
}

// switchMany switches the calendars of an owner, or of everybody in the
// directory.
func (o *calOptions) switchMany(ctx context.Context, be *backend, people *directory.Directory, command string) error {
	if o.owner == "" {
		if err := o.confirm(ctx, "%s the calendars of everybody in the directory?", strings.ToUpper(command[:1])+command[1:]); err != nil {
			return err
		}
	}
	return o.each(ctx, be, people, func(c calendar.Calendar) error {
		if c.Disabled == (command == "disable") && !o.IsSet("doublebook") {
			return nil
		}
		return o.turn(ctx, be, c.ID, command)
	})
}
