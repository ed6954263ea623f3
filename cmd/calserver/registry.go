package main

import (
	"context"
	"io"
	"maps"
	"slices"
)

// stdio is what a program reads and writes; tests give their own.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// runFunc is a program: args are those after its name, the result is the exit
// code (0 done, 1 it went wrong, 2 called wrongly, unless Sun says otherwise).
type runFunc func(ctx context.Context, args []string, std stdio) int

type program struct {
	name    string
	summary string // one line for "calserver help"
	run     runFunc
}

// programs are Sun's programs by name. Each is also a subcommand of calserver,
// with its own getopt parsing left alone.
var programs = map[string]program{}

// register adds a program; called from init.
func register(name, summary string, run func(ctx context.Context, args []string, std stdio) int) {
	if _, ok := programs[name]; ok {
		panic("program " + name + " is registered twice")
	}
	programs[name] = program{name, summary, run}
}

// programNames lists the registered programs by name.
func programNames() []string { return slices.Sorted(maps.Keys(programs)) }
