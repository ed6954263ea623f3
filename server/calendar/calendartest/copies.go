package calendartest

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/ical"
)

// RunCopies sees to it that an object is copied and moved to another owner as
// within one home: it runs each case in both ways, anna being the owner of the
// source and bert the other one, and expects the same answer and the same
// outcome. open returns an empty back end that knows how to copy between the
// two: a Router.
func RunCopies(t *testing.T, open func(t *testing.T, people calendar.People) calendar.Backend) {
	for _, to := range []calendar.Owner{"anna", "bert"} {
		name := "WithinOneHome"
		if to != "anna" {
			name = "ToAnotherOwner"
		}
		t.Run(name, func(t *testing.T) {
			people := NewPeople("anna", "bert", "carl", "rita", "will", "otto", "root")
			s := &copies{suite: &suite{T: t, be: open(t, people), people: people, ctx: t.Context()}, owner: to}
			s.refused()
			s.carried()
			s.replaced()
			s.plain()
			s.attached()
		})
	}
}

// copies are the cases with one owner of the destination.
type copies struct {
	*suite
	owner calendar.Owner
	n     int
}

// oddText has what a printer would not leave as it is: line ends, folds in the
// midst of a character, properties of nobody's.
func oddText(uid string, lines ...string) []byte {
	return []byte("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:" + uid +
		"\nDTSTAMP:20260801T000000Z\nX-ODD;X=\"1\":t\xc3\n \xbcr\n\t and\nDTSTART:20260901T120000Z\nDTEND:20260901T130000Z\n" + strings.Join(lines, "\n") + "\nEND:VEVENT\nEND:VCALENDAR\n")
}

// fresh makes a source and a destination on which carl may do everything, will
// all but delete at the source, and rita read.
func (s *copies) fresh() (from, to calendar.ID) {
	s.Helper()
	s.n++
	suffix := string(rune('a'+s.n/26)) + string(rune('a'+s.n%26))
	from, to = calendar.ID("anna:from"+suffix), calendar.NewID(s.owner, "to"+suffix)
	s.calendar(from, "carl^a^rwd^g;will^a^rw^g;rita^a^r^g")
	s.calendar(to, "carl^a^rwd^g;will^a^rwd^g;rita^a^r^g")
	return from, to
}

func (s *copies) copy(who string, req calendar.CopyRequest, from, to calendar.Ref) (calendar.CopyResult, error) {
	req.From, req.To = from, to
	return s.be.CopyObject(s.ctx, s.as(who), req)
}

// seen is the object as it is stored, or nil.
func (s *copies) seen(ref calendar.Ref) *calendar.Object {
	s.Helper()
	o, err := s.be.Object(s.ctx, s.as("root"), ref)
	if calendar.KindOf(err) == calendar.NotFound || calendar.KindOf(err) == calendar.NoCalendar {
		return nil
	}
	s.ok(err)
	return o
}

// refused: who may not, or what must not be. Nothing has changed then.
func (s *copies) refused() {
	tags := func(tag ...string) calendar.Precond { return calendar.Precond{IfMatch: tag} }
	for _, c := range []struct {
		what   string
		who    string
		req    calendar.CopyRequest
		from   string // name of the object
		to     string // calid and name, if not where it is called the same
		kind   calendar.Kind
		reason calendar.Reason
	}{
		{what: "nothing there", from: "none.ics", kind: calendar.NotFound},
		{what: "no such source calendar", from: "anna:none/a.ics", kind: calendar.NoCalendar},
		{what: "a source that is hidden", who: "otto", to: "open/a.ics", kind: calendar.NoCalendar, reason: calendar.Hidden},
		{what: "a source of free and busy time", from: "anna:busy/a.ics", kind: calendar.Denied},
		{what: "a source that is disabled", from: "anna:off/a.ics", kind: calendar.Denied, reason: calendar.Disabled},
		{what: "a move by one who may not delete", who: "will", req: calendar.CopyRequest{Move: true}, kind: calendar.Denied},
		{what: "a private object", from: "private.ics", kind: calendar.Denied},
		{what: "If-Match", req: calendar.CopyRequest{Precond: tags("x")}, kind: calendar.Stale},
		{what: "If-None-Match", req: calendar.CopyRequest{Precond: calendar.Precond{IfNoneMatch: []string{"*"}}}, kind: calendar.Stale},
		{what: "If-Schedule-Tag-Match", req: calendar.CopyRequest{Precond: calendar.Precond{IfScheduleTag: "x"}}, kind: calendar.Stale},
		{what: "If-Unmodified-Since", req: calendar.CopyRequest{Precond: calendar.Precond{IfUnmodified: day.AddDate(-30, 0, 0)}}, kind: calendar.Stale},
		{what: "no such destination", to: "none/a.ics", kind: calendar.Stale, reason: calendar.NoDestination},
		{what: "a destination that is hidden", to: "hidden/a.ics", kind: calendar.Stale, reason: calendar.NoDestination},
		{what: "a destination that is disabled", to: "off2/a.ics", kind: calendar.Denied, reason: calendar.Disabled},
		{what: "a destination for readers", who: "rita", kind: calendar.Denied},
		{what: "a name with a slash", to: "tasks/a/b.ics", kind: calendar.Denied},
		{what: "a bad name", to: "tasks/..", kind: calendar.Invalid},
		{what: "tasks only", to: "tasks/a.ics", kind: calendar.Unsupported, reason: calendar.SupportedComponent},
		{what: "another stands there", to: "full/b.ics", kind: calendar.Stale, reason: calendar.Overwrite},
		{what: "another UID stands there", req: calendar.CopyRequest{Overwrite: true}, to: "full/b.ics", kind: calendar.UIDConflict},
		{what: "the UID is elsewhere", to: "full/c.ics", kind: calendar.UIDConflict},
		{what: "a private object stands there", req: calendar.CopyRequest{Overwrite: true}, to: "full/private.ics", kind: calendar.Denied},
		{what: "conditions on the destination", req: calendar.CopyRequest{Overwrite: true, IfDest: tags("x")}, to: "full/b.ics", kind: calendar.Stale, reason: calendar.Overwrite},
		{what: "a collection stands there", from: "anna:files/f.txt", to: "nest/sub", kind: calendar.Stale, reason: calendar.Overwrite},
		{what: "a collection of another's stands there", req: calendar.CopyRequest{Overwrite: true}, from: "anna:files/f.txt", to: "nest/sub", kind: calendar.Denied},
		{what: "a file for a calendar", from: "anna:files/f.txt", to: "full/f.ics", kind: calendar.Unsupported, reason: calendar.SupportedCalendarData},
		{what: "double booking", to: "quiet/a.ics", kind: calendar.DoubleBooked},
		// Two faults at once: that there is no destination comes first.
		{what: "nothing there, and no destination", from: "none.ics", to: "none/a.ics", kind: calendar.Stale, reason: calendar.NoDestination},
		{what: "If-Match, and no destination", req: calendar.CopyRequest{Precond: tags("x")}, to: "none/a.ics", kind: calendar.Stale, reason: calendar.NoDestination},
		{what: "a source that is hidden, and no destination", who: "otto", to: "none/a.ics", kind: calendar.Stale, reason: calendar.NoDestination},
		{what: "a source of busy time, and no destination", from: "anna:busy/a.ics", to: "none/a.ics", kind: calendar.Stale, reason: calendar.NoDestination},
		{what: "a private object, and no destination", from: "private.ics", to: "none/a.ics", kind: calendar.Stale, reason: calendar.NoDestination},
		{what: "nothing there, and a bad name", from: "none.ics", to: "tasks/..", kind: calendar.Invalid},
	} {
		if s.n == 0 {
			s.stage()
		}
		from, to := s.fresh()
		s.put(from, "a.ics", oddText("a"))
		s.put(from, "private.ics", event("private", at(5), at(6), "CLASS:PRIVATE"))
		src := calendar.Ref{Calendar: from, Name: c.from}
		if id, name, ok := strings.Cut(c.from, "/"); ok {
			src = calendar.Ref{Calendar: calendar.ID(id), Name: name}
		} else if c.from == "" {
			src.Name = "a.ics"
		}
		dest := calendar.Ref{Calendar: to, Name: src.Name}
		if cal, name, ok := strings.Cut(c.to, "/"); ok {
			dest = calendar.Ref{Calendar: calendar.NewID(s.owner, cal), Name: name}
		}
		who := c.who
		if who == "" {
			who = "carl"
		}
		for _, move := range []bool{false, true} {
			req := c.req
			req.Move = req.Move || move
			before, there := s.seen(src), s.seen(dest)
			_, err := s.copy(who, req, src, dest)
			if calendar.KindOf(err) != c.kind || calendar.ReasonOf(err) != c.reason {
				s.Errorf("%s, move %t: %v (%q), want %v (%q)", c.what, req.Move, err, calendar.ReasonOf(err), c.kind, c.reason)
			}
			if after := s.seen(src); (before == nil) != (after == nil) || before != nil && after.ETag() != before.ETag() {
				s.Errorf("%s, move %t: the source has changed", c.what, req.Move)
			}
			if after := s.seen(dest); (there == nil) != (after == nil) || there != nil && after.ETag() != there.ETag() {
				s.Errorf("%s, move %t: the destination has changed", c.what, req.Move)
			}
		}
	}
}

// stage makes what the refusals meet.
func (s *copies) stage() {
	s.Helper()
	all := "carl^a^rwd^g;will^a^rwd^g;rita^a^r^g"
	s.calendar("anna:busy", "carl^a^f^g")
	s.put("anna:busy", "a.ics", oddText("a"))
	s.calendar("anna:off", all)
	s.put("anna:off", "a.ics", oddText("a"))
	s.calendar(s.id("hidden"), closed)
	s.calendar(s.id("open"), "otto^a^rwd^g")
	s.calendar(s.id("off2"), all)
	off := true
	for _, id := range []calendar.ID{"anna:off", s.id("off2")} {
		_, err := s.be.UpdateCalendar(s.ctx, s.as("root"), calendar.UpdateCalendarRequest{ID: id, Disabled: &off})
		s.ok(err)
	}
	tasks := []string{"VTODO"}
	s.calendar(s.id("tasks"), all)
	_, err := s.be.UpdateCalendar(s.ctx, s.as("root"), calendar.UpdateCalendarRequest{ID: s.id("tasks"), Components: &tasks})
	s.ok(err)
	s.calendar(s.id("full"), all)
	s.put(s.id("full"), "b.ics", simple("b"))
	s.put(s.id("full"), "same.ics", simple("a"))
	s.put(s.id("full"), "private.ics", event("q", at(5), at(6), "CLASS:PRIVATE"))
	s.calendar(s.id("quiet"), all)
	s.put(s.id("quiet"), "q.ics", event("q", at(12.5), at(14)))
	_, err = s.be.UpdateCalendar(s.ctx, s.as("root"), calendar.UpdateCalendarRequest{ID: s.id("quiet"), NoDoubles: &off})
	s.ok(err)
	s.files("anna:files", all)
	_, err = s.be.PutObject(s.ctx, s.as("anna"), calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna:files", Name: "f.txt"}, Data: []byte("f\x00"), ContentType: "text/odd; charset=x"})
	s.ok(err)
	s.files(s.id("nest"), all)
	s.files(s.id("nest/sub"), all)
}

func (s *copies) id(name string) calendar.ID { return calendar.NewID(s.owner, name) }

// files makes a plain collection.
func (s *copies) files(id calendar.ID, list string) {
	s.Helper()
	_, err := s.be.CreateCalendar(s.ctx, s.as(string(id.Owner())), calendar.CreateCalendarRequest{
		Calendar: calendar.Calendar{ID: id, Kind: calendar.PlainCollection, ACL: acl.MustParse(list)},
	})
	s.ok(err)
}

// carried: what goes along, and what is left behind.
func (s *copies) carried() {
	props := []calendar.DeadProp{{Space: "x:", Local: "p", Value: "1"}, {Space: "x:", Local: "q", Value: "<b xmlns=\"x:\"/>"}}
	for _, move := range []bool{false, true} {
		for what, text := range map[string][]byte{
			"odd text":  oddText("a"),
			"a meeting": oddText("a", "ORGANIZER;SCHEDULE-AGENT=CLIENT:mailto:bert@example.com", "ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:anna@example.com"),
			"a task":    object("VTODO", "a", "DUE:20260901T120000Z"),
			"a series":  event("a", at(9), at(10), "RRULE:FREQ=DAILY"),
		} {
			from, to := s.fresh()
			src, dest := calendar.Ref{Calendar: from, Name: "a.ics"}, calendar.Ref{Calendar: to, Name: "b.ics"}
			stored := s.put(from, src.Name, text).Object
			var changes []calendar.PropChange
			for _, p := range props {
				changes = append(changes, calendar.PropChange{Prop: p})
			}
			s.ok(s.be.PatchProps(s.ctx, s.as("anna"), src, changes))
			begun, err := s.be.Calendar(s.ctx, s.as("anna"), from)
			s.ok(err)
			res, err := s.copy("carl", calendar.CopyRequest{Move: move, Precond: calendar.Precond{IfMatch: []string{stored.ETag()}}}, src, dest)
			if err != nil || res.Replaced || res.Object.Calendar != to || res.Object.Name != dest.Name {
				s.Fatalf("%s, move %t: %+v, %v", what, move, res, err)
			}
			o := s.seen(dest)
			if o == nil || !bytes.Equal(o.Data, text) || o.ETag() != res.Object.ETag() || o.UID != "a" || o.ContentType != stored.ContentType {
				s.Errorf("%s, move %t: %+v", what, move, o)
				continue
			}
			same(s.suite, "dead properties of "+what, o.Props, props)
			if left := s.seen(src); (left == nil) != move {
				s.Errorf("%s, move %t: the source is %v", what, move, left)
			}
			var gone []string
			_, err = s.be.Sync(s.ctx, s.as("anna"), calendar.SyncRequest{Calendar: from, Token: begun.SyncToken()}, func(it calendar.SyncItem) error {
				if it.Gone != nil {
					gone = append(gone, it.Gone.Name)
				}
				return nil
			})
			s.ok(err)
			if slices.Equal(gone, []string{"a.ics"}) != move {
				s.Errorf("%s, move %t: tombstones %v", what, move, gone)
			}
			found := 0
			window := calendar.Window{From: day, To: at(24)}
			filter := &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: o.Component, TimeRange: &window}}}
			s.ok(s.be.Query(s.ctx, s.as("carl"), calendar.QueryRequest{Calendar: to, Filter: filter}, func(*calendar.Object) error { found++; return nil }))
			equal(s.suite, "found by its time", found, 1)
		}
	}
}

// replaced: what stood there is another object of the same UID.
func (s *copies) replaced() {
	for _, move := range []bool{false, true} {
		from, to := s.fresh()
		src, dest := calendar.Ref{Calendar: from, Name: "a.ics"}, calendar.Ref{Calendar: to, Name: "a.ics"}
		s.put(from, src.Name, oddText("a"))
		old := s.put(to, dest.Name, simple("a")).Object
		s.ok(s.be.PatchProps(s.ctx, s.as(string(s.owner)), dest, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "x:", Local: "old", Value: "1"}}}))
		res, err := s.copy("carl", calendar.CopyRequest{Move: move, Overwrite: true, IfDest: calendar.Precond{IfMatch: []string{old.ETag()}}}, src, dest)
		s.ok(err)
		equal(s.suite, "replaced", res.Replaced, true)
		o := s.seen(dest)
		equal(s.suite, "the text", string(o.Data), string(oddText("a")))
		equal(s.suite, "dead properties of what was replaced", len(o.Props), 0)
	}
}

// plain: files, whose content type goes along, also over a collection.
func (s *copies) plain() {
	all := "carl^a^rwd^g"
	s.files("anna:box", all)
	s.files(s.id("box2"), all)
	s.files(s.id("box2/x"), all)
	src := calendar.Ref{Calendar: "anna:box", Name: "f"}
	_, err := s.be.PutObject(s.ctx, s.as("anna"), calendar.PutRequest{Ref: src, Data: []byte("\x00file\r"), ContentType: "Text/Odd; charset=\"x\""})
	s.ok(err)
	for i, move := range []bool{false, true} {
		dest := calendar.Ref{Calendar: s.id("box2"), Name: []string{"g", "x"}[i]}
		res, err := s.copy("root", calendar.CopyRequest{Move: move, Overwrite: true}, src, dest)
		s.ok(err)
		equal(s.suite, "replaced", res.Replaced, dest.Name == "x")
		o := s.seen(dest)
		if o == nil || string(o.Data) != "\x00file\r" || o.ContentType != "Text/Odd; charset=\"x\"" || o.UID != "" {
			s.Errorf("%s: %+v", dest.Name, o)
		}
	}
	_, err = s.be.Calendar(s.ctx, s.as("root"), s.id("box2/x"))
	s.kind(err, calendar.NoCalendar)
	if s.seen(src) != nil {
		s.Error("a file that was moved is in both places")
	}
}

// attached: files of an object are there for the new owner, at his address, and
// for the old one as long as he has the object.
func (s *copies) attached() {
	from, to := s.fresh()
	data := []byte("\x00\xff\r\nfile")
	made := s.edit("anna", from, calendar.EditItem{UID: "f", Patch: calendar.Patch{Start: moment(at(9)), Props: []calendar.PropEdit{text("SUMMARY", "f")}},
		Attach: []calendar.NewAttachment{{ClientID: "c1", Name: "ä.bin", Type: "application/x-odd", Data: data}, {Name: "two", Data: nil}}})[0]
	s.ok(made.Err)
	src := calendar.Ref{Calendar: from, Name: made.Object.Name}
	cal, err := ical.Parse(made.Object.Data, ical.Limits{})
	s.ok(err)
	ids := []string{}
	for p := range cal.Child("VEVENT").All("ATTACH") {
		ids = append(ids, p.Param("MANAGED-ID"))
	}
	there := func(who string, owner calendar.Owner, want bool) {
		s.Helper()
		for _, id := range ids {
			a, err := s.be.Attachment(s.ctx, s.as(who), calendar.AttachmentRequest{Owner: owner, ID: id})
			if (err == nil) != want {
				s.Errorf("%s reads %s's file: %v, want %v", who, owner, err, want)
			}
			if id == ids[0] && want && (!bytes.Equal(a.Data, data) || a.Name != "ä.bin" || a.Type != "application/x-odd" || a.ClientID != "c1") {
				s.Errorf("attachment %+v", a)
			}
		}
	}
	check := func(dest calendar.Ref) {
		s.Helper()
		o := s.seen(dest)
		here, now := calendar.AttachmentsPath+"anna/", calendar.AttachmentsPath+string(s.owner)+"/"
		flat := func(b []byte) string { return strings.ReplaceAll(string(b), "\r\n ", "") }
		if got, want := flat(o.Data), strings.ReplaceAll(flat(made.Object.Data), here, now); got != want {
			s.Errorf("the text is\n%s\nwant\n%s", got, want)
		}
		there(string(s.owner), s.owner, true)
	}
	_, err = s.copy("carl", calendar.CopyRequest{}, src, calendar.Ref{Calendar: to, Name: "one.ics"})
	s.ok(err)
	check(calendar.Ref{Calendar: to, Name: "one.ics"})
	there("anna", "anna", true)
	_, to = s.fresh()
	_, err = s.copy("carl", calendar.CopyRequest{Move: true}, src, calendar.Ref{Calendar: to, Name: "two.ics"})
	s.ok(err)
	check(calendar.Ref{Calendar: to, Name: "two.ics"})
	there("anna", "anna", s.owner == "anna")
	// And back again: the ids are what they were.
	_, err = s.copy("carl", calendar.CopyRequest{Move: true}, calendar.Ref{Calendar: to, Name: "two.ics"}, src)
	s.ok(err)
	there("anna", "anna", true)
	equal(s.suite, "the text, back at home", string(s.seen(src).Data), string(made.Object.Data))
}
