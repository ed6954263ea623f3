package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

// doneResource is what became of a resource, for programs.
type doneResource struct {
	Resource string `json:"resource"`
	Name     string `json:"name,omitempty"`
	Done     string `json:"done"`
	Copies   string `json:"copies,omitempty"`
}

func (o *resourceOptions) told(p calendar.Person, what string) {
	o.did(doneResource{Resource: p.ID, Name: p.Name, Done: what}, "%s: %s", p.ID, what)
}

// create makes the entry and the calendar. The store is opened first: without
// it nothing is done.
func (o *resourceOptions) create(ctx context.Context, cfg *config.Config, ed resourceEditor, set directory.ResourceChange) error {
	id, domain, _ := strings.Cut(strings.ToLower(o.calid), "@")
	if domain != "" && o.domain != "" && !strings.EqualFold(domain, o.domain) {
		return misuse("%s is not in the domain %s", o.calid, o.domain)
	}
	if domain == "" {
		domain = o.domain
	}
	if o.host != "" && cfg.CLD.Type == "directory" && !strings.EqualFold(o.host, backEndName(cfg)) {
		return fmt.Errorf("the calendars of the back end %s are made there, and this is %s: run the command there", o.host, hostName(cfg))
	}
	be, err := o.store(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	p := set.New(directory.NewPerson{ID: id, Domain: domain, Host: o.host, Below: o.base})
	if ed.file != nil {
		err = ed.file.Create(p)
	} else {
		err = ed.tree.Create(ctx, p)
	}
	if err != nil {
		return err
	}
	dir, err := o.people(cfg) // who was made a moment ago among them
	if err != nil {
		return err
	}
	defer dir.Close()
	full := id
	if domain != "" {
		full += "@" + domain
	}
	made, err := dir.Person(ctx, full)
	if err != nil {
		return err
	}
	if made.ID != id && made.ID != full {
		return fmt.Errorf("%s was made, but the directory calls it %s", full, made.ID)
	}
	c := calendar.Calendar{ID: calendar.ID(made.ID), DisplayName: made.Name, Description: o.description, TZID: o.zone, NoDoubles: made.NoDoubles}
	_, err = be.CreateCalendar(ctx, be.who, calendar.CreateCalendarRequest{Calendar: c, DefaultACL: true})
	if err != nil && !errors.Is(err, calendar.Exists) {
		return fmt.Errorf("the entry %s was made, but not its calendar (\"cscal create %[1]s\" makes it): %s", made.ID, plain.Error(err))
	}
	if err != nil { // that of an earlier one, perhaps
		o.warn("%s has a calendar already", made.ID)
		err = o.align(ctx, be, made, set)
	}
	if err == nil {
		err = o.setHours(ctx, be, made)
	}
	if err != nil {
		return err
	}
	o.told(made, "made")
	return nil
}

// modify changes the entry, and of the calendar what the entry says of it.
func (o *resourceOptions) modify(ctx context.Context, cfg *config.Config, dir *directory.Directory, ed resourceEditor, p calendar.Person, set directory.ResourceChange) (err error) {
	calendars := set.DoubleBooking != nil || set.ACL != nil || set.Owner != nil || set.CoOwners != nil || set.Name != nil || set.Description != nil || set.TZID != nil || o.IsSet("hours")
	var be *backend
	if calendars {
		if err := o.here(ctx, cfg, calendar.Owner(p.ID)); err != nil {
			return err
		}
		if be, err = o.store(ctx); err != nil {
			return err
		}
		defer be.close()
	}
	if ed.file != nil {
		err = ed.file.ChangeResource(p.ID, set)
	} else {
		err = ed.tree.ChangeResource(ctx, p.ID, set)
	}
	if err != nil {
		return err
	}
	if err := dir.Refresh(); err != nil {
		return err
	}
	if calendars {
		if p, err = dir.Person(ctx, p.ID); err == nil {
			err = o.align(ctx, be, p, set)
		}
		if err == nil {
			err = o.setHours(ctx, be, p)
		}
	}
	if err != nil {
		return err
	}
	o.told(p, "changed")
	return nil
}

// here refuses what is about a calendar of another back end.
func (o *resourceOptions) here(ctx context.Context, cfg *config.Config, owner calendar.Owner) error {
	if cfg.CLD.Type != "directory" {
		return nil
	}
	people, err := o.people(cfg)
	if err != nil {
		return err
	}
	defer people.Close()
	return servedHere(ctx, cfg, people, owner)
}

// align gives the calendar what was set in the entry. One that is not there yet
// gets it when it is made.
func (o *resourceOptions) align(ctx context.Context, be *backend, p calendar.Person, set directory.ResourceChange) error {
	u := calendar.UpdateCalendarRequest{ID: calendar.ID(p.ID), DisplayName: set.Name, Description: set.Description, TZID: set.TZID}
	if set.DoubleBooking != nil {
		no := !*set.DoubleBooking
		u.NoDoubles = &no
	}
	if set.ACL != nil {
		text := *set.ACL
		if text == "" {
			text = be.cfg.Resource.DefaultACL
		}
		list, err := acl.Parse(text)
		if err != nil {
			return err
		}
		u.ACL = &list
	}
	if set.Owner != nil || set.CoOwners != nil {
		var owners []string
		if p.Owner != "" {
			owners = append(owners, p.Owner)
		}
		for _, id := range p.CoOwners {
			if !slices.Contains(owners, id) {
				owners = append(owners, id)
			}
		}
		u.CoOwners = &owners
	}
	_, err := be.UpdateCalendar(ctx, be.who, u)
	if errors.Is(err, calendar.NoCalendar) {
		return nil
	}
	return err
}

// turn lets a resource be booked, or not.
func (o *resourceOptions) turn(ctx context.Context, cfg *config.Config, ed resourceEditor, p calendar.Person, command string) (err error) {
	on := command == "enable"
	if ed.file != nil {
		err = ed.file.SetEnabled(p.ID, on)
	} else {
		err = ed.tree.SetEnabled(ctx, p.ID, on)
	}
	if err != nil {
		return err
	}
	forget(ctx, cfg, p.ID, on)
	o.told(p, command+"d")
	return nil
}

// delete removes the entry and all of its calendars. What is in them is written to
// files first.
func (o *resourceOptions) delete(ctx context.Context, cfg *config.Config, ed resourceEditor, p calendar.Person, ask bool) error {
	owner := calendar.Owner(p.ID)
	if err := o.here(ctx, cfg, owner); err != nil {
		return err
	}
	be, err := o.store(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: owner, Counts: true})
	if err != nil && !errors.Is(err, calendar.NoCalendar) {
		return err
	}
	events := int64(0)
	for _, c := range home.Calendars {
		events += int64(c.Count)
	}
	if ask {
		if err := o.confirm(ctx, "Delete the resource %s, with %d %s in its calendars?", p.ID, events, plain.Plural(int(events), "object", "objects")); err != nil {
			return err
		}
	}
	saved := ""
	if !o.noCopies {
		if saved, err = saveCopies(ctx, cfg, be, owner, home.Calendars); err != nil {
			return fmt.Errorf("nothing was deleted, since no copies could be written (--no-copies does it without): %s", plain.Error(err))
		}
	}
	if ed.file != nil {
		err = ed.file.Delete(p.ID)
	} else {
		err = ed.tree.Delete(ctx, p.ID)
	}
	if err != nil {
		return err
	}
	for _, c := range home.Calendars {
		if err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: c.ID}); err != nil && !errors.Is(err, calendar.NoCalendar) {
			return err
		}
	}
	o.did(doneResource{Resource: p.ID, Name: p.Name, Done: "deleted", Copies: saved}, "%s: deleted", p.ID)
	if saved != "" {
		o.say("what was in its calendars is in %s", saved)
	}
	return nil
}
