package acceptance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// dial opens a plain connection.
func (h *host) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(h.base, "http://"))
	if err != nil {
		t.Error(err)
		c, _ = net.Pipe() // which nobody answers at
		c.Close()
	}
	return c
}

// raw sends octets and reads answers until the server closes the connection,
// which it does for those who have nothing more to say.
func (h *host) raw(t testing.TB, octets string) []*http.Response {
	t.Helper()
	c := h.dial(t)
	defer c.Close()
	c.SetDeadline(time.Now().Add(hosttest.Patience))
	go io.WriteString(c, octets)
	b, _ := io.ReadAll(c)
	var out []*http.Response
	in := bufio.NewReader(bytes.NewReader(b))
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return out
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if resp.StatusCode >= 200 {
			out = append(out, resp)
		}
	}
}

// Requests whose end is disputable: whatever a proxy in front would take for
// the body of the first request must not be taken for a second one.
func TestRequestSmuggling(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	auth := "Authorization: " + basic("anna", password("anna")) + "\r\n"
	// %N is the number of the case: each has a witness of its own.
	hidden := "DELETE " + cal("anna") + "witness-%N.ics HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n"
	put := "PUT " + cal("anna") + "s.ics HTTP/1.1\r\nHost: x\r\n" + auth
	chunk := func(s string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(s), s) }
	cases := map[string]string{
		"length and chunks":            put + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", 5+len(hidden), hidden),
		"chunks and length":            put + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + chunk("x") + "0\r\n\r\n" + hidden,
		"two lengths":                  put + fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n%s", len(hidden), hidden),
		"a list of lengths":            put + fmt.Sprintf("Content-Length: 0, %d\r\n\r\n%s", len(hidden), hidden),
		"a length with a sign":         put + "Content-Length: +0\r\n\r\n" + hidden,
		"a negative length":            put + "Content-Length: -1\r\n\r\n" + hidden,
		"a length in hexadecimal":      put + "Content-Length: 0x0\r\n\r\n" + hidden,
		"a length too large":           put + "Content-Length: 99999999999999999999\r\n\r\n" + hidden,
		"a length with a blank before": put + "Content-Length : 0\r\n\r\n" + hidden,
		"an unknown coding":            put + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
		"two codings":                  put + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"a coding on a folded line":    put + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a coding with a tab":          put + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
		"a blank before the colon":     put + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a bad chunk size":             put + "Transfer-Encoding: chunked\r\n\r\nzz\r\n" + hidden,
		"a huge chunk size":            put + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n" + hidden,
		"a chunk that is too short":    put + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc\r\n0\r\n\r\n" + hidden,
		"a chunk without its line end": put + "Transfer-Encoding: chunked\r\n\r\n1\r\nx0\r\n\r\n" + hidden,
		"chunk extensions without end": put + "Transfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("a", 100_000) + "\r\nx\r\n0\r\n\r\n" + hidden,
		"chunks in HTTP/1.0":           strings.Replace(put, "HTTP/1.1", "HTTP/1.0", 1) + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a bare CR in a header":        put + "X: a\rContent-Length: 0\r\n\r\n" + hidden,
		"a NUL in a header":            put + "X: a\x00b\r\nContent-Length: 0\r\n\r\n" + hidden,
		"a header without a colon":     put + "X\r\nContent-Length: 0\r\n\r\n" + hidden,
		"a blank in the path":          "PUT /a b HTTP/1.1\r\nHost: x\r\n" + auth + "\r\n" + hidden,
		"no host":                      "PUT " + cal("anna") + "s.ics HTTP/1.1\r\n" + auth + "Content-Length: 0\r\n\r\n" + hidden,
		"two hosts":                    "PUT " + cal("anna") + "s.ics HTTP/1.1\r\nHost: x\r\nHost: y\r\n" + auth + "Content-Length: 0\r\n\r\n" + hidden,
		"HTTP/0.9":                     "GET /\r\n\r\n" + hidden,
		"HTTP/3.0":                     "GET / HTTP/3.0\r\nHost: x\r\n\r\n" + hidden,
		"a bad version":                "GET / HTTP/1.1x\r\nHost: x\r\n\r\n" + hidden,
		"an upgrade":                   "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\nContent-Length: 1\r\n\r\n",
		"a CONNECT":                    "CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n" + auth + "Content-Length: 3\r\n\r\n",
		"TLS":                          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 500),
		"a header without end":         put + "X: " + strings.Repeat("x", 300_000),
		"headers without end":          put + strings.Repeat("X: y\r\n", 100_000),
		"a path without end":           "GET /" + strings.Repeat("x", 300_000),
		"noise":                        strings.Repeat("\x00\xff\r\n", 50_000),
	}
	names := slices.Sorted(maps.Keys(cases))
	for i := range names {
		x.do(t, "anna", "PUT", fmt.Sprintf("%switness-%02d.ics", cal("anna"), i), event(fmt.Sprint("witness", i), "20260301T100000Z", "x")).is(201)
	}
	x.before = x.look(t)
	// All at a time, since some are ended by the server's patience alone.
	x.frugal(t, "all broken requests together", func() {
		var wg sync.WaitGroup
		for i, name := range names {
			octets := strings.ReplaceAll(cases[name], "%N", fmt.Sprintf("%02d", i))
			wg.Go(func() {
				answers := x.raw(t, octets)
				if len(answers) > 1 {
					t.Errorf("%s: %d answers", name, len(answers))
				}
				for _, a := range answers {
					ok := a.StatusCode >= 400 && a.StatusCode < 500 || a.StatusCode == 501 || a.StatusCode == 505
					// A GET of the page at / is harmless, with whatever it came.
					if !ok && !(name == "an upgrade" && a.StatusCode == 200) {
						t.Errorf("%s: %s", name, a.Status)
					}
				}
			})
		}
		wg.Wait()
	})
	for i, name := range names {
		if r := x.do(t, "anna", "GET", fmt.Sprintf("%switness-%02d.ics", cal("anna"), i), ""); r.status != 200 {
			t.Errorf("%s: the request behind it was obeyed", name)
		}
	}
	x.survived(t)
	// Bare LFs are line ends to a lenient reader, as RFC 9112 §2.2 lets it;
	// what counts is that both sides agree where the request ends.
	if a := x.raw(t, strings.ReplaceAll(put, "\r\n", "\n")+"Content-Length: 1\n\nx"); len(a) != 1 || a[0].StatusCode != 403 {
		t.Errorf("bare LFs: %d answers", len(a))
	}
	x.survived(t)
}

// Requests one behind the other on a connection are answered in order.
func TestPipelining(t *testing.T) {
	t.Parallel()
	x := newTarget(t)
	req := "GET " + cal("anna") + "witness.ics HTTP/1.1\r\nHost: x\r\nAuthorization: " + basic("anna", password("anna")) + "\r\n"
	answers := x.raw(t, req+"\r\n"+strings.Replace(req, "witness", "none", 1)+"\r\n"+req+"Connection: close\r\n\r\n"+req+"\r\n")
	var got []int
	for _, a := range answers {
		got = append(got, a.StatusCode)
	}
	if fmt.Sprint(got) != "[200 404 200]" {
		t.Errorf("answers %v", got)
	}
	x.survived(t)
}
