package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"factotum/cmd/internal/certificates"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/store/standby"
)

// health is what the process needs and does not have in its hands: the
// directory, the database, back ends, disks, certificates. Each is looked at
// again and again, and at once when a request has failed for it. When one goes
// or comes back the log says so, once; readiness, status and metrics tell how
// it is.
type health struct {
	p    *process
	log  *slog.Logger
	wake chan struct{}

	hurt   atomic.Bool  // the store has said that its files are damaged
	looked atomic.Int64 // when all was looked at last: milliseconds since 1970

	full atomic.Bool // a write was refused for the disk, and none has been taken since

	mu    sync.Mutex
	known []*dependency
}

// dependency is one of them.
type dependency struct {
	Name  string    `json:"name"` // directory, database, standby, witness, back end, disk, certificate
	About string    `json:"about"`
	OK    bool      `json:"ok"`
	Err   string    `json:"err,omitempty"`     // why it is not
	Warn  string    `json:"warning,omitempty"` // it is well, and will not be for long
	Since time.Time `json:"since"`             // since when it is as it is

	Free    int64      `json:"free_bytes,omitempty"` // of a disk
	Size    int64      `json:"size_bytes,omitempty"`
	Expires *time.Time `json:"expires,omitempty"` // of a certificate

	needed bool // without it the process is not ready
	quiet  bool // somebody else logs it
}

const (
	healthEvery   = 5 * time.Second
	healthTimeout = 4 * time.Second
	fullBelow     = 256 << 10 // octets that are as good as none
	plenty        = 10 << 30  // octets that are enough, whatever the percentage
)

func newHealth(p *process) *health {
	h := &health{p: p, log: p.log, wake: make(chan struct{}, 1)}
	p.metrics.reg.MustRegister(h)
	return h
}

// kick has all looked at now, since a request has failed.
func (h *health) kick() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run looks until ctx ends.
func (h *health) run(ctx context.Context) {
	t := time.NewTicker(healthEvery)
	defer t.Stop()
	for {
		h.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-h.wake:
			select { // not more than twice a second
			case <-ctx.Done():
				return
			case <-time.After(healthEvery / 10):
			}
		}
	}
}

// look asks everything once.
func (h *health) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	p := h.p
	p.mu.Lock()
	dir := p.dir
	store, _ := p.running["store"]
	web, _ := p.running["http"]
	notify, _ := p.running["notify"]
	p.mu.Unlock()
	var all sync.WaitGroup
	if dir != nil {
		about := p.cfg.Directory.LDIF
		if p.cfg.Directory.Type == "ldap" {
			about = strings.Join(p.cfg.LDAP.UserGroup.Hosts, " ")
		}
		all.Go(func() {
			h.note(dependency{Name: "directory", About: about, needed: web != nil && p.cfg.Directory.Type == "ldap"}, dir.Ping(ctx))
		})
	}
	if store != nil {
		s := store.running.(*storeService)
		for _, c := range s.remote {
			all.Go(func() { c.Look(ctx) }) // for who looks after the cluster
		}
		about := p.cfg.Store.Path
		if p.cfg.Store.Type == "postgres" {
			about = "PostgreSQL"
		}
		all.Go(func() {
			err := s.check(ctx)
			if st := s.standbyStatus(); st != nil { // that it does not serve is no fault of the database
				if _, err = s.store.Stat(ctx); !st.Ready() {
					h.note(dependency{Name: "standby", About: st.Peer}, errors.New(st.Words(time.Now())))
				} else {
					h.note(dependency{Name: "standby", About: st.Peer}, nil)
				}
				h.witness(st)
			}
			if h.hurt.Load() {
				err = errors.New("it is damaged: see \"csdb check\"")
			}
			h.note(dependency{Name: "database", About: about, Warn: p.metrics.pace.warning(filepath.Dir(p.cfg.Store.Path), time.Now()), quiet: p.cfg.Store.Type == "postgres"}, err)
		})
	}
	if web != nil {
		for _, c := range web.running.(*httpService).remote {
			all.Go(func() {
				_, err := c.Ping(ctx)
				if err == nil {
					c.Look(ctx) // for who looks after the cluster
				}
				h.note(dependency{Name: "back end", About: c.Host(), quiet: true}, err)
			})
		}
	}
	if notify != nil {
		h.note(dependency{Name: "XMPP server", About: cmp.Or(p.cfg.XMPP.Server, p.cfg.XMPP.JID), quiet: true}, notify.running.(*notifyService).link.Err())
	}
	all.Wait()
	h.looked.Store(time.Now().UnixMilli())
	h.disks(p.cfg)
	h.certificates(p.cfg)
	if web != nil && web.running.(*httpService).acme != nil {
		for _, c := range web.running.(*httpService).acme.list() {
			h.note(dependency{Name: "certificate", About: c.host, Expires: c.expires, Warn: c.warning(time.Now())}, c.err)
		}
	}
}

// note keeps how a dependency is, and logs a change.
func (h *health) note(d dependency, err error) {
	if err != nil && calendar.KindOf(err) == calendar.Canceled && h.p.closing() {
		return
	}
	d.OK = err == nil
	if err != nil {
		d.Err = plain.Error(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(h.known, func(k *dependency) bool { return k.Name == d.Name && k.About == d.About })
	was := dependency{OK: true}
	if i >= 0 {
		was = *h.known[i]
	}
	d.Since = was.Since
	if i < 0 || was.OK != d.OK {
		d.Since = time.Now()
	}
	if i < 0 {
		h.known = append(h.known, &d)
	} else {
		h.known[i] = &d
	}
	if d.quiet {
		return
	}
	switch {
	case was.OK && !d.OK:
		h.log.Error(d.Name+" is not well", "about", d.About, "err", d.Err)
	case !was.OK && d.OK:
		notice(h.log, d.Name+" is well again", "about", d.About, "dur", time.Since(was.Since).Round(time.Millisecond))
	}
	if d.Warn != "" && was.Warn == "" {
		h.log.Warn(d.Name, "about", d.About, "warning", d.Warn)
	}
}

// witness tells whether the witness of this pair would decide.
func (h *health) witness(st *standby.Status) {
	switch {
	case st.Witness == "":
	case st.Away != "":
		h.note(dependency{Name: "witness", About: st.Witness}, errors.New(st.Away))
	default:
		h.note(dependency{Name: "witness", About: st.Witness}, nil)
	}
}

// disks are those that the server writes to.
func (h *health) disks(cfg *config.Config) {
	full := h.full.Load()
	for _, d := range disksOf(filepath.Dir(cfg.Store.Path), cfg.Data, cfg.Log.Dir) {
		d := dependency{Name: "disk", About: d.dir, Free: d.free, Size: d.size}
		percent := int(d.Free * 100 / max(d.Size, 1))
		if percent < cfg.Alerts.DiskThreshold && (d.Free < plenty || cfg.IsSet("alarm.diskstat.msgalarmthreshold")) {
			d.Warn = fmt.Sprintf("%d %% of it are free", percent)
		}
		var err error
		if d.Free < fullBelow || full && d.About == filepath.Dir(cfg.Store.Path) && cfg.Store.Type == "sqlite" {
			d.Warn, err = "", errors.New("the disk is full: what is written is refused until there is room")
		}
		h.note(d, err)
	}
}

// disk is the file system of a directory.
type disk struct {
	dir        string
	free, size int64
}

// percent is how much of it is free.
func (d *disk) percent() int { return int(d.free * 100 / max(d.size, 1)) }

// disksOf tells of those that some directories are on, each once.
func disksOf(dirs ...string) (list []disk) {
	seen := map[uint64]bool{}
	for _, dir := range dirs {
		var at syscall.Stat_t
		var st syscall.Statfs_t
		if syscall.Stat(dir, &at) != nil || syscall.Statfs(dir, &st) != nil || st.Blocks == 0 || seen[uint64(at.Dev)] {
			continue
		}
		seen[uint64(at.Dev)] = true
		list = append(list, disk{dir, int64(st.Bavail) * st.Bsize, int64(st.Blocks) * st.Bsize})
	}
	return list
}

// used tells of the outcome of a transaction: damaged files are known at once.
func (h *health) used(err error) {
	if err != nil && calendar.ReasonOf(err) == calendar.Damaged && !h.hurt.Swap(true) {
		h.kick()
	}
}

// wrote tells of the outcome of a write: a full disk is known at once.
func (h *health) wrote(err error) {
	h.used(err)
	full := calendar.ReasonOf(err) == calendar.DiskFull
	if !full && err != nil {
		return
	}
	if h.full.Load() != full && h.full.Swap(full) != full {
		h.kick()
		if full && h.p.cfg.Store.Type == "postgres" {
			h.log.Error("the disk of PostgreSQL is full: what is written is refused until there is room")
		}
	}
}

// certificates are those that the server shows.
func (h *health) certificates(cfg *config.Config) {
	files := map[string]string{}
	if cfg.HTTP.Enable && cfg.TLSServed() && cfg.HTTP.CertFile != "" {
		files[cfg.HTTP.CertFile] = cfg.HTTP.KeyFile
	}
	if f := dwpFiles(cfg); f != nil {
		files[f.Cert] = f.Key
	}
	for cert, key := range files {
		d := dependency{Name: "certificate", About: cert}
		leaf, err := certificates.Read(cert, key)
		if err == nil {
			d.Expires = &leaf.NotAfter
			if why := certificates.Life(leaf, time.Now()); why != "" {
				if time.Now().After(leaf.NotAfter) || time.Now().Before(leaf.NotBefore) {
					err = errors.New(why)
				} else {
					d.Warn = why
				}
			}
		}
		h.note(d, err)
	}
}

// list is how everything is, in an order that does not change.
func (h *health) list() []dependency {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]dependency, 0, len(h.known))
	for _, d := range h.known {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b dependency) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.About, b.About))
	})
	return out
}

// ready says what is missing.
func (h *health) ready() error {
	for _, d := range h.list() {
		if d.needed && !d.OK {
			return notReady(fmt.Sprintf("the %s (%s) is not well: %s", d.Name, d.About, d.Err), "the "+d.Name+" does not answer")
		}
	}
	return nil
}

// warnings are what is not well, or not for long, and keeps nobody from being
// served.
func (h *health) warnings() (out []string) {
	for _, d := range h.list() {
		if s := cmp.Or(d.Err, d.Warn); s != "" {
			out = append(out, d.Name+" "+d.About+": "+s)
		}
	}
	return out
}

// String is the line of a status.
func (d *dependency) String() string {
	s := d.Name + " " + d.About + ": "
	switch {
	case !d.OK:
		return s + "not well since " + uptime(time.Since(d.Since)) + ": " + d.Err
	case d.Size > 0:
		s += size(d.Free) + " free of " + size(d.Size)
	case d.Expires != nil:
		s += "until " + d.Expires.UTC().Format(time.DateOnly)
	default:
		s += "well"
	}
	if d.Warn != "" {
		s += ", " + d.Warn
	}
	return s
}

var (
	descUp = prometheus.NewDesc("factotum_dependency_up", "1 if what the process needs is well: directory, database, back end, disk, certificate.",
		[]string{"dependency", "about"}, nil)
	descFree    = prometheus.NewDesc("factotum_disk_free_bytes", "Room on the disks that the server writes to.", []string{"path"}, nil)
	descSize    = prometheus.NewDesc("factotum_disk_size_bytes", "Their size.", []string{"path"}, nil)
	descLooked  = prometheus.NewDesc("factotum_health_timestamp_seconds", "When all of that was looked at last.", nil, nil)
	descExpires = prometheus.NewDesc("factotum_certificate_expiry_timestamp_seconds", "When a certificate expires, in seconds since 1970.", []string{"file"}, nil)
)

// Describe implements prometheus.Collector.
func (h *health) Describe(ch chan<- *prometheus.Desc) {
	ch <- descUp
	ch <- descFree
	ch <- descSize
	ch <- descLooked
	ch <- descExpires
}

// Collect implements prometheus.Collector.
func (h *health) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.MustNewConstMetric(descLooked, prometheus.GaugeValue, float64(h.looked.Load())/1000)
	for _, d := range h.list() {
		up := 0.0
		if d.OK {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(descUp, prometheus.GaugeValue, up, d.Name, d.About)
		if d.Size > 0 {
			ch <- prometheus.MustNewConstMetric(descFree, prometheus.GaugeValue, float64(d.Free), d.About)
			ch <- prometheus.MustNewConstMetric(descSize, prometheus.GaugeValue, float64(d.Size), d.About)
		}
		if d.Expires != nil {
			ch <- prometheus.MustNewConstMetric(descExpires, prometheus.GaugeValue, float64(d.Expires.Unix()), d.About)
		}
	}
}
