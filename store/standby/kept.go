package standby

import (
	"context"
	"errors"

	"factotum/server/calendar"
)

// KeptChanged tells that what belongs to no home is another: the standby gets it soon.
func (a *Active) KeptChanged() {
	a.mu.Lock()
	a.kept = true
	a.mu.Unlock()
	a.poke()
}

// sendKept sends it. A standby of an earlier release does not take it, and follows all the same.
func (a *Active) sendKept(ctx context.Context) error {
	a.mu.Lock()
	a.kept = false
	a.mu.Unlock()
	list, err := a.opt.Kept(ctx)
	for _, piece := range list {
		if err != nil {
			break
		}
		a.mu.Lock()
		req := a.request(calendar.StandbyKeep)
		a.mu.Unlock()
		req.Data = piece
		var ans calendar.StandbyAnswer
		if ans, err = a.ask(ctx, req); err == nil && ans.Problem != "" {
			a.opt.Log.Warn("the standby does not take what belongs to no home", "host", a.opt.Peer, "reason", ans.Problem)
		}
	}
	if err != nil && !errors.Is(err, errOver) {
		a.mu.Lock()
		a.kept = true
		a.mu.Unlock()
	}
	return err
}
