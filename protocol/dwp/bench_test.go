package dwp

import (
	"factotum/protocol/dwp/internal/wire"
	"fmt"
	"google.golang.org/protobuf/proto"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// BenchmarkBackend compares a direct call with one over a unix socket and one
// over TLS on loopback, in one run:
//
//	go test -run '^$' -bench Backend ./protocol/dwp
func BenchmarkBackend(b *testing.B) {
	people := calendartest.NewPeople("anna")
	who := people.Actor("anna")
	service := newService(people)
	if _, err := service.Home(b.Context(), who, calendar.HomeRequest{Owner: "anna"}); err != nil {
		b.Fatal(err)
	}
	var items []calendar.PutItem
	for i := range 1000 {
		items = append(items, calendar.PutItem{Name: fmt.Sprintf("e%04d.ics", i), Data: fmt.Appendf(nil,
			"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:e%04d\r\nDTSTAMP:20260101T000000Z\r\n"+
				"DTSTART:20260901T090000Z\r\nDTEND:20260901T100000Z\r\nDESCRIPTION:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", i, strings.Repeat("words ", 200))})
	}
	if _, err := service.PutObjects(b.Context(), who, calendar.PutObjectsRequest{Calendar: "anna", Items: items}); err != nil {
		b.Fatal(err)
	}
	for _, be := range []struct {
		name string
		calendar.Backend
	}{
		{"Direct", service},
		{"Unix", newLink().open(b, service)},
		{"TLS", tlsLink(b, newAuthority(b)).open(b, service)},
	} {
		b.Run("Object/"+be.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := be.Object(b.Context(), who, calendar.Ref{Calendar: "anna", Name: "e0500.ics"}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Put/"+be.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := be.PutObject(b.Context(), who, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: "e0500.ics"}, Data: items[500].Data}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("List1000/"+be.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				_, err := be.ListObjects(b.Context(), who, "anna", func(*calendar.Object) error { n++; return nil })
				if err != nil || n != 1000 {
					b.Fatal(n, err)
				}
			}
		})
		b.Run("Query1000/"+be.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				err := be.Query(b.Context(), who, calendar.QueryRequest{Calendar: "anna"}, func(*calendar.Object) error { n++; return nil })
				if err != nil || n != 1000 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// BenchmarkPages is what a list of a thousand objects costs to pack and to read,
// and what it costs as messages.
func BenchmarkPages(b *testing.B) {
	var objs []*calendar.Object
	for i := range 1000 {
		uid := fmt.Sprintf("6F9619FF-8B86-D011-B42D-00CF4FC9%04d", i)
		objs = append(objs, &calendar.Object{Calendar: "anna", Name: uid + ".ics", UID: uid, Component: "VEVENT", Change: int64(100 + i), ScheduleTag: int64(100 + i),
			Created: time.UnixMicro(1_780_000_000_000_000 + int64(i)*1e6), Modified: time.UnixMicro(1_780_000_000_000_000 + int64(i)*1e6), Size: 700 + i%100})
	}
	none := func(*calendar.Object) error { return nil }
	b.Run("Packed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			p := newPacker(func(page *wire.Page) error { return takePageObjects(b.Context(), page, none) })
			for _, o := range objs {
				if err := p.object(o); err != nil {
					b.Fatal(err)
				}
			}
			if err := takePageObjects(b.Context(), p.rest(), none); err != nil {
				b.Fatal(err)
			}
			p.free()
		}
	})
	b.Run("Messages", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var list batch[wire.Object]
			list.send = func(items []*wire.Object) error {
				text, err := proto.Marshal(&wire.ListObjectsAnswer{Objects: items})
				if err != nil {
					return err
				}
				var m wire.ListObjectsAnswer
				if err := proto.Unmarshal(text, &m); err != nil {
					return err
				}
				return takeObjects(m.Objects, none)
			}
			for _, o := range objs {
				if err := list.add(toObject(o), 0); err != nil {
					b.Fatal(err)
				}
			}
			if err := list.flush(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
