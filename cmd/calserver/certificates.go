package main

import (
	"cmp"
	"path/filepath"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/certificates"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		t := &tool{name: "calserver", std: std, many: true}
		var dir string
		var days int
		c := &cobra.Command{
			Use: "certificates HOST ...", Short: "Make the certificates of front ends and back ends for DWP",
			Long: "Makes an authority (dwp-ca.pem, dwp-ca.key) unless there is one, and a certificate\n" +
				"(HOST.pem, HOST.key) for each host that has none. Whoever holds a certificate of this\n" +
				"authority can act as any user: keep dwp-ca.key apart.",
			Args: cobra.MinimumNArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				made, err := certificates.Make(dir, args, days)
				for _, name := range made {
					path := filepath.Join(dir, name)
					t.did(map[string]string{"file": path, "done": "made"}, "made %s", path)
				}
				return cmp.Or(t.printDone(), err)
			},
		}
		c.Flags().StringVar(&dir, "dir", ".", "where they are kept")
		c.Flags().IntVar(&days, "days", 730, "how long the hosts' certificates are valid")
		return t.reportFlags(c)
	})
}
