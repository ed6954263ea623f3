package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"factotum/server/calendar"
	"factotum/server/cld"
	"factotum/server/config"
	"factotum/server/directory"
)

// hostWriter writes into the LDAP entry of who logs in for the first time
// which back end has his calendars (icsDWPHost), unless it says so already:
// admin.md §11.1. It works beside the log-in, which waits for nothing and
// never fails for it.
type hostWriter struct {
	find  cld.Locator
	entry interface {
		SetHost(ctx context.Context, id, host string) error
	}
	log    *slog.Logger
	queue  chan calendar.UserID
	seen   sync.Map // of user ids: those that were queued
	cancel context.CancelFunc
	over   chan struct{}
	close  func() error
}

// hostQueue is how many log-ins may wait to be written; what is beyond that
// is written at the next log-in.
const hostQueue = 1000

// openHostWriter returns nil where there is nothing to write: people are in a
// file, or ics.conf names nobody who may change entries.
func openHostWriter(cfg *config.Config, find cld.Locator, log *slog.Logger) *hostWriter {
	if cfg.Directory.Type != "ldap" || cfg.CLD.Type != "directory" || cfg.LDAP.PrefsBindDN == "" {
		return nil
	}
	opt, err := directoryOptions(cfg, log)
	if err == nil {
		opt.LDAP.MinConns, opt.LDAP.MaxConns = 1, 1
		var ed *directory.LDAPEditor
		if ed, err = ldapEditor(cfg, opt); err == nil {
			w := newHostWriter(find, ed, log)
			w.close = ed.Close
			return w
		}
	}
	log.Warn("back ends will not be written into the directory", "err", err)
	return nil
}

func newHostWriter(find cld.Locator, entry interface {
	SetHost(ctx context.Context, id, host string) error
}, log *slog.Logger) *hostWriter {
	ctx, cancel := context.WithCancel(context.Background())
	w := &hostWriter{find: find, entry: entry, log: log, queue: make(chan calendar.UserID, hostQueue), cancel: cancel, over: make(chan struct{})}
	go w.run(ctx)
	return w
}

// loggedIn is told of every log-in.
func (w *hostWriter) loggedIn(id calendar.UserID) {
	if w == nil {
		return
	}
	if _, known := w.seen.LoadOrStore(id, true); known {
		return
	}
	select {
	case w.queue <- id:
	default:
		w.seen.Delete(id)
	}
}

func (w *hostWriter) run(ctx context.Context) {
	defer close(w.over)
	for {
		select {
		case <-ctx.Done():
			return
		case id := <-w.queue:
			w.write(ctx, id)
		}
	}
}

func (w *hostWriter) write(ctx context.Context, id calendar.UserID) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	host, err := w.find.Locate(ctx, calendar.Owner(id))
	if err == nil && host != "" {
		err = w.entry.SetHost(ctx, id, host)
	}
	if err == nil {
		return
	}
	switch calendar.KindOf(err) {
	case calendar.Denied, calendar.Invalid, calendar.NotFound, calendar.NoBackend: // not better the next time
	default:
		w.seen.Delete(id)
	}
	w.log.Warn("write the back end into the directory", "user", id, "backend", host, "err", err)
}

// stop ends it; what waits is written at another log-in.
func (w *hostWriter) stop() {
	if w == nil {
		return
	}
	w.cancel()
	<-w.over
	if w.close == nil {
		return
	}
	if err := w.close(); err != nil {
		w.log.Error("close the directory", "err", err)
	}
}
