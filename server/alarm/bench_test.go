package alarm_test

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
	"factotum/server/observe/costtest"
	"factotum/server/service"
	"factotum/server/worker"
	"factotum/store/sqlstore"
)

// BenchmarkFire has alarms of many owners due at one moment: from then until the mail
// of each is stored, durably, with the job of the next alarm. Nobody sends the mails.
func BenchmarkFire(b *testing.B) {
	const owners = 200
	store, err := sqlstore.OpenSQLite(bg, b.TempDir(), sqlstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	people := calendartest.People{}
	for i := range owners {
		maps.Copy(people, calendartest.NewPeople(fmt.Sprint("u", i)))
	}
	var jump atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
	h := &host{jobs: worker.New(store, worker.Options{Now: now})}
	h.Service = service.New(store, people, service.Options{Alarms: service.AlarmOptions{Mail: true}, Outbox: h.jobs, Now: now})
	h.jobs.Handle(calendar.JobAlarm, worker.Kind{Look: h.LookAtAlarm, Deletes: true, Pool: &worker.Pool{Concurrency: 64, Each: 64}})
	done := make(chan struct{})
	h.jobs.Handle(calendar.JobMail, worker.Kind{Pool: &worker.Pool{Concurrency: 1, Each: 1}, Run: func(context.Context, calendar.Job) error { <-done; return nil }})
	if err := h.jobs.Start(bg); err != nil {
		b.Fatal(err)
	}
	for i := range owners {
		h.open(b, fmt.Sprint("u", i))
	}
	start := time.Now().Add(time.Hour)
	for n := 0; n < b.N; {
		owner := fmt.Sprint("u", n%owners)
		var items []calendar.PutItem
		for ; len(items) < 100 && n < b.N; n++ {
			items = append(items, calendar.PutItem{Name: fmt.Sprint("e", n), Data: []byte("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:e" + fmt.Sprint(n) +
				"\r\nDTSTAMP:20000101T000000Z\r\nDTSTART:" + start.UTC().Format("20060102T150405Z") + "\r\nDURATION:PT1H\r\nSUMMARY:x\r\nRRULE:FREQ=WEEKLY\r\n" +
				"BEGIN:VALARM\r\nACTION:EMAIL\r\nTRIGGER:-PT15M\r\nSUMMARY:x\r\nDESCRIPTION:y\r\nEND:VALARM\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")})
		}
		if _, err := h.PutObjects(bg, calendar.Actor{User: owner}, calendar.PutObjectsRequest{Calendar: calendar.ID(owner), Items: items}); err != nil {
			b.Fatal(err)
		}
	}
	b.ResetTimer()
	began, used := time.Now(), costtest.CPU()
	jump.Store(int64(time.Hour))
	for h.Reminded().Mailed < int64(b.N) {
		time.Sleep(time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "alarms/s")
	b.ReportMetric(float64((costtest.CPU()-used).Microseconds())/float64(b.N), "cpu-us/alarm")
	close(done)
	if err := h.jobs.Stop(bg); err != nil {
		b.Fatal(err)
	}
}
