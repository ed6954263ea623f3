package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/config"
)

func init() {
	register("csdst", "mend the hours of events after a change of the zone database", runCsdst)
}

const csdstUsage = `csdst mends events that meant another hour by the clock, after a country has
changed its clocks and the server has a newer zone database.

  csdst [-q|-v] [-j] [--old file] [-z tzid]... zones
  csdst [-q|-v] [-j] [options] preview
  csdst [-q|-v] [-j] [options] [-n] apply
  csdst [-q|-v] [-j] [-o owner] [--old file] [-n] undo
  csdst version

  -o owner       only the calendars of this owner
  -z tzid        only this zone; may be repeated
  --from time    only what takes place from then on, as 2007-03-11
  --to time      only what takes place before that
  --before time  times in UTC that were last modified before that were worked out by
                 the old rules; otherwise: before the newer zone database was in use
  --old file     compare with this older zone database, and not with the one that the
                 store was used with: see "calserver zones update"
  -n             say what would be done
  -j, --json     print JSON
  -q             do not ask, print errors only
  -C file        the ics.conf to use

The commands:
  zones    list the zones whose hours differ, and when
  preview  list what would change, by owner
  apply    change it: each event once, so that it may be cut off and called again.
           Owners are told once by mail, and nobody gets an invitation for it
  undo     take back what apply did, but for what was changed since

What follows only needs no change: its text names the zone, and csstored has worked
out its hours when it started with the newer zone database.

Exit status: 0 done, 1 some of it could not be done, 2 wrong call.

  csdst preview
  csdst -z America/Mexico_City apply
`

func runCsdst(ctx context.Context, args []string, std stdio) int {
	t := newTool("csdst", csdstUsage, std)
	var o zoneOrder
	var from, to, before string
	var dry bool
	t.FlagLong(&o.owner, "owner", 'o')
	t.FlagLong(&o.zones, "zone", 'z')
	t.FlagLong(&from, "from", 0)
	t.FlagLong(&to, "to", 0)
	t.FlagLong(&before, "before", 0)
	t.FlagLong(&o.old, "old", 0)
	t.FlagLong(&dry, "dry-run", 'n')
	return t.run(ctx, args, func(ctx context.Context, words []string) (err error) {
		command := words[0]
		switch {
		case len(words) > 1:
			return misuse("csdst %s takes nothing behind it", command)
		case command != "zones" && command != "preview" && command != "apply" && command != "undo":
			return misuse("%q is not a command", command)
		case dry && (command == "zones" || command == "preview"):
			return misuse("-n goes with apply and undo")
		}
		for _, v := range []struct {
			name, text string
			to         *time.Time
		}{{"from", from, &o.from}, {"to", to, &o.to}, {"before", before, &o.before}} {
			if v.text == "" {
				continue
			}
			if command == "undo" || command == "zones" {
				return misuse("--%s does not go with %s", v.name, command)
			}
			if *v.to, err = parseMoment(v.text); err != nil {
				return misuse("--%s: %v", v.name, err)
			}
		}
		if command == "undo" && len(o.zones) > 0 {
			return misuse("-z does not go with undo: all that apply did is taken back")
		}
		if !o.to.IsZero() && !o.to.After(o.from) {
			return misuse("--to is not after --from")
		}
		if o.old != "" {
			if o.old, err = filepath.Abs(o.old); err != nil {
				return err
			}
		}
		o.owner = strings.ToLower(o.owner)
		cfg, err := t.load()
		if err != nil {
			return err
		}
		return t.dst(ctx, cfg, command, dry, &o)
	})
}

func (t *tool) dst(ctx context.Context, cfg *config.Config, command string, dry bool, o *zoneOrder) error {
	look := map[string]string{"zones": "zones", "preview": "preview", "apply": "preview", "undo": "unpreview"}[command]
	if command == "zones" || command == "preview" || dry {
		_, err := t.callZones(ctx, cfg, look, o, true)
		return err
	}
	if !t.quiet {
		tally, err := t.callZones(ctx, cfg, look, o, false)
		if err != nil {
			return err
		}
		if tally.todo == 0 {
			t.say("nothing is to be done")
			if command == "undo" {
				return nil
			}
		} else if err := t.confirm(ctx, "%s%s: %d %s of %d %s?", strings.ToUpper(command[:1]), command[1:], tally.todo, plain.Plural(tally.todo, "event", "events"), tally.owners, plain.Plural(tally.owners, "owner", "owners")); err != nil {
			return err
		}
	}
	tally, err := t.callZones(ctx, cfg, command, o, true)
	if err != nil {
		return err
	}
	if tally.bad > 0 {
		return exitError(exitFailed)
	}
	return nil
}

// zoneTally is what an answer comes to.
type zoneTally struct{ todo, done, follow, left, bad, owners int }

// callZones has csstored do a command, and tells what it answers.
func (t *tool) callZones(ctx context.Context, cfg *config.Config, command string, o *zoneOrder, tells bool) (n zoneTally, err error) {
	list := newArray(t.std.out)
	show := tells && !t.quiet
	ended := false
	err = onStore(func(process string) error {
		return callAdminFor(ctx, adminSocket(cfg, process), "POST", "/zones/"+command+"?"+o.query(), func(dec *json.Decoder) error {
			for {
				var v zoneAnswer
				if err := dec.Decode(&v); err != nil {
					return err
				}
				switch {
				case v.End:
					ended = true
					if v.Err != "" {
						return zoneError(v.Err)
					}
					if show && !t.json && command != "zones" {
						t.sayZones(command, n, v.Looked)
					}
					return nil
				case v.Owner != "":
					n.owners++
					for i := range v.Items {
						n.count(command, &v.Items[i])
					}
					if !show && !tells {
						continue
					}
					if err := t.showZoneItems(list, &v); err != nil {
						return err
					}
				case show:
					if err := t.showZones(list, command, &v); err != nil {
						return err
					}
				}
			}
		})
	})
	var told zoneError
	if errors.As(err, &told) {
		err = errors.New(string(told))
	}
	if err == nil && !ended {
		err = errors.New("csstored broke off")
	}
	if tells && t.json && err == nil {
		err = list.end()
	}
	return n, err
}

type zoneError string

func (e zoneError) Error() string { return string(e) }

func (n *zoneTally) count(command string, it *zoneItem) {
	switch {
	case it.Does == "left":
		n.left++
	case it.Does == "follows":
		n.follow++
	case it.Done:
		n.done++
	case it.Why != "":
		n.bad++
	case it.Does != calendar.UndoNothing.String():
		n.todo++
	}
}

func (t *tool) sayZones(command string, n zoneTally, looked int64) {
	switch command {
	case "preview":
		t.say("%d to be changed, %d follow by themselves, %d left alone, of %d objects", n.todo, n.follow, n.left, looked)
	case "apply":
		t.say("%d changed, %d follow by themselves, %d left alone, of %d objects", n.done, n.follow, n.left, looked)
	case "unpreview":
		t.say("%d to be taken back, %d stay", n.todo, n.bad)
	case "undo":
		t.say("%d taken back, %d stay", n.done, n.bad)
	}
}

func (t *tool) showZones(list *array, command string, v *zoneAnswer) error {
	if t.json {
		if command != "zones" {
			return nil
		}
		for _, z := range v.Zones {
			if err := list.add(z); err != nil {
				return err
			}
		}
		return nil
	}
	t.say("zone database %s, compared with %s: the hours of %d %s differ", v.Is, v.Was, len(v.Zones), plain.Plural(len(v.Zones), "zone", "zones"))
	if len(v.Gone) > 0 {
		t.warn("the newer one has these no more, and events in them are left alone: %s", plain.Text(strings.Join(v.Gone, " ")))
	}
	if command != "zones" {
		return nil
	}
	for _, z := range v.Zones {
		fmt.Fprintln(t.std.out, z.Zone)
		for i, w := range z.Windows {
			if i == 4 && !t.verbose && len(z.Windows) > 5 {
				fmt.Fprintf(t.std.out, "    … and %d more, the last until %s (-v)\n", len(z.Windows)-i, z.Windows[len(z.Windows)-1].To.Format("2006-01-02"))
				break
			}
			fmt.Fprintf(t.std.out, "    %s to %s  %s, not %s\n", w.From.Format("2006-01-02T15:04Z"), w.To.Format("2006-01-02T15:04Z"), w.Is, w.Was)
		}
	}
	return nil
}

// zoneLine is an object in JSON.
type zoneLine struct {
	Owner calendar.Owner `json:"owner"`
	zoneItem
}

func (t *tool) showZoneItems(list *array, v *zoneAnswer) error {
	if t.json {
		for _, it := range v.Items {
			if err := list.add(zoneLine{v.Owner, it}); err != nil {
				return err
			}
		}
		return nil
	}
	if t.quiet {
		return nil
	}
	fmt.Fprintln(t.std.out, plain.Text(string(v.Owner)))
	for _, it := range v.Items {
		words := []string{string(it.Calendar) + "/" + it.Name, it.Summary}
		if it.Zone != "" {
			words = append(words, fmt.Sprintf("%s %s: %s, not %s", it.Local, it.Zone, it.Is.Format("2006-01-02T15:04Z"), it.Was.Format("2006-01-02T15:04Z")))
		}
		if it.Instances > 1 {
			words = append(words, fmt.Sprintf("%d instances", it.Instances))
		}
		words = append(words, it.Does)
		if it.Why != "" {
			words = append(words, it.Why)
		}
		for i := range words {
			words[i] = plain.Text(words[i])
		}
		fmt.Fprintln(t.std.out, "    "+strings.Join(words, "  "))
	}
	return nil
}
