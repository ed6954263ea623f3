package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

func init() {
	register("csattribute", "add, delete and list attributes of users, groups and resources", runCsattribute)
}

const csattributeUsage = `csattribute adds, deletes and lists attributes of entries of the directory.

  csattribute [-q|-v] -a attribute=value   [-t user|resource|group] [-d domain] add    target
  csattribute [-q|-v] -a attribute[=value] [-t user|resource|group] [-d domain] delete target
  csattribute [-q|-v]                      [-t user|resource|group] [-d domain] list   target
  csattribute version

  -a attribute=value   add: a value more; delete: that value, without one all values
  -t user|resource|group   what the target is, user without it
  -d domain            domain of the target, without it service.defaultdomain
  -j, --json           print JSON
  -q, --yes            do not ask, and print errors only
  -C file              the ics.conf to use

An attribute that has one value (icsStatus, icsTimezone) has to be deleted before it gets
another one. Ids and passwords are not changed: "csuser password" sets those. icsDWPHost
does not move calendars to another back end: csmove does, and changes it. Where people are kept in LDAP,
local.enduseradmindn must be allowed to write there, and servers see the change when
their memory of an entry ends (local.ldap.cache.entryttl).

  csattribute -t user -d sesta.com list tchang
  csattribute -a icsCalendar=Conference_Schedule add tchang@sesta.com
  csattribute -a icsCalendar=Conference_Schedule -t user -d sesta.com delete tchang
`

// attributeOptions are what csattribute was told.
type attributeOptions struct {
	*tool
	attribute, kind, domain string

	edit directory.AttributeEdit
}

// entryEditing changes the file of people, or LDAP.
type entryEditing interface {
	EditAttribute(ctx context.Context, id string, a directory.AttributeEdit) error
	ChangeAttributes(ctx context.Context, id string, changes []directory.Change) error
	CreateDomain(ctx context.Context, n directory.NewDomain) error
	EditDomain(ctx context.Context, name string, f func(has func(attr string) []string) ([]directory.Change, error)) error
	DeleteDomain(ctx context.Context, name string) (n int, err error)
	ChangeIDs(ctx context.Context, c directory.IDChange) ([]directory.ChangedEntry, error)
	Close() error
}

// entryEditor opens whichever the configuration names.
func entryEditor(cfg *config.Config, opt directory.Options) (entryEditing, error) {
	if opt.LDIF != "" {
		return directory.NewEditor(opt)
	}
	return ldapEditor(cfg, opt)
}

func runCsattribute(ctx context.Context, args []string, std stdio) int {
	o := newAttributeOptions(std)
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		if err := o.check(words); err != nil {
			return err
		}
		cfg, err := o.load()
		if err != nil {
			return err
		}
		if err = o.do(ctx, cfg, words[0], words[1]); err == nil && words[0] != "list" {
			o.audited(cfg, audit.Account, words[1], words[0]+" "+o.edit.Attr)
		}
		return err
	})
}

func newAttributeOptions(std stdio) *attributeOptions {
	o := &attributeOptions{tool: newTool("csattribute", csattributeUsage, std), kind: "user"}
	o.FlagLong(&o.attribute, "attribute", 'a')
	o.FlagLong(&o.kind, "type", 't')
	o.FlagLong(&o.domain, "domain", 'd')
	return o
}

// attributeKinds are the targets by the words of -t.
var attributeKinds = map[string][]calendar.PersonKind{
	"user": {calendar.Individual}, "resource": {calendar.Resource, calendar.Room}, "group": {calendar.Group},
}

// check refuses wrong calls before anything is opened.
func (o *attributeOptions) check(words []string) error {
	command := words[0]
	name, value, has := strings.Cut(o.attribute, "=")
	o.edit = directory.AttributeEdit{Attr: strings.TrimSpace(name), Value: value, Remove: command == "delete"}
	switch {
	case !slices.Contains([]string{"add", "delete", "list"}, command):
		return misuse("%q is not a command of csattribute", command)
	case len(words) == 1:
		return misuse("%s attributes of whom?", command)
	case len(words) > 2:
		return misuse("csattribute takes one target")
	case attributeKinds[o.kind] == nil:
		return misuse("-t is user, resource or group, not %q", o.kind)
	case command == "list" && o.attribute != "":
		return misuse("-a belongs to add and delete")
	case command != "list" && o.edit.Attr == "":
		return misuse("-a is needed: attribute=value")
	case command == "add" && (!has || value == ""):
		return misuse("-a is attribute=value: %q has no value", o.attribute)
	case command == "delete" && has && value == "":
		return misuse("-a %s deletes all values, -a %[1]s=value one of them", o.edit.Attr)
	}
	return nil
}

func (o *attributeOptions) do(ctx context.Context, cfg *config.Config, command, target string) error {
	return o.inDirectory(cfg, func(dir *directory.Directory, opt directory.Options) error {
		return o.doIn(ctx, cfg, dir, opt, command, target)
	})
}

// doIn is do with the directory open.
func (o *attributeOptions) doIn(ctx context.Context, cfg *config.Config, dir *directory.Directory, opt directory.Options, command, target string) (err error) {
	id := target
	if o.domain != "" {
		if user, domain, ok := strings.Cut(target, "@"); ok && !strings.EqualFold(domain, o.domain) {
			return misuse("%s is not in the domain %s", target, o.domain)
		} else if !ok {
			id = user + "@" + o.domain
		}
		if _, err := dir.Base(ctx, o.domain); err != nil {
			return err
		}
	}
	p, err := dir.Person(ctx, id)
	if errors.Is(err, calendar.NotFound) {
		return fmt.Errorf("%s is not in the directory", id)
	} else if err != nil {
		return err
	}
	if !slices.Contains(attributeKinds[o.kind], p.Kind) {
		word := "user"
		for w, kinds := range attributeKinds {
			if slices.Contains(kinds, p.Kind) {
				word = w
			}
		}
		return fmt.Errorf("%s is a %s: -t %[2]s", p.ID, word)
	}
	if command == "list" {
		return o.list(ctx, dir, p)
	}
	if err := o.judge(p); err != nil {
		return err
	}
	ed, err := entryEditor(cfg, opt)
	if err != nil {
		return err
	}
	defer ed.Close()
	if o.edit.Remove && o.edit.Value == "" {
		if err := o.confirm(ctx, "Delete all values of %s of %s?", o.edit.Attr, p.ID); err != nil {
			return err
		}
	}
	if err := ed.EditAttribute(ctx, p.ID, o.edit); err != nil {
		return err
	}
	forget(ctx, cfg, p.ID, true)
	done := map[string]string{"add": "added", "delete": "deleted"}[command]
	o.did(map[string]any{"target": p.ID, "attribute": o.edit.Attr, "value": o.edit.Value, "done": done}, "%s: %s %s", p.ID, o.edit.Attr, done)
	return nil
}

// judge refuses values that the server could not read.
func (o *attributeOptions) judge(p calendar.Person) error {
	switch name := strings.ToLower(o.edit.Attr); {
	case o.edit.Remove:
	case name == "icstimezone":
		if err := checkZone(o.edit.Value); err != nil {
			return err
		}
	case name == "icsstatus" || name == "inetuserstatus":
		if !slices.Contains([]string{"active", "inactive", "deleted", "removed"}, strings.ToLower(o.edit.Value)) {
			return fmt.Errorf("%s is active, inactive, deleted or removed, not %q", o.edit.Attr, o.edit.Value)
		}
	case name == "icsdwphost":
		o.warn("the calendars of %s are not moved to %s", p.ID, o.edit.Value)
	}
	return nil
}

// attributeList is what csattribute list and csdomain list print.
type attributeList struct {
	Target     string              `json:"target"`
	Attributes map[string][]string `json:"attributes"`
}

func (o *attributeOptions) list(ctx context.Context, dir *directory.Directory, p calendar.Person) error {
	list, err := dir.Attributes(ctx, p.ID)
	if err != nil {
		return err
	}
	return o.showAttributes(p.ID, list)
}

// showAttributes prints those of an entry.
func (t *tool) showAttributes(target string, list []directory.Attribute) error {
	if t.json {
		out := attributeList{target, map[string][]string{}}
		for _, a := range list {
			out.Attributes[a.Name] = a.Values
		}
		return t.print(out)
	}
	if t.quiet {
		return nil
	}
	for _, a := range list {
		for _, v := range a.Values {
			if _, err := fmt.Fprintf(t.std.out, "%s: %s\n", a.Name, plain.Text(v)); err != nil {
				return err
			}
		}
	}
	return nil
}
