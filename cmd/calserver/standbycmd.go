package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/plain"
	"factotum/server/config"
	"factotum/store/standby"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		c := &cobra.Command{Use: "standby", Short: "Two hosts with the same calendars: how they are, and who serves", Args: cobra.NoArgs}
		for _, s := range []struct{ name, short, long, done string }{
			{"status", "Tell which of the two hosts serves, and what the other one has", "Exits with 1 where nobody would take over.", ""},
			{"switch", "Hand over to the standby, without loss",
				"The standby takes over at once, and this host is the standby then. Requests wait, or are told to try\nagain, for some seconds. It is refused where the standby has not all.", "handed over"},
			{"detach", "Go on alone: the standby is down and does not come back soon",
				"A host whose standby went away without a word serves nothing, since that may have taken over. This says\nthat it has not. Make sure that csstored does not run there: it is refused where it answers. When it\nruns again it follows by itself.", "this host is alone"},
			{"take", "On the standby: take over by force",
				"For when the other host is lost and this one does not take over by itself, as after both were off. What the\nother had and this one had not got is lost. It is refused where the other answers that it serves, and, without\n--force, where the witness let that go on alone, or does not answer.", "this host takes over"},
		} {
			c.AddCommand(newStandbyCommand(std, s.name, s.short, s.long, s.done))
		}
		return c
	})
}

func newStandbyCommand(std stdio, name, short, long, done string) *cobra.Command {
	var conf string
	var force bool
	t := &tool{name: "calserver", std: std}
	c := &cobra.Command{
		Use: name, Short: short, Long: long, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(conf, nil)
			if err != nil {
				return err
			}
			if cfg.Standby.Peer() == "" {
				return errors.New("this host is not one of two: neither factotum.standby.host nor factotum.standby.of is set in its ics.conf")
			}
			if cfg.Store.Type == "postgres" {
				return sharedStatus(cmd.Context(), t, cfg, name)
			}
			var st standby.Status
			path := "/standby/" + name
			if force {
				path += "?force=yes"
			}
			if err := callStore(cmd.Context(), cfg, "POST", path, &st); err != nil {
				return err
			}
			if t.json {
				return t.print(st)
			}
			if done != "" {
				t.say("%s", done)
				return nil
			}
			fmt.Fprintln(t.std.out, st.Words(time.Now()))
			if !st.Ready() {
				return exitError(exitFailed)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&conf, "config", "C", "", "the ics.conf")
	if name == "take" {
		c.Flags().BoolVar(&force, "force", false, "whatever the witness says")
	}
	return t.reportFlags(c)
}

// sharedStatus tells which of two hosts that share a database serves.
func sharedStatus(ctx context.Context, t *tool, cfg *config.Config, command string) error {
	if command != "status" {
		return errors.New("the two hosts share a database, whose lease says who serves: stop csstored on the host that does, and the other takes over")
	}
	for _, p := range processes(ctx, cfg) {
		switch {
		case p.Name != "calserver" && p.Name != "csstored":
		case p.Store != nil:
			t.say("%s: this host serves, %s waits for the lease in the database", hostName(cfg), cfg.Standby.Peer())
			return nil
		default:
			t.say("%s: this host waits for the lease in the database, %s serves", hostName(cfg), cfg.Standby.Peer())
			return nil
		}
	}
	return errors.New("csstored does not run on this host")
}

// standbyStatus is how this host does as one of two; nil where it is alone.
func (s *storeService) standbyStatus() *standby.Status {
	var st standby.Status
	switch {
	case s.pair.active != nil:
		st = s.pair.active.Status()
	case s.pair.passive != nil:
		st = s.pair.passive.Status()
	default:
		return nil
	}
	return &st
}

// standby answers "calserver standby".
func (a *adminServer) standby(w http.ResponseWriter, r *http.Request) {
	s := a.storeService()
	if s == nil || s.standbyStatus() == nil {
		http.Error(w, "csstored of a host that is one of two does not run in this process", http.StatusConflict)
		return
	}
	var err error
	active, passive := s.pair.active, s.pair.passive
	switch command := r.PathValue("command"); {
	case command == "status":
	case command == "switch" && active != nil:
		err = active.Switch(r.Context())
	case command == "detach" && active != nil:
		err = active.Detach(r.Context())
	case command == "take" && passive != nil:
		err = passive.Take(r.Context(), r.URL.Query().Get("force") == "yes")
	case command == "take":
		err = errors.New("this host serves already")
	case command == "switch" || command == "detach":
		err = fmt.Errorf("this host does not serve: say that on %s", s.pair.opt.Peer)
	default:
		err = errors.New("there is no such command")
	}
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusConflict)
		return
	}
	answerJSON(w, s.standbyStatus())
}
