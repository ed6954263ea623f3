package main

import (
	"context"
	"errors"
	"fmt"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

// doneUser is what became of a user, for programs.
type doneUser struct {
	User      string         `json:"user"`
	Done      string         `json:"done"`
	Password  string         `json:"password,omitempty"` // that was made
	Calendars []doneCalendar `json:"calendars,omitempty"`
}

// changeLDIF changes the directory file.
func (o *userOptions) changeLDIF(ctx context.Context, cfg *config.Config, ed *directory.Editor, command, id string) error {
	if command != "create" {
		p, err := ed.Get(id)
		if err != nil {
			return o.known(id, err)
		}
		id = p.ID
	}
	switch command {
	case "create":
		return o.create(ctx, ed, id)
	case "password":
		secret, err := o.newPassword(ctx)
		if err != nil {
			return err
		}
		if err := ed.SetPassword(id, secret); err != nil {
			return err
		}
		o.warnPassword(id, secret)
		forget(ctx, cfg, id, true)
		return o.withPassword(id, "password set", secret)
	case "enable", "disable":
		if err := ed.SetEnabled(id, command == "enable"); err != nil {
			return err
		}
		forget(ctx, cfg, id, command == "enable")
		o.did(doneUser{User: id, Done: command + "d"}, "%s: %sd", id, command)
	case "reset":
		if err := o.confirm(ctx, "Take calendar service from %s?", id); err != nil {
			return err
		}
		if err := ed.Reset(id); err != nil {
			return err
		}
		o.did(doneUser{User: id, Done: "reset"}, "%s: reset", id)
	case "delete":
		return o.delete(ctx, cfg, "user", id, func() error { return ed.Delete(id) })
	}
	return nil
}

// create makes an entry; o.domain is the domain that was asked for.
func (o *userOptions) create(ctx context.Context, ed *directory.Editor, id string) error {
	p := o.newUser
	p.ID, p.Domain = id, o.domain
	owner, err := ed.ID(id, o.domain)
	if err != nil {
		return err
	}
	be, err := o.store(ctx)
	if err == nil {
		defer be.close()
		err = o.inherits(ctx, be, owner)
	} else if calendar.KindOf(err) != calendar.Canceled {
		// The entry has a name of its own, by which the store tells the new user
		// from an earlier one.
		o.tell("the store was not asked for calendars of an earlier %s: %s", owner, plain.Error(err))
		be, err = nil, nil
	}
	if err != nil {
		return err
	}
	if p.Password, err = o.newPassword(ctx); err != nil {
		return err
	}
	if err := ed.Create(p); err != nil {
		return err
	}
	o.warnPassword(owner, p.Password)
	if be != nil && o.all {
		if _, err := be.inherit(ctx, calendar.Owner(owner)); err != nil && calendar.KindOf(err) != calendar.NoCalendar {
			return fmt.Errorf("%s was made, but the calendars of an earlier one could not be given to him: %s", owner, plain.Error(err))
		}
	}
	return o.withPassword(owner, "made", p.Password)
}

// inherits refuses to give a new user the calendars of an earlier one of that
// name, unless that is wanted.
func (o *userOptions) inherits(ctx context.Context, be *backend, owner string) error {
	if o.all {
		return nil
	}
	home, err := be.Home(ctx, be.who, calendar.HomeRequest{Owner: calendar.Owner(owner)})
	if errors.Is(err, calendar.NoCalendar) || err == nil && len(home.Calendars) == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("there are calendars of an earlier %s, %s among them: \"cscal -o %[1]s delete\" removes them, and --with-calendars gives them to the new one", owner, home.Calendars[0].ID)
}

// inherit gives the calendars of an earlier user to whom the directory has under
// that name now; or all, to everybody.
func (o *userOptions) inherit(ctx context.Context, cfg *config.Config, dir *directory.Directory, words []string) error {
	owner, whose := "", "everybody"
	if len(words) == 1 {
		p, err := dir.Person(ctx, words[0])
		if err != nil {
			return o.known(words[0], err)
		}
		owner, whose = p.ID, p.ID
		if cfg.CLD.Type == "directory" {
			if err := servedHere(ctx, cfg, dir, calendar.Owner(owner)); err != nil {
				return err
			}
		}
	}
	be, err := o.store(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	if err := o.confirm(ctx, "Give what earlier users of the names of %s left to those who have the names now?", whose); err != nil {
		return err
	}
	n, err := be.inherit(ctx, calendar.Owner(owner))
	if err != nil {
		return err
	}
	if owner != "" {
		o.did(doneUser{User: owner, Done: "inherited"}, "%s: the calendars of that name are his", owner)
		return nil
	}
	o.did(map[string]any{"done": "inherited", "users": n}, "the calendars of %d people are theirs", n)
	return nil
}

// newPassword is the one given, made or typed.
func (o *userOptions) newPassword(ctx context.Context) (string, error) {
	if o.generate {
		return directory.RandomPassword(), nil
	}
	secret, err := o.password(ctx, o.given, o.file, "Password: ", true)
	if err != nil {
		return "", err
	}
	return secret, directory.CheckPassword(secret)
}

// withPassword tells what was done, and a password that was made here: nobody
// else knows it, so -q does not suppress it.
func (o *userOptions) withPassword(id, what, secret string) error {
	if !o.generate {
		secret = ""
	}
	o.did(doneUser{User: id, Done: what, Password: secret}, "%s: %s", id, what)
	if secret == "" || o.json {
		return nil
	}
	_, err := fmt.Fprintf(o.std.out, "password: %s\n", secret)
	return err
}

// changeLDAP does what the calendar server may do in an LDAP directory.
func (o *userOptions) changeLDAP(ctx context.Context, cfg *config.Config, opt directory.Options, command, id string) error {
	switch command {
	case "enable", "disable":
	case "reset":
		if err := o.confirm(ctx, "Take calendar service from %s?", id); err != nil {
			return err
		}
	default:
		return fmt.Errorf("people are kept in LDAP: %s is for the directory's own tools (ldapadd, ldapmodify, ldappasswd, ldapdelete)", command)
	}
	ed, err := ldapEditor(cfg, opt)
	if err != nil {
		return err
	}
	defer ed.Close()
	if command == "reset" {
		err = ed.Reset(ctx, id)
	} else {
		err = ed.SetEnabled(ctx, id, command == "enable")
	}
	if err != nil {
		return o.known(id, err)
	}
	forget(ctx, cfg, id, command == "enable")
	done := map[string]string{"enable": "enabled", "disable": "disabled", "reset": "reset"}[command]
	o.did(doneUser{User: id, Done: done}, "%s: %s", id, done)
	return nil
}
