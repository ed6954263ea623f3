package config

import (
	_ "embed" // of previous.txt
	"fmt"
	"strings"
)

// previousText has the parameters of the release before: name, whether it had an effect,
// and the default, where /data is the data directory. A test asks that release.
//
//go:embed previous.txt
var previousText string

// previousData is the data directory of previous.txt.
const previousData = "/data"

// Change is a parameter that is not what it was in the release before.
type Change struct {
	Param string `json:"parameter"`
	What  string `json:"what"` // a sentence
}

// SincePrevious tells which parameters mean something else for this ics.conf than they did
// to the release before: defaults that are others, where nobody set them, and settings that
// had no effect and have one now.
func (c *Config) SincePrevious() []Change { return c.since(previousText) }

func (c *Config) since(previous string) (list []Change) {
	type row struct {
		value string
		used  bool
	}
	before := map[string]row{}
	for line := range strings.Lines(previous) {
		if f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3); len(f) == 3 {
			before[f[0]] = row{f[2], f[1] == "yes"}
		}
	}
	for s := range c.Settings(false) {
		was, known := before[s.Name]
		if !known || !s.Effect {
			continue
		}
		if was.value == previousData || strings.HasPrefix(was.value, previousData+"/") {
			was.value = c.Data + was.value[len(previousData):]
		}
		set := s.Source != "default"
		switch {
		case set && !was.used && s.Value != was.value:
			list = append(list, Change{s.Name, fmt.Sprintf("it had no effect in the release before, and says %q (%s), which counts from now on", s.Value, s.Source)})
		case !set && was.used && s.Value != was.value:
			list = append(list, Change{s.Name, fmt.Sprintf("its default was %q and is %q now: set it if that is not meant", was.value, s.Value)})
		}
	}
	return list
}
