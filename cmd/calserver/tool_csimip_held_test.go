package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"factotum/server/calendar"
)

// An administrator sees what is held for somebody and decides for him, one by one or
// all that came from an address.
func TestCsimipHeld(t *testing.T) {
	people, _, _ := testPeople(t, "anna")
	be := testBackend(t, people)
	step := func(args ...string) (int, string) {
		t.Helper()
		var out bytes.Buffer
		h := newHeldTool(stdio{strings.NewReader(""), &out, &out})
		h.store = func(context.Context) (*backend, error) { return be, nil }
		h.served = func(_ context.Context, owner calendar.Owner) error {
			if owner == "ben" {
				return nil
			}
			return fmt.Errorf("%s is not in the directory", owner)
		}
		return h.run(t.Context(), args, h.do), out.String()
	}
	do := func(code int, says string, args ...string) string {
		t.Helper()
		got, out := step(args...)
		if got != code || !strings.Contains(out, says) {
			t.Errorf("csimip held %q: exit %d, want %d and %q\n%s", args, got, code, says, out)
		}
		return out
	}
	if _, err := be.Home(t.Context(), calendar.Actor{User: "anna"}, calendar.HomeRequest{Owner: "anna"}); err != nil {
		t.Fatal(err)
	}
	for i, from := range []string{"zoe", "zoe", "yan", "eve", "eve"} {
		text := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:u%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20300107T100000Z\r\n"+
			"SUMMARY:Plans\r\nORGANIZER:mailto:%s@far.example\r\nATTENDEE:mailto:anna@example.com\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", i, from)
		res, err := be.Deliver(t.Context(), calendar.Actor{Via: calendar.ViaMail}, calendar.DeliverRequest{ID: fmt.Sprint("mail/", i), Data: []byte(text),
			Arrival: &calendar.Arrival{Sender: from + "@far.example", Proof: calendar.Proven}, To: []calendar.Recipient{{Address: "mailto:anna@example.com", Owner: "anna"}}})
		if err != nil || res[0].Err != nil {
			t.Fatal(err, res)
		}
	}
	list := do(0, "", "list", "anna")
	if n := strings.Count(list, "\tunsolicited\tREQUEST\t"); n != 5 || !strings.Contains(list, "\teve@far.example\t") || !strings.Contains(list, "\tu4\tPlans\n") {
		t.Errorf("list:\n%s", list)
	}
	var infos []heldInfo
	if err := json.Unmarshal([]byte(do(0, "", "-j", "list", "anna")), &infos); err != nil || len(infos) != 5 || infos[0].Sentence == "" {
		t.Fatal(err, infos)
	}
	do(0, "X-FACTOTUM-HELD:unsolicited", "show", "anna", "u0")
	do(1, "nothing is held under u9", "show", "anna", "u9")
	do(1, "nothing of nobody@far.example is held", "--all-from", "nobody@far.example", "accept", "anna")
	do(2, "no ids with it", "--all-from", "x@far.example", "accept", "anna", "u0")
	do(2, "go with accept", "--remember", "list", "anna")
	do(2, "Name a user", "list")
	do(0, "u2: accepted (invited)", "accept", "anna", infos[2].ID)
	do(0, "u1: accepted (invited)", "--remember", "--all-from", "Zoe@far.example", "accept", "anna")
	do(0, "u3: rejected (rejected)", "--remember", "--all-from", "eve@far.example", "reject", "anna")
	do(0, "nothing is held", "list", "anna")
	prefs, err := be.Prefs(t.Context(), be.who, "anna")
	if err != nil || prefs[calendar.AllowedPref] != "zoe@far.example" || prefs[calendar.NeverPref] != "eve@far.example" {
		t.Errorf("preferences %q %v", prefs, err)
	}
	// Who has no calendars yet, and who is nobody.
	do(0, "nothing is held", "list", "ben")
	do(1, "nothing is held under u0", "show", "ben", "u0")
	do(1, "is not in the directory", "list", "nobody")
	n := 0
	be.ListObjects(t.Context(), be.who, "anna", func(*calendar.Object) error { n++; return nil })
	if n != 3 {
		t.Errorf("anna has %d meetings", n)
	}
}
