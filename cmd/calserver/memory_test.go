package main

import (
	"os"
	"runtime"
	"testing"
	"testing/fstest"

	"factotum/server/config"
)

const mib = 1 << 20

// The default follows the machine, or the limit of a control group: of version
// 1 or 2, its own or one above, mounted at its path or as the root.
func TestSystemMemory(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	machine := file("MemTotal:        4194304 kB\nMemFree: 1 kB\n")
	for name, c := range map[string]struct {
		files fstest.MapFS
		want  int64
	}{
		"nothing is known": {fstest.MapFS{}, 1024 * mib},
		"machine":          {fstest.MapFS{"proc/meminfo": machine}, 4096 * mib},
		"v2": {fstest.MapFS{"proc/meminfo": machine, "proc/self/cgroup": file("0::/system.slice/cal.service\n"),
			"sys/fs/cgroup/system.slice/cal.service/memory.max": file("536870912\n"), "sys/fs/cgroup/system.slice/memory.max": file("max\n")}, 512 * mib},
		"v2, above": {fstest.MapFS{"proc/meminfo": machine, "proc/self/cgroup": file("0::/system.slice/cal.service\n"),
			"sys/fs/cgroup/system.slice/cal.service/memory.max": file("max\n"), "sys/fs/cgroup/system.slice/memory.max": file("1073741824\n")}, 1024 * mib},
		"v2, in a container": {fstest.MapFS{"proc/meminfo": machine, "proc/self/cgroup": file("0::/\n"),
			"sys/fs/cgroup/memory.max": file("268435456\n")}, 256 * mib},
		"v1": {fstest.MapFS{"proc/meminfo": machine, "proc/self/cgroup": file("9:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n"),
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": file("805306368\n")}, 768 * mib},
		"v1, in a container": {fstest.MapFS{"proc/meminfo": machine, "proc/self/cgroup": file("4:memory:/docker/abc\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("134217728\n")}, 128 * mib},
		"v1, without a limit": {fstest.MapFS{"proc/meminfo": machine, "proc/self/cgroup": file("4:memory:/x\n"),
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": file("9223372036854771712\n")}, 4096 * mib},
		"nonsense": {fstest.MapFS{"proc/meminfo": machine, "proc/self/cgroup": file("x\n0::/../..\n4:memory:\n"),
			"sys/fs/cgroup/memory.max": file("-5\n")}, 4096 * mib},
	} {
		if got := systemMemory(c.files); got != c.want {
			t.Errorf("%s: %d MiB, want %d", name, got/mib, c.want/mib)
		}
	}
	if n := systemMemory(os.DirFS("/")); runtime.GOOS == "linux" && n < 64*mib {
		t.Errorf("this machine: %d MiB", n/mib)
	}
}

// The cache with its garbage, and the rest, are together what was said.
func TestMemoryAddsUp(t *testing.T) {
	for process, cache := range map[int64]int64{
		0: 0, 48 * mib: 6 * mib, 100 * mib: 12.5 * mib, 250 * mib: 53 * mib, 512 * mib: 184 * mib, 1024 * mib: 440 * mib, 8192 * mib: 4024 * mib,
	} {
		got := cacheBytes(process)
		if got != cache {
			t.Errorf("%d MiB: a cache of %d KiB, want %d", process/mib, got>>10, cache>>10)
		}
		if whole := limit(got, besideIt, fewStacks, 0) + outsideGo; process >= 200*mib && whole > process {
			t.Errorf("%d MiB: the limits come to %d", process/mib, whole/mib)
		}
	}
	var cfg config.Config
	cfg.Store.Cache = -1
	if n, whole := processBytes(&cfg), systemMemory(os.DirFS("/")); n > whole/4 && n > outsideGo+2*insideGo {
		t.Errorf("the default is %d MiB of %d", n/mib, whole/mib)
	}
}

// Lists of other processes' back ends have room where there are such back ends.
func TestMemoryOfLists(t *testing.T) {
	whole := systemMemory(os.DirFS("/"))
	for name, c := range map[string]struct {
		process, lookUp string
		set, want       int64
	}{
		"all calendars here":       {"calserver", "local", -1, 0},
		"back ends on other hosts": {"calserver", "directory", -1, whole / listShare},
		"a process for each role":  {"cshttpd", "local", -1, whole / listShare},
		"the store's process":      {"csstored", "directory", -1, 0},
		"so much":                  {"cshttpd", "directory", 5 * mib, 5 * mib},
		"none":                     {"cshttpd", "directory", 0, 0},
	} {
		var cfg config.Config
		cfg.CLD.Type, cfg.DWP.CacheBytes = c.lookUp, c.set
		if got := listBytes(&cfg, c.process); got != c.want {
			t.Errorf("%s: %d KiB, want %d", name, got>>10, c.want>>10)
		}
		var set int64
		m := &memory{cache: fronts + listBytes(&cfg, c.process), held: func() int64 { return 0 }, set: func(n int64) { set = n }}
		if m.adjust(0, 0); set != limit(fronts, 0, 0, 0)+2*c.want {
			t.Errorf("%s: the limit is %d MiB", name, set/mib)
		}
	}
}

// What lives beside the cache has room for its own garbage, so that connections
// do not make the collector run all the time; what is in the cache has its room
// already.
func TestMemoryCountsTheRest(t *testing.T) {
	var held, set int64
	times := 0
	m := &memory{cache: 100 * mib, hashing: 19 * mib, held: func() int64 { return held }, set: func(n int64) { set = n; times++ }}
	m.adjust(0, 0)
	bare := set
	if bare != limit(100*mib, 0, 0, 19*mib) || bare < 200*mib+2*19*mib {
		t.Errorf("at first %d MiB", bare/mib)
	}
	held = 90 * mib
	m.adjust(held+50*mib, 2*mib)
	if times != 1 {
		t.Errorf("the cache and some answers move the limit to %d MiB", set/mib)
	}
	m.adjust(held+100*mib, 84*mib) // 5,000 connections
	if set < bare+5*160*mib {
		t.Errorf("with connections %d MiB, before %d", set/mib, bare/mib)
	}
	m.adjust(held+101*mib, 85*mib)
	if times != 2 {
		t.Error("the limit moves with every connection")
	}
	m.adjust(held, 1*mib)
	if set != bare {
		t.Errorf("when they are gone %d MiB", set/mib)
	}
	if m.adjust(held+328*mib, 0); set != bare+200*mib { // a million jobs
		t.Errorf("with jobs %d MiB, before %d", set/mib, bare/mib)
	}
	if heap, stacks := living(); heap+stacks <= 0 {
		t.Error("nothing lives")
	}
}
