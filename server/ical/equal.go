package ical

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Equal reports whether two trees say the same. The order of properties,
// parameters and components counts only among those of one name; values are
// compared as written.
func Equal(a, b *Component) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Name == b.Name && len(a.Props) == len(b.Props) && len(a.Children) == len(b.Children) &&
		(alike(a.Props, b.Props) || slices.EqualFunc(sortedProps(a), sortedProps(b), equalProps)) &&
		slices.EqualFunc(sortedKids(a), sortedKids(b), Equal)
}

// alike reports whether properties are equal as they stand, which most are that
// are compared, and is quicker told.
func alike(a, b []Property) bool {
	for i := range a {
		if a[i].Name != b[i].Name || a[i].Value != b[i].Value || !slices.EqualFunc(a[i].Params, b[i].Params, equalParams) {
			return false
		}
	}
	return true
}

func equalParams(x, y Param) bool { return x.Name == y.Name && slices.Equal(x.Values, y.Values) }

func equalProps(p, q *Property) bool {
	return p.Name == q.Name && p.Value == q.Value &&
		slices.EqualFunc(sortedParams(p), sortedParams(q), equalParams)
}

func sortedProps(c *Component) []*Property {
	ps := make([]*Property, len(c.Props))
	for i := range c.Props {
		ps[i] = &c.Props[i]
	}
	slices.SortStableFunc(ps, func(x, y *Property) int { return cmp.Compare(x.Name, y.Name) })
	return ps
}

func sortedKids(c *Component) []*Component {
	if slices.IsSortedFunc(c.Children, func(x, y *Component) int { return cmp.Compare(x.Name, y.Name) }) {
		return c.Children
	}
	ks := slices.Clone(c.Children)
	slices.SortStableFunc(ks, func(x, y *Component) int { return cmp.Compare(x.Name, y.Name) })
	return ks
}

// sortedParams leaves out parameters without values, which are not printed.
func sortedParams(p *Property) []Param {
	if len(p.Params) < 2 && (len(p.Params) == 0 || len(p.Params[0].Values) > 0) {
		return p.Params
	}
	as := slices.DeleteFunc(slices.Clone(p.Params), func(a Param) bool { return len(a.Values) == 0 })
	slices.SortStableFunc(as, func(x, y Param) int { return cmp.Compare(x.Name, y.Name) })
	return as
}

// Diff returns, for the eyes of who reads a failed test, the content lines that
// are in one tree only: those of a with -, those of b with +. It is empty if
// and only if the trees are Equal.
func Diff(a, b *Component) string {
	if Equal(a, b) {
		return ""
	}
	left, right := diffLines(a), diffLines(b)
	count := map[string]int{}
	for _, l := range right {
		count[l]++
	}
	var out strings.Builder
	for _, l := range left {
		if count[l]--; count[l] < 0 {
			fmt.Fprintf(&out, "- %s\n", l)
		}
	}
	count = map[string]int{}
	for _, l := range left {
		count[l]++
	}
	for _, l := range right {
		if count[l]--; count[l] < 0 {
			fmt.Fprintf(&out, "+ %s\n", l)
		}
	}
	if out.Len() == 0 {
		return "the same lines in another order\n"
	}
	return out.String()
}

// diffLines returns the content lines in the order that Equal compares them,
// each with the path of components above it.
func diffLines(c *Component) (lines []string) {
	var walk func(c *Component, path string)
	walk = func(c *Component, path string) {
		path += c.Name + " "
		lines = append(lines, path)
		for _, p := range sortedProps(c) {
			q := Property{Name: p.Name, Params: sortedParams(p), Value: p.Value}
			text := strings.TrimSuffix(string(q.Append(nil)), "\r\n")
			lines = append(lines, path+strings.ReplaceAll(text, "\r\n ", ""))
		}
		for _, k := range sortedKids(c) {
			walk(k, path)
		}
	}
	if c != nil {
		walk(c, "")
	}
	return lines
}
