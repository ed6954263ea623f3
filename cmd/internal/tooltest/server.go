package tooltest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"

	"factotum/protocol/caldav"
	"factotum/protocol/sitetest"
	"factotum/server/calendar"
)

// Serve serves a store over CalDAV; the users are those of a site, and their
// password is "secret". requests counts requests by method.
func Serve(t testing.TB, be calendar.Backend) (url string, requests func(method string) int) {
	t.Helper()
	people := sitetest.Staff()
	h := caldav.New(caldav.Options{
		Backend: be, People: people,
		Login: func(ctx context.Context, user, password string, _ netip.Addr) (calendar.Person, error) {
			if password != "secret" {
				return calendar.Person{}, &calendar.Error{Kind: calendar.LoginFailed, Op: "log in"}
			}
			return people.Person(ctx, user)
		},
	})
	var mu sync.Mutex
	counts := map[string]int{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		counts[r.Method]++
		mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func(method string) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[method]
	}
}
