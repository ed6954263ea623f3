package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"factotum/server/config"
)

// Who asks a process that is about to start, as status does, waits until there is
// something to tell of, and is answered then.
func TestAdminWaitsForItsProcess(t *testing.T) {
	cfg := config.Default()
	cfg.Local.PIDDir, cfg.Admin.Listen = t.TempDir(), "127.0.0.1:0"
	h, _ := testHealth(t, cfg)
	p := h.p
	p.name = "calserver"
	a, err := openAdmin(p)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(network, address, path string) (string, error) {
		client := http.Client{Timeout: 100 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		}}}
		if p.admin != nil {
			client.Timeout = patience
		}
		resp, err := client.Get("http://admin" + path)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		return string(text), err
	}
	socket, err := socketPath(adminSocket(cfg, p.name))
	if err != nil {
		t.Fatal(err)
	}
	for network, address := range map[string]string{"unix": socket, "tcp": a.addr.String()} {
		if text, err := ask(network, address, "/metrics"); err == nil {
			t.Errorf("%s: answered before there is a process: %s", network, text)
		}
	}
	p.admin = a
	a.serve()
	defer a.close(t.Context())
	if text, err := ask("unix", socket, "/status"); err != nil || !strings.Contains(text, a.addr.String()) {
		t.Errorf("status: %v, %s", err, text)
	}
	if text, err := ask("tcp", a.addr.String(), "/healthz"); err != nil || text != "ok\n" {
		t.Errorf("healthz: %v, %q", err, text)
	}
}
