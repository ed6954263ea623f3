package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/rezone"
)

// Repairs of hours after a change of the zone database (csdst). All of it looks at an
// object again in the transaction that writes it, so that it may be cut off anywhere
// and begun anew; what it wrote needs no more. docs/time-zones.md.

// rezoneStep is how many objects share a transaction.
const rezoneStep = 50

// Rezoned is an object that meant another hour, and what is or was to be done.
type Rezoned struct {
	Owner     calendar.Owner
	Calendar  calendar.ID
	Name, UID string
	Summary   string
	Component string
	Does      rezone.Does
	Moved     int
	Shifts    []rezone.Shift
	Why       string
	Done      bool
}

// rezoneActor is who writes: the server, in the name of nobody.
func rezoneActor(run string) calendar.Actor {
	return calendar.Actor{Admin: true, Via: calendar.ViaRezone, Client: run}
}

// rezonable tells of calendars whose objects are looked at: those of people, and not
// messages in boxes, which are what was sent.
func rezonable(row *calendar.CalendarRow) bool {
	k := row.Kind.Rules()
	return k.Objects && k.Made
}

// scanRezoned calls fn for each object of an owner that may use a zone that changed.
func (s *Service) scanRezoned(ctx context.Context, owner calendar.Owner, c *rezone.Change, seen *int64, fn func(tx calendar.ReadTx, row *calendar.CalendarRow, o *calendar.ObjectRow) error) error {
	return s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		cals, err := tx.Calendars()
		if err != nil {
			return err
		}
		for i := range cals {
			row := &cals[i]
			if !rezonable(row) {
				continue
			}
			var found []calendar.ObjectRow
			err := tx.Objects(row.ID, "", true, func(o *calendar.ObjectRow) error {
				*seen++
				if c.May(o.Data) {
					kept := *o
					kept.Data = slices.Clone(o.Data)
					found = append(found, kept)
				}
				return ctx.Err()
			})
			if err != nil {
				return err
			}
			for k := range found {
				if err := fn(tx, row, &found[k]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Rezone finds the objects of all owners, or of one, that meant another hour, and with a
// run mends them: each object once, and each owner is told once by mail. The run is
// the name by which UndoRezone knows it. emit is told of each owner's together.
func (s *Service) Rezone(ctx context.Context, c *rezone.Change, only calendar.Owner, run string, emit func(calendar.Owner, []Rezoned) error) (seen int64, err error) {
	const op = "repair time zones"
	if run != "" && s.opt.ReadOnly {
		return 0, calendar.Failf(calendar.ReadOnly, "", op, "", "the calendar store is in read-only mode: nothing was changed")
	}
	each := func(owner calendar.Owner) error {
		var items []Rezoned
		var n int64
		err := s.scanRezoned(ctx, owner, c, &n, func(_ calendar.ReadTx, row *calendar.CalendarRow, o *calendar.ObjectRow) error {
			f, err := c.Judge(ctx, o.Data, o.Modified, s.now())
			if err != nil || f.Does == rezone.Nothing {
				return ctx.Err() // what cannot be read stays as it is; csdb check tells of it
			}
			items = append(items, Rezoned{Owner: owner, Calendar: calendar.NewID(owner, row.Name), Name: o.Name, UID: o.UID, Summary: summaryOf(f.Cal), Component: o.Component,
				Does: f.Does, Moved: f.Moved, Shifts: f.Shifts, Why: f.Why})
			return nil
		})
		seen += n
		if err != nil {
			return wrap(op, string(owner), err)
		}
		if run != "" {
			if err := s.mendZones(ctx, c, owner, run, items); err != nil {
				return err
			}
		}
		if len(items) == 0 {
			return nil
		}
		return emit(owner, items)
	}
	if only != "" {
		return seen, each(only)
	}
	return seen, s.eachOwner(ctx, each)
}

// mendZones carries out what was found of an owner, and tells him.
func (s *Service) mendZones(ctx context.Context, c *rezone.Change, owner calendar.Owner, run string, items []Rezoned) error {
	const op = "repair time zones"
	var todo []*Rezoned
	for i := range items {
		if items[i].Does == rezone.Rewritten || items[i].Does == rezone.Follows {
			todo = append(todo, &items[i])
		}
	}
	me, err := s.ownerEntry(ctx, op, owner)
	if err != nil {
		return err
	}
	ctx = withPerson(calendar.WithToken(ctx, ""), me)
	for part := range slices.Chunk(todo, rezoneStep) {
		done := make([]bool, len(part))
		err := s.transact(ctx, rezoneActor(run), op, owner, func(w *writer) error {
			for i, it := range part {
				var err error
				if done[i], err = w.rezone(c, it.Calendar, it.Name); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		for i, it := range part {
			it.Done = done[i]
		}
	}
	return s.tellRezoned(ctx, c, owner, run, items)
}

// rezone mends one object. false: there is nothing to do any more.
func (w *writer) rezone(c *rezone.Change, id calendar.ID, name string) (bool, error) {
	p, err := w.enter(id, nil)
	if err != nil {
		if calendar.KindOf(err) == calendar.NoCalendar {
			return false, nil
		}
		return false, err
	}
	old, err := w.object(p, name)
	if err != nil || old == nil {
		return false, err
	}
	f, err := c.Judge(context.Background(), old.Data, old.Modified, w.now)
	if err != nil || f.Does != rezone.Rewritten && f.Does != rezone.Follows {
		return false, nil
	}
	data := old.Data
	if f.Text != nil {
		data = f.Text
	}
	return w.storeRezoned(p, old, data)
}

// storeRezoned stores an object whose moments are others, by its text or by the zones.
func (w *writer) storeRezoned(p *place, old *calendar.ObjectRow, data []byte) (bool, error) {
	obj, err := object.Parse(w.rules(p), data, old.ContentType)
	if errors.Is(err, errPerson) {
		return false, err
	}
	if err != nil || obj.OccHash == old.OccHash && string(data) == string(old.Data) {
		return false, nil
	}
	obj.UID = old.UID
	_, err = w.store(p, old.Name, obj, old, storing{received: true, quiet: true})
	return err == nil, err
}

// UseZoneData names the rules of zones in use, where they are not those that the store
// began with: alarms are planned anew for others.
func (s *Service) UseZoneData(id string) { s.zoneData.Store(id) }

// FollowZones brings the time index and the alarms of objects up to date whose text
// stays and whose moments are others, since the zone database is. It tells how many.
func (s *Service) FollowZones(ctx context.Context, c *rezone.Change) (n int, err error) {
	const op = "follow time zones"
	if len(c.Zones) == 0 {
		return 0, nil
	}
	err = s.eachOwner(ctx, func(owner calendar.Owner) error {
		var todo []calendar.Ref
		var seen int64
		err := s.scanRezoned(ctx, owner, c, &seen, func(tx calendar.ReadTx, row *calendar.CalendarRow, o *calendar.ObjectRow) error {
			moved, err := movedIndex(tx, row, o)
			if moved {
				todo = append(todo, calendar.Ref{Calendar: calendar.NewID(owner, row.Name), Name: o.Name})
			}
			return err
		})
		if err != nil {
			return err
		}
		me, err := s.ownerEntry(ctx, op, owner)
		if err != nil {
			return err
		}
		ctx := withPerson(calendar.WithToken(ctx, ""), me)
		for part := range slices.Chunk(todo, rezoneStep) {
			k := 0
			err := s.transact(ctx, calendar.Actor{Admin: true}, op, owner, func(w *writer) error {
				k = 0
				for _, ref := range part {
					p, err := w.enter(ref.Calendar, nil)
					if calendar.KindOf(err) == calendar.NoCalendar && err != nil {
						continue
					} else if err != nil {
						return err
					}
					old, err := w.object(p, ref.Name)
					if err != nil {
						return err
					}
					if old == nil {
						continue
					}
					did, err := w.storeRezoned(p, old, old.Data)
					if err != nil {
						return err
					}
					if did {
						k++
					}
				}
				return nil
			})
			if n += k; err != nil {
				return err
			}
		}
		return nil
	})
	return n, wrap(op, "", err)
}

// movedIndex tells whether an object's rows of the time index stand at other moments
// than those that its text gives now.
func movedIndex(tx calendar.ReadTx, row *calendar.CalendarRow, o *calendar.ObjectRow) (bool, error) {
	_, comps, set, err := object.Compile(o.Data)
	if err != nil {
		return false, nil
	}
	want, err := object.IndexRows(set, comps, object.Attending{})
	if err != nil {
		return false, nil
	}
	have, err := tx.ObjectOccurrences(row.ID, o.Name)
	if err != nil {
		return false, err
	}
	order := func(a, b calendar.OccurrenceRow) int {
		if a.Start != b.Start {
			return int(min(max(a.Start-b.Start, -1), 1))
		}
		return int(min(max(a.End-b.End, -1), 1))
	}
	slices.SortFunc(want, order)
	slices.SortFunc(have, order)
	return !slices.EqualFunc(want, have, func(a, b calendar.OccurrenceRow) bool { return a.Start == b.Start && a.End == b.End }), nil
}

// UndoRezone takes back what a run wrote, of all owners or of one, without telling
// anybody else. With dry it says what would be.
func (s *Service) UndoRezone(ctx context.Context, only calendar.Owner, run string, dry bool, emit func(calendar.Owner, []calendar.UndoItem) error) error {
	const op = "undo a repair of time zones"
	if s.opt.HistoryAge < 0 {
		return calendar.Failf(calendar.Unsupported, "", op, "", "no history is kept (factotum.history.days is 0): there is nothing that can be taken back")
	}
	who := calendar.Actor{Admin: true, Via: calendar.ViaRezone + "-undo", Client: run}
	each := func(owner calendar.Owner) error {
		res, err := s.Undo(calendar.WithToken(ctx, ""), who, calendar.UndoRequest{Owner: owner, Dry: dry, Which: calendar.HistoryFilter{Via: calendar.ViaRezone, Client: run}})
		if err != nil || len(res.Items) == 0 {
			return err
		}
		return emit(owner, res.Items)
	}
	if only != "" {
		return each(only)
	}
	return s.eachOwner(ctx, each)
}

// mostRezonedTold is how many events one mail lists.
const mostRezonedTold = 50

// tellRezoned mails an owner once for a run what was written in his calendars. What was
// written before the run was cut off is in the history.
func (s *Service) tellRezoned(ctx context.Context, c *rezone.Change, owner calendar.Owner, run string, items []Rezoned) error {
	const op = "tell of repaired time zones"
	if !s.opt.Notices.Zones {
		return nil
	}
	type told struct{ cal, name string }
	type written struct {
		told
		data   []byte
		stored time.Time
	}
	var rows []written
	pref := ""
	err := s.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		rows = nil
		prefs, err := tx.Prefs()
		if pref = prefs[calendar.RezonedPref]; err != nil || pref == run {
			return err
		}
		return tx.History(calendar.HistoryQuery{Data: true}, func(h *calendar.HistoryRow) error {
			if h.How.Via == calendar.ViaRezone && h.How.Client == run && h.End == calendar.Replaced && len(rows) < 10*mostRezonedTold {
				rows = append(rows, written{told{h.Calendar, h.Object.Name}, slices.Clone(h.Object.Data), h.Object.Modified})
			}
			return nil
		})
	})
	if err != nil || pref == run {
		return wrap(op, string(owner), err)
	}
	lines := map[told]string{}
	var order []told
	for _, r := range rows {
		f, err := c.Judge(ctx, r.data, r.stored, s.now())
		if err != nil || f.Does != rezone.Rewritten || lines[r.told] != "" {
			continue
		}
		if lines[r.told], err = s.rezonedLine(ctx, owner, &f); err != nil {
			return wrap(op, string(owner), err)
		}
		order = append(order, r.told)
	}
	if s.opt.HistoryAge < 0 {
		for _, it := range items {
			if it.Done && it.Does == rezone.Rewritten && len(it.Shifts) > 0 {
				key := told{it.Calendar.Name(), it.Name}
				order, lines[key] = append(order, key), shiftLine(it.Summary, it.Shifts[0])
			}
		}
	}
	if len(order) == 0 {
		return nil
	}
	slices.SortFunc(order, func(a, b told) int { return strings.Compare(lines[a], lines[b]) })
	var text []string
	for i, key := range order {
		if i == mostRezonedTold {
			text = append(text, fmt.Sprintf("… (+%d)", len(order)-i))
			break
		}
		text = append(text, lines[key])
	}
	about := ical.NewCalendar("-//Factotum//csdst//EN")
	item := &ical.Component{Name: "VEVENT"}
	item.Set("UID", "csdst/"+run)
	item.SetText("SUMMARY", fmt.Sprint(len(order)))
	item.SetText("DESCRIPTION", strings.Join(text, "\n"))
	about.AddChild(item)
	return s.transact(ctx, rezoneActor(run), op, owner, func(w *writer) error {
		prefs, err := w.Prefs()
		if err != nil || prefs[calendar.RezonedPref] == run {
			return err
		}
		if w.me == nil {
			return errPerson
		}
		if err := w.setPrefs(map[string]string{calendar.RezonedPref: run}, nil); err != nil {
			return err
		}
		_, to, err := w.noticesTo()
		if err != nil || len(to) == 0 || w.me.Kind != calendar.Individual {
			return err
		}
		var jobs []task
		for _, to := range to {
			m := calendar.Mailing{Kind: calendar.MailRezoned, To: to, UID: "csdst/" + run, Letter: calendar.Letter{ID: "csdst/" + run + "/" + string(owner), Data: about.Bytes()}}
			job, err := m.Job()
			if err != nil {
				return err
			}
			jobs = append(jobs, task{Job: job})
		}
		return w.posted(jobs...)
	})
}

// rezonedLine is what a mail says of an event: what, when, and of a meeting of the
// owner's who has no calendar here and is not told by the server.
func (s *Service) rezonedLine(ctx context.Context, owner calendar.Owner, f *rezone.Finding) (string, error) {
	line := summaryOf(f.Cal)
	if len(f.Shifts) > 0 {
		line = shiftLine(line, f.Shifts[0])
	}
	o := organizerOf(f.Cal)
	if o == nil || s.people == nil {
		return line, nil
	}
	me := personOf(ctx)
	if me == nil || !me.HasAddress(o.Value) {
		return line, nil
	}
	var outside []string
	for _, k := range f.Cal.Children {
		for p := range k.All("ATTENDEE") {
			mail := calendar.MailboxOf(p.Value)
			if mail == "" || slices.Contains(outside, mail) || me.HasAddress(p.Value) || len(outside) == 10 {
				continue
			}
			switch _, err := s.people.ByMail(ctx, mail); {
			case errors.Is(err, calendar.NotFound):
				outside = append(outside, mail)
			case err != nil:
				return "", err
			}
		}
	}
	if len(outside) > 0 {
		line += " → " + strings.Join(outside, ", ")
	}
	return line, nil
}

func shiftLine(summary string, sh rezone.Shift) string {
	return strings.TrimSpace(summary + "  " + sh.Civil.Format("2006-01-02 15:04") + " (" + sh.Zone + ")")
}
