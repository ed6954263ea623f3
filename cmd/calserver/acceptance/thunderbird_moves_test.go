package acceptance

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// emptyToken is in the body of a sync-collection REPORT that begins from nothing. RFC 6578 §3.2.
var emptyToken = regexp.MustCompile(`<([A-Za-z]+:)?sync-token\s*(/>|>\s*</)`)

// TestThunderbirdMoves moves a user between two back ends, and kills these, while Thunderbird
// and somebody else write to his calendar: what it has stored is stored, both see the same at
// the end, and it begins from nothing once only.
func TestThunderbirdMoves(t *testing.T) {
	if os.Getenv("FACTOTUM_LONG") == "" {
		t.Skip("too heavy for every run: make clients")
	}
	needNames(t)
	s := newMovingSite(t)
	front, err := url.Parse(s.web)
	if err != nil {
		t.Fatal(err)
	}
	var beginnings, unavailable atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(front); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			if r.StatusCode == http.StatusServiceUnavailable {
				unavailable.Add(1)
			}
			return nil
		}}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "REPORT" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			if emptyToken.Match(body) {
				beginnings.Add(1)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		proxy.ServeHTTP(w, r)
	}))
	defer web.Close()

	anna := &mover{t: t, site: s, user: "anna", acked: map[string]string{}, seen: map[string]string{}, client: s.client("anna")}
	anna.write(0)
	b := newThunderbird(t)
	b.subscribe(&host{base: web.URL}, "anna")
	ctx, end := context.WithCancel(t.Context())
	defer end()
	var all sync.WaitGroup
	all.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			anna.write(i)
			pause(ctx, 200*time.Millisecond)
		}
	})
	moves, kills := 0, 0
	all.Go(func() {
		for ; ctx.Err() == nil; pause(ctx, 500*time.Millisecond) {
			from := s.where("anna")
			to := movingBacks[(slices.Index(movingBacks, from)+1)%2]
			if _, err := s.tool("csmove", "-C", s.conf(from), "-q", "-d", to, "-u", "anna", "move"); err == nil {
				moves++
			}
			if moves%4 == 3 {
				s.kill(movingBacks[rand.IntN(2)])
				kills++
			}
		}
	})
	const events = 100
	for i := range events {
		b.run(`
for (const end = Date.now() + 90000; !await item(args[1]); ) {
	try { await mine().addItem(parsed(args[0])); }
	catch (e) {
		if (Date.now() > end) throw e;
		mine().refresh();
		await new Promise(r => { const t = Cc["@mozilla.org/timer;1"].createInstance(Ci.nsITimer); t.initWithCallback({notify: r}, 500, 0); });
	}
}`, event(fmt.Sprintf("bird-%d", i), "20261123T090000Z", "By Thunderbird"), fmt.Sprintf("bird-%d", i))
	}
	end()
	all.Wait()
	want := func() (titles []string) {
		for href := range anna.members() {
			o := anna.client.Get(context.Background(), href)
			uid, summary := regexp.MustCompile(`(?m)^UID:(.*)\r$`).FindSubmatch(o.Data), regexp.MustCompile(`(?m)^SUMMARY:(.*)\r$`).FindSubmatch(o.Data)
			if o.Err != nil || uid == nil || summary == nil {
				t.Fatalf("%s: %v %s", href, o.Err, o.Data)
			}
			titles = append(titles, string(uid[1])+": "+string(summary[1]))
		}
		slices.Sort(titles)
		return titles
	}
	var there []string
	for last := time.Now().Add(time.Minute); ; time.Sleep(time.Second) { // what it has kept for later is stored
		b.run(`mine().refresh()`)
		there = want()
		missing := 0
		for i := range events {
			if !slices.Contains(there, fmt.Sprintf("bird-%d: By Thunderbird", i)) {
				missing++
			}
		}
		if missing == 0 {
			break
		}
		if time.Now().After(last) {
			t.Fatalf("%d of the events that Thunderbird stored are not there: %s", missing, strings.Join(there, ", "))
		}
	}
	b.synced(there...)
	for href, text := range anna.acked {
		if o := anna.client.Get(context.Background(), href); (text == "") != (o.Err != nil) || !strings.Contains(string(o.Data), text) {
			t.Errorf("%s: %v, %q; acknowledged was %q", href, o.Err, o.Data, text)
		}
	}
	if n := beginnings.Load(); n > 1 {
		t.Errorf("Thunderbird began from nothing %d times", n)
	}
	if moves < 3 || kills == 0 {
		t.Errorf("%d moves, %d kills: too few to show anything", moves, kills)
	}
	t.Logf("%d moves, %d kills, %d objects; Thunderbird was answered 503 %d times and began from nothing %d times", moves, kills, len(there), unavailable.Load(), beginnings.Load())
}
