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
	"factotum/server/calendar"
)

// Exit codes of the tools. Sun documents none but 0 for success.
const (
	exitDone    = 0
	exitFailed  = 1 // some of it could not be done
	exitUsage   = 2
	exitNothing = 3   // import, export, migrate: nothing could be done at all
	exitSignal  = 128 // and the number of the signal that ended it
)

// tool is a run of one of Sun's utilities: utility [-option [value]] command
// [target]. Options may stand after the command too. admin.md §8.0.
type tool struct {
	*getopt.Set
	std            stdio
	name           string
	usage          string // options, commands and examples
	quiet, verbose bool
	json           bool
	help           bool
	conf           string
	lines          *bufio.Reader // of std.in
	done           []any         // with --json, what was done so far
	wrong          []findingInfo // with --json, what csdb found wrong besides the report
	many           bool          // it may have been done to several things
	bare           bool          // options alone are a whole call
}

// newTool declares what all utilities have: -q, -v, --json, --config and help.
func newTool(name, usage string, std stdio) *tool {
	t := &tool{Set: getopt.New(), std: std, name: name, usage: usage}
	t.SetProgram(name)
	t.FlagLong(&t.quiet, "quiet", 'q')
	t.FlagLong(&t.quiet, "yes", 0)
	t.FlagLong(&t.verbose, "verbose", 'v')
	t.FlagLong(&t.json, "json", 'j')
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
	case t.help, len(words) == 0 && (!t.bare || len(args) == 0):
		return nil, errUsage
	case t.quiet && t.verbose:
		return nil, errors.New("-q and -v exclude each other")
	}
	return words, nil
}

// run is a whole utility: it parses, answers "version" and usage, and turns
// the outcome of do into an exit code. A signal ends the context of do, which
// then tells how far it came; a second one ends the program.
func (t *tool) run(ctx context.Context, args []string, do func(ctx context.Context, words []string) error) int {
	words, err := t.parse(args)
	t.json = t.json || err != nil && wantsJSON(args)
	wrong := err != nil // a wrong call
	switch {
	case wrong:
	case len(words) == 1 && words[0] == "version":
		if t.json {
			err = t.print(map[string]string{"tool": t.name, "version": versionString()})
			break
		}
		fmt.Fprintf(t.std.out, "%s %s\n", t.name, versionString())
		return exitDone
	default:
		ctx, stop := interruptible(ctx)
		err = do(ctx, words)
		stop()
		if failed := t.printDone(); err == nil {
			err = failed
		}
		var sig signalError
		if err != nil && errors.As(context.Cause(ctx), &sig) {
			t.complain("%v", sig)
			return sig.exit()
		}
	}
	var code exitError
	var bad usageError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, errUsage) && t.help:
		tellOptions(ctx, t.Set)
		fmt.Fprint(t.std.out, t.usage)
		return exitDone
	case errors.Is(err, errUsage) && !t.json:
		fmt.Fprint(t.std.err, t.usage)
		return exitUsage
	}
	if errors.Is(err, errUsage) {
		err = errors.New("no command was given")
	}
	t.complainOf(err)
	if wrong || errors.As(err, &bad) {
		if !t.json {
			fmt.Fprintf(t.std.err, "%s -? shows how it is called.\n", t.name)
		}
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
	if t.json {
		printError(t.std.err, t.name, fmt.Errorf(format, args...))
		return
	}
	fmt.Fprintf(t.std.err, t.name+": "+format+"\n", args...)
}

// warn writes what is no error and deserves a look; -q suppresses it.
func (t *tool) warn(format string, args ...any) {
	switch {
	case t.json:
		printWarning(t.std.err, t.name, fmt.Sprintf(format, args...))
	case !t.quiet:
		fmt.Fprintf(t.std.err, t.name+": warning: "+format+"\n", args...)
	}
}

// complainOf is complain for an error as it came.
func (t *tool) complainOf(err error) {
	if t.json {
		printError(t.std.err, t.name, err)
		return
	}
	t.complain("%s", plain.Error(err))
}

// say writes what -q suppresses, and what --json has in another form.
func (t *tool) say(format string, args ...any) {
	if !t.quiet && !t.json {
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
	if calendar.KindOf(err) == calendar.Canceled {
		return err
	}
	t.complainOf(err)
	return exitError(exitNothing)
}

// watched tells whether a person looks on.
func (t *tool) watched() bool { return !t.quiet && !t.verbose && !t.json && isTerminal(t.std.err) }

// bar shows how far a run is where a person looks on.
func (t *tool) bar(total int64, more ...progressbar.Option) *progressbar.ProgressBar {
	if !t.watched() {
		return progressbar.NewOptions64(total, progressbar.OptionSetVisibility(false), progressbar.OptionSetWriter(io.Discard))
	}
	return progressbar.NewOptions64(total, append(more,
		progressbar.OptionSetWriter(t.std.err), progressbar.OptionSetDescription(t.name),
		progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(30))...)
}

// confirm asks before something is destroyed. -q answers for the user; where
// nobody can answer, the answer is no.
func (t *tool) confirm(ctx context.Context, format string, args ...any) error {
	if t.quiet {
		return nil
	}
	fmt.Fprintf(t.std.err, format+" (y/n) ", args...)
	line, err := t.readLine(ctx)
	if ctx.Err() != nil {
		fmt.Fprintln(t.std.err)
		return err
	}
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

func (t *tool) readLine(ctx context.Context) (string, error) {
	if t.lines == nil {
		t.lines = bufio.NewReaderSize(t.std.in, maxInputLine)
	}
	line, err := await(ctx, func() ([]byte, error) { return t.lines.ReadSlice('\n') })
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", fmt.Errorf("the answer is longer than %d octets", maxInputLine)
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	return strings.TrimRight(string(line), "\r\n"), err
}

// await waits for what cannot be told to stop, such as a person who types.
func await[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := do()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// password returns the one given, else the first line of a file ("-" is
// standard input), else what is typed, without echo on a terminal. admin.md §8.0.
func (t *tool) password(ctx context.Context, given, file, prompt string, twice bool) (string, error) {
	switch {
	case given != "":
		return given, nil
	case file == "-":
		line, err := t.readLine(ctx)
		if err == io.EOF || err == nil && line == "" {
			err = errors.New("there is none on standard input")
		}
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return line, nil
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
	first, err := t.typed(ctx, prompt)
	if err != nil || !twice || !isTerminal(t.std.in) {
		return first, err
	}
	second, err := t.typed(ctx, "Again: ")
	if err == nil && first != second {
		err = errors.New("the two passwords differ")
	}
	return first, err
}

func (t *tool) typed(ctx context.Context, prompt string) (string, error) {
	fmt.Fprint(t.std.err, prompt)
	if f, ok := t.std.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		before, err := term.GetState(int(f.Fd()))
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		b, err := await(ctx, func() ([]byte, error) { return term.ReadPassword(int(f.Fd())) })
		if ctx.Err() != nil {
			term.Restore(int(f.Fd()), before) // with echo
		}
		fmt.Fprintln(t.std.err)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(b), nil
	}
	line, err := t.readLine(ctx)
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
