package ens_test

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"factotum/notify/broker"
	"factotum/notify/bus"
	"factotum/notify/ens"
	"factotum/protocol/wcap"
	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

// BenchmarkPut is what a PUT costs the model with nothing published, with the feed
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
	sub, err := pub.Subscribe(calendar.EventRef{Topic: "enp:///factotum/changes/*"}, func(calendar.Publication) {}) // a front end
	if err != nil {
		b.Fatal(err)
	}
	defer sub.Close()
	for pub.Err() != nil {
		time.Sleep(time.Millisecond)
	}
	anna := calendar.Actor{User: "anna", Mail: "anna@example.com", Via: "caldav"}
	var models []*service.Service
	for _, mode := range modes {
		store, err := sqlstore.OpenSQLite(b.Context(), filepath.Join(b.TempDir(), "cal.db"), sqlstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		defer store.Close()
		opt := service.Options{}
		if mode != "nothing" {
			topics := map[string]ens.Topic{}
			if mode == "topics" {
				topics["createevent"] = ens.Topic{URL: "enp:///ics/caleventcreate", ContentType: "text/xml"}
			}
			p := ens.New(ens.Options{Topics: topics, Print: wcap.Print, Publish: func(p calendar.Publication) error { return pub.Publish(context.Background(), p) }})
			defer p.Close()
			opt.Committed = p.Committed
		}
		models = append(models, service.New(store, nil, opt))
	}
	spent := make([]time.Duration, len(modes))
	n := 0
	put := func(i int) {
		data := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//bench//EN\r\nBEGIN:VEVENT\r\nUID:u%[1]d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T100000Z\r\nDTEND:20260901T110000Z\r\nSUMMARY:Meeting %[1]d\r\nLOCATION:Room 7\r\nDESCRIPTION:What is to be talked about\\, and by whom\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n", n)
		n++
		_, err := models[i].PutObject(context.Background(), anna, calendar.PutRequest{Ref: calendar.Ref{Calendar: "anna", Name: fmt.Sprintf("%d.ics", n)}, Data: []byte(data)})
		if err != nil {
			b.Fatal(err)
		}
	}
	for i := range modes {
		put(i) // makes the home
	}
	const turn = 50
	time.Sleep(time.Second)
	told := pub.Stat().Published
	for b.Loop() {
		for i := range modes {
			before := used()
			for range turn {
				put(i)
			}
			for told += int64(i * turn); pub.Stat().Published < told; { // until all of it has been paid for
				time.Sleep(20 * time.Millisecond) // seldom: looking costs time too
			}
			spent[i] += used() - before
		}
	}
	for i, mode := range modes {
		b.ReportMetric(float64(spent[i].Microseconds())/float64(turn*b.N), "cpu-us/"+mode)
	}
	b.ReportMetric(100*(float64(spent[1])/float64(spent[0])-1), "%feed")
	b.ReportMetric(100*(float64(spent[2])/float64(spent[0])-1), "%topics")
}

// used is the processor time that this process had.
func used() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
