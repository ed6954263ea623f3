package main

import (
	"context"
	"net/http"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
)

// followGroup has the meetings to come of a group, or of all, follow the
// directory, and answers how many were changed. csgroup recheck.
func (a *adminServer) followGroup(w http.ResponseWriter, r *http.Request) {
	s := a.storeService()
	if s == nil {
		http.Error(w, "csstored does not run in this process", http.StatusConflict)
		return
	}
	var n int
	var err error
	if id := r.URL.Query().Get("group"); id != "" {
		n, err = s.model.FollowGroup(r.Context(), s.router, id)
	} else {
		n, err = s.model.FollowGroups(r.Context(), s.router)
	}
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusConflict)
		return
	}
	answerJSON(w, n)
}

// followGroups does so from time to time: factotum.group.recheck.
func (s *storeService) followGroups(ctx context.Context, every time.Duration) {
	if every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		n, err := s.model.FollowGroups(ctx, s.router)
		if err != nil && ctx.Err() == nil && calendar.KindOf(err) != calendar.ReadOnly {
			s.log.Error("have meetings follow their groups", "err", err)
		}
		if n > 0 {
			s.log.Info("meetings follow their groups", "n", n)
		}
	}
}
