// Package migrate pulls the calendars of a user from another CalDAV server, or
// from files that one wrote, as often as one likes: nothing is doubled, and only
// what changed there is fetched again. What a run saw is kept in files, one of
// each calendar. What is here can be compared with what is there.
package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/object"
)

// Migration is one run.
type Migration struct {
	Source  Source
	Backend Backend // this server
	Who     calendar.Actor
	Owner   calendar.Owner // here
	Only    string         // this calendar alone: its name, or the last part of its address
	Dir     string         // of what the runs saw
	Limits  calendar.Limits

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
	list, targets, err := m.chosen(ctx)
	if err != nil {
		return nil, err
	}
	for _, rc := range list {
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

// chosen lists the calendars there that a run is about, and what they become here.
func (m *Migration) chosen(ctx context.Context) ([]davclient.Calendar, map[string]calendar.ID, error) {
	list, err := m.Source.Calendars(ctx)
	if err != nil {
		return nil, nil, err
	}
	here := targets(m.Owner, list)
	return slices.DeleteFunc(slices.Clone(list), func(rc davclient.Calendar) bool {
		return m.Only != "" && !strings.EqualFold(m.Only, rc.Name) && m.Only != rc.File && m.Only != path.Base(strings.TrimRight(rc.Href, "/"))
	}), here, nil
}

// Listed is a calendar that is there.
type Listed struct {
	Source      string      `json:"source"` // its address
	Name        string      `json:"name,omitempty"`
	Description string      `json:"description,omitempty"`
	Color       string      `json:"color,omitempty"`
	Components  []string    `json:"components,omitempty"`
	Objects     int         `json:"objects"`
	Calendar    calendar.ID `json:"calendar,omitempty"` // that it becomes here, if an owner is given
}

// There lists what a run would look at.
func (m *Migration) There(ctx context.Context) ([]Listed, error) {
	list, here, err := m.chosen(ctx)
	if err != nil {
		return nil, err
	}
	out := []Listed{}
	for _, rc := range list {
		members, err := m.Source.Members(ctx, rc.Href)
		if err != nil {
			return nil, err
		}
		l := Listed{rc.Href, rc.Name, rc.Description, rc.Color, rc.Components, len(members), ""}
		if m.Owner != "" {
			l.Calendar = here[rc.Href]
		}
		out = append(out, l)
	}
	return out, nil
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
	there, err := m.Source.Members(ctx, rc.Href)
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
			rep.Unchanged += len(was.Here)
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
			Timezone: rc.Timezone, TZID: rc.TZID, Transparent: rc.Transparent, Components: storable(rc.Components)}
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
	im := importer.Importer{Store: m.Backend, Who: m.Who, Calendar: rep.Calendar, Name: nameIn(rc)}
	if m.Dry {
		im.Store = dryRun{m.Backend, m.rules()}
	}
	etags := map[string]string{}
	unread := map[string]bool{} // files of which it is not known what they have
	im.Guard = func(it *importer.Item) (leave bool, refused string, err error) {
		was, ok := old.Objects[it.File].placed(it.UID)
		if !ok || m.Force {
			return false, "", nil
		}
		switch mine, err := m.changedHere(ctx, rep.Calendar, was, here); {
		case err != nil || !mine:
			return false, "", err
		case was.SHA256 == it.SHA256: // not there
			it.Name = was.Name
			return true, "", nil
		}
		it.Name = was.Name
		return false, "it changed there and here; -F takes theirs", nil
	}
	im.Each = func(it *importer.Item) {
		e := next.Objects[it.File]
		switch it.Outcome {
		case importer.Created:
			rep.New++
		case importer.Replaced:
			rep.Changed++
		case importer.Unchanged:
			rep.Unchanged++
		case importer.Refused:
			rep.Refused++
			e.Refused++
			if it.UID == "" {
				unread[it.File] = true
			}
		}
		if was, ok := old.Objects[it.File].placed(it.UID); it.Outcome == importer.Refused && ok {
			e.Here = append(e.Here, was) // it is here as before
		} else if it.Outcome != importer.Refused && it.Name != "" {
			e.Here = append(e.Here, placed{it.Name, it.UID, it.SHA256})
		}
		e.ETag = etags[it.File]
		next.Objects[it.File] = e
		if it.Outcome != importer.Unchanged {
			rep.Items = append(rep.Items, *it)
			m.Each(it)
		}
	}
	done := 0
	m.Progress(done, len(hrefs))
	err := m.Source.Fetch(ctx, rc.Href, hrefs, func(f davclient.Object) error {
		done++
		m.Progress(done, len(hrefs))
		if f.Err != nil {
			im.Refuse(importer.Item{File: f.Href}, calendar.Unavailable, f.Err.Error())
			return nil
		}
		etags[f.Href] = f.ETag
		return im.File(ctx, f.Href, f.Data)
	})
	if err == nil {
		err = im.Flush(ctx)
	}
	for href := range unread {
		e := next.Objects[href]
		for _, was := range old.Objects[href].Here {
			if _, again := e.placed(was.UID); !again {
				e.Here = append(e.Here, was)
			}
		}
		next.Objects[href] = e
	}
	return err
}

// nameIn gives the objects of a calendar the names here that they have there, if
// they can have them.
func nameIn(rc davclient.Calendar) func(href string) string {
	return func(href string) string {
		name, err := url.PathUnescape(path.Base(href))
		if href == rc.Href || err != nil || calendar.CheckName(name) != nil || strings.ContainsAny(name, "/:") {
			return ""
		}
		return name
	}
}

// rules judge what is stored, as the server does.
func (m *Migration) rules() object.Rules {
	return object.Rules{Owner: m.Owner, Components: []string{"VEVENT", "VTODO", "VJOURNAL"}, Limits: m.Limits.WithDefaults()}
}

// changedHere tells whether an object is here and is not what the last run stored.
func (m *Migration) changedHere(ctx context.Context, id calendar.ID, was placed, here map[string]bool) (bool, error) {
	if !here[was.Name] {
		return false, nil
	}
	o, err := m.Backend.Object(ctx, m.Who, calendar.Ref{Calendar: id, Name: was.Name})
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(o.Data)
	return hex.EncodeToString(sum[:]) != was.SHA256, nil
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
		if _, ok := there[href]; ok {
			if _, read := next.Objects[href]; !read { // not read this time
				continue
			}
		}
		for _, was := range old.Objects[href].Here {
			if !here[was.Name] || kept[was.Name] {
				continue
			}
			if err := m.goneOne(ctx, rep, href, was, old, next, here); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Migration) goneOne(ctx context.Context, rep *Report, href string, was placed, old, next *state, here map[string]bool) error {
	rep.Deleted++
	mine, err := m.changedHere(ctx, rep.Calendar, was, here)
	if err != nil {
		return err
	}
	it := importer.Item{File: href, UID: was.UID, Name: was.Name, Outcome: "deleted there"}
	stays := true
	switch {
	case !m.Remove:
		it.Reason = "kept here; -d deletes it"
	case mine && !m.Force:
		it.Reason = "kept: it changed here; -F deletes it"
	default:
		stays = false
		it.Reason = "deleted here"
		if m.Dry {
			it.Reason = ""
			break
		}
		err := m.Backend.DeleteObject(ctx, m.Who, calendar.DeleteRequest{Ref: calendar.Ref{Calendar: rep.Calendar, Name: was.Name}})
		if err != nil && !errors.Is(err, calendar.NotFound) {
			return err
		}
	}
	if stays {
		e, ok := next.Objects[href]
		if !ok {
			e.ETag = old.Objects[href].ETag
		}
		e.Here = append(e.Here, was)
		next.Objects[href] = e
	}
	rep.Items = append(rep.Items, it)
	m.Each(&it)
	return nil
}

// dryRun answers writes as if they were done.
type dryRun struct {
	Backend
	rules object.Rules
}

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
		obj, err := object.Parse(d.rules, it.Data, "")
		if err != nil {
			out[i].Err = err
			continue
		}
		uid := obj.UID
		text, ok := have[uid]
		out[i] = calendar.PutItemResult{UID: uid, Created: !ok, Unchanged: ok && text == string(it.Data)}
	}
	return out, nil
}
