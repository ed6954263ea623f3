package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/cluster"
	"factotum/cmd/internal/plain"
	"factotum/protocol/dwp"
	"factotum/server/config"
)

func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		c := &cobra.Command{Use: "cluster", Short: "Make and check an installation on several hosts", Args: cobra.NoArgs}
		c.AddCommand(newClusterInit(std), newClusterAdd(std, cluster.Back), newClusterAdd(std, cluster.Front), newClusterCheck(std))
		return c
	})
}

const clusterFolder = "cluster"

func newClusterInit(std stdio) *cobra.Command {
	t := &tool{name: "calserver", std: std, many: true}
	var dir, domain, ldapHost, ldapBase string
	var backs, fronts, set []string
	c := &cobra.Command{
		Use: "init", Short: "Make certificates, configurations and units for the hosts of a cluster", Args: cobra.NoArgs,
		Long: "Makes a folder for each host, which is copied to it as /etc/factotum: ics.conf, the certificate\n" +
			"and key by which hosts know each other, the key of push services and, for hosts without the\n" +
			"package, the unit. The authority's key stays in the folder \"keys\": keep it on a safe machine.\n" +
			"directory.ldif says where the calendars of new people go. Called again it brings all up to date;\n" +
			"what somebody added to an ics.conf stays.",
		Example: "  calserver cluster init --domain example.com --back back.example.com --front front.example.com \\\n" +
			"      --ldap-host ldap.example.com --ldap-base o=example.com --set factotum.ldap.tls=starttls",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := cluster.Open(dir)
			if err != nil {
				p = cluster.New(domain)
			} else if cmd.Flags().Changed("domain") {
				p.Domain = domain
			}
			for role, names := range map[string][]string{cluster.Back: backs, cluster.Front: fronts} {
				for _, name := range names {
					if err := p.Add(name, role); err != nil {
						return err
					}
				}
			}
			if ldapHost != "" {
				set = append([]string{"factotum.directory.type=ldap", "local.ugldaphost=" + ldapHost, "local.ugldapbasedn=" + ldapBase}, set...)
			}
			for _, s := range set {
				name, value, ok := strings.Cut(s, "=")
				if !ok {
					return fmt.Errorf("--set %s: expected NAME=VALUE", s)
				}
				p.Set = append(p.Set, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
			}
			if !p.Has("local.ugldaphost") && !p.Has("factotum.directory.ldif.path") {
				return fmt.Errorf("where are the people? Give --ldap-host and --ldap-base, or --set factotum.directory.type=ldif and --set factotum.directory.ldif.path=FILE, of a file that every host has")
			}
			return writeCluster(t, p, dir)
		},
	}
	f := c.Flags()
	f.StringVar(&dir, "dir", clusterFolder, "folder of the cluster, with its secrets")
	f.StringVar(&domain, "domain", "example.com", "domain of the users' mail addresses")
	f.StringArrayVar(&backs, "back", nil, "fully qualified name of a back end, perhaps more than once; the first is the default")
	f.StringArrayVar(&fronts, "front", nil, "fully qualified name of a front end, perhaps more than once")
	f.StringVar(&ldapHost, "ldap-host", "", "LDAP server with the people")
	f.StringVar(&ldapBase, "ldap-base", "", "its base DN")
	f.StringArrayVar(&set, "set", nil, "NAME=VALUE of a parameter of every host's ics.conf, perhaps more than once")
	return t.reportFlags(c)
}

func newClusterAdd(std stdio, role string) *cobra.Command {
	t := &tool{name: "calserver", std: std, many: true}
	var dir string
	c := &cobra.Command{
		Use: "add-" + role + " HOST", Short: "Add a " + role + " end to a cluster", Args: cobra.ExactArgs(1),
		Long: "Makes the folder of the host, and tells the others of it: whose folders are others now is printed,\n" +
			"and they are to be copied and the hosts restarted, back ends first.",
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := cluster.Open(dir)
			if err != nil {
				return err
			}
			if err := p.Add(args[0], role); err != nil {
				return err
			}
			return writeCluster(t, p, dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", clusterFolder, "folder of the cluster")
	return t.reportFlags(c)
}

func writeCluster(t *tool, p *cluster.Plan, dir string) error {
	changed, err := p.Write(dir)
	for _, host := range changed {
		folder := filepath.Join(dir, host)
		t.did(map[string]string{"host": host, "folder": folder}, "%s: copy %s to it as /etc/factotum, and start or restart the server there", host, folder)
	}
	if err == nil && len(changed) == 0 {
		t.say("nothing to do")
	}
	if err == nil {
		t.say("then, on any of the hosts: calserver cluster check")
	}
	if err2 := t.printDone(); err == nil {
		err = err2
	}
	return err
}

func newClusterCheck(std stdio) *cobra.Command {
	var conf string
	t := &tool{name: "calserver", std: std}
	c := &cobra.Command{
		Use: "check", Short: "Ask every back end how it is and who reaches it", Args: cobra.NoArgs,
		Long: "Shakes hands with every back end of this host's ics.conf by its name, and asks it for its release,\n" +
			"clock, zone data, disks and backups, and which hosts it has heard of: each front end of\n" +
			"factotum.cluster.fronts and each back end has to reach every back end. Exits with 1 when something\n" +
			"should be otherwise.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(conf, nil)
			if err != nil {
				return err
			}
			if len(cfg.DWP.BackEnds) == 0 {
				return fmt.Errorf("ics.conf names no back ends (caldb.dwp.server.<host>.ip): nothing to check; see \"calserver status\"")
			}
			return checkCluster(cmd.Context(), t, cfg)
		},
	}
	c.Flags().StringVarP(&conf, "config", "C", "", "the ics.conf")
	return t.reportFlags(c)
}

func checkCluster(ctx context.Context, t *tool, cfg *config.Config) error {
	answers := make([]cluster.Answer, len(cfg.DWP.BackEnds))
	var all sync.WaitGroup
	for i, b := range cfg.DWP.BackEnds {
		all.Go(func() {
			answers[i].Host = b.Host
			f, err := askBackEnd(ctx, cfg, b)
			if err != nil {
				answers[i].Err = plain.Error(err)
			}
			answers[i].Facts = f
		})
	}
	all.Wait()
	self := hostName(cfg)
	found := cluster.Judge(self, versionString(), cfg.DWP.Fronts, answers, time.Now())
	standbys := askStandbys(ctx, cfg)
	found = append(found, cluster.JudgeStandbys(self, versionString(), standbys, time.Now())...)
	if t.json {
		if err := t.print(map[string]any{"host": self, "back_ends": answers, "standbys": standbys, "front_ends": cfg.DWP.Fronts, "findings": append([]cluster.Finding{}, found...)}); err != nil {
			return err
		}
	} else {
		for i := range answers {
			t.say("%s", wordsOf(&answers[i]))
		}
		for i := range standbys {
			t.say("%s", "standby: "+wordsOf(&standbys[i]))
		}
		for _, f := range found {
			fmt.Fprintf(t.std.out, "%s: %s\n", f.Host, f.What)
		}
		if len(found) == 0 {
			t.say("all is well: %d front ends reach %d back ends", len(cfg.DWP.Fronts), len(answers))
		}
	}
	if len(found) > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// askStandbys asks the second host of each back end that has one.
func askStandbys(ctx context.Context, cfg *config.Config) []cluster.Answer {
	list := []cluster.Answer{}
	for _, b := range cfg.DWP.BackEnds {
		if b.Standby == "" {
			continue
		}
		a := cluster.Answer{Host: b.Standby}
		b.Host, b.Standby = b.Standby, ""
		var err error
		if a.Facts, err = askBackEnd(ctx, cfg, b); err != nil {
			a.Err = plain.Error(err)
		}
		list = append(list, a)
	}
	return list
}

// askBackEnd shakes hands with a back end and asks it for its facts.
func askBackEnd(ctx context.Context, cfg *config.Config, b config.BackEnd) (f dwp.Facts, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	b.Standby = "" // this one is meant
	opt := backEndOptions(cfg, b)
	if err := dwp.Handshake(ctx, opt); err != nil {
		return f, err
	}
	client, err := dwp.NewClient(opt)
	if err != nil {
		return f, err
	}
	defer client.Close()
	return client.Facts(ctx)
}

func wordsOf(a *cluster.Answer) string {
	if a.Err != "" {
		return "back end " + a.Host + ": no answer"
	}
	f := &a.Facts
	s := fmt.Sprintf("back end %s: release %s, %s, zone data %s", a.Host, f.Release, f.Store, f.Zones)
	for _, d := range f.Disks {
		s += fmt.Sprintf(", %s: %s free of %s", d.Path, size(d.Free), size(d.Size))
	}
	if !f.Proven.IsZero() {
		s += ", backups proven up to " + f.Proven.Local().Format(time.DateTime)
	}
	return s
}

// hostFacts are what the processes of this host say of themselves, for a cluster.
func hostFacts(list []processStatus) dwp.Facts {
	f := dwp.Facts{}
	if d := dataInUse(); d != nil {
		f.Zones = d.Version
	}
	disks := map[string]bool{}
	passive := false
	for i := range list {
		passive = passive || list[i].Store != nil && list[i].Store.Standby != nil && !list[i].Store.Standby.Active
	}
	for i := range list {
		p := &list[i]
		for _, r := range p.Roles {
			if r.Err != "" && !passive { // a standby serves nobody
				f.Problems = append(f.Problems, r.Component+" is not ready: "+r.Err)
			}
		}
		for j := range p.Health {
			d := &p.Health[j]
			switch {
			case d.Name == "disk":
				if !disks[d.About] {
					disks[d.About] = true
					f.Disks = append(f.Disks, dwp.Disk{Path: d.About, Free: d.Free, Size: d.Size})
				}
			case d.Name == "back end": // what others reach they say themselves
			case !d.OK:
				f.Problems = append(f.Problems, fmt.Sprintf("%s %s: %s", d.Name, d.About, d.Err))
			case d.Warn != "":
				f.Problems = append(f.Problems, fmt.Sprintf("%s %s: %s", d.Name, d.About, d.Warn))
			}
		}
		s := p.Store
		if s == nil {
			continue
		}
		f.Store = fmt.Sprintf("%s, schema %s", s.Engine, s.Schema)
		f.Backups = len(s.Backups) > 0
		for j := range s.Backups {
			b := &s.Backups[j]
			if b.Failure != "" {
				f.Problems = append(f.Problems, fmt.Sprintf("%s in %s fails: %s", b.Name, b.Directory, b.Failure))
			}
			if b.Proven.After(f.Proven) {
				f.Proven = b.Proven
			}
		}
	}
	return f
}
