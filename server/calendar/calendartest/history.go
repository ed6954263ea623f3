package calendartest

import (
	"slices"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

func (s *suite) history(who string, req calendar.HistoryRequest) []calendar.HistoryEntry {
	s.Helper()
	var out []calendar.HistoryEntry
	_, err := s.be.History(s.ctx, s.as(who), req, func(e calendar.HistoryEntry) error { out = append(out, e); return nil })
	s.ok(err)
	return out
}

func (s *suite) historyRefused(who string, req calendar.HistoryRequest, want calendar.Kind) {
	s.Helper()
	_, err := s.be.History(s.ctx, s.as(who), req, func(calendar.HistoryEntry) error { return nil })
	s.kind(err, want)
}

// What a write replaces or deletes is told to those who may write there, with
// everything about it; a moment shows what was there then.
func testHistory(s *suite) {
	s.home("anna")
	work := s.calendar("anna:work", "bert^a^rwd^g;carl^a^r^g").ID
	phone := s.as("anna")
	phone.Via, phone.Client = "caldav", "Phone/1"
	write := func(text string) {
		s.Helper()
		_, err := s.be.PutObject(s.ctx, phone, calendar.PutRequest{Ref: calendar.Ref{Calendar: work, Name: "a.ics"}, Data: event("a", at(9), at(10), "SUMMARY:"+text)})
		s.ok(err)
	}
	write("one")
	write("two")
	s.put(work, "secret.ics", event("secret", at(9), at(10), "CLASS:PRIVATE", "SUMMARY:x"))
	s.ok(s.be.DeleteObject(s.ctx, s.as("anna"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: work, Name: "secret.ics"}}))
	all := calendar.HistoryRequest{Owner: "anna", Which: calendar.HistoryFilter{Calendar: work}, Data: true, Made: true}
	list := s.history("anna", all)
	if len(list) != 2 {
		s.Fatalf("the history: %+v", list)
	}
	gone, e := list[0], list[1]
	if gone.End != calendar.Removed || gone.UID != "secret" || gone.By != "anna" || gone.After != nil || !gone.First {
		s.Errorf("the deletion: %+v", gone)
	}
	if e.End != calendar.Replaced || e.Change == 0 || e.Seq != 0 || e.When.IsZero() || e.By != "anna" || e.Via != "caldav" || e.Client != "Phone/1" || e.Undoes != 0 ||
		e.Calendar != work || e.Name != "a.ics" || e.UID != "a" || e.Component != "VEVENT" || e.Version >= e.Change || e.Created.IsZero() || e.Modified.IsZero() || e.Size != len(e.Data) ||
		!e.First || e.Maker != "anna" || e.MadeVia != "caldav" || e.MadeClient != "Phone/1" || !strings.Contains(string(e.Data), "SUMMARY:one") || !strings.Contains(string(e.After), "SUMMARY:two") {
		s.Errorf("the change: %+v", e)
	}
	s.put(work, "b.ics", simple("b"))
	if list = s.history("anna", all); len(list) != 3 || list[0].End != calendar.Made || list[0].Name != "b.ics" || !strings.Contains(string(list[0].After), "UID:b") {
		s.Errorf("with what came to be: %+v", list)
	}
	one := all
	one.Limit = 1
	if list = s.history("anna", one); len(list) != 1 {
		s.Errorf("a limit of one gives %d", len(list))
	}
	one.Which.Via, one.Limit = "wcap", 0
	if list = s.history("anna", one); len(list) != 0 {
		s.Errorf("by another protocol there are %+v", list)
	}

	// Who may write sees it too, but not what is private; others nothing.
	if list = s.history("bert", calendar.HistoryRequest{Owner: "anna", Which: calendar.HistoryFilter{Calendar: work}}); len(list) != 1 || list[0].UID != "a" || list[0].Data != nil {
		s.Errorf("bert is told %+v", list)
	}
	s.historyRefused("carl", all, calendar.Denied)
	s.historyRefused("rita", all, calendar.NoCalendar)
	s.historyRefused("bert", calendar.HistoryRequest{Owner: "anna"}, calendar.Denied)
	s.historyRefused("anna", calendar.HistoryRequest{Owner: "anna", Which: calendar.HistoryFilter{Calendar: "bert"}}, calendar.Invalid)
	s.historyRefused("anna", calendar.HistoryRequest{Owner: "anna", Which: calendar.HistoryFilter{Calendar: "anna:none"}}, calendar.NoCalendar)

	var was []*calendar.Object
	take := func(o *calendar.Object) error { was = append(was, o); return nil }
	cal, err := s.be.AsOf(calendar.Lasting(s.ctx), s.as("anna"), calendar.AsOfRequest{Calendar: work, At: e.When.Add(-1)}, take)
	s.ok(err)
	if cal.ID != work || len(was) != 1 || was[0].Name != "a.ics" || was[0].Change != e.Version || !strings.Contains(string(was[0].Data), "SUMMARY:one") {
		s.Errorf("before the change there was %v in %+v", was, cal)
	}
	was = nil
	_, err = s.be.AsOf(s.ctx, s.as("anna"), calendar.AsOfRequest{Calendar: work, At: gone.When, UID: "secret"}, take)
	s.ok(err)
	equal(s, "a deleted object, when it was deleted", len(was), 0)
	_, err = s.be.AsOf(s.ctx, s.as("anna"), calendar.AsOfRequest{Calendar: work}, take)
	s.kind(err, calendar.Invalid)
	_, err = s.be.AsOf(s.ctx, s.as("carl"), calendar.AsOfRequest{Calendar: work, At: gone.When}, take)
	s.kind(err, calendar.Denied)
}

// An undo gives what was before, once, and tells of what it left alone and why.
func testUndo(s *suite) {
	s.home("anna")
	work := s.calendar("anna:work", "bert^a^rwd^g;carl^a^rw^g").ID
	undo := func(who string, req calendar.UndoRequest) calendar.UndoResult {
		s.Helper()
		req.Owner = "anna"
		res, err := s.be.Undo(s.ctx, s.as(who), req)
		s.ok(err)
		return res
	}
	actions := func(res calendar.UndoResult) (out []string) {
		for _, it := range res.Items {
			out = append(out, it.Name+" "+it.Did.String())
		}
		return out
	}
	s.put(work, "a.ics", simple("a"))
	s.put(work, "b.ics", simple("b"))
	first := s.put(work, "c.ics", simple("c")).Object.Change
	s.put(work, "a.ics", event("a", at(11), at(12), "SUMMARY:moved"))
	s.ok(s.be.DeleteObject(s.ctx, s.as("anna"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: work, Name: "b.ics"}}))
	which := calendar.HistoryFilter{Calendar: work, First: first}

	dry := undo("bert", calendar.UndoRequest{Which: which, Dry: true})
	same(s, "what would be done", actions(dry), []string{"a.ics reverted", "b.ics restored", "c.ics removed"})
	equal(s, "the first change of a dry run", dry.First, 0)
	same(s, "after a dry run", s.names(work), []string{"a.ics", "c.ics"})

	// Carl may not delete.
	refused := undo("carl", calendar.UndoRequest{Which: calendar.HistoryFilter{Calendar: work, First: first, Last: first}})
	if len(refused.Items) != 1 || refused.Items[0].Did != calendar.UndoRefused || calendar.KindOf(refused.Items[0].Err) != calendar.Denied {
		s.Errorf("carl removes: %+v", refused)
	}
	res := undo("bert", calendar.UndoRequest{Which: which})
	same(s, "what was done", actions(res), []string{"a.ics reverted", "b.ics restored", "c.ics removed"})
	if it := res.Items[0]; it.Calendar != work || it.UID != "a" || it.Summary != "a" || it.Change == 0 || it.Err != nil || res.First <= first || res.Last < res.First+2 {
		s.Errorf("the undo: %+v", res)
	}
	same(s, "after the undo", s.names(work), []string{"a.ics", "b.ics"})
	equal(s, "the text", string(s.get(work, "a.ics").Data), string(simple("a")))
	again := undo("bert", calendar.UndoRequest{Which: calendar.HistoryFilter{Calendar: work, First: first, Last: res.First - 1}})
	same(s, "undone again", actions(again), []string{"a.ics nothing", "b.ics nothing", "c.ics nothing"})
	equal(s, "changes of an undo that does nothing", again.First, 0)

	// Its history says so; and it can be undone.
	list := s.history("anna", calendar.HistoryRequest{Owner: "anna", Which: calendar.HistoryFilter{UID: "a"}})
	if len(list) == 0 || list[0].By != "bert" || list[0].Undoes == 0 {
		s.Errorf("the history of the undo: %+v", list)
	}
	back := undo("anna", calendar.UndoRequest{Which: calendar.HistoryFilter{First: res.First, Last: res.Last}})
	same(s, "the undo undone", actions(back), []string{"a.ics reverted", "b.ics removed", "c.ics restored"})

	// What was changed since is left alone, unless that is forced.
	change := s.put(work, "a.ics", event("a", at(13), at(14), "SUMMARY:third")).Object.Change
	s.put(work, "a.ics", event("a", at(15), at(16), "SUMMARY:fourth"))
	only := calendar.UndoRequest{Which: calendar.HistoryFilter{First: change, Last: change}}
	same(s, "with a change since", actions(undo("anna", only)), []string{"a.ics conflict"})
	only.Force = true
	same(s, "by force", actions(undo("anna", only)), []string{"a.ics reverted"})

	for who, want := range map[string]calendar.Kind{"rita": calendar.NoCalendar, "anna": calendar.Invalid} {
		req := calendar.UndoRequest{Owner: "anna", Which: calendar.HistoryFilter{Calendar: work}}
		if who == "anna" {
			req.Which = calendar.HistoryFilter{}
		}
		_, err := s.be.Undo(s.ctx, s.as(who), req)
		s.kind(err, want)
	}
}

// A calendar that was deleted comes back for its owner: with its properties, its
// objects, their files and properties.
func testUndeleteCalendar(s *suite) {
	s.home("anna")
	c, err := s.be.CreateCalendar(s.ctx, s.as("anna"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:work", DisplayName: "Büro",
		ACL: acl.MustParse("bert^a^rwd^g"), Props: []calendar.DeadProp{{Space: "s", Local: "l", Value: "v"}}}})
	s.ok(err)
	s.put("anna:work", "a.ics", simple("a"))
	s.ok(s.be.PatchProps(s.ctx, s.as("anna"), calendar.Ref{Calendar: "anna:work", Name: "a.ics"}, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "s", Local: "m", Value: "w"}}}))
	edited, err := s.be.EditObject(s.ctx, s.as("anna"), calendar.EditRequest{Calendar: "anna:work", Component: "VEVENT", Items: []calendar.EditItem{{
		UID: "a", Attach: []calendar.NewAttachment{{Name: "plan.txt", Type: "text/plain", Data: []byte("the plan")}}}}})
	s.ok(err)
	s.ok(edited.Items[0].Err)
	text := s.get("anna:work", "a.ics").Data
	s.put("anna:work", "b.ics", simple("b"))
	s.ok(s.be.DeleteCalendar(s.ctx, s.as("anna"), calendar.DeleteCalendarRequest{ID: "anna:work"}))

	which := calendar.HistoryFilter{Calendar: "anna:work", Deleted: true}
	_, err = s.be.Undo(s.ctx, s.as("bert"), calendar.UndoRequest{Owner: "anna", Which: which})
	s.kind(err, calendar.NoCalendar)
	res, err := s.be.Undo(s.ctx, s.as("anna"), calendar.UndoRequest{Owner: "anna", Which: which})
	s.ok(err)
	var done []string
	for _, it := range res.Items {
		done = append(done, it.Name+" "+it.Did.String())
	}
	same(s, "what came back", done, []string{" restored", "a.ics restored", "b.ics restored"})
	is, err := s.be.Calendar(s.ctx, s.as("anna"), "anna:work")
	s.ok(err)
	if is.DisplayName != "Büro" || is.ACL.String() != c.ACL.String() || len(is.Props) != 1 || is.Incarnation == c.Incarnation || is.SyncToken() == c.SyncToken() {
		s.Errorf("the calendar: %+v", is)
	}
	a := s.get("anna:work", "a.ics")
	equal(s, "the text", string(a.Data), string(text))
	if !slices.Equal(a.Props, []calendar.DeadProp{{Space: "s", Local: "m", Value: "w"}}) {
		s.Errorf("its properties: %+v", a.Props)
	}
	id := ""
	for _, line := range strings.Split(strings.ReplaceAll(string(a.Data), "\r\n ", ""), "\r\n") {
		if _, rest, ok := strings.Cut(line, "MANAGED-ID="); ok {
			id, _, _ = strings.Cut(rest, ";")
		}
	}
	file, err := s.be.Attachment(s.ctx, s.as("anna"), calendar.AttachmentRequest{Owner: "anna", ID: id})
	s.ok(err)
	if string(file.Data) != "the plan" || file.Name != "plan.txt" || file.Type != "text/plain" {
		s.Errorf("its file: %+v", file)
	}
}
