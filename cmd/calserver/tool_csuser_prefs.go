package main

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/config"
	"factotum/server/directory"
)

// prefWord is name=value, with a name as WCAP has them.
var prefWord = regexp.MustCompile(`^([A-Za-z0-9-]{1,128})=(.*)$`)

// prefs shows a user's preferences, and changes those that are named before. WCAP
// get_userprefs, set_userprefs.
func (o *userOptions) prefs(ctx context.Context, cfg *config.Config, dir *directory.Directory, words []string) error {
	p, err := dir.Person(ctx, words[0])
	if err != nil {
		return o.known(words[0], err)
	}
	owner := calendar.Owner(p.ID)
	req := calendar.SetPrefsRequest{Owner: owner, Set: map[string]string{}}
	for _, w := range words[1:] {
		switch m := prefWord.FindStringSubmatch(w); {
		case m == nil:
			return misuse("expected name=value, such as ceShowCalendarReminders=1, not %q", w)
		case m[2] == "":
			req.Remove = append(req.Remove, m[1])
		default:
			req.Set[m[1]] = m[2]
		}
	}
	if cfg.CLD.Type == "directory" {
		if err := servedHere(ctx, cfg, dir, owner); err != nil {
			return err
		}
	}
	be, err := o.store(ctx)
	if err != nil {
		return err
	}
	defer be.close()
	if len(words) > 1 {
		if err := be.SetPrefs(ctx, be.who, req); err != nil {
			return err
		}
	}
	all, err := be.Prefs(ctx, be.who, owner)
	if err != nil {
		return err
	}
	if o.json {
		return o.print(map[string]any{"user": p.ID, "prefs": all})
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		o.say("%s=%s", name, strings.ReplaceAll(all[name], "\n", `\n`))
	}
	return nil
}
