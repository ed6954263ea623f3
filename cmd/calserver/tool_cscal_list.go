package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/directory"
	"factotum/server/match"
)

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
