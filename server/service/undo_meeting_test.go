package service_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/service"
)

// letters lists the messages that anna's jobs are to bring, in their order.
func (h *historian) letters(store calendar.Store) (out []string) {
	h.t.Helper()
	h.must(store.View(h.ctx, "anna", func(tx calendar.ReadTx) error {
		out = nil
		jobs, err := tx.Jobs()
		for _, job := range jobs {
			if job.Kind != calendar.JobDeliver {
				continue
			}
			post, err := calendar.ParsePost(job)
			if err != nil {
				return err
			}
			for _, l := range post.Letters {
				_, rest, _ := strings.Cut(string(l.Data), "SEQUENCE:")
				seq, _, _ := strings.Cut(rest, "\r\n")
				out = append(out, fmt.Sprintf("%s %s to %s, sequence %s", l.Method, post.UID, strings.Join(l.To, ","), seq))
			}
		}
		return err
	}))
	return out
}

func openMeetings(t testing.TB) (*historian, calendar.Store) {
	store, people := calendartest.NewStore(), calendartest.NewPeople("anna", "bert", "carl")
	h := &historian{t: t, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), ctx: t.Context()}
	h.Service = service.New(store, people, service.Options{Now: func() time.Time { return h.now }})
	_, err := h.Home(h.ctx, people.Actor("anna"), calendar.HomeRequest{Owner: "anna"})
	h.must(err)
	return h, store
}

func theMeeting(uid, summary string) []byte {
	return event(uid, "20260401T100000Z", "LOCATION:"+summary+"\r\nSEQUENCE:3\r\nORGANIZER:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com\r\nATTENDEE:mailto:bert@example.com\r\n")
}

// TestUndoMeeting: a meeting that was called off and comes back invites again, once,
// as a later revision than its CANCEL; a second undo says nothing to anybody.
func TestUndoMeeting(t *testing.T) {
	h, store := openMeetings(t)
	_, err := h.PutObject(h.ctx, anna, calendar.PutRequest{Ref: refTo("anna", "m.ics"), Data: theMeeting("m", "here")})
	h.must(err)
	h.delete("anna", "m.ics")
	f := calendar.HistoryFilter{UID: "m", Deleted: true}
	wantDid(t, h.undo(f), "m.ics restored")
	sent := h.letters(store)
	if len(sent) != 3 || !strings.HasPrefix(sent[0], "REQUEST m to mailto:bert@example.com") || sent[1] != "CANCEL m to mailto:bert@example.com, sequence 4" ||
		sent[2] != "REQUEST m to mailto:bert@example.com, sequence 5" {
		t.Errorf("bert is told %q", sent)
	}
	wantDid(t, h.undo(f), "m.ics nothing")
	if again := h.letters(store); len(again) != len(sent) {
		t.Errorf("told again: %q", again[len(sent):])
	}
	// A change of it that is undone is an update.
	h.tick()
	_, err = h.PutObject(h.ctx, anna, calendar.PutRequest{Ref: refTo("anna", "m.ics"), Data: theMeeting("m", "there")})
	h.must(err)
	last := h.history(calendar.HistoryRequest{Which: calendar.HistoryFilter{UID: "m"}})[0]
	if last.End != calendar.Replaced {
		t.Fatalf("the last change: %+v", last)
	}
	wantDid(t, h.undo(calendar.HistoryFilter{First: last.Change, Last: last.Change}), "m.ics reverted")
	if told := h.letters(store); len(told) != len(sent)+2 || !strings.HasPrefix(told[len(told)-1], "REQUEST m") {
		t.Errorf("after the update was undone: %q", told)
	}
	if text := h.texts("anna")["m.ics"]; !strings.Contains(text, "LOCATION:here") || !strings.Contains(text, "SUMMARY:x") {
		t.Errorf("the meeting is %s", text)
	}
}

// TestUndoMassDeletion: what a broken program has deleted comes back in one go, with
// meetings that invite again once each.
func TestUndoMassDeletion(t *testing.T) {
	n := 200
	if os.Getenv("FACTOTUM_LONG") != "" {
		n = 5000
	}
	h, store := openMeetings(t)
	var items []calendar.PutItem
	for i := range n {
		data := event(fmt.Sprint("u", i), "20260401T100000Z", "")
		if i%10 == 0 {
			data = theMeeting(fmt.Sprint("u", i), "here")
		}
		items = append(items, calendar.PutItem{Name: fmt.Sprintf("%04d.ics", i), Data: data})
	}
	_, err := h.PutObjects(h.ctx, anna, calendar.PutObjectsRequest{Calendar: "anna", Items: items})
	h.must(err)
	before, start := h.texts("anna"), h.tick()
	broken := anna
	broken.Via, broken.Client = "caldav", "Broken/1.0"
	for _, it := range items {
		h.must(h.DeleteObject(h.ctx, broken, calendar.DeleteRequest{Ref: refTo("anna", it.Name)}))
	}
	h.put("anna", "mine.ics", "meanwhile")
	end := h.tick()
	f := calendar.HistoryFilter{Client: "broken", From: start, To: end}
	res := h.undo(f)
	if len(res.Items) != n || h.undo(f).First != 0 {
		t.Errorf("the undo is about %d objects, want %d, and then about none", len(res.Items), n)
	}
	after := h.texts("anna")
	if len(after) != n+1 {
		t.Errorf("there are %d objects, want %d", len(after), n+1)
	}
	for name, text := range before {
		if !strings.Contains(text, "ORGANIZER") && after[name] != text {
			t.Fatalf("%s came back as %q", name, after[name])
		}
	}
	told := map[string]int{}
	for _, l := range h.letters(store) {
		method, _, _ := strings.Cut(l, " ")
		told[method]++
	}
	if told["CANCEL"] != n/10 || told["REQUEST"] != n/10 {
		t.Errorf("of %d meetings attendees are told %v", n/10, told)
	}
}
