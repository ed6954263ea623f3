package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"factotum/cmd/internal/plain"
	"factotum/migrations"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/object"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

// damage is what is wrong with the database's file before it is opened.
func damage(cfg *config.Config) (string, error) {
	if cfg.Store.Type != "sqlite" {
		return "", nil
	}
	return sqlstore.Examine(cfg.Store.Path)
}

// inspected is what is wrong with a database that SQLite does not open.
func inspected(cfg *config.Config, err error) string {
	if calendar.ReasonOf(err) != calendar.Damaged {
		return plain.Error(err)
	}
	return sqlstore.Inspect(cfg.Store.Path)
}

// damaged reports a file that cannot be used as it is.
func (t *tool) damaged(command, found string) error {
	t.found("%s", found)
	if t.json {
		if err := t.findings(command, service.CheckReport{}, false); err != nil {
			return err
		}
	}
	t.say("%s (server stopped): do not start the server; \"csdb recover\" saves all that can be read and keeps the damaged file; or restore a backup", command)
	return exitError(exitFailed)
}

// recoverDatabase mends what can be mended. What is left is reported.
func (t *tool) recoverDatabase(ctx context.Context, cfg *config.Config, other, force bool) error {
	if err := t.needStopped(ctx, cfg, other); err != nil {
		return err
	}
	if err := needDatabase(cfg); err != nil {
		return err
	}
	found, err := damage(cfg)
	if err != nil {
		return err
	}
	if found != "" {
		return t.salvage(ctx, cfg, found)
	}
	be, err := openStopped(ctx, cfg, t)
	if err != nil {
		if cfg.Store.Type != "sqlite" || !ofTheFile(err) {
			return err
		}
		return t.salvage(ctx, cfg, inspected(cfg, err))
	}
	closed := false
	shut := func() {
		if !closed {
			be.close()
		}
		closed = true
	}
	defer shut()
	model := be.Backend.(*service.Service)
	look := t.far("check")
	if st, err := be.store.Stat(ctx); err == nil {
		look.of = st.Owners
	}
	rep, err := model.Check(ctx, look.next)
	if err = look.end(ctx, err); err != nil {
		return err
	}
	if len(rep.Findings) == 0 && !force {
		return t.findings("recover", rep, false)
	}
	for _, f := range rep.Findings {
		t.tell("%s %s", plain.Text(f.Ref), f.Msg)
	}
	again := rep
	err = be.store.(*sqlstore.Store).Recover(ctx)
	if err == nil && rep.Damaged { // perhaps it was an index only
		again, err = model.Check(ctx, nil)
	}
	if cfg.Store.Type == "sqlite" && (again.Damaged || err != nil && calendar.ReasonOf(err) == calendar.Damaged) {
		shut()
		text := "the calendar database is damaged"
		for _, f := range rep.Findings {
			if f.Ref == "" {
				text = f.Msg
			}
		}
		return t.salvage(ctx, cfg, text)
	}
	if err != nil {
		return err
	}
	return t.mend(ctx, model)
}

// mend rebuilds, and checks what is left.
func (t *tool) mend(ctx context.Context, model *service.Service) error {
	mended, err := model.Rebuild(ctx, nil)
	if err != nil {
		return err
	}
	rep, err := model.Check(ctx, nil)
	if err != nil {
		return err
	}
	for _, f := range mended.Findings {
		if f.Mended {
			rep.Findings = append(rep.Findings, f)
		}
	}
	rep.Rebuilt = mended.Rebuilt
	return t.findings("recover", rep, false)
}

// ofTheFile tells errors of a database that cannot be opened for what is in it
// from those that have another reason: it is in use, or newer, or not ours.
func ofTheFile(err error) bool {
	var newer *migrations.NewerError
	var unfinished *migrations.UnfinishedError
	var file *fs.PathError
	return !errors.As(err, &newer) && !errors.As(err, &unfinished) && !errors.As(err, &file) && calendar.KindOf(err) == calendar.Internal
}

// salvage makes a new database of all that can be read, and says what is lost.
func (t *tool) salvage(ctx context.Context, cfg *config.Config, found string) error {
	t.found("%s", found)
	out, err := sqlstore.SalvageSQLite(ctx, cfg.Store.Path, sqlstore.Options{Log: t.toolLog()})
	if err != nil {
		return err
	}
	t.say("what can be read is in a new database; the damaged one is kept as %s", out.Kept)
	be, err := openStopped(ctx, cfg, t)
	if err != nil {
		return err
	}
	defer be.close()
	model := be.Backend.(*service.Service)
	missing := out.Cells
	if len(out.Rows) == 0 {
		fmt.Fprintln(t.std.out, "nothing could be read of it: restore a backup")
		missing++
	}
	for _, id := range out.Made {
		t.found("%s: nothing of the calendar but its entries was left: give it its name and access list again", plain.Text(string(id)))
		missing++
	}
	for owner, texts := range byOwner(out.Strays) {
		n, err := t.restore(ctx, be, owner, texts)
		if err != nil {
			return err
		}
		missing += n
	}
	for _, o := range out.Lost {
		if _, err := be.Object(ctx, be.who, calendar.Ref{Calendar: o.Calendar, Name: o.Name}); err == nil {
			continue // it came back
		}
		t.found("%s/%s (UID %s): its text is lost", plain.Text(string(o.Calendar)), plain.Text(o.Name), plain.Text(o.UID))
		missing++
	}
	if out.Cells > 0 {
		t.found("%d rows could not be read", out.Cells)
	}
	if err := t.mend(ctx, model); err != nil {
		return err
	}
	if missing > 0 {
		t.say("Not all of it could be saved: compare with a backup.")
		return exitError(exitFailed)
	}
	return nil
}

func byOwner(texts []sqlstore.SalvagedText) map[calendar.Owner][]sqlstore.SalvagedText {
	out := map[calendar.Owner][]sqlstore.SalvagedText{}
	for _, s := range texts {
		out[s.Owner] = append(out[s.Owner], s)
	}
	return out
}

// restore puts texts without an object back where an index says that they were,
// else into a calendar of their own. What its owner has under the same UID is
// newer: such a text is left out.
func (t *tool) restore(ctx context.Context, be *backend, owner calendar.Owner, texts []sqlstore.SalvagedText) (unsure int, err error) {
	known := map[string]bool{}
	err = be.store.View(ctx, owner, func(tx calendar.ReadTx) error {
		rows, err := tx.Calendars()
		for _, c := range rows {
			if err == nil {
				err = tx.Objects(c.ID, "", false, func(o *calendar.ObjectRow) error { known[o.UID] = true; return nil })
			}
		}
		return err
	})
	if err != nil {
		return 0, err
	}
	found := calendar.NewID(owner, "recovered")
	for _, s := range texts {
		_, comps, _, err := object.Compile(s.Data)
		if err != nil || len(comps) == 0 {
			t.tell("%s: a text of %d octets is no calendar object", plain.Text(string(owner)), len(s.Data))
			continue
		}
		uid := object.UID(comps[0])
		if known[uid] {
			continue
		}
		known[uid] = true
		req := calendar.PutRequest{Data: s.Data}
		for _, p := range s.Places {
			if p.UID == uid {
				req.Ref = calendar.Ref{Calendar: p.Calendar, Name: p.Name}
			}
		}
		if req.Ref.Name != "" {
			if _, err := be.PutObject(ctx, be.who, req); err == nil {
				t.tell("%s/%s is back", plain.Text(string(req.Ref.Calendar)), plain.Text(req.Ref.Name))
				continue
			}
		}
		unsure++
		sum := sha256.Sum256(s.Data)
		req.Ref = calendar.Ref{Calendar: found, Name: fmt.Sprintf("%x.ics", sum[:8])}
		if _, err := be.Calendar(ctx, be.who, found); errors.Is(err, calendar.NoCalendar) {
			_, err = be.CreateCalendar(ctx, be.who, calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: found, DisplayName: "recovered"}, DefaultACL: true})
			if err != nil {
				return unsure, err
			}
		}
		if _, err := be.PutObject(ctx, be.who, req); err != nil {
			t.found("%s: the text with UID %s cannot be stored: %s", plain.Text(string(owner)), plain.Text(uid), plain.Error(err))
			continue
		}
		t.found("%s/%s: the text with UID %s, whose place is not known", plain.Text(string(found)), req.Ref.Name, plain.Text(uid))
	}
	return unsure, nil
}
