package dwp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// witnessFrom is the version from which on a back end may be a witness.
const witnessFrom = 8

const witnessMethod = wire.Backend_Witness_FullMethodName

var _ calendar.WitnessHost = (*Client)(nil)

// Witness implements calendar.WitnessHost: one of two hosts asks a third.
func (c *Client) Witness(ctx context.Context, req calendar.WitnessRequest) (res calendar.WitnessAnswer, err error) {
	const op = "ask the witness"
	g, err := c.greet(ctx)
	if err == nil && g.peer.Version < witnessFrom {
		return res, &calendar.Error{Kind: calendar.Unsupported, Op: op, Ref: c.opts.Host, Msg: "the host " + c.opts.Host + " is of an earlier release, which can be no witness: upgrade it first"}
	}
	a, err := unary(ctx, c, op, always, c.api.Witness, &wire.WitnessRequest{Pair: toText(req.Pair), Holder: toText(req.Holder), Epoch: req.Epoch, BasedOn: req.BasedOn})
	if err != nil {
		return res, err
	}
	return calendar.WitnessAnswer{Granted: a.GetGranted(), Epoch: a.GetEpoch(), Holder: string(a.GetHolder())}, nil
}

// Witness answers the two hosts of a pair, and nobody else.
func (s *service) Witness(ctx context.Context, m *wire.WitnessRequest) (*wire.WitnessAnswer, error) {
	o := &s.server.opts
	req := calendar.WitnessRequest{Pair: string(m.GetPair()), Holder: string(m.GetHolder()), Epoch: m.GetEpoch(), BasedOn: m.GetBasedOn()}
	if o.Witness == nil {
		return nil, &calendar.Error{Kind: calendar.Unsupported, Op: "be a witness", Ref: req.Pair, Msg: "this host is no witness"}
	}
	hosts := o.Pair(req.Pair)
	if !slices.ContainsFunc(hosts, func(h string) bool { return strings.EqualFold(h, req.Holder) }) {
		return nil, &calendar.Error{Kind: calendar.Denied, Op: "be a witness", Ref: req.Pair,
			Msg: fmt.Sprintf("%s does not know %s as one of two with the calendars of %s: its ics.conf has to name caldb.dwp.server.%[3]s.ip and .standby", strings.Join(o.Names, ", "), req.Holder, req.Pair)}
	}
	if from, is := cameFrom(ctx, req.Holder); !is {
		s.server.log.WarnContext(ctx, "a host is refused that is not the one that it says", "peer", from, "says", req.Holder)
		return nil, status.Error(codes.PermissionDenied, "only "+req.Holder+" may ask this")
	}
	a, err := o.Witness.Witness(ctx, req)
	if err != nil {
		return nil, err
	}
	return &wire.WitnessAnswer{Granted: a.Granted, Epoch: a.Epoch, Holder: toText(a.Holder)}, nil
}
