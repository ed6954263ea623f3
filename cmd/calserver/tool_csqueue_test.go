package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// A wrong call says what is wrong.
func TestCsqueueCalls(t *testing.T) {
	for args, says := range map[string]string{
		"frob":                  `"frob" is not a command`,
		"show":                  "the id of one mail",
		"show a b":              "the id of one mail",
		"diagnose a/1/0":        "takes no id",
		"--held diagnose":       "the whole queue",
		"hold":                  "say which mail to hold",
		"purge --json":          `{"tool":"csqueue","error":"say which mail to purge`,
		"return anna":           "owner/change/seq",
		"--all --held retry":    "--all goes without",
		"--all retry anna/1/0":  "--all goes without",
		"-C /nowhere/conf list": "/nowhere/conf",
	} {
		var errs bytes.Buffer
		if code := runCsqueue(t.Context(), strings.Fields(args), stdio{strings.NewReader(""), &errs, &errs}); code == exitDone || !strings.Contains(errs.String(), says) {
			t.Errorf("csqueue %s: %d %s", args, code, &errs)
		}
	}
}

// A choice of mail reaches the server that runs as it was made.
func TestMailFilterTravels(t *testing.T) {
	opt := queueOptions{to: "Zoe@Far.example", domain: "@Far.example", uid: "4711 &=@example.com", user: "anna", held: true}
	f, err := opt.filter([]string{"anna/17/0"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := jobFilter(jobQuery(f))
	if err != nil || got.Owner != "anna" || got.UID != opt.uid || !got.Held || got.Ending != "@far.example" || !slices.Equal(got.Lanes, []string{"mailto:zoe@far.example"}) ||
		!slices.Equal(got.IDs, f.IDs) || !slices.Equal(got.Kinds, []string{calendar.JobMail}) {
		t.Errorf("%+v arrives as %+v %v", f, got, err)
	}
}
