package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"factotum/cmd/internal/exporter"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
)

// delete removes the entry of a user or group, by remove, what opens it, and the
// default calendar. The
// store is opened first: without it nothing is done. Nor is it before what is
// to be deleted is in files.
func (o *userOptions) delete(ctx context.Context, cfg *config.Config, kind, id string, remove func() error) error {
	owner := calendar.Owner(strings.ToLower(id))
	if cfg.CLD.Type == "directory" {
		people, err := o.people(cfg)
		if err != nil {
			return err
		}
		err = servedHere(ctx, cfg, people, owner)
		people.Close()
		if err != nil {
			return err
		}
	}
	be, err := o.store(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: owner, Counts: true})
	if err != nil && !errors.Is(err, calendar.NoCalendar) {
		return err
	}
	var gone, stay []calendar.Calendar
	var what []string
	for _, c := range home.Calendars {
		if o.all || c.ID.Name() == calendar.DefaultName {
			gone = append(gone, c)
			what = append(what, fmt.Sprintf("%s (%d %s)", c.ID, c.Count, plain.Plural(int(c.Count), "object", "objects")))
		} else {
			stay = append(stay, c)
		}
	}
	question := "There are no calendars."
	if len(what) > 0 {
		question = "With it these calendars: " + strings.Join(what, ", ") + "."
	}
	if err := o.confirm(ctx, "Delete the %s %s? %s", kind, id, question); err != nil {
		return err
	}
	saved := ""
	if !o.noCopies {
		if saved, err = saveCopies(ctx, cfg, be, owner, gone); err != nil {
			return fmt.Errorf("nothing was deleted, since no copies could be written (--no-copies does it without): %s", plain.Error(err))
		}
	}
	if err := remove(); err != nil {
		return err
	}
	apps, err := openAppPasswords(cfg)
	if err != nil {
		return err
	}
	if apps != nil {
		defer apps.Close()
		if err := apps.RevokeAll(id); err != nil {
			return err
		}
	}
	done := doneUser{User: id, Done: "deleted"}
	o.say("%s: deleted", id)
	for _, c := range gone {
		if err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: c.ID}); err != nil && !errors.Is(err, calendar.NoCalendar) {
			return err
		}
		done.Calendars = append(done.Calendars, doneCalendar{c.ID, "deleted"})
		if c.ID.Name() != calendar.DefaultName {
			o.say("%s: deleted", c.ID)
		}
	}
	if saved != "" {
		o.say("what was in the calendars is in %s", saved)
	}
	for _, c := range stay {
		o.say("%s stays", c.ID)
		done.Calendars = append(done.Calendars, doneCalendar{c.ID, "kept"})
	}
	if n := len(stay); n > 0 {
		o.say("%d other %s; \"cscal -o %s delete\" removes them, before another %[3]s gets them", n, plain.Plural(n, "calendar stays", "calendars stay"), id)
	}
	if o.json {
		o.done = append(o.done, struct {
			doneUser
			Copies string `json:"copies,omitempty"`
		}{done, saved})
	}
	return nil
}

// saveCopies writes what is in calendars below the data directory, and names
// where; "" if there is nothing in them.
func saveCopies(ctx context.Context, cfg *config.Config, be *backend, owner calendar.Owner, cals []calendar.Calendar) (string, error) {
	dir := filepath.Join(cfg.Data, "deleted", strings.ReplaceAll(string(owner), "/", "-")+"-"+time.Now().UTC().Format("20060102T150405Z"))
	found := ""
	for _, c := range cals {
		if c.Count == 0 {
			continue
		}
		var bad error
		e := &exporter.Export{Store: be, Who: be.who, Calendar: c.ID, Bad: func(err error) { bad = err }}
		_, err := e.Folder(ctx, filepath.Join(dir, strings.ReplaceAll(c.ID.Name(), "/", "-")))
		if err = errors.Join(err, bad); err != nil {
			return "", err
		}
		found = dir
	}
	return found, nil
}
