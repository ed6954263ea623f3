package config

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Show prints the effective values as an ics.conf, with the place where each
// comes from behind it; secrets are redacted, paths are complete. onlyChanged
// leaves out what nobody set.
func (c *Config) Show(w io.Writer, onlyChanged bool) error {
	b := bufio.NewWriter(w)
	title := ""
	print := func(p *Param, name, value, source string) {
		if title != p.Section {
			if title != "" {
				b.WriteByte('\n')
			}
			title = p.Section
			fmt.Fprintf(b, "! %s\n", title)
		}
		if p.Kind == Password && value != "" {
			value = redacted
		}
		if source == "" {
			source = "default"
		}
		if !p.Used() && !slices.Contains(tlsParameters, p.Name) {
			source += ", without effect"
		}
		fmt.Fprintf(b, "%s = %s  ! %s\n", name, quote(value), source)
	}
	for _, p := range params {
		if i := strings.IndexByte(p.Name, '<'); i >= 0 {
			for _, s := range c.sorted(p.Name[:i] + "<") {
				if s.param == p {
					print(p, s.name, s.value, s.source())
				}
			}
			continue
		}
		value, source := c.value(p)
		if onlyChanged && source == "" {
			continue
		}
		print(p, p.Name, c.effective(p, value), source)
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
