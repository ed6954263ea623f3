package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"factotum/cmd/internal/zonedata"
	"factotum/server/config"
	"factotum/server/recur"
	"factotum/server/rezone"
	"factotum/store/sqlstore"
)

// zonesFile is the release of the zone database that "calserver zones update" put
// there, for all programs of this host.
func zonesFile(cfg *config.Config) string { return filepath.Join(cfg.Data, "zones.zip") }

// useZones has the process take its zones from there; where none is, from the
// system, else from the program itself.
func useZones(cfg *config.Config) error {
	file := zonesFile(cfg)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) || cfg.Data == "" {
		if recur.DataInUse() != nil {
			recur.UseData(nil)
		}
		return nil
	}
	if d := recur.DataInUse(); d != nil && d.Source == file {
		return nil
	}
	d, err := zonedata.Open(file)
	if err != nil {
		return fmt.Errorf("the zone database %s cannot be read: %w; put another in its place with \"calserver zones update\", or delete it to go on with the system's", file, err)
	}
	recur.UseData(d)
	return nil
}

// dataInUse is the release that the process takes its zones from.
func dataInUse() *recur.Data {
	if d := recur.DataInUse(); d != nil {
		return d
	}
	return zonedata.System()
}

// followZones notes with the store which rules of zones are in use. Where they are
// others than before, the time index follows them, and the log says what to do.
func (s *storeService) followZones(ctx context.Context) {
	for ctx.Err() == nil {
		err := s.noteZones(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		s.log.Error("follow the zone database", "err", err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Minute):
		}
	}
}

func (s *storeService) noteZones(ctx context.Context) error {
	now, err := recur.RulesOf(dataInUse())
	if err != nil {
		return err
	}
	list, err := s.store.ZoneData(ctx)
	if err != nil {
		return err
	}
	id, at := now.ID(), time.Now().UTC()
	row := sqlstore.ZoneData{ID: id, Version: now.Version, Used: at}
	if len(list) == 0 { // all that is here was written by them, as far as anybody knows
		row.Followed, row.Repaired = at, at
	} else if last := list[len(list)-1]; last.ID == id {
		row = last
	}
	if row.Rules == nil {
		if row.Rules, err = now.Pack(); err != nil {
			return err
		}
		if err := s.putZoneData(ctx, row); err != nil {
			return err
		}
	}
	if len(list) > 1 || len(list) == 1 && list[0].ID != id {
		s.model.UseZoneData(id)
	}
	if !row.Followed.IsZero() {
		return nil
	}
	var base *sqlstore.ZoneData
	for i := range list {
		if list[i].ID != id && !list[i].Followed.IsZero() {
			base = &list[i]
		}
	}
	if base != nil {
		old, err := recur.ReadRules(base.Rules)
		if err != nil {
			return err
		}
		changed, gone := old.Diff(now)
		s.log.Warn("the zone database is another one: \"csdst preview\" shows which events meant another hour", "was", versionName(base.Version), "is", versionName(now.Version),
			"zones", len(changed), "names", someNames(changed))
		if len(gone) > 0 {
			s.log.Warn("the zone database has some zones no more", "n", len(gone), "names", strings.Join(gone[:min(len(gone), 10)], " "))
		}
		n, err := s.model.FollowZones(ctx, &rezone.Change{Zones: changed, Since: row.Used})
		if err != nil {
			return err
		}
		if n > 0 {
			s.log.Info("events follow the zone database", "n", n)
		}
	}
	row.Followed = time.Now().UTC()
	return s.putZoneData(ctx, row)
}

func versionName(v string) string {
	if v == "" {
		return "unnamed"
	}
	return v
}

// someNames are the first names of what changed.
func someNames(changed map[string]*recur.ZoneChange) string {
	names := changedNames(changed)
	if len(names) > 10 {
		return strings.Join(names[:10], " ") + " …"
	}
	return strings.Join(names, " ")
}

func changedNames(changed map[string]*recur.ZoneChange) (names []string) {
	for name := range changed {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// zoneOrder is what csdst asks of csstored.
type zoneOrder struct {
	owner    string
	zones    []string
	from, to time.Time
	before   time.Time
	old      string // a release to compare with
}

// limited tells whether it leaves anything out.
func (o *zoneOrder) limited() bool {
	return o.owner != "" || len(o.zones) > 0 || !o.from.IsZero() || !o.to.IsZero()
}

// zoneStep is a change of the zone database as csdst works on it.
type zoneStep struct {
	change   *rezone.Change
	was, is  string // versions
	run      string
	row      sqlstore.ZoneData // of what is in use
	gone     []string
	repaired time.Time
}

// zoneStep compares the rules in use with those that the store was last repaired for.
func (s *storeService) zoneStep(ctx context.Context, o *zoneOrder) (*zoneStep, error) {
	now, err := recur.RulesOf(dataInUse())
	if err != nil {
		return nil, err
	}
	list, err := s.store.ZoneData(ctx)
	if err != nil {
		return nil, err
	}
	st := &zoneStep{is: versionName(now.Version)}
	id, since := now.ID(), time.Time{}
	if len(list) > 0 && list[len(list)-1].ID == id {
		st.row = list[len(list)-1]
		since = st.row.Used
	} else {
		return nil, errors.New("csstored has not noted the zone database yet: try again in a moment")
	}
	st.repaired = st.row.Repaired
	var old *recur.Rules
	if o.old != "" {
		r, err := zonedata.Read(ctx, o.old)
		if err != nil {
			return nil, err
		}
		if old, err = recur.RulesOf(r.Data(o.old)); err != nil {
			return nil, err
		}
	} else {
		at := len(list) - 2 // it is back at what it began with
		for i := range list[:len(list)-1] {
			if !list[i].Repaired.IsZero() {
				at = i
			}
		}
		if at < 0 {
			return nil, fmt.Errorf("the store was used with one zone database only (%s): there is nothing to compare it with; --old names an older one", st.is)
		}
		if old, err = recur.ReadRules(list[at].Rules); err != nil {
			return nil, err
		}
		since = list[at+1].Used
	}
	if !o.before.IsZero() {
		since = o.before
	}
	st.was, st.run = versionName(old.Version), old.ID()[:8]+"-"+id[:8]
	changed, gone := old.Diff(now)
	st.gone = gone
	if len(o.zones) > 0 {
		some := map[string]*recur.ZoneChange{}
		for _, name := range o.zones {
			z, ok := recur.LoadZone(name)
			switch {
			case !ok:
				return nil, fmt.Errorf("there is no zone %q; \"csdst zones\" lists those whose hours changed", name)
			case changed[z.Name()] == nil:
				return nil, fmt.Errorf("the hours of %s do not differ between %s and %s", z.Name(), st.was, st.is)
			}
			some[z.Name()] = changed[z.Name()]
		}
		changed = some
	}
	st.change = &rezone.Change{Zones: changed, Since: since, From: o.from, To: o.to}
	return st, nil
}
