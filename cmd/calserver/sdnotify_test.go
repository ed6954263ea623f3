package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// systemd hears that the service is ready, alive and stopping: sd_notify(3).
func TestNotifySystemd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	ln, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "20000")
	t.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid()))
	hear := func() string {
		t.Helper()
		b := make([]byte, 200)
		ln.SetReadDeadline(time.Now().Add(hosttest.Patience))
		n, err := ln.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	sdNotify("READY=1", "STATUS=serving")
	if got := hear(); got != "READY=1\nSTATUS=serving" {
		t.Errorf("at the start: %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go sdWatchdog(ctx, func() bool { return true })
	if got := hear(); got != "WATCHDOG=1" {
		t.Errorf("alive: %q", got)
	}
	cancel()
	t.Setenv("NOTIFY_SOCKET", "")
	sdNotify("STOPPING=1") // to nobody
}
