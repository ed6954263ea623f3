package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/plain"
	"factotum/cmd/internal/zonedata"
	"factotum/server/recur"
)

func init() { ownCommands = append(ownCommands, zonesCommand) }

// zonesInfo tells of a zone database, for programs.
type zonesInfo struct {
	Version string   `json:"version"`
	Source  string   `json:"source"`
	Zones   int      `json:"zones"`
	Changed []string `json:"changed,omitempty"` // zones whose hours are others than with the one before
}

func zonesCommand(std stdio) *cobra.Command {
	var conf string
	var older bool
	t := &tool{name: "calserver", std: std}
	c := &cobra.Command{Use: "zones", Short: "Show the zone database in use, or take a newer one", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if _, err := loadConfig(conf, nil); err != nil {
				return err
			}
			d := dataInUse()
			rules, err := recur.RulesOf(d)
			if err != nil {
				return err
			}
			t.did(zonesInfo{d.Version, d.Source, len(rules.Zones), nil}, "%s, from %s, %d zones", versionName(d.Version), d.Source, len(rules.Zones))
			return t.printDone()
		}}
	c.PersistentFlags().StringVarP(&conf, "config", "C", "", "the ics.conf")
	update := &cobra.Command{Use: "update FILE", Args: cobra.ExactArgs(1),
		Short: "Judge a zone database and put it into the data directory, for all programs: IANA's tzdata….tar.gz or tzdata.zi, a zip file, an archive or a folder of compiled zones",
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := readConfig(conf, nil)
			if err != nil {
				return err
			}
			if cfg.Data == "" {
				return fmt.Errorf("factotum.data.dir is not set: there is no place for it")
			}
			r, err := zonedata.Read(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if err := useZones(cfg); err != nil {
				t.complain("%s", plain.Error(err))
			}
			now := dataInUse()
			switch {
			case older || r.Version == "" || now.Version == "" || r.Version >= now.Version:
			default:
				return fmt.Errorf("%s is release %s, and %s (%s) is in use: --older takes it all the same", args[0], r.Version, now.Version, now.Source)
			}
			before, err := recur.RulesOf(now)
			if err != nil {
				t.complain("%s", plain.Error(err))
			}
			after, err := recur.RulesOf(r.Data(args[0]))
			if err != nil {
				return err
			}
			changed, _ := before.Diff(after)
			if err := r.Install(zonesFile(cfg)); err != nil {
				return fmt.Errorf("put it into %s: %w", zonesFile(cfg), err)
			}
			names := changedNames(changed)
			t.did(zonesInfo{r.Version, zonesFile(cfg), len(after.Zones), names}, "release %s is in %s: the hours of %d %s differ from those of %s", versionName(r.Version), zonesFile(cfg),
				len(names), plain.Plural(len(names), "zone", "zones"), versionName(now.Version))
			if len(names) > 0 {
				t.say("  %s", strings.Join(names, " "))
			}
			t.say("restart the server (stop-cal, start-cal), on each host; then \"csdst preview\" shows which events meant another hour")
			return t.printDone()
		}}
	update.Flags().BoolVar(&older, "older", false, "take one that is older than the one in use")
	t.reportFlags(c)
	t.reportFlags(update)
	c.AddCommand(update)
	return c
}
