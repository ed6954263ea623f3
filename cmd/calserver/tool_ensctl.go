package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"factotum/notify/bus"
	"factotum/server/calendar"
	"factotum/server/config"
)

func init() {
	register("ensctl", "subscribe and publish to the event notification service, and show how it does", runEnsctl)
}

const ensctlUsage = `ensctl talks to the event notification service (ENS).

  ensctl [-j] [-C ics.conf] [--count n] [--timeout seconds] sub reference
  ensctl [-q] [-C ics.conf] [--type contenttype] [--reliable] pub reference [file]
  ensctl [-j] [-C ics.conf] status
  ensctl version

The commands:
  sub     print what is published from now on, until Ctrl-C. A reference is a topic,
          perhaps with parameters that what is published must have; a topic that
          ends in * is all that begin so
  pub     publish: the file is what goes with it, - is standard input. Nothing of
          what the server keeps is changed by it
  status  tell where the broker is and whether it answers

  --count n          end after so many
  --timeout seconds  end after so long; sub then fails if there were fewer than
                     --count
  --type contenttype what the file is: text/calendar, text/xml, …
  --reliable         have the broker keep it for durable consumers
  -j, --json         print JSON, a line for each; of a payload that is no text, base64

Exit status: 0 done, 1 it could not be done, 2 wrong call.

  ensctl sub 'enp:///ics/*'
  ensctl --json --count 1 sub 'enp:///ics/caleventcreate?calid=anna'
  ensctl --type text/calendar pub 'enp:///ics/test?calid=anna' a.ics
`

// ensctlOptions are the options of ensctl.
type ensctlOptions struct {
	count    int
	seconds  int
	kind     string
	reliable bool
}

func runEnsctl(ctx context.Context, args []string, std stdio) int {
	t := newTool("ensctl", ensctlUsage, std)
	var opt ensctlOptions
	t.FlagLong(&opt.count, "count", 'n')
	t.FlagLong(&opt.seconds, "timeout", 't')
	t.FlagLong(&opt.kind, "type", 'T')
	t.FlagLong(&opt.reliable, "reliable", 'r')
	return t.run(ctx, args, func(ctx context.Context, words []string) error {
		command, words := words[0], words[1:]
		switch {
		case command != "sub" && command != "pub" && command != "status":
			return misuse("%q is not a command of ensctl", command)
		case command == "status" && len(words) > 0, command == "sub" && len(words) != 1, command == "pub" && (len(words) < 1 || len(words) > 2):
			return misuse("%s: not so many words, or more of them", command)
		case opt.count < 0 || opt.seconds < 0:
			return misuse("--count and --timeout are numbers from 1 on")
		}
		var ref calendar.EventRef
		if command != "status" {
			var err error
			if ref, err = calendar.ParseEventRef(words[0]); err != nil {
				return misuse("%s", calendar.MessageOf(err))
			}
		}
		cfg, err := loadConfig(t.conf, std.err)
		if err != nil {
			return err
		}
		if !ensUsed(cfg) {
			return errors.New("there is no event notification service: service.ens.enable is no")
		}
		ensOpt, err := ensOptions(cfg, nil)
		if err != nil {
			return err
		}
		ensOpt.Name = "ensctl"
		b, err := bus.Connect(ensOpt)
		if err != nil {
			return err
		}
		defer b.Close(ctx)
		switch command {
		case "sub":
			return t.ensSubscribe(ctx, b, cfg, ref, opt)
		case "pub":
			return t.ensPublish(ctx, b, cfg, ref, opt, words[1:])
		}
		return t.ensStatus(ctx, b, cfg)
	})
}

// ensReach waits until the broker answers, for some seconds.
func ensReach(ctx context.Context, b *bus.Bus, cfg *config.Config) error {
	for end := time.Now().Add(5 * time.Second); b.Err() != nil; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(end) {
			return fmt.Errorf("the event notification service does not answer (%s): %w", ensWhere(cfg), errors.Unwrap(b.Err()))
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// ensWhere says where the broker is, without a password.
func ensWhere(cfg *config.Config) string {
	if cfg.ENS.NATS != "" {
		return "factotum.ens.nats"
	}
	if ensHere(cfg) {
		if addr, err := os.ReadFile(ensAddress(cfg)); err == nil {
			return strings.TrimSpace(string(addr))
		}
	}
	return fmt.Sprintf("%s:%d", cfg.ENS.Host, cfg.ENS.Port)
}

// publicationInfo is a publication for programs.
type publicationInfo struct {
	ID      string     `json:"id,omitempty"`
	Ref     string     `json:"ref"`
	Owner   string     `json:"owner,omitempty"`
	When    time.Time  `json:"when,omitzero"`
	Expires *time.Time `json:"expires,omitempty"`
	Type    string     `json:"type,omitempty"`
	Data    string     `json:"data,omitempty"`
	Binary  []byte     `json:"binary,omitempty"`
}

func (t *tool) ensSubscribe(ctx context.Context, b *bus.Bus, cfg *config.Config, ref calendar.EventRef, opt ensctlOptions) error {
	if opt.seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(opt.seconds)*time.Second)
		defer cancel()
	}
	if err := ensReach(ctx, b, cfg); err != nil {
		return err
	}
	got := make(chan calendar.Publication, 64)
	sub, err := b.Subscribe(ref, func(p calendar.Publication) {
		select {
		case got <- p:
		case <-ctx.Done():
		}
	})
	if err != nil {
		return err
	}
	defer sub.Close()
	if err := b.Flush(ctx); err != nil {
		return err
	}
	if t.verbose {
		fmt.Fprintf(t.std.err, "subscribed to %s at %s\n", ref, ensWhere(cfg))
	}
	for n := 0; opt.count == 0 || n < opt.count; n++ {
		select {
		case p := <-got:
			if err := t.printPublication(p); err != nil {
				return err
			}
		case <-ctx.Done():
			if opt.count > 0 && errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%d of %d came within %d seconds", n, opt.count, opt.seconds)
			}
			if missed := sub.Missed(); missed > 0 {
				t.complain("%d were missed, since printing was too slow", missed)
			}
			return nil
		}
	}
	return nil
}

func (t *tool) printPublication(p calendar.Publication) error {
	if t.json {
		info := publicationInfo{ID: p.ID, Ref: p.Ref, Owner: string(p.Owner), When: p.When, Type: p.ContentType}
		if !p.Expires.IsZero() {
			info.Expires = &p.Expires
		}
		if utf8.Valid(p.Data) {
			info.Data = string(p.Data)
		} else {
			info.Binary = p.Data
		}
		enc := json.NewEncoder(t.std.out)
		enc.SetEscapeHTML(false) // a reference stays as it is
		return enc.Encode(info)
	}
	_, err := fmt.Fprintf(t.std.out, "%s %s\n", p.When.UTC().Format(time.RFC3339), p.Ref)
	if len(p.Data) > 0 && !t.quiet && err == nil {
		if _, err = t.std.out.Write(p.Data); err == nil && p.Data[len(p.Data)-1] != '\n' {
			_, err = fmt.Fprintln(t.std.out)
		}
	}
	return err
}

func (t *tool) ensPublish(ctx context.Context, b *bus.Bus, cfg *config.Config, ref calendar.EventRef, opt ensctlOptions, files []string) (err error) {
	p := calendar.Publication{Ref: ref.String(), When: time.Now(), ContentType: opt.kind}
	p.ID = fmt.Sprintf("ensctl/%d/%d", os.Getpid(), p.When.UnixNano())
	for _, name := range files {
		if name == "-" {
			p.Data, err = io.ReadAll(t.std.in)
		} else {
			p.Data, err = os.ReadFile(filepath.Clean(name))
		}
		if err != nil {
			return fmt.Errorf("read what goes with it: %w", err)
		}
	}
	if err := ensReach(ctx, b, cfg); err != nil {
		return err
	}
	if opt.reliable {
		return b.PublishReliably(ctx, p)
	}
	if err := b.Publish(ctx, p); err != nil {
		return err
	}
	if err := b.Flush(ctx); err != nil {
		return err
	}
	if b.Stat().Lost > 0 {
		return errors.New("the broker did not take it")
	}
	return nil
}

// ensInfo is the service for programs.
type ensInfo struct {
	Broker    string `json:"broker"`
	Here      bool   `json:"here"` // enpd of this host
	Connected bool   `json:"connected"`
	Server    string `json:"server,omitempty"`
	Err       string `json:"err,omitempty"`
	Kept      uint64 `json:"kept"` // reliable publications that wait
	KeptBytes uint64 `json:"kept_bytes"`
	Consumers int    `json:"consumers"`
}

func (t *tool) ensStatus(ctx context.Context, b *bus.Bus, cfg *config.Config) error {
	err := ensReach(ctx, b, cfg)
	info := ensInfo{Broker: ensWhere(cfg), Here: ensHere(cfg), Connected: err == nil, Server: b.Stat().Server}
	if err == nil {
		var kept bus.Kept
		if kept, err = b.Kept(ctx); err == nil {
			info.Kept, info.KeptBytes, info.Consumers = kept.Publications, kept.Bytes, kept.Consumers
		}
	}
	if err != nil {
		info.Err = err.Error()
	}
	if t.json {
		if err2 := t.print(info); err2 != nil {
			return err2
		}
	} else if err == nil && !t.quiet {
		fmt.Fprintf(t.std.out, "broker: %s, answers\nreliable publications that wait: %d (%d octets), for %d durable consumers\n", info.Broker, info.Kept, info.KeptBytes, info.Consumers)
	}
	if err != nil && t.json {
		return exitError(exitFailed)
	}
	return err
}
