package service

import (
	"context"

	"factotum/server/calendar"
)

// Deliver applies a scheduling message to what its recipients have.
func (s *Service) Deliver(ctx context.Context, who calendar.Actor, req calendar.DeliverRequest) ([]calendar.DeliverResult, error) {
	return nil, calendar.Failf(calendar.Unsupported, "", "deliver", req.ID, "this back end delivers no scheduling messages yet")
}
