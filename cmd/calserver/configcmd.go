package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"factotum/server/config"
)

func init() {
	ownCommands = append(ownCommands, configCommand, func(std stdio) *cobra.Command {
		t := &tool{name: "calserver", std: std}
		return t.reportFlags(&cobra.Command{
			Use: "version", Short: "Print the release", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				t.did(map[string]string{"tool": "calserver", "version": versionString()}, "calserver %s", versionString())
				return t.printDone()
			},
		})
	})
}

func configCommand(std stdio) *cobra.Command {
	var conf string
	t := &tool{name: "calserver", std: std}
	var names, offline, changed bool
	c := &cobra.Command{Use: "config", Short: "Check or show the configuration"}
	c.PersistentFlags().StringVarP(&conf, "config", "C", "", "the ics.conf")
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Find what is wrong in ics.conf, and what would stop the start", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				conf = args[0]
			}
			return t.checkConfig(cmd.Context(), conf, offline)
		},
	}
	check.Flags().BoolVar(&offline, "offline", false, "look up no names, and ask no server of the network")
	check.Flags().BoolVar(&names, "names", true, "")
	t.reportFlags(check)
	check.Flags().MarkHidden("names") // of earlier releases, which looked them up if they were told to
	show := &cobra.Command{
		Use: "show", Short: "Print the effective values and where each comes from, secrets redacted", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			warnings := std.err
			if t.json || t.quiet {
				warnings = nil
			}
			cfg, err := loadConfig(conf, warnings)
			switch {
			case err != nil || !t.shows():
				return err
			case !t.json:
				return cfg.Show(std.out, changed)
			}
			list := newArray(std.out)
			for s := range cfg.Settings(changed) {
				if err := list.add(s); err != nil {
					return err
				}
			}
			return list.end()
		},
	}
	t.reportFlags(show)
	show.Flags().BoolVar(&changed, "changed", false, "leave out what nobody set")
	c.AddCommand(check, show)
	return c
}

// configProblem is a problem of an ics.conf, for programs.
type configProblem struct {
	Severity  string `json:"severity"` // warning, serious warning, error
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Parameter string `json:"parameter,omitempty"`
	Message   string `json:"message"`
}

// checkConfig prints every problem of an ics.conf; those that keep the server
// from starting make the exit code 1.
func (t *tool) checkConfig(ctx context.Context, given string, offline bool) error {
	path, err := findConfig(given)
	if err != nil {
		return err
	}
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	cfg, rep, err := config.Load(path)
	if err != nil && len(rep.Problems) == 0 {
		return err
	}
	if cfg != nil {
		rep.Problems = append(rep.Problems, checkHost(ctx, cfg, !offline)...)
	}
	if err == nil {
		err = rep.Err()
	}
	if t.json {
		list := newArray(t.std.out)
		for _, p := range rep.Problems {
			if err := list.add(configProblem{p.Severity.String(), p.File, p.Line, p.Param, p.Message}); err != nil {
				return err
			}
		}
		if lerr := list.end(); lerr != nil {
			return lerr
		}
		if err != nil {
			return exitError(exitFailed)
		}
		return nil
	}
	for i := range rep.Problems {
		if !t.quiet || rep.Problems[i].Severity >= config.Serious {
			fmt.Fprintln(t.std.err, rep.Problems[i].Error())
		}
	}
	if rep.Omitted > 0 && !t.quiet {
		fmt.Fprintf(t.std.err, "and %d more\n", rep.Omitted)
	}
	if cfg != nil {
		for _, line := range cfg.SetInVain() {
			t.say("%s", line)
		}
	}
	if err != nil {
		return exitError(exitFailed)
	}
	said := fmt.Sprintf("%s: no errors, %d warnings", path, len(rep.Problems)+rep.Omitted)
	if n := rep.Count(config.Serious); n > 0 {
		said += fmt.Sprintf(", %d of them serious", n)
	}
	t.say("%s", said)
	return nil
}
