package ical

import (
	"fmt"
	"strings"
)

// Severity says what a Problem means for the object.
type Severity uint8

const (
	Warning Severity = iota // departs from RFC 5545, but every reader copes
	Error                   // the object cannot be used as it is
)

func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Problem is a departure from RFC 5545 that Validate found. It quotes no
// values besides the UID, so Error may be shown to whoever sent the object.
type Problem struct {
	Severity  Severity
	Component string // VEVENT
	UID       string // of the component, or "": who made the object knows it
	Property  string // DTSTART, or ""
	Msg       string // what to mend
}

// Error makes a Problem an error: "VEVENT DTSTART: it is missing".
func (p Problem) Error() string {
	at := p.Component
	if p.Property != "" {
		at += " " + p.Property
	}
	return at + ": " + p.Msg
}

// FirstError returns the first problem of severity Error, or nil.
func FirstError(ps []Problem) error {
	for _, p := range ps {
		if p.Severity == Error {
			return p
		}
	}
	return nil
}

// maxProblems bounds how many problems of each severity Validate reports.
const maxProblems = 100

// Validate compares a VCALENDAR with RFC 5545: which properties are required
// (§3.6), how often they may occur, the form of their values (§3.3, §3.8) and
// known enumerations. It looks at one component at a time; what has to agree
// between components is for the reader of the whole (RFC 4791 §4.1, RFC 5546).
//
// Deviation: much that the RFC forbids is a Warning only, since servers are
// expected to keep it: see docs/quirks.md. An Error is what makes a component
// impossible to place in time or to address. TZIDs may name a zone that the
// object does not define, as RFC 7809 §3.1.3 allows.
func Validate(cal *Component) []Problem {
	v := &validator{method: cal.Prop("METHOD") != nil}
	if cal.Name != "VCALENDAR" {
		v.at = cal
		v.add(Error, "", "the outermost component has to be VCALENDAR")
	}
	v.component(cal, nil)
	return v.problems
}

// validator walks the tree; at is the component it looks at.
type validator struct {
	problems []Problem
	count    [2]int // by severity
	method   bool   // the object is an iTIP message
	at       *Component
}

func (v *validator) add(s Severity, property, msg string) {
	if v.count[s]++; v.count[s] > maxProblems {
		return
	}
	v.problems = append(v.problems, Problem{Severity: s, Component: v.at.Name, UID: v.at.Value("UID"), Property: property, Msg: msg})
}

func (v *validator) addf(s Severity, property, format string, args ...any) {
	v.add(s, property, fmt.Sprintf(format, args...))
}

func (v *validator) component(c, parent *Component) {
	v.at = c
	rules := compRules[c.Name] // nil for unknown components
	if rules != nil {
		v.place(rules, parent)
	}
	var seen uint64
	for i := range c.Props {
		p := &c.Props[i]
		r := propRules[p.Name]
		if r == nil {
			continue
		}
		if rules != nil {
			switch {
			case seen&r.bit == 0 || (rules.once|rules.rather)&r.bit == 0:
			case rules.rather&r.bit != 0:
				v.add(Warning, p.Name, "it should not occur more than once")
			case r.bit&places != 0:
				v.add(rules.weight, p.Name, "it may not occur more than once")
			default:
				v.add(Warning, p.Name, "it may not occur more than once")
			}
		}
		seen |= r.bit
		v.value(c, p, r)
	}
	if rules != nil {
		for _, req := range rules.required {
			if seen&propRules[req.name].bit == 0 && !(req.unlessMethod && v.method) {
				v.add(req.severity, req.name, "it is missing")
			}
		}
		if rules.check != nil {
			rules.check(v, c, parent)
		}
	}
	for _, k := range c.Children {
		v.component(k, c)
		v.at = c
	}
}

// place checks that a component stands where RFC 5545 §3.6 puts it.
func (v *validator) place(rules *compRule, parent *Component) {
	switch {
	case parent == nil && rules.in == "":
	case parent == nil:
		v.add(Warning, "", "it stands alone, outside of "+rules.in)
	case !strings.Contains(" "+rules.in+" ", " "+parent.Name+" ") && compRules[parent.Name] != nil:
		v.addf(rules.weight, "", "it may not stand in %s", parent.Name)
	}
}

// value checks one property against its rule.
func (v *validator) value(c *Component, p *Property, r *propRule) {
	if p.HasParam("VALUE") {
		typ := strings.ToUpper(p.Param("VALUE"))
		if r.types != "" && !strings.Contains(" "+r.types+" ", " "+typ+" ") && !strings.HasPrefix(typ, "X-") {
			v.add(Warning, p.Name, "VALUE names a type that the property does not have")
		}
	}
	if r.check != nil {
		if msg := r.check(p); msg != "" {
			s := Warning // in unknown components
			if rules := compRules[c.Name]; rules != nil {
				s = min(r.severity, rules.weight)
			}
			v.add(s, p.Name, msg)
		}
	}
	if r.enum != "" && !known(r.enum, p.Value) {
		v.add(Warning, p.Name, "not a value that RFC 5545 knows")
	}
	for i := range p.Params {
		a := &p.Params[i]
		enum, ok := paramEnums[a.Name]
		if !ok {
			continue
		}
		for _, val := range a.Values {
			if !known(enum, val) {
				v.addf(Warning, p.Name, "%s has a value that RFC 5545 does not know", a.Name)
			}
		}
	}
}

// known reports whether a value is in a list of words, or is an extension.
func known(enum, value string) bool {
	value = trimBlanks(value)
	if len(value) > 1 && strings.EqualFold(value[:2], "X-") {
		return true
	}
	for word := range strings.FieldsSeq(enum) {
		if strings.EqualFold(word, value) {
			return true
		}
	}
	return false
}
