package acceptance

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// A domain whose people are on two back ends has one quota: a back end that starts asks
// the other one what is there, and takes no more than is left.
func TestDomainQuotaOverTwoBackEnds(t *testing.T) {
	needNames(t)
	s := laySiteOfThree(t, func(_, conf string) string { return conf })
	first, second := movingBacks[0], movingBacks[1]
	for _, args := range [][]string{
		{"csdomain", "-C", s.conf(first), "-q", "-a", "quota=8000", "add", "example.com"},
		{"csattribute", "-C", s.conf(first), "-q", "-a", "icsDWPHost=" + second, "add", "ben"},
	} {
		if out, err := s.tool(args...); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	put := func(user string, n int) int {
		t.Helper()
		text := fmt.Sprintf("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VEVENT\r\nUID:%s-%d\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20260901T100000Z\r\nCOMMENT:%s\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
			user, n, strings.Repeat("x", 3000))
		r, err := s.client(user).Send(context.Background(), "PUT", fmt.Sprintf("/dav/calendars/%s/calendar/%d.ics", user, n), text, "Content-Type", "text/calendar; charset=utf-8")
		if err != nil {
			t.Fatal(err)
		}
		return r.Status
	}
	available := regexp.MustCompile(`quota-available-bytes>(\d+)<`)
	rest := func(user string) (n int) {
		t.Helper()
		r, err := s.client(user).Send(context.Background(), "PROPFIND", "/dav/calendars/"+user+"/", `<propfind xmlns="DAV:"><prop><quota-available-bytes/></prop></propfind>`,
			"Content-Type", "text/xml", "Depth", "0")
		if err != nil {
			t.Fatal(err)
		}
		if m := available.FindStringSubmatch(string(r.Body)); m != nil {
			n, _ = strconv.Atoi(m[1])
		}
		return n
	}
	s.start(first)
	s.start(movingFront)
	for n := range 2 {
		if status := put("anna", n); status != http.StatusCreated {
			t.Fatalf("anna %d: %d", n, status)
		}
	}
	left := rest("anna")
	if left < 1000 || left > 2000 {
		t.Fatalf("%d octets are left on the first back end", left)
	}
	s.start(second)
	for end := time.Now().Add(hosttest.Patience); ; time.Sleep(50 * time.Millisecond) {
		n := rest("ben")
		if n == left {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d octets are left on the second back end, and %d on the first", n, left)
		}
	}
	if status := put("ben", 0); status != http.StatusInsufficientStorage {
		t.Errorf("ben, whose domain has no more room: %d", status)
	}
	if status := put("olga@other.example", 0); status != http.StatusCreated {
		t.Errorf("another domain: %d", status)
	}
}
