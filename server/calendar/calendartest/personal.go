package calendartest

import (
	"bytes"
	"strings"

	"factotum/server/acl"
	"factotum/server/calendar"
)

// testPersonal: alarms and TRANSP in a shared calendar are each user's own; who
// acts for the owner has the owner's. Apple's caldav-sharing 5.5.4.
func testPersonal(s *suite) {
	id := s.home("anna")
	for _, user := range []string{"bert", "carl", "rita", "will"} {
		s.home(user)
	}
	s.ok(s.be.Share(s.ctx, s.as("anna"), calendar.ShareRequest{Calendar: id, Set: []calendar.ShareSet{{User: "bert", Write: true}, {User: "carl", Write: true}, {User: "rita"}}}))
	s.ok(s.be.SetProxies(s.ctx, s.as("anna"), calendar.SetProxiesRequest{Owner: "anna", Kind: acl.ProxyWrite, Users: []calendar.UserID{"will"}}))
	ref := calendar.Ref{Calendar: id, Name: "m.ics"}
	alarm := func(minutes string) string {
		return "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT" + minutes + "M\r\nEND:VALARM"
	}
	meeting := func(lines ...string) []byte { return event("m", at(9), at(10), lines...) }
	put := func(who string, data []byte, tags ...string) calendar.PutResult {
		s.Helper()
		res, err := s.be.PutObject(s.ctx, s.as(who), calendar.PutRequest{Ref: ref, Data: data, Precond: calendar.Precond{IfMatch: tags}})
		s.ok(err)
		return res
	}
	got := func(who string) *calendar.Object {
		s.Helper()
		o, err := s.be.Object(s.ctx, s.as(who), ref)
		s.ok(err)
		return o
	}
	// what one sees, in one line, and by every way that shows texts
	sees := func(who, want string) {
		s.Helper()
		summary := func(data []byte) (out string) {
			for line := range strings.SplitSeq(string(data), "\r\n") {
				if p, ok := strings.CutPrefix(line, "TRIGGER:-PT"); ok {
					out += " " + p
				} else if strings.HasPrefix(line, "TRANSP:") || strings.HasPrefix(line, "SUMMARY:") {
					out += " " + line
				}
			}
			return strings.TrimSpace(out)
		}
		var ways []string
		add := func(data []byte) { ways = append(ways, summary(data)) }
		add(got(who).Data)
		s.ok(s.be.Objects(s.ctx, s.as(who), calendar.ObjectsRequest{Refs: []calendar.Ref{ref}}, func(r calendar.ObjectResult) error {
			s.ok(r.Err)
			add(r.Object.Data)
			return nil
		}))
		s.ok(s.be.Query(s.ctx, s.as(who), calendar.QueryRequest{Calendar: id, Filter: &calendar.CompFilter{Name: "VCALENDAR"}}, func(o *calendar.Object) error {
			add(o.Data)
			return nil
		}))
		_, err := s.be.Sync(s.ctx, s.as(who), calendar.SyncRequest{Calendar: id, Data: true}, func(it calendar.SyncItem) error {
			if it.Object != nil {
				add(it.Object.Data)
			}
			return nil
		})
		s.ok(err)
		s.ok(s.be.Occurrences(s.ctx, s.as(who), calendar.OccurrencesRequest{Calendars: []calendar.ID{id}}, func(r calendar.OccurrencesResult) error {
			if r.Object != nil {
				add(r.Object.Data)
			}
			return nil
		}))
		same(s, who+" sees", ways, []string{want, want, want, want, want})
	}

	first := put("anna", meeting("SUMMARY:a", alarm("9")))
	sees("anna", "SUMMARY:a 9M")
	sees("will", "SUMMARY:a 9M") // for whom he acts
	sees("bert", "SUMMARY:a")
	sees("rita", "SUMMARY:a")

	before := got("anna")
	mine := put("bert", meeting("SUMMARY:a", "TRANSP:TRANSPARENT", alarm("5")), first.Object.ETag())
	equal(s, "what he gets is not what he wrote, octet for octet", mine.Altered, true)
	sees("bert", "SUMMARY:a TRANSP:TRANSPARENT 5M")
	sees("anna", "SUMMARY:a 9M")
	sees("carl", "SUMMARY:a")
	after := got("anna")
	equal(s, "the owner's text", string(after.Data), string(before.Data))
	equal(s, "the tags of all", got("bert").ETag() == after.ETag() && after.ETag() == mine.Object.ETag(), true)
	equal(s, "another tag", after.ETag() != before.ETag(), true)
	equal(s, "dead properties", len(after.Props)+len(got("bert").Props), 0)

	put("carl", meeting("SUMMARY:a", alarm("7")), mine.Object.ETag())
	put("bert", meeting("SUMMARY:b", "TRANSP:TRANSPARENT", alarm("5"))) // everybody's title
	sees("anna", "SUMMARY:b 9M")
	sees("bert", "SUMMARY:b TRANSP:TRANSPARENT 5M")
	sees("carl", "SUMMARY:b 7M")
	put("anna", meeting("SUMMARY:c", alarm("8"))) // and the owner changes his own alarm
	sees("anna", "SUMMARY:c 8M")
	sees("bert", "SUMMARY:c TRANSP:TRANSPARENT 5M")
	put("will", meeting("SUMMARY:c", alarm("6")))
	sees("anna", "SUMMARY:c 6M")
	put("bert", meeting("SUMMARY:c"))
	sees("bert", "SUMMARY:c")
	sees("anna", "SUMMARY:c 6M")
	_, err := s.be.PutObject(s.ctx, s.as("rita"), calendar.PutRequest{Ref: ref, Data: meeting("SUMMARY:c", alarm("5"))})
	s.kind(err, calendar.Denied)
	_, err = s.be.PutObject(s.ctx, s.as("bert"), calendar.PutRequest{Ref: ref, Data: meeting("SUMMARY:c", strings.Repeat(alarm("5")+"\r\n", 20_000)+alarm("5"))})
	s.reason(err, calendar.TooLarge, calendar.MaxResourceSize)
	busy, err := s.be.FreeBusy(s.ctx, s.as("bert"), calendar.FreeBusyRequest{Targets: []calendar.FreeBusyTarget{{Calendar: id}}, Window: calendar.Window{From: at(0), To: at(24)}})
	s.ok(err)
	equal(s, "the owner is busy", len(busy) == 1 && len(busy[0].Busy) == 1, true)

	// by edits
	for who, want := range map[string]string{"carl": "7M", "anna": "6M"} {
		res := s.edit(who, id, calendar.EditItem{UID: "m", Mode: calendar.EditModify, Patch: calendar.Patch{Props: []calendar.PropEdit{text("SUMMARY", "z")}}})
		s.ok(res[0].Err)
		sees(who, "SUMMARY:z "+want)
		equal(s, "the answer to "+who, bytes.Contains(res[0].Object.Data, []byte("-PT"+want)), true)
	}
	// what is new has the alarm of the one who made it
	_, err = s.be.PutObject(s.ctx, s.as("bert"), calendar.PutRequest{Ref: calendar.Ref{Calendar: id, Name: "n.ics"}, Data: event("n", at(12), at(13), alarm("5"))})
	s.ok(err)
	for who, want := range map[string]bool{"bert": true, "anna": false, "carl": false} {
		o, err := s.be.Object(s.ctx, s.as(who), calendar.Ref{Calendar: id, Name: "n.ics"})
		s.ok(err)
		equal(s, "the new one rings for "+who, bytes.Contains(o.Data, []byte("VALARM")), want)
	}
	// a copy into a home of one's own takes along what one sees
	to := calendar.Ref{Calendar: "carl", Name: "c.ics"}
	_, err = s.be.CopyObject(s.ctx, s.as("carl"), calendar.CopyRequest{From: ref, To: to})
	if calendar.KindOf(err) == calendar.Unsupported { // one back end of several: the Router's business
		return
	}
	s.ok(err)
	o, err := s.be.Object(s.ctx, s.as("carl"), to)
	s.ok(err)
	equal(s, "his alarm is in the copy", bytes.Contains(o.Data, []byte("-PT7M")) && bytes.Count(o.Data, []byte("BEGIN:VALARM")) == 1, true)
	s.kind(s.be.PatchProps(s.ctx, s.as("anna"), ref, []calendar.PropChange{{Prop: calendar.PersonalProp("bert")}}), calendar.Denied)
}
