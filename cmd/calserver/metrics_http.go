package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"factotum/protocol/front"
	"factotum/server/session"
)

// httpMetrics show the connections of the front end.
type httpMetrics struct {
	of                *front.Server
	total, most, last *prometheus.Desc
}

// connections shows the numbers of a front end until the returned function is called.
func (m *metrics) connections(of *front.Server) (remove func()) {
	c := &httpMetrics{of,
		prometheus.NewDesc("factotum_http_connections_total", "Connections that came: taken, refused for lack of room.", []string{"outcome"}, nil),
		prometheus.NewDesc("factotum_http_connections_most", "Most connections that were open at once.", nil, nil),
		prometheus.NewDesc("factotum_http_last_connection_timestamp_seconds", "When the last one came, in seconds since 1970.", nil, nil)}
	m.reg.MustRegister(c)
	return func() { m.reg.Unregister(c) }
}

// Describe implements prometheus.Collector.
func (c *httpMetrics) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.total
	ch <- c.most
	ch <- c.last
}

// Collect implements prometheus.Collector.
func (c *httpMetrics) Collect(ch chan<- prometheus.Metric) {
	st := c.of.ConnStat()
	ch <- prometheus.MustNewConstMetric(c.total, prometheus.CounterValue, float64(st.Taken), "taken")
	ch <- prometheus.MustNewConstMetric(c.total, prometheus.CounterValue, float64(st.Refused), "refused")
	ch <- prometheus.MustNewConstMetric(c.most, prometheus.GaugeValue, float64(st.Most))
	ch <- prometheus.MustNewConstMetric(c.last, prometheus.GaugeValue, stamp(st.Last))
}

// sessions shows the sessions of WCAP, until the returned function is called.
func (m *metrics) sessions(of *session.Sessions) (remove func()) {
	now := m.gauge("factotum_wcap_sessions", "WCAP sessions.", func() float64 { n, _ := of.Len(); return float64(n) })
	most := m.gauge("factotum_wcap_sessions_most", "Most WCAP sessions at once.", func() float64 { _, n := of.Len(); return float64(n) })
	return func() { now(); most() }
}
