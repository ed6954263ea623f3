package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// backupCollector tells how old backups are.
type backupCollector struct{ s *storeService }

var (
	backupTaken  = prometheus.NewDesc("factotum_backup_snapshot_timestamp_seconds", "When the last snapshot of a directory of backups was complete.", []string{"target"}, nil)
	backupProven = prometheus.NewDesc("factotum_backup_proven_timestamp_seconds", "The moment up to which a backup was restored last, to see that it can be.", []string{"target"}, nil)
	backupThere  = prometheus.NewDesc("factotum_backup_shipped_timestamp_seconds", "What was committed until then is in the bucket of the backups.", []string{"target"}, nil)
	backupCopied = prometheus.NewDesc("factotum_backup_applied_timestamp_seconds", "What was committed until then is in the copy of the hot backup.", []string{"target"}, nil)
	backupFails  = prometheus.NewDesc("factotum_backup_fails", "1 where backups are not made, or cannot be restored.", []string{"target"}, nil)
)

func (backupCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- backupTaken
	ch <- backupProven
	ch <- backupThere
	ch <- backupCopied
	ch <- backupFails
}

func (c backupCollector) Collect(ch chan<- prometheus.Metric) {
	for _, b := range c.s.backups() {
		fails := 0.0
		if b.Failure != "" {
			fails = 1
		}
		ch <- prometheus.MustNewConstMetric(backupFails, prometheus.GaugeValue, fails, b.Name)
		for desc, at := range map[*prometheus.Desc]time.Time{backupTaken: b.Latest, backupProven: b.Proven, backupThere: b.Shipped, backupCopied: b.Applied} {
			if !at.IsZero() {
				ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(at.UnixMilli())/1000, b.Name)
			}
		}
	}
}

// backups tells of them until the role ends.
func (m *metrics) backups(s *storeService) (remove func()) {
	c := backupCollector{s}
	m.reg.MustRegister(c)
	return func() { m.reg.Unregister(c) }
}
