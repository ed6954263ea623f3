package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"factotum/cmd/internal/importer"
	"factotum/server/audit"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/object"
	"factotum/server/service"
	"factotum/store/archive"
)

// restoredCalendar is the report of a calendar that was restored.
type restoredCalendar struct {
	Calendar  calendar.ID `json:"calendar"`
	From      string      `json:"from"`
	Until     time.Time   `json:"until,omitzero"`
	Created   []string    `json:"created,omitempty"` // UIDs, here and below
	Replaced  []string    `json:"replaced,omitempty"`
	Deleted   []string    `json:"deleted,omitempty"`
	Unchanged int         `json:"unchanged"`
	Refused   int         `json:"refused,omitempty"`
	Dry       bool        `json:"dry_run,omitempty"`
}

// kept is an object of a backup.
type keptObject struct{ name, uid, text string }

// restoreCalendar makes a calendar what a backup has of it.
func (t *tool) restoreCalendar(ctx context.Context, cfg *config.Config, id calendar.ID, input string, call *restoreCall) error {
	if err := t.here(ctx, calendar.Owner(strings.ToLower(string(call.as.Owner())))); err != nil {
		return err
	}
	be, err := t.openAnyway(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	if !call.dry {
		t.audited(be.cfg, audit.Write, string(call.as.Owner()), "restore "+string(call.as))
	}
	rep := restoredCalendar{Calendar: call.as, From: input, Dry: call.dry}
	old, was, err := t.kept(ctx, cfg, be, id, input, call, &rep)
	if err != nil {
		return err
	}
	now := map[string]keptObject{}
	switch _, err := be.calendar(ctx, call.as); {
	case err == nil:
		if now, err = objectsOf(ctx, be, be.who, call.as); err != nil {
			return err
		}
	case !errors.Is(err, calendar.NoCalendar):
		return err
	case !call.dry:
		old.ID = call.as
		if _, err := be.CreateCalendar(ctx, be.who, calendar.CreateCalendarRequest{Calendar: old, DefaultACL: old.ACL == nil}); err != nil {
			return err
		}
	}
	var items []calendar.PutItem
	for uid, o := range was {
		switch is, there := now[uid]; {
		case there && is.text == o.text:
			rep.Unchanged++
			continue
		case there:
			rep.Replaced = append(rep.Replaced, uid)
		default:
			rep.Created = append(rep.Created, uid)
		}
		items = append(items, calendar.PutItem{Name: o.name, Data: []byte(o.text)})
	}
	for uid := range now {
		if _, stays := was[uid]; !stays {
			rep.Deleted = append(rep.Deleted, uid)
		}
	}
	for _, list := range [][]string{rep.Created, rep.Replaced, rep.Deleted} {
		slices.Sort(list)
	}
	if n := len(rep.Replaced) + len(rep.Deleted); !call.dry && n > 0 {
		if err := t.confirm(ctx, "%s: replace %d and delete %d?", call.as, len(rep.Replaced), len(rep.Deleted)); err != nil {
			return err
		}
	}
	if !call.dry {
		if err := t.bringBack(ctx, be, &rep, items, now); err != nil {
			return err
		}
	}
	t.toldCalendar(&rep)
	if rep.Refused > 0 {
		return exitError(exitFailed)
	}
	return nil
}

func (t *tool) toldCalendar(r *restoredCalendar) {
	until := ""
	if !r.Until.IsZero() {
		until = " as of " + r.Until.Local().Format(time.DateTime)
	}
	would := ""
	if r.Dry {
		would = "would be "
		for what, list := range map[string][]string{"new": r.Created, "replaced": r.Replaced, "deleted": r.Deleted} {
			for _, uid := range list {
				t.tell("%s: %s", what, uid)
			}
		}
	}
	t.did(r, "%s%s: %d %snew, %d %sreplaced, %d %sdeleted, %d the same", r.Calendar, until, len(r.Created), would, len(r.Replaced), would, len(r.Deleted), would, r.Unchanged)
}

// restoreBatch is how many objects are written at once.
const restoreBatch = 100

// bringBack writes what is different, and then deletes what was not there.
func (t *tool) bringBack(ctx context.Context, be *backend, rep *restoredCalendar, items []calendar.PutItem, now map[string]keptObject) error {
	for part := range slices.Chunk(items, restoreBatch) {
		res, err := be.PutObjects(ctx, be.who, calendar.PutObjectsRequest{Calendar: rep.Calendar, Items: part, Replace: true})
		if err != nil {
			return err
		}
		for _, r := range res {
			if r.Err != nil {
				rep.Refused++
				t.complainOf(fmt.Errorf("%s: %w", r.UID, r.Err))
			}
		}
	}
	if rep.Refused > 0 {
		rep.Deleted = nil
		return errors.New("not all could be stored: what is not in the backup stays")
	}
	for part := range slices.Chunk(rep.Deleted, restoreBatch) {
		req := calendar.EditRequest{Calendar: rep.Calendar}
		for _, uid := range part {
			req.Items = append(req.Items, calendar.EditItem{UID: uid, Mode: calendar.EditDelete, Role: calendar.OwnCopy})
		}
		res, err := be.EditObject(ctx, be.who, req)
		if err != nil {
			return err
		}
		for _, r := range res.Items {
			if r.Err != nil {
				rep.Refused++
				t.complainOf(fmt.Errorf("%s: %w", r.UID, r.Err))
			}
		}
	}
	return nil
}

// kept reads what a backup has of a calendar.
func (t *tool) kept(ctx context.Context, cfg *config.Config, be *backend, id calendar.ID, input string, call *restoreCall, rep *restoredCalendar) (c calendar.Calendar, objects map[string]keptObject, err error) {
	if !strings.HasPrefix(input, depotPrefix) {
		fi, err := os.Stat(input)
		if err != nil {
			return c, nil, err
		}
		periods, err := archive.Periods(input)
		if fi.IsDir() && err != nil {
			return c, nil, err
		}
		if !fi.IsDir() || len(periods) == 0 {
			if !call.at.IsZero() {
				return c, nil, misuse("--at goes with a directory of backups")
			}
			return t.keptFile(ctx, cfg, id, input)
		}
	}
	s, dir, err := scratch(ctx, cfg, t)
	if err != nil {
		return c, nil, err
	}
	defer os.RemoveAll(dir)
	defer s.Close()
	from := input
	if input, err = t.fetched(ctx, cfg, input, dir, call.at); err != nil {
		return c, nil, err
	}
	res, err := archive.Restore(ctx, input, s, archive.RestoreOptions{At: call.at, Owner: id.Owner(), Keys: call.keys})
	if err != nil {
		return c, nil, err
	}
	rep.Until, rep.From = res.Until, periodName(from, input, res.Period.Dir)
	people, err := openDirectory(cfg, t.toolLog())
	if err != nil {
		return c, nil, err
	}
	defer people.Close()
	opt, err := modelOptions(cfg, t.toolLog())
	if err != nil {
		return c, nil, err
	}
	opt.NoProvision = true
	model := service.New(s, people, opt)
	if c, err = model.Calendar(ctx, be.who, id); err != nil {
		if errors.Is(err, calendar.NoCalendar) {
			err = fmt.Errorf("%s was not there at %s", id, res.Until.Local().Format(time.DateTime))
		}
		return c, nil, err
	}
	objects, err = objectsOf(ctx, model, be.who, id)
	return c, objects, err
}

// keptFile reads a file, or a directory of files, that csbackup or csexport wrote.
func (t *tool) keptFile(ctx context.Context, cfg *config.Config, id calendar.ID, input string) (c calendar.Calendar, objects map[string]keptObject, err error) {
	sources, err := importer.Sources([]string{input})
	if err != nil {
		return c, nil, err
	}
	opt, err := modelOptions(cfg, t.toolLog())
	if err != nil {
		return c, nil, err
	}
	shelf := &shelf{rules: object.Rules{Owner: id.Owner(), Components: []string{"VEVENT", "VTODO", "VJOURNAL"}, Limits: opt.Limits.WithDefaults()}, objects: map[string]keptObject{}}
	job := &importer.Job{Importer: importer.Importer{Store: shelf, Calendar: id}, Create: shelf}
	bad := 0
	job.Each = func(it *importer.Item) {
		if it.Outcome == importer.Refused {
			bad++
			t.complain("%s", it)
		}
	}
	if err := job.Run(ctx, sources); err != nil {
		return c, nil, err
	}
	if bad > 0 {
		return c, nil, fmt.Errorf("%s cannot be read whole: nothing was changed", input)
	}
	return shelf.made, shelf.objects, nil
}

// shelf takes what an import would store.
type shelf struct {
	rules   object.Rules
	made    calendar.Calendar
	objects map[string]keptObject
}

func (s *shelf) Calendar(_ context.Context, _ calendar.Actor, id calendar.ID) (c calendar.Calendar, err error) {
	return c, &calendar.Error{Kind: calendar.NoCalendar, Ref: string(id)}
}

func (s *shelf) CreateCalendar(_ context.Context, _ calendar.Actor, req calendar.CreateCalendarRequest) (calendar.Calendar, error) {
	s.made = req.Calendar
	return s.made, nil
}

func (s *shelf) PutObjects(_ context.Context, _ calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	out := make([]calendar.PutItemResult, len(req.Items))
	for i, it := range req.Items {
		obj, err := object.Parse(s.rules, it.Data, "")
		if out[i].Err = err; err == nil {
			out[i].UID = obj.UID
			s.objects[obj.UID] = keptObject{it.Name, obj.UID, string(it.Data)}
		}
	}
	return out, nil
}

// objectsOf reads all objects of a calendar by their UIDs.
func objectsOf(ctx context.Context, be calendar.Backend, who calendar.Actor, id calendar.ID) (map[string]keptObject, error) {
	out := map[string]keptObject{}
	_, err := be.Sync(ctx, who, calendar.SyncRequest{Calendar: id, Data: true}, func(it calendar.SyncItem) error {
		if o := it.Object; o != nil {
			out[o.UID] = keptObject{o.Name, o.UID, string(o.Data)}
		}
		return ctx.Err()
	})
	return out, err
}
