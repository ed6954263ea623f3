package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"factotum/server/config"
)

func init() {
	register("csplugin", "tell what does the work of each of Sun's plug-ins", runCsplugin)
}

const cspluginUsage = `csplugin tells what does the work of Sun's plug-ins: this server loads none.

  csplugin [-q|-v] [-t ac|attr|auth|locate|lookup|xlate] list
  csplugin version

  -t type        only this type
  -v             list: with the parameters of ics.conf that say how it is done
  -r             Sun's, and refused
  -j, --json     print JSON
  -C file        the ics.conf to use

activate and deactivate are refused with what to set instead.

  csplugin -v list
`

// plugin is a type of Sun's plug-ins, and what does its work. admin.md §8.10.
type plugin struct {
	kind, what, by string
	params         []string
	set            func(*config.Config) string // how it is done here
}

var plugins = []plugin{
	{"ac", "access control", "the lists of rights of calendars (cscal -a), and those of new ones", []string{"calstore.calendar.default.acl", "calstore.calendar.owner.acl"},
		func(*config.Config) string { return "lists of rights" }},
	{"attr", "attributes of users", "the directory, and the preferences in the calendar store (csuser prefs)", []string{"factotum.directory.type"},
		func(c *config.Config) string { return directoryWord(c) }},
	{"auth", "log-in", "the directory's passwords, and app passwords (csuser app-password)", []string{"factotum.directory.type", "factotum.apppasswords"},
		func(c *config.Config) string { return directoryWord(c) }},
	{"locate", "the calid of an address", "the directory: mail addresses and ids of people, groups and resources", []string{"factotum.directory.type"},
		func(c *config.Config) string { return directoryWord(c) }},
	{"lookup", "the back end of a calendar", "the calendar lookup database: icsDWPHost of entries, of domains, or one back end", []string{"csapi.plugin.calendarlookup", "caldb.cld.type", "caldb.dwp.server.default"},
		func(c *config.Config) string {
			if !c.CLD.Plugin {
				return "off: all calendars are here"
			}
			return c.CLD.Type
		}},
	{"xlate", "data translation", "iCalendar, XML and JSON are built in: a client says fmt-out (docs/wcap.md)", nil,
		func(*config.Config) string { return "built in" }},
}

func directoryWord(c *config.Config) string {
	if c.Directory.Type == "ldif" {
		return "the file " + c.Directory.LDIF
	}
	return "LDAP at " + strings.Join(c.LDAP.UserGroup.Hosts, " ")
}

// pluginInfo is one of them, for programs.
type pluginInfo struct {
	Type       string   `json:"type"`
	What       string   `json:"what"`
	Instead    string   `json:"instead"`
	Now        string   `json:"now"`
	Parameters []string `json:"parameters,omitempty"`
}

func runCsplugin(ctx context.Context, args []string, std stdio) int {
	t := newTool("csplugin", cspluginUsage, std)
	var kind string
	var remove bool
	t.FlagLong(&kind, "type", 't')
	t.FlagLong(&remove, "remove", 'r')
	return t.run(ctx, args, func(_ context.Context, words []string) error {
		var types []string
		for _, p := range plugins {
			types = append(types, p.kind)
		}
		if kind = strings.ToLower(kind); kind != "" && !slices.Contains(types, kind) {
			return misuse("-t is one of %s, not %q", strings.Join(types, ", "), kind)
		}
		at := slices.IndexFunc(plugins, func(p plugin) bool { return p.kind == kind })
		switch words[0] {
		case "list":
			if len(words) > 1 || remove {
				return misuse("list takes no plug-in and no -r")
			}
		case "activate", "deactivate":
			if len(words) != 2 || at < 0 {
				return misuse("%s -t type plug-in", words[0])
			}
			text := "there are no plug-ins: the work of " + words[1] + " (" + plugins[at].what + ") is done by " + plugins[at].by
			if len(plugins[at].params) > 0 {
				text += ", set in ics.conf by " + strings.Join(plugins[at].params, ", ")
			}
			return fmt.Errorf("%s", text)
		default:
			return misuse("%q is not a command of csplugin", words[0])
		}
		cfg, err := t.load()
		if err != nil {
			return err
		}
		list := newArray(std.out)
		for _, p := range plugins {
			if kind != "" && p.kind != kind {
				continue
			}
			info := pluginInfo{p.kind, p.what, p.by, p.set(cfg), p.params}
			switch {
			case t.json:
				err = list.add(info)
			case t.verbose:
				_, err = fmt.Fprintf(std.out, "%s\n  %-10s %s\n  %-10s %s\n  %-10s %s\n  %-10s %s\n\n", info.Type, "for", info.What, "instead", info.Instead, "now", info.Now,
					"set by", cmp.Or(strings.Join(info.Parameters, " "), "nothing"))
			case !t.quiet:
				_, err = fmt.Fprintf(std.out, "%s\t%s\t%s\n", info.Type, info.What, info.Now)
			}
			if err != nil {
				return err
			}
		}
		if t.json {
			return list.end()
		}
		return nil
	})
}
