package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"factotum/protocol/dwp"
)

// Answer is what came of asking a back end.
type Answer struct {
	Host  string    `json:"host"`
	Err   string    `json:"err,omitempty"` // why there are no Facts
	Facts dwp.Facts `json:"facts,omitzero"`
}

// Finding is something about a host that should be otherwise.
type Finding struct {
	Host string `json:"host"`
	What string `json:"what"`
}

// Bounds of what is well.
const (
	clockApart = 2 * time.Second // beside which hour an alarm rings on which host
	unheard    = 2 * time.Minute // hosts greet every five seconds
	stale      = 50 * time.Hour  // a backup is proven every day
	lowSpace   = 10              // percent of a disk, where it is less than
	plenty     = 10 << 30        // octets
)

// Judge says what is wrong with a cluster: self is the host that has asked, fronts are
// those that have to reach the back ends, now is when the answers came. Without a release,
// as before an upgrade, hosts may have different ones.
func Judge(self, release string, fronts []string, answers []Answer, now time.Time) (found []Finding) {
	add := func(host, format string, args ...any) {
		found = append(found, Finding{host, fmt.Sprintf(format, args...)})
	}
	newest := "" // zone data
	for i := range answers {
		newest = max(newest, answers[i].Facts.Zones)
	}
	var reached []string
	for i := range answers {
		a := &answers[i]
		if a.Err != "" {
			add(a.Host, "%s does not reach it: %s", self, a.Err)
			continue
		}
		f := &a.Facts
		if f.Now.IsZero() {
			if release == "" {
				continue
			}
			add(a.Host, "it tells nothing of itself: its release is an older one")
			continue
		}
		reached = append(reached, a.Host)
		if release != "" && f.Release != release {
			add(a.Host, "it runs release %s, and %s has %s", f.Release, self, release)
		}
		if d := f.Now.Sub(now) + f.Asked/2; d.Abs() > clockApart {
			add(a.Host, "its clock is %s: set both by NTP", apart(d, self))
		}
		if f.Zones != newest {
			add(a.Host, "its zone data is release %s, and another back end has %s: see \"calserver zones update\"", cmp.Or(f.Zones, "unknown"), newest)
		}
		for _, d := range f.Disks {
			if d.Free < plenty && d.Free*100 < d.Size*lowSpace {
				add(a.Host, "%d %% of %s are free", d.Free*100/max(d.Size, 1), d.Path)
			}
		}
		switch {
		case !f.Backups:
			add(a.Host, "no backups are made: set caldb.berkeleydb.archive.path")
		case f.Proven.IsZero():
			add(a.Host, "no backup of it was proven yet")
		case f.Now.Sub(f.Proven) > stale:
			add(a.Host, "its last proven backup is %d hours old", int(f.Now.Sub(f.Proven).Hours()))
		}
		for _, p := range f.Problems {
			add(a.Host, "%s", p)
		}
	}
	found = append(found, links(self, release, fronts, answers, reached)...)
	slices.SortStableFunc(found, func(a, b Finding) int { return strings.Compare(a.Host, b.Host) })
	return slices.Compact(found)
}

// links says which host does not reach which back end.
func links(self, release string, fronts []string, answers []Answer, reached []string) (found []Finding) {
	others := slices.Clone(fronts)
	for i := range answers { // back ends bring each other what concerns their people
		others = append(others, answers[i].Host)
	}
	slices.Sort(others)
	for _, host := range slices.Compact(others) {
		for i := range answers {
			a := &answers[i]
			if host == a.Host || host == self || !slices.Contains(reached, a.Host) {
				continue
			}
			j := slices.IndexFunc(a.Facts.Neighbours, func(n dwp.Neighbour) bool { return n.Host == host })
			if j < 0 {
				found = append(found, Finding{host, a.Host + " has not heard of it since it was started: see \"calserver status\" there"})
				continue
			}
			n := &a.Facts.Neighbours[j]
			if ago := a.Facts.Now.Sub(n.Heard); ago > unheard {
				found = append(found, Finding{host, fmt.Sprintf("%s has not heard of it for %s: see \"calserver status\" there", a.Host, ago.Round(time.Second))})
				continue
			}
			if n.Ahead.Abs() > clockApart && slices.Contains(fronts, host) { // of back ends their own answer tells
				found = append(found, Finding{host, "its clock is " + apart(n.Ahead, a.Host) + ": set both by NTP"})
			}
			if release != "" && n.Release != release && slices.Contains(fronts, host) {
				found = append(found, Finding{host, fmt.Sprintf("it runs release %s, and %s has %s", n.Release, self, release)})
			}
		}
	}
	return found
}

// apart says how far a clock is before another host's, or behind it.
func apart(d time.Duration, other string) string {
	if d < 0 {
		return fmt.Sprintf("%s behind that of %s", d.Abs().Round(time.Millisecond), other)
	}
	return fmt.Sprintf("%s before that of %s", d.Round(time.Millisecond), other)
}

// JudgeStandbys says what is wrong with the second hosts of back ends: either may serve.
func JudgeStandbys(self, release string, answers []Answer, now time.Time) (found []Finding) {
	add := func(host, format string, args ...any) {
		found = append(found, Finding{host, fmt.Sprintf(format, args...)})
	}
	for i := range answers {
		a := &answers[i]
		f := &a.Facts
		switch {
		case a.Err != "":
			add(a.Host, "%s does not reach it: %s", self, a.Err)
			continue
		case f.Release != release:
			add(a.Host, "it runs release %s, and %s has %s", f.Release, self, release)
		}
		if d := f.Now.Sub(now) + f.Asked/2; d.Abs() > clockApart {
			add(a.Host, "its clock is %s: set both by NTP", apart(d, self))
		}
		for _, d := range f.Disks {
			if d.Free < plenty && d.Free*100 < d.Size*lowSpace {
				add(a.Host, "%d %% of %s are free", d.Free*100/max(d.Size, 1), d.Path)
			}
		}
		for _, p := range f.Problems {
			add(a.Host, "%s", p)
		}
	}
	return found
}
