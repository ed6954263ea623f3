package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		t := &tool{name: "calserver", std: std}
		return t.reportFlags(&cobra.Command{
			Use: "links DIR", Short: "Make links with the names of Sun's programs in a directory", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				exe, err := os.Executable()
				if err != nil {
					return fmt.Errorf("find the program: %w", err)
				}
				n, err := makeLinks(exe, args[0])
				if err != nil {
					return err
				}
				t.did(map[string]any{"directory": args[0], "links": n}, "%d links in %s", n, args[0])
				return t.printDone()
			},
		})
	})
}

// makeLinks links every program's name to the binary. A link that is there
// already is renewed; anything else of that name is left alone and reported.
func makeLinks(exe, dir string) (n int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("make the directory: %w", err)
	}
	for _, name := range programNames() {
		path := filepath.Join(dir, name)
		if fi, err := os.Lstat(path); err == nil {
			if fi.Mode()&fs.ModeSymlink == 0 {
				return n, fmt.Errorf("%s is there already, and is no link", path)
			}
			if err := os.Remove(path); err != nil {
				return n, fmt.Errorf("renew the link: %w", err)
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return n, fmt.Errorf("look for %s: %w", path, err)
		}
		if err := os.Symlink(exe, path); err != nil {
			return n, fmt.Errorf("make the link: %w", err)
		}
		n++
	}
	return n, nil
}
