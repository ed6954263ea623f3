// Package migrate pulls the calendars of a user from another CalDAV server, as
// often as one likes: nothing is doubled, and only what changed there is fetched
// again. What a run saw is kept in files, one of each calendar.
package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
)

// Migration is one run.
type Migration struct {
	Client  *davclient.Client // of the other server
	Backend Backend           // this one
	Who     calendar.Actor
	Owner   calendar.Owner // here
	Only    string         // this calendar alone: its name, or the last part of its address
	Dir     string         // of what the runs saw

	Remove bool // delete here what was pulled before and is deleted there
	Force  bool // where an object changed there and here, take theirs
	Dry    bool // show what would be done

	Progress func(done, total int)   // objects of a calendar that were fetched
	Each     func(it *importer.Item) // called with each outcome but "unchanged"
	Done     func(r *Report)         // called with each calendar
}

// Backend is what a migration needs of the calendars here.
type Backend interface {
	importer.Store
	importer.Calendars
	UpdateCalendar(ctx context.Context, who calendar.Actor, req calendar.UpdateCalendarRequest) (calendar.Calendar, error)
	ListObjects(ctx context.Context, who calendar.Actor, id calendar.ID, emit func(*calendar.Object) error) (calendar.Calendar, error)
	Object(ctx context.Context, who calendar.Actor, ref calendar.Ref) (*calendar.Object, error)
	DeleteObject(ctx context.Context, who calendar.Actor, req calendar.DeleteRequest) error
	Sync(ctx context.Context, who calendar.Actor, req calendar.SyncRequest, emit func(calendar.SyncItem) error) (calendar.SyncResult, error)
}

// Report is what a run did to one calendar.
type Report struct {
	Source    string          `json:"source"`
	Calendar  calendar.ID     `json:"calendar"`
	New       int             `json:"new"`
	Changed   int             `json:"changed"`
	Unchanged int             `json:"unchanged"`
	Deleted   int             `json:"deleted"` // there, since the last run
	Refused   int             `json:"refused"`
	Items     []importer.Item `json:"items,omitempty"` // all but what is unchanged
	Err       string          `json:"err,omitempty"`
}

// Run pulls the calendars of the user, one after the other. What could not be
// pulled is in the reports; an error is of all.
func (m *Migration) Run(ctx context.Context) (reports []Report, err error) {
	_, home, err := m.Client.Home(ctx)
	if err != nil {
		return nil, err
	}
	list, err := m.Client.Calendars(ctx, home)
	if err != nil {
		return nil, err
	}
	targets := targets(m.Owner, list)
	for _, rc := range list {
		last := path.Base(strings.TrimRight(rc.Href, "/"))
		if m.Only != "" && !strings.EqualFold(m.Only, rc.Name) && m.Only != last {
			continue
		}
		rep := Report{Source: rc.Href, Calendar: targets[rc.Href]}
		err := m.calendar(ctx, rc, &rep)
		switch {
		case ctx.Err() != nil:
			err, rep.Err = ctx.Err(), "interrupted"
		case err != nil:
			err, rep.Err = nil, plain.Error(err)
		}
		reports = append(reports, rep)
		if m.Done(&rep); err != nil {
			return reports, err
		}
	}
	return reports, nil
}

// Source is a calendar of the other server.
type Source struct {
	Source      string      `json:"source"` // its address
	Name        string      `json:"name,omitempty"`
	Description string      `json:"description,omitempty"`
	Color       string      `json:"color,omitempty"`
	Components  []string    `json:"components,omitempty"`
	Objects     int         `json:"objects"`
	Calendar    calendar.ID `json:"calendar,omitempty"` // that it becomes here, if an owner is given
}

// There lists what a run would look at.
func (m *Migration) There(ctx context.Context) ([]Source, error) {
	_, home, err := m.Client.Home(ctx)
	if err != nil {
		return nil, err
	}
	list, err := m.Client.Calendars(ctx, home)
	if err != nil {
		return nil, err
	}
	var here map[string]calendar.ID
	if m.Owner != "" {
		here = targets(m.Owner, list)
	}
	out := []Source{}
	for _, rc := range list {
		members, err := m.Client.Members(ctx, rc.Href)
		if err != nil {
			return nil, err
		}
		out = append(out, Source{rc.Href, rc.Name, rc.Description, rc.Color, rc.Components, len(members), here[rc.Href]})
	}
	return out, nil
}

// targets gives each calendar there its calid here: by the last part of its
// address, which stays when it is renamed.
func targets(owner calendar.Owner, list []davclient.Calendar) map[string]calendar.ID {
	out, taken := map[string]calendar.ID{}, map[calendar.ID]bool{}
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, func(a, b davclient.Calendar) int { return strings.Compare(a.Href, b.Href) })
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
func (m *Migration) calendar(ctx context.Context, rc davclient.Calendar, rep *Report) error {
	file := m.stateFile(rep.Calendar, rc)
	old, err := readState(file)
	if err != nil {
		return err
	}
	if err := m.collection(ctx, rc, old, rep.Calendar); err != nil {
		return err
	}
	there, err := m.Client.Members(ctx, rc.Href)
	if err != nil {
		return err
	}
	here, err := m.present(ctx, rep.Calendar)
	if err != nil {
		return err
	}
	next := &state{Calendar: rc, Objects: map[string]entry{}}
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
	if m.Dry {
		return nil
	}
	return writeState(file, next)
}

// collection makes the calendar, or brings what changed there of its
// properties.
func (m *Migration) collection(ctx context.Context, rc davclient.Calendar, old *state, id calendar.ID) error {
	have, err := m.Backend.Calendar(ctx, m.Who, id)
	if m.Dry {
		if errors.Is(err, calendar.NoCalendar) {
			return nil
		}
		return err
	}
	if errors.Is(err, calendar.NoCalendar) {
		c := calendar.Calendar{ID: id, DisplayName: rc.Name, Description: rc.Description, Color: rc.Color, Order: rc.Order,
			Timezone: rc.Timezone, Transparent: rc.Transparent, Components: storable(rc.Components)}
		_, err := m.Backend.CreateCalendar(ctx, m.Who, calendar.CreateCalendarRequest{Calendar: c, DefaultACL: true})
		if errors.Is(err, calendar.Invalid) && c.Timezone != "" { // a zone that cannot be read is no reason to stay behind
			c.Timezone = ""
			_, err = m.Backend.CreateCalendar(ctx, m.Who, calendar.CreateCalendarRequest{Calendar: c, DefaultACL: true})
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
	_, err = m.Backend.UpdateCalendar(ctx, m.Who, u)
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
func (m *Migration) present(ctx context.Context, id calendar.ID) (map[string]bool, error) {
	out := map[string]bool{}
	_, err := m.Backend.ListObjects(ctx, m.Who, id, func(o *calendar.Object) error {
		out[o.Name] = true
		return nil
	})
	if errors.Is(err, calendar.NoCalendar) && m.Dry {
		return out, nil
	}
	return out, err
}

// pull fetches objects and stores them.
func (m *Migration) pull(ctx context.Context, rc davclient.Calendar, rep *Report, old, next *state, hrefs []string, here map[string]bool) error {
	im := importer.Importer{Store: m.Backend, Who: m.Who, Calendar: rep.Calendar, Name: nameOf}
	if m.Dry {
		im.Store = dryRun{m.Backend}
	}
	etags := map[string]string{}
	im.Each = func(it *importer.Item) {
		switch it.Outcome {
		case importer.Created:
			rep.New++
		case importer.Replaced:
			rep.Changed++
		case importer.Unchanged:
			rep.Unchanged++
		case importer.Refused:
			rep.Refused++
		}
		if it.Outcome != importer.Refused {
			e := next.Objects[it.File]
			e.ETag = etags[it.File]
			e.Here = append(e.Here, placed{it.Name, it.SHA256})
			next.Objects[it.File] = e
		}
		if it.Outcome != importer.Unchanged {
			rep.Items = append(rep.Items, *it)
			m.Each(it)
		}
	}
	done := 0
	m.Progress(done, len(hrefs))
	err := m.Client.Fetch(ctx, rc.Href, hrefs, func(f davclient.Object) error {
		done++
		m.Progress(done, len(hrefs))
		etags[f.Href] = f.ETag
		if f.Err != nil {
			im.Refuse(importer.Item{File: f.Href}, calendar.Unavailable, f.Err.Error())
			return nil
		}
		if was, ok := old.Objects[f.Href]; ok && !m.Force {
			mine, err := m.changedHere(ctx, rep.Calendar, was, here)
			if err != nil {
				return err
			}
			if mine != "" {
				next.Objects[f.Href] = was // so that it is looked at again
				im.Refuse(importer.Item{File: f.Href, Name: mine}, calendar.Stale, "it changed there and here; -F takes theirs")
				return nil
			}
		}
		return im.File(ctx, f.Href, f.Data)
	})
	if err == nil {
		err = im.Flush(ctx)
	}
	return err
}

// nameOf is the name of an object there, which it keeps here if it can.
func nameOf(href string) string {
	name, err := url.PathUnescape(path.Base(href))
	if err != nil || calendar.CheckName(name) != nil || strings.ContainsAny(name, "/:") {
		return ""
	}
	return name
}

// changedHere names an object that is not what the last run stored.
func (m *Migration) changedHere(ctx context.Context, id calendar.ID, was entry, here map[string]bool) (string, error) {
	for _, p := range was.Here {
		if !here[p.Name] {
			continue
		}
		o, err := m.Backend.Object(ctx, m.Who, calendar.Ref{Calendar: id, Name: p.Name})
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
func (m *Migration) gone(ctx context.Context, rep *Report, old, next *state, there map[string]string, here map[string]bool) error {
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
		it := importer.Item{File: href, Outcome: "deleted there"}
		switch {
		case !m.Remove:
			next.Objects[href] = was
			it.Reason = "kept here; -d deletes it"
		case mine != "" && !m.Force:
			next.Objects[href] = was
			it.Name, it.Reason = mine, "kept: it changed here; -F deletes it"
		case !m.Dry:
			for _, p := range was.Here {
				if !here[p.Name] || kept[p.Name] {
					continue
				}
				err := m.Backend.DeleteObject(ctx, m.Who, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: rep.Calendar, Name: p.Name}})
				if err != nil && !errors.Is(err, calendar.NotFound) {
					return err
				}
			}
			it.Reason = "deleted here"
		}
		rep.Items = append(rep.Items, it)
		m.Each(&it)
	}
	return nil
}

// dryRun answers writes as if they were done.
type dryRun struct{ Backend }

// PutObjects implements importer.Store.
func (d dryRun) PutObjects(ctx context.Context, who calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	out := make([]calendar.PutItemResult, len(req.Items))
	have := map[string]string{}
	_, err := d.Sync(ctx, who, calendar.SyncRequest{Calendar: req.Calendar, Data: true}, func(it calendar.SyncItem) error {
		if it.Object != nil {
			have[it.Object.UID] = string(it.Object.Data)
		}
		return nil
	})
	if err != nil && !errors.Is(err, calendar.NoCalendar) {
		return nil, err
	}
	for i, it := range req.Items {
		uid := importer.UIDOf(it.Data)
		text, ok := have[uid]
		out[i] = calendar.PutItemResult{UID: uid, Created: !ok, Unchanged: ok && text == string(it.Data)}
	}
	return out, nil
}
