package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/acl"
	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

func init() {
	register("csgroup", "make, list, change and delete groups", runCsgroup)
}

const csgroupUsage = `csgroup manages the groups of the calendar: their entries in the directory.

  csgroup [-q|-v] [-n name] [-m email] [-o owner] [-y coowners] [-f filter] [-a aces]
          [-k yes|no] [--autoaccept yes|no] [-h host] [--timezone tzid] [-d domain]
                                            create groupid[@domain] [member ...]
  csgroup [-q|-v] [-d domain]               list [groupid]
  csgroup [-q|-v]                           add|remove groupid member ...
  csgroup [-q|-v] [options of create]       modify groupid
  csgroup [-q|-v]                           enable|disable groupid
  csgroup [-q|-v] [--with-calendars] [--no-copies]  delete groupid
  csgroup [-q|-v]                           recheck [groupid]
  csgroup version

  -n name       what the group is called; without it its groupid
  -m email      mail address; without it groupid@domain
  -o owner      user id of who keeps its calendar
  -y coowners   user ids of who keep it too, separated by blanks
  -f filter     members are whom this LDAP filter finds in the domain, or an
                ldap:/// URL; it has no others
  -a aces       access control list of its new calendar (icsDefaultacl)
  -k yes|no     its calendar takes events that overlap
  --autoaccept yes|no  it accepts invitations by itself
  -h host       back end of its calendar
  --timezone    time zone of its calendar
  -d domain     domain of the group, where there are several
  --with-calendars  delete: all calendars of the group go, not only the default one
  --no-copies   delete: do not write what is deleted to files first
  -j, --json    print JSON
  -q, --yes     do not ask, and print errors only
  -C file       the ics.conf to use

The commands:
  create        add an entry of a group; its calendar is made for the first who
                asks for it, or is invited
  list          show a group with its members, or all groups
  add, remove   members: user ids, groupids, or mail addresses, also of people
                elsewhere
  modify        change the options that are given; "" takes a value away
  enable, disable  a disabled group cannot be invited; its calendar stays
  delete        delete the entry and its default calendar
  recheck       compare meetings to come with the directory: who has joined a group
                is invited to them, who has left it is not any more. What csgroup
                changes is compared at once

Groups are in the LDIF file or in LDAP, which is written as local.enduseradmindn.

  csgroup -n Marketing -o jdoe -y "jsmith tchang" create marketing jdoe jsmith tchang
  csgroup add marketing agency@example.net
  csgroup -f "(departmentNumber=17)" create dept17
`

// groupOptions are what csgroup was told.
type groupOptions struct {
	*tool
	group                    directory.NewPerson
	coOwners, filter, double string
	accept                   string
	all, noCopies            bool
	store                    func(ctx context.Context) (*backend, error) // for delete
}

func runCsgroup(ctx context.Context, args []string, std stdio) int {
	o := newGroupOptions(std)
	o.store = o.openBackend
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		if err := o.check(words); err != nil {
			return err
		}
		cfg, err := o.load()
		if err != nil {
			return err
		}
		if err = o.do(ctx, cfg, words); err == nil && words[0] != "list" && len(words) > 1 {
			o.audited(cfg, audit.Account, words[1], strings.Join(append([]string{words[0]}, words[2:]...), " "))
		}
		return err
	})
}

func newGroupOptions(std stdio) *groupOptions {
	o := &groupOptions{tool: newTool("csgroup", csgroupUsage, std)}
	p := &o.group
	o.FlagLong(&p.Name, "name", 'n')
	o.FlagLong(&p.Mail, "mail", 'm')
	o.FlagLong(&p.Owner, "owner", 'o')
	o.FlagLong(&o.coOwners, "coowners", 'y')
	o.FlagLong(&o.filter, "filter", 'f')
	o.FlagLong(&p.ACL, "acl", 'a')
	o.FlagLong(&o.double, "doublebook", 'k')
	o.FlagLong(&o.accept, "autoaccept", 0)
	o.FlagLong(&p.Host, "host", 'h')
	o.FlagLong(&p.TZID, "timezone", 0)
	o.FlagLong(&p.Domain, "domain", 'd')
	o.FlagLong(&o.all, "with-calendars", 0)
	o.FlagLong(&o.noCopies, "no-copies", 0)
	return o
}

func (o *groupOptions) check(words []string) error {
	least, most := 2, 2
	switch words[0] {
	case "create":
		most = 1000
	case "add", "remove":
		least, most = 3, 1000
	case "modify", "enable", "disable", "delete":
	case "list", "recheck":
		least = 1
	default:
		return misuse("%q is not a command of csgroup", words[0])
	}
	switch {
	case len(words) < 2 && least > 1:
		return misuse("%s which group?", words[0])
	case len(words) < least:
		return misuse("%s whom?", words[0])
	case len(words) > most:
		return misuse("too many words after %s", words[0])
	}
	for _, v := range []struct {
		flag string
		text *string
	}{{"-k", &o.double}, {"--autoaccept", &o.accept}} {
		switch strings.ToLower(*v.text) {
		case "":
		case "yes":
			*v.text = "1"
		case "no":
			*v.text = "0"
		default:
			return misuse("%s is yes or no, not %q", v.flag, *v.text)
		}
	}
	if o.group.ACL != "" {
		if _, err := acl.Parse(o.group.ACL); err != nil {
			return misuse("-a: %v", err)
		}
	}
	if err := checkZone(o.group.TZID); err != nil {
		return misuse("%v", err)
	}
	return nil
}

// doneGroup is what became of a group, for programs.
type doneGroup struct {
	Group     calendar.UserID `json:"group"`
	Done      string          `json:"done"`
	Members   []string        `json:"members,omitempty"` // that came or went
	Calendars []doneCalendar  `json:"calendars,omitempty"`
}

func (o *groupOptions) do(ctx context.Context, cfg *config.Config, words []string) error {
	return o.inDirectory(cfg, func(dir *directory.Directory, opt directory.Options) error {
		return o.doIn(ctx, cfg, dir, opt, words)
	})
}

// doIn is do with the directory open.
func (o *groupOptions) doIn(ctx context.Context, cfg *config.Config, dir *directory.Directory, opt directory.Options, words []string) (err error) {
	switch {
	case words[0] == "list" && len(words) == 1:
		return o.list(ctx, dir)
	case words[0] == "recheck" && len(words) == 1:
		return o.recheck(ctx, cfg, "")
	case words[0] == "create":
		return o.create(ctx, cfg, opt, words[1], words[2:])
	}
	id := words[1]
	if o.group.Domain != "" && !strings.Contains(id, "@") {
		id += "@" + o.group.Domain
	}
	p, err := dir.Person(ctx, id)
	if errors.Is(err, calendar.NotFound) || err == nil && p.Kind != calendar.Group {
		return fmt.Errorf("%s is no group of the directory", id)
	}
	if err != nil {
		return err
	}
	switch words[0] {
	case "list":
		return o.show(ctx, dir, p)
	case "recheck":
		return o.recheck(ctx, cfg, p.ID)
	}
	ed, done, err := o.editor(cfg, opt)
	if err != nil {
		return err
	}
	defer done()
	if words[0] == "delete" {
		return o.delete(ctx, cfg, ed, p.ID)
	}
	if err := o.change(ctx, ed, p.ID, words); err != nil {
		return err
	}
	o.recheckQuietly(ctx, cfg, p.ID)
	return nil
}

// editor is that of the directory, and what closes it.
func (o *groupOptions) editor(cfg *config.Config, opt directory.Options) (directory.GroupEditor, func(), error) {
	if opt.LDIF != "" {
		ed, err := directory.NewEditor(opt)
		return ed, func() {}, err
	}
	ed, err := ldapEditor(cfg, opt)
	if err != nil {
		return nil, nil, err
	}
	return ed, func() { ed.Close() }, nil
}

// memberURL makes an LDAP URL of a filter in the domain that entries are in.
func memberURL(base, filter string) string {
	if strings.Contains(filter, "://") {
		return filter
	}
	if !strings.HasPrefix(filter, "(") {
		filter = "(" + filter + ")"
	}
	return "ldap:///" + strings.ReplaceAll(url.PathEscape(base), "%2C", ",") + "??sub?" + strings.ReplaceAll(strings.ReplaceAll(filter, "%", "%25"), "?", "%3F")
}

func (o *groupOptions) create(ctx context.Context, cfg *config.Config, opt directory.Options, id string, members []string) error {
	if user, domain, ok := strings.Cut(id, "@"); ok {
		if user == "" || domain == "" || o.group.Domain != "" && !strings.EqualFold(domain, o.group.Domain) {
			return misuse("%q is no groupid of %s", id, cmp.Or(o.group.Domain, "a domain"))
		}
		id, o.group.Domain = user, domain
	}
	ed, done, err := o.editor(cfg, opt)
	if err != nil {
		return err
	}
	defer done()
	p := o.group
	p.ID, p.Members, p.CoOwners = id, members, strings.Fields(o.coOwners)
	p.Doubles, p.AutoAccept = o.double, o.accept
	if o.filter != "" {
		base, err := o.base(ctx, opt)
		if err != nil {
			return err
		}
		p.MemberURLs = []string{memberURL(base, o.filter)}
	}
	owner, err := ed.CreateGroup(ctx, p)
	if err != nil {
		return o.named(err)
	}
	if p.Owner == "" {
		o.warn("%s has no owner: nobody but the administrator keeps its calendar; \"csgroup -o userid modify %[1]s\" names one", owner)
	}
	o.did(doneGroup{Group: owner, Done: "made", Members: members}, "%s: made", owner)
	return nil
}

// base is the name below which the members of a search are.
func (o *groupOptions) base(ctx context.Context, opt directory.Options) (string, error) {
	dir, err := directory.Open(opt)
	if err != nil {
		return "", err
	}
	defer dir.Close()
	return dir.Base(ctx, o.group.Domain)
}

// named puts the name of what is missing, or taken, before the reason.
func (o *groupOptions) named(err error) error {
	var e *calendar.Error
	if errors.As(err, &e) && e.Msg == "" && e.Kind == calendar.NotFound {
		return fmt.Errorf("%s is not in the directory", e.Ref)
	}
	return err
}

func (o *groupOptions) change(ctx context.Context, ed directory.GroupEditor, id calendar.UserID, words []string) error {
	var c directory.GroupChange
	done := doneGroup{Group: id}
	switch words[0] {
	case "enable", "disable":
		if err := o.turn(ctx, ed, id, words[0] == "enable"); err != nil {
			return err
		}
		o.did(doneGroup{Group: id, Done: words[0] + "d"}, "%s: %sd", id, words[0])
		return nil
	case "add":
		c.Add, done.Done, done.Members = words[2:], "added", words[2:]
	case "remove":
		c.Remove, done.Done, done.Members = words[2:], "removed", words[2:]
	case "modify":
		done.Done = "changed"
		for _, f := range []struct {
			flag string
			from *string
			to   **string
		}{{"name", &o.group.Name, &c.Name}, {"mail", &o.group.Mail, &c.Mail}, {"owner", &o.group.Owner, &c.Owner}, {"timezone", &o.group.TZID, &c.TZID},
			{"acl", &o.group.ACL, &c.ACL}, {"doublebook", &o.double, &c.Doubles}, {"autoaccept", &o.accept, &c.AutoAccept}} {
			if o.IsSet(f.flag) {
				*f.to = f.from
			}
		}
		if o.IsSet("coowners") {
			list := strings.Fields(o.coOwners)
			c.CoOwners = &list
		}
		if o.IsSet("filter") {
			if !strings.Contains(o.filter, "://") {
				return misuse("modify -f wants the whole ldap:/// URL")
			}
			c.MemberURLs = &[]string{o.filter}
		}
		if o.IsSet("host") {
			return misuse("-h: calendars do not move by that: csmove moves them")
		}
	}
	if err := ed.ChangeGroup(ctx, id, c); err != nil {
		return o.named(err)
	}
	what := done.Done
	if len(done.Members) > 0 {
		what = fmt.Sprintf("%s %s", strings.Join(done.Members, " "), done.Done)
	}
	o.did(done, "%s: %s", id, what)
	return nil
}

// turn lets a group be invited, or not.
func (o *groupOptions) turn(ctx context.Context, ed directory.GroupEditor, id calendar.UserID, on bool) error {
	switch ed := ed.(type) {
	case *directory.Editor:
		return ed.SetEnabled(id, on)
	case *directory.LDAPEditor:
		return ed.SetEnabled(ctx, id, on)
	}
	return errors.New("this directory cannot be changed")
}

// delete removes the entry and the group's calendars as csuser does.
func (o *groupOptions) delete(ctx context.Context, cfg *config.Config, ed directory.GroupEditor, id calendar.UserID) error {
	u := &userOptions{tool: o.tool, all: o.all, noCopies: o.noCopies, store: o.store}
	return u.delete(ctx, cfg, "group", id, func() error { return ed.DeleteGroup(ctx, id) })
}

// list shows all groups.
func (o *groupOptions) list(ctx context.Context, dir *directory.Directory) error {
	found, more, err := dir.Search(ctx, calendar.PeopleQuery{Kinds: []calendar.PersonKind{calendar.Group}, All: true, Limit: maxListed})
	if err != nil {
		return err
	}
	list := newArray(o.std.out)
	for _, p := range found {
		if o.group.Domain != "" && !strings.EqualFold(p.Domain, o.group.Domain) {
			continue
		}
		switch {
		case o.json:
			err = list.add(describeGroup(p))
		case o.verbose:
			if p, err = dir.Person(ctx, p.ID); err == nil {
				err = o.show(ctx, dir, p)
			}
		case !o.quiet:
			_, err = fmt.Fprintf(o.std.out, "%s\t%s\t%s\t%s\n", p.ID, plain.Text(p.Name), p.Mail(), activeWord(p.Active))
		}
		if err != nil {
			return err
		}
	}
	if o.json {
		err = list.end()
	}
	if more {
		o.complain("there are more; -d or a groupid narrows the list")
	}
	return err
}

// groupInfo is a group, for programs.
type groupInfo struct {
	Group      string   `json:"group"`
	Name       string   `json:"name"`
	Mails      []string `json:"mails,omitempty"`
	Enabled    bool     `json:"enabled"`
	Owner      string   `json:"owner,omitempty"`
	CoOwners   []string `json:"co_owners,omitempty"`
	Domain     string   `json:"domain,omitempty"`
	Host       string   `json:"back_end,omitempty"`
	TZID       string   `json:"time_zone,omitempty"`
	DoubleBook bool     `json:"double_booking"`
	AutoAccept bool     `json:"auto_accept"`
	Members    []string `json:"members,omitempty"`     // ids, and addresses of who is elsewhere
	All        []string `json:"all_members,omitempty"` // with those of the groups among them
}

func describeGroup(p calendar.Person) groupInfo {
	return groupInfo{Group: p.ID, Name: p.Name, Mails: p.Mails, Enabled: p.Active, Owner: p.Owner, CoOwners: p.CoOwners, Domain: p.Domain,
		Host: p.Host, TZID: p.TZID, DoubleBook: !p.NoDoubles, AutoAccept: p.AutoReply}
}

// show prints a group with its members.
func (o *groupOptions) show(ctx context.Context, dir *directory.Directory, p calendar.Person) error {
	info := describeGroup(p)
	for _, m := range []struct {
		deep bool
		to   *[]string
	}{{false, &info.Members}, {true, &info.All}} {
		found, more, err := dir.Members(ctx, p.ID, m.deep, 0)
		if err != nil {
			return err
		}
		for _, who := range found {
			*m.to = append(*m.to, cmp.Or(who.ID, who.Mail()))
		}
		if more {
			o.warn("%s has more members than are shown", p.ID)
		}
	}
	if o.json {
		return o.print(info)
	}
	if o.quiet {
		return nil
	}
	yes := map[bool]string{true: "yes", false: "no"}
	fmt.Fprintf(o.std.out, "%s\n", p.ID)
	for _, row := range [][2]string{
		{"name", p.Name}, {"mail", strings.Join(p.Mails, " ")}, {"status", activeWord(p.Active)}, {"owner", p.Owner},
		{"co-owners", strings.Join(p.CoOwners, " ")}, {"domain", p.Domain}, {"back end", p.Host}, {"time zone", p.TZID},
		{"overlaps", yes[!p.NoDoubles]}, {"accepts", yes[p.AutoReply]}, {"members", strings.Join(info.Members, " ")},
	} {
		fmt.Fprintf(o.std.out, "  %-10s %s\n", row[0], plain.Text(row[1]))
	}
	if len(info.All) > len(info.Members) {
		fmt.Fprintf(o.std.out, "  %-10s %s\n", "in all", plain.Text(strings.Join(info.All, " ")))
	}
	_, err := fmt.Fprintln(o.std.out)
	return err
}
