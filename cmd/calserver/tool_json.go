package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
)

// What --json prints, in every tool: docs/admin.md, "For programs".
//
// Standard output has one document: an object of one thing or a report, an array
// of what may be many, with each element on a line of its own. Names are small
// letters with underscores, times are RFC 3339 in UTC, and what is empty or not
// known is left out. Standard error has an object a line of each error.

// print writes a document.
func (t *tool) print(v any) error {
	enc := json.NewEncoder(t.std.out)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

// shows tells whether data is to be printed. -q leaves it out, and then the exit
// code tells; who asks for JSON gets it.
func (t *tool) shows() bool { return !t.quiet || t.json }

// did tells of something that was done, in words or for programs.
func (t *tool) did(v any, format string, args ...any) {
	if t.json {
		t.done = append(t.done, v)
	} else {
		t.say(format, args...)
	}
}

// printDone prints what was done, also when it was not all.
func (t *tool) printDone() error {
	switch {
	case !t.json || len(t.done) == 0 && !t.many:
		return nil
	case !t.many && len(t.done) == 1:
		return t.print(t.done[0])
	}
	list := newArray(t.std.out)
	for _, v := range t.done {
		if err := list.add(v); err != nil {
			return err
		}
	}
	return list.end()
}

// array writes an array as its elements come.
type array struct {
	w io.Writer
	n int
}

func newArray(w io.Writer) *array { return &array{w: w} }

func (a *array) add(v any) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print the list: %w", err)
	}
	lead := ",\n"
	if a.n == 0 {
		lead = "[\n"
	}
	a.n++
	_, err := io.WriteString(a.w, lead+strings.TrimSuffix(b.String(), "\n"))
	return err
}

func (a *array) end() error {
	text := "\n]\n"
	if a.n == 0 {
		text = "[]\n"
	}
	_, err := io.WriteString(a.w, text)
	return err
}

// errorInfo is an error for programs.
type errorInfo struct {
	Tool  string `json:"tool"`
	Error string `json:"error"`
	Kind  string `json:"kind,omitempty"` // calendar.Kind, where the server has refused
	Ref   string `json:"ref,omitempty"`  // the calendar or object that it is about
}

func printError(w io.Writer, tool string, err error) {
	info := errorInfo{Tool: tool, Error: plain.Error(err)}
	if e := (*calendar.Error)(nil); errors.As(err, &e) {
		info.Kind, info.Ref = e.Kind.String(), e.Ref
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(info)
}

// printWarning is printError for what is no error.
func printWarning(w io.Writer, tool, text string) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(map[string]string{"tool": tool, "warning": text})
}

// wantsJSON looks for --json in a call that could not be read.
func wantsJSON(args []string) bool {
	for _, a := range args {
		switch a {
		case "--json", "-j":
			return true
		case "--":
			return false
		}
	}
	return false
}

// signalError says that a signal ended the work.
type signalError struct{ syscall.Signal }

func (e signalError) Error() string { return "interrupted" }

// exit is the code that shells expect.
func (e signalError) exit() int { return exitSignal + int(e.Signal) }

// interruptible is ctx until SIGINT or SIGTERM comes, which is its cause then.
func interruptible(ctx context.Context) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-got:
			cancel(signalError{s.(syscall.Signal)})
			signal.Stop(got) // the next one ends the program
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(got)
		cancel(nil)
	}
}

// reportFlags gives one of calserver's own commands the options of the tools.
func (t *tool) reportFlags(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVarP(&t.json, "json", "j", false, "print JSON")
	c.Flags().BoolVarP(&t.quiet, "quiet", "q", false, "print errors only")
	return c
}
