package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/pborman/getopt/v2"
	"github.com/spf13/cobra"

	"factotum/cmd/internal/plain"
	"factotum/cmd/internal/watcher"
)

// A role alone in the foreground, under its own name: what systemd, a
// container or the watcher runs.
func init() {
	for i := range roles {
		r := &roles[i]
		register(r.program, r.summary, func(ctx context.Context, args []string, std stdio) int {
			o, code := parseServer(r.program, "", args, std)
			if o == nil {
				return code
			}
			return serve(ctx, o, r.program, []string{r.component}, std)
		})
	}
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		return &cobra.Command{
			Use: "serve [--config FILE] [component ...]", Short: "Run the enabled roles in the foreground, in one process",
			DisableFlagParsing: true, Aliases: []string{"run"},
			RunE: func(cmd *cobra.Command, args []string) error {
				o, code := parseServer("calserver serve", "[component ...]", args, std)
				if o != nil {
					code = serve(cmd.Context(), o, "calserver", o.words, std)
				}
				return exitCode(code)
			},
		}
	})
}

func exitCode(code int) error {
	if code == 0 {
		return nil
	}
	return exitError(code)
}

// serverOptions are what every daemon takes.
type serverOptions struct {
	config string
	debug  bool
	words  []string
}

// parseServer reads a daemon's options. nil means that the call was answered,
// with the exit code.
func parseServer(name, words string, args []string, std stdio) (*serverOptions, int) {
	var o serverOptions
	var help bool
	set := getopt.New()
	set.SetProgram(name)
	set.SetParameters(words)
	set.FlagLong(&o.config, "config", 'C', "the ics.conf", "FILE")
	set.FlagLong(&o.debug, "debug", 'd', "log everything")
	set.FlagLong(&help, "help", '?', "print this")
	if err := set.Getopt(append([]string{name}, args...), nil); err != nil {
		fmt.Fprintln(std.err, err)
		set.PrintUsage(std.err)
		return nil, exitUsage
	}
	if help {
		set.PrintUsage(std.out)
		return nil, 0
	}
	o.words = set.Args()
	if words == "" && len(o.words) > 0 {
		fmt.Fprintf(std.err, "%s: unexpected %q\n", name, o.words[0])
		return nil, exitUsage
	}
	return &o, 0
}

// serve runs roles in this process until a signal comes.
func serve(ctx context.Context, o *serverOptions, name string, words []string, std stdio) int {
	fail := func(err error) int {
		text := plain.Error(err)
		watcher.Report(errors.New(text))
		fmt.Fprintf(std.err, "%s: %s\n", name, strings.Replace(text, name+" did not start", "did not start", 1))
		return exitFailed
	}
	cfg, err := loadConfig(o.config, std.err)
	if err != nil {
		return fail(err)
	}
	which, err := pickRoles(cfg, words)
	if err != nil {
		return fail(err)
	}
	if len(which) == 0 {
		return fail(errors.New("no role is enabled: see service.http.enable, service.dwp.enable and service.store.enable in ics.conf"))
	}
	supervised := watcher.Supervised()
	if supervised && cfg.Source("factotum.log.target") == "" {
		cfg.Log.Target = "file" // a daemon in the background has no terminal
	}
	ctx, cancel := signals(ctx)
	defer cancel()
	if supervised {
		go watcher.Follow(os.Stdin, cancel)
	}
	ready := sync.OnceFunc(func() { watcher.Report(nil) })
	for {
		p, err := newProcess(cfg, name, openLogs(cfg, std.err, o.debug))
		if err != nil {
			return fail(err)
		}
		p.reportReady = ready
		err = p.run(ctx, which, ready)
		switch {
		case err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()):
			return 0
		case !beginsAnew(err):
			return fail(err)
		}
	}
}
