package main

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/config"
	"factotum/server/directory"
)

// locked lists who has to wait after failed log-ins, at this front end.
func (o *userOptions) locked(ctx context.Context, cfg *config.Config) error {
	list := []directory.Lockout{}
	if err := callFront(ctx, cfg, "GET", "/logins/locked", nil, &list); err != nil {
		return err
	}
	if o.json {
		arr := newArray(o.std.out)
		for _, l := range list {
			if err := arr.add(l); err != nil {
				return err
			}
		}
		return arr.end()
	}
	if len(list) == 0 {
		o.say("nobody has to wait")
	}
	for _, l := range list {
		user := l.User
		if user == "" {
			user = "(all)"
		}
		if o.shows() {
			fmt.Fprintf(o.std.out, "%s\t%s\t%d failures\tuntil %s\n", plain.Text(user), l.Address, l.Failures, l.Until.Local().Format(time.DateTime))
		}
	}
	return nil
}

// unlock lets users, or whoever is at an address, log in again without waiting.
func (o *userOptions) unlock(ctx context.Context, cfg *config.Config, dir *directory.Directory, words []string) error {
	q := url.Values{}
	for _, w := range words {
		if a, err := netip.ParseAddr(w); err == nil {
			q.Set("address", a.String())
			continue
		}
		if p, err := dir.Person(ctx, w); err == nil {
			w = p.ID // else it is of a name that nobody has
		}
		q.Set("user", w)
	}
	var res unlocked
	if err := callFront(ctx, cfg, "POST", "/logins/unlock", q, &res); err != nil {
		return err
	}
	switch res.Ended {
	case 0:
		o.did(res, "failures forgotten; nobody had to wait")
	case 1:
		o.did(res, "failures forgotten; one wait ended")
	default:
		o.did(res, "failures forgotten; %d waits ended", res.Ended)
	}
	return nil
}

// forget tells the front end of this host that an entry has changed, which it
// would see within factotum.login.recheck if it is in LDAP; with a new password
// nobody has to wait for what was tried with the old one. Where no front end
// runs none has anything to forget.
func forget(ctx context.Context, cfg *config.Config, user string, unlock bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	q := url.Values{"user": {user}}
	_ = callFront(ctx, cfg, "POST", "/logins/forget", q, nil)
	if unlock {
		_ = callFront(ctx, cfg, "POST", "/logins/unlock", q, nil)
	}
}
