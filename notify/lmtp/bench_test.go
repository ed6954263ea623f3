package lmtp

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	smtp "github.com/emersion/go-smtp"

	"factotum/protocol/sitetest"
	"factotum/server/calendar"
	"factotum/server/calendar/calendartest"
)

// BenchmarkReply is the time from the end of a mail with an answer until the listener
// says that it is applied: read, believed, written to the organizer's object and
// journal, and synced to the disk.
func BenchmarkReply(b *testing.B) {
	people := calendartest.NewPeople("anna")
	site := sitetest.New(b, sitetest.Options{Durable: true, People: people, Scheduling: true, Mails: true})
	text := "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:u\r\nDTSTAMP:20250101T000000Z\r\nDTSTART:20300107T100000Z\r\nSUMMARY:Plans\r\n" +
		"ORGANIZER:mailto:anna@example.com\r\nATTENDEE;PARTSTAT=ACCEPTED:mailto:anna@example.com\r\nATTENDEE:mailto:zoe@far.example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	ref := calendar.Ref{Calendar: "anna", Name: "u.ics"}
	if _, err := site.Backend.PutObject(b.Context(), people.Actor("anna"), calendar.PutRequest{Ref: ref, Data: []byte(text)}); err != nil {
		b.Fatal(err)
	}
	site.Settle()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := NewServer(Options{Host: "mx.example.com", LMTP: true}, &Intake{Backend: site.Backend, People: people, ServID: "mx.example.com", Log: slog.New(slog.DiscardHandler)})
	go server.Serve(ln)
	defer server.Shutdown(b.Context())
	conn, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	client := smtp.NewClientLMTP(conn)
	defer client.Close()
	said := func(n int) string { return []string{"ACCEPTED", "DECLINED"}[n%2] }
	sent := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	n := 0
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		n++
		mail := strings.NewReplacer("ACCEPTED", said(n), "<1@", fmt.Sprintf("<%d@", n), "20260101T000000Z", sent.Add(time.Duration(n)*time.Second).Format("20060102T150405Z")).Replace(reply[:len(reply)-3])
		if err := client.Mail("zoe@far.example", nil); err != nil {
			b.Fatal(err)
		}
		if err := client.Rcpt("anna@example.com", nil); err != nil {
			b.Fatal(err)
		}
		w, err := client.Data()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write([]byte(mail)); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	o, err := site.Backend.Object(b.Context(), people.Actor("anna"), ref)
	if err != nil || !strings.Contains(string(o.Data), "PARTSTAT="+said(n)) {
		b.Errorf("the last answer is not there: %v\n%s", err, o.Data)
	}
}
