package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
	"factotum/server/directory"
)

func pastText(uid, summary string) []byte {
	return []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260401T100000Z\r\nSUMMARY:" + summary +
		"\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
}

// An administrator sees what was changed, shows what was there, and takes it back;
// a user whose calendars were deleted gets them again.
func TestCscalPast(t *testing.T) {
	people, _, cfg := testPeople(t, "anna", "bert")
	be := testBackend(t, people)
	be.cfg = cfg
	call := func(code int, args ...string) string {
		t.Helper()
		var out bytes.Buffer
		got := cscal(t.Context(), args, stdio{strings.NewReader("y\n"), &out, &out},
			func(*calOptions) (*backend, *directory.Directory, error) { return be, people, nil })
		if got != code {
			t.Errorf("cscal %q: exit %d, want %d\n%s", args, got, code, &out)
		}
		return out.String()
	}
	says := func(text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("it does not say %q:\n%s", w, text)
			}
		}
	}
	put := func(uid, summary string) {
		t.Helper()
		who := tooltest.Admin
		who.Via, who.Client = "caldav", "Phone/1"
		if _, err := be.PutObject(t.Context(), who, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna:work", Name: uid + ".ics"}, Data: pastText(uid, summary)}); err != nil {
			t.Fatal(err)
		}
	}
	call(0, "create", "anna:work")
	put("a", "one")
	between := time.Now().UTC().Format(time.RFC3339Nano)
	time.Sleep(time.Millisecond)
	put("a", "two")
	put("b", "new")

	says(call(0, "history", "anna:work", "a"), "changed", "by caldav (Phone/1)", "SUMMARY: “one” → “two”", "created", "anna:work/a.ics")
	says(call(0, "history", "anna:work"), "b.ics", "created")
	says(call(0, "--by", "nobody", "history", "anna:work"), "nothing was changed")
	says(call(0, "--limit", "1", "-o", "anna", "history"), "there is more")
	var list []pastInfo
	if err := json.Unmarshal([]byte(call(0, "--json", "history", "anna:work", "a")), &list); err != nil || len(list) != 1 || list[0].Client != "Phone/1" || len(list[0].Changes) != 1 {
		t.Errorf("as JSON: %+v %v", list, err)
	}
	if text := call(0, "--at", between, "show", "anna:work"); !strings.Contains(text, "SUMMARY:one") || strings.Contains(text, "UID:b") {
		t.Errorf("as it was: %s", text)
	}
	says(call(0, "show", "anna:work", "a"), "SUMMARY:two")
	says(call(1, "show", "anna:work", "none"), "no object of the UID none")
	says(call(1, "--at", "2020-01-01", "show", "anna:work"), "no such calendar at that time")
	says(call(1, "--at", "2999-01-01", "show", "anna:work"), "has not come yet")

	says(call(0, "--dry-run", "--client", "phone", "--from", between, "undo", "anna:work"), "a.ics  one: would be reverted", "b.ics  new: would be removed")
	says(call(0, "show", "anna:work", "a"), "SUMMARY:two")
	text := call(0, "--client", "phone", "--from", between, "undo", "anna:work")
	says(text, "a.ics", "reverted", "removed", "to take this back: cscal --change ")
	says(call(0, "show", "anna:work", "a"), "SUMMARY:one")
	says(call(0, "--client", "phone", "--from", between, "undo", "anna:work"), "nothing to do")

	// What was changed again is left alone.
	put("a", "three")
	says(call(1, "--change", "1-999", "--to", between, "undo", "anna:work"), "changed again")
	says(call(0, "-q", "--force", "--change", "1-999", "undo", "anna:work"))

	put("c", "kept")
	call(0, "delete", "anna:work")
	says(call(1, "show", "anna:none"), "no such calendar")
	says(call(0, "undelete", "anna:work"), "anna:work: restored", "c.ics")
	says(call(0, "show", "anna:work", "c"), "SUMMARY:kept")
	says(call(2, "undelete", "anna:work"), "is there. What of it")
	call(0, "-o", "anna", "delete")
	says(call(0, "-o", "anna", "--from", between, "undelete"), "anna:work: restored", "c.ics")

	for _, wrong := range [][]string{
		{"--at", "soon", "show", "anna:work"}, {"undo", "anna:work"}, {"undelete"}, {"-o", "anna", "undelete"}, {"history"}, {"show"}, {"--dry-run", "list", "anna"}, {"--at", between, "history", "anna:work"},
		{"--change", "x", "undo", "anna:work"}, {"--change", "3-2", "undo", "anna:work"}, {"--limit", "0", "history", "anna:work"}, {"--from", "x", "history", "anna:work"}, {"list", "anna", "uid"},
		{"--force", "history", "anna:work"},
	} {
		call(2, wrong...)
	}
}
