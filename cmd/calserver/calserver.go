package main

import (
	"context"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/plain"
)

// version is set at link time: -ldflags "-X main.version=1.0".
var version = ""

// versionString is the release, or the commit that go build saw.
func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return "devel-" + s.Value[:12]
			}
		}
	}
	return "devel"
}

// exitError carries a program's exit code through cobra. Its message was
// already printed.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// ownCommands are calserver's own subcommands, added by their files' init.
var ownCommands []func(std stdio) *cobra.Command

// newCalserver is the program called by its own name, with all of its commands.
func newCalserver(std stdio) *cobra.Command {
	root := &cobra.Command{
		Use:   "calserver",
		Short: "Factotum, a calendar server for CalDAV and WCAP",
		Long: "Factotum, a calendar server for CalDAV and WCAP.\n\nPrograms of Sun's that are not part of this release tell what does their work:\n  " +
			strings.Join(slices.Sorted(maps.Keys(absentPrograms)), " "),
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versionString(),
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.AddGroup(&cobra.Group{ID: "own", Title: "Commands:"}, &cobra.Group{ID: "sun", Title: "Sun's programs, also by a link of that name:"})
	for _, c := range ownCommands {
		cmd := c(std)
		cmd.GroupID = "own"
		root.AddCommand(cmd)
	}
	for _, name := range programNames() {
		p := programs[name]
		root.AddCommand(&cobra.Command{
			Use: p.name, Short: p.summary, GroupID: "sun", DisableFlagParsing: true, Hidden: absentPrograms[name] != "",
			RunE: func(cmd *cobra.Command, args []string) error {
				if code := p.run(cmd.Context(), args, std); code != 0 {
					return exitError(code)
				}
				return nil
			},
		})
	}
	return root
}

// runCalserver is a call of it.
func runCalserver(ctx context.Context, args []string, std stdio) int {
	root := newCalserver(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if code, ok := err.(exitError); ok {
		return int(code)
	}
	if err != nil && wantsJSON(args) {
		printError(std.err, "calserver", err)
		return exitFailed
	}
	if err != nil {
		fmt.Fprintln(std.err, "calserver:", plain.Error(err))
		return 1
	}
	return 0
}
