package main

import (
	"context"
	"errors"
	"fmt"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/directory"
	"factotum/server/rename"
)

// checkDirectory looks whether those of the new ids are in the directory. Without them
// nothing can be changed there.
func (r *renaming) checkDirectory(ctx context.Context) error {
	unknown := func(err error) error {
		if r.ldap {
			return err
		}
		r.t.warn("whether the new ids are in the directory is not known: %s", plain.Error(err))
		return nil
	}
	people, err := r.t.people(r.cfg)
	if err != nil {
		return unknown(err)
	}
	defer people.Close()
	var bad []rename.Bad
	for _, pair := range r.pairs {
		p, err := people.Person(ctx, pair.New)
		switch {
		case calendar.KindOf(err) == calendar.NotFound || err == nil && p.ID != pair.New:
			why := fmt.Sprintf("nobody in the directory is called %s yet: make the entry before the server starts", pair.New)
			if !r.ldap || r.dry {
				r.note(pair, "%s", why)
				continue
			}
			bad = append(bad, rename.Bad{Line: pair.Line, Text: pair.Old + " " + pair.New, Why: why})
		case err != nil:
			return unknown(err)
		}
	}
	if len(bad) > 0 {
		return r.refuse(bad)
	}
	return nil
}

// directory changes ids in the directory and in app passwords.
func (r *renaming) directory(ctx context.Context) error {
	m := rename.NewMapper(rename.New(r.pairs, r.cfg.Domain.Default))
	change := directory.IDChange{Old: map[calendar.UserID]calendar.UserID{}, New: map[calendar.UserID]calendar.UserID{}, Values: m.Attribute, Dry: r.dry}
	for _, p := range r.pairs {
		change.Old[p.New], change.New[p.Old] = p.Old, p.New
	}
	failed := 0
	err := r.t.inDirectory(r.cfg, func(_ *directory.Directory, opt directory.Options) error {
		ed, err := entryEditor(r.cfg, opt)
		if err != nil {
			return err
		}
		defer ed.Close()
		list, err := ed.ChangeIDs(ctx, change)
		for _, e := range list {
			if e.Err != nil {
				failed++
				r.t.complain("the entry of %s is as it was: %s", e.ID, plain.Error(e.Err))
				r.note(rename.Pair{Old: e.ID}, "the entry is as it was: %s", plain.Error(e.Err))
				continue
			}
			r.rep.Entries++
			if r.dry {
				changed := map[string]int{}
				for _, a := range e.Attrs {
					changed[a]++
				}
				r.rep.Changes = append(r.rep.Changes, renamedHome{Entry: "entry of " + e.ID, Changes: changed})
			}
		}
		return err
	})
	if err == nil {
		err = r.appPasswords(change.New)
	}
	if err != nil || failed > 0 {
		if err == nil {
			err = fmt.Errorf("%d entries of the directory could not be changed", failed)
		}
		return errors.Join(fmt.Errorf("%w; the new database in %s is whole", err, r.rep.To), r.writeErrors(r.bad))
	}
	return nil
}

func (r *renaming) appPasswords(to map[calendar.UserID]calendar.UserID) error {
	apps, err := openAppPasswords(r.cfg)
	if apps == nil || err != nil {
		return err
	}
	defer apps.Close()
	r.rep.Apps, err = apps.Rename(to, r.dry)
	return err
}
