package itip

import (
	"fmt"
	"testing"
	"time"

	"factotum/server/ical"
	"factotum/server/observe/costtest"
)

// costs reports the CPU that is used until what it returns is called, whoever
// else uses the machine.
func costs(b *testing.B) func() {
	b.ReportAllocs()
	was := costtest.CPU()
	return func() { b.ReportMetric(float64((costtest.CPU()-was).Microseconds())/1000/float64(b.N), "cpu-ms/op") }
}

// hugeSeries is an hourly series with n exceptions, each with a line of its own
// for both attendees.
func hugeSeries(t testing.TB, n int) *ical.Component {
	o := meet(t, []string{"ben", "carl"}, "DTSTART:20260101T000000Z", "DTEND:20260101T003000Z", fmt.Sprint("RRULE:FREQ=HOURLY;COUNT=", n), "SUMMARY:x")
	master := o.Child("VEVENT")
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		c := master.Clone()
		c.Del("RRULE")
		at := start.Add(time.Duration(i) * time.Hour)
		c.Set("RECURRENCE-ID", at.Format("20060102T150405Z"))
		c.Set("DTSTART", at.Format("20060102T150405Z"))
		c.Set("DTEND", at.Add(30*time.Minute).Format("20060102T150405Z"))
		c.SetText("SUMMARY", fmt.Sprint("x ", i))
		o.AddChild(c)
	}
	return o
}

// What a series of ten thousand exceptions costs on its way: written, moved,
// received and answered. Issue: never more than 250 ms.
func BenchmarkHugeSeries(b *testing.B) {
	o := hugeSeries(b, 10_000)
	p, to := newWorld(b).party("anna"), newWorld(b).party("ben")
	first, err := p.Organize(nil, o)
	if err != nil {
		b.Fatal(err)
	}
	moved := first.Object.Clone()
	moved.Child("VEVENT").Set("LOCATION", "Room")
	one := first.Object.Clone()
	one.Children[100].Set("LOCATION", "Room")
	second, err := p.Organize(first.Object, moved)
	if err != nil {
		b.Fatal(err)
	}
	copy := to.Receive(nil, Message{Calendar: first.Messages[0].Calendar}).Object
	answered := copy.Clone()
	for _, c := range answered.Children {
		attendee(c, to.Owner.HasAddress).SetParam("PARTSTAT", "ACCEPTED")
	}
	reply, err := to.Attend(copy, answered, true)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("new", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			p.Organize(nil, o)
		}
	})
	b.Run("change", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			p.Organize(first.Object, moved)
		}
	})
	b.Run("change-one", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			p.Organize(first.Object, one)
		}
	})
	b.Run("delete", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			p.Organize(first.Object, nil)
		}
	})
	b.Run("receive", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			to.Receive(nil, Message{Calendar: first.Messages[0].Calendar})
		}
	})
	b.Run("receive-change", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			to.Receive(copy, Message{Calendar: second.Messages[0].Calendar})
		}
	})
	b.Run("attend", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			to.Attend(copy, answered, true)
		}
	})
	b.Run("reply", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			p.Receive(first.Object, Message{Calendar: reply.Messages[0].Calendar})
		}
	})
	b.Run("tell", func(b *testing.B) {
		r := p.Receive(first.Object, Message{Calendar: reply.Messages[0].Calendar})
		defer costs(b)()
		for b.Loop() {
			p.Tell(first.Object, r.Object)
		}
	})
	b.Run("parse", func(b *testing.B) {
		text := first.Object.Bytes()
		b.SetBytes(int64(len(text)))
		defer costs(b)()
		for b.Loop() {
			ical.Parse(text, ical.Limits{})
		}
	})
	b.Run("print", func(b *testing.B) {
		defer costs(b)()
		for b.Loop() {
			first.Object.Bytes()
		}
	})
}
