package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/directory"
	"factotum/server/match"
)

func init() {
	register("cscal", "make, list, change, switch off and delete calendars", runCscal)
}

const cscalUsage = `cscal manages calendars and their properties.

  cscal [-q|-v] [-a aces] [-c charset] [-d description] [-g categories] [-k yes|no]
        [-l langcode] [-n name] [-o owner] [-y otherowners]   create|modify calid
  cscal [-q|-v] [-o owner] [-O]                               delete|reset  calid
  cscal [-q|-v] [-o owner] [-O]                               disable|list [calid]
  cscal [-q|-v] [-k yes|no] [-o owner] [-O]                   enable       [calid]
  cscal version

  -a aces         access control entries, who^what^how^grant, with semicolons between
  -c charset      character set
  -d description  description
  -g categories   categories, with blanks between
  -k yes|no       accept overlapping events
  -l langcode     language
  -n name         display name
  -o owner        primary owner; calid is then the name of one of his calendars
  -O              without calid: those only whose owner is not in the directory
  -y otherowners  further owners, with blanks between; "" for none
  --color color   color for clients, such as #3366cc
  --timezone tzid time zone of times without one
  -j, --json      print JSON
  -q, --yes       do not ask, and print errors only
  -C file         the ics.conf to use

The commands:
  create calid    make a calendar
  delete calid    delete it with all that is in it; with -o and no calid all of the
                  owner's, with -O all whose owner is gone
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
	orphans                                                                                   bool

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
	o.FlagLong(&o.acl, "acl", 'a')
	o.FlagLong(&o.charset, "charset", 'c')
	o.FlagLong(&o.description, "description", 'd')
	o.FlagLong(&o.categories, "categories", 'g')
	o.FlagLong(&o.double, "doublebook", 'k')
	o.FlagLong(&o.language, "language", 'l')
	o.FlagLong(&mail, "mail", 'm')
	o.FlagLong(&o.name, "name", 'n')
	o.FlagLong(&o.owner, "owner", 'o')
	o.FlagLong(&o.orphans, "orphans", 'O')
	o.FlagLong(&o.others, "others", 'y')
	o.FlagLong(&o.color, "color", 0)
	o.FlagLong(&o.zone, "timezone", 0)
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		switch {
		case mail != "":
			return misuse("-m: mail addresses are kept in the directory, with the calendar's owner")
		case o.orphans && (o.owner != "" || len(words) != 1):
			return misuse("-O stands alone: it is about all calendars whose owner is gone")
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
		o.many = target == ""
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
		if target == "" && o.owner == "" && !o.orphans {
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
	if err := errors.Join(calendar.CheckColor(o.color), checkZone(o.zone)); err != nil {
		return u, misuse("%v", err)
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

// warnAbout tells of names that nobody has.
func (o *calOptions) warnAbout(ctx context.Context, people *directory.Directory, u calendar.UpdateCalendarRequest) {
	var list acl.List
	var owners []string
	if u.ACL != nil {
		list = *u.ACL
	}
	if u.CoOwners != nil {
		owners = *u.CoOwners
	}
	o.warnUnknown(ctx, people, list, owners)
}

func (o *calOptions) do(ctx context.Context, be *backend, people *directory.Directory, command, target string) error {
	if target == "" && command == "delete" {
		return o.deleteAll(ctx, be, people)
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
		o.warnAbout(ctx, people, u)
		if _, err = be.UpdateCalendar(ctx, be.who, u); err != nil {
			return err
		}
		o.told(id, "changed")
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
		home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: id.Owner(), Counts: true})
		if err != nil {
			return err
		}
		for i := range home.Calendars {
			if home.Calendars[i].ID == c.ID {
				c.Count = home.Calendars[i].Count
			}
		}
		return o.show(c, true)
	}
	return nil
}

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
		if host != "" && !strings.EqualFold(host, hostName(be.cfg)) {
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
		what = fmt.Sprintf("what is in it, %d %s, for good", n, plain.Plural(int(n), "object", "objects"))
	}
	if err := o.confirm(ctx, "Delete the calendar %s and %s?", id, what); err != nil {
		return err
	}
	if err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: id}); err != nil {
		return err
	}
	o.told(id, "deleted")
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

// listMany shows the calendars of an owner, or of everybody who has some.
func (o *calOptions) listMany(ctx context.Context, be *backend, people *directory.Directory) error {
	if err := o.findGroups(ctx, be, people); err != nil {
		return err
	}
	list := newArray(o.std.out)
	err := o.each(ctx, be, people, func(c calendar.Calendar) error {
		if o.json {
			return list.add(describeCalendar(&c))
		}
		return o.show(c, o.verbose)
	})
	o.many = false // printed as they came
	if o.json {
		err = cmp.Or(list.end(), err)
	}
	return err
}

// findGroups has the calendars made of the directory's groups that nobody has
// used yet: they are there for everybody who may see them. A store that is not
// to be written shows those that it has.
func (o *calOptions) findGroups(ctx context.Context, be *backend, people *directory.Directory) error {
	if o.owner != "" || o.orphans || be.cfg.Store.ReadOnly || !be.cfg.Group.Autoprovision {
		return nil
	}
	found, err := people.AllGroups(ctx)
	if err != nil {
		return err
	}
	here := servesHere(be.cfg)
	for _, p := range found {
		if be.cfg.CLD.Type == "directory" && !here(p) {
			continue
		}
		if _, err := be.Calendar(ctx, be.who, calendar.NewID(calendar.Owner(p.ID), calendar.DefaultName)); err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			return err
		}
	}
	return nil
}

// each calls do for the calendars of the owner, or of everybody who has some,
// whether the directory knows him or not. A failure spoils its owner only.
func (o *calOptions) each(ctx context.Context, be *backend, people *directory.Directory, do func(calendar.Calendar) error) error {
	bad := 0
	one := func(owner calendar.Owner) error {
		home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: owner, Counts: true})
		if errors.Is(err, calendar.NoCalendar) && o.owner == "" {
			return nil
		}
		for _, c := range home.Calendars {
			if err := do(c); err != nil && ctx.Err() == nil {
				bad++
				o.complain("%s: %s", c.ID, plain.Error(err))
			}
		}
		if err != nil && ctx.Err() == nil {
			bad++
			o.complain("%s: %s", owner, plain.Error(err))
		}
		return ctx.Err()
	}
	if o.owner != "" {
		if err := one(calendar.Owner(strings.ToLower(o.owner))); err != nil {
			return err
		}
	}
	for after := calendar.Owner(""); o.owner == ""; {
		owners, err := be.owners(ctx, after)
		if err != nil {
			return err
		}
		if len(owners) == 0 {
			break
		}
		for _, owner := range owners {
			if after = owner; o.orphans {
				if _, err := people.Person(ctx, string(owner)); err == nil {
					continue
				} else if !errors.Is(err, calendar.NotFound) {
					return err
				}
			}
			if err := one(owner); err != nil {
				return err
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

// calendarInfo is a calendar, for programs.
type calendarInfo struct {
	Calendar    calendar.ID    `json:"calendar"`
	Owner       calendar.Owner `json:"owner"`
	Name        string         `json:"name,omitempty"`
	Kind        string         `json:"kind,omitempty"` // unless it is a calendar
	Disabled    bool           `json:"disabled"`
	CoOwners    []string       `json:"other_owners,omitempty"`
	Description string         `json:"description,omitempty"`
	Categories  string         `json:"categories,omitempty"`
	Components  []string       `json:"components,omitempty"`
	TZID        string         `json:"time_zone,omitempty"`
	Timezone    string         `json:"time_zone_text,omitempty"` // CALDAV:calendar-timezone
	Color       string         `json:"color,omitempty"`
	Order       string         `json:"order,omitempty"`
	Charset     string         `json:"charset,omitempty"`
	Language    string         `json:"language,omitempty"`
	Doubles     bool           `json:"double_booking"`
	FreeBusy    bool           `json:"free_busy"` // it counts there
	Objects     *int           `json:"objects,omitempty"`
	Created     time.Time      `json:"created"`
	Modified    time.Time      `json:"last_modified"`
	SyncToken   string         `json:"sync_token,omitempty"`
	ACL         []string       `json:"access"`
	Props       []propInfo     `json:"properties,omitempty"` // that clients have set
}

type propInfo struct {
	Space string `json:"namespace"`
	Name  string `json:"name"`
	Value string `json:"value"` // in XML
}

func describeCalendar(c *calendar.Calendar) calendarInfo {
	info := calendarInfo{Calendar: c.ID, Owner: c.ID.Owner(), Name: c.DisplayName, Disabled: c.Disabled, CoOwners: c.CoOwners,
		Description: c.Description, Categories: c.Categories, Components: c.Components, TZID: c.TZID, Timezone: c.Timezone,
		Color: c.Color, Order: c.Order, Charset: c.Charset, Language: c.Language, Doubles: !c.NoDoubles, FreeBusy: !c.Transparent,
		Created: c.Created.UTC(), Modified: c.Modified.UTC(), SyncToken: c.SyncToken(), ACL: []string{}}
	if c.Kind != calendar.CalendarCollection {
		info.Kind = "files"
	}
	if c.Count >= 0 {
		info.Objects = &c.Count
	}
	for _, e := range c.ACL {
		info.ACL = append(info.ACL, e.String())
	}
	for _, p := range c.Props {
		info.Props = append(info.Props, propInfo{p.Space, p.Local, p.Value})
	}
	return info
}

// show prints a calendar: a line, or all its properties.
func (o *calOptions) show(c calendar.Calendar, full bool) error {
	switch {
	case o.json:
		return o.print(describeCalendar(&c))
	case o.quiet:
		return nil
	}
	w := o.std.out
	if !full {
		end := "\n"
		if c.Disabled {
			end = "\tdisabled\n"
		}
		_, err := fmt.Fprintf(w, "%s\t%s%s", c.ID, plain.Text(c.DisplayName), end)
		return err
	}
	row := func(name, value string) { fmt.Fprintf(w, "  %-14s %s\n", name, plain.Text(value)) }
	yes := func(v bool) string {
		if v {
			return "yes"
		}
		return "no"
	}
	fmt.Fprintf(w, "%s\n", c.ID)
	row("name", c.DisplayName)
	if c.Disabled {
		row("disabled", "yes")
	}
	if c.Kind != calendar.CalendarCollection {
		row("kind", "files")
	}
	row("owner", string(c.ID.Owner()))
	row("other owners", strings.Join(c.CoOwners, " "))
	row("description", c.Description)
	row("categories", c.Categories)
	row("components", strings.Join(c.Components, " "))
	row("time zone", c.TZID)
	if c.Timezone != "" {
		name, err := match.TimezoneName(c.Timezone)
		if err != nil {
			name = "not readable"
		}
		row("zone of client", name)
	}
	row("color", c.Color)
	row("order", c.Order)
	row("charset", c.Charset)
	row("language", c.Language)
	row("double booking", yes(!c.NoDoubles))
	row("free/busy", yes(!c.Transparent))
	if c.Count >= 0 {
		row("objects", fmt.Sprint(c.Count))
	}
	row("created", c.Created.UTC().Format("2006-01-02T15:04:05Z"))
	row("last modified", c.Modified.UTC().Format("2006-01-02T15:04:05Z"))
	row("sync token", c.SyncToken())
	for i, e := range c.ACL {
		name := ""
		if i == 0 {
			name = "access"
		}
		row(name, e.String())
	}
	for _, p := range c.Props {
		row("property", "{"+p.Space+"}"+p.Local+" "+p.Value)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
