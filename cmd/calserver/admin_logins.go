package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"factotum/server/config"
	"factotum/server/directory"
)

// logins are those of the front end in this process, nil without one.
func (a *adminServer) logins() *directory.Logins {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	if r := a.p.running["http"]; r != nil {
		return r.running.(*httpService).logins
	}
	return nil
}

// withLogins answers with what do says of the log-ins of a user, of an address,
// or of both.
func (a *adminServer) withLogins(do func(l *directory.Logins, user string, addr netip.Addr) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l := a.logins()
		if l == nil {
			http.Error(w, "cshttpd does not run in this process", http.StatusConflict)
			return
		}
		q := r.URL.Query()
		addr, err := netip.ParseAddr(q.Get("address"))
		if err != nil && q.Has("address") {
			http.Error(w, "that is no address", http.StatusBadRequest)
			return
		}
		answerJSON(w, do(l, q.Get("user"), addr))
	}
}

// unlocked is the answer to an order to end waits.
type unlocked struct {
	Ended int `json:"ended"`
}

func (a *adminServer) loginHandlers(mux *http.ServeMux) {
	mux.HandleFunc("GET /logins/locked", a.withLogins(func(l *directory.Logins, _ string, _ netip.Addr) any { return l.Lockouts() }))
	mux.HandleFunc("POST /logins/unlock", a.withLogins(func(l *directory.Logins, user string, addr netip.Addr) any {
		return unlocked{l.Unlock(user, addr)}
	}))
	mux.HandleFunc("POST /logins/forget", a.withLogins(func(l *directory.Logins, user string, _ netip.Addr) any {
		l.Forget(user)
		return struct{}{}
	}))
}

// callFront asks the front end of this host.
func callFront(ctx context.Context, cfg *config.Config, method, path string, q url.Values, out any) error {
	for _, name := range []string{"cshttpd", "calserver"} {
		if err := callAdmin(ctx, adminSocket(cfg, name), method, path+"?"+q.Encode(), out); !errors.Is(err, errNotRunning) {
			return err
		}
	}
	return fmt.Errorf("cshttpd %w on this host", errNotRunning)
}
