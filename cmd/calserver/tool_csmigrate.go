package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"factotum/server/calendar"
)

func init() {
	register("csmigrate", "pull the calendars of a user from another CalDAV server", runCsmigrate)
}

const csmigrateUsage = `csmigrate pulls all calendars of a user from another CalDAV server, as often
as you like: nothing is doubled, and only what changed is fetched again.

  csmigrate [-q|-v] [-j] [-d] [-n] [-F] -u user [-f file|-y password] -o owner
            [-c calendar] [--plain] server
  csmigrate version

  server       URL, host name or mail address; the calendars are found from there
  -u user      log-in name there
  -f file      file whose first line is the password there; without -f and -y
               it is asked for
  -o owner     user id here
  -c calendar  this one only: its name, or the last part of its address
  -d           delete here what was pulled before and is deleted there
  -n           show what would be done, and change nothing
  -F           where an object changed there and here, take theirs; without -F
               it is left alone and reported
  -j           print the report as JSON
  --plain      send the password without TLS to another host
  -q           print refused items only; -v print every item
  -C file      the ics.conf to use

Objects are kept octet for octet. Name, description, color and time zone of
the calendars come along. What cannot be stored is reported and left out.

Exit status: 0 all is here, 1 some was refused, 2 wrong call, 3 nothing could be done.

  csmigrate -u jdoe -f secret -o jdoe https://old.example.com/
`

// migrateOptions are what csmigrate was told.
type migrateOptions struct {
	*tool
	user, file, given, owner, only string
	remove, dry, force, json       bool
	plain                          bool
}

func runCsmigrate(ctx context.Context, args []string, std stdio) int {
	o := &migrateOptions{tool: newTool("csmigrate", csmigrateUsage, std)}
	o.FlagLong(&o.user, "user", 'u')
	o.FlagLong(&o.file, "password-file", 'f')
	o.FlagLong(&o.given, "password", 'y')
	o.FlagLong(&o.owner, "owner", 'o')
	o.FlagLong(&o.only, "calendar", 'c')
	o.FlagLong(&o.remove, "delete", 'd')
	o.FlagLong(&o.dry, "dry-run", 'n')
	o.FlagLong(&o.force, "force", 'F')
	o.FlagLong(&o.json, "json", 'j')
	o.FlagLong(&o.plain, "plain", 0)
	return o.run(ctx, args, func(ctx context.Context, words []string) error {
		switch {
		case len(words) != 1:
			return misuse("csmigrate takes one server")
		case o.user == "" || o.owner == "":
			return misuse("-u is the user there, -o the owner here")
		}
		be, err := o.openBackend(ctx)
		if err != nil {
			return o.nothing(err)
		}
		defer be.close()
		secret, err := o.password(o.given, o.file, fmt.Sprintf("Password of %s at %s: ", o.user, words[0]), false)
		if err != nil {
			return o.nothing(err)
		}
		c, err := newDAVClient(address(ctx, words[0]), o.user, secret, o.plain, nil)
		if err != nil {
			return o.nothing(err)
		}
		m := &migration{o: o, be: be, c: c, dir: filepath.Join(be.cfg.Data, "migrate")}
		return m.run(ctx)
	})
}

// migration is one run.
type migration struct {
	o   *migrateOptions
	be  *backend
	c   *davClient
	dir string // of the states
}

// migrateReport is what a run did to one calendar.
type migrateReport struct {
	Source    string       `json:"source"`
	Calendar  calendar.ID  `json:"calendar"`
	New       int          `json:"new"`
	Changed   int          `json:"changed"`
	Unchanged int          `json:"unchanged"`
	Deleted   int          `json:"deleted"` // there, since the last run
	Refused   int          `json:"refused"`
	Items     []importItem `json:"items,omitempty"` // all but what is unchanged
	Err       string       `json:"err,omitempty"`
}

// migrateState is what the last run saw of a calendar; it lies in a file of
// the data directory. Without it everything is fetched again, which does no
// harm, and deletions go unnoticed.
type migrateState struct {
	Calendar remoteCalendar          `json:"calendar"`
	Objects  map[string]migrateEntry `json:"objects"` // by href
}

type migrateEntry struct {
	ETag string   `json:"etag"`
	Here []placed `json:"here"` // what it became: one object as a rule
}

type placed struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

func (m *migration) run(ctx context.Context) error {
	owner := calendar.Owner(strings.ToLower(m.o.owner))
	if _, err := m.be.calendar(ctx, calendar.ID(owner)); err != nil {
		if errors.Is(err, calendar.NoCalendar) {
			err = fmt.Errorf("%s is not a user here: %s", owner, sentence(err))
		}
		return m.o.nothing(err)
	}
	_, home, err := m.c.home(ctx)
	if err != nil {
		return m.o.nothing(err)
	}
	list, err := m.c.calendars(ctx, home)
	if err != nil {
		return m.o.nothing(err)
	}
	var reports []migrateReport
	refused := 0
	targets := m.targets(owner, list)
	for _, rc := range list {
		last := path.Base(strings.TrimRight(rc.Href, "/"))
		if m.o.only != "" && !strings.EqualFold(m.o.only, rc.Name) && m.o.only != last {
			continue
		}
		rep := migrateReport{Source: rc.Href, Calendar: targets[rc.Href]}
		if err := m.calendar(ctx, rc, &rep); err != nil {
			if ctx.Err() != nil {
				return m.o.nothing(err)
			}
			rep.Err = sentence(err)
			m.o.complain("%s: %s", rep.Calendar, rep.Err)
			refused++
		}
		refused += rep.Refused
		reports = append(reports, rep)
		if !m.o.json {
			would := ""
			if m.o.dry {
				would = " (nothing was changed)"
			}
			m.o.say("%s: %d new, %d changed, %d unchanged, %d deleted there, %d refused%s",
				rep.Calendar, rep.New, rep.Changed, rep.Unchanged, rep.Deleted, rep.Refused, would)
		}
	}
	if m.o.json {
		enc := json.NewEncoder(m.o.std.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(reports); err != nil {
			return fmt.Errorf("print the report: %w", err)
		}
	}
	switch {
	case len(reports) == 0:
		return m.o.nothing(errors.New("no calendar was found there"))
	case refused > 0:
		return exitError(exitFailed)
	}
	return nil
}

// targets gives each calendar there its calid here: by the last part of its
// address, which stays when it is renamed.
func (m *migration) targets(owner calendar.Owner, list []remoteCalendar) map[string]calendar.ID {
	out, taken := map[string]calendar.ID{}, map[calendar.ID]bool{}
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b remoteCalendar) int { return strings.Compare(a.Href, b.Href) })
	for _, rc := range sorted {
		last, err := url.PathUnescape(path.Base(strings.TrimRight(rc.Href, "/")))
		if err != nil || calendar.CheckName(last) != nil || strings.Contains(last, "/") {
			sum := sha256.Sum256([]byte(rc.Href))
			last = "calendar-" + hex.EncodeToString(sum[:4])
		}
		id := calendar.NewID(owner, last)
		for n := 2; taken[id]; n++ {
			id = calendar.NewID(owner, fmt.Sprintf("%s-%d", last, n))
		}
		taken[id], out[rc.Href] = true, id
	}
	return out
}

// calendar pulls one.
func (m *migration) calendar(ctx context.Context, rc remoteCalendar, rep *migrateReport) error {
	file := m.stateFile(rep.Calendar, rc)
	old, err := readState(file)
	if err != nil {
		return err
	}
	if err := m.collection(ctx, rc, old, rep.Calendar); err != nil {
		return err
	}
	there, err := m.c.members(ctx, rc.Href)
	if err != nil {
		return err
	}
	here, err := m.present(ctx, rep.Calendar)
	if err != nil {
		return err
	}
	next := &migrateState{Calendar: rc, Objects: map[string]migrateEntry{}}
	var wanted []string
	for _, href := range slices.Sorted(maps.Keys(there)) {
		was, known := old.Objects[href]
		if known && was.ETag != "" && was.ETag == there[href] && was.complete(here) {
			next.Objects[href] = was
			rep.Unchanged++
			continue
		}
		wanted = append(wanted, href)
	}
	if err := m.pull(ctx, rc, rep, old, next, wanted, here); err != nil {
		return err
	}
	if err := m.gone(ctx, rep, old, next, there, here); err != nil {
		return err
	}
	if m.o.dry {
		return nil
	}
	return writeState(file, next)
}

// complete tells whether all that an object became is still here.
func (e migrateEntry) complete(here map[string]bool) bool {
	for _, p := range e.Here {
		if !here[p.Name] {
			return false
		}
	}
	return len(e.Here) > 0
}

// collection makes the calendar, or brings what changed there of its
// properties.
func (m *migration) collection(ctx context.Context, rc remoteCalendar, old *migrateState, id calendar.ID) error {
	have, err := m.be.Calendar(ctx, m.be.who, id)
	if m.o.dry {
		if errors.Is(err, calendar.NoCalendar) {
			return nil
		}
		return err
	}
	if errors.Is(err, calendar.NoCalendar) {
		c := calendar.Calendar{ID: id, DisplayName: rc.Name, Description: rc.Description, Color: rc.Color, Order: rc.Order,
			Timezone: rc.Timezone, Transparent: rc.Transparent, Components: storable(rc.Components)}
		_, err := m.be.CreateCalendar(ctx, m.be.who, calendar.CreateCalendarRequest{Calendar: c, DefaultACL: true})
		if errors.Is(err, calendar.Invalid) && c.Timezone != "" { // a zone that cannot be read is no reason to stay behind
			c.Timezone = ""
			_, err = m.be.CreateCalendar(ctx, m.be.who, calendar.CreateCalendarRequest{Calendar: c, DefaultACL: true})
		}
		return err
	}
	if err != nil {
		return err
	}
	u := calendar.UpdateCalendarRequest{ID: id}
	changed := false
	for _, p := range []struct {
		now, was, have string
		to             **string
	}{
		{rc.Name, old.Calendar.Name, have.DisplayName, &u.DisplayName},
		{rc.Description, old.Calendar.Description, have.Description, &u.Description},
		{rc.Color, old.Calendar.Color, have.Color, &u.Color},
		{rc.Order, old.Calendar.Order, have.Order, &u.Order},
	} {
		if p.now != p.was && p.now != p.have && p.now != "" {
			*p.to, changed = &p.now, true
		}
	}
	if !changed {
		return nil
	}
	_, err = m.be.UpdateCalendar(ctx, m.be.who, u)
	return err
}

// storable leaves out components that no calendar here holds.
func storable(names []string) (out []string) {
	for _, n := range names {
		if n = strings.ToUpper(n); slices.Contains([]string{"VEVENT", "VTODO", "VJOURNAL"}, n) {
			out = append(out, n)
		}
	}
	return out
}

// present lists what is in the calendar here.
func (m *migration) present(ctx context.Context, id calendar.ID) (map[string]bool, error) {
	out := map[string]bool{}
	_, err := m.be.ListObjects(ctx, m.be.who, id, func(o *calendar.Object) error {
		out[o.Name] = true
		return nil
	})
	if errors.Is(err, calendar.NoCalendar) && m.o.dry {
		return out, nil
	}
	return out, err
}

// pull fetches objects and stores them.
func (m *migration) pull(ctx context.Context, rc remoteCalendar, rep *migrateReport, old, next *migrateState, hrefs []string, here map[string]bool) error {
	im := importer{be: m.be.Backend, who: m.be.who, id: rep.Calendar}
	if m.o.dry {
		im.be = dryRun{im.be}
	}
	etags := map[string]string{}
	bar := m.o.bar(int64(len(hrefs)))
	im.each = func(it *importItem) {
		switch it.Outcome {
		case itemCreated:
			rep.New++
		case itemReplaced:
			rep.Changed++
		case itemUnchanged:
			rep.Unchanged++
		case itemRefused:
			rep.Refused++
		}
		if it.Outcome != itemRefused {
			e := next.Objects[it.File]
			e.ETag = etags[it.File]
			e.Here = append(e.Here, placed{it.Name, it.SHA256})
			next.Objects[it.File] = e
		}
		if it.Outcome != itemUnchanged {
			rep.Items = append(rep.Items, *it)
		}
		if !m.o.json && (it.Outcome == itemRefused || m.o.verbose && it.Outcome != itemUnchanged) {
			bar.Clear()
			fmt.Fprintln(m.o.std.err, it)
		}
	}
	err := m.c.fetch(ctx, rc.Href, hrefs, func(f fetched) error {
		bar.Add(1)
		etags[f.href] = f.etag
		if f.err != nil {
			im.refuse(importItem{File: f.href}, calendar.Unavailable, f.err.Error())
			return nil
		}
		if was, ok := old.Objects[f.href]; ok && !m.o.force {
			mine, err := m.changedHere(ctx, rep.Calendar, was, here)
			if err != nil {
				return err
			}
			if mine != "" {
				next.Objects[f.href] = was // so that it is looked at again
				im.refuse(importItem{File: f.href, Name: mine}, calendar.Stale, "it changed there and here; -F takes theirs")
				return nil
			}
		}
		return im.file(ctx, f.href, f.data)
	})
	if err == nil {
		err = im.flush(ctx)
	}
	bar.Finish()
	return err
}

// changedHere names an object that is not what the last run stored.
func (m *migration) changedHere(ctx context.Context, id calendar.ID, was migrateEntry, here map[string]bool) (string, error) {
	for _, p := range was.Here {
		if !here[p.Name] {
			continue
		}
		o, err := m.be.Object(ctx, m.be.who, calendar.Ref{Calendar: id, Name: p.Name})
		if err != nil {
			return "", err
		}
		if sum := sha256.Sum256(o.Data); hex.EncodeToString(sum[:]) != p.SHA256 {
			return p.Name, nil
		}
	}
	return "", nil
}

// gone deals with objects that were pulled before and are deleted there.
func (m *migration) gone(ctx context.Context, rep *migrateReport, old, next *migrateState, there map[string]string, here map[string]bool) error {
	kept := map[string]bool{}
	for _, e := range next.Objects {
		for _, p := range e.Here {
			kept[p.Name] = true
		}
	}
	for _, href := range slices.Sorted(maps.Keys(old.Objects)) {
		was := old.Objects[href]
		if _, ok := there[href]; ok || !slices.ContainsFunc(was.Here, func(p placed) bool { return here[p.Name] && !kept[p.Name] }) {
			continue
		}
		rep.Deleted++
		mine, err := m.changedHere(ctx, rep.Calendar, was, here)
		if err != nil {
			return err
		}
		it := importItem{File: href, Outcome: "deleted there"}
		switch {
		case !m.o.remove:
			next.Objects[href] = was
			it.Reason = "kept here; -d deletes it"
		case mine != "" && !m.o.force:
			next.Objects[href] = was
			it.Name, it.Reason = mine, "kept: it changed here; -F deletes it"
		case !m.o.dry:
			for _, p := range was.Here {
				if !here[p.Name] || kept[p.Name] {
					continue
				}
				err := m.be.DeleteObject(ctx, m.be.who, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: rep.Calendar, Name: p.Name}})
				if err != nil && !errors.Is(err, calendar.NotFound) {
					return err
				}
			}
			it.Reason = "deleted here"
		}
		rep.Items = append(rep.Items, it)
		if m.o.verbose && !m.o.json {
			fmt.Fprintln(m.o.std.err, &it)
		}
	}
	return nil
}

// dryRun answers writes as if they were done.
type dryRun struct{ calendar.Backend }

func (d dryRun) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	out := make([]calendar.PutItemResult, len(req.Items))
	have := map[string]string{}
	err := eachObject(ctx, &backend{Backend: d.Backend, who: who}, req.Calendar, func(o *calendar.Object) error {
		have[o.UID] = string(o.Data)
		return nil
	})
	if err != nil && !errors.Is(err, calendar.NoCalendar) {
		return nil, err
	}
	for i, it := range req.Items {
		uid := uidOf(it.Data)
		text, ok := have[uid]
		out[i] = calendar.PutItemResult{UID: uid, Created: !ok, Unchanged: ok && text == string(it.Data)}
	}
	return out, nil
}

// stateFile is where the state of a calendar is kept.
func (m *migration) stateFile(id calendar.ID, rc remoteCalendar) string {
	sum := sha256.Sum256([]byte(m.c.base.Host + "\x00" + rc.Href + "\x00" + string(id)))
	return filepath.Join(m.dir, hex.EncodeToString(sum[:12])+".json")
}

func readState(file string) (*migrateState, error) {
	s := &migrateState{Objects: map[string]migrateEntry{}}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil {
		return nil, fmt.Errorf("read what the last run saw (%s; without the file everything is fetched again): %w", file, err)
	}
	if s.Objects == nil {
		s.Objects = map[string]migrateEntry{}
	}
	return s, nil
}

func writeState(file string, s *migrateState) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}
