package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

func init() {
	register("csresource", "make, list, change, switch off and delete rooms and other resources", runCsresource)
}

const csresourceUsage = `csresource manages rooms and other resources: their entries and their calendars.

  csresource [-q|-v] [-a aces] [-b basedn] [-d domain] [-t description] [-k yes|no]
             [-o owner] [-y otherowners] [rules] [-m email] -c calid  create common_name
  csresource [-q|-v] [-d domain] [options of create]            modify common_name
  csresource [-q|-v] [-b basedn] [-d domain] delete|disable|enable     [common_name]
  csresource [-q|-v] [-b basedn] [-d domain] [-h host]           list  [common_name]
  csresource version

  -c calid        its calendar, which is its name in the directory too
  -m email        its address, by which it is invited; without it calid@domain
  -a aces         access control entries of the calendar
  -b basedn       create: the entry below which the new one is made; else those that
                  stand below it
  -d domain       domain of the resource, where there are several
  -t description  free text
  -k yes|no       accept overlapping events
  -o owner        who administers it, and decides where it does not answer by itself
  -y otherowners  who does so too, with blanks between; "" for none
  -h host         back end of its calendar; list: those of that back end
  --name name     modify: another common name
  --timezone tzid time zone of its calendar
  --no-copies     delete: do not write what is deleted to files first

The rules by which it answers invitations:
  --auto yes|no   it answers by itself; no: what no rule declines is left to its owners
  --capacity n    at most so many people; makes it a room. 0 is any number
  --days n        it can be booked n days ahead; 0 is any time
  --minutes n     for so long at most; 0 is any time
  --who names     by whom: user ids, groups, addresses, @domains, with blanks between;
                  "" is everybody
  --series rule   a series that cannot have all of its instances is declined (decline),
                  accepted but for those (except), accepted though it clashes (accept), or
                  left to the owners (ask)
  --hours hours   when it can be booked: Mo-Fr 08:00-12:00,13:00-18:00; Sa 09:00-13:00, in
                  the time zone of its calendar; "" is at all times

  -j, --json      print JSON
  -q, --yes       do not ask, and print errors only
  -C file         the ics.conf to use

A resource is named by its common name or by its calid. Without a name delete, disable
and enable are about all resources, of the domain that -d names or of the default one, or of
those below -b; list is about those of all domains.

Where people are kept in LDAP, local.enduseradmindn must be allowed to write there.

  csresource -m aud100@siroe.com -c audcal100 -o bkamdar --capacity 120 create auditorium
  csresource --days 180 --series except --hours "Mo-Fr 08:00-18:00" modify auditorium
`

// resourceOptions are what csresource was told.
type resourceOptions struct {
	*tool
	acl, base, calid, domain, description, double, mail, owner, others, host, name, zone string
	auto, series, who, hours                                                             string
	capacity, days, minutes                                                              int
	noCopies                                                                             bool

	store func(ctx context.Context) (*backend, error)
}

func runCsresource(ctx context.Context, args []string, std stdio) int {
	o := newResourceOptions(std)
	o.store = o.openBackend
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		set, err := o.check(words)
		if err != nil {
			return err
		}
		cfg, err := o.load()
		if err != nil {
			return err
		}
		if err = o.do(ctx, cfg, set, words); err == nil && words[0] != "list" {
			o.audited(cfg, audit.Account, cmp.Or(o.calid, strings.Join(words[1:], " ")), words[0])
		}
		return err
	})
}

func newResourceOptions(std stdio) *resourceOptions {
	o := &resourceOptions{tool: newTool("csresource", csresourceUsage, std)}
	o.FlagLong(&o.acl, "acl", 'a')
	o.FlagLong(&o.base, "basedn", 'b')
	o.FlagLong(&o.calid, "calid", 'c')
	o.FlagLong(&o.domain, "domain", 'd')
	o.FlagLong(&o.description, "description", 't')
	o.FlagLong(&o.double, "doublebook", 'k')
	o.FlagLong(&o.mail, "mail", 'm')
	o.FlagLong(&o.owner, "owner", 'o')
	o.FlagLong(&o.others, "others", 'y')
	o.FlagLong(&o.host, "host", 'h')
	o.FlagLong(&o.name, "name", 0)
	o.FlagLong(&o.zone, "timezone", 0)
	o.FlagLong(&o.auto, "auto", 0)
	o.FlagLong(&o.capacity, "capacity", 0)
	o.FlagLong(&o.days, "days", 0)
	o.FlagLong(&o.minutes, "minutes", 0)
	o.FlagLong(&o.who, "who", 0)
	o.FlagLong(&o.series, "series", 0)
	o.FlagLong(&o.hours, "hours", 0)
	o.FlagLong(&o.noCopies, "no-copies", 0)
	return o
}

// check refuses wrong calls before anything is opened, and gathers what is set.
func (o *resourceOptions) check(words []string) (set directory.ResourceChange, err error) {
	command := words[0]
	switch {
	case !slices.Contains([]string{"create", "modify", "delete", "disable", "enable", "list"}, command):
		return set, misuse("%q is not a command of csresource", command)
	case len(words) > 2:
		return set, misuse("csresource takes one common name: put it in quotes if there are blanks in it")
	case (command == "create" || command == "modify") && len(words) < 2:
		return set, misuse("%s which resource?", command)
	case command == "create" && o.calid == "":
		return set, misuse("-c is needed: the calid of the resource")
	case command != "create" && o.calid != "":
		return set, misuse("-c belongs to create")
	case command == "modify" && o.base != "":
		return set, misuse("-b does not belong to modify: an entry is not moved")
	case command == "create" && o.IsSet("name"):
		return set, misuse("--name belongs to modify: a new resource is called as the call says")
	case strings.Contains(o.calid, ":"):
		return set, misuse("-c is the resource's own calendar, %q is another one", o.calid)
	}
	changes := 0
	text := func(option string, v string, field **string) {
		if o.IsSet(option) {
			*field = &v
			changes++
		}
	}
	text("name", strings.TrimSpace(o.name), &set.Name)
	text("description", o.description, &set.Description)
	text("mail", strings.ToLower(o.mail), &set.Mail)
	text("acl", o.acl, &set.ACL)
	text("timezone", o.zone, &set.TZID)
	text("owner", strings.ToLower(o.owner), &set.Owner)
	if o.IsSet("acl") {
		if _, err := acl.Parse(o.acl); err != nil {
			return set, misuse("-a: %v", err)
		}
	}
	if err := checkZone(o.zone); err != nil {
		return set, misuse("%v", err)
	}
	names := func(option, v string, field **[]string) {
		if o.IsSet(option) {
			list := strings.Fields(strings.ToLower(strings.ReplaceAll(v, ",", " ")))
			*field = &list
			changes++
		}
	}
	names("others", o.others, &set.CoOwners)
	names("who", o.who, &set.Who)
	for _, f := range []struct {
		option, spelled, value string
		field                  **bool
	}{{"doublebook", "-k", o.double, &set.DoubleBooking}, {"auto", "--auto", o.auto, &set.AutoAccept}} {
		if !o.IsSet(f.option) {
			continue
		}
		yes := strings.EqualFold(f.value, "yes")
		if !yes && !strings.EqualFold(f.value, "no") {
			return set, misuse("%s is yes or no, not %q", f.spelled, f.value)
		}
		*f.field = &yes
		changes++
	}
	number := func(option string, v int, field **int) {
		if o.IsSet(option) {
			*field = &v
			changes++
		}
	}
	number("capacity", o.capacity, &set.Capacity)
	number("days", o.days, &set.Days)
	number("minutes", o.minutes, &set.Minutes)
	if o.IsSet("series") {
		rule, ok := calendar.ParseSeriesRule(strings.ToLower(o.series))
		if !ok {
			return set, misuse("--series is one of %s, not %q", strings.Join(calendar.SeriesRules(), ", "), o.series)
		}
		set.Series = &rule
		changes++
	}
	if err := set.Check(); err != nil {
		return set, misuse("%v", err)
	}
	if o.IsSet("hours") {
		if _, err := parseHours(o.hours); err != nil {
			return set, misuse("--hours: %v", err)
		}
		changes++
	}
	switch {
	case command == "modify" && changes == 0:
		return set, misuse("modify what? An option says it")
	case command != "create" && command != "modify" && changes > 0:
		return set, misuse("%s changes no property: modify does", command)
	case command == "create":
		name := strings.TrimSpace(words[1])
		set.Name = &name
	}
	return set, nil
}

// resourceEditor is the directory's file or LDAP.
type resourceEditor struct {
	file *directory.Editor
	tree *directory.LDAPEditor
}

func (o *resourceOptions) editor(cfg *config.Config, opt directory.Options) (ed resourceEditor, err error) {
	if opt.LDIF != "" {
		ed.file, err = directory.NewEditor(opt)
		return ed, err
	}
	ed.tree, err = ldapEditor(cfg, opt)
	return ed, err
}

func (ed resourceEditor) close() {
	if ed.tree != nil {
		ed.tree.Close()
	}
}

func (o *resourceOptions) do(ctx context.Context, cfg *config.Config, set directory.ResourceChange, words []string) error {
	return o.inDirectory(cfg, func(dir *directory.Directory, opt directory.Options) error {
		return o.doIn(ctx, cfg, dir, opt, set, words)
	})
}

// doIn is do with the directory open.
func (o *resourceOptions) doIn(ctx context.Context, cfg *config.Config, dir *directory.Directory, opt directory.Options, set directory.ResourceChange, words []string) (err error) {
	var about []calendar.Person
	if words[0] != "create" {
		if about, err = o.find(ctx, cfg, dir, words[1:], words[0] == "list"); err != nil {
			return err
		}
	}
	if words[0] == "list" {
		return o.list(ctx, cfg, about, len(words) == 2)
	}
	ed, err := o.editor(cfg, opt)
	if err != nil {
		return err
	}
	defer ed.close()
	if words[0] == "create" {
		return o.create(ctx, cfg, ed, set)
	}
	if len(words) == 1 {
		o.many = true
		if err := o.confirm(ctx, "%s all %d resources?", strings.ToUpper(words[0][:1])+words[0][1:], len(about)); err != nil {
			return err
		}
	}
	for _, p := range about {
		switch words[0] {
		case "modify":
			err = o.modify(ctx, cfg, dir, ed, p, set)
		case "delete":
			err = o.delete(ctx, cfg, ed, p, len(words) == 2)
		default:
			err = o.turn(ctx, cfg, ed, p, words[0])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// below are those of some whose entries stand below a base.
func below(ctx context.Context, dir *directory.Directory, list []calendar.Person, base string) (out []calendar.Person, err error) {
	for _, p := range list {
		is, err := dir.Below(ctx, p.ID, base)
		if err != nil {
			return nil, err
		}
		if is {
			out = append(out, p)
		}
	}
	return out, nil
}

// find gives the resource that a common name or a calid means; without one all.
func (o *resourceOptions) find(ctx context.Context, cfg *config.Config, dir *directory.Directory, words []string, lists bool) ([]calendar.Person, error) {
	isResource := func(p calendar.Person) bool { return p.Kind == calendar.Resource || p.Kind == calendar.Room }
	q := calendar.PeopleQuery{Kinds: []calendar.PersonKind{calendar.Resource, calendar.Room}, All: true, Limit: maxListed}
	domain := o.domain
	if domain == "" && o.base == "" && len(words) == 0 && !lists {
		domain = cfg.Domain.Default // all of another domain go only by its name
	}
	if len(words) == 1 {
		name := words[0]
		id := name
		if o.domain != "" && !strings.Contains(id, "@") {
			id += "@" + o.domain
		}
		p, err := dir.Person(ctx, id)
		if err == nil && isResource(p) {
			found := []calendar.Person{p}
			if o.base != "" {
				found, err = below(ctx, dir, found, o.base)
			}
			if err == nil && len(found) == 0 {
				err = fmt.Errorf("the entry of %s is not below %s", p.ID, o.base)
			}
			return found, err
		}
		if err != nil && !errors.Is(err, calendar.NotFound) && !errors.Is(err, calendar.Invalid) {
			return nil, err
		}
		q.Name, q.Exact = name, true
	}
	found, more, err := dir.Search(ctx, q)
	if err != nil {
		return nil, err
	}
	found = slices.DeleteFunc(found, func(p calendar.Person) bool {
		return domain != "" && !strings.EqualFold(p.Domain, domain) || o.host != "" && !strings.EqualFold(p.Host, o.host)
	})
	switch {
	case more && len(words) == 0:
		o.complain("there are more; -d or a name narrows the list")
	case len(words) == 1 && len(found) == 0:
		return nil, fmt.Errorf("%s is no resource of the directory", words[0])
	case len(words) == 1 && len(found) > 1:
		return nil, fmt.Errorf("several resources have the name %s: call it by its calid, %s or %s", words[0], found[0].ID, found[1].ID)
	}
	if o.base != "" {
		if found, err = below(ctx, dir, found, o.base); err != nil {
			return nil, err
		}
	}
	if len(words) == 1 || o.verbose || o.json { // a search does not look up who the owners are
		for i := range found {
			if found[i], err = dir.Person(ctx, found[i].ID); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}
