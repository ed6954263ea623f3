package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"factotum/server/calendar"
)

func TestCsgroup(t *testing.T) {
	people, _, cfg := testPeople(t)
	cfg.Auth.PasswordFile = filepath.Join(t.TempDir(), "apps")
	be := testBackend(t, people)
	step := func(args ...string) (int, string) {
		var out bytes.Buffer
		o := newGroupOptions(stdio{strings.NewReader(""), &out, &out})
		o.store = func(context.Context) (*backend, error) { return be, nil }
		code := o.run(t.Context(), args, func(ctx context.Context, words []string) error {
			if err := o.check(words); err != nil {
				return err
			}
			return o.do(ctx, cfg, words)
		})
		return code, out.String()
	}
	do := func(code int, says string, args ...string) string {
		t.Helper()
		got, out := step(args...)
		if got != code || !strings.Contains(out, says) {
			t.Errorf("csgroup %q: exit %d, want %d and %q\n%s", args, got, code, says, out)
		}
		return out
	}
	user := func(id string) {
		t.Helper()
		if code, out := csuserStep(t, cfg, be, "", "-y", "a-long-secret", "create", id); code != 0 {
			t.Fatal(out)
		}
	}
	for _, id := range []string{"gina", "hugo", "ida"} {
		user(id)
	}

	do(0, "crew: made", "-n", "The Crew", "-o", "gina", "-y", "hugo ida", "-k", "no", "--autoaccept", "yes", "create", "Crew", "gina", "hugo", "guest@else.example")
	do(0, "crew\tThe Crew\t", "list")
	do(0, "gina guest@else.example hugo", "list", "crew")
	do(0, "no owner", "create", "loose", "crew")
	do(0, "in all     ", "list", "loose")
	do(0, "ida added", "add", "crew", "ida")
	do(0, "guest@else.example removed", "remove", "crew", "guest@else.example")
	do(0, "changed", "-n", "Team", "-y", "", "--autoaccept", "no", "modify", "crew")
	var info groupInfo
	if err := json.Unmarshal([]byte(do(0, "", "--json", "list", "crew")), &info); err != nil {
		t.Fatal(err)
	}
	slices.Sort(info.Members)
	if info.Name != "Team" || info.Owner != "gina" || len(info.CoOwners) != 0 || info.DoubleBook || info.AutoAccept || !info.Enabled || !slices.Equal(info.Members, []string{"gina", "hugo", "ida"}) {
		t.Errorf("%+v", info)
	}
	do(0, "made", "-f", "uid=hugo", "-o", "ida", "create", "found")
	do(0, "members    hugo", "list", "found")
	do(0, "crew: disabled", "disable", "crew")
	do(0, "crew\tTeam\t", "list")
	do(0, "crew: enabled", "enable", "crew")

	do(1, "taken", "create", "crew", "gina")
	do(1, "nobody", "add", "crew", "nobody")
	do(1, "no group", "add", "gina", "hugo")
	do(1, "no group", "list", "nothing")
	do(1, "search finds its members", "add", "found", "gina")
	do(2, "which group", "add")
	do(2, "whom", "add", "crew")
	do(2, "yes or no", "-k", "perhaps", "create", "x")
	do(2, "not a command", "rename", "crew")
	do(2, "-a", "-a", "nonsense", "create", "x")
	do(0, "csgroup manages", "-?")
	if out := do(0, "", "-q", "add", "crew", "guest@else.example"); out != "" {
		t.Errorf("-q: %s", out)
	}

	// Its calendar is there, and goes with it.
	if err := people.Refresh(); err != nil {
		t.Fatal(err)
	}
	if _, err := be.calendar(t.Context(), "crew"); err != nil {
		t.Fatal(err)
	}
	do(0, "", "-q", "delete", "loose")
	do(0, "", "-q", "delete", "crew")
	if err := people.Refresh(); err != nil {
		t.Fatal(err)
	}
	if _, err := be.Calendar(t.Context(), be.who, "crew"); calendar.KindOf(err) != calendar.NoCalendar {
		t.Errorf("the calendar of a deleted group: %v", err)
	}
	do(1, "no group", "list", "crew")
}
