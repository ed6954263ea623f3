package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pborman/getopt/v2"
	"github.com/spf13/cobra"

	"factotum/server/config"
)

// The manual is what the programs say of themselves, in the form of man(7): each
// page is made of what --help prints, with the long names of options from the
// program's own table, and ics.conf(5) of the table of parameters. Nothing of it is
// kept: a package makes it of its program.
func init() {
	ownCommands = append(ownCommands, func(std stdio) *cobra.Command {
		t := &tool{name: "calserver", std: std}
		return t.reportFlags(&cobra.Command{
			Use: "manual DIR", Short: "Write the pages for man, and the completions for bash, into a directory", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error {
				n, err := writeManual(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				t.did(map[string]any{"directory": args[0], "files": n}, "%d files in %s", n, args[0])
				return t.printDone()
			},
		})
	})
}

// optionsKey is what a context has a func(*getopt.Set) by, which is told the
// options of a tool that is asked for help.
type optionsKey struct{}

func tellOptions(ctx context.Context, set *getopt.Set) {
	if told, ok := ctx.Value(optionsKey{}).(func(*getopt.Set)); ok {
		told(set)
	}
}

// manualPage is a program as it describes itself.
type manualPage struct {
	name, summary string
	help          string
	options       []getopt.Option // of tools, as declared
}

// manualPages asks every program.
func manualPages(ctx context.Context) []manualPage {
	var pages []manualPage
	ask := func(name, summary string, run runFunc) {
		p := manualPage{name: name, summary: summary}
		var out bytes.Buffer
		ctx := context.WithValue(ctx, optionsKey{}, func(set *getopt.Set) {
			p.options = nil
			set.VisitAll(func(o getopt.Option) { p.options = append(p.options, o) })
		})
		run(ctx, []string{"--help"}, stdio{strings.NewReader(""), &out, &out})
		p.help = out.String()
		pages = append(pages, p)
	}
	for _, name := range programNames() {
		if absentPrograms[name] == "" {
			ask(name, programs[name].summary, programs[name].run)
		}
	}
	ask("csimip-held", "show, accept and reject what came by mail and waits for somebody's decision", runHeld)
	calserver := func(path ...string) runFunc {
		return func(ctx context.Context, args []string, std stdio) int {
			return runCalserver(ctx, slices.Concat(path, args), std)
		}
	}
	root := newCalserver(stdio{nil, io.Discard, io.Discard})
	ask("calserver", "the calendar server: every daemon and every tool of it", calserver())
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		for _, c := range c.Commands() {
			if programs[c.Name()].run == nil && c.Name() != "help" && c.Name() != "completion" {
				path := append(slices.Clip(path), c.Name())
				ask("calserver-"+strings.Join(path, "-"), c.Short, calserver(path...))
				walk(c, path)
			}
		}
	}
	walk(root, nil)
	return pages
}

// writeManual writes man8 and man5 with compressed pages, and completions with a
// file for each program.
func writeManual(ctx context.Context, dir string) (n int, err error) {
	write := func(name string, data []byte) error {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the directory: %w", err)
		}
		if strings.HasSuffix(name, ".gz") {
			var b bytes.Buffer
			z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
			if err != nil {
				return err
			}
			if _, err := z.Write(data); err != nil {
				return err
			}
			if err := z.Close(); err != nil {
				return err
			}
			data = b.Bytes()
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return fmt.Errorf("write the manual: %w", err)
		}
		n++
		return nil
	}
	for _, p := range manualPages(ctx) {
		if err := write("man8/"+p.name+".8.gz", p.roff()); err != nil {
			return n, err
		}
		if _, ok := programs[p.name]; ok {
			if err := write("completions/"+p.name, p.completion()); err != nil {
				return n, err
			}
		}
	}
	var b bytes.Buffer
	if err := newCalserver(stdio{nil, io.Discard, io.Discard}).GenBashCompletionV2(&b, true); err != nil {
		return n, fmt.Errorf("make the completion: %w", err)
	}
	if err := write("completions/calserver", b.Bytes()); err != nil {
		return n, err
	}
	b.Reset()
	if err := config.WriteDocs(&b); err != nil {
		return n, fmt.Errorf("make ics.conf(5): %w", err)
	}
	return n, write("man5/ics.conf.5.gz", roffOfParameters(b.String()))
}

// entry is a line of a list, such as an option: what is named, and what it is.
type entry struct{ head, text string }

// readEntries reads a list whose texts stand in a column, and go on below it.
var (
	reEntry = regexp.MustCompile(`^ {1,6}(\S.*?)(?: {2,}(\S.*))?$`)
	reSplit = regexp.MustCompile(`^ {1,4}\S.*? {2,}(\S)`)
)

func readEntries(lines []string) (out []entry) {
	columns := map[int]int{}
	for _, line := range lines {
		if m := reSplit.FindStringSubmatchIndex(line); m != nil {
			columns[m[2]]++
		}
	}
	column := 0
	for _, c := range slices.Sorted(maps.Keys(columns)) {
		if columns[c] > columns[column] {
			column = c
		}
	}
	for _, line := range lines {
		trimmed := strings.TrimLeft(line, " ")
		indent := len(line) - len(trimmed)
		if len(out) > 0 && indent > 3 && !(indent <= 6 && strings.HasPrefix(trimmed, "--")) {
			last := &out[len(out)-1]
			last.text = strings.TrimSpace(last.text + " " + trimmed)
			continue
		}
		e := entry{head: trimmed}
		if m := reEntry.FindStringSubmatch(line); m != nil && m[2] != "" {
			e = entry{m[1], m[2]}
		} else if column > 0 && len(line) > column && line[column-1] == ' ' && strings.TrimSpace(line[indent:column]) != "" {
			e = entry{strings.TrimSpace(line[indent:column]), line[column:]}
		}
		out = append(out, e)
	}
	return out
}

// sections are those of a page, in the order of man-pages(7).
var sections = []string{"SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXIT STATUS", "EXAMPLES"}

// block is a piece of a page: words to be filled, lines as they are, or a list.
type block struct {
	words string
	lines []string
	list  []entry
}

var reHead = regexp.MustCompile(`^(Usage|Examples|Flags|Global Flags|Available Commands|Additional Commands|Commands|The commands|Sun's programs.*):$`)

// parse divides what --help prints into sections.
func (p *manualPage) parse() map[string][]block {
	out := map[string][]block{}
	add := func(section string, b block) { out[section] = append(out[section], b) }
	command := "  " + strings.ReplaceAll(p.name, "-held", " held")
	for text := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(p.help, "\t", "        ")), "\n\n") {
		lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
		section := ""
		if m := reHead.FindStringSubmatch(lines[0]); m != nil {
			switch word := m[1]; {
			case word == "Usage":
				section = "SYNOPSIS"
			case word == "Examples":
				section = "EXAMPLES"
			case strings.HasSuffix(word, "Flags"):
				section = "OPTIONS"
			default:
				section = "COMMANDS"
				if strings.HasPrefix(word, "Sun") {
					add(section, block{words: lines[0]})
				}
			}
			lines = lines[1:]
		}
		if usage, ok := strings.CutPrefix(strings.Replace(lines[0], "usage: ", "Usage: ", 1), "Usage: "); ok {
			end := 1
			for end < len(lines) && strings.HasPrefix(lines[end], "       ") {
				end++
			}
			for i := range lines[1:end] {
				lines[i+1] = strings.TrimPrefix(lines[i+1], "       ")
			}
			add("SYNOPSIS", block{lines: slices.Concat([]string{usage}, lines[1:end])})
			if lines = lines[end:]; len(lines) == 0 {
				continue
			}
		}
		first := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, " ") })
		switch {
		case len(lines) == 0:
		case section == "SYNOPSIS" || section == "EXAMPLES":
			add(section, block{lines: unindented(lines)})
		case section == "" && strings.HasPrefix(lines[0], "Exit status"):
			add("EXIT STATUS", block{words: strings.Join(lines, " ")})
		case section == "" && strings.HasPrefix(lines[0], command+" "):
			section = "SYNOPSIS"
			if len(out["SYNOPSIS"]) > 0 {
				section = "EXAMPLES"
			}
			add(section, block{lines: unindented(lines)})
		case first < 0:
			add("DESCRIPTION", block{words: strings.Join(lines, " ")})
		default:
			options := slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(strings.TrimLeft(line, " "), "-") })
			if section == "" {
				section = map[bool]string{true: "OPTIONS", false: "COMMANDS"}[options]
			}
			if first > 0 {
				add(section, block{words: strings.Join(lines[:first], " ")})
			}
			last := len(lines)
			for last > first && !strings.HasPrefix(lines[last-1], " ") {
				last--
			}
			add(section, block{list: readEntries(lines[first:last])})
			if last < len(lines) {
				add("DESCRIPTION", block{words: strings.Join(lines[last:], " ")})
			}
		}
	}
	p.complete(out)
	return out
}

// common is what all tools have, where a page does not tell it by itself.
var common = map[string]entry{
	"help":    {"-?, --help", "print this"},
	"quiet":   {"-q, --quiet", "print errors only, and do not ask"},
	"yes":     {"--yes", "the same as -q"},
	"verbose": {"-v, --verbose", "tell more"},
	"json":    {"-j, --json", "print JSON"},
	"config":  {"-C, --config file", "the ics.conf to use"},
}

var reOption = regexp.MustCompile(`(?:^|[ ,])(--?[A-Za-z?][-A-Za-z0-9]*)`)

// names are the options that an entry is about.
func (e entry) names() (out []string) {
	head := e.head
	if strings.HasSuffix(head, ":") { // a word for several, which the text tells
		head = e.text
	}
	for _, m := range reOption.FindAllStringSubmatch(head, -1) {
		out = append(out, m[1])
	}
	return out
}

// complete gives options their long names, and the page those that all tools have.
func (p *manualPage) complete(out map[string][]block) {
	short := map[string]string{}
	for _, o := range p.options {
		if o.ShortName() != "" && o.LongName() != "" {
			short["-"+o.ShortName()] = "--" + o.LongName()
		}
	}
	told := map[string]bool{}
	for _, section := range []string{"OPTIONS", "COMMANDS"} {
		for _, b := range out[section] {
			for i := range b.list {
				e := &b.list[i]
				names := e.names()
				for _, n := range names {
					told[n] = true
				}
				if len(names) == 1 && strings.HasPrefix(e.head, names[0]) && short[names[0]] != "" {
					e.head = names[0] + ", " + short[names[0]] + strings.TrimPrefix(e.head, names[0])
					told[short[names[0]]] = true
				}
			}
		}
	}
	var more []entry
	for _, o := range p.options {
		if c, ok := common[o.LongName()]; ok && !told["--"+o.LongName()] && (o.ShortName() == "" || !told["-"+o.ShortName()]) {
			more = append(more, c)
		}
	}
	if len(more) > 0 {
		out["OPTIONS"] = append(out["OPTIONS"], block{list: more})
	}
}

func unindented(lines []string) (out []string) {
	for _, line := range lines {
		out = append(out, strings.TrimPrefix(line, "  "))
	}
	return out
}

// roff escapes a line of text.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// roff is the page in the language of man(7).
func (p *manualPage) roff() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH %s 8 \"\" \"Factotum %s\" \"Factotum Calendar\"\n.ad l\n.SH NAME\n%s \\- %s\n", strings.ToUpper(roff(p.name)), roff(versionString()), roff(p.name), roff(p.summary))
	parts := p.parse()
	for _, s := range sections {
		if len(parts[s]) == 0 {
			continue
		}
		fmt.Fprintf(&b, ".SH %s\n", s)
		for i, part := range parts[s] {
			if i > 0 {
				b.WriteString(".PP\n")
			}
			part.roff(&b)
		}
	}
	fmt.Fprint(&b, ".SH FILES\n.TP\n/etc/factotum/ics.conf\nthe configuration, unless \\-C or $CALSERVER_CONFIG names another one\n.SH SEE ALSO\n.BR calserver (8),\n.BR ics.conf (5)\n")
	return b.Bytes()
}

func (part block) roff(b *bytes.Buffer) {
	if part.words != "" {
		fmt.Fprintf(b, "%s\n", roff(part.words))
	}
	if len(part.lines) > 0 {
		b.WriteString(".nf\n")
		for _, line := range part.lines {
			fmt.Fprintf(b, "%s\n", roff(line))
		}
		b.WriteString(".fi\n")
	}
	for _, e := range part.list {
		fmt.Fprintf(b, ".TP\n.B %s\n", roff(e.head))
		if e.text != "" {
			fmt.Fprintf(b, "%s\n", roff(e.text))
		}
	}
}

// roffOfParameters makes ics.conf(5) of docs/ics-conf.md.
func roffOfParameters(text string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".TH ICS.CONF 5 \"\" \"Factotum %s\" \"Factotum Calendar\"\n.ad l\n.SH NAME\nics.conf \\- configuration of the calendar server\n.SH DESCRIPTION\n", roff(versionString()))
	plain := strings.NewReplacer("`", "", "*", "", `\|`, "|")
	for text := range strings.SplitSeq(text, "\n\n") {
		text = strings.TrimSpace(text)
		switch {
		case text == "" || strings.HasPrefix(text, "# ") || strings.HasPrefix(text, "Written by"):
		case strings.HasPrefix(text, "## "):
			fmt.Fprintf(&b, ".SH %s\n", strings.ToUpper(roff(text[3:])))
		case strings.HasPrefix(text, "|"):
			for _, row := range strings.Split(text, "\n")[2:] {
				cells := strings.Split(strings.Trim(strings.ReplaceAll(row, `\|`, "\x00"), "| "), " | ")
				for i := range cells {
					cells[i] = strings.ReplaceAll(plain.Replace(strings.TrimSpace(cells[i])), "\x00", "|")
				}
				if len(cells) < 4 { // an empty default
					cells = slices.Insert(cells, 2, "")
				}
				fmt.Fprintf(&b, ".TP\n.BR %s \" = %s\"\n", roff(cells[0]), roff(cells[1]))
				if cells[2] != "" {
					fmt.Fprintf(&b, "(%s) ", roff(cells[2]))
				}
				fmt.Fprintf(&b, "%s\n", roff(strings.Join(cells[3:], " | ")))
			}
		default:
			fmt.Fprintf(&b, ".PP\n%s\n", roff(plain.Replace(strings.Join(strings.Fields(text), " "))))
		}
	}
	fmt.Fprint(&b, ".SH FILES\n.TP\n/etc/factotum/ics.conf\n.SH SEE ALSO\n.BR calserver (8)\n")
	return b.Bytes()
}

// flags are a page's options for completion: all, and those that want a value.
func (p *manualPage) flags() (all, valued []string) {
	if len(p.options) > 0 {
		for _, o := range p.options {
			for _, n := range []string{o.ShortName(), o.LongName()} {
				if n == "" {
					continue
				}
				if n = "-" + n; len(n) > 2 {
					n = "-" + n
				}
				all = append(all, n)
				if !o.IsFlag() {
					valued = append(valued, n)
				}
			}
		}
		return all, valued
	}
	for _, b := range p.parse()["OPTIONS"] {
		for _, e := range b.list {
			head, value, _ := strings.Cut(e.head, "=")
			names := entry{head: head}.names()
			all = append(all, names...)
			if value != "" {
				valued = append(valued, names...)
			}
		}
	}
	return all, valued
}

var (
	reWord    = regexp.MustCompile(`^[a-z][-a-z]*$`)
	reBracket = regexp.MustCompile(`\[[^][]*\]`)
)

// commands are the words that may stand first: those that the page explains, and
// those of its synopsis that are no names of arguments.
func (p *manualPage) commands() (out []string) {
	parts := p.parse()
	add := func(words string) {
		for _, w := range strings.FieldsFunc(words, func(r rune) bool { return r == '|' || r == ',' || r == ' ' }) {
			if reWord.MatchString(w) && !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	for _, b := range parts["COMMANDS"] {
		for _, e := range b.list {
			words := strings.Fields(e.head)
			for i, w := range words {
				add(w)
				if !strings.HasSuffix(w, ",") || i+1 == len(words) {
					break
				}
			}
		}
	}
	named := map[string]bool{}
	for _, b := range parts["OPTIONS"] {
		for _, e := range b.list {
			named[e.head] = true
		}
	}
	for _, b := range parts["SYNOPSIS"] {
		for line := range strings.SplitSeq(strings.ReplaceAll(strings.Join(b.lines, "\n"), "\n ", " "), "\n") {
			for was := ""; was != line; {
				was, line = line, reBracket.ReplaceAllString(line, " ")
			}
			words := strings.Fields(line)
			for i := 1; i < len(words); i++ {
				if strings.HasPrefix(words[i], "-") {
					i++ // and its value
					continue
				}
				if !named[words[i]] {
					add(words[i])
				}
				break
			}
		}
	}
	if len(p.options) > 0 {
		add("version")
	}
	return out
}

// completion is the program's for bash: options, then commands, then files.
func (p *manualPage) completion() []byte {
	all, valued := p.flags()
	words := p.commands()
	switch p.name {
	case "start-cal":
		words = append([]string{"watcher"}, components()...)
	case "stop-cal":
		words = append([]string{"watcher"}, components()...)
	}
	fn := "_factotum_" + strings.ReplaceAll(p.name, "-", "_")
	var b bytes.Buffer
	fmt.Fprintf(&b, `# bash completion for %[1]s, made by "calserver manual".
%[2]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} w
	COMPREPLY=()
	case " %[3]s " in *" $prev "*) return ;; esac
	if [[ $cur == -* ]]; then
		COMPREPLY=($(compgen -W '%[4]s' -- "$cur"))
		return
	fi
	for w in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case " %[5]s " in *" $w "*) return ;; esac
	done
	COMPREPLY=($(compgen -W '%[5]s' -- "$cur"))
}
complete -o default -F %[2]s %[1]s
`, p.name, fn, strings.Join(valued, " "), strings.Join(all, " "), strings.Join(words, " "))
	return b.Bytes()
}
