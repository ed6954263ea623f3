package config

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

//go:generate go test -run TestDocsAreCurrent -update .

// WriteDocs writes docs/ics-conf.md: the table of all parameters.
func WriteDocs(w io.Writer) error {
	b := bufio.NewWriter(w)
	b.WriteString(docsHead)
	title := ""
	for _, p := range params {
		if p.Section != title {
			title = p.Section
			fmt.Fprintf(b, "\n## %s\n\n| Parameter | Value | Default | Meaning |\n|---|---|---|---|\n", title)
		}
		kind := p.Kind.String()
		if p.Kind == Enum {
			kind = strings.Join(nonEmpty(p.Words), ", ")
		}
		def := ""
		if p.Default != "" {
			def = code(p.Default)
		}
		if p.Fallback != "" {
			def += " or " + code(p.Fallback)
		}
		doc := cell(p.Doc)
		for _, s := range p.Synonyms {
			doc += " Also " + code(s) + "."
		}
		if s := p.standing(); s != "" {
			doc += " *" + cell(s) + "*"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", code(p.Name), cell(kind), def, doc)
	}
	return b.Flush()
}

// standing says what the server makes of a parameter that it does not obey.
func (p *Param) standing() string {
	if p.Used() {
		return ""
	}
	if slices.Contains(tlsParameters, p.Name) {
		return "Asks for TLS: an error where there is no service.http.ssl.certfile. Otherwise without effect, since " + p.absent() + "."
	}
	s := "Accepted, without effect, since " + p.absent() + "."
	if n := p.neglect(); n != nil {
		if s = "Not obeyed, and told at the start: "; n.severity == Error {
			s = "Not obeyed, so that the server does not start where it counts: "
		}
		s += n.says + "."
	}
	return s
}

const docsHead = `# ics.conf

Written by ` + "`go generate ./server/config`" + ` from the table in ` + "`server/config`" + `; edit it there.

` + "`ics.conf`" + ` has one parameter per line, ` + "`name = \"value\"`" + `. A line that begins with ` + "`!`" + ` is a
comment, and so is what follows ` + "`!`" + ` behind a value. Names may be written in either case. If a
parameter occurs more than once, the last one counts. A quote inside a value is written ` + "`\\\"`" + `.
Booleans are yes/no, y/n, 1/0, true/false or on/off. An empty value means "not set". Changes take effect
when the server is started again.

` + "`calserver config check`" + ` says what is wrong with a file, ` + "`calserver config show`" + ` prints the effective
values and where each comes from.

Relative paths are below ` + "`factotum.data.dir`" + `, those of certificates below the directory of
` + "`ics.conf`" + `. Parameters marked *accepted* are Sun's: a file that has them can stay as it is; ` + "`config check`" + `
says which have no effect and why. Where somebody would be let in, or something lost, because Sun's
server did what this one does not, the start says so or fails. Those that
begin with ` + "`factotum.`" + `, and the ` + "`certfile`, `keyfile`, `cafile`, `listenaddr` and `socket`" + ` of DWP and
TLS, are new here.
`

func code(s string) string { return "`" + cell(s) + "`" }

// cell escapes what would end a cell of a Markdown table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
