package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		c := &cobra.Command{
			Use:   "hooks",
			Short: "Show and change who is told of changes: webhooks and push registrations",
			Long: "Webhooks are addresses that get a POST for each change in a calendar, or in all of a home; push services\n" +
				"tell clients that something changed. Both are kept in the home of the calendar's owner. docs/push.md tells more.",
		}
		c.AddCommand(hooksList(std), hooksAdd(std), hooksDelete(std), hooksTest(std))
		return c
	})
}

// hooksCommand is one of them: do is given the back end and the arguments.
func hooksCommand(std stdio, c *cobra.Command, do func(ctx context.Context, t *tool, be *backend, args []string) error) (*tool, *cobra.Command) {
	t := newTool("hooks", "", std)
	c.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := interruptible(cmd.Context())
		defer stop()
		be, err := t.openBackend(ctx)
		if err != nil {
			return err
		}
		defer be.close()
		if err := do(ctx, t, be, args); err != nil {
			return errors.New(plain.Error(err))
		}
		return nil
	}
	c.Flags().StringVarP(&t.conf, "config", "C", "", "the ics.conf to use")
	return t, t.reportFlags(c)
}

// hookInfo is a registration as calserver hooks tells of it.
type hookInfo struct {
	ID       string    `json:"id"`
	Owner    string    `json:"owner"`
	Kind     string    `json:"kind"`
	CalID    string    `json:"calid,omitempty"`
	User     string    `json:"user"`
	Address  string    `json:"address"`
	State    string    `json:"state"`
	Contents bool      `json:"contents,omitempty"`
	Secret   string    `json:"secret,omitempty"`
	Created  time.Time `json:"created,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Failures int       `json:"failures,omitempty"`
	Last     time.Time `json:"last,omitzero"`
	Problem  string    `json:"problem,omitempty"`
}

func describeRegistration(r *calendar.Registration) hookInfo {
	h := hookInfo{ID: r.ID, Owner: string(r.Owner), Kind: string(r.Kind), CalID: string(r.Calendar), User: r.User, Address: r.Address, State: "on", Contents: r.Contents,
		Created: r.Created, Expires: r.Expires, Failures: r.Failures, Last: r.Last, Problem: r.Problem}
	switch {
	case r.Off:
		h.State = "off"
	case r.Failures > 0:
		h.State = "failing"
	}
	return h
}

func hooksList(std stdio) *cobra.Command {
	user := ""
	_, c := hooksCommand(std, &cobra.Command{Use: "list", Short: "List them", Args: cobra.NoArgs, Example: "  calserver hooks list --user anna"},
		func(ctx context.Context, t *tool, be *backend, _ []string) error {
			list := newArray(t.std.out)
			n := 0
			show := func(owner calendar.Owner) error {
				found, err := be.Registrations(ctx, be.who, calendar.RegistrationsRequest{Owner: owner})
				if err != nil {
					return err
				}
				for i := range found {
					h := describeRegistration(&found[i])
					n++
					if t.json {
						if err := list.add(h); err != nil {
							return err
						}
						continue
					}
					fmt.Fprintf(t.std.out, "%s %s %s %s %s %s %s %s\n", h.ID, h.Kind, h.Owner, cmp.Or(h.CalID, "-"), h.User, h.State, h.Address, h.Problem)
				}
				return nil
			}
			if user != "" {
				if err := show(calendar.Owner(user)); err != nil {
					return err
				}
			} else {
				for after := calendar.Owner(""); ; {
					owners, err := be.owners(ctx, after)
					if err != nil {
						return err
					}
					if len(owners) == 0 {
						break
					}
					for _, o := range owners {
						if err := show(o); err != nil {
							return err
						}
						after = o
					}
				}
			}
			if t.json {
				return list.end()
			}
			t.say("%d registrations", n)
			return nil
		})
	c.Flags().StringVarP(&user, "user", "u", "", "in whose home; without it in all")
	return c
}

func hooksAdd(std stdio) *cobra.Command {
	user, calid, contents := "", "", false
	_, c := hooksCommand(std, &cobra.Command{Use: "add ADDRESS --user USER", Short: "Register a webhook for a user, and print its secret", Args: cobra.ExactArgs(1),
		Example: "  calserver hooks add https://example.com/hook --user anna --calendar anna:work"},
		func(ctx context.Context, t *tool, be *backend, args []string) error {
			if user == "" {
				return errors.New("say for whom: --user")
			}
			req := calendar.RegisterRequest{Owner: calendar.Owner(user), Calendar: calendar.ID(calid), Kind: calendar.HookRegistration, Address: args[0], Contents: contents,
				Triggers: calendar.Triggers{Content: calendar.DepthInfinity, Properties: calendar.DepthInfinity}}
			if calid != "" {
				req.Owner = req.Calendar.Owner()
			}
			who := calendar.Actor{User: user, Domain: be.cfg.Domain.Default, Via: t.name}
			res, err := be.Register(ctx, who, req)
			if err != nil {
				return err
			}
			h := describeRegistration(&res.Registration)
			if len(res.Secret) > 0 {
				h.Secret = "whsec_" + base64.StdEncoding.EncodeToString(res.Secret)
			}
			if t.json {
				list := newArray(t.std.out)
				if err := list.add(h); err != nil {
					return err
				}
				return list.end()
			}
			fmt.Fprintln(t.std.out, h.ID, h.Secret)
			return nil
		})
	c.Flags().StringVarP(&user, "user", "u", "", "whose webhook it is: he may read what it is told of")
	c.Flags().StringVar(&calid, "calendar", "", "of which calendar; without it of the user's whole home")
	c.Flags().BoolVar(&contents, "contents", false, "with the text of what changed")
	return c
}

// registrationOf finds one in a home by its id.
func registrationOf(ctx context.Context, be *backend, owner, id string) (r calendar.Registration, err error) {
	if owner == "" {
		return r, errors.New("say in whose home: --user")
	}
	list, err := be.Registrations(ctx, be.who, calendar.RegistrationsRequest{Owner: calendar.Owner(owner)})
	if err != nil {
		return r, err
	}
	for _, r := range list {
		if r.ID == id {
			return r, nil
		}
	}
	return r, fmt.Errorf("there is no registration %s in the home of %s", id, owner)
}

func hooksDelete(std stdio) *cobra.Command {
	user := ""
	_, c := hooksCommand(std, &cobra.Command{Use: "delete ID --user USER", Short: "End a webhook or push registration", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, t *tool, be *backend, args []string) error {
			r, err := registrationOf(ctx, be, user, args[0])
			if err != nil {
				return err
			}
			return be.Unregister(ctx, be.who, calendar.UnregisterRequest{Owner: r.Owner, ID: r.ID, Kind: r.Kind})
		})
	c.Flags().StringVarP(&user, "user", "u", "", "in whose home it is")
	return c
}

// hookPatience is for how long a test is waited for.
const hookPatience = 35 * time.Second

func hooksTest(std stdio) *cobra.Command {
	user := ""
	_, c := hooksCommand(std, &cobra.Command{Use: "test ID --user USER", Short: "Have a test sent to a webhook, and tell what it answered", Args: cobra.ExactArgs(1)},
		func(ctx context.Context, t *tool, be *backend, args []string) error {
			before, err := registrationOf(ctx, be, user, args[0])
			if err != nil {
				return err
			}
			if err := be.TestHook(ctx, be.who, calendar.TestHookRequest{Owner: before.Owner, ID: before.ID}); err != nil {
				return err
			}
			for wait := time.Now().Add(hookPatience); time.Now().Before(wait); {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(200 * time.Millisecond):
				}
				now, err := registrationOf(ctx, be, user, args[0])
				if err != nil {
					return err
				}
				if !now.Last.Equal(before.Last) {
					if now.Problem != "" {
						return errors.New(now.Problem)
					}
					t.say("the receiver has taken it")
					return nil
				}
			}
			return errors.New("it has not been sent yet: others may be before it. calserver hooks list shows what becomes of it")
		})
	c.Flags().StringVarP(&user, "user", "u", "", "in whose home it is")
	return c
}
