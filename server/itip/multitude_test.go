package itip

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/ical"
)

// TestMultitudes: what costs the product of two large numbers is refused with
// what to mend, or told in another way. Nothing takes more than a few times the
// memory of the largest object.
func TestMultitudes(t *testing.T) {
	const many = 5000
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	hour := func(i int) string { return start.Add(time.Duration(i) * time.Hour).Format("20060102T150405Z") }
	series := func(with []string) *ical.Component {
		return meet(t, with, "DTSTART:"+hour(0), "DTEND:"+hour(1), fmt.Sprint("RRULE:FREQ=HOURLY;COUNT=", many), "SUMMARY:x")
	}
	people := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprint("p", i))
		}
		return all
	}
	except := func(o *ical.Component, i int, edit func(c *ical.Component)) {
		c := ical.New("VEVENT")
		for _, p := range o.Child("VEVENT").Props {
			if p.Name != "ATTENDEE" && p.Name != "RRULE" {
				c.Add(p)
			}
		}
		for _, n := range []string{"RECURRENCE-ID", "DTSTART"} {
			c.Set(n, hour(i))
		}
		c.Set("DTEND", hour(i+1))
		edit(c)
		o.AddChild(c)
	}
	only := func(c *ical.Component, who string, more ...ical.Param) {
		c.Del("ATTENDEE")
		c.Add(ical.Property{Name: "ATTENDEE", Value: mail(who), Params: more})
	}
	exdates := func(o *ical.Component) *ical.Component {
		var all []string
		for i := range many {
			all = append(all, hour(i))
		}
		o = o.Clone()
		o.Child("VEVENT").Set("EXDATE", strings.Join(all[1:], ","))
		return o
	}
	crowd := append([]string{"ben"}, people(many)...)
	// Made outside of what is measured.
	roster := series(nil)
	for i := range many {
		except(roster, i, func(c *ical.Component) { only(c, fmt.Sprint("p", i)) })
	}
	sieve := series(people(400))
	for i := range 400 {
		except(sieve, i, func(c *ical.Component) {
			for a := range sieve.Child("VEVENT").All("ATTENDEE") {
				if a.Value != mail(fmt.Sprint("p", i)) {
					c.Add(*a)
				}
			}
		})
	}
	meeting := series(crowd)
	anna, ben := newWorld(t).party("anna"), newWorld(t).party("ben")
	sent, err := anna.Organize(nil, meeting)
	if err != nil {
		t.Fatal(err)
	}
	copy := ben.Receive(nil, Message{Calendar: sent.Messages[0].Calendar}).Object
	accepted := ical.Param{Name: "PARTSTAT", Values: []string{"ACCEPTED"}}
	answered := copy.Clone()
	for i := range many {
		except(answered, i, func(c *ical.Component) { only(c, "ben", accepted) })
	}
	reply := ical.NewCalendar("-//x//EN")
	reply.Set("METHOD", "REPLY")
	for i := range many {
		c := ical.New("VEVENT")
		c.Set("UID", meeting.Child("VEVENT").Value("UID"))
		c.Set("DTSTAMP", hour(0))
		c.Set("RECURRENCE-ID", hour(i))
		c.Set("ORGANIZER", mail("anna"))
		only(c, "ben", accepted)
		reply.AddChild(c)
	}
	delegated := ical.NewCalendar("-//x//EN")
	delegated.Set("METHOD", "REPLY")
	one := reply.Children[0].Clone()
	one.Del("RECURRENCE-ID")
	to := ical.Param{Name: "DELEGATED-TO"}
	for i := range many {
		to.Values = append(to.Values, mail(fmt.Sprint("q", i)))
	}
	only(one, "ben", ical.Param{Name: "PARTSTAT", Values: []string{"DELEGATED"}}, to)
	delegated.AddChild(one)

	refused := func(err error, want calendar.Reason) {
		t.Helper()
		if calendar.KindOf(err) != calendar.TooLarge || calendar.ReasonOf(err) != want || calendar.MessageOf(err) == "" {
			t.Errorf("the error is %v, want %s", err, want)
		}
	}
	for _, c := range []struct {
		what string
		do   func(t *testing.T)
	}{
		{"each exception invites somebody else", func(t *testing.T) {
			ch, err := anna.Organize(nil, roster)
			if err != nil || len(ch.Messages) != many || len(ch.Messages[7].Calendar.Children) != 1 {
				t.Errorf("%d messages, %v", len(ch.Messages), err)
			}
		}},
		{"each exception leaves out somebody else", func(t *testing.T) {
			_, err := anna.Organize(nil, sieve)
			refused(err, calendar.MaxAttendees)
		}},
		{"and can be removed", func(t *testing.T) {
			if _, err := anna.Organize(sieve, nil); err != nil {
				t.Error(err)
			}
		}},
		{"its organizer takes most of it out", func(t *testing.T) {
			ch, err := anna.Organize(sent.Object, exdates(sent.Object))
			if err != nil || len(ch.Messages) != 1 || ch.Messages[0].Method != Request || len(ch.Messages[0].To) != len(crowd) {
				t.Errorf("%d messages, %v", len(ch.Messages), err)
			}
		}},
		{"an attendee takes most of it out", func(t *testing.T) {
			ch, err := ben.Attend(copy, exdates(copy), true)
			if err != nil || len(ch.Messages) != 1 || len(ch.Messages[0].Calendar.Children) != many-1 || ch.Messages[0].Calendar.Children[5].Count("ATTENDEE") != 1 {
				t.Errorf("%d messages, %v", len(ch.Messages), err)
			}
		}},
		{"an attendee answers instance by instance", func(t *testing.T) {
			_, err := ben.Attend(copy, answered, true)
			refused(err, calendar.MaxResourceSize)
		}},
		{"so does a reply", func(t *testing.T) {
			r := anna.Receive(sent.Object, Message{Calendar: reply, From: mail("ben")})
			if r.Reason != TooMuch || r.Changed {
				t.Errorf("%v, changed %v", r.Reason, r.Changed)
			}
		}},
		{"he sends thousands in his place", func(t *testing.T) {
			r := anna.Receive(sent.Object, Message{Calendar: delegated, From: mail("ben")})
			if r.Reason != Delegated || r.Object.Child("VEVENT").Count("ATTENDEE") > len(crowd)+mostDeputies+1 {
				t.Errorf("%v", r.Reason)
			}
		}},
		{"an answer in a crowd", func(t *testing.T) {
			said := copy.Clone()
			attendee(said.Child("VEVENT"), ben.Owner.HasAddress).SetParam("PARTSTAT", "ACCEPTED")
			if ch, err := ben.Attend(copy, said, true); err != nil || len(ch.Messages) != 1 {
				t.Errorf("%d messages, %v", len(ch.Messages), err)
			}
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			c.do(t)
			runtime.ReadMemStats(&after)
			if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 100 {
				t.Errorf("%d MiB were allocated", took)
			}
		})
	}
}
