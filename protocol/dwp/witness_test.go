package dwp

import (
	"context"
	"errors"
	"strings"
	"testing"

	"factotum/server/calendar"
)

type witnessFunc func(calendar.WitnessRequest) (calendar.WitnessAnswer, error)

func (f witnessFunc) Witness(_ context.Context, req calendar.WitnessRequest) (calendar.WitnessAnswer, error) {
	return f(req)
}

// TestWitnessIsAskedByThePair: what one of the two asks crosses whole, also where the host itself does not serve; nobody else may ask,
// nor in the other's name, and hosts that are none say so.
func TestWitnessIsAskedByThePair(t *testing.T) {
	ca := newAuthority(t)
	l := tlsLink(t, ca)
	var got calendar.WitnessRequest
	l.server.Witness = witnessFunc(func(req calendar.WitnessRequest) (calendar.WitnessAnswer, error) {
		got = req
		return calendar.WitnessAnswer{Granted: true, Epoch: 9, Holder: "b\xff"}, nil
	})
	l.server.Pair = func(name string) []string {
		if name != "pair.sesta.com" {
			return nil
		}
		return []string{name, twinHost}
	}
	l.server.Held = func() error { return errNotServing }
	l.serve(t, newEcho())
	ask := func(name string, req calendar.WitnessRequest) (calendar.WitnessAnswer, error) {
		o := l.client
		o.TLS = ca.files(t, name)
		c, err := NewClient(o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		got = calendar.WitnessRequest{}
		return c.Witness(context.Background(), req)
	}
	req := calendar.WitnessRequest{Pair: "pair.sesta.com", Holder: twinHost, Epoch: 7, BasedOn: 6}
	if ans, err := ask(twinHost, req); err != nil || got != req || (ans != calendar.WitnessAnswer{Granted: true, Epoch: 9, Holder: "b\xff"}) {
		t.Errorf("it came as %+v, %+v, %v", got, ans, err)
	}
	for name, req := range map[string]calendar.WitnessRequest{
		"pair.sesta.com":   req, // in the name of the other
		"front1.sesta.com": {Pair: "pair.sesta.com", Holder: "front1.sesta.com", Epoch: 7, BasedOn: 6},
		twinHost:           {Pair: "unknown.sesta.com", Holder: twinHost, Epoch: 7, BasedOn: 6},
	} {
		if ans, err := ask(name, req); calendar.KindOf(err) != calendar.Denied || got.Pair != "" {
			t.Errorf("%s asks %+v: %+v, %v", name, req, ans, err)
		}
	}
	if _, err := ask(twinHost, calendar.WitnessRequest{Pair: "unknown.sesta.com", Holder: twinHost}); !strings.Contains(calendar.MessageOf(err), "caldb.dwp.server.unknown.sesta.com.ip and .standby") {
		t.Errorf("it does not say what to mend: %v", err)
	}
	none := newLink().open(t, newEcho())
	var e *calendar.Error
	if _, err := none.Witness(context.Background(), req); !errors.As(err, &e) || e.Kind != calendar.Unsupported {
		t.Errorf("a host that is none answers %v", err)
	}
	if g, err := none.greet(context.Background()); err != nil {
		t.Error(err)
	} else {
		g.peer.Version = witnessFrom - 1
	}
	if _, err := none.Witness(context.Background(), req); !errors.As(err, &e) || e.Kind != calendar.Unsupported || !strings.Contains(e.Msg, "earlier release") {
		t.Errorf("a host of an earlier release: %v", err)
	}
}
