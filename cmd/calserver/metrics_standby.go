package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// standbyCollector tells how this host does as one of two; where it is alone nothing is missing.
type standbyCollector struct{ s *storeService }

var (
	standbyMissing = prometheus.NewDesc("factotum_standby_missing", "1 where ics.conf says that there is a standby, and nobody would take over.", nil, nil)
	standbyServes  = prometheus.NewDesc("factotum_standby_serves", "1 where this host serves its calendars; 0 on a standby, and without a lease.", nil, nil)
	standbyEpoch   = prometheus.NewDesc("factotum_standby_epoch", "Rises when one of two hosts takes over from the other, and with a witness when they find each other.", nil, nil)
	standbyBehind  = prometheus.NewDesc("factotum_standby_behind_seconds", "How old the oldest change is that the standby has not got, where changes are acknowledged before.", nil, nil)
	standbyDiffers = prometheus.NewDesc("factotum_standby_differed", "Homes that were not the same on the standby, and were copied to it anew.", nil, nil)
)

func (standbyCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{standbyMissing, standbyServes, standbyEpoch, standbyBehind, standbyDiffers} {
		ch <- d
	}
}

func (c standbyCollector) Collect(ch chan<- prometheus.Metric) {
	missing, serves, epoch, behind, differs := 0.0, 1.0, 0.0, 0.0, 0.0
	if st := c.s.standbyStatus(); st != nil {
		epoch, differs = float64(st.Epoch), float64(st.Differs)
		if !st.Ready() {
			missing = 1
		}
		if !st.Serves {
			serves = 0
		}
		if !st.Oldest.IsZero() {
			behind = time.Since(st.Oldest).Seconds()
		}
	}
	ch <- prometheus.MustNewConstMetric(standbyMissing, prometheus.GaugeValue, missing)
	ch <- prometheus.MustNewConstMetric(standbyServes, prometheus.GaugeValue, serves)
	ch <- prometheus.MustNewConstMetric(standbyEpoch, prometheus.GaugeValue, epoch)
	ch <- prometheus.MustNewConstMetric(standbyBehind, prometheus.GaugeValue, behind)
	ch <- prometheus.MustNewConstMetric(standbyDiffers, prometheus.GaugeValue, differs)
}

// standby tells of it until the role ends.
func (m *metrics) standby(s *storeService) (remove func()) {
	c := standbyCollector{s}
	m.reg.MustRegister(c)
	return func() { m.reg.Unregister(c) }
}
