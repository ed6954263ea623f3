package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

// openAppPasswords opens the file with app passwords, nil if there is none.
func openAppPasswords(cfg *config.Config) (*directory.AppPasswords, error) {
	if !cfg.Auth.AppPasswords || cfg.Auth.PasswordFile == "" {
		return nil, nil
	}
	return directory.OpenAppPasswords(cfg.Auth.PasswordFile, nil)
}

// appPassword is "csuser app-password add|list|revoke userid [label|id]".
func (o *userOptions) appPassword(ctx context.Context, cfg *config.Config, dir *directory.Directory, words []string) error {
	apps, err := openAppPasswords(cfg)
	if err != nil {
		return err
	}
	if apps == nil {
		return errors.New("app passwords are switched off in ics.conf")
	}
	defer apps.Close()
	id := strings.ToLower(words[1])
	var person calendar.Person
	if words[0] != "revoke" { // those of somebody who is gone can be revoked
		if person, err = dir.Person(ctx, id); err != nil {
			return o.known(id, err)
		}
		id = person.ID
	}
	switch words[0] {
	case "add":
		label := ""
		if len(words) == 3 {
			label = words[2]
		}
		p, token, err := apps.CreateFor(person, label)
		if err != nil {
			return err
		}
		if o.json {
			return o.print(struct {
				appPasswordInfo
				Password string `json:"password"`
			}{describeAppPassword(p), token})
		}
		o.say("%s: app password %s, shown this once:", id, p.ID)
		fmt.Fprintln(o.std.out, token)
	case "list":
		list := newArray(o.std.out)
		for _, p := range apps.List(id) {
			switch {
			case o.json:
				if err := list.add(describeAppPassword(p)); err != nil {
					return err
				}
			case !o.quiet:
				used := "never used"
				if !p.LastUsed.IsZero() {
					used = "last used " + p.LastUsed.Format("2006-01-02 15:04")
				}
				fmt.Fprintf(o.std.out, "%s\t%s\t%s\t%s\n", p.ID, p.Created.Format("2006-01-02"), used, plain.Text(p.Label))
			}
		}
		if o.json {
			return list.end()
		}
	case "revoke":
		if err := apps.Revoke(id, words[2]); errors.Is(err, calendar.NotFound) {
			return fmt.Errorf("%s has no app password %s", id, words[2])
		} else if err != nil {
			return err
		}
		o.did(map[string]string{"id": words[2], "user": id, "done": "revoked"}, "%s: app password %s revoked", id, words[2])
	}
	return nil
}

// appPasswordInfo is an app password, for programs.
type appPasswordInfo struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	Label    string    `json:"label,omitempty"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used,omitzero"`
}

func describeAppPassword(p directory.AppPassword) appPasswordInfo {
	return appPasswordInfo{p.ID, p.User, p.Label, p.Created, p.LastUsed}
}
