package service_test

import (
	"context"
	"fmt"
	"math/rand"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"
	"factotum/store/sqlstore"
)

const berlinText = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\n" +
	"DTSTART:19700329T020000\r\nRRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\nBEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\n" +
	"TZOFFSETTO:+0100\r\nTZNAME:CET\r\nDTSTART:19701025T030000\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"

// realistic is an event as people have them: a kilobyte, in a zone, one in
// five a series, of which one in ten has no end.
func realistic(i int) calendar.PutItem {
	r := rand.New(rand.NewSource(int64(i)))
	uid := fmt.Sprintf("meeting-%06d@example.com", i)
	start := time.Date(2022, time.Month(1+r.Intn(60)), 2+r.Intn(26), 8+r.Intn(9), 0, 0, 0, time.UTC)
	body := func(start time.Time, more string) string {
		return "BEGIN:VEVENT\r\nUID:" + uid + "\r\nDTSTAMP:20260101T120000Z\r\nCREATED:20260101T120000Z\r\nLAST-MODIFIED:20260101T120000Z\r\nSEQUENCE:0\r\n" +
			"DTSTART;TZID=Europe/Berlin:" + start.Format("20060102T150405") + "\r\nDTEND;TZID=Europe/Berlin:" + start.Add(time.Hour).Format("20060102T150405") +
			"\r\nTRANSP:OPAQUE\r\n" + more + "SUMMARY:Meeting " + uid + "\r\nLOCATION:Room 7\r\nDESCRIPTION:" +
			strings.Repeat("Agenda and notes are kept in the shared folder; please read them \r\n ", 4) + "\r\nEND:VEVENT\r\n"
	}
	text := body(start, "")
	if k := r.Intn(10); k < 2 {
		freq, count := [2]string{"WEEKLY", "MONTHLY"}[k], fmt.Sprintf(";COUNT=%d", 6+r.Intn(20))
		if r.Intn(10) == 0 {
			count = ""
		}
		moved := start.AddDate(0, 0, 7)
		if k == 1 {
			moved = start.AddDate(0, 1, 0)
		}
		text = body(start, "RRULE:FREQ="+freq+count+"\r\n") +
			body(moved.Add(time.Hour), "RECURRENCE-ID;TZID=Europe/Berlin:"+moved.Format("20060102T150405")+"\r\n")
	}
	data := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nCALSCALE:GREGORIAN\r\n" + berlinText + text + "END:VCALENDAR\r\n"
	return calendar.PutItem{Name: uid + ".ics", Data: []byte(data)}
}

func storeRealistic(t testing.TB, svc *service.Service, who calendar.Actor, id calendar.ID, n int) {
	t.Helper()
	for at := 0; at < n; at += 500 {
		var items []calendar.PutItem
		for i := at; i < min(at+500, n); i++ {
			items = append(items, realistic(i))
		}
		res, err := svc.PutObjects(context.Background(), who, calendar.PutObjectsRequest{Calendar: id, Items: items})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
		}
	}
}

// expandMonth asks for a month as calendar-query with expand does; it returns
// how many objects and octets came.
func expandMonth(t testing.TB, svc *service.Service, who calendar.Actor, id calendar.ID, month int) (n, octets int) {
	t.Helper()
	w := &calendar.Window{From: time.Date(2022, time.Month(1+month), 1, 0, 0, 0, 0, time.UTC), To: time.Date(2022, time.Month(2+month), 1, 0, 0, 0, 0, time.UTC)}
	req := calendar.QueryRequest{Calendar: id, Data: calendar.DataRequest{Expand: w},
		Filter: &calendar.CompFilter{Name: "VCALENDAR", Comps: []calendar.CompFilter{{Name: "VEVENT", TimeRange: w}}}}
	err := svc.Query(context.Background(), who, req, func(o *calendar.Object) error {
		n++
		octets += len(o.Data)
		return nil
	})
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	return n, octets
}

// BenchmarkExpand asks for twelve months of a calendar of 10,000 in turn, with
// the cache that ics.conf has by default; cold, the cache is empty each time.
func BenchmarkExpand(b *testing.B) {
	st, err := sqlstore.OpenSQLite(context.Background(), b.TempDir(), sqlstore.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer st.Close()
	opt := service.Options{CacheBytes: 48 << 20}
	svc := service.New(st, nil, opt)
	id := provision(b, svc, anna)
	storeRealistic(b, svc, anna, id, 10_000)
	b.Run("warm", func(b *testing.B) {
		for i := range 24 {
			expandMonth(b, svc, anna, id, i%12*5)
		}
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			_, n := expandMonth(b, svc, anna, id, i%12*5)
			b.SetBytes(int64(n))
		}
	})
	b.Run("cold", func(b *testing.B) {
		for i := range b.N {
			b.StopTimer()
			svc := service.New(st, nil, opt)
			svc.Calendar(context.Background(), anna, id)
			b.StartTimer()
			expandMonth(b, svc, anna, id, i%12*5)
		}
	})
}
