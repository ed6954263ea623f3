package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/directory"
)

// list shows everybody with an entry.
func (o *userOptions) list(ctx context.Context, dir *directory.Directory) error {
	found, more, err := dir.Search(ctx, calendar.PeopleQuery{Kinds: []calendar.PersonKind{calendar.Individual}, All: true, Limit: maxListed})
	if err != nil {
		return err
	}
	found = slices.DeleteFunc(found, func(p calendar.Person) bool {
		return o.newUser.Host != "" && !strings.EqualFold(p.Host, o.newUser.Host) || o.domain != "" && !strings.EqualFold(p.Domain, o.domain)
	})
	err = o.listPeople(found, func(p calendar.Person) any { return describeUser(p) }, o.show)
	if more {
		o.complain("there are more; -d or a userid narrows the list")
	}
	return err
}

// listPeople prints entries of the directory: described as JSON, shown in full, or
// in a line each.
func (t *tool) listPeople(found []calendar.Person, describe func(calendar.Person) any, show func(calendar.Person) error) (err error) {
	list := newArray(t.std.out)
	for _, p := range found {
		switch {
		case t.json:
			err = list.add(describe(p))
		case t.verbose:
			err = show(p)
		case !t.quiet:
			_, err = fmt.Fprintf(t.std.out, "%s\t%s\t%s\t%s\n", p.ID, plain.Text(p.Name), p.Mail(), activeWord(p.Active))
		}
		if err != nil {
			return err
		}
	}
	if t.json {
		return list.end()
	}
	return nil
}

func activeWord(active bool) string {
	if active {
		return "enabled"
	}
	return "disabled"
}

// userInfo is a person, for programs.
type userInfo struct {
	User     string   `json:"user"`
	Name     string   `json:"name"`
	Mails    []string `json:"mails,omitempty"`
	Kind     string   `json:"kind"`
	Enabled  bool     `json:"enabled"`
	Domain   string   `json:"domain,omitempty"`
	Host     string   `json:"back_end,omitempty"`
	TZID     string   `json:"time_zone,omitempty"`
	Language string   `json:"language,omitempty"`
	Groups   []string `json:"groups,omitempty"`
}

func describeUser(p calendar.Person) userInfo {
	return userInfo{p.ID, p.Name, p.Mails, strings.ToLower(string(p.Kind)), p.Active, p.Domain, p.Host, p.TZID, p.Language, p.Groups}
}

// show prints a person.
func (o *userOptions) show(p calendar.Person) error {
	if o.json {
		return o.print(describeUser(p))
	}
	if o.quiet {
		return nil
	}
	row := func(name, value string) { fmt.Fprintf(o.std.out, "  %-10s %s\n", name, plain.Text(value)) }
	fmt.Fprintf(o.std.out, "%s\n", p.ID)
	row("name", p.Name)
	row("mail", strings.Join(p.Mails, " "))
	row("kind", strings.ToLower(string(p.Kind)))
	row("status", activeWord(p.Active))
	row("domain", p.Domain)
	row("back end", p.Host)
	row("time zone", p.TZID)
	row("language", p.Language)
	row("groups", strings.Join(p.Groups, " "))
	_, err := fmt.Fprintln(o.std.out)
	return err
}
