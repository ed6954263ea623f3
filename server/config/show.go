package config

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"
)

// Setting is an effective value.
type Setting struct {
	Name    string `json:"name"`
	Value   string `json:"value"`
	Source  string `json:"source"` // where it comes from, "default" if nobody set it
	Effect  bool   `json:"effect"` // the server heeds it
	Section string `json:"section"`
}

// Settings are the effective values; secrets are redacted, paths are complete.
// onlyChanged leaves out what nobody set.
func (c *Config) Settings(onlyChanged bool) iter.Seq[Setting] {
	return func(yield func(Setting) bool) {
		for _, p := range params {
			give := func(name, value, source string) bool {
				if p.Kind == Password && value != "" {
					value = redacted
				}
				return yield(Setting{name, value, cmp.Or(source, "default"), p.Used() || slices.Contains(tlsParameters, p.Name), p.Section})
			}
			if i := strings.IndexByte(p.Name, '<'); i >= 0 {
				for _, s := range c.sorted(p.Name[:i] + "<") {
					if s.param == p && !give(s.name, s.value, s.source()) {
						return
					}
				}
				continue
			}
			value, source := c.value(p)
			if onlyChanged && source == "" {
				continue
			}
			if !give(p.Name, c.effective(p, value), source) {
				return
			}
		}
	}
}

// Show prints the effective values as an ics.conf, with the place where each
// comes from behind it.
func (c *Config) Show(w io.Writer, onlyChanged bool) error {
	b := bufio.NewWriter(w)
	title := ""
	for s := range c.Settings(onlyChanged) {
		if title != s.Section {
			if title != "" {
				b.WriteByte('\n')
			}
			title = s.Section
			fmt.Fprintf(b, "! %s\n", title)
		}
		if !s.Effect {
			s.Source += ", without effect"
		}
		fmt.Fprintf(b, "%s = %s  ! %s\n", s.Name, Quote(s.Value), s.Source)
	}
	return b.Flush()
}

// effective gives a value as the server understands it.
func (c *Config) effective(p *Param, v string) string {
	if blank(v) {
		return ""
	}
	switch p.Kind {
	case Bool:
		if yes, _ := parseBool(v); yes {
			return "yes"
		}
		return "no"
	case Path:
		if p.field != nil {
			return c.path(p, v)
		}
	case Enum:
		v, _ = p.word(v)
	case Int, Port, Seconds, Millis, Hours, Days, Bytes, Percent:
		return strings.TrimSpace(v)
	}
	return v
}

// Effective gives what counts for a parameter, as text; "" for one that is not
// known, or that has a host in its name.
func (c *Config) Effective(name string) string {
	p, ok := Find(name)
	if !ok || strings.Contains(p.Name, "<") || p.Kind == Password {
		return ""
	}
	v, _ := c.value(p)
	return c.effective(p, v)
}

// Join gives a path below the data directory.
func (c *Config) Join(elem ...string) string {
	return filepath.Join(append([]string{c.Data}, elem...)...)
}

// Source says where a parameter's value comes from: "ics.conf:12", what Set
// was told, or "" for the default.
func (c *Config) Source(name string) string {
	p, ok := Find(name)
	if !ok {
		return ""
	}
	if strings.Contains(p.Name, "<") {
		for _, s := range c.sorted(p.Name) {
			if strings.EqualFold(s.name, name) || strings.EqualFold(s.name, name+".ip") {
				return s.source()
			}
		}
		return ""
	}
	_, source := c.value(p)
	return source
}
