package front

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A client that leaves while its request waits, its body sent, is noticed.
func TestWhoLeavesIsNoticed(t *testing.T) {
	waiting, gone := make(chan bool), make(chan bool)
	s := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		ReadAhead(r.Context())
		ReadAhead(r.Context()) // does nothing more
		waiting <- true
		<-r.Context().Done()
		gone <- true
	})
	for _, body := range []string{"", "short", strings.Repeat("long ", 10_000)} {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "PROPFIND /dav/ HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		<-waiting
		c.Close()
		select {
		case <-gone:
		case <-time.After(2 * time.Minute):
			t.Fatalf("nobody notices that the client of %d octets has left", len(body))
		}
	}
}

// What was read ahead is what the handler reads, whatever its length.
func TestReadAheadLosesNothing(t *testing.T) {
	s := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		ReadAhead(r.Context())
		data, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Write(data)
	})
	for _, n := range []int{0, 1, 4095, 4096, 4097, aheadBytes - 1, aheadBytes, aheadBytes + 1, 300_000} {
		sent := strings.Repeat("abcdefg", n/7+1)[:n]
		for _, chunked := range []bool{false, true} {
			var body io.Reader = strings.NewReader(sent)
			if chunked {
				body = io.MultiReader(body)
			}
			resp, err := http.Post(s.url+"/dav/", "text/plain", body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || string(got) != sent {
				t.Errorf("%d octets, chunked %v: %d came, %v", n, chunked, len(got), err)
			}
		}
	}
}

// A body that waits for a 100 Continue is not asked for before it is wanted.
func TestReadAheadAsksForNothing(t *testing.T) {
	s := serve(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		ReadAhead(r.Context())
		w.WriteHeader(http.StatusUnauthorized)
	})
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "PUT /dav/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	first := make([]byte, len("HTTP/1.1 401"))
	if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 401" {
		t.Errorf("got %q, %v", first, err)
	}
}
