package main

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"factotum/notify/queue"
	"factotum/server/config"
)

// mailMetrics shows the queue of mail.
type mailMetrics struct {
	s                              *storeService
	cfg                            *config.Config
	waiting, held, failing, oldest *prometheus.Desc
	served, hosts, outcomes        *prometheus.Desc
	problem                        *prometheus.Desc

	mu        sync.Mutex
	sum       queue.Destination // of the table, at the last look
	diagnosis queue.Diagnosis   // the same
	until     time.Time         // the next one
}

// mail shows the numbers of a store's queue until the returned function is called.
func (m *metrics) mail(s *storeService, cfg *config.Config) (remove func()) {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("factotum_mail_"+name, help, labels, nil)
	}
	c := &mailMetrics{
		s:        s,
		cfg:      cfg,
		waiting:  desc("waiting", "Mails that are not delivered yet, without those held."),
		held:     desc("held", "Mails that an administrator holds."),
		failing:  desc("failing", "Of the waiting ones, those that have failed at least once."),
		oldest:   desc("oldest_seconds", "How long the oldest of the waiting mails has waited."),
		served:   desc("served", "1 if mail is sent by this server, 0 if service.notify.enable, caldb.smtphost and factotum.mail.direct say otherwise."),
		hosts:    desc("failing_hosts", "Mail servers that have failed, and have taken nothing since."),
		outcomes: desc("outcomes_total", "What became of mails: sent, failed (an attempt), returned (given up).", "outcome"),
		problem:  desc("problem", "1 for each cause of which csqueue diagnose says that somebody has to do something, 0 for the others.", "cause"),
	}
	m.reg.MustRegister(c)
	return func() { m.reg.Unregister(c) }
}

// Describe implements prometheus.Collector.
func (c *mailMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.waiting, c.held, c.failing, c.oldest, c.served, c.hosts, c.outcomes, c.problem} {
		ch <- d
	}
}

// patienceOfMetrics bounds how long the table is read for them.
const patienceOfMetrics = 5 * time.Second

// table sums up what is stored, and judges it. A large table is not read at each
// scrape, so that no more than a twentieth of the time goes into it.
func (c *mailMetrics) table() (queue.Destination, queue.Diagnosis, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	begun := time.Now()
	if begun.Before(c.until) {
		return c.sum, c.diagnosis, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patienceOfMetrics)
	defer cancel()
	f, err := c.s.facts(ctx, c.cfg)
	if err == nil {
		c.sum, c.diagnosis, c.until = f.Sum(), queue.Diagnose(f), time.Now().Add(20*time.Since(begun))
	}
	return c.sum, c.diagnosis, err
}

// Collect implements prometheus.Collector. What is in the table is left out while it
// cannot be read.
func (c *mailMetrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	if all, diagnosis, err := c.table(); err == nil {
		gauge(c.waiting, float64(all.Mails-all.Held))
		gauge(c.held, float64(all.Held))
		gauge(c.failing, float64(all.Failing))
		gauge(c.oldest, all.Oldest.Seconds())
		for _, cause := range queue.Causes {
			needs := 0.0
			if diagnosis.Needs(cause) {
				needs = 1
			}
			ch <- prometheus.MustNewConstMetric(c.problem, prometheus.GaugeValue, needs, string(cause))
		}
	}
	if c.s.mail == nil {
		gauge(c.served, 0)
		return
	}
	gauge(c.served, 1)
	gauge(c.hosts, float64(len(c.s.mail.Hosts())))
	n := c.s.mail.Counts()
	for outcome, v := range map[string]uint64{"sent": n.Sent, "failed": n.Failed, "returned": n.Returned} {
		ch <- prometheus.MustNewConstMetric(c.outcomes, prometheus.CounterValue, float64(v), outcome)
	}
}
