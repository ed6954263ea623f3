package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"factotum/server/calendar"
	"factotum/server/observe"
)

// countBackend counts and times the calls of a calendar.Backend. via says
// where the calls come from: http, dwp, or csstored's own socket.
func countBackend(be calendar.Backend, via string, m *metrics) calendar.Backend {
	type counter struct {
		n prometheus.Counter
		t prometheus.Observer
	}
	ok := map[string]counter{} // by op: what most calls need
	for _, op := range observe.Operations {
		ok[op] = counter{m.calls.WithLabelValues(via, op, "ok"), m.callTime.WithLabelValues(via, op)}
	}
	return observe.Calls(be, func(op string, took time.Duration, err error) {
		m.busy.Add(1)
		k := ok[op]
		k.t.Observe(took.Seconds())
		if err == nil {
			k.n.Inc()
			return
		}
		m.calls.WithLabelValues(via, op, calendar.KindOf(err).String()).Inc()
	})
}
