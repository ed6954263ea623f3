package service_test

import (
	"strings"
	"testing"

	"factotum/server/acl"
	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/service"
)

const (
	organizer = "ORGANIZER:mailto:anna@example.com\r\n"
	attendee  = "ATTENDEE:mailto:bert@example.com\r\n"
	meeting   = organizer + attendee
	weekly    = "RRULE:FREQ=WEEKLY;COUNT=10\r\n"
)

// setProp is an edit of one property; no value removes it.
func setProp(uid, name string, values ...string) calendar.EditItem {
	e := calendar.PropEdit{Name: name}
	for _, v := range values {
		e.Props = append(e.Props, ical.Property{Name: name, Value: v})
	}
	return calendar.EditItem{UID: uid, Patch: calendar.Patch{Props: []calendar.PropEdit{e}}}
}

// TestRFC6638_3_2_10_ScheduleTag: who changes a scheduling object himself, by
// whatever way, gives it another tag, and nothing else does. What is no
// scheduling object has none.
func TestRFC6638_3_2_10_ScheduleTag(t *testing.T) {
	const there calendar.ID = "anna:work"
	work := refTo(there, "m.ics")
	plain := refTo(there, "plain.ics")
	edit := func(items ...calendar.EditItem) func(*records) error {
		return func(c *records) error {
			res, err := c.EditObject(c.Context(), anna, calendar.EditRequest{Calendar: there, Component: "VEVENT", Items: items})
			return oneItem(res.Items, err)
		}
	}
	put := func(name, uid, more string) func(*records) error {
		return func(c *records) error {
			_, err := c.PutObject(c.Context(), anna, calendar.PutRequest{Ref: refTo(there, name), Data: event(uid, "20260110T100000Z", more)})
			return err
		}
	}
	imported := func(more string) func(*records) error {
		return func(c *records) error {
			res, err := c.PutObjects(c.Context(), anna, calendar.PutObjectsRequest{Calendar: there, Replace: true, Items: []calendar.PutItem{{Data: event("m", "20260110T100000Z", more)}}})
			if err == nil {
				err = res[0].Err
			}
			return err
		}
	}
	copyTo := func(to calendar.Ref, move bool) func(*records) error {
		return func(c *records) error {
			_, err := c.CopyObject(c.Context(), anna, calendar.CopyRequest{From: work, To: to, Move: move, Overwrite: true})
			return err
		}
	}
	copyCalendar := func(move bool) func(*records) error {
		return func(c *records) error {
			_, err := c.CopyCalendar(c.Context(), anna, calendar.CopyRequest{From: refTo(there, ""), To: refTo("anna:other", ""), Move: move})
			return err
		}
	}
	update := func(req calendar.UpdateCalendarRequest) func(*records) error {
		return func(c *records) error {
			req.ID = there
			_, err := c.UpdateCalendar(c.Context(), anna, req)
			return err
		}
	}
	name, rights := "another", acl.MustParse("@@o^a^sdeic^g")
	rid, err := ical.ParseDateTime("20260124T100000Z", "", false)
	if err != nil {
		t.Fatal(err)
	}
	instance := func(scope calendar.EditScope) calendar.EditItem {
		it := setProp("m", "SUMMARY", "changed")
		it.RID, it.Scope = rid, scope
		return it
	}
	const another, same, none = "another", "the same", "none"
	for _, x := range []struct {
		what string
		do   func(*records) error
		at   calendar.Ref // that is looked at; the zero Ref is the meeting
		want string
	}{
		{"PUT", put("m.ics", "m", weekly+meeting+"LOCATION:x\r\n"), work, another},
		{"PUT of the same text", put("m.ics", "m", weekly+meeting), work, another},
		{"PUT of a new one", put("new.ics", "new", meeting), refTo(there, "new.ics"), another},
		{"PUT with an organizer alone", put("m.ics", "m", organizer), work, another},
		{"PUT with an attendee alone", put("m.ics", "m", attendee), work, another},
		{"PUT that invites", put("plain.ics", "plain", meeting), plain, another},
		{"PUT that says no more of people", put("m.ics", "m", ""), work, none},
		{"PUT of a plain one", put("plain.ics", "plain", "LOCATION:x\r\n"), plain, none},
		{"COPY", copyTo(refTo("anna", "m.ics"), false), refTo("anna", "m.ics"), another},
		{"COPY, where it came from", copyTo(refTo("anna", "m.ics"), false), work, same},
		{"COPY over a copy", func(c *records) error {
			again := copyTo(refTo("anna", "m.ics"), false)
			c.must(again(c))
			return again(c)
		}, refTo("anna", "m.ics"), another},
		{"COPY of a calendar", copyCalendar(false), refTo("anna:other", "m.ics"), another},
		{"COPY of a calendar, where it came from", copyCalendar(false), work, same},
		{"MOVE", copyTo(refTo("anna", "m.ics"), true), refTo("anna", "m.ics"), another},
		{"MOVE within the calendar", copyTo(refTo(there, "n.ics"), true), refTo(there, "n.ics"), another},
		{"COPY from another owner", func(c *records) error {
			_, err := c.CopyIn(c.Context(), anna, calendar.CopyInRequest{
				Copy:   calendar.CopyRequest{From: refTo("bert", "b.ics"), To: refTo("anna", "b.ics")},
				Parcel: calendar.Parcel{Object: calendar.Object{ScheduleTag: 1 << 40, Data: event("b", "20260111T100000Z", meeting)}}})
			return err
		}, refTo("anna", "b.ics"), another},
		{"edit", edit(setProp("m", "SUMMARY", "changed")), work, another},
		{"edit of an instance", edit(instance(calendar.ThisInstance)), work, another},
		{"edit of this and the future", edit(instance(calendar.ThisAndFuture)), work, another},
		{"edit of this and the past", edit(instance(calendar.ThisAndPrior)), work, another},
		{"edit that invites", edit(setProp("plain", "ATTENDEE", "mailto:bert@example.com")), plain, another},
		{"edit that uninvites the last", edit(setProp("m", "ATTENDEE")), work, another}, // its organizer is somebody else, for all that this service knows
		{"edit that leaves nobody", edit(setProp("m", "ATTENDEE"), setProp("m", "ORGANIZER")), work, none},
		{"import", imported(meeting + "LOCATION:x\r\n"), work, another},
		{"import of the same text", imported(weekly + meeting), work, same},
		{"import that says no more of people", imported(""), work, none},
		{"PROPPATCH", func(c *records) error {
			return c.PatchProps(c.Context(), anna, work, []calendar.PropChange{{Prop: calendar.DeadProp{Space: "s", Local: "l", Value: "v"}}})
		}, work, same},
		{"another object is put", put("plain.ics", "plain", "LOCATION:x\r\n"), work, same},
		{"another object is deleted", func(c *records) error {
			return c.DeleteObject(c.Context(), anna, calendar.DeleteRequest{Ref: plain})
		}, work, same},
		{"another object is edited", edit(setProp("plain", "ATTENDEE", "mailto:bert@example.com")), work, same},
		{"the calendar is renamed", copyCalendar(true), refTo("anna:other", "m.ics"), same},
		{"the calendar has another title", update(calendar.UpdateCalendarRequest{DisplayName: &name}), work, same},
		{"the calendar has other rights", update(calendar.UpdateCalendarRequest{ACL: &rights}), work, same},
		{"csdb rebuild", func(c *records) error {
			_, err := c.Rebuild(c.Context(), nil)
			return err
		}, work, same},
		{"csdb rebuild that mends the class and the mark of files", func(c *records) error {
			it := setProp("m", "CLASS", "PRIVATE")
			it.Attach = []calendar.NewAttachment{file("m", 100)}
			if err := edit(it)(c); err != nil {
				return err
			}
			c.must(c.store.Update(c.Context(), "anna", func(tx calendar.Tx) error {
				cal, _, err := tx.Calendar("work")
				if err != nil {
					return err
				}
				row, _, err := tx.Object(cal.ID, "m.ics", true)
				if err != nil {
					return err
				}
				row.Private, row.Attached, row.ScheduleTag = 0, false, 1
				return tx.PutObject(row)
			}))
			c.Service = service.New(c.store, nil, service.Options{}) // which begins anew
			rep, err := c.Rebuild(c.Context(), nil)
			if n := len(rep.Findings); n != 2 {
				c.Errorf("%d findings: %v", n, rep.Findings)
			}
			return err
		}, work, "1"},
	} {
		t.Run(x.what, func(t *testing.T) {
			c := openRecords(t)
			c.put(there, "plain.ics", event("plain", "20260110T100000Z", ""))
			c.put(there, "m.ics", event("m", "20260110T100000Z", weekly+meeting))
			is := func(svc *service.Service, ref calendar.Ref) *calendar.Object {
				t.Helper()
				o, err := svc.Object(t.Context(), anna, ref)
				c.must(err)
				return o
			}
			was := is(c.Service, work)
			if was.ScheduleTag == 0 || is(c.Service, plain).ScheduleTag != 0 {
				t.Fatalf("the meeting begins with %d, the plain one with %d", was.ScheduleTag, is(c.Service, plain).ScheduleTag)
			}
			c.must(x.do(c))
			for _, svc := range []*service.Service{c.Service, service.New(c.store, nil, service.Options{})} {
				o := is(svc, x.at)
				got := o.ScheduleTag
				ok := false
				switch x.want {
				case none:
					ok = got == 0 && !strings.Contains(string(o.Data), "ATTENDEE") && !strings.Contains(string(o.Data), "ORGANIZER")
				case same:
					ok = got == was.ScheduleTag
				case another:
					ok = got > was.ScheduleTag && got == o.Change
				default:
					ok = got == 1
				}
				if !ok {
					t.Errorf("the tag was %d and is %d at change %d, want %s\n%s", was.ScheduleTag, got, o.Change, x.want, o.Data)
				}
				_, err := svc.ListObjects(t.Context(), anna, x.at.Calendar, func(l *calendar.Object) error {
					if l.Name == x.at.Name && l.ScheduleTag != got {
						t.Errorf("listed with %d, read with %d", l.ScheduleTag, got)
					}
					return nil
				})
				c.must(err)
			}
		})
	}
}

// Both halves of a series that is divided are scheduling objects, each with a
// tag of its own. RFC 6638 §3.2.10.
func TestRFC6638_3_2_10_DividedSeries(t *testing.T) {
	c := openRecords(t)
	c.put("anna", "m.ics", event("m", "20200101T100000Z", "RRULE:FREQ=DAILY\r\n"+meeting))
	rid, err := ical.ParseDateTime("20260101T100000Z", "", false)
	c.must(err)
	it := setProp("m", "SUMMARY", "changed")
	it.RID, it.Scope = rid, calendar.ThisAndPrior
	res, err := c.EditObject(t.Context(), anna, calendar.EditRequest{Calendar: "anna", Component: "VEVENT", Items: []calendar.EditItem{it}})
	c.must(oneItem(res.Items, err))
	seen := map[int64]bool{}
	_, err = c.ListObjects(t.Context(), anna, "anna", func(o *calendar.Object) error {
		if o.UID != "a" {
			seen[o.ScheduleTag] = true
		}
		return nil
	})
	c.must(err)
	if len(seen) != 2 || seen[0] {
		t.Errorf("tags of the halves: %v", seen)
	}
}

// A write that does not hold what it asks for leaves the tag, and the answer
// to one that does is the next tag to ask for. RFC 6638 §3.2.10.1.
func TestRFC6638_3_2_10_1_Put(t *testing.T) {
	c := openRecords(t)
	tag := ""
	for i, want := range []bool{true, true, false, true} {
		ask := tag
		if !want {
			ask = "s1"
		}
		res, err := c.PutObject(t.Context(), anna, calendar.PutRequest{Ref: refTo("anna", "m.ics"), Data: event("m", "20260110T100000Z", meeting), Precond: calendar.Precond{IfScheduleTag: ask}})
		if (err == nil) != want || !want && calendar.KindOf(err) != calendar.Stale {
			t.Fatalf("PUT %d if %q: %v", i, ask, err)
		}
		if err == nil {
			if tag == res.Object.ScheduleTagValue() {
				t.Errorf("PUT %d leaves the tag %s", i, tag)
			}
			tag = res.Object.ScheduleTagValue()
		}
	}
}
