package ens_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"factotum/notify/broker"
	"factotum/notify/bus"
	"factotum/notify/ens"
	"factotum/protocol/caldav"
	"factotum/protocol/sitetest"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/observe/costtest"
)

// BenchmarkPut is what a PUT costs CalDAV and all behind it, but for the connection, with nothing published, with the feed
// of the front ends, and with Sun's topics besides: the processor time of the whole
// process, publisher and broker among it. The three take turns, so that what else
// the machine does is the same for all.
func BenchmarkPut(b *testing.B) {
	modes := []string{"nothing", "feed", "topics"}
	const secret = "a secret of this benchmark"
	br, err := broker.Start(broker.Options{Name: "bench", Host: "127.0.0.1", Dir: b.TempDir(), Secret: secret})
	if err != nil {
		b.Fatal(err)
	}
	defer br.Stop()
	pub, err := bus.Connect(bus.Options{InProcess: br, User: broker.User, Password: secret})
	if err != nil {
		b.Fatal(err)
	}
	defer pub.Close(context.Background())
	var heard atomic.Int64
	sub, err := pub.Subscribe(calendar.EventRef{Topic: ens.Feed}, func(p calendar.Publication) { // a front end
		events, err := ens.ParseFeed(p)
		if err != nil {
			b.Error(err)
		}
		heard.Add(int64(len(events)))
	})
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close()
	for pub.Err() != nil {
		time.Sleep(time.Millisecond)
	}
	var fronts []http.Handler
	for _, mode := range modes {
		opt := sitetest.Options{Durable: true}
		if mode != "nothing" {
			topics := map[string]ens.Topic{}
			if mode == "topics" {
				topics["createevent"] = ens.Topic{URL: "enp:///ics/caleventcreate", ContentType: "text/xml"}
			}
			p := ens.New(ens.Options{Topics: topics, Print: wcap.Print, Publish: func(p ...calendar.Publication) error { return pub.Publish(context.Background(), p...) }})
			defer p.Close()
			opt.Model.Committed = p.Committed
		}
		site := sitetest.New(b, opt)
		fronts = append(fronts, caldav.New(caldav.Options{Backend: site.Backend, People: site.People, Login: site.Login}))
	}
	spent := make([]time.Duration, len(modes))
	n := 0
	put := func(i int) {
		data := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:u%[1]d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T100000Z\r\nDTEND:20260901T110000Z\r\nSUMMARY:Meeting %[1]d\r\nLOCATION:Room 7\r\nDESCRIPTION:What is to be talked about\\, and by whom\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", n)
		n++
		sitetest.DAV(b, fronts[i], "anna", "PUT", fmt.Sprintf("/dav/calendars/anna/calendar/%d.ics", n), data, http.StatusCreated)
	}
	for i := range modes {
		put(i) // makes the home
	}
	const turn = 200
	time.Sleep(time.Second)
	told := heard.Load()
	for b.Loop() {
		for i := range modes {
			before := costtest.CPU()
			for range turn {
				put(i)
			}
			if i > 0 {
				told += turn
			}
			for heard.Load() < told { // until all of it has been paid for; the feed comes last
				time.Sleep(20 * time.Millisecond) // seldom: looking costs time too
			}
			spent[i] += costtest.CPU() - before
		}
	}
	for i, mode := range modes {
		b.ReportMetric(float64(spent[i].Microseconds())/float64(turn*b.N), "cpu-us/"+mode)
	}
	b.ReportMetric(100*(float64(spent[1])/float64(spent[0])-1), "%feed")
	b.ReportMetric(100*(float64(spent[2])/float64(spent[0])-1), "%topics")
}
