package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

func init() {
	register("csdomain", "make, list, change and delete hosted domains", runCsdomain)
}

const csdomainUsage = `csdomain manages hosted domains and their preferences.

  csdomain [-q|-v] [-n node]                      create domain
  csdomain [-q|-v] {-a property=value   | -f file} add    domain
  csdomain [-q|-v] [-a property[=value] | -f file] delete domain
  csdomain [-q|-v]                                 list   [domain]
  csdomain version

  -n node        create: the name of its entry below service.schema2root, the domain's
                 without it; with schema 1 the node of its people, such as o=node1,o=sesta
  -a property    a preference of the domain, by its name in Sun's tables, and its value
  -f file        a file with property="value" in each line
  -j, --json     print JSON
  -q, --yes      do not ask, and print errors only
  -C file        the ics.conf to use

The commands:
  create         make the entry, and those that people, groups and resources stand below
  add            set preferences; a value that is there is replaced
  delete         take preferences away, or with neither -a nor -f the domain with all of
                 its entries. Calendars stay: "csclean clean domain" removes them
  list           show a domain with its preferences, or all domains

csdomain says which of the preferences have no effect in this server. Servers see a change
within a minute. Where people are kept in LDAP, local.enduseradmindn must be allowed to
write there.

  csdomain -n sesta create sesta.com
  csdomain -a timezone=America/New_York add sesta.com
  csdomain -a allowCalendarCreation=no add sesta.com
  csdomain -f prefs.txt add sesta.com
  csdomain list sesta.com
`

// domainOptions are what csdomain was told.
type domainOptions struct {
	*tool
	node, property, file string

	set []propertyValue
}

type propertyValue struct {
	*domainProperty
	value string
}

func runCsdomain(ctx context.Context, args []string, std stdio) int {
	o := newDomainOptions(std)
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		if err := o.check(words); err != nil {
			return err
		}
		cfg, err := o.load()
		if err != nil {
			return err
		}
		if err = o.do(ctx, cfg, words); err == nil && words[0] != "list" {
			detail := words[0]
			for _, p := range o.set {
				detail += " " + p.name
			}
			o.audited(cfg, audit.Domain, words[1], detail)
		}
		return err
	})
}

func newDomainOptions(std stdio) *domainOptions {
	o := &domainOptions{tool: newTool("csdomain", csdomainUsage, std)}
	o.FlagLong(&o.node, "node", 'n')
	o.FlagLong(&o.property, "property", 'a')
	o.FlagLong(&o.file, "file", 'f')
	return o
}

// check refuses wrong calls before anything is opened, and reads what is to be set.
func (o *domainOptions) check(words []string) error {
	command := words[0]
	switch {
	case !slices.Contains([]string{"create", "add", "delete", "list"}, command):
		return misuse("%q is not a command of csdomain", command)
	case len(words) == 1 && command != "list":
		return misuse("%s which domain?", command)
	case len(words) > 2:
		return misuse("csdomain takes one domain")
	case o.node != "" && command != "create":
		return misuse("-n belongs to create")
	case (o.property != "" || o.file != "") && command != "add" && command != "delete":
		return misuse("-a and -f belong to add and delete")
	case o.property != "" && o.file != "":
		return misuse("-a and -f exclude each other")
	case command == "add" && o.property == "" && o.file == "":
		return misuse("add what? -a property=value, or -f file")
	}
	if o.property != "" {
		return o.read(o.property, command == "delete", "-a")
	}
	if o.file == "" {
		return nil
	}
	in := o.std.in
	if o.file != "-" {
		f, err := os.Open(o.file)
		if err != nil {
			return fmt.Errorf("read the properties: %w", err)
		}
		defer f.Close()
		in = f
	}
	lines := bufio.NewScanner(in)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "!") {
			continue
		}
		if err := o.read(line, command == "delete", fmt.Sprintf("%s:%d", o.file, n)); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the properties: %w", err)
	}
	if len(o.set) == 0 {
		return misuse("%s has no properties", o.file)
	}
	return nil
}

// read takes one property="value".
func (o *domainOptions) read(text string, remove bool, where string) error {
	name, value, has := strings.Cut(text, "=")
	if value = strings.TrimSpace(value); len(value) > 1 && value[0] == '"' && value[len(value)-1] == '"' {
		value = value[1 : len(value)-1]
	}
	p, err := findProperty(strings.TrimSpace(name))
	if err != nil {
		return misuse("%s: %v", where, err)
	}
	if !remove && (!has || value == "") {
		return misuse("%s: %s has no value", where, p.name)
	}
	if p.check != nil && !remove {
		if err := p.check(value); err != nil {
			return misuse("%s: %s: %v", where, p.name, err)
		}
	}
	o.set = append(o.set, propertyValue{p, value})
	return nil
}

func (o *domainOptions) do(ctx context.Context, cfg *config.Config, words []string) error {
	return o.inDirectory(cfg, func(dir *directory.Directory, opt directory.Options) error {
		return o.doIn(ctx, cfg, dir, opt, words)
	})
}

// doIn is do with the directory open.
func (o *domainOptions) doIn(ctx context.Context, cfg *config.Config, dir *directory.Directory, opt directory.Options, words []string) (err error) {
	if words[0] == "list" {
		return o.list(ctx, cfg, dir, words[1:])
	}
	ed, err := entryEditor(cfg, opt)
	if err != nil {
		return err
	}
	defer ed.Close()
	name := strings.ToLower(words[1])
	switch {
	case words[0] == "create":
		if err := ed.CreateDomain(ctx, directory.NewDomain{Name: name, Node: o.node}); err != nil {
			return err
		}
		o.told(name, "made")
	case words[0] == "delete" && len(o.set) == 0:
		return o.delete(ctx, cfg, dir, ed, name)
	default:
		if err := o.checkAdmin(ctx, dir, name, words[0]); err != nil {
			return err
		}
		if err := ed.EditDomain(ctx, name, func(has func(string) []string) ([]directory.Change, error) {
			return o.changes(words[0] == "delete", has)
		}); err != nil {
			return err
		}
		for _, p := range o.set {
			if !p.obeyed && words[0] == "add" {
				o.warn("%s is kept in the entry, and has no effect in this server", p.name)
			}
		}
		o.told(name, "changed")
	}
	return nil
}

// checkAdmin refuses an administrator who is nobody of the domain.
func (o *domainOptions) checkAdmin(ctx context.Context, dir *directory.Directory, name, command string) error {
	for _, p := range o.set {
		if p.name != "calmasterUid" || command != "add" {
			continue
		}
		dom, err := dir.Domain(ctx, name)
		if err != nil {
			return err
		}
		if _, of, has := strings.Cut(strings.ToLower(p.value), "@"); has && of != dom.Name && !slices.Contains(dom.Names, of) {
			return fmt.Errorf("%s is nobody of %s: its administrator is one of its own people", p.value, name)
		}
	}
	return nil
}

func (o *domainOptions) told(name, what string) {
	o.did(map[string]string{"domain": name, "done": what}, "%s: %s", name, what)
}

// changes are those of the attributes, each once.
func (o *domainOptions) changes(remove bool, has func(string) []string) (list []directory.Change, err error) {
	now := func(attr string) []string {
		for _, c := range list {
			if strings.EqualFold(c.Attr, attr) {
				return c.Values
			}
		}
		return has(attr)
	}
	for _, p := range o.set {
		c, err := p.change(p.value, remove, now)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(list, func(o directory.Change) bool { return strings.EqualFold(o.Attr, c.Attr) }); i >= 0 {
			list[i] = c
		} else {
			list = append(list, c)
		}
	}
	return list, nil
}

// delete removes a domain with its entries.
func (o *domainOptions) delete(ctx context.Context, cfg *config.Config, dir *directory.Directory, ed entryEditing, name string) error {
	dom, err := dir.Domain(ctx, name)
	if err != nil {
		return err
	}
	if def := strings.ToLower(cfg.Domain.Default); dom.Name == def || slices.Contains(dom.Names, def) {
		return fmt.Errorf("%s is the default domain: name another one in service.defaultdomain first", name)
	}
	found, more, err := dir.Search(ctx, calendar.PeopleQuery{All: true, Limit: maxListed})
	if err != nil {
		return err
	}
	n := 0
	for _, p := range found {
		if p.Domain == dom.Name {
			n++
		}
	}
	count := fmt.Sprint(n)
	if more {
		count = "at least " + count
	}
	if err := o.confirm(ctx, "Delete the domain %s with all entries below %s, %s %s, groups and resources among them?", dom.Name, dom.Base, count, plain.Plural(n, "person", "people")); err != nil {
		return err
	}
	entries, err := ed.DeleteDomain(ctx, name)
	if err != nil {
		if entries > 0 {
			err = errors.Join(err, fmt.Errorf("%d entries are deleted already", entries))
		}
		return err
	}
	o.did(map[string]any{"domain": dom.Name, "done": "deleted", "entries": entries}, "%s: deleted, %d entries", dom.Name, entries)
	if n > 0 {
		o.say("their calendars are kept: \"csclean clean %s\" removes them", dom.Name)
	}
	return nil
}

// domainInfo is a domain, for programs.
type domainInfo struct {
	Domain     string            `json:"domain"`
	Names      []string          `json:"other_names,omitempty"`
	DN         string            `json:"dn"`
	Base       string            `json:"base"`
	Enabled    bool              `json:"enabled"`
	Default    bool              `json:"default"`
	Properties map[string]string `json:"properties,omitempty"`
}

func (o *domainOptions) list(ctx context.Context, cfg *config.Config, dir *directory.Directory, words []string) error {
	all, err := dir.Domains(ctx)
	if err != nil {
		return err
	}
	if len(words) == 1 {
		one, err := dir.Domain(ctx, words[0])
		if err != nil {
			return err
		}
		all = []directory.Domain{one}
	}
	out := newArray(o.std.out)
	for _, d := range all {
		if (o.verbose || o.json) && len(words) == 0 {
			if d, err = dir.Domain(ctx, d.Name); err != nil {
				return err
			}
		}
		info := domainInfo{Domain: d.Name, Names: d.Names, DN: d.DN, Base: d.Base, Enabled: d.Active, Properties: map[string]string{},
			Default: strings.EqualFold(cfg.Domain.Default, d.Name)}
		has := func(attr string) []string {
			for _, a := range d.Attributes {
				if strings.EqualFold(a.Name, attr) {
					return a.Values
				}
			}
			return nil
		}
		for _, p := range domainProperties {
			if v := p.of(has); v != "" {
				info.Properties[p.name] = v
			}
		}
		switch {
		case o.json && len(words) == 1:
			return o.print(info)
		case o.json:
			err = out.add(info)
		default:
			err = o.show(info, len(words) == 1 || o.verbose)
		}
		if err != nil {
			return err
		}
	}
	if o.json {
		return out.end()
	}
	return nil
}

// show prints a domain: a line, or all that is known.
func (o *domainOptions) show(i domainInfo, full bool) error {
	if o.quiet {
		return nil
	}
	word := activeWord(i.Enabled)
	if i.Default {
		word += ", default"
	}
	if !full {
		_, err := fmt.Fprintf(o.std.out, "%s\t%s\t%s\n", i.Domain, word, i.DN)
		return err
	}
	fmt.Fprintf(o.std.out, "%s\n", i.Domain)
	row := func(name, value string) { fmt.Fprintf(o.std.out, "  %-28s %s\n", name, plain.Text(value)) }
	row("status", word)
	row("other names", strings.Join(i.Names, " "))
	row("entry", i.DN)
	row("people below", i.Base)
	for _, p := range domainProperties {
		if v, ok := i.Properties[p.name]; ok {
			if !p.obeyed {
				v += "  (no effect in this server)"
			}
			row(p.name, v)
		}
	}
	_, err := fmt.Fprintln(o.std.out)
	return err
}
