package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/selftest"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		var user, file, ca string
		var plain bool
		t := newTool("selftest", "", std)
		c := &cobra.Command{
			Use:   "selftest URL",
			Short: "Play a client's first sync and round trip against a server, and print what fails",
			Long: "Logs in to a CalDAV server as a user, finds his calendars as clients do, makes a calendar of its own,\n" +
				"writes, reads, queries, syncs and deletes in it, and removes it. Other calendars are not touched.\n" +
				"Exit status: 0 all passed, 1 something failed.",
			Example: "  calserver selftest http://127.0.0.1:8008/ --user anna --password-file secret",
			Args:    cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				if user == "" {
					return errors.New("selftest needs --user")
				}
				trust, err := trustOf(ca, std.in)
				if err != nil {
					return err
				}
				secret, err := t.password(cmd.Context(), "", file, "Password of "+user+": ", false)
				if err != nil {
					return err
				}
				client, err := davclient.New(davclient.Account{Address: davclient.Address(cmd.Context(), args[0]),
					User: user, Password: secret, Plain: plain, Trust: trust, Agent: agent()})
				if err != nil {
					return err
				}
				ctx, stop := interruptible(cmd.Context())
				defer stop()
				rep := selftest.Run(ctx, client, func(s selftest.Step) {
					if !t.json && (!t.quiet || !s.OK) {
						s.Print(std.out)
					}
				})
				if t.json {
					err = t.print(rep)
				}
				t.say("%d passed, %d failed", rep.Passed, rep.Failed)
				switch sig := (signalError{}); {
				case err != nil:
					return err
				case errors.As(context.Cause(ctx), &sig):
					t.complain("%v", sig)
					return exitError(sig.exit())
				case rep.Failed > 0:
					return exitError(exitFailed)
				}
				return nil
			},
		}
		f := c.Flags()
		f.StringVar(&user, "user", "", "log-in name")
		f.StringVar(&file, "password-file", "", "file whose first line is the password, - is standard input; otherwise it is asked for")
		f.StringVar(&ca, "ca", "", "PEM file with the authority of the server's certificate, - is standard input")
		f.BoolVar(&plain, "plain", false, "send the password without TLS to another host")
		return t.reportFlags(c)
	})
}

// trustOf reads a file with authorities, "-" from stdin; "" means the system's.
func trustOf(file string, stdin io.Reader) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	var pem []byte
	var err error
	if file == "-" {
		pem, err = io.ReadAll(io.LimitReader(stdin, 1<<20))
	} else {
		pem, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
