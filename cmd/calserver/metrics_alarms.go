package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"factotum/server/service"
)

// alarmMetrics shows what alarms a store has sent.
type alarmMetrics struct {
	of   *service.Service
	sent *prometheus.Desc
}

// alarms shows the numbers of a model until the returned function is called.
func (m *metrics) alarms(of *service.Service) (remove func()) {
	c := &alarmMetrics{of, prometheus.NewDesc("factotum_alarms_total",
		"Alarms that were sent: mailed, published; and of these late by more than a minute.", []string{"outcome"}, nil)}
	m.reg.MustRegister(c)
	return func() { m.reg.Unregister(c) }
}

// Describe implements prometheus.Collector.
func (c *alarmMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- c.sent }

// Collect implements prometheus.Collector.
func (c *alarmMetrics) Collect(ch chan<- prometheus.Metric) {
	n := c.of.Reminded()
	for outcome, count := range map[string]int64{"mailed": n.Mailed, "published": n.Published, "late": n.Late} {
		ch <- prometheus.MustNewConstMetric(c.sent, prometheus.CounterValue, float64(count), outcome)
	}
}
