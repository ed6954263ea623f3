package letter

import "fmt"

// Problem is something wrong with a template, and what to mend.
type Problem struct {
	File    string
	Line    int  // counted from 1; 0 is the whole file
	Warning bool // the template can be used all the same
	Msg     string
}

func (p *Problem) Error() string {
	what := "error"
	if p.Warning {
		what = "warning"
	}
	if p.Line == 0 {
		return fmt.Sprintf("%s: %s: %s", p.File, what, p.Msg)
	}
	return fmt.Sprintf("%s:%d: %s: %s", p.File, p.Line, what, p.Msg)
}

// maxProblems are told of one file; more help nobody.
const maxProblems = 50

// problems collects what is wrong with one file.
type problems struct {
	file   string
	list   []Problem
	failed bool
}

func (p *problems) add(line int, warning bool, format string, args ...any) {
	p.failed = p.failed || !warning
	if len(p.list) < maxProblems {
		p.list = append(p.list, Problem{File: p.file, Line: line, Warning: warning, Msg: fmt.Sprintf(format, args...)})
	}
}

func (p *problems) errorf(line int, format string, args ...any) { p.add(line, false, format, args...) }
func (p *problems) warnf(line int, format string, args ...any)  { p.add(line, true, format, args...) }
