package main

import (
	"context"
	"errors"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/directory"
)

func init() {
	register("cscal", "make, list, change and delete calendars, tell their history and undo it", runCscal)
}

const cscalUsage = `cscal manages calendars and their properties.

  cscal [-q|-v] [-a aces] [-c charset] [-d description] [-g categories] [-k yes|no]
        [-l langcode] [-n name] [-o owner] [-y otherowners]   create|modify calid
  cscal [-q|-v] [-o owner] [-O]                               delete|reset  calid
  cscal [-q|-v] [-o owner] [-O]                               disable|list [calid]
  cscal [-q|-v] [-k yes|no] [-o owner] [-O]                   enable       [calid]
  cscal [-o owner] [--at time] show                           calid [uid]
  cscal [-o owner] [which]     history                        [calid [uid]]
  cscal [-o owner] [which] [--dry-run] [--force]
                               undo|undelete                  [calid [uid]]
  cscal version

  -a aces         access control entries, who^what^how^grant, with semicolons between
  -c charset      character set
  -d description  description
  -g categories   categories, with blanks between
  -k yes|no       accept overlapping events
  -l langcode     language
  -m email        Sun's, and refused: addresses are kept in the directory
  -n name         display name
  -o owner        primary owner; calid is then the name of one of his calendars
  -O              without calid: those only whose owner is not in the directory
  -y otherowners  further owners, with blanks between; "" for none
  --color color   color for clients, such as #3366cc
  --timezone tzid time zone of times without one
  --at time       show what was there then: 2026-11-30T14:05 in this host's zone, with
                  Z or +01:00 behind it in another
  which:          --change n or n-m, --from time, --to time, --by user, --via protocol,
                  --client name: what somebody, or one program, did, and when
  --limit n       history: tell of so many, the newest; 100 without it
  --dry-run       undo, undelete: say what would be done
  --force         undo, undelete: also where something else was changed since
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
  show calid      print what is in it, or one object, as one calendar file
  history         tell what was changed and deleted in a calendar, with a uid of one
                  object, with -o in all calendars of an owner: when, the number of the
                  change, by whom, by which protocol and client, and what is another now
  undo            give objects what they had before the changes that "which" names; what
                  came to be by them goes. What was changed again since is left alone
  undelete        bring back what was deleted: one object; a calendar that was deleted,
                  with all in it; or what "which" names. With -o and no calid also
                  calendars, such as those of a user who was deleted

Versions are kept for factotum.history.days. What an undo does can be undone, and is
told to other people as if the owner had done it.

  cscal -n Hobbies -o jsmith -g sports -k yes -y rjones create Personal
  cscal -v list jsmith:Personal
  cscal -o jsmith delete
  cscal history jsmith:Personal 4711@example.com
  cscal --client "Phone/1" --from 2026-11-30T14:00 --to 2026-11-30T14:10 --dry-run undo jsmith
  cscal --at 2026-11-30T14:00 show jsmith > jsmith.ics
`

// calOptions are what cscal was told.
type calOptions struct {
	*tool
	acl, charset, description, categories, double, language, name, owner, others, color, zone string
	orphans                                                                                   bool

	past pastOptions

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
	o.past.declare(o.tool)
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		uid := ""
		if len(words) == 3 && isPast(words[0]) {
			uid, words = words[2], words[:2]
		}
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
		if err := o.past.check(o, words[0], target, uid); err != nil {
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
	case "list", "enable", "disable", "show", "history", "undo", "undelete":
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
	return calidOf(string(id))
}

// calidOf reads a calid; ids are in small letters.
func calidOf(s string) (calendar.ID, error) {
	id := calendar.ID(s)
	id = calendar.NewID(calendar.Owner(strings.ToLower(string(id.Owner()))), id.Name())
	if err := calendar.CheckOwner(id.Owner()); err != nil {
		return "", misuse("%s: %v", s, err)
	}
	if err := calendar.CheckName(id.Name()); err != nil {
		return "", misuse("%s: %v", s, err)
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
	if isPast(command) {
		return o.pastOf(ctx, be, command, target)
	}
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
