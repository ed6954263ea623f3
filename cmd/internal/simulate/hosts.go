package simulate

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Host is what a server did during a step.
type Host struct {
	Name   string        `json:"name"`
	Cores  float64       `json:"cores"`        // that its process was busy on
	Of     int           `json:"of,omitempty"` // that it may use
	Commit time.Duration `json:"commit_ns"`    // of the mean commit
	Memory int64         `json:"memory"`       // octets, at the end
}

// counters are what a host told at a moment.
type counters struct {
	name                 string
	cpu, commits, commit float64
	cores, memory        float64
}

// readHosts asks hosts for their metrics.
func readHosts(ctx context.Context, addresses []string) (list []counters, err error) {
	for _, a := range addresses {
		c, err := readHost(ctx, a)
		if err != nil {
			return nil, fmt.Errorf("read the metrics of %s (factotum.admin.listen there): %w", a, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func readHost(ctx context.Context, address string) (c counters, err error) {
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+address+"/metrics", nil)
	if err != nil {
		return c, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return c, fmt.Errorf("it answered %s", resp.Status)
	}
	c.name = address
	sums := map[string]*float64{"process_cpu_seconds_total": &c.cpu, "factotum_store_commit_seconds_sum": &c.commit, "factotum_store_commit_seconds_count": &c.commits,
		"go_sched_gomaxprocs_threads": &c.cores, "process_resident_memory_bytes": &c.memory}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		name, _, _ = strings.Cut(name, "{")
		if to := sums[name]; to != nil {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				return c, fmt.Errorf("%s: %w", name, err)
			}
			*to += v
		}
	}
	return c, lines.Err()
}

func (c counters) since(was counters, took time.Duration) Host {
	h := Host{Name: c.name, Cores: (c.cpu - was.cpu) / took.Seconds(), Of: int(c.cores), Memory: int64(c.memory)}
	if n := c.commits - was.commits; n > 0 {
		h.Commit = time.Duration((c.commit - was.commit) / n * float64(time.Second))
	}
	return h
}
