package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/pborman/getopt/v2"
	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"factotum/cmd/internal/plain"
)

// Exit codes of the tools. Sun documents none but 0 for success.
const (
	exitDone    = 0
	exitFailed  = 1 // some of it could not be done
	exitUsage   = 2
	exitNothing = 3 // import, export, migrate: nothing could be done at all
)

// tool is a run of one of Sun's utilities: utility [-option [value]] command
// [target]. Options may stand after the command too. admin.md §8.0.
type tool struct {
	*getopt.Set
	std            stdio
	name           string
	usage          string // options, commands and examples
	quiet, verbose bool
	help           bool
	conf           string
	lines          *bufio.Reader // of std.in
}

// newTool declares what all utilities have: -q, -v, --config and help.
func newTool(name, usage string, std stdio) *tool {
	t := &tool{Set: getopt.New(), std: std, name: name, usage: usage}
	t.SetProgram(name)
	t.FlagLong(&t.quiet, "quiet", 'q')
	t.FlagLong(&t.verbose, "verbose", 'v')
	t.FlagLong(&t.conf, "config", 'C')
	t.FlagLong(&t.help, "help", '?')
	return t
}

// errUsage is a call that the usage text answers.
var errUsage = errors.New("usage")

// parse reads the options and returns the command and its targets.
func (t *tool) parse(args []string) (words []string, err error) {
	for rest := args; ; {
		if err := t.Getopt(append([]string{t.name}, rest...), nil); err != nil {
			return nil, err
		}
		rest = t.Args()
		if t.State() == getopt.DashDash || len(rest) == 0 {
			words = append(words, rest...)
			break
		}
		words, rest = append(words, rest[0]), rest[1:]
	}
	switch {
	case t.help, len(words) == 0:
		return nil, errUsage
	case t.quiet && t.verbose:
		return nil, errors.New("-q and -v exclude each other")
	}
	return words, nil
}

// run is a whole utility: it parses, answers "version" and usage, and turns
// the outcome of do into an exit code.
func (t *tool) run(ctx context.Context, args []string, do func(ctx context.Context, words []string) error) int {
	words, err := t.parse(args)
	wrong := err != nil // a wrong call
	switch {
	case wrong:
	case len(words) == 1 && words[0] == "version":
		fmt.Fprintf(t.std.out, "%s %s\n", t.name, versionString())
		return exitDone
	default:
		err = do(ctx, words)
	}
	var code exitError
	var bad usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, errUsage) && t.help:
		fmt.Fprint(t.std.out, t.usage)
		return exitDone
	case errors.Is(err, errUsage):
		fmt.Fprint(t.std.err, t.usage)
		return exitUsage
	}
	t.complain("%s", plain.Error(err))
	if wrong || errors.As(err, &bad) {
		fmt.Fprintf(t.std.err, "%s -? shows how it is called.\n", t.name)
		return exitUsage
	}
	return exitFailed
}

// usageError is a wrong call.
type usageError string

func (e usageError) Error() string { return string(e) }

func misuse(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// complain writes an error, which -q does not suppress.
func (t *tool) complain(format string, args ...any) {
	fmt.Fprintf(t.std.err, t.name+": "+format+"\n", args...)
}

// say writes what -q suppresses.
func (t *tool) say(format string, args ...any) {
	if !t.quiet {
		fmt.Fprintf(t.std.out, format+"\n", args...)
	}
}

// tell writes what only -v shows.
func (t *tool) tell(format string, args ...any) {
	if t.verbose {
		fmt.Fprintf(t.std.err, t.name+": "+format+"\n", args...)
	}
}

// nothing reports why nothing at all could be done.
func (t *tool) nothing(err error) error {
	t.complain("%s", plain.Error(err))
	return exitError(exitNothing)
}

// bar shows how far a run is where a person looks on.
func (t *tool) bar(total int64, more ...progressbar.Option) *progressbar.ProgressBar {
	if t.quiet || t.verbose || !isTerminal(t.std.err) {
		return progressbar.NewOptions64(total, progressbar.OptionSetVisibility(false), progressbar.OptionSetWriter(io.Discard))
	}
	return progressbar.NewOptions64(total, append(more,
		progressbar.OptionSetWriter(t.std.err), progressbar.OptionSetDescription(t.name),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))...)
}

// confirm asks before something is destroyed. -q answers for the user; where
// nobody can answer, the answer is no.
func (t *tool) confirm(format string, args ...any) error {
	if t.quiet {
		return nil
	}
	fmt.Fprintf(t.std.err, format+" (y/n) ", args...)
	line, err := t.readLine()
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	if err != nil {
		fmt.Fprintln(t.std.err)
		return errors.New("not confirmed; -q does it without asking")
	}
	return errors.New("not confirmed")
}

// maxInputLine is the longest answer or password read.
const maxInputLine = 4096

func (t *tool) readLine() (string, error) {
	if t.lines == nil {
		t.lines = bufio.NewReaderSize(t.std.in, maxInputLine)
	}
	line, err := t.lines.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("the answer is longer than %d octets", maxInputLine)
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	return strings.TrimRight(string(line), "\r\n"), err
}

// password returns the one given, else the first line of a file, else what is
// typed, without echo on a terminal. admin.md §8.0.
func (t *tool) password(given, file, prompt string, twice bool) (string, error) {
	switch {
	case given != "":
		return given, nil
	case file != "":
		f, err := os.Open(file)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		defer f.Close()
		line, err := bufio.NewReader(io.LimitReader(f, maxInputLine)).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("read the password: %w", err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", fmt.Errorf("read the password: %s is empty", file)
		}
		return line, nil
	}
	first, err := t.typed(prompt)
	if err != nil || !twice || !isTerminal(t.std.in) {
		return first, err
	}
	second, err := t.typed("Again: ")
	if err == nil && first != second {
		err = errors.New("the two passwords differ")
	}
	return first, err
}

func (t *tool) typed(prompt string) (string, error) {
	fmt.Fprint(t.std.err, prompt)
	if f, ok := t.std.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(t.std.err)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(b), nil
	}
	line, err := t.readLine()
	fmt.Fprintln(t.std.err)
	if err == nil && line == "" || err == io.EOF {
		err = errors.New("no password was given")
	}
	return line, err
}

// isTerminal tells whether a stream is a person's terminal.
func isTerminal(s any) bool {
	f, ok := s.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
