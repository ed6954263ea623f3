package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/directory"
)

func init() {
	register("cscal", "make, list, change, switch off and delete calendars", runCscal)
}

const cscalUsage = `cscal manages calendars and their properties.

  cscal [-q|-v] [-a aces] [-c charset] [-d description] [-g categories] [-k yes|no]
        [-l langcode] [-n name] [-o owner] [-y otherowners]   create|modify calid
  cscal [-q|-v] [-o owner]                                    delete|reset  calid
  cscal [-q|-v] [-o owner]                                    disable|list [calid]
  cscal [-q|-v] [-k yes|no] [-o owner]                        enable       [calid]
  cscal version

  -a aces         access control entries, who^what^how^grant, with semicolons between
  -c charset      character set
  -d description  description
  -g categories   categories, with blanks between
  -k yes|no       accept overlapping events
  -l langcode     language
  -n name         display name
  -o owner        primary owner; calid is then the name of one of his calendars
  -y otherowners  further owners, with blanks between; "" for none
  --color color   color for clients, such as #3366cc
  --timezone tzid time zone of times without one
  -q              do not ask, and print errors only
  -C file         the ics.conf to use

The commands:
  create calid    make a calendar
  delete calid    delete it with all that is in it; with -o and no calid all of the owner's
  disable [calid] switch one calendar off, those of an owner (-o), or everybody's: it is
                  kept, and served to nobody but the calendar administrator
  enable [calid]  switch them on again
  list [calid]    show one calendar, those of an owner (-o), or everybody's;
                  with -v all their properties
  modify calid    change the properties that options name
  reset calid     give all of them their defaults

  cscal -n Hobbies -o jsmith -g sports -k yes -y rjones create Personal
  cscal -v list jsmith:Personal
  cscal -o jsmith delete
`

// calOptions are what cscal was told.
type calOptions struct {
	*tool
	acl, charset, description, categories, double, language, name, owner, others, color, zone string

	about calendar.Owner // whose calendars the call is about, "" for everybody's
}

func runCscal(ctx context.Context, args []string, std stdio) int {
	return cscal(ctx, args, std, func(o *calOptions) (*backend, *directory.Directory, error) {
		if o.about != "" {
			if err := o.here(ctx, o.about); err != nil {
				return nil, nil, err
			}
		}
		be, err := o.openBackend(ctx)
		if err != nil {
			return nil, nil, err
		}
		people, err := o.people(be.cfg)
		if err != nil {
			be.close()
		}
		return be, people, err
	})
}

// cscal is runCscal on what open gives.
func cscal(ctx context.Context, args []string, std stdio, open func(*calOptions) (*backend, *directory.Directory, error)) int {
	o := &calOptions{tool: newTool("cscal", cscalUsage, std)}
	var mail string
	var orphans bool
	o.FlagLong(&o.acl, "acl", 'a')
	o.FlagLong(&o.charset, "charset", 'c')
	o.FlagLong(&o.description, "description", 'd')
	o.FlagLong(&o.categories, "categories", 'g')
	o.FlagLong(&o.double, "doublebook", 'k')
	o.FlagLong(&o.language, "language", 'l')
	o.FlagLong(&mail, "mail", 'm')
	o.FlagLong(&o.name, "name", 'n')
	o.FlagLong(&o.owner, "owner", 'o')
	o.FlagLong(&orphans, "orphans", 'O')
	o.FlagLong(&o.others, "others", 'y')
	o.FlagLong(&o.color, "color", 0)
	o.FlagLong(&o.zone, "timezone", 0)
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		switch {
		case mail != "":
			return misuse("-m: mail addresses are kept in the directory, with the calendar's owner")
		case orphans:
			return misuse("-O is not supported: the directory has no list of those who are gone")
		case len(words) > 2:
			return misuse("cscal takes one calid")
		}
		target := ""
		if len(words) == 2 {
			target = words[1]
		}
		if err := o.check(words[0], target); err != nil {
			return err
		}
		if o.about = calendar.Owner(strings.ToLower(o.owner)); target != "" {
			if id, err := o.id(target); err == nil {
				o.about = id.Owner()
			}
		}
		be, people, err := open(o)
		if err != nil {
			return err
		}
		defer be.close()
		defer people.Close()
		return o.do(ctx, be, people, words[0], target)
	})
}

// check refuses wrong calls before anything is opened.
func (o *calOptions) check(command, target string) error {
	switch command {
	case "create", "modify", "reset":
		if target == "" {
			return misuse("%s which calendar?", command)
		}
	case "delete":
		if target == "" && o.owner == "" {
			return misuse("delete which calendar?")
		}
	case "list", "enable", "disable":
	default:
		return misuse("%q is not a command of cscal", command)
	}
	if _, err := o.id(target); target != "" && err != nil {
		return err
	}
	_, err := o.changes("")
	return err
}

// id gives the calid that -o and the target mean.
func (o *calOptions) id(target string) (calendar.ID, error) {
	id := calendar.ID(target)
	owner := strings.ToLower(o.owner)
	switch {
	case owner == "":
	case strings.Contains(target, ":") || strings.EqualFold(target, owner):
		if !strings.EqualFold(string(id.Owner()), owner) {
			return "", misuse("%s is not a calendar of %s", target, owner)
		}
	default:
		id = calendar.NewID(calendar.Owner(owner), target)
	}
	id = calendar.NewID(calendar.Owner(strings.ToLower(string(id.Owner()))), id.Name())
	if err := calendar.CheckOwner(id.Owner()); err != nil {
		return "", misuse("%s: %v", target, err)
	}
	if err := calendar.CheckName(id.Name()); err != nil {
		return "", misuse("%s: %v", target, err)
	}
	return id, nil
}

// changes gathers the properties that options name.
func (o *calOptions) changes(id calendar.ID) (calendar.UpdateCalendarRequest, error) {
	u := calendar.UpdateCalendarRequest{ID: id}
	for _, p := range []struct {
		option string
		value  *string
		field  **string
	}{
		{"charset", &o.charset, &u.Charset}, {"description", &o.description, &u.Description},
		{"categories", &o.categories, &u.Categories}, {"language", &o.language, &u.Language},
		{"name", &o.name, &u.DisplayName}, {"color", &o.color, &u.Color}, {"timezone", &o.zone, &u.TZID},
	} {
		if o.IsSet(p.option) {
			*p.field = p.value
		}
	}
	if o.IsSet("acl") {
		list, err := acl.Parse(o.acl)
		if err != nil {
			return u, misuse("-a: %v", err)
		}
		u.ACL = &list
	}
	if o.IsSet("doublebook") {
		no := strings.EqualFold(o.double, "no")
		if !no && !strings.EqualFold(o.double, "yes") {
			return u, misuse("-k is yes or no, not %q", o.double)
		}
		u.NoDoubles = &no
	}
	if o.IsSet("others") {
		list := strings.Fields(strings.ToLower(o.others))
		u.CoOwners = &list
	}
	return u, nil
}

func (o *calOptions) do(ctx context.Context, be *backend, people *directory.Directory, command, target string) error {
	if target == "" && command == "delete" {
		return o.deleteAll(ctx, be)
	}
	if target == "" && command == "list" {
		return o.listMany(ctx, be, people)
	}
	if target == "" {
		return o.switchMany(ctx, be, people, command)
	}
	id, err := o.id(target)
	if err != nil {
		return err
	}
	switch command {
	case "create":
		return o.create(ctx, be, people, id)
	case "modify":
		u, err := o.changes(id)
		if err != nil {
			return err
		}
		if _, err = be.UpdateCalendar(ctx, be.who, u); err != nil {
			return err
		}
		o.say("%s: changed", id)
	case "enable", "disable":
		return o.turn(ctx, be, id, command)
	case "reset":
		return o.reset(ctx, be, people, id)
	case "delete":
		return o.delete(ctx, be, id)
	default:
		c, err := be.Calendar(ctx, be.who, id)
		if err != nil {
			return err
		}
		o.print(c, true)
	}
	return nil
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
		if host != "" && !strings.EqualFold(host, hostName(be.cfg)) {
			return fmt.Errorf("the calendars of %s are on %s: run cscal there", id.Owner(), host)
		}
	}
	u, err := o.changes(id)
	if err != nil {
		return err
	}
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
	o.say("%s: made", id)
	return nil
}

// reset gives the properties of a calendar their defaults: those that a new
// calendar of the owner has. What is in it stays.
func (o *calOptions) reset(ctx context.Context, be *backend, people *directory.Directory, id calendar.ID) error {
	if _, err := be.Calendar(ctx, be.who, id); err != nil {
		return err
	}
	if err := o.confirm("Give all properties of %s their defaults?", id); err != nil {
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
	o.say("%s: reset", id)
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
	if err := o.confirm("Delete the calendar %s and all that is in it?", id); err != nil {
		return err
	}
	if err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: id}); err != nil {
		return err
	}
	o.say("%s: deleted", id)
	return nil
}

func (o *calOptions) deleteAll(ctx context.Context, be *backend) error {
	owner := calendar.Owner(strings.ToLower(o.owner))
	home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: owner})
	if err != nil {
		return err
	}
	if len(home.Calendars) == 0 {
		return fmt.Errorf("%s has no calendars", owner)
	}
	if err := o.confirm("Delete all %d calendars of %s and all that is in them?", len(home.Calendars), owner); err != nil {
		return err
	}
	for _, c := range home.Calendars {
		err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: c.ID})
		if err != nil && !errors.Is(err, calendar.NoCalendar) { // went with the collection above it
			return err
		}
		o.say("%s: deleted", c.ID)
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
	o.say("%s: %sd", id, command)
	return nil
}

// switchMany switches the calendars of an owner, or of everybody in the
// directory.
func (o *calOptions) switchMany(ctx context.Context, be *backend, people *directory.Directory, command string) error {
	if o.owner == "" {
		if err := o.confirm("%s the calendars of everybody in the directory?", strings.ToUpper(command[:1])+command[1:]); err != nil {
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

// listMany shows the calendars of an owner, or of everybody in the directory.
func (o *calOptions) listMany(ctx context.Context, be *backend, people *directory.Directory) error {
	return o.each(ctx, be, people, func(c calendar.Calendar) error {
		o.print(c, o.verbose)
		return nil
	})
}

// each calls do for the calendars of the owner, or of everybody in the
// directory. A failure spoils its owner only.
func (o *calOptions) each(ctx context.Context, be *backend, people *directory.Directory, do func(calendar.Calendar) error) error {
	owners := []string{strings.ToLower(o.owner)}
	if o.owner == "" {
		found, more, err := people.Search(ctx, calendar.PeopleQuery{Limit: maxListed})
		if err != nil {
			return err
		}
		owners = owners[:0]
		for _, p := range found {
			owners = append(owners, p.ID)
		}
		if more {
			o.complain("only the first %d people of the directory are looked at; -o asks for others", len(found))
		}
	}
	bad := 0
	for _, owner := range owners {
		home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: calendar.Owner(owner), Counts: true})
		if errors.Is(err, calendar.NoCalendar) && o.owner == "" {
			continue
		}
		if err != nil {
			bad++
			o.complain("%s: %s", owner, plain.Error(err))
			continue
		}
		for _, c := range home.Calendars {
			if err := do(c); err != nil {
				bad++
				o.complain("%s: %s", c.ID, plain.Error(err))
			}
		}
	}
	if bad > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// maxListed is the most people whose calendars a list shows.
const maxListed = 100_000

// print shows a calendar: a line, or all its properties.
func (o *calOptions) print(c calendar.Calendar, full bool) {
	w := o.std.out
	if !full {
		fmt.Fprintf(w, "%s\t%s", c.ID, plain.Text(c.DisplayName))
		if c.Disabled {
			fmt.Fprint(w, "\tdisabled")
		}
		fmt.Fprintln(w)
		return
	}
	row := func(name, value string) { fmt.Fprintf(w, "  %-14s %s\n", name, plain.Text(value)) }
	fmt.Fprintf(w, "%s\n", c.ID)
	row("name", c.DisplayName)
	if c.Disabled {
		row("disabled", "yes")
	}
	row("owner", string(c.ID.Owner()))
	row("other owners", strings.Join(c.CoOwners, " "))
	row("description", c.Description)
	row("categories", c.Categories)
	row("components", strings.Join(c.Components, " "))
	row("time zone", c.TZID)
	row("color", c.Color)
	row("charset", c.Charset)
	row("language", c.Language)
	row("double booking", map[bool]string{true: "no", false: "yes"}[c.NoDoubles])
	row("free/busy", map[bool]string{true: "no", false: "yes"}[c.Transparent])
	if c.Count >= 0 {
		row("objects", fmt.Sprint(c.Count))
	}
	row("created", c.Created.UTC().Format("2006-01-02T15:04:05Z"))
	row("last modified", c.Modified.UTC().Format("2006-01-02T15:04:05Z"))
	for i, e := range c.ACL {
		name := ""
		if i == 0 {
			name = "access"
		}
		row(name, e.String())
	}
	io.WriteString(w, "\n")
}
