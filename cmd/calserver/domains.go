package main

import (
	"context"
	"time"

	"factotum/protocol/dwp"
	"factotum/server/service"
)

// askUseEvery is how often a back end asks the others what the people of domains with a
// quota store there.
const askUseEvery = time.Minute

// askUse has quotas of domains count what other back ends hold.
func (s *storeService) askUse(ctx context.Context, remote []*dwp.Client) {
	others := map[string]service.Pinger{}
	for _, c := range remote {
		others[c.Host()] = c
	}
	for {
		if err := s.model.AskUse(ctx, others); err != nil && ctx.Err() == nil {
			s.log.Error("count what domains store", "err", err)
		}
		if pauseFor(ctx, askUseEvery) != nil {
			return
		}
	}
}
