package calendartest

import (
	"strings"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// moment is a date-time in UTC.
func moment(t time.Time) *ical.DateTime {
	d := ical.FromCivil(t, ical.UTC, "")
	return &d
}

func text(name, value string) calendar.PropEdit {
	e := calendar.PropEdit{Name: name}
	if value != "" {
		e.Props = []ical.Property{{Name: name, Value: value}}
	}
	return e
}

// edit carries out items on anna's calendar and returns what became of them.
func (s *suite) edit(who string, id calendar.ID, items ...calendar.EditItem) []calendar.EditItemResult {
	s.Helper()
	res, err := s.be.EditObject(s.ctx, s.as(who), calendar.EditRequest{Calendar: id, Component: "VEVENT", Items: items, Return: true, Bound: 60})
	s.ok(err)
	if len(res.Items) != len(items) {
		s.Fatalf("%d answers for %d items", len(res.Items), len(items))
	}
	equal(s, "calendar of the answer", res.Calendar.ID, id)
	return res.Items
}

func testEditObject(s *suite) {
	s.home("anna")
	made := s.edit("anna", "anna", calendar.EditItem{UID: "a", Patch: calendar.Patch{TZID: "Europe/Berlin", Start: moment(at(9)), End: moment(at(10)), Props: []calendar.PropEdit{text("SUMMARY", "one")}}})[0]
	s.ok(made.Err)
	equal(s, "created", made.Created, true)
	got := s.get("anna", made.Object.Name)
	equal(s, "data", string(got.Data), string(made.Object.Data))
	equal(s, "ETag", got.ETag(), made.Object.ETag())
	if !strings.Contains(string(got.Data), "DTSTART;TZID=Europe/Berlin:20260901T110000") || !strings.Contains(string(got.Data), "BEGIN:VTIMEZONE") {
		s.Errorf("stored as\n%s", got.Data)
	}
	before, err := s.be.Calendar(s.ctx, s.as("anna"), "anna")
	s.ok(err)
	rule := []string{"FREQ=DAILY"}
	rid := ical.FromCivil(at(33), ical.UTC, "")
	items := s.edit("anna", "anna",
		calendar.EditItem{UID: "a", Mode: calendar.EditModify, Patch: calendar.Patch{RRules: &rule}},
		calendar.EditItem{UID: "a", Mode: calendar.EditDelete, Scope: calendar.ThisInstance, RID: rid},
		calendar.EditItem{UID: "a", Mode: calendar.EditDelete, Scope: calendar.ThisInstance, RID: rid}, // twice
		calendar.EditItem{UID: "a", Mode: calendar.EditCreate, Patch: calendar.Patch{Start: moment(at(1))}},
		calendar.EditItem{UID: "b", Mode: calendar.EditModify, Patch: calendar.Patch{Start: moment(at(1))}},
		calendar.EditItem{UID: "c", Patch: calendar.Patch{Props: []calendar.PropEdit{text("SUMMARY", "no start")}}},
		calendar.EditItem{UID: "d", Patch: calendar.Patch{Start: moment(at(1)), Props: []calendar.PropEdit{text("DTSTART", "20260101")}}},
		calendar.EditItem{UID: "e", Mode: calendar.EditDelete},
		calendar.EditItem{Patch: calendar.Patch{Start: moment(at(1))}},
	)
	for i, want := range []string{"", "", "not-found", "exists", "not-found", "invalid", "invalid", "not-found", ""} {
		kind := ""
		if items[i].Err != nil {
			kind = calendar.KindOf(items[i].Err).String()
		}
		equal(s, "item "+string(rune('0'+i)), kind, want)
	}
	equal(s, "made up", items[8].UID != "" && items[8].Object.UID == items[8].UID, true)
	data := string(s.get("anna", made.Object.Name).Data)
	for _, want := range []string{"RRULE:FREQ=DAILY;COUNT=60", "EXDATE;TZID=Europe/Berlin:20260902T110000", "SUMMARY:one"} {
		if !strings.Contains(data, want) {
			s.Errorf("no %s in\n%s", want, data)
		}
	}
	after, err := s.be.Calendar(s.ctx, s.as("anna"), "anna")
	s.ok(err)
	if before.CTag() == after.CTag() || before.SyncToken() == after.SyncToken() {
		s.Error("the calendar's tags stayed")
	}
	// What another client wrote stays.
	s.put("anna", "x.ics", event("x", at(9), at(10), "X-ODD;P=1:v", "BEGIN:VALARM", "ACTION:DISPLAY", "DESCRIPTION:d", "TRIGGER:-PT1M", "END:VALARM"))
	odd := s.edit("anna", "anna", calendar.EditItem{UID: "x", Patch: calendar.Patch{Props: []calendar.PropEdit{text("SUMMARY", "new")}}})[0]
	s.ok(odd.Err)
	if d := string(odd.Object.Data); !strings.Contains(d, "X-ODD;P=1:v") || !strings.Contains(d, "TRIGGER:-PT1M") || !strings.Contains(d, "SUMMARY:new") {
		s.Errorf("after an edit:\n%s", d)
	}
	equal(s, "name", odd.Object.Name, "x.ics")
	gone := s.edit("anna", "anna", calendar.EditItem{UID: "x", Mode: calendar.EditDelete})[0]
	s.ok(gone.Err)
	equal(s, "removed", gone.Removed && gone.Object == nil, true)
	_, err = s.be.Object(s.ctx, s.as("anna"), calendar.Ref{Calendar: "anna", Name: "x.ics"})
	s.kind(err, calendar.NotFound)
}

func testEditRefused(s *suite) {
	s.home("anna")
	s.calendar("anna:shared", "bert^a^rw^g")
	s.calendar("anna:closed", closed)
	s.put("anna:shared", "p.ics", event("p", at(9), at(10), "CLASS:PRIVATE", "SUMMARY:secret"))
	s.put("anna:shared", "o.ics", event("o", at(9), at(10), "ORGANIZER:mailto:carl@example.com", "ATTENDEE:mailto:anna@example.com"))
	s.put("anna:shared", "q.ics", event("q", at(9), at(10)))
	change := calendar.Patch{Props: []calendar.PropEdit{text("SUMMARY", "x")}}
	got := s.edit("bert", "anna:shared",
		calendar.EditItem{UID: "p", Patch: change},
		calendar.EditItem{UID: "o", Patch: change},
		calendar.EditItem{UID: "o", Role: calendar.AsOrganizer, Patch: change},
		calendar.EditItem{UID: "o", Role: calendar.OwnCopy, Patch: change},
		calendar.EditItem{UID: "q", Mode: calendar.EditDelete},
	)
	s.reason(got[0].Err, calendar.Denied, calendar.OwnerNeeded)
	s.reason(got[1].Err, calendar.NotOrganizer, "")
	s.reason(got[2].Err, calendar.NotOrganizer, calendar.RequestOnModify)
	s.ok(got[3].Err)
	s.kind(got[4].Err, calendar.Denied)
	for id, want := range map[calendar.ID]calendar.Kind{"anna:closed": calendar.NoCalendar, "anna:none": calendar.NoCalendar, "nobody": calendar.NoCalendar} {
		_, err := s.be.EditObject(s.ctx, s.as("bert"), calendar.EditRequest{Calendar: id, Component: "VEVENT", Items: []calendar.EditItem{{UID: "q", Patch: change}}})
		s.kind(err, want)
	}
	_, err := s.be.EditObject(s.ctx, s.as("bert"), calendar.EditRequest{Calendar: "anna:shared", Within: &calendar.Window{}})
	s.kind(err, calendar.Denied)
	_, err = s.be.EditObject(s.ctx, s.as("anna"), calendar.EditRequest{Calendar: "anna:shared", Items: []calendar.EditItem{{UID: "q", Patch: change}}})
	s.kind(err, calendar.Invalid)
	same(s, "what is left", s.names("anna:shared"), []string{"o.ics", "p.ics", "q.ics"})
}

func testEditWithin(s *suite) {
	s.home("anna")
	s.put("anna", "in.ics", event("in", at(9), at(10)))
	s.put("anna", "over.ics", event("over", at(-1), at(10)))
	s.put("anna", "series.ics", event("series", at(9), at(10), "RRULE:FREQ=DAILY;COUNT=3"))
	s.put("anna", "todo.ics", object("VTODO", "todo"))
	s.put("anna", "journal.ics", object("VJOURNAL", "journal"))
	res, err := s.be.EditObject(s.ctx, s.as("anna"), calendar.EditRequest{Calendar: "anna", Within: &calendar.Window{From: day, To: at(24)}})
	s.ok(err)
	equal(s, "objects met", len(res.Items), 2)
	same(s, "what is left", s.names("anna"), []string{"journal.ics", "over.ics", "series.ics", "todo.ics"})
	if d := string(s.get("anna", "series.ics").Data); !strings.Contains(d, "EXDATE:20260901T090000Z") {
		s.Errorf("the series is\n%s", d)
	}
	_, err = s.be.EditObject(s.ctx, s.as("anna"), calendar.EditRequest{Calendar: "anna", Within: &calendar.Window{}})
	s.ok(err)
	same(s, "after everything", s.names("anna"), []string{"journal.ics"})
}

func testAttachments(s *suite) {
	s.home("anna")
	s.home("bert")
	data := []byte("\x00\xff\r\nfile")
	made := s.edit("anna", "anna", calendar.EditItem{UID: "a", Patch: calendar.Patch{Start: moment(at(9))},
		Attach: []calendar.NewAttachment{{ClientID: "c1", Name: "ä.bin", Type: "application/x-odd", Data: data}, {Name: "two", Data: nil}}})[0]
	s.ok(made.Err)
	cal, err := ical.Parse(made.Object.Data, ical.Limits{})
	s.ok(err)
	var ids []string
	for p := range cal.Child("VEVENT").All("ATTACH") {
		ids = append(ids, p.Param("MANAGED-ID"))
		equal(s, "address", p.Value, calendar.AttachmentsPath+"anna/"+p.Param("MANAGED-ID"))
	}
	if len(ids) != 2 {
		s.Fatalf("ATTACHes in\n%s", made.Object.Data)
	}
	want := func(who, id string, there bool) {
		s.Helper()
		a, err := s.be.Attachment(s.ctx, s.as(who), calendar.AttachmentRequest{Owner: "anna", ID: id})
		if !there {
			s.reason(err, calendar.NotFound, calendar.AttachmentGone)
			return
		}
		s.ok(err)
		equal(s, "id", a.ID, id)
	}
	a, err := s.be.Attachment(s.ctx, s.as("anna"), calendar.AttachmentRequest{Calendar: "anna", UID: "a", ID: ids[0]})
	s.ok(err)
	if string(a.Data) != string(data) || a.Name != "ä.bin" || a.Type != "application/x-odd" || a.ClientID != "c1" {
		s.Errorf("attachment %+v", a)
	}
	want("anna", ids[1], true)
	want("bert", ids[0], false)
	want("anna", "none", false)
	_, err = s.be.Attachment(s.ctx, s.as("anna"), calendar.AttachmentRequest{Calendar: "anna", UID: "b", ID: ids[0]})
	s.kind(err, calendar.NotFound)
	left := s.edit("anna", "anna", calendar.EditItem{UID: "a", Detach: []string{ids[1], "none"}})[0]
	s.ok(left.Err)
	equal(s, "detached", left.Detached, 1)
	want("anna", ids[1], false)
	want("anna", ids[0], true)
	_, err = s.be.CreateCalendar(s.ctx, s.as("anna"), calendar.CreateCalendarRequest{Calendar: calendar.Calendar{ID: "anna:two"}, DefaultACL: true})
	s.ok(err)
	_, err = s.be.CopyObject(s.ctx, s.as("anna"), calendar.CopyRequest{From: calendar.Ref{Calendar: "anna", Name: made.Object.Name}, To: calendar.Ref{Calendar: "anna:two", Name: "copy.ics"}})
	s.ok(err)
	s.ok(s.be.DeleteObject(s.ctx, s.as("anna"), calendar.DeleteRequest{Ref: calendar.Ref{Calendar: "anna", Name: made.Object.Name}}))
	want("anna", ids[0], true)
	_, err = s.be.CopyCalendar(s.ctx, s.as("anna"), calendar.CopyRequest{From: calendar.Ref{Calendar: "anna:two"}, To: calendar.Ref{Calendar: "anna:three"}})
	s.ok(err)
	s.ok(s.be.DeleteCalendar(s.ctx, s.as("anna"), calendar.DeleteCalendarRequest{ID: "anna:two"}))
	want("anna", ids[0], true)
	s.put("anna:three", "copy.ics", simple("a"))
	want("anna", ids[0], false)
}

func testAttachmentLimits(s *suite) {
	s.home("anna")
	start := calendar.Patch{Start: moment(at(9))}
	for what, files := range map[string][]calendar.NewAttachment{
		"large": {{Name: "x", Data: make([]byte, 10<<20+1)}},
		"many":  make([]calendar.NewAttachment, 101),
	} {
		_, err := s.be.EditObject(s.ctx, s.as("anna"), calendar.EditRequest{Calendar: "anna", Component: "VEVENT", Items: []calendar.EditItem{{UID: what, Patch: start, Attach: files}}})
		s.kind(err, calendar.TooLarge)
	}
	s.ok(s.edit("anna", "anna", calendar.EditItem{UID: "a", Patch: start, Attach: make([]calendar.NewAttachment, 60)})[0].Err)
	s.kind(s.edit("anna", "anna", calendar.EditItem{UID: "a", Attach: make([]calendar.NewAttachment, 60)})[0].Err, calendar.TooLarge)
	same(s, "what is stored", s.names("anna"), []string{"a.ics"})
}
