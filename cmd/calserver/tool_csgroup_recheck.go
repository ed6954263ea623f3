package main

import (
	"context"
	"net/url"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
)

// follow has the running server compare meetings to come with a group, or with
// all of them, and tells how many were changed.
func (o *groupOptions) follow(ctx context.Context, cfg *config.Config, id calendar.UserID) (n int, err error) {
	return n, callStore(ctx, cfg, "POST", "/groups/follow?"+url.Values{"group": {id}}.Encode(), &n)
}

func (o *groupOptions) recheck(ctx context.Context, cfg *config.Config, id calendar.UserID) error {
	n, err := o.follow(ctx, cfg, id)
	if err != nil {
		return err
	}
	o.did(map[string]any{"group": id, "done": "rechecked", "meetings": n}, "%d %s changed", n, plain.Plural(n, "meeting", "meetings"))
	return nil
}

// recheckQuietly does so after a change of a group. Where no server runs, or it
// takes long, factotum.group.recheck does it later.
func (o *groupOptions) recheckQuietly(ctx context.Context, cfg *config.Config, id calendar.UserID) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if n, err := o.follow(ctx, cfg, id); err != nil {
		o.tell("meetings were not compared with %s now: %s", id, plain.Error(err))
	} else if n > 0 {
		o.say("%d %s changed", n, plain.Plural(n, "meeting", "meetings"))
	}
}
