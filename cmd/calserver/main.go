// Command calserver is the calendar server: every daemon and every tool of it
// in one binary. Called through a link with the name of one of Sun's programs
// (start-cal, cshttpd, cscal …) it is that program; called as calserver its
// first argument says which (calserver cscal list …).
//
// A file of this package is a program: it registers itself in init, and reads
// flags and configuration, builds, runs, shuts down.
package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	os.Exit(run(context.Background(), os.Args, stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// run picks the program by the name that it was called by.
func run(ctx context.Context, argv []string, std stdio) int {
	name := strings.TrimSuffix(filepath.Base(argv[0]), ".exe")
	if p, ok := programs[name]; ok {
		return p.run(ctx, argv[1:], std)
	}
	return runCalserver(ctx, argv[1:], std)
}
