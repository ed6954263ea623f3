package dwp

import (
	"context"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// service is the generated interface over a Backend: read, call, write. Its
// calls are in calls_gen.go, but for those that are special.
type service struct {
	wire.UnimplementedBackendServer
	backend calendar.Backend
	server  *Server
}

func (s *service) Hello(ctx context.Context, m *wire.HelloRequest) (*wire.HelloAnswer, error) {
	return s.server.hello(ctx, m)
}
