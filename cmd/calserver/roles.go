package main

import (
	"context"
	"fmt"
	"strings"

	"factotum/server/config"
)

// role is one of the server's daemons: its component name for start-cal and
// stop-cal, and its program. admin.md §1.1.
type role struct {
	component string
	program   string
	summary   string
	enabled   func(*config.Config) bool
	logName   func(*config.Config) string
	// usesStore says that it cannot run where csstored does not.
	usesStore func(*config.Config) bool
}

// open starts a role; it is ready when open returns.
func (r *role) open(ctx context.Context, p *process) (running, error) {
	switch r.component {
	case "ens":
		return openENSRole(ctx, p)
	case "store":
		return openStoreRole(ctx, p)
	case "dwp":
		return openDWPRole(ctx, p)
	case "notify":
		return openNotifyRole(ctx, p)
	}
	return openHTTPRole(ctx, p)
}

// running is a role that runs.
type running interface {
	// stop takes no new work and waits for what is under way, until ctx ends.
	stop(ctx context.Context)
	// failed delivers the error that ended it before its time.
	failed() <-chan error
}

func always(*config.Config) bool { return true }

// pureFrontEnd tells whether no calendars are kept on this host, so that it
// can do without csstored. admin.md §11.2.
func pureFrontEnd(cfg *config.Config) bool {
	return cfg.CLD.Type == "directory" && !cfg.DWP.Enable && len(cfg.DWP.BackEnds) > 0
}

// roles are the daemons of this release in the order in which they start; they
// stop in the reverse. admin.md §4.1.
var roles = []role{
	{
		component: "ens", program: "enpd", summary: "Tell subscribers of what happens (ENS)",
		enabled:   func(c *config.Config) bool { return c.ENS.Enable && ensHere(c) },
		logName:   func(c *config.Config) string { return c.Log.Admin },
		usesStore: func(*config.Config) bool { return false },
	},
	{
		component: "store", program: "csstored", summary: "Keep the calendar database",
		enabled:   func(c *config.Config) bool { return c.Store.Enable },
		logName:   func(c *config.Config) string { return c.Log.Store },
		usesStore: func(*config.Config) bool { return false },
	},
	{
		component: "dwp", program: "csdwpd", summary: "Serve front ends on other hosts",
		enabled:   func(c *config.Config) bool { return c.DWP.Enable },
		logName:   func(c *config.Config) string { return c.Log.DWP },
		usesStore: always,
	},
	{
		component: "http", program: "cshttpd", summary: "Serve clients over HTTP",
		enabled:   func(c *config.Config) bool { return c.HTTP.Enable },
		logName:   func(c *config.Config) string { return c.Log.HTTP },
		usesStore: func(c *config.Config) bool { return !pureFrontEnd(c) },
	},
	{
		component: "notify", program: "csnotifyd", summary: "Bring reminders to screens",
		enabled:   (*config.Config).PopsUp,
		logName:   func(c *config.Config) string { return c.Log.Notify },
		usesStore: func(c *config.Config) bool { return !pureFrontEnd(c) },
	},
}

// absentRoles are Sun's daemons that this release does not have: start-cal
// knows their names, and says so.
var absentRoles = map[string]string{"admin": "csadmind", "mfagent": "mfagent"}

func findRole(component string) (*role, bool) {
	for i := range roles {
		if roles[i].component == component || roles[i].program == component {
			return &roles[i], true
		}
	}
	return nil, false
}

// pickRoles turns the words of a command line into roles in starting order;
// without words, those that the configuration enables.
func pickRoles(cfg *config.Config, words []string) ([]*role, error) {
	want := map[string]bool{}
	for _, w := range words {
		if r, ok := findRole(w); ok {
			want[r.component] = true
			continue
		}
		if program, ok := absentRoles[w]; ok {
			return nil, fmt.Errorf("%s (%s) is not part of this release", w, program)
		}
		return nil, fmt.Errorf("there is no component %q; there are %s", w, strings.Join(components(), ", "))
	}
	var out []*role
	for i := range roles {
		if r := &roles[i]; want[r.component] || len(words) == 0 && r.enabled(cfg) {
			out = append(out, r)
		}
	}
	return out, nil
}

func components() []string {
	var out []string
	for _, r := range roles {
		out = append(out, r.component)
	}
	return out
}
