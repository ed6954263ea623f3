package main

import (
	"context"
	"errors"
	"fmt"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/directory"
	"factotum/server/zone"
)

// What all programs refuse, or warn about, in the same words: the tools,
// quickstart and "config check".

// checkZone refuses a time zone that nobody knows; "" is none.
func checkZone(tzid string) error {
	if _, ok := zone.Load(tzid); !ok && tzid != "" {
		return fmt.Errorf("the time zone %.60s is not known; expected one such as Europe/Berlin", tzid)
	}
	return nil
}

// unknownPeople are the names in an access list, and of owners, that the
// directory does not have: who has them later gets the rights. Nothing is said
// where the directory does not answer.
func unknownPeople(ctx context.Context, people *directory.Directory, list acl.List, owners []string) (out []string) {
	seen := map[string]bool{}
	look := func(name string) {
		if name == "" || name == acl.Anonymous || seen[name] {
			return
		}
		seen[name] = true
		if _, err := people.Person(ctx, name); errors.Is(err, calendar.NotFound) {
			out = append(out, name)
		}
	}
	for _, e := range list {
		if e.Who.Kind == acl.User {
			look(e.Who.Name)
		}
	}
	for _, o := range owners {
		look(o)
	}
	return out
}

// warnUnknown tells of such names.
func (t *tool) warnUnknown(ctx context.Context, people *directory.Directory, list acl.List, owners []string) {
	for _, name := range unknownPeople(ctx, people, list, owners) {
		t.warn("%s is not in the directory; whoever gets this name has the rights", name)
	}
}

// warnPassword tells of a password that is easily guessed.
func (t *tool) warnPassword(user, secret string) {
	if why := directory.WeakPassword(user, secret); why != "" {
		t.warn("%s: %s", user, why)
	}
}
