package dwp

import (
	"context"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// arrivesFrom is the version from which on a back end takes homes.
const arrivesFrom = 6

var _ calendar.Arrivals = (*Client)(nil)

// Arrive implements calendar.Arrivals: this process has a home that is moved there, or
// had one.
func (c *Client) Arrive(ctx context.Context, who calendar.Actor, req calendar.ArriveRequest) (res calendar.ArriveAnswer, err error) {
	const op = "move"
	if g, err := c.greet(ctx); err == nil && g.peer.Version < arrivesFrom {
		return res, &calendar.Error{Kind: calendar.Unsupported, Op: op, Ref: string(req.Owner), Msg: "the back end " + c.opts.Host + " is of an earlier release, which takes no homes: upgrade it first"}
	}
	a, err := unary(ctx, c, op, always, c.api.Arrive, &wire.ArriveRequest{
		Actor: toActor(&who), Owner: toText(string(req.Owner)), Move: validUTF8(req.Move), From: toText(req.From),
		Step: uint32(req.Step), Seq: req.Seq, Data: req.Data, Since: req.Since, Sums: toSums(req.Sums),
	})
	if err != nil {
		return res, err
	}
	return calendar.ArriveAnswer{State: a.GetState(), Sums: fromSums(a.GetSums())}, nil
}

func (s *service) Arrive(ctx context.Context, m *wire.ArriveRequest) (*wire.ArriveAnswer, error) {
	if s.server.opts.Arrivals == nil {
		return nil, &calendar.Error{Kind: calendar.Unsupported, Op: "move", Ref: string(m.GetOwner()), Msg: "no homes are moved to this back end"}
	}
	if m.GetStep() > uint32(calendar.ArriveAsk) {
		return nil, &calendar.Error{Kind: calendar.Unsupported, Op: "move", Ref: string(m.GetOwner()), Msg: "the other back end asks for what this one does not know"}
	}
	res, err := s.server.opts.Arrivals.Arrive(ctx, fromActor(m.GetActor()), calendar.ArriveRequest{
		Owner: calendar.Owner(m.GetOwner()), Move: m.GetMove(), From: string(m.GetFrom()),
		Step: calendar.ArriveStep(m.GetStep()), Seq: m.GetSeq(), Data: m.GetData(), Since: m.GetSince(), Sums: fromSums(m.GetSums()),
	})
	if err != nil {
		return nil, err
	}
	return &wire.ArriveAnswer{State: res.State, Sums: toSums(res.Sums)}, nil
}

func toSums(list []calendar.ArriveSum) (out []*wire.ArriveSum) {
	for _, s := range list {
		out = append(out, &wire.ArriveSum{Name: toText(s.Name), Sum: s.Sum})
	}
	return out
}

func fromSums(list []*wire.ArriveSum) (out []calendar.ArriveSum) {
	for _, s := range list {
		out = append(out, calendar.ArriveSum{Name: string(s.GetName()), Sum: s.GetSum()})
	}
	return out
}
