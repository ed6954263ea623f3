package dwp

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"factotum/protocol/dwp/internal/wire"
	"factotum/server/calendar"
)

// standbyFrom is the version from which on a back end may have a twin.
const standbyFrom = 7

const standbyMethod = wire.Backend_Standby_FullMethodName

var _ calendar.Twin = (*Client)(nil)

// Standby implements calendar.Twin: this host asks the other one.
func (c *Client) Standby(ctx context.Context, req calendar.StandbyRequest) (res calendar.StandbyAnswer, err error) {
	const op = "ask the standby"
	g, err := c.greet(ctx)
	if err == nil && g.peer.Version < standbyFrom {
		return res, &calendar.Error{Kind: calendar.Unsupported, Op: op, Ref: c.opts.Host, Msg: "the host " + c.opts.Host + " is of an earlier release, which can be no standby: upgrade it first"}
	}
	a, err := unary(ctx, c, op, never, c.api.Standby, &wire.StandbyRequest{
		Step: uint32(req.Step), From: toText(req.From), Epoch: req.Epoch, Stream: validUTF8(req.Stream), Seq: req.Seq, Data: req.Data,
		Owner: toText(string(req.Owner)), Lease: uint64(max(req.Lease, 0) / time.Microsecond), Behind: uint64(max(req.Behind, 0)), Witness: toText(req.Witness),
	})
	if err != nil {
		return res, err
	}
	return calendar.StandbyAnswer{Epoch: a.GetEpoch(), Active: a.GetActive(), Admitted: a.GetAdmitted(), Leaving: a.GetLeaving(), Problem: string(a.GetProblem()),
		Data: a.GetData(), More: a.GetMore(), Claims: a.GetClaims(), Witness: string(a.GetWitness())}, nil
}

// Standby answers the twin, and nobody else: what it sends replaces calendars.
func (s *service) Standby(ctx context.Context, m *wire.StandbyRequest) (*wire.StandbyAnswer, error) {
	o := &s.server.opts
	if o.Twin == nil {
		return nil, &calendar.Error{Kind: calendar.Unsupported, Op: "follow", Ref: string(m.GetFrom()), Msg: "this back end is no standby and has none: factotum.standby.of or factotum.standby.host of its ics.conf says so"}
	}
	if from, is := cameFrom(ctx, o.TwinHost); !is {
		s.server.log.WarnContext(ctx, "a host is refused that is not the twin of this one", "peer", from, "says", string(m.GetFrom()), "twin", o.TwinHost)
		return nil, status.Error(codes.PermissionDenied, "only "+o.TwinHost+" may ask this")
	}
	a, err := o.Twin.Standby(ctx, calendar.StandbyRequest{
		Step: calendar.StandbyStep(m.GetStep()), From: string(m.GetFrom()), Epoch: m.GetEpoch(), Stream: m.GetStream(), Seq: m.GetSeq(), Data: m.GetData(),
		Owner: calendar.Owner(m.GetOwner()), Lease: time.Duration(min(m.GetLease(), uint64(maxAfter/time.Microsecond))) * time.Microsecond, Behind: int(min(m.GetBehind(), 1<<31)), Witness: string(m.GetWitness()),
	})
	if err != nil {
		return nil, err
	}
	return &wire.StandbyAnswer{Epoch: a.Epoch, Active: a.Active, Admitted: a.Admitted, Leaving: a.Leaving, Problem: toText(a.Problem), Data: a.Data, More: a.More, Claims: a.Claims, Witness: toText(a.Witness)}, nil
}

// cameFrom tells whether a call comes from a host, by its certificate, and where from. Without TLS
// it comes from this machine.
func cameFrom(ctx context.Context, host string) (from string, is bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return "", true
	}
	t, ok := p.AuthInfo.(credentials.TLSInfo)
	return p.Addr.String(), !ok || len(t.State.PeerCertificates) > 0 && t.State.PeerCertificates[0].VerifyHostname(host) == nil
}
