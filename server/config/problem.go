package config

import (
	"errors"
	"fmt"
	"strings"
)

// Severity says whether a server may start with a problem.
type Severity uint8

// The severities.
const (
	Warning Severity = iota // the server starts; the parameter has no effect, or perhaps another than meant
	Serious                 // the server starts, and is not what it was told to be: it is open, keeps less, or does less
	Error                   // the server does not start
)

func (s Severity) String() string {
	return [...]string{"warning", "serious warning", "error"}[s]
}

// Problem is something wrong in a configuration. It never holds the value of
// a secret.
type Problem struct {
	Severity Severity
	File     string // "" for a problem between parameters
	Line     int    // from 1; 0 if it has none
	Param    string
	Message  string // what is wrong and what was expected
}

// Error gives "file:line: severity: parameter: message".
func (p *Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d", p.Line)
		}
		b.WriteString(": ")
	}
	fmt.Fprintf(&b, "%v: ", p.Severity)
	if p.Param != "" {
		b.WriteString(p.Param + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

// maxProblems bounds a report on a file that is no ics.conf at all.
const maxProblems = 200

// Report is everything that reading a configuration found.
type Report struct {
	Problems []Problem
	Omitted  int // problems beyond the first maxProblems
}

// Err joins the problems of severity Error; nil if there are none.
func (r *Report) Err() error {
	var errs []error
	for i := range r.Problems {
		if r.Problems[i].Severity == Error {
			errs = append(errs, &r.Problems[i])
		}
	}
	return errors.Join(errs...)
}

// Count is how many problems are of a severity.
func (r *Report) Count(s Severity) (n int) {
	for i := range r.Problems {
		if r.Problems[i].Severity == s {
			n++
		}
	}
	return n
}

// add keeps a problem. Worse ones push lesser ones out of a full report, so that
// a flood of warnings cannot hide what forbids the start.
func (r *Report) add(p Problem) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, p)
		return
	}
	r.Omitted++
	for i := len(r.Problems) - 1; i >= 0; i-- {
		if r.Problems[i].Severity < p.Severity {
			r.Problems[i] = p
			return
		}
	}
}
