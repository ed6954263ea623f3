package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/simulate"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		o := simulate.Options{Profile: simulate.Apple()}
		var accounts, ca, rates string
		var users []int
		t := newTool("simulate", "", std)
		c := &cobra.Command{
			Use:   "simulate URL",
			Short: "Play thousands of users against a server, and tell how many it carries",
			Long: "Plays so many users, then more, until the server does not keep up: which is when one of twenty operations\n" +
				"takes longer than --slow, or one in a hundred fails. It tells how many users each core carries, and what was in the way.\n\n" +
				"A user is two of Apple's devices without push, over a working day of eight hours. In an hour he does:\n" +
				"  " + rateWords(o.Profile) + "\n" +
				"and invites, or asks for the free time of, four others. --rates changes that. What is due is done when it is due, whether\n" +
				"the server is behind or not; --compress 10 has ten hours in one. More users than accounts share them.\n\n" +
				"It makes thousands of events and invitations: take accounts, and better a server, of its own.\n" +
				"Exit status: 0 the last number was carried, 1 one was not, or nothing could be done.",
			Example: "  calserver simulate accounts --count 10000 --ldif sim.ldif --table sim.csv\n" +
				"  calserver simulate http://127.0.0.1:8008/ --accounts sim.csv --metrics 127.0.0.1:9109",
			Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) (err error) {
				switch {
				case accounts == "":
					return errors.New("--accounts is a table of users; \"calserver simulate accounts\" makes one")
				case o.Connections < 1 || o.Compress <= 0 || o.For <= 0 || len(users) == 0:
					return errors.New("--connections, --compress, --for and --users are more than 0")
				}
				if o.Accounts, err = simulate.ReadAccounts(accounts); err != nil {
					return err
				}
				if err := o.Profile.Set(rates); err != nil {
					return fmt.Errorf("--rates: %w", err)
				}
				if o.Trust, err = trustOf(ca, std.in); err != nil {
					return err
				}
				ctx, stop := interruptible(cmd.Context())
				defer stop()
				o.Server = strings.TrimSuffix(davclient.Address(ctx, args[0]), "/")
				t.say("%d accounts, %.1f operations in an hour for each user, time %g times as fast", len(o.Accounts), o.Profile.Total(), o.Compress)
				res, err := simulate.Run(ctx, o, users, func(s simulate.Step) {
					if !t.json {
						tellStep(std.out, s, t.verbose)
					}
				})
				if err != nil {
					return err
				}
				if t.json {
					if err := t.print(res); err != nil {
						return err
					}
				} else {
					tellCarried(std.out, res)
				}
				if res.Why != "" {
					return exitError(exitFailed)
				}
				return nil
			},
		}
		f := c.Flags()
		f.StringVar(&accounts, "accounts", "", "CSV file of accounts: user, mail, password")
		f.IntSliceVar(&users, "users", []int{1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000}, "numbers of users, one after the other")
		f.DurationVar(&o.For, "for", 30*time.Second, "how long each number is played")
		f.DurationVar(&o.Limit, "slow", time.Second, "what is too slow")
		f.Float64Var(&o.Compress, "compress", 1, "how many times as fast as life")
		f.IntVar(&o.Connections, "connections", 64*runtime.NumCPU(), "requests under way at once, at most")
		f.StringVar(&rates, "rates", "", "what a user does in an hour, such as poll=4,create=1")
		f.StringSliceVar(&o.Metrics, "metrics", nil, "host:port of the metrics of each host of the server (factotum.admin.listen)")
		f.StringVar(&ca, "ca", "", "file of certificate authorities to trust, - for standard input")
		f.BoolVarP(&t.verbose, "verbose", "v", false, "tell how long each operation took")
		f.BoolVarP(&t.quiet, "quiet", "q", false, "tell the results only")
		f.BoolVarP(&t.json, "json", "j", false, "print JSON")
		c.AddCommand(simulatedAccounts())
		return c
	})
}

// simulatedAccounts makes accounts to play.
func simulatedAccounts() *cobra.Command {
	var n int
	var ldif, table, domain, password string
	c := &cobra.Command{
		Use:   "accounts",
		Short: "Write accounts to simulate: entries for the file of people, and a table",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if n < 2 || n > 1_000_000 {
				return errors.New("--count is from 2 to 1000000")
			}
			l, err := os.OpenFile(ldif, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			w, err := os.OpenFile(table, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return errors.Join(err, l.Close(), os.Remove(ldif))
			}
			return errors.Join(simulate.WriteAccounts(l, w, n, domain, password), l.Close(), w.Close())
		},
	}
	f := c.Flags()
	f.IntVar(&n, "count", 1000, "how many")
	f.StringVar(&ldif, "ldif", "sim.ldif", "file to write the entries to; append it to the file of people")
	f.StringVar(&table, "table", "sim.csv", "file to write the table to")
	f.StringVar(&domain, "domain", "example.com", "domain of the server")
	f.StringVar(&password, "password", "simulated", "password of all")
	return c
}

// rateWords says what a user does in an hour.
func rateWords(p simulate.Profile) string {
	var words []string
	for _, op := range simulate.Ops {
		words = append(words, fmt.Sprintf("%s=%g", op, p.Rates[op]))
	}
	return strings.Join(words, ",")
}

// tellStep prints what was seen of a number of users.
func tellStep(w io.Writer, s simulate.Step, verbose bool) {
	state := "carried"
	if !s.Carried {
		state = "not carried: " + s.Why
	}
	fmt.Fprintf(w, "%7d users: %.0f operations (%.0f requests) a second of %.0f; %d failed; this simulation took %.2f cores", s.Users, s.Done, s.Requests, s.Wanted, s.Failed, s.Own)
	for _, h := range s.Hosts {
		fmt.Fprintf(w, "; %s %.2f cores, commit %v, %s", h.Name, h.Cores, h.Commit.Round(10*time.Microsecond), size(h.Memory))
	}
	fmt.Fprintf(w, "; %s\n", state)
	for _, op := range simulate.Ops {
		if x, ok := s.Ops[op]; ok && verbose {
			fmt.Fprintf(w, "        %-9s %7d  p50 %8v  p95 %8v  p99 %8v\n", op, x.Count, x.P50.Round(10*time.Microsecond), x.P95.Round(10*time.Microsecond), x.P99.Round(10*time.Microsecond))
		}
	}
}

// tellCarried prints what follows.
func tellCarried(w io.Writer, r simulate.Result) {
	switch {
	case r.Carried == 0:
		fmt.Fprintf(w, "not even the first number of users is carried: %s\n", r.Why)
		return
	case r.Why != "":
		fmt.Fprintf(w, "carried: %d users; more are not: %s\n", r.Carried, r.Why)
	default:
		fmt.Fprintf(w, "carried: %d users, and perhaps more\n", r.Carried)
	}
	if r.PerCore > 0 {
		fmt.Fprintf(w, "by its CPU that is %d users for each core\n", r.PerCore)
	}
}
