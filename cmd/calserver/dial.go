package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"factotum/protocol/dwp"
	"factotum/server/calendar"
	"factotum/server/config"
)

// hostName is the name this host goes by: local.hostname, or the system's.
func hostName(cfg *config.Config) string {
	if cfg.Local.Hostname != "" {
		return strings.ToLower(cfg.Local.Hostname)
	}
	name, err := os.Hostname()
	if err != nil || name == "" || net.ParseIP(name) != nil {
		return "localhost"
	}
	return strings.ToLower(name)
}

// localDial is how long csstored on this host may take to accept: it is there, or the socket
// would refuse at once, and nobody else could be asked. On a machine that has much else to do a
// second is too little.
const localDial = 10 * time.Second

// openStore connects to this host's csstored, as the tools and the roles in
// processes of their own do. The error says what to do where it does not run.
func openStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (*dwp.Client, error) {
	path, err := socketPath(cfg.Store.Socket)
	if err != nil {
		return nil, err
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
	} else if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, &calendar.Error{Kind: calendar.Unavailable, Op: "open the store", Err: err,
			Msg: fmt.Sprintf("csstored is not running (no answer at %s): start it with \"start-cal store\", or everything with \"start-cal\"", cfg.Store.Socket)}
	} else {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	client, err := dwp.NewClient(dwp.ClientOptions{
		Host: hostName(cfg), Address: "unix:" + path, Timeout: cfg.DWP.Timeout, DialTimeout: localDial, Silence: cfg.DWP.Silence, Logger: log,
	})
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	if _, err := client.Hello(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("open the store: %w", err)
	}
	return client, nil
}

// maxSocketPath is the longest name of a unix socket (sun_path).
const maxSocketPath = 107

// socketPath gives a name for a unix socket that the system takes: one that is
// too long is reached through a descriptor of its directory, which stays open
// for as long as the program runs.
func socketPath(path string) (string, error) {
	if len(path) <= maxSocketPath {
		return path, nil
	}
	fd, err := syscall.Open(filepath.Dir(path), syscall.O_RDONLY|syscall.O_DIRECTORY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open the directory of the socket %s: %w", path, err)
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", fd, filepath.Base(path)), nil
}
