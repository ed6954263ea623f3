package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

func init() {
	register("csclean", "remove what people left who are not in the directory any more", runCsclean)
}

const cscleanUsage = `csclean removes the calendars of users, groups and resources that the directory marks as
deleted (icsStatus or inetUserStatus "deleted", or that of their domain), or has no more.

  csclean [-q|-v] [-g graceperiod] [--no-copies] [--dry-run] clean domain|"*"
  csclean version

  domain          that domain alone; "*" is all domains
  -g graceperiod  days for which they must have been gone, 10 without it; 0 is now
  --no-copies     do not write what is deleted to files first
  --dry-run       say what would be done, and note who is gone
  -v              tell of those who are gone and whose time has not come, too
  -j, --json      print JSON
  -q, --yes       do not ask, and print errors only
  -C file         the ics.conf to use

The time runs from when the entry was marked, where the directory tells when it was last
changed, else from when a csclean first found that it is gone: run it every day. App
passwords go too. What is deleted is written to files first, and "cscal undelete" brings
it back for factotum.history.days. An entry that is marked gets the mark "removed", where
csclean may write there. It is about the calendars of this host.

  csclean -g 5 clean sesta.com
  csclean clean "*"
`

// cleanOptions are what csclean was told.
type cleanOptions struct {
	*tool
	grace         int
	noCopies, dry bool

	domain string // "" is all
	now    func() time.Time
	mark   func(ctx context.Context, id string) error // its entry as cleaned
}

func runCsclean(ctx context.Context, args []string, std stdio) int {
	return csclean(ctx, args, std, time.Now, (*tool).openAnyway)
}

// csclean is runCsclean on what open gives.
func csclean(ctx context.Context, args []string, std stdio, now func() time.Time, open func(*tool, context.Context) (*backend, error)) int {
	o := &cleanOptions{tool: newTool("csclean", cscleanUsage, std), grace: 10, now: now}
	o.FlagLong(&o.grace, "grace", 'g')
	o.FlagLong(&o.noCopies, "no-copies", 0)
	o.FlagLong(&o.dry, "dry-run", 0)
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		switch {
		case words[0] != "clean":
			return misuse("%q is not a command of csclean", words[0])
		case len(words) == 1:
			return misuse("clean which domain? \"*\" is all")
		case len(words) > 2:
			return misuse("csclean takes one domain: put * in quotes")
		case o.grace < 0:
			return misuse("-g is a number of days, 0 or more")
		}
		if words[1] != "*" {
			if o.domain = strings.ToLower(words[1]); directory.CheckDomain(o.domain) != nil {
				return misuse("%q is no domain", words[1])
			}
		}
		be, err := open(o.tool, ctx)
		if err != nil {
			return err
		}
		defer be.close()
		people, opt, err := o.directory(be.cfg)
		if err != nil {
			return err
		}
		defer people.Close()
		o.mark = marker(be.cfg, opt)
		return o.clean(ctx, be, people)
	})
}

// leaver is somebody who is gone.
type leaver struct {
	Owner calendar.Owner `json:"owner"`
	Why   string         `json:"why"`   // deleted (marked), missing
	Since time.Time      `json:"since"` // as far as is known
	Until time.Time      `json:"until"` // his calendars stay
	Done  string         `json:"done"`  // deleted, kept; with --dry-run also "would be deleted"

	Calendars []calendar.ID `json:"calendars,omitempty"`
	Objects   int           `json:"objects"`
	Copies    string        `json:"copies,omitempty"`

	cals []calendar.Calendar
}

func (o *cleanOptions) clean(ctx context.Context, be *backend, people *directory.Directory) error {
	if o.many = true; o.domain != "" {
		if _, err := people.Base(ctx, o.domain); err != nil && !errors.Is(err, calendar.NotFound) {
			return err
		} else if err != nil {
			o.warn("the directory has no domain %s: all who are in it are gone", o.domain)
		}
	}
	list, err := o.leavers(ctx, be, people)
	if err != nil {
		return err
	}
	var due []leaver
	objects := 0
	for _, l := range list {
		switch {
		case o.now().Before(l.Until):
			if l.Done = "kept"; o.json || o.verbose {
				o.did(l, "%s: gone since %s (%s), kept until %s", l.Owner, l.Since.Format(time.DateOnly), l.Why, l.Until.Format(time.DateOnly))
			}
		case o.dry:
			l.Done = "would be deleted"
			o.did(l, "%s: gone since %s (%s): %d %s with %d %s would be deleted", l.Owner, l.Since.Format(time.DateOnly), l.Why,
				len(l.cals), plain.Plural(len(l.cals), "calendar", "calendars"), l.Objects, plain.Plural(l.Objects, "object", "objects"))
		default:
			due = append(due, l)
			objects += l.Objects
		}
	}
	if len(due) == 0 {
		if len(list) == 0 || !o.dry && !o.verbose {
			o.say("nothing to remove: %d gone, whose time has not come", len(list))
		}
		return nil
	}
	names := []string{}
	for _, l := range due[:min(len(due), 10)] {
		names = append(names, string(l.Owner))
	}
	if len(due) > 10 {
		names = append(names, fmt.Sprintf("and %d more", len(due)-10))
	}
	if err := o.confirm(ctx, "Delete all calendars of %d who are gone, with %d %s: %s?", len(due), objects, plain.Plural(objects, "object", "objects"), strings.Join(names, ", ")); err != nil {
		return err
	}
	bad := false
	for _, l := range due {
		if err := o.remove(ctx, be, &l); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			o.complain("%s: %s", l.Owner, plain.Error(err))
			bad = true
			continue
		}
		o.did(l, "%s: %d %s deleted", l.Owner, len(l.cals), plain.Plural(len(l.cals), "calendar", "calendars"))
		if l.Copies != "" {
			o.say("what was in them is in %s", l.Copies)
		}
	}
	if bad {
		return exitError(exitFailed)
	}
	return nil
}

// leavers finds those who are gone and have calendars, and notes since when.
func (o *cleanOptions) leavers(ctx context.Context, be *backend, people *directory.Directory) (list []leaver, err error) {
	notes := filepath.Join(be.cfg.Data, "gone.json")
	seen, err := readGone(notes)
	if err != nil {
		return nil, err
	}
	still := map[calendar.Owner]time.Time{}
	owners, missing := 0, 0
	for after := calendar.Owner(""); ; {
		page, err := be.owners(ctx, after)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, owner := range page {
			after = owner
			gone, err := people.Left(ctx, string(owner))
			if err != nil {
				return nil, err
			}
			if owners++; gone.Gone && !gone.Marked {
				missing++
			}
			if !gone.Gone {
				continue
			}
			since, known := seen[owner]
			if !known {
				since = o.now().UTC().Truncate(time.Second)
			}
			if !gone.Since.IsZero() && gone.Since.Before(since) {
				since = gone.Since
			}
			still[owner] = since
			if o.domain != "" && o.domain != domainOf(be.cfg, owner) {
				continue
			}
			l := leaver{Owner: owner, Why: "missing", Since: since, Until: since.Add(time.Duration(o.grace) * 24 * time.Hour)}
			if gone.Marked {
				l.Why = "deleted"
			}
			home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: owner, Counts: true})
			if errors.Is(err, calendar.NoCalendar) || err == nil && len(home.Calendars) == 0 {
				delete(still, owner)
				continue
			}
			if err != nil {
				return nil, err
			}
			for _, c := range home.Calendars {
				l.Calendars = append(l.Calendars, c.ID)
				l.Objects += c.Count
			}
			l.cals = home.Calendars
			list = append(list, l)
		}
	}
	// A directory that has nobody is the wrong one, or an empty one.
	if missing > 1 && missing == owners {
		return nil, fmt.Errorf("the directory has none of the %d who have calendars here: is it the right one? \"cscal -o userid delete\" deletes those of one", owners)
	}
	return list, writeGone(notes, still)
}

// domainOf is the domain of an owner.
func domainOf(cfg *config.Config, owner calendar.Owner) string {
	if _, domain, ok := strings.Cut(string(owner), "@"); ok {
		return domain
	}
	return strings.ToLower(cfg.Domain.Default)
}

// remove deletes what one of them left.
func (o *cleanOptions) remove(ctx context.Context, be *backend, l *leaver) (err error) {
	if !o.noCopies {
		if l.Copies, err = saveCopies(ctx, be.cfg, be, l.Owner, l.cals); err != nil {
			return fmt.Errorf("nothing was deleted, since no copies could be written (--no-copies does it without): %s", plain.Error(err))
		}
	}
	for _, c := range l.cals {
		if err := be.DeleteCalendar(ctx, be.who, calendar.DeleteCalendarRequest{ID: c.ID}); err != nil && !errors.Is(err, calendar.NoCalendar) {
			return err
		}
	}
	apps, err := openAppPasswords(be.cfg)
	if err != nil {
		return err
	}
	if apps != nil {
		defer apps.Close()
		if err := apps.RevokeAll(string(l.Owner)); err != nil {
			return err
		}
	}
	l.Done = "deleted"
	if l.Why == "deleted" && o.mark != nil {
		if err := o.mark(ctx, string(l.Owner)); err != nil {
			o.warn("%s: the entry could not be marked as removed: %s", l.Owner, plain.Error(err))
		}
	}
	return nil
}

// marker writes into an entry that its calendars are gone, nil where nobody may.
func marker(cfg *config.Config, opt directory.Options) func(ctx context.Context, id string) error {
	ed, err := entryEditor(cfg, opt)
	if err != nil {
		return nil
	}
	return func(ctx context.Context, id string) error {
		return ed.ChangeAttributes(ctx, id, []directory.Change{{Attr: "icsStatus", Values: []string{"removed"}}})
	}
}

// readGone reads since when who is known to be gone.
func readGone(name string) (map[calendar.Owner]time.Time, error) {
	seen := map[calendar.Owner]time.Time{}
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return seen, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &seen)
	}
	if err != nil {
		return nil, fmt.Errorf("read who was gone at the last run (%s; without it the time runs anew): %w", name, err)
	}
	return seen, nil
}

func writeGone(name string, seen map[calendar.Owner]time.Time) error {
	data, err := json.MarshalIndent(seen, "", " ")
	if err != nil {
		return err
	}
	err = replaceFile(name, append(data, '\n'))
	if err != nil {
		return fmt.Errorf("note who is gone: %w", err)
	}
	return nil
}
