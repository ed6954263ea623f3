package main

import (
	"context"
	"io/fs"
	"os"
	"path"
	"runtime/debug"
	rtm "runtime/metrics"
	"strconv"
	"strings"
	"time"

	"factotum/server/config"
	"factotum/server/directory"
)

// What a process takes at its height is what factotum.cache.bytes says: the
// cache, what is garbage beside it, and a fixed part. What else lives in it
// comes on top: connections, log-ins that are remembered or under way, jobs. It
// is measured, since a limit that forgets it makes the collector run without
// pause.
const (
	outsideGo  = 88 << 20  // the program's text, SQLite, and what goes over a soft limit
	insideGo   = 56 << 20  // what Go has without calendars, some of it garbage
	besideIt   = 128 << 20 // what may live beside the cache, answers under way above all
	fewStacks  = 4 << 20   // of goroutines, where few connections are open
	leastCache = 8         // the cache has at least one part of so many
	share      = 4         // of the machine's memory, if ics.conf says nothing
	listShare  = 16        // the same of factotum.dwp.cachebytes
	fronts     = 48 << 20  // half of the garbage of a process without calendars
	garbage    = 300       // percent of what lives, before the limit is near
)

// processBytes is what factotum.cache.bytes stands for: below 0, a share of the
// memory that there is.
func processBytes(cfg *config.Config) int64 {
	if n := cfg.Store.Cache; n >= 0 {
		return n
	}
	return max(systemMemory(os.DirFS("/"))/share, outsideGo+2*insideGo)
}

// cacheBytes is the part of it that the cache of calendars has; 0 for none.
func cacheBytes(process int64) int64 {
	if process <= 0 {
		return 0
	}
	return max((process-outsideGo-insideGo)/2, process/leastCache)
}

// listBytes is what lists of other processes' back ends may take; none where all
// calendars are in this process.
func listBytes(cfg *config.Config, name string) int64 {
	switch n := cfg.DWP.CacheBytes; {
	case name != "cshttpd" && (name != "calserver" || cfg.CLD.Type == "local"):
		return 0
	case n >= 0:
		return n
	}
	return systemMemory(os.DirFS("/")) / listShare
}

// limit is that of the collector for a cache of so many octets, beside which so
// many live and so many are stacks, and while hashes of so many are worked out.
// A connection has as much on the heap as its stacks take, and all of it room for
// four times as much garbage, or the collector would look at it time and again.
// Answers under way have their room in the fixed part: more of them is more
// garbage, which is to be collected.
func limit(cache, beside, stacks, hashing int64) int64 {
	conns := 2 * max(stacks-fewStacks, 0)
	return 2*cache + insideGo + 5*conns + max(beside-conns/2-besideIt, 0) + 2*hashing
}

// memory sets the collector's limit, time and again.
type memory struct {
	cache, hashing int64        // most octets of these
	held           func() int64 // octets in the cache
	set            func(int64)
	last           int64
}

// newMemory sets what holds before anything is known. GOGC and GOMEMLIMIT
// overrule it.
func newMemory(cfg *config.Config, name string, held func() int64) *memory {
	m := &memory{cache: cacheBytes(processBytes(cfg)), held: held, set: func(n int64) { debug.SetMemoryLimit(n) }}
	if name != "calserver" && name != "csstored" || !cfg.Store.Enable {
		m.cache = fronts
	}
	m.cache += listBytes(cfg, name)
	m.hashing = int64(directory.HashWorkers()) * int64(cfg.Auth.Argon2.Memory) << 10
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	if os.Getenv("GOMEMLIMIT") != "" {
		m.set = func(int64) {}
	}
	m.adjust(0, 0)
	return m
}

// keep adjusts the limit until ctx ends.
func (m *memory) keep(ctx context.Context) {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			m.adjust(living())
		}
	}
}

// adjust sets the limit when what lives beside the cache has changed by more
// than a tenth of it.
func (m *memory) adjust(living, stacks int64) {
	n := limit(m.cache, living-m.held(), stacks, m.hashing)
	if d := n - m.last; d > m.last/10 || -d > m.last/10 {
		m.last = n
		m.set(n)
	}
}

// living is what the last collection left, and the stacks of goroutines.
func living() (heap, stacks int64) {
	s := []rtm.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	rtm.Read(s)
	return int64(s[0].Value.Uint64()), int64(s[1].Value.Uint64())
}

// systemMemory is the memory of the machine or, if that is less, what the
// control groups of this process may have, of either version: a container's
// limit is there.
func systemMemory(root fs.FS) int64 {
	least := int64(1 << 30)
	for line := range lines(root, "proc/meminfo") {
		if kb, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if n, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(kb, "kB")), 10, 64); err == nil {
				least = n << 10
			}
		}
	}
	for line := range lines(root, "proc/self/cgroup") { // number:controllers:path
		part := strings.SplitN(line, ":", 3)
		if len(part) != 3 {
			continue
		}
		base, file := "sys/fs/cgroup", "memory.max"
		if part[1] != "" {
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
			if !strings.Contains(","+part[1]+",", ",memory,") {
				continue
			}
		}
		// The group's own limit and those above it. In a container the path may be
		// the host's, and the mount the group itself: then the walk ends there.
		for dir := path.Clean("/" + part[2]); ; dir = path.Dir(dir) {
			for line := range lines(root, path.Join(base, dir, file)) {
				if n, err := strconv.ParseInt(line, 10, 64); err == nil && n > 0 { // "max" is none
					least = min(least, n)
				}
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// lines are those of a file; none if it cannot be read.
func lines(root fs.FS, name string) func(func(string) bool) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return func(func(string) bool) {}
	}
	return func(yield func(string) bool) {
		for line := range strings.Lines(string(text)) {
			if !yield(strings.TrimSpace(line)) {
				return
			}
		}
	}
}

// heldByCache is what calendars and lists have in this process.
func (p *process) heldByCache() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.lists.Size()
	if r := p.running["store"]; r != nil {
		n += r.running.(*storeService).model.Cache().Size()
	}
	return n
}
