package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"factotum/store/move"
)

var (
	movesTotal = prometheus.NewDesc("factotum_moves_total",
		"Homes that csmove has moved away, that came here, and moves away that failed or were canceled.", []string{"outcome"}, nil)
	movesUnderway = prometheus.NewDesc("factotum_moves_underway",
		"Homes that are on their way to another back end, or from there.", []string{"direction"}, nil)
)

// moveMetrics shows what moves a store has made.
type moveMetrics struct{ of *move.Mover }

// moves shows the numbers of a Mover until the returned function is called.
func (m *metrics) moves(of *move.Mover) (remove func()) {
	c := moveMetrics{of}
	m.reg.MustRegister(c)
	return func() { m.reg.Unregister(c) }
}

// Describe implements prometheus.Collector.
func (moveMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- movesTotal; ch <- movesUnderway }

// Collect implements prometheus.Collector.
func (c moveMetrics) Collect(ch chan<- prometheus.Metric) {
	n := c.of.Counts()
	for outcome, count := range map[string]int64{"moved": n.Moved, "arrived": n.Arrived, "failed": n.Failed, "canceled": n.Canceled} {
		ch <- prometheus.MustNewConstMetric(movesTotal, prometheus.CounterValue, float64(count), outcome)
	}
	ch <- prometheus.MustNewConstMetric(movesUnderway, prometheus.GaugeValue, float64(n.Leaving), "away")
	ch <- prometheus.MustNewConstMetric(movesUnderway, prometheus.GaugeValue, float64(n.Coming), "here")
}
